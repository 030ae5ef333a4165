package codec

import "fmt"

// Result is what becomes of a request.
type Result uint8

// The results that requests can have.
const (
	Success Result = iota
	PermissionDenied
	AlreadyExists
	NotFound
	Failure
	IOError
	NotImplemented
	InvalidArgument
	KeyConflict
	ParseError
	NoKey
	InvalidKey
	UnknownAttribute
	NumResults // how many there are
)

// Codes selects the numbers that stand for results on the wire. The protocol does not tell which a client knows.
type Codes uint8

const (
	// Classic are numbers below 70 alone. Abiquo's client ends with a null pointer at any other.
	Classic Codes = iota
	// ISC are those of ISC dhcpd since 4.2. Its omshell has the right text only for these.
	ISC
)

// results has the numbers of each result, and its name.
var results = [NumResults]struct {
	codes [2]uint32 // by Codes
	name  string
}{
	Success:          {[2]uint32{0, 0}, "success"},
	PermissionDenied: {[2]uint32{6, 6}, "permission-denied"},
	AlreadyExists:    {[2]uint32{18, 18}, "already-exists"},
	NotFound:         {[2]uint32{23, 23}, "not-found"},
	Failure:          {[2]uint32{25, 25}, "failure"},
	IOError:          {[2]uint32{25, 26}, "io-error"},
	NotImplemented:   {[2]uint32{27, 27}, "not-implemented"},
	InvalidArgument:  {[2]uint32{39, 0x60003}, "invalid-argument"},
	KeyConflict:      {[2]uint32{44, 0x60007}, "key-conflict"},
	ParseError:       {[2]uint32{45, 0x60008}, "parse-error"},
	NoKey:            {[2]uint32{6, 0x60009}, "no-key"},
	InvalidKey:       {[2]uint32{6, 0x6000b}, "invalid-key"},
	UnknownAttribute: {[2]uint32{69, 0x60020}, "unknown-attribute"},
}

// String names the result as counters do.
func (r Result) String() string { return results[r].name }

// Code returns the number that stands for the result.
func (r Result) Code(c Codes) uint32 { return results[r].codes[c] }

// Refusal is the answer to a request that is not carried out.
type Refusal struct {
	Result Result
	Text   string
}

// Error returns the text.
func (r *Refusal) Error() string { return r.Text }

// Refuse makes a Refusal.
func Refuse(r Result, format string, args ...any) *Refusal {
	return &Refusal{Result: r, Text: fmt.Sprintf(format, args...)}
}
