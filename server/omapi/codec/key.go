package codec

import (
	"crypto/hmac"
	"crypto/md5"  // what OMAPI clients speak; HMAC-MD5 is not broken as MD5 is
	"crypto/sha1" // as above
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"strings"
)

// tail follows the algorithm's name on the wire, also for those that RFC 8945 names without it.
const tail = ".SIG-ALG.REG.INT."

// algorithms are those of ISC dhcpd, the names in its configuration before those in other use.
var algorithms = []struct {
	name string
	hash func() hash.Hash
}{
	{"hmac-md5", md5.New}, {"hmac-sha1", sha1.New}, {"hmac-sha224", sha256.New224}, {"hmac-sha256", sha256.New},
	{"hmac-sha384", sha512.New384}, {"hmac-sha512", sha512.New},
}

// Key signs messages.
type Key struct {
	name, algorithm string
	hash            func() hash.Hash
	secret          []byte
}

// NewKey makes a key of an algorithm such as "hmac-sha256".
func NewKey(name, algorithm string, secret []byte) (*Key, error) {
	if name == "" || len(secret) == 0 {
		return nil, errors.New("OMAPI key without name or secret")
	}
	short := strings.TrimSuffix(strings.ToLower(strings.TrimSuffix(algorithm, ".")), strings.ToLower(strings.TrimSuffix(tail, ".")))
	for _, a := range algorithms {
		if a.name == short {
			return &Key{name: name, algorithm: a.name, hash: a.hash, secret: secret}, nil
		}
	}
	return nil, fmt.Errorf("OMAPI key: no algorithm %q: use hmac-md5, hmac-sha1, hmac-sha224, hmac-sha256, hmac-sha384 or hmac-sha512", algorithm)
}

// Name returns the key's name.
func (k *Key) Name() string { return k.name }

// Algorithm returns the key's algorithm as it is written on the wire.
func (k *Key) Algorithm() string { return k.algorithm + tail }

// String keeps the secret out of whatever a key is printed to.
func (k *Key) String() string { return fmt.Sprintf("OMAPI key of %s", k.algorithm) }

// GoString does the same for %#v.
func (k *Key) GoString() string { return k.String() }

// Signer signs and checks messages with a key, for one goroutine.
type Signer struct {
	mac hash.Hash
	sum []byte
}

// NewSigner makes a Signer of the key.
func (k *Key) NewSigner() *Signer { return &Signer{mac: hmac.New(k.hash, k.secret)} }

func (s *Signer) sign(data []byte) []byte {
	s.mac.Reset()
	s.mac.Write(data)
	s.sum = s.mac.Sum(s.sum[:0])
	return s.sum
}

// Check reports whether the signature of a message that a Decoder has read is right. It takes the same time for any
// signature of the right length; one of length 0 is wrong.
func (s *Signer) Check(m *Message) bool { return hmac.Equal(s.sign(m.covered), m.Signature) }

// maxKeyFile is larger than any file with one key.
const maxKeyFile = 16 << 10

// ReadKey reads a key from a file in ISC's syntax, key NAME { algorithm hmac-sha256; secret BASE64; }, as tsig-keygen
// writes it. The file must not be readable by group or others. No error tells anything of what is in the file.
func ReadKey(path string) (*Key, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("OMAPI key file: %w", err)
	}
	defer f.Close()
	info, err := f.Stat() // of what was opened, whatever the name means by now
	if err != nil {
		return nil, fmt.Errorf("OMAPI key file: %w", err)
	}
	if !info.Mode().IsRegular() || info.Size() > maxKeyFile {
		return nil, fmt.Errorf("OMAPI key file %s: not a file with a key", path)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("OMAPI key file %s: mode %04o lets others read the key: chmod 600 it, and change the key if they may have", path, info.Mode().Perm())
	}
	text, err := io.ReadAll(io.LimitReader(f, maxKeyFile))
	if err != nil {
		return nil, fmt.Errorf("OMAPI key file: %w", err)
	}
	key, err := parseKey(string(text))
	if err != nil {
		return nil, fmt.Errorf("OMAPI key file %s: %w", path, err)
	}
	return key, nil
}

func parseKey(text string) (*Key, error) {
	bad := errors.New("want key NAME { algorithm hmac-sha256; secret BASE64; }, and nothing else")
	var w []string
	for line := range strings.Lines(strings.ReplaceAll(text, "\t", " ")) {
		for _, comment := range []string{"#", "//"} {
			// A secret may contain slashes, so a comment begins at a line's beginning or behind a blank.
			if n := strings.Index(" "+line, " "+comment); n >= 0 {
				line = line[:n]
			}
		}
		line = strings.NewReplacer("{", " { ", "}", " } ", ";", " ; ", `"`, "").Replace(line)
		w = append(w, strings.Fields(line)...)
	}
	if n := len(w); n == 11 && w[10] == ";" {
		w = w[:10]
	}
	if len(w) != 10 || w[0] != "key" || w[2] != "{" || w[5] != ";" || w[8] != ";" || w[9] != "}" {
		return nil, bad
	}
	algorithm, secret := w[4], w[7]
	switch {
	case w[3] == "secret" && w[6] == "algorithm":
		algorithm, secret = secret, algorithm
	case w[3] != "algorithm" || w[6] != "secret":
		return nil, bad
	}
	raw, err := base64.StdEncoding.DecodeString(secret)
	if err != nil {
		return nil, errors.New("the secret is not base64")
	}
	if key, err := NewKey(w[1], algorithm, raw); err == nil {
		return key, nil
	}
	return nil, errors.New("no such algorithm: use hmac-md5, hmac-sha1, hmac-sha224, hmac-sha256, hmac-sha384 or hmac-sha512")
}
