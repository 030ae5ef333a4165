package wire

import "encoding/binary"

const (
	iaHeader   = 12 // IAID, T1, T2 (RFC 9915 §21.4 and §21.21)
	addrHeader = 24 // address, preferred-lifetime, valid-lifetime (§21.6)
)

// IA is one identity association of a message: IA_NA or IA_PD. Its slices alias the packet.
type IA struct {
	Code    uint16 // OptIANA or OptIAPD
	IAID    [4]byte
	Options []byte
}

// NextIA finds the next IA_NA or IA_PD in options and returns what follows it. IAs that are too short for their own
// header, IA_TAs and everything else are passed over.
func NextIA(options []byte) (ia IA, rest []byte, ok bool) {
	for len(options) > 0 {
		code, data, tail, whole := NextOption(options)
		if !whole {
			return IA{}, nil, false
		}
		options = tail
		if (code == OptIANA || code == OptIAPD) && len(data) >= iaHeader {
			return IA{Code: code, IAID: [4]byte(data), Options: data[iaHeader:]}, options, true
		}
	}
	return IA{}, nil, false
}

// NextAddr finds the next IA Address in the options of an IA_NA and returns what follows it. Options whose length
// lies end the search: what stands before them was read, what stands behind them has no meaning.
func NextAddr(options []byte) (addr *[16]byte, rest []byte, ok bool) {
	for len(options) > 0 {
		code, data, tail, whole := NextOption(options)
		if !whole {
			return nil, nil, false
		}
		options = tail
		if code == OptIAAddr && len(data) >= addrHeader {
			return (*[16]byte)(data), options, true
		}
	}
	return nil, nil, false
}

// DUIDMAC returns the MAC inside a DUID-LL or DUID-LLT of hardware type Ethernet (RFC 9915 §11.2, §11.4).
func DUIDMAC(duid []byte) (mac [6]byte, ok bool) {
	const llt, ll, ethernet = 1, 3, 1
	if len(duid) < 4 || binary.BigEndian.Uint16(duid[2:]) != ethernet {
		return mac, false
	}
	switch t := binary.BigEndian.Uint16(duid); {
	case t == ll && len(duid) == 10:
		return [6]byte(duid[4:]), true
	case t == llt && len(duid) == 14:
		return [6]byte(duid[8:]), true
	}
	return mac, false
}

// LinkLayerMAC returns the MAC of a Client Link-Layer Address option (RFC 6939 §4) if it is an Ethernet one.
func LinkLayerMAC(data []byte) (mac [6]byte, ok bool) {
	if len(data) != 8 || data[0] != 0 || data[1] != 1 {
		return mac, false
	}
	return [6]byte(data[2:]), true
}

// EUI64MAC returns the MAC from which a link-local address was formed (RFC 4291 appendix A), also a locally
// administered one such as KVM's 52:54:00. A random interface identifier looks like that once in 65,536 times.
func EUI64MAC(addr *[16]byte) (mac [6]byte, ok bool) {
	if binary.BigEndian.Uint64(addr[:]) != 0xfe80<<48 || addr[11] != 0xff || addr[12] != 0xfe {
		return mac, false
	}
	return [6]byte{addr[8] ^ 2, addr[9], addr[10], addr[13], addr[14], addr[15]}, true
}
