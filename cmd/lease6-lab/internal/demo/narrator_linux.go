package demo

import (
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv6"

	"github.com/lease6/lease6/cmd/lease6-lab/internal/datacenter"
	"github.com/lease6/lease6/cmd/lease6-lab/internal/frame"
)

// ANSI codes of what the narrator marks.
const (
	plain  = "\x1b[0m"
	bold   = "\x1b[1m"
	dim    = "\x1b[2m"
	red    = "\x1b[31m"
	green  = "\x1b[32m"
	yellow = "\x1b[33m"
	cyan   = "\x1b[36m"
)

// narrator tells the story, line by line: when, who, what.
type narrator struct {
	color bool
	start time.Time

	mu  sync.Mutex
	out io.Writer
}

func newNarrator(out io.Writer, color bool) *narrator {
	return &narrator{out: out, color: color, start: time.Now()}
}

// paint puts text in a colour, if there are any.
func (n *narrator) paint(code, text string) string {
	if !n.color {
		return text
	}
	return code + text + plain
}

// line tells something now.
func (n *narrator) line(who, what string) { n.tell(time.Now(), who, what) }

// good tells that something came out right.
func (n *narrator) good(who, what string) { n.line(who, n.paint(green, "✓ "+what)) }

func (n *narrator) tell(at time.Time, who, what string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	fmt.Fprintf(n.out, "%s  %s %s\n", n.paint(dim, fmt.Sprintf("%7.3f", at.Sub(n.start).Seconds())), n.paint(bold, fmt.Sprintf("%-8s", who)), what)
}

// program tells what lease6d logs. What clients and relays print is told better by their packets.
func (n *narrator) program(program, line string) {
	if !strings.HasPrefix(program, "dc/") {
		return
	}
	// The time is told already.
	if _, rest, ok := strings.Cut(line, " level="); ok && strings.HasPrefix(line, "time=") {
		level, text, _ := strings.Cut(rest, " ")
		line = text
		if level != "INFO" {
			n.line("lease6d", n.paint(yellow, line))
			return
		}
	}
	n.line("lease6d", n.paint(dim, line))
}

// packet tells what a VM's NIC says to the server and hears from it.
func (n *narrator) packet(vm, nic string) func(*frame.Packet) {
	return func(p *frame.Packet) {
		inner := p.Inner()
		switch {
		case inner == nil, p.Message.IsRelay():
		case p.Out:
			n.tell(p.At, vm, fmt.Sprintf("%s %s %-12s %s", nic, n.paint(cyan, "→"), typeText(inner), duidText(p.DUID())))
		case inner.MessageType == dhcpv6.MessageTypeAdvertise, inner.MessageType == dhcpv6.MessageTypeReply:
			n.tell(p.At, vm, fmt.Sprintf("%s %s %-12s %s", nic, n.paint(green, "←"), typeText(inner), n.answer(p)))
		}
	}
}

// answer says what the server gives.
func (n *narrator) answer(p *frame.Packet) string {
	if s := p.Status(); s != 0 {
		return n.paint(red, statusText(s))
	}
	var words []string
	for _, a := range p.Addresses() {
		words = append(words, a.String())
	}
	return strings.Join(words, " ")
}

// typeText names a message as RFC 9915 does.
func typeText(m *dhcpv6.Message) string {
	name := m.Type().String()
	return name[:1] + strings.ToLower(name[1:])
}

// statusText names a status code of RFC 9915 §21.13.
func statusText(code uint16) string {
	names := [...]string{"Success", "UnspecFail", "NoAddrsAvail", "NoBinding", "NotOnLink", "UseMulticast", "NoPrefixAvail"}
	if int(code) < len(names) {
		return names[code]
	}
	return fmt.Sprintf("status %d", code)
}

// relayed tells what a relay passes on to the server.
func (n *narrator) relayed(relay string, path datacenter.Path) func(*frame.Packet) {
	return func(p *frame.Packet) {
		forward, ok := p.Message.(*dhcpv6.RelayMessage)
		if !ok || !p.Out || p.Inner() == nil {
			return
		}
		told := "without option 79"
		if mac := p.Option79(); mac != nil {
			told = "with option 79: " + mac.String()
		}
		n.tell(p.At, relay, fmt.Sprintf("passes on a %s of %s, %s", typeText(p.Inner()), forward.PeerAddr, told))
	}
}

// duidText writes a DUID so that a person sees what it claims.
func duidText(duid []byte) string {
	switch {
	case len(duid) == 10 && duid[1] == 3:
		return "DUID-LL " + net.HardwareAddr(duid[4:]).String()
	case len(duid) == 14 && duid[1] == 1:
		return "DUID-LLT " + net.HardwareAddr(duid[8:]).String()
	case len(duid) == 18 && duid[1] == 4:
		return "DUID-UUID " + hex.EncodeToString(duid[2:6]) + "…"
	case len(duid) == 0:
		return "no DUID"
	default:
		return "DUID " + hex.EncodeToString(duid)
	}
}

// table shows the verdicts and returns how many are wrong.
func (n *narrator) table(verdicts []verdict) (wrong int) {
	rows := [][]string{{"VM", "NIC", "MAC", "DUID on the wire", "path", "address in the file", "address on the wire", "verdict"}}
	for i := range verdicts {
		v := &verdicts[i]
		word := "right"
		if !v.right() {
			word = "WRONG"
			wrong++
		}
		rows = append(rows, []string{v.vm.name, v.nic.name, v.nic.mac.String(), duidText(v.duid), v.vm.path.String(), v.inFile(), v.onWire(), word})
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	fmt.Fprintln(n.out)
	n.write(rows)
	fmt.Fprintf(n.out, "\n%d NICs, %d right, %d wrong, after %.1f s\n", len(verdicts), len(verdicts)-wrong, wrong, time.Since(n.start).Seconds())
	return wrong
}

// write writes rows in columns. The first row is the head, the last column the verdict.
func (n *narrator) write(rows [][]string) {
	width := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			width[i] = max(width[i], len([]rune(cell)))
		}
	}
	for r, row := range rows {
		for i, cell := range row {
			text := cell
			if i < len(row)-1 {
				text = fmt.Sprintf("%-*s", width[i], cell)
			}
			switch {
			case r == 0:
				text = n.paint(bold, text)
			case i == len(row)-1 && cell == "right":
				text = n.paint(green, text)
			case i == len(row)-1:
				text = n.paint(red, text)
			}
			if i > 0 {
				text = "  " + text
			}
			fmt.Fprint(n.out, text)
		}
		fmt.Fprintln(n.out)
	}
}

// lookAround says how to use a datacenter that stays.
func (n *narrator) lookAround(s *stage, dir string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	name := func(machine string) string { return strings.TrimSuffix(s.dc.Server.NS, "dc") + machine }
	fmt.Fprintf(n.out, "\nThe datacenter stays until ^C. Look around, in another shell:\n\n")
	for _, c := range [][2]string{
		{"ip netns list", "all machines"},
		{"ip -n " + name("db1") + " -6 address", "the NICs of a VM"},
		{"ip netns exec " + name("web1") + " dhclient -6 -1 -v -D LL -lf /tmp/l -pf /tmp/p -sf /bin/true eth0", "ask once more"},
		{"ip netns exec " + name("dc") + " tcpdump -ni any 'udp port 546 or udp port 547'", "what the server sees"},
		{"ip netns exec " + name("relay2") + " tcpdump -vni up 'udp port 547'", "what a relay adds"},
		{"cat " + dir + "/*.leases", "the leases"},
	} {
		fmt.Fprintf(n.out, "  %s\n      %s\n", n.paint(bold, c[0]), n.paint(dim, c[1]))
	}
}
