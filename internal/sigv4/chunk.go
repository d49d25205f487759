package sigv4

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// The payload hashes of bodies that come in chunks.
const (
	signedChunks        = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
	signedChunksTrailer = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
	unsignedTrailer     = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
)

// A Payload is a request's body as its signature covers it: by the SHA-256 of
// the whole, or in chunks.
type Payload struct {
	Sum    [sha256.Size]byte
	Chunks *Chunks
}

// Chunks are a body that came in chunks (aws-chunked):
//
//	body    = *chunk last *trailer CRLF
//	chunk   = size [ ";chunk-signature=" hex ] CRLF bytes CRLF     size in hex
//	last    = "0"  [ ";chunk-signature=" hex ] CRLF
//	trailer = name ":" value CRLF
//
// The last chunk's CRLF is that of the body where there are no trailers. Where
// chunks are signed, each one is together with the signature before it, from
// the request's own on; trailers then end with x-amz-trailer-signature.
type Chunks struct {
	Payload []byte // all chunks together

	chunks    []chunk   // the last is empty
	trailers  []trailer // in the order in which they came
	signature string    // of the trailers
}

type chunk struct {
	data      []byte
	signature string
}

type trailer struct{ name, value string }

// maxTrailers bounds the trailers of a body.
const maxTrailers = 16

// InChunks reports whether the request's body comes in chunks.
func (s *Signature) InChunks() bool { return strings.HasPrefix(s.PayloadHash, "STREAMING-") }

// ReadChunks takes a body that comes in chunks apart, and checks its trailers
// against what the headers announce and the checksums in them against the
// payload. Its error is an *Error.
func (s *Signature) ReadChunks(h http.Header, body []byte) (*Chunks, error) {
	c := &Chunks{Payload: make([]byte, 0, len(body))}
	signed := s.PayloadHash != unsignedTrailer
	for last := false; !last; {
		line, rest, ok := bytes.Cut(body, crlf)
		if !ok {
			return nil, badChunk()
		}
		size, signature, err := parseChunkHead(string(line), signed)
		if err != nil {
			return nil, err
		}
		last = size == 0
		if size > len(rest) || !last && !bytes.HasPrefix(rest[size:], crlf) {
			return nil, badChunk()
		}
		c.chunks = append(c.chunks, chunk{rest[:size], signature})
		c.Payload = append(c.Payload, rest[:size]...)
		if body = rest[size:]; !last {
			body = body[len(crlf):]
		}
	}
	if err := c.readTrailers(body); err != nil {
		return nil, err
	}
	return c, c.check(s, h)
}

var crlf = []byte("\r\n")

func badChunk() error {
	return fail(Incomplete, "The body is not in the chunks that x-amz-content-sha256 announces.")
}

// parseChunkHead reads size and signature of a chunk.
func parseChunkHead(line string, signed bool) (size int, signature string, err error) {
	digits, extension, _ := strings.Cut(line, ";")
	n, err := strconv.ParseUint(digits, 16, 31)
	if err != nil || len(digits) > 8 {
		return 0, "", badChunk()
	}
	if !signed {
		return int(n), "", nil
	}
	signature, ok := strings.CutPrefix(extension, "chunk-signature=")
	if !ok || !isHexSum(signature) {
		return 0, "", badChunk()
	}
	return int(n), signature, nil
}

// readTrailers reads what follows the last chunk.
func (c *Chunks) readTrailers(rest []byte) error {
	for len(rest) > 0 {
		line, after, ok := bytes.Cut(rest, crlf)
		if !ok || len(c.trailers) >= maxTrailers {
			return badChunk()
		}
		if rest = after; len(line) == 0 {
			break
		}
		name, value, ok := strings.Cut(strings.TrimRight(string(line), "\n"), ":")
		if !ok {
			return badChunk()
		}
		t := trailer{strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(value)}
		if t.name == "x-amz-trailer-signature" {
			c.signature = t.value
			continue
		}
		c.trailers = append(c.trailers, t)
	}
	if len(rest) > 0 {
		return badChunk()
	}
	return nil
}

// check compares the chunks with the headers, and the payload with its
// checksums.
func (c *Chunks) check(s *Signature, h http.Header) error {
	if n := h.Get("X-Amz-Decoded-Content-Length"); n != strconv.Itoa(len(c.Payload)) {
		return fail(Incomplete, "x-amz-decoded-content-length is not the length of the body.")
	}
	var announced []string
	for name := range strings.SplitSeq(strings.ToLower(strings.Join(h.Values("X-Amz-Trailer"), ",")), ",") {
		if name = strings.TrimSpace(name); name != "" {
			announced = append(announced, name)
		}
	}
	var came []string
	for _, t := range c.trailers {
		came = append(came, t.name)
	}
	slices.Sort(announced)
	slices.Sort(came)
	if !slices.Equal(announced, came) {
		return fail(Incomplete, "The trailers of the body are not those that x-amz-trailer announces.")
	}
	for _, t := range c.trailers {
		if sum := newChecksum(t.name); sum != nil {
			sum.Write(c.Payload)
			if base64.StdEncoding.EncodeToString(sum.Sum(nil)) != t.value {
				return fail(PayloadMismatch, "The %s you specified did not match what we received.", t.name)
			}
		}
	}
	return nil
}

// crc64NVME is the polynomial of that name, reversed.
const crc64NVME = 0x9a6c9329ac4bc9b5

// newChecksum returns the checksum that a trailer holds; nil if it is none that
// is known.
func newChecksum(name string) hash.Hash {
	switch name {
	case "x-amz-checksum-crc32":
		return crc32.NewIEEE()
	case "x-amz-checksum-crc32c":
		return crc32.New(crc32.MakeTable(crc32.Castagnoli))
	case "x-amz-checksum-crc64nvme":
		return crc64.New(crc64.MakeTable(crc64NVME))
	case "x-amz-checksum-sha1":
		return sha1.New()
	case "x-amz-checksum-sha256":
		return sha256.New()
	}
	return nil
}

// verify proves that each chunk, and the trailers, were signed with key.
func (c *Chunks) verify(s *Signature, key Key) error {
	if s.PayloadHash == unsignedTrailer {
		return nil
	}
	before, empty := s.Hex, sha256.Sum256(nil)
	for _, part := range c.chunks {
		sum := sha256.Sum256(part.data)
		want := s.chain("-PAYLOAD", before, key, empty[:], sum[:])
		if subtle.ConstantTimeCompare([]byte(want), []byte(part.signature)) != 1 {
			return errMismatch
		}
		before = part.signature
	}
	if s.PayloadHash != signedChunksTrailer {
		return nil
	}
	var lines strings.Builder
	for _, t := range c.trailers {
		lines.WriteString(t.name + ":" + t.value + "\n")
	}
	sum := sha256.Sum256([]byte(lines.String()))
	if want := s.chain("-TRAILER", before, key, sum[:]); subtle.ConstantTimeCompare([]byte(want), []byte(c.signature)) != 1 {
		return errMismatch
	}
	return nil
}

// chain returns the signature of what follows a signature in the body.
func (s *Signature) chain(of, before string, key Key, sums ...[]byte) string {
	text := algorithm + of + "\n" + s.Time.Format(timeFormat) + "\n" + s.Scope.String() + "\n" + before
	for _, sum := range sums {
		text += "\n" + hex.EncodeToString(sum)
	}
	mac := hmac.New(sha256.New, key[:])
	mac.Write([]byte(text))
	return hex.EncodeToString(mac.Sum(nil))
}
