// Package bench measures DHCPv6 servers side by side: lease6d, an answerer without logic as the ceiling, and the servers
// that people run today, all with the same reservations.
//
// Each server has one CPU and the load another one. All servers of a case are there at the same time, each in an arena
// of its own, and the load goes to one of them after the other, round after round: what else happens on the machine
// happens to all of them. Those whose turn it is not are stopped, because a slow server goes on working long after. Figures are medians over the rounds, with the least and the most; what counts are their ratios, which
// hold on other machines too.
//
// An exchange counts only if every answer in it was exactly right.
package bench
