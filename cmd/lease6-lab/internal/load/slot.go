package load

// stage is what a slot waits for.
type stage uint8

const (
	idle stage = iota
	advertised
	replied
)

// slot is one exchange in flight. Times are nanoseconds since the generator was made.
type slot struct {
	begun    int64 // when it was to begin
	sent     int64 // when its present message was first sent
	deadline int64 // when that is sent again
	patience int64 // the wait that ends then
	xid      uint32
	serial   uint32 // of its messages
	after    int32  // in the wheel
	mac      [6]byte
	exchange Exchange
	kind     byte // of its present message
	stage    stage
	waiting  bool // in the wheel
}
