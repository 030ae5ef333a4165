// Package guest is what a VM of the load says to a DHCPv6 server and hears from it, as bytes: who it is, which follows
// from its number; its messages, written from templates; and what is wrong with an answer, if anything is.
//
// Nothing here allocates but the making of a template. Answers are read without server/wire, which wrote them.
package guest
