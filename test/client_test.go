package test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

const (
	region  = "us-east-1"
	account = "000000000000" // of requests that name none
)

// background is the context of calls that Naru must answer anyway.
var background = context.Background()

// A caller is somebody who calls Naru: credentials and a region.
type caller struct {
	naru   *naru
	creds  aws.Credentials // none if there is no key id
	region string
}

// as returns a caller with a key.
func (n *naru) as(id, secret, token string) caller {
	return caller{n, aws.Credentials{AccessKeyID: id, SecretAccessKey: secret, SessionToken: token}, region}
}

// of returns a caller who is the root of an account, in open mode.
func (n *naru) of(account string) caller { return n.as(account, "any", "") }

// user returns a caller who is the root of the default account, in open mode.
func (n *naru) user() caller { return n.of(account) }

// anonymous returns a caller who does not sign.
func (n *naru) anonymous() caller { return n.as("", "", "") }

// config is the SDK's configuration of the caller. Nothing is tried twice: a
// fault of Naru's is not to be glossed over.
func (c caller) config() aws.Config {
	config := aws.Config{
		Region: c.region, BaseEndpoint: &c.naru.endpoint, HTTPClient: wholly{c.naru.client},
		Retryer: func() aws.Retryer { return aws.NopRetryer{} },
	}
	config.Credentials = aws.AnonymousCredentials{}
	if c.creds.AccessKeyID != "" {
		config.Credentials = credentials.StaticCredentialsProvider{Value: c.creds}
	}
	return config
}

// A wholly sends requests whose body nobody else can close. The SDK closes its own
// as soon as a response begins, and from then on the body's WriteTo fails with
// io.EOF; if the transport has yet to look whether the body has ended, it takes
// that for a failure and closes the connection, with the rest of the response.
type wholly struct{ *http.Client }

func (w wholly) Do(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		r = r.Clone(r.Context())
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	return w.Client.Do(r)
}

func (c caller) sqs() *sqs.Client             { return sqs.NewFromConfig(c.config()) }
func (c caller) lambda() *lambda.Client       { return lambda.NewFromConfig(c.config()) }
func (c caller) events() *eventbridge.Client  { return eventbridge.NewFromConfig(c.config()) }
func (c caller) scheduler() *scheduler.Client { return scheduler.NewFromConfig(c.config()) }
func (c caller) logs() *cloudwatchlogs.Client { return cloudwatchlogs.NewFromConfig(c.config()) }
func (c caller) iam() *iam.Client             { return iam.NewFromConfig(c.config()) }
func (c caller) sts() *sts.Client             { return sts.NewFromConfig(c.config()) }

// sign signs a request for a service, as of a time.
func (c caller) sign(t testing.TB, r *http.Request, body []byte, service string, at time.Time) {
	t.Helper()
	sum := sha256.Sum256(body)
	if err := v4.NewSigner().SignHTTP(background, c.creds, r, hex.EncodeToString(sum[:]), service, c.region, at); err != nil {
		t.Fatal(err)
	}
}

// A spell says how to spell a signed request; its zero value is the usual way.
type spell struct {
	at        time.Time           // when it was signed; now if zero
	presigned bool                // the signature is in the query
	after     func(*http.Request) // changes the request once it is signed
}

// call sends a request of a service, signed if the caller has a key.
func (c caller) call(t testing.TB, service string, q request, how spell) reply {
	t.Helper()
	r, err := http.NewRequest(q.method, c.naru.endpoint+q.path, bytes.NewReader(q.body))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range q.header {
		r.Header.Set(name, value)
	}
	if how.at.IsZero() {
		how.at = time.Now()
	}
	switch {
	case c.creds.AccessKeyID == "":
	case how.presigned:
		r = c.presign(t, r, q.body, service, how.at)
	default:
		c.sign(t, r, q.body, service, how.at)
	}
	if how.after != nil {
		how.after(r)
	}
	answer, err := c.naru.exchange(r)
	if err != nil {
		t.Fatalf("%s %s: %v", q.method, q.path, err)
	}
	return answer
}

// presign returns the request with its signature in the query.
func (c caller) presign(t testing.TB, r *http.Request, body []byte, service string, at time.Time) *http.Request {
	t.Helper()
	query := r.URL.Query()
	if !query.Has("X-Amz-Expires") {
		query.Set("X-Amz-Expires", "300")
	}
	r.URL.RawQuery = query.Encode()
	sum := sha256.Sum256(body)
	url, header, err := v4.NewSigner().PresignHTTP(background, c.creds, r, hex.EncodeToString(sum[:]), service, c.region, at)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := http.NewRequest(r.Method, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	signed.Header = header
	return signed
}

// A refusal is what an error reply says.
type refusal struct {
	Status  int
	Code    string // as the query protocol and x-amzn-query-error have it
	Type    string // as JSON has it
	Fault   string // Sender or Receiver, where the protocol tells
	Message string
}

// refusalIn reads an error reply of JSON, with or without legacy codes.
func refusalIn(t testing.TB, r reply) refusal {
	t.Helper()
	if strings.HasPrefix(r.header.Get("Content-Type"), "text/xml") {
		return xmlRefusal(t, r)
	}
	var body struct {
		Type    string `json:"__type"`
		Message string `json:"message"` // Message, too
	}
	if err := json.Unmarshal(r.body, &body); err != nil {
		t.Fatalf("the error is no JSON: %v: %v", err, r)
	}
	if kind := r.header.Get("X-Amzn-Errortype"); kind != "" {
		body.Type = kind
	}
	f := refusal{Status: r.status, Type: body.Type, Message: body.Message}
	f.Code, f.Fault, _ = strings.Cut(r.header.Get("X-Amzn-Query-Error"), ";")
	return f
}

// xmlRefusal reads an error reply of the query protocol.
func xmlRefusal(t testing.TB, r reply) refusal {
	t.Helper()
	var body struct {
		XMLName   xml.Name `xml:"ErrorResponse"`
		Type      string   `xml:"Error>Type"`
		Code      string   `xml:"Error>Code"`
		Message   string   `xml:"Error>Message"`
		RequestID string   `xml:"RequestId"`
	}
	if err := xml.Unmarshal(r.body, &body); err != nil {
		t.Fatalf("the error is no XML: %v: %v", err, r)
	}
	if id := r.header.Get("X-Amzn-Requestid"); body.RequestID != id || id == "" {
		t.Errorf("the request id is %q in the header and %q in the body", id, body.RequestID)
	}
	return refusal{Status: r.status, Code: body.Code, Fault: body.Type, Message: body.Message}
}
