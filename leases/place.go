package leases

import (
	"bytes"
	"io"
	"os"
	"time"

	"github.com/lease6/lease6/leases/isc"
)

// place is how far a file was read, and which file that was.
type place struct {
	info     os.FileInfo
	tail     isc.Pos // behind the last complete record
	whole    bool    // nothing stands behind tail
	modified time.Time
	size     int64
	head     []byte // the first bytes
	mark     []byte // the bytes in front of tail
}

// fileChange is how a file differs from what was read of it.
type fileChange uint8

const (
	unchanged fileChange = iota
	appended
	rewritten // in place: its writer may not be done
	replaced  // by another file, which is complete when it appears
)

// compare tells what became of the file that p was read from.
func (p *place) compare(file *os.File, info os.FileInfo) (fileChange, error) {
	if !os.SameFile(p.info, info) {
		return replaced, nil
	}
	if info.Size() == p.size && info.ModTime().Equal(p.modified) {
		return unchanged, nil
	}
	if info.Size() < p.tail.Offset {
		return rewritten, nil
	}
	same, err := p.sameContent(file)
	switch {
	case err != nil:
		return unchanged, err
	case !same, info.Size() == p.size && p.whole:
		// Other bytes, or as many as before in a file that was written to: no append.
		return rewritten, nil
	}
	return appended, nil
}

// sameContent compares the bytes at the beginning and in front of the tail.
func (p *place) sameContent(file io.ReaderAt) (bool, error) {
	for _, part := range []struct {
		want []byte
		at   int64
	}{{p.head, 0}, {p.mark, p.tail.Offset - int64(len(p.mark))}} {
		got := make([]byte, len(part.want))
		if _, err := file.ReadAt(got, part.at); err != nil && err != io.EOF {
			return false, err
		}
		if !bytes.Equal(got, part.want) {
			return false, nil
		}
	}
	return true, nil
}

// remember notes how far file was read.
func (p *place) remember(file io.ReaderAt, info os.FileInfo, tail isc.Pos) error {
	*p = place{info: info, tail: tail, modified: info.ModTime(), size: info.Size()}
	rest := make([]byte, min(markBytes, info.Size()-tail.Offset))
	if _, err := file.ReadAt(rest, tail.Offset); err != nil && err != io.EOF {
		return err
	}
	// A comment whose line does not end may go on, but nothing is missing.
	p.whole = len(rest) == 0 || rest[0] == '#' && bytes.IndexByte(rest, '\n') < 0 && info.Size()-tail.Offset < markBytes
	p.head = make([]byte, min(markBytes, tail.Offset))
	p.mark = make([]byte, min(markBytes, tail.Offset))
	if _, err := file.ReadAt(p.head, 0); err != nil && err != io.EOF {
		return err
	}
	if _, err := file.ReadAt(p.mark, tail.Offset-int64(len(p.mark))); err != nil && err != io.EOF {
		return err
	}
	return nil
}
