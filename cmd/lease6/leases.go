package main

import "github.com/spf13/cobra"

func leasesCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "leases",
		Short: "Check, list and format an ISC lease file",
		Example: `  lease6 leases check /var/lib/dhcp/dhcpd6.leases
  lease6 leases list /var/lib/dhcp/dhcpd6.leases --network 2001:db8:1::/64
  lease6 leases fmt /var/lib/dhcp/dhcpd6.leases > clean.leases`,
	}
	c.AddCommand(leasesCheckCommand(), leasesListCommand(), leasesFmtCommand())
	return c
}
