package sigv4

import (
	"crypto/sha256"
	"net/http"
	"strings"
	"testing"
)

// benchmarkCall is an SQS SendMessage of 1 KiB as the Go SDK sends it.
var benchmarkCall = call{
	method: "POST", target: "/", service: "sqs", body: []byte(strings.Repeat("x", 1024)),
	header: http.Header{
		"X-Amz-Target":          {"AmazonSQS.SendMessage"},
		"Content-Type":          {"application/x-amz-json-1.0"},
		"X-Amzn-Query-Mode":     {"true"},
		"Amz-Sdk-Invocation-Id": {"6bd7a1a2-5e0c-4c4e-9a0b-1f6b4b1f0b6e"},
		"Amz-Sdk-Request":       {"attempt=1; max=3"},
		"Accept-Encoding":       {"identity"},
	},
}

// BenchmarkAuthenticate is all that a server does for one request: parse it,
// hash its body, look up the key and verify.
func BenchmarkAuthenticate(b *testing.B) {
	r, body := benchmarkCall.receive(b, nil)
	var keys Keys
	b.ReportAllocs()
	for b.Loop() {
		s, err := Parse(r)
		if err != nil {
			b.Fatal(err)
		}
		if err := s.Verify(r, Payload{Sum: sha256.Sum256(body)}, keys.Derive(testSecret, s.Scope), testTime); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParse(b *testing.B) {
	r, _ := benchmarkCall.receive(b, nil)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(r); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	r, body := benchmarkCall.receive(b, nil)
	s, err := Parse(r)
	if err != nil {
		b.Fatal(err)
	}
	payload, key := sha256.Sum256(body), DeriveKey(testSecret, s.Scope)
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Verify(r, Payload{Sum: payload}, key, testTime); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDeriveKey(b *testing.B) {
	scope := Scope{"20260101", "us-east-1", "sqs"}
	b.ReportAllocs()
	for b.Loop() {
		DeriveKey(testSecret, scope)
	}
}
