package sigv4

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"hash/crc32"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// chunked is a request whose body comes in chunks, made as a client makes it.
type chunked struct {
	payload  string // hash that announces the chunks
	chunks   [][]byte
	trailers []trailer
	decoded  string // announced length; "" for the right one
}

// request returns the signed request and its body.
func (c chunked) request(t testing.TB) (*http.Request, []byte) {
	t.Helper()
	r := httptest.NewRequest("PUT", "/bucket/key", nil)
	r.Host = "naru.example"
	length := 0
	for _, chunk := range c.chunks {
		length += len(chunk)
	}
	if c.decoded == "" {
		c.decoded = strconv.Itoa(length)
	}
	signed := "content-encoding;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length"
	r.Header = http.Header{
		"Content-Encoding": {"aws-chunked"}, "X-Amz-Content-Sha256": {c.payload}, "X-Amz-Date": {testTime.Format(timeFormat)}, "X-Amz-Decoded-Content-Length": {c.decoded},
	}
	if len(c.trailers) > 0 {
		var names []string
		for _, trailer := range c.trailers {
			names = append(names, trailer.name)
		}
		r.Header["X-Amz-Trailer"] = []string{strings.Join(names, ",")}
		signed += ";x-amz-trailer"
	}
	scope := Scope{testTime.Format(dateFormat), "us-east-1", "s3"}
	s := &Signature{Scope: scope, Time: testTime, SignedHeaders: strings.Split(signed, ";"), PayloadHash: c.payload}
	canonical, ok := s.appendCanonical(nil, r, "/bucket/key", "", c.payload)
	if !ok {
		t.Fatal("the request lacks a header")
	}
	key := DeriveKey(testSecret, scope)
	sum := sha256.Sum256(canonical)
	s.Hex = hmacOf(key, algorithm+"\n"+testTime.Format(timeFormat)+"\n"+scope.String()+"\n"+hexString(sum[:]))
	r.Header.Set("Authorization", algorithm+" Credential=AKIDEXAMPLE/"+scope.String()+", SignedHeaders="+signed+", Signature="+s.Hex)
	return r, c.body(key, scope, s.Hex)
}

func hmacOf(key Key, text string) string {
	mac := hmac.New(sha256.New, key[:])
	mac.Write([]byte(text))
	return hexString(mac.Sum(nil))
}

// body writes the chunks, each with the signature that goes on from the one
// before, as the protocol's description has it.
func (c chunked) body(key Key, scope Scope, before string) []byte {
	var b bytes.Buffer
	head := testTime.Format(timeFormat) + "\n" + scope.String() + "\n"
	for _, chunk := range append(c.chunks, nil) {
		fmt.Fprintf(&b, "%x", len(chunk))
		if c.payload != unsignedTrailer {
			before = hmacOf(key, "AWS4-HMAC-SHA256-PAYLOAD\n"+head+before+"\n"+hexSum(nil)+"\n"+hexSum(chunk))
			b.WriteString(";chunk-signature=" + before)
		}
		b.WriteString("\r\n")
		if len(chunk) > 0 {
			b.Write(chunk)
			b.WriteString("\r\n")
		}
	}
	lines := ""
	for _, t := range c.trailers {
		b.WriteString(t.name + ":" + t.value + "\r\n")
		lines += t.name + ":" + t.value + "\n"
	}
	if c.payload == signedChunksTrailer {
		b.WriteString("x-amz-trailer-signature:" + hmacOf(key, "AWS4-HMAC-SHA256-TRAILER\n"+head+before+"\n"+hexSum([]byte(lines))) + "\r\n")
	}
	b.WriteString("\r\n")
	return b.Bytes()
}

// verify parses and verifies a request as a server does.
func verify(r *http.Request, body []byte) ([]byte, error) {
	s, err := Parse(r)
	if err != nil {
		return nil, err
	}
	chunks, err := s.ReadChunks(r.Header, body)
	if err != nil {
		return nil, err
	}
	return chunks.Payload, s.Verify(r, Payload{Chunks: chunks}, DeriveKey(testSecret, s.Scope), testTime)
}

func crc(data []byte) trailer {
	sum := crc32.NewIEEE()
	sum.Write(data)
	return trailer{"x-amz-checksum-crc32", base64.StdEncoding.EncodeToString(sum.Sum(nil))}
}

func drawChunked(t *rapid.T) (c chunked, whole []byte) {
	c.payload = rapid.SampledFrom([]string{signedChunks, signedChunksTrailer, unsignedTrailer}).Draw(t, "payload")
	c.chunks = rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 1, 40), 0, 4).Draw(t, "chunks")
	for _, chunk := range c.chunks {
		whole = append(whole, chunk...)
	}
	if c.payload != signedChunks {
		c.trailers = []trailer{crc(whole)}
	}
	return c, whole
}

func TestChunksAreVerifiedAndPutTogether(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		c, whole := drawChunked(rt)
		r, body := c.request(t)
		if got, err := verify(r, body); err != nil || !bytes.Equal(got, whole) {
			rt.Fatalf("got %q, %v, want %q", got, err, whole)
		}
	})
}

// TestNoByteOfChunksCanBeChanged but the case of a size and what no signature
// and no checksum covers: then the payload is the same.
func TestNoByteOfChunksCanBeChanged(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		c, whole := drawChunked(rt)
		r, body := c.request(t)
		at := rapid.IntRange(0, len(body)-1).Draw(rt, "at")
		body[at] ^= byte(rapid.IntRange(1, 255).Draw(rt, "change"))
		if got, err := verify(r, body); err == nil && !bytes.Equal(got, whole) {
			rt.Fatalf("byte %d was changed, and %q verified", at, got)
		}
		if got, err := verify(r, body[:at]); err == nil && !bytes.Equal(got, whole) {
			rt.Fatalf("cut at %d, %q verified", at, got)
		}
	})
}

func TestChunksThatAreNone(t *testing.T) {
	text := []byte("hello")
	good := chunked{payload: unsignedTrailer, chunks: [][]byte{text}, trailers: []trailer{crc(text)}}
	for name, c := range map[string]struct {
		chunked
		body string
		kind Kind
	}{
		"NoChunks":               {good, "hello", Incomplete},
		"Nothing":                {good, "", Incomplete},
		"NoLastChunk":            {good, "5\r\nhello\r\n", Incomplete},
		"TooLong":                {good, "6\r\nhello\r\n0\r\n\r\n", Incomplete},
		"Huge":                   {good, "ffffffffffffffff\r\nhello\r\n0\r\n\r\n", Incomplete},
		"Negative":               {good, "-5\r\nhello\r\n0\r\n\r\n", Incomplete},
		"NoTrailer":              {good, "5\r\nhello\r\n0\r\n\r\n", Incomplete},
		"AnotherTrailer":         {good, "5\r\nhello\r\n0\r\nx-amz-checksum-crc32c:AAAAAA==\r\n\r\n", Incomplete},
		"AWrongChecksum":         {good, "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n", PayloadMismatch},
		"MoreAfterTheEnd":        {good, "5\r\nhello\r\n0\r\n" + crc(text).name + ":" + crc(text).value + "\r\n\r\nmore", Incomplete},
		"AnotherLength":          {chunked{payload: unsignedTrailer, chunks: [][]byte{text}, trailers: []trailer{crc(text)}, decoded: "6"}, "", Incomplete},
		"ChunksWithoutSignature": {chunked{payload: signedChunks, chunks: [][]byte{text}}, "5\r\nhello\r\n0\r\n\r\n", Incomplete},
	} {
		r, body := c.request(t)
		if c.body != "" || name == "Nothing" {
			body = []byte(c.body)
		}
		_, err := verify(r, body)
		var refusal *Error
		if !errors.As(err, &refusal) || refusal.Kind != c.kind {
			t.Errorf("%s: got %v, want %v", name, err, c.kind)
		}
	}
}

// TestChunksOfTheDocumentation are the examples that AWS's documentation works
// out: 65,536 and 1,024 letters, with signed chunks, without and with a signed
// trailer.
//
// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html
func TestChunksOfTheDocumentation(t *testing.T) {
	const secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
	now := time.Date(2013, 5, 24, 0, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		payload, signed, signature string
		chunks                     [3]string
		end                        string
		header                     http.Header
	}{
		"Signed": {
			signedChunks, "content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class",
			"4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
			[3]string{
				"ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
				"0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
				"b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
			}, "\r\n", http.Header{"Content-Length": {"66824"}},
		},
		"SignedWithATrailer": {
			signedChunksTrailer, "content-encoding;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class;x-amz-trailer",
			"106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e",
			[3]string{
				"b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
				"1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
				"2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992",
			}, "x-amz-checksum-crc32c:sOO8/Q==\r\nx-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n",
			http.Header{"X-Amz-Trailer": {"x-amz-checksum-crc32c"}},
		},
	} {
		r := httptest.NewRequest("PUT", "/examplebucket/chunkObject.txt", nil)
		r.Host = "s3.amazonaws.com"
		r.Header = c.header
		for name, value := range map[string]string{
			"Content-Encoding": "aws-chunked", "X-Amz-Content-Sha256": c.payload, "X-Amz-Date": now.Format(timeFormat), "X-Amz-Decoded-Content-Length": "66560",
			"X-Amz-Storage-Class": "REDUCED_REDUNDANCY", "Authorization": algorithm + " Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders=" + c.signed + ",Signature=" + c.signature,
		} {
			r.Header.Set(name, value)
		}
		body := "10000;chunk-signature=" + c.chunks[0] + "\r\n" + strings.Repeat("a", 65536) + "\r\n400;chunk-signature=" + c.chunks[1] + "\r\n" +
			strings.Repeat("a", 1024) + "\r\n0;chunk-signature=" + c.chunks[2] + "\r\n" + c.end
		s, err := Parse(r)
		if err != nil {
			t.Fatal(err)
		}
		chunks, err := s.ReadChunks(r.Header, []byte(body))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if err := s.Verify(r, Payload{Chunks: chunks}, DeriveKey(secret, s.Scope), now); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzChunks wants neither a panic nor more than what was sent.
func FuzzChunks(f *testing.F) {
	for _, payload := range []string{signedChunks, signedChunksTrailer, unsignedTrailer} {
		c := chunked{payload: payload, chunks: [][]byte{[]byte("hello"), []byte("world")}}
		if payload != signedChunks {
			c.trailers = []trailer{crc([]byte("helloworld"))}
		}
		_, body := c.request(f)
		f.Add(payload, body, "x-amz-checksum-crc32", "10")
	}
	f.Fuzz(func(t *testing.T, payload string, body []byte, trailers, length string) {
		s := &Signature{PayloadHash: payload, Time: testTime}
		chunks, err := s.ReadChunks(http.Header{"X-Amz-Trailer": {trailers}, "X-Amz-Decoded-Content-Length": {length}}, body)
		var refusal *Error
		switch {
		case err != nil && !errors.As(err, &refusal):
			t.Fatalf("got %v, want an *Error", err)
		case err == nil && len(chunks.Payload) > len(body):
			t.Fatalf("%d bytes became %d", len(body), len(chunks.Payload))
		case err == nil && payload != unsignedTrailer && chunks.verify(s, DeriveKey("another", s.Scope)) == nil:
			t.Fatal("a forger knows the secret")
		}
	})
}
