# lease6. The two commands that matter are "make run" and "make test"; both want root on Debian.

GO          ?= go
STATICCHECK ?= honnef.co/go/tools/cmd/staticcheck@v0.8.2
# Executions of each fuzz target. A count, not a duration: a duration ends in a spurious error on Go 1.26.
FUZZ        ?= 60000x
# The long run: make fuzz FUZZ=20000000x

.DEFAULT_GOAL := help

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## build the programs into bin/
	$(GO) build -trimpath -o bin/ ./cmd/...

run: deps build ## a lab of namespaces with lease6d and real clients; STAY=1 keeps it up
	bin/lease6-lab demo --server bin/lease6d $(if $(STAY),--stay)

test: deps check race lab fuzz ## everything that continuous integration runs

deps: ## install what the lab needs (Debian, as root)
	@sh packaging/debian/lab-deps.sh

check: ## the fast part: vet, lint, unit tests, other systems
	$(GO) vet ./...
	GOOS=windows $(GO) vet ./...
	GOARCH=arm64 $(GO) vet ./...
	GOOS=windows $(GO) build -o /dev/null ./cmd/lease6
	GOARCH=arm64 $(GO) build -o /dev/null ./cmd/lease6d
	test -z "$$(gofmt -l .)" || { gofmt -l .; exit 1; }
	$(GO) run $(STATICCHECK) ./...
	$(GO) test -short $$($(GO) list ./... | grep -v /cmd/lease6-lab)

race: ## unit tests, and the running server, under the race detector
	$(GO) test -race $$($(GO) list ./... | grep -v /cmd/lease6-lab)
	LAB_RACE=1 $(GO) test -count=1 -run 'TestReload|TestInterfaces|TestLeaseAppears|TestServerRestart|TestOMAPI' ./cmd/lease6-lab

lab: ## real clients, relays and servers in network namespaces
	$(GO) test -p 1 -timeout 15m ./cmd/lease6-lab/...

fuzz: ## every parser against random input; FUZZ=1000000x for more
	@set -e; for target in $$(grep -rhoE '^func Fuzz[A-Za-z0-9]+' --include='*_test.go' . | cut -c6- | sort); do \
		dir=$$(grep -rlE "^func $$target\(" --include='*_test.go' . | head -n 1 | xargs dirname); \
		echo "fuzz $$dir $$target $(FUZZ)"; \
		$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZ) -fuzzminimizetime 1x "$$dir"; \
	done

bench: deps build ## lease6d beside a ceiling and the peers of Debian, boot storms, changes under load; some 15 minutes
	bin/lease6-lab bench --sizes 1000,100000 --json bin/bench.json --svg bin/bench.svg
	bin/lease6-lab bench --sizes 100000 --modes direct --servers ceiling,lease6d
	bin/lease6-lab storm
	bin/lease6-lab churn
	bin/lease6-lab spread

soak: deps build ## ten minutes at capacity with changes, and a thousand interfaces that come and go
	bin/lease6-lab interfaces
	bin/lease6-lab soak

cover: ## coverage of the unit tests
	$(GO) test -short -cover $$($(GO) list ./... | grep -v /cmd/lease6-lab)

golden: ## rewrite the golden files, to be looked at with git diff
	$(GO) test ./leases/isc ./server/config -update

clean: ## remove what was built
	rm -rf bin dist

.PHONY: help build run test deps check race lab fuzz bench soak cover golden clean
