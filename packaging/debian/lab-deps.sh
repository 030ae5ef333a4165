#!/bin/sh
# Installs what "make run" and "make test" use from Debian: real DHCPv6 clients, relays and servers, and a C compiler
# for the race detector. No daemon is started: none of them must ever speak on this machine's own network.
set -eu

packages="isc-dhcp-client isc-dhcp-server isc-dhcp-relay dnsmasq-base dhcpcd-base wide-dhcpv6-client dibbler-client
	kea-dhcp6-server python3-pypureomapi network-manager systemd dbus iproute2 procps util-linux gcc libc6-dev"

missing=
for p in $packages; do
	status=$(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null || true)
	[ "$status" = installed ] || missing="$missing $p"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" != 0 ]; then
	echo "lab-deps: not root; install these first:$missing" >&2
	exit 1
fi

# Debian's way of keeping maintainer scripts from starting daemons.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
	printf '#!/bin/sh\nexit 101\n' >"$policy"
	chmod 755 "$policy"
	trap 'rm -f "$policy"' EXIT
fi

echo "installing:$missing"
apt-get -qq update
# shellcheck disable=SC2086
DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends $missing >/dev/null
