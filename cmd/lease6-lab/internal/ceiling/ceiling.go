package ceiling

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/spf13/cobra"

	"github.com/lease6/lease6/cmd/lease6-lab/internal/load/guest"
	"github.com/lease6/lease6/server/batch"
	"github.com/lease6/lease6/server/wire"
)

// Ready is what a ceiling prints when it answers.
const Ready = "ceiling ready"

// Command is the command that answers on an interface until it is stopped.
func Command() *cobra.Command {
	var mode, nic string
	cmd := &cobra.Command{
		Use:   "ceiling --interface IF",
		Short: "Answer DHCPv6 with no logic, to see what the sockets allow",
		Long: `ceiling answers every DHCPv6 client with an address made from its MAC: relayed ones by option 79, or those directly
attached to an interface by their frames. It is no server; bench and storm measure servers against it.`,
		Example: `  lease6-lab ceiling --mode direct --interface eth1`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			m, err := guest.ParseMode(mode)
			if err != nil {
				return err
			}
			return Run(cmd.Context(), m, nic, cmd.OutOrStdout())
		},
	}
	cmd.Flags().StringVar(&mode, "mode", guest.Relayed.String(), "relayed or direct")
	cmd.Flags().StringVar(&nic, "interface", "", "in mode direct: the interface of the clients")
	return cmd
}

// Run answers until ctx ends. It says Ready on w once it does.
func Run(ctx context.Context, mode guest.Mode, nic string, w io.Writer) error {
	conn, source, close, err := listen(mode, nic)
	if err != nil {
		return fmt.Errorf("ceiling: %w", err)
	}
	defer close()
	// Closing the socket is what ends Recv.
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	if _, err := fmt.Fprintln(w, Ready); err != nil {
		return fmt.Errorf("ceiling: %w", err)
	}
	for {
		n, err := conn.Recv()
		switch {
		case errors.Is(err, net.ErrClosed):
			return nil
		case err != nil:
			return fmt.Errorf("ceiling: %w", err)
		}
		for i := range n {
			answer(conn, i, mode, source)
		}
		conn.Flush()
	}
}

func answer(conn *batch.Conn, i int, mode guest.Mode, source [16]byte) {
	packet, meta := conn.Packet(i)
	if packet == nil {
		return
	}
	if mode == guest.Direct {
		if b := direct(conn.Buffer(i), packet, meta.MAC); b != nil {
			conn.Queue(i, b, wire.ClientPort, source)
		}
		return
	}
	if b := relayed(conn.Buffer(i), packet); b != nil {
		conn.Queue(i, b, wire.ServerPort, source)
	}
}

// listen opens the socket of a mode. In mode direct, source is where the answers come from.
func listen(mode guest.Mode, nic string) (conn *batch.Conn, source [16]byte, close func(), err error) {
	if mode == guest.Relayed {
		conns, err := batch.ListenUDP(wire.ServerPort, 1, batch.Options{})
		if err != nil {
			return nil, source, nil, err
		}
		return conns[0], source, func() { conns[0].Close() }, nil
	}
	iface, err := net.InterfaceByName(nic)
	if err != nil {
		return nil, source, nil, fmt.Errorf("interface %q: %w", nic, err)
	}
	if len(iface.HardwareAddr) != 6 {
		return nil, source, nil, fmt.Errorf("interface %s: not Ethernet", nic)
	}
	groups, err := batch.NewGroups()
	if err != nil {
		return nil, source, nil, err
	}
	if err := groups.Join(iface.Index); err != nil {
		groups.Close()
		return nil, source, nil, err
	}
	conns, err := batch.ListenPacket(1, batch.Options{})
	if err != nil {
		groups.Close()
		return nil, source, nil, err
	}
	return conns[0], guest.LinkLocal([6]byte(iface.HardwareAddr)), func() { conns[0].Close(); groups.Close() }, nil
}
