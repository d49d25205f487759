package wire

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// FuzzJSON checks that any text is either refused as malformed, or gives
// values that are written as valid JSON and read back the same.
func FuzzJSON(f *testing.F) {
	for _, seed := range []string{
		``, `null`, `{}`, `{"String":"\ud83d\ude00\u0000","Text":"é","Int":-9223372036854775808,"Count":1e3,"Float":-1.5E-3,"Flag":true}`,
		`{"Blob":"YWJj","Time":1767225600.25,"Nested":{"Name":"n","Inner":[{"Value":"NaN"},{"Value":null}]},"List":["a",null]}`,
		`{"Blobs":["",null,"YQ=="],"Numbers":[[1],[],null],"Entries":[{}],"Map":{"":"x","a":null},"Values":{"k":{"Inner":[]}}}`,
		`{"JSON":{"a":[1.50,"\u0041",null,true]},"unknown":[[[{}]]],"renamed":"r","String":"twice","String":"x"}`, `{"JSON":[`, `{"String":"\ud800"}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		v, err := readJSON[everything](text)
		if err != nil {
			if e := asError(err); e.Code != CodeMalformed || e.Message == "" {
				t.Fatalf("refused with %v", err)
			}
			return
		}
		written := writeJSON(v)
		if !json.Valid([]byte(written)) {
			t.Fatalf("written as %s", written)
		}
		again, err := readJSON[everything](written)
		if diff := cmp.Diff(v, again, cmpopts.EquateEmpty(), cmpopts.EquateNaNs()); err != nil || diff != "" {
			t.Fatalf("written as %s: %v, %s", written, err, diff)
		}
	})
}

// FuzzQuery checks that any form is either refused, or gives values that are
// always the same, make a well-formed reply, and survive being written.
func FuzzQuery(f *testing.F) {
	for _, seed := range []string{
		``, `Action=Echo&Version=2010-05-08`, `Url=u&Name.2=b&Name.1=a&Name.01=x&Tag.1.Key=k&Tag.1.Value=v&Name=`,
		`FlatEntry.1.Id=i&FlatEntry.1.Delay=-1&FlatEntry.1.Attribute.1.Name=a&FlatEntry.1.Attribute.1.Value.ListBlob.1=YQ%3D%3D`,
		`Name=n&Max=5&Flag=true&Rate=1e-3&When=2026-01-01T00%3A00%3A00.5Z&Keys.member.1=a&Tags.member.1.Key=k&Context.entry.1.key=k`,
		`Owner.Path=%2F&Owner.Tags.member.2.Value=%3C%00%ff%26&.=&..=&Tags=`, `Rate=NaN&Rate=Inf`, `a=%zz`, `a;b`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		fuzzQuery[flat](t, body)
		fuzzQuery[deep](t, body)
	})
}

func fuzzQuery[T any](t *testing.T, body string) {
	v, err := readQuery[T](body)
	again, errAgain := readQuery[T](body)
	if diff := cmp.Diff(v, again, cmpopts.EquateNaNs()); (err == nil) != (errAgain == nil) || err == nil && diff != "" {
		t.Fatalf("read as one thing and then as another: %v, %v, %s", err, errAgain, diff)
	}
	if err != nil {
		return
	}
	wellFormed(t, "<r>"+writeXML(v)+"</r>")
	written := writeJSON(v)
	other, err := readJSON[T](written)
	if err != nil || writeJSON(other) != written {
		t.Fatalf("%s becomes %s, %v", written, writeJSON(other), err)
	}
}

// wellFormed checks that text is XML.
func wellFormed(t *testing.T, text string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(text))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatalf("%q is not XML: %v", text, err)
		}
	}
}

// FuzzREST checks that any request is either refused, or gives members that
// give the same when they are put into a request by the rules.
func FuzzREST(f *testing.F) {
	f.Add("/f/invocations?Qualifier=a%20b&wait=-5&deep=true", "X-Amz-Log-Type", "Tail", []byte("payload"))
	f.Add("/arn%3Aaws%3Alambda%3A%2F%2e%2E/invocations/?Qualifier=&Qualifier=x&=", "X-Amz-Retries", "007", []byte{0, 255})
	f.Add("/%ff/invocations", "X-Amz-Meta-é", " \t", []byte{})
	f.Add("//../x/invocations?%zz;", "X-Amz-Meta-", "", []byte("{"))
	f.Fuzz(func(t *testing.T, target, name, value string, body []byte) {
		u, err := url.ParseRequestURI("/2015-03-31/functions" + target)
		if err != nil {
			return
		}
		r := call{body: string(body)}.request()
		r.URL, r.Header = u, http.Header{http.CanonicalHeaderKey(name): {value}}
		in, ok := arrived(t, r)
		if !ok {
			return
		}
		again, ok := arrived(t, in.request())
		if diff := cmp.Diff(in, again); !ok || diff != "" {
			t.Fatalf("arrived: %v, %s", ok, diff)
		}
	})
}

// arrived returns the input that a request gives, if it is not refused.
func arrived(t *testing.T, r *http.Request) (in invocation, ok bool) {
	see := Op("Invoke", func(_ context.Context, got *invocation) (*None, error) {
		in, ok = *got, true
		return &None{}, nil
	}, nothing[invocation]).At("POST", "/2015-03-31/functions/{Name}/invocations", 200)
	w := &recorder{header: http.Header{}}
	newFront(functionService.with(see)).ServeHTTP(w, r)
	if ok != (w.status == 200) || !ok && !slices.Contains([]int{400, 404, 413}, w.status) {
		t.Fatalf("got %d %s", w.status, w.body)
	}
	return in, ok
}

// request puts an invocation into a request, every byte that can be escaped.
func (in invocation) request() *http.Request {
	query := url.Values{}
	if in.Qualifier != nil {
		query.Set("Qualifier", *in.Qualifier)
	}
	if in.Wait != nil {
		query.Set("wait", fmt.Sprint(*in.Wait))
	}
	if in.Deep != nil {
		query.Set("deep", fmt.Sprint(*in.Deep))
	}
	var escaped strings.Builder
	for _, b := range []byte(in.Name) {
		fmt.Fprintf(&escaped, "%%%02X", b)
	}
	r := call{target: "/2015-03-31/functions/" + escaped.String() + "/invocations?" + query.Encode(), body: string(in.Payload)}.request()
	if in.LogType != nil {
		r.Header.Set("X-Amz-Log-Type", *in.LogType)
	}
	if in.Retries != nil {
		r.Header.Set("X-Amz-Retries", fmt.Sprint(*in.Retries))
	}
	for key, text := range in.Meta {
		r.Header[http.CanonicalHeaderKey("X-Amz-Meta-"+key)] = []string{text}
	}
	return r
}

// FuzzServe checks that whatever comes over a connection has a well-formed
// reply, which is never Naru's fault.
func FuzzServe(f *testing.F) {
	for _, seed := range []string{
		"POST / HTTP/1.1\r\nHost: a\r\nX-Amz-Target: AmazonSQS.Echo\r\nContent-Length: 14\r\n\r\n{\"String\":\"x\"}",
		"POST / HTTP/1.1\r\nHost: a\r\nX-Amz-Target: AWSEvents.Echo\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 34\r\n\r\nAction=Echo&Version=2010-05-08&x=y",
		"GET /?Action=EchoFlat&Version=2012-11-05&Name.1=%3C HTTP/1.1\r\nHost: sqs.us-east-1.amazonaws.com\r\n\r\n",
		"POST /2015-03-31/functions/arn%3Aaws/invocations?Qualifier=q HTTP/1.1\r\nHost: a\r\nX-Amz-Meta-a: b\r\nContent-Length: 1\r\n\r\n\x00",
		"PUT /2015-03-31/things/a HTTP/1.0\r\nContent-Length: 13\r\n\r\n{\"color\":\"x\"}",
		"GET /000000000000/q HTTP/1.1\r\nHost: a\r\nAuthorization: " + call{}.signedFor("sqs").header["Authorization"] + "\r\nX-Amz-Date: 20260101T000000Z\r\n\r\n",
		"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "CONNECT a:1 HTTP/1.1\r\nHost: lambda.a\r\n\r\n", "GET http://lambda.x//.. HTTP/1.1\r\nHost: lambda.x\r\nAuthorization: AWS4-HMAC-SHA256\r\n\r\n",
	} {
		f.Add([]byte(seed))
	}
	front := everyFront()
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(text)))
		if err != nil {
			return
		}
		w := &recorder{header: http.Header{}}
		front.ServeHTTP(w, r)
		if w.status/100 != 2 && !slices.Contains([]int{400, 403, 404, 413}, w.status) || !requestID.MatchString(w.header.Get("X-Amzn-Requestid")) {
			t.Fatalf("got %d %v %s", w.status, w.header, w.body)
		}
		switch kind := w.header.Get("Content-Type"); {
		case kind == "application/octet-stream" && w.status/100 == 2: // a payload
		case strings.HasPrefix(kind, "application/"):
			if len(w.body) > 0 && !json.Valid(w.body) {
				t.Fatalf("not JSON: %s", w.body)
			}
		case kind == "text/xml":
			wellFormed(t, string(w.body))
		case w.status/100 != 2:
			t.Fatalf("a refusal of type %q: %s", kind, w.body)
		}
	})
}
