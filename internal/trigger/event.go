package trigger

import (
	"encoding/base64"
	"strings"
	"unicode/utf8"

	"naru/internal/queue"
)

// A Message is a message of a queue.
type Message struct {
	Handle        queue.Handle
	ReceiptHandle string
	ID            string
	Body          string
	MD5           string // of the body, in hexadecimal
	// System are the system attributes that it has, in AWS's order; Attributes
	// those that its sender gave it, by name.
	System        []SystemAttribute
	Attributes    []Attribute
	AttributesMD5 string // "" if it has no attributes
}

// A SystemAttribute is what the queue says of a message.
type SystemAttribute struct{ Name, Value string }

// An Attribute is a message attribute. Data is bytes if Type begins with
// "Binary".
type Attribute struct{ Name, Type, Data string }

func (a Attribute) binary() bool { return strings.HasPrefix(a.Type, "Binary") }

// system returns a system attribute, "" if the message does not have it.
func (m *Message) system(name string) string {
	for i := range m.System {
		if m.System[i].Name == name {
			return m.System[i].Value
		}
	}
	return ""
}

// An event is as AWS writes it, to the order of its members.
const (
	eventBegin  = `{"Records":[`
	eventEnd    = `]}`
	eventSource = "aws:sqs"
)

// An encoder writes records of events.
type encoder struct{ end []byte }

func newEncoder(arn, region string) encoder {
	end := appendText([]byte(`,"eventSource":"`+eventSource+`","eventSourceARN":`), arn)
	end = appendText(append(end, `,"awsRegion":`...), region)
	return encoder{append(end, '}')}
}

// record appends the record of a message.
func (e encoder) record(b []byte, m *Message) []byte {
	b = appendText(append(b, `{"messageId":`...), m.ID)
	b = appendText(append(b, `,"receiptHandle":`...), m.ReceiptHandle)
	b = appendText(append(b, `,"body":`...), m.Body)
	b = append(b, `,"attributes":{`...)
	for i := range m.System {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendText(b, m.System[i].Name)
		b = appendText(append(b, ':'), m.System[i].Value)
	}
	b = append(b, `},"messageAttributes":{`...)
	for i := range m.Attributes {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendAttribute(b, m.Attributes[i])
	}
	if m.AttributesMD5 != "" {
		b = appendText(append(b, `},"md5OfMessageAttributes":`...), m.AttributesMD5)
		b = appendText(append(b, `,"md5OfBody":`...), m.MD5)
	} else {
		b = appendText(append(b, `},"md5OfBody":`...), m.MD5)
	}
	return append(b, e.end...)
}

func appendAttribute(b []byte, a Attribute) []byte {
	b = append(appendText(b, a.Name), ':')
	if a.binary() {
		b = append(b, `{"binaryValue":"`...)
		b = base64.StdEncoding.AppendEncode(b, []byte(a.Data))
		b = append(b, '"')
	} else {
		b = appendText(append(b, `{"stringValue":`...), a.Data)
	}
	b = appendText(append(b, `,"stringListValues":[],"binaryListValues":[],"dataType":`...), a.Type)
	return append(b, '}')
}

const hexDigits = "0123456789abcdef"

// appendText appends a JSON string.
func appendText(b []byte, s string) []byte {
	b = append(b, '"')
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && size == 1 {
				b = append(append(b, s[from:i]...), "\ufffd"...)
				from = i + 1
			}
			i += size
			continue
		}
		if c >= ' ' && c != '"' && c != '\\' {
			i++
			continue
		}
		b = append(b, s[from:i]...)
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		default:
			b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
		i++
		from = i
	}
	return append(append(b, s[from:]...), '"')
}
