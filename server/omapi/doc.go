// Package omapi serves OMAPI, the protocol over which cloud platforms create, look up, change and delete leases on ISC
// dhcpd, so that lease6d can stand where dhcpd -6 stood.
//
// # The conversation
//
// TCP, by custom port 7911. Both sides send eight bytes, 00000064 00000018, and the server does so at once and alone:
// Abiquo's client waits for them before it says anything. Then one request, one reply, in one write, in order:
//
//	client  open    type=authenticator                        name=omapi_key algorithm=hmac-sha256.SIG-ALG.REG.INT.
//	server  update  handle 1                                  name, algorithm; the handle is the authid of what follows
//	client  open    type=host create=1 exclusive=1            name=vm1 ip-address=… hardware-address=… hardware-type=1
//	server  update  handle 2                                  ip-address, name, hardware-address, hardware-type
//	client  update  handle 2                                  ip-address=…
//	server  status  result=0
//	client  open    type=host                                 hardware-address=…
//	server  update  handle 2                                  the host
//	client  delete  handle 2
//	server  status  result=0
//
// Without a key the first two messages are missing and nothing is signed; that is how Abiquo speaks. Every change is
// durable and served before it is answered: that is the Store's promise. Handles belong to their connection.
//
// # What ISC gets wrong
//
// Recorded with dhcpd 4.4.3-P1; testdata/captures.golden and testdata/side-by-side.golden have the replies of both.
//
//   - It takes an empty signature for a right one: who knows the name of the key needs no secret. Refused here.
//   - It stores statements with execute() and runs them when the host asks for its address. Here a statement sets an
//     option that ISC knows to a constant, or is refused: the file may go back to ISC.
//   - An ip-address of one byte ends it, as do some thirty signed requests sent without waiting; a length of 2 GiB makes
//     it take 2 GiB before it knows who asks. Here lengths are bounded, and memory grows as bytes arrive.
//   - Names with colons, which Abiquo makes, are written to a file in which it cannot read them. Here they are stored
//     under a name that both can read, and clients see only the real one.
//   - Its result codes for conflicts and errors, 0x6000x, end Abiquo's client with a null pointer. Here they are codes
//     below 70 unless configured otherwise.
//   - It forgets a host's statements if its group is named behind them, finds no host by ip-address, gives a host
//     without hardware-type one that never matches, and changes a host half before it refuses the change. And it logs
//     nothing; here every change is logged and counted.
//   - Create without exclusive, and open with update, fail in ISC when the host exists. Here they change it in one step.
//
// # Why the codes are chosen by configuration
//
// Nothing in the protocol tells an old client from a new one, and the numbers for these errors mean something else, or
// nothing, to the other.
package omapi
