// Package storm boots thousands of VMs at once and sees when the last of them has its address.
//
// Each VM has a MAC and a link-local address of its own. On a directly attached link a server that answers by UDP needs
// a neighbour entry for each of them, and the kernel's table holds 1,024 on a machine as it comes; the VMs answer its
// solicitations as real ones do. Limits of the kernel are left as they are.
package storm
