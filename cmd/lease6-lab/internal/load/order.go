package load

// order visits the clients 0 to n-1 again and again, each as often as the others, and no two neighbours one behind the
// other: a server must not gain from leases that lie beside each other in its file.
type order struct{ n, step, next uint32 }

func newOrder(n int) order {
	o := order{n: uint32(n), step: uint32(float64(n) * 0.6180339887)}
	for o.step = max(o.step, 1); gcd(o.step, o.n) != 1; o.step++ {
	}
	return o
}

func (o *order) take() int {
	i := o.next
	o.next = uint32((uint64(i) + uint64(o.step)) % uint64(o.n))
	return int(i)
}

func gcd(a, b uint32) uint32 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
