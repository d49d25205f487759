package wire

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"
)

// sendMessage and receivedMessages are laid out as SQS's structures are.
type sendMessage struct {
	QueueUrl                *string
	MessageBody             *string
	DelaySeconds            *int32
	MessageAttributes       map[string]attribute `query:"MessageAttribute"`
	MessageSystemAttributes map[string]attribute `query:"MessageSystemAttribute"`
	MessageDeduplicationId  *string
	MessageGroupId          *string
}

type sentMessage struct {
	MessageId                    string
	MD5OfMessageBody             string
	MD5OfMessageAttributes       *string
	MD5OfMessageSystemAttributes *string
	SequenceNumber               *string
}

type receivedMessages struct {
	Messages []receivedMessage `query:"Message"`
}

type receivedMessage struct {
	MessageId              string
	ReceiptHandle          string
	MD5OfBody              string
	Body                   string
	Attributes             map[string]string `query:"Attribute"`
	MD5OfMessageAttributes *string
	MessageAttributes      map[string]attribute `query:"MessageAttribute"`
}

// text1KiB is a message of JSON, the quotes of which are escaped on the wire.
var text1KiB = strings.Repeat(`{"id":"0123456789","value":42}`, 35)[:1024]

func sendMessageBody() []byte {
	return []byte(writeJSON(sendMessage{QueueUrl: ptr("http://127.0.0.1:4566/000000000000/orders"), MessageBody: &text1KiB}))
}

func tenMessages() *receivedMessages {
	out := &receivedMessages{}
	for i := range 10 {
		out.Messages = append(out.Messages, receivedMessage{
			MessageId: fmt.Sprintf("3f2504e0-4f89-11d3-9a0c-%012d", i), ReceiptHandle: strings.Repeat("h", 120), MD5OfBody: strings.Repeat("0", 32),
			Body: text1KiB, Attributes: map[string]string{"SentTimestamp": "1767225600000", "ApproximateReceiveCount": "1"},
		})
	}
	return out
}

func BenchmarkDecodeSendMessage(b *testing.B) {
	body, s := sendMessageBody(), shapeFor[sendMessage]()
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		var in sendMessage
		if err := decodeJSON(body, s, reflect.ValueOf(&in).Elem()); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncodeReceiveMessage(b *testing.B) {
	out, s := tenMessages(), shapeFor[receivedMessages]()
	b.SetBytes(int64(len(writeJSON(*out))))
	b.ReportAllocs()
	for b.Loop() {
		appendJSON(make([]byte, 0, 512), s, reflect.ValueOf(out).Elem())
	}
}

func BenchmarkEncodeReceiveMessageAsXML(b *testing.B) {
	out, s := tenMessages(), shapeFor[receivedMessages]()
	b.SetBytes(int64(len(writeXML(*out))))
	b.ReportAllocs()
	for b.Loop() {
		appendXML(nil, s, reflect.ValueOf(out).Elem())
	}
}

// discarded is a reply that nobody reads.
type discarded struct {
	header http.Header
	status int
}

func (d *discarded) Header() http.Header         { return d.header }
func (d *discarded) WriteHeader(status int)      { d.status = status }
func (d *discarded) Write(b []byte) (int, error) { return len(b), nil }

func benchmarkSendMessage(b *testing.B, c call) {
	out := &sentMessage{MessageId: "3f2504e0-4f89-11d3-9a0c-0305e82c3301", MD5OfMessageBody: strings.Repeat("0", 32)}
	send := func(context.Context, *sendMessage) (*sentMessage, error) { return out, nil }
	front := newFront(queueService.with(Op("SendMessage", send, nothing[sendMessage])))
	request := c.signedFor("sqs").request()
	body := strings.NewReader(c.body)
	b.SetBytes(int64(len(c.body)))
	b.ReportAllocs()
	for b.Loop() {
		body.Reset(c.body)
		request.Body = io.NopCloser(body)
		w := &discarded{header: http.Header{}}
		if front.ServeHTTP(w, request); w.status != 200 {
			b.Fatal(w.status)
		}
	}
}

// The whole front door, but for net/http's part of it.
func BenchmarkServeSendMessage(b *testing.B) {
	benchmarkSendMessage(b, jsonCall("AmazonSQS.SendMessage", string(sendMessageBody())))
}

func BenchmarkServeSendMessageAsQuery(b *testing.B) {
	benchmarkSendMessage(b, formCall("Action=SendMessage&Version=2012-11-05&QueueUrl=http%3A%2F%2F127.0.0.1%3A4566%2F000000000000%2Forders&MessageBody="+
		strings.NewReplacer(`{`, "%7B", `"`, "%22", `:`, "%3A", `,`, "%2C", `}`, "%7D").Replace(text1KiB)))
}
