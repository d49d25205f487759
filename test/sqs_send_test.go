package test

import (
	"crypto/md5"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"pgregory.net/rapid"
)

var sendRules = []rule{
	{"AMessageArrivesAsItWasSent", messageArrives},
	{"AnyTextOfValidCharactersArrives", anyTextArrives},
	{"InvalidCharactersAreRefused", invalidCharacters},
	{"ABodyIsNeeded", bodyIsNeeded},
	{"AMessageIsOfAtMostOneMebibyte", largestMessage},
	{"SizesAreCountedInBytesWithAttributes", sizesAreBytes},
	{"AGroupIDIsKeptOnAStandardQueue", groupIDs},
	{"ADeduplicationIDIsRefusedOnAStandardQueue", deduplicationIDs},
	{"ATraceHeaderIsASystemAttribute", traceHeaders},
	{"OtherSystemAttributesAreRefused", systemAttributes},
}

const badCharacters = "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF"

func md5Of(text string) string {
	sum := md5.Sum([]byte(text))
	return hex.EncodeToString(sum[:])
}

// oddTexts are valid texts on which encodings tend to fail.
var oddTexts = []string{
	"x", " ", "\t", "\n", "\r", "\r\n", " both ends ", "<a href=\"x\">&amp;'</a>", "]]>", "<![CDATA[x]]>", `{"json":"\u0041\\"}`, "a+b%20c&d=e;f",
	"\u007f\u0080\u0085\u2028\u2029\u00a0", "é ñ 나루 渡し", "😀\U0010fffd\U0010ffff", "\ufffd\ufeff\ud7ff\ue000", "\"", "\\", "\\u0000", "null", "%00", "&#0;",
}

func messageArrives(s *sqsSuite) {
	url := s.queue()
	for _, body := range oddTexts {
		sent := do[sqs.SendMessageOutput](s, &sqs.SendMessageInput{QueueUrl: &url, MessageBody: &body})
		equal(s, fmt.Sprintf("MD5OfMessageBody of %q", body), *sent.MD5OfMessageBody, md5Of(body))
		if sent.MD5OfMessageAttributes != nil || sent.MD5OfMessageSystemAttributes != nil || sent.SequenceNumber != nil {
			s.Errorf("the reply has what the message has not: %+v", sent)
		}
		m := s.one(url)
		equal(s, "id and body", []string{*m.MessageId, *m.Body, *m.MD5OfBody}, []string{*sent.MessageId, body, md5Of(body)})
		s.remove(url, m.ReceiptHandle)
	}
	s.expectCounts(url, 0, 0, 0)
}

// validText draws texts of the characters that messages may have.
func validText() *rapid.Generator[string] {
	character := rapid.Custom(func(t *rapid.T) rune {
		for {
			r := rapid.Rune().Draw(t, "character")
			if r == '\t' || r == '\n' || r == '\r' || r >= ' ' && r != 0xfffe && r != 0xffff {
				return r
			}
		}
	})
	return rapid.StringOfN(character, 1, 200, -1)
}

func anyTextArrives(s *sqsSuite) {
	url := s.queue()
	bodies, values := validText(), validText()
	for i := range 30 {
		body, value := bodies.Example(i), values.Example(i+1000)
		attributes := map[string]types.MessageAttributeValue{"a": stringValue("String", value)}
		do[sqs.SendMessageOutput](s, &sqs.SendMessageInput{QueueUrl: &url, MessageBody: &body, MessageAttributes: attributes})
		m := s.one(url)
		equal(s, "body and attribute", []string{*m.Body, *m.MessageAttributes["a"].StringValue}, []string{body, value})
		s.remove(url, m.ReceiptHandle)
	}
}

func invalidCharacters(s *sqsSuite) {
	url := s.queue()
	want := modelled("InvalidMessageContents", badCharacters)
	for _, r := range []rune{0, 1, 8, 0xb, 0xc, 0xe, 0x1f, 0xfffe, 0xffff} {
		body := "good" + string(r) + "good"
		refused(s, &sqs.SendMessageInput{QueueUrl: &url, MessageBody: &body}, want)
		attributes := map[string]types.MessageAttributeValue{"a": stringValue("String", body)}
		refusedWith(s, &sqs.SendMessageInput{QueueUrl: &url, MessageBody: text("good"), MessageAttributes: attributes}, "InvalidMessageContents", "InvalidParameterValue")
	}
	s.expectCounts(url, 0, 0, 0)
}

// refusedWith makes a call that must be refused with one of the codes: where
// it is not known which one AWS gives.
func refusedWith(s *sqsSuite, in any, codes ...string) {
	s.Helper()
	if r := failing(s, in); r.Status != 400 || !slices.Contains(codes, r.Code) {
		s.Errorf("%s is refused with %+v, not with %v", operationOf(in), r, codes)
	}
}

func bodyIsNeeded(s *sqsSuite) {
	url := s.queue()
	refused(s, &sqs.SendMessageInput{QueueUrl: &url}, missingParameter("MessageBody"))
	refused(s, &sqs.SendMessageInput{QueueUrl: &url, MessageBody: text("")}, missingParameter("MessageBody"))
	s.expectCounts(url, 0, 0, 0)
}

func tooLong(limit int) expected {
	return invalidParameter("One or more parameters are invalid. Reason: Message must be shorter than %d bytes.", limit)
}

func largestMessage(s *sqsSuite) {
	url := s.queue()
	for _, body := range []string{strings.Repeat("x", 1<<20), strings.Repeat("나", 1<<20/3) + "x", strings.Repeat("\"\n", 1<<19)} {
		s.send(url, body)
		m := s.one(url)
		if *m.Body != body {
			s.Error("a body of a mebibyte has changed")
		}
		s.remove(url, m.ReceiptHandle)
		refused(s, &sqs.SendMessageInput{QueueUrl: &url, MessageBody: text(body + "y")}, tooLong(1048576))
	}
}

func sizesAreBytes(s *sqsSuite) {
	url := s.queue("MaximumMessageSize", "1024")
	send := func(body string, attributes map[string]types.MessageAttributeValue) *sqs.SendMessageInput {
		return &sqs.SendMessageInput{QueueUrl: &url, MessageBody: &body, MessageAttributes: attributes, MessageSystemAttributes: trace}
	}
	attributes := map[string]types.MessageAttributeValue{ // of 4+6+10, 1+8+3 and 2+6+4 bytes
		"text": stringValue("String", "é나123ab"), "n": stringValue("Number.x", "123"), "bb": binaryValue("Binary", []byte{0, 1, 2, 255}),
	}
	for _, c := range []struct {
		body  string
		attrs map[string]types.MessageAttributeValue
	}{
		{strings.Repeat("x", 1024), nil}, {strings.Repeat("é", 512), nil}, {strings.Repeat("😀", 256), nil}, {strings.Repeat("x", 1024-44), attributes},
	} {
		do[sqs.SendMessageOutput](s, send(c.body, c.attrs))
		refused(s, send(c.body+"y", c.attrs), tooLong(1024))
	}
	s.expectCounts(url, 4, 0, 0)
	s.set(url, "MaximumMessageSize", "1025")
	do[sqs.SendMessageOutput](s, send(strings.Repeat("x", 1025), nil))
}

func groupIDs(s *sqsSuite) {
	url := s.queue()
	for _, id := range []string{"g", strings.Repeat("a", 128), "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~09azAZ"} {
		sent := do[sqs.SendMessageOutput](s, &sqs.SendMessageInput{QueueUrl: &url, MessageBody: text("x"), MessageGroupId: &id})
		if sent.SequenceNumber != nil {
			s.Errorf("the message has the sequence number %s", *sent.SequenceNumber)
		}
		m := s.one(url)
		equal(s, "MessageGroupId", m.Attributes["MessageGroupId"], id)
		s.remove(url, m.ReceiptHandle)
	}
	for _, id := range []string{"", "group 123", strings.Repeat("a", 129), "é", "a\tb"} {
		refused(s, &sqs.SendMessageInput{QueueUrl: &url, MessageBody: text("x"), MessageGroupId: &id},
			invalidParameter("Value %s for parameter MessageGroupId is invalid. Reason: MessageGroupId can only include alphanumeric and punctuation characters. 1 to 128 in length.", id))
	}
}

func deduplicationIDs(s *sqsSuite) {
	url := s.queue()
	refused(s, &sqs.SendMessageInput{QueueUrl: &url, MessageBody: text("x"), MessageDeduplicationId: text("d1")},
		invalidParameter("Value d1 for parameter MessageDeduplicationId is invalid. Reason: The request includes a parameter that is not valid for this queue type."))
	for _, id := range []string{"", "group 123", strings.Repeat("a", 129)} {
		refused(s, &sqs.SendMessageInput{QueueUrl: &url, MessageBody: text("x"), MessageDeduplicationId: &id},
			invalidParameter("Value %s for parameter MessageDeduplicationId is invalid. Reason: MessageDeduplicationId can only include alphanumeric and punctuation characters. 1 to 128 in length.", id))
	}
	s.expectCounts(url, 0, 0, 0)
}

const traceHeader = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"

var trace = map[string]types.MessageSystemAttributeValue{"AWSTraceHeader": {DataType: text("String"), StringValue: text(traceHeader)}}

func traceHeaders(s *sqsSuite) {
	url := s.queue()
	sent := do[sqs.SendMessageOutput](s, &sqs.SendMessageInput{QueueUrl: &url, MessageBody: text("x"), MessageSystemAttributes: trace})
	equal(s, "MD5OfMessageSystemAttributes", *sent.MD5OfMessageSystemAttributes, attributesMD5(map[string]types.MessageAttributeValue{"AWSTraceHeader": stringValue("String", traceHeader)}))
	if sent.MD5OfMessageAttributes != nil {
		s.Errorf("MD5OfMessageAttributes is %s", *sent.MD5OfMessageAttributes)
	}
	m := s.one(url)
	equal(s, "AWSTraceHeader", m.Attributes["AWSTraceHeader"], traceHeader)
	if len(m.MessageAttributes) > 0 || m.MD5OfMessageAttributes != nil {
		s.Errorf("the message has attributes: %v", m.MessageAttributes)
	}
}

func systemAttributes(s *sqsSuite) {
	url := s.queue()
	for name, value := range map[string]types.MessageSystemAttributeValue{
		"SenderId":       {DataType: text("String"), StringValue: text("me")},
		"AWSTraceHeader": {DataType: text("Number"), StringValue: text("1")},
		"awstraceheader": {DataType: text("String"), StringValue: text(traceHeader)},
		"another":        {DataType: text("Binary"), BinaryValue: []byte("x")},
	} {
		attributes := map[string]types.MessageSystemAttributeValue{name: value}
		refusedWith(s, &sqs.SendMessageInput{QueueUrl: &url, MessageBody: text("x"), MessageSystemAttributes: attributes}, "InvalidParameterValue")
	}
	empty := map[string]types.MessageSystemAttributeValue{"AWSTraceHeader": {DataType: text("String"), StringValue: text("")}}
	refusedWith(s, &sqs.SendMessageInput{QueueUrl: &url, MessageBody: text("x"), MessageSystemAttributes: empty}, "InvalidParameterValue")
	s.expectCounts(url, 0, 0, 0)
}

func stringValue(kind, value string) types.MessageAttributeValue {
	return types.MessageAttributeValue{DataType: &kind, StringValue: &value}
}

func binaryValue(kind string, value []byte) types.MessageAttributeValue {
	return types.MessageAttributeValue{DataType: &kind, BinaryValue: value}
}

// attributesMD5 is the digest of message attributes as AWS documents it.
func attributesMD5(attributes map[string]types.MessageAttributeValue) string {
	var all []byte
	add := func(b []byte) { all = append(binary.BigEndian.AppendUint32(all, uint32(len(b))), b...) }
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		v := attributes[name]
		add([]byte(name))
		add([]byte(*v.DataType))
		if strings.HasPrefix(*v.DataType, "Binary") {
			all = append(all, 2)
			add(v.BinaryValue)
		} else {
			all = append(all, 1)
			add([]byte(*v.StringValue))
		}
	}
	return md5Of(string(all))
}

var messageAttributeRules = []rule{
	{"AttributesHaveTheDigestsThatAWSGives", attributeVectors},
	{"AttributesArriveAsTheyWereSent", attributesArrive},
	{"TenAttributesAreAllowed", tenAttributes},
	{"AttributeNamesAreChecked", attributeNames},
	{"AttributeTypesAreChecked", attributeTypes},
	{"AttributeValuesAreChecked", attributeValues},
	{"ListValuesAreNotSupported", listValues},
}

func attributeVectors(s *sqsSuite) {
	url := s.queue()
	for want, attributes := range map[string]map[string]types.MessageAttributeValue{
		"235c5c510d26fb653d073faed50ae77c": {"timestamp": stringValue("Number", "1493147359900")},
		"2e2e4876d8e0bd6b8c2c8f556831c349": {"timestamp": stringValue("Number.java.lang.Long", "1493147359900")},
		"b12289320bb6e494b18b645ef562b4a9": {
			"id": stringValue("String", "2018fc74-4f77-1a5a-1be0-c2d037d5052b"), "contentType": stringValue("String", "application/json"),
			"timestamp": stringValue("Number.java.lang.Long", "1602845432024"),
		},
		"fca026605781cb4126a1e9044df24232": {"Hello": stringValue("String", "There"), "General": stringValue("String", "Kenobi")},
	} {
		sent := do[sqs.SendMessageOutput](s, &sqs.SendMessageInput{QueueUrl: &url, MessageBody: text("x"), MessageAttributes: attributes})
		m := s.one(url)
		equal(s, "the digests", []string{*sent.MD5OfMessageAttributes, *m.MD5OfMessageAttributes}, []string{want, want})
		s.remove(url, m.ReceiptHandle)
	}
}

func attributesArrive(s *sqsSuite) {
	url := s.queue()
	attributes := map[string]types.MessageAttributeValue{
		"text": stringValue("String", "é 나루 <&>\r\n\" "), "label": stringValue("String.custom label!", "x"), "n": stringValue("Number", "-1.50e+3"),
		"Number.int": stringValue("Number.int", "007"), "bytes": binaryValue("Binary.png", []byte{0, 1, 254, 255, '\n'}), "_-.x": stringValue("String", " "),
		"big": stringValue("Number", strings.Repeat("9", 38)), strings.Repeat("n", 256): stringValue("String."+strings.Repeat("t", 249), "longest"),
	}
	sent := do[sqs.SendMessageOutput](s, &sqs.SendMessageInput{QueueUrl: &url, MessageBody: text("x"), MessageAttributes: attributes})
	m := s.one(url)
	got := map[string]types.MessageAttributeValue{}
	for name, v := range m.MessageAttributes {
		v.BinaryListValues, v.StringListValues = nil, nil
		got[name] = v
	}
	equal(s, "the names", slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(attributes)))
	for name, want := range attributes {
		equal(s, name, showValue(got[name]), showValue(want))
	}
	want := attributesMD5(attributes)
	equal(s, "the digests", []string{*sent.MD5OfMessageAttributes, *m.MD5OfMessageAttributes}, []string{want, want})
}

func showValue(v types.MessageAttributeValue) string {
	shown := "nothing"
	if v.DataType != nil {
		shown = *v.DataType
	}
	if v.StringValue != nil {
		shown += " text " + *v.StringValue
	}
	if v.BinaryValue != nil {
		shown += " bytes " + base64.StdEncoding.EncodeToString(v.BinaryValue)
	}
	return shown
}

func tenAttributes(s *sqsSuite) {
	url := s.queue()
	attributes := map[string]types.MessageAttributeValue{}
	for i := range 10 {
		attributes[fmt.Sprint("a", i)] = stringValue("Number", fmt.Sprint(i))
	}
	in := &sqs.SendMessageInput{QueueUrl: &url, MessageBody: text("x"), MessageAttributes: attributes}
	do[sqs.SendMessageOutput](s, in)
	attributes["one more"] = stringValue("Number", "10")
	refusedWith(s, in, "InvalidParameterValue")
	s.expectCounts(url, 1, 0, 0)
}

// sendWith is an input of a message with one attribute.
func sendWith(url, name string, value types.MessageAttributeValue) *sqs.SendMessageInput {
	return &sqs.SendMessageInput{QueueUrl: &url, MessageBody: text("x"), MessageAttributes: map[string]types.MessageAttributeValue{name: value}}
}

func attributeNames(s *sqsSuite) {
	url := s.queue()
	good := []string{"a", "a.b", "A-_.9", "a..b", "aws", "AWSx", "my.aws.name", "amazonian", "naïve", strings.Repeat("n", 256)}
	for _, name := range good {
		do[sqs.SendMessageOutput](s, sendWith(url, name, stringValue("String", "x")))
	}
	for _, name := range []string{
		"", ".a", "a.", ".", "AWS.a", "aws.a", "Aws.a", "Amazon.a", "amazon.a", "AMAZON.x", "a b", "a/b", "a:b", "a\"b", "a\x00", "a😀", strings.Repeat("n", 257),
	} {
		refusedWith(s, sendWith(url, name, stringValue("String", "x")), "InvalidParameterValue")
	}
	s.expectCounts(url, len(good), 0, 0)
}

func attributeTypes(s *sqsSuite) {
	url := s.queue()
	for _, kind := range []string{"string", "STRING", "Text", "", "Strings", "Number,int", ".String", "Boolean", " String", "String." + strings.Repeat("t", 250)} {
		refusedWith(s, sendWith(url, "a", stringValue(kind, "1")), "InvalidParameterValue")
	}
	refusedWith(s, sendWith(url, "a", types.MessageAttributeValue{StringValue: text("1")}), "InvalidParameterValue", "MissingParameter")
	s.expectCounts(url, 0, 0, 0)
}

func attributeValues(s *sqsSuite) {
	url := s.queue()
	refused(s, sendWith(url, "ErrorDetails", stringValue("String", "")),
		invalidParameter("Message (user) attribute 'ErrorDetails' must contain a non-empty value of type 'String'."))
	for _, v := range []types.MessageAttributeValue{
		stringValue("Number", ""), binaryValue("Binary", []byte{}), {DataType: text("String")}, {DataType: text("Binary")}, {DataType: text("Number")},
		binaryValue("String", []byte("x")), stringValue("Binary", "x"), stringValue("Number", "x"), stringValue("Number", "1 2"), stringValue("Number", "0x10"),
		stringValue("Number", "NaN"), stringValue("Number", "1.2.3"), stringValue("Number", strings.Repeat("9", 39)), stringValue("Number.float", "1e"),
	} {
		refusedWith(s, sendWith(url, "a", v), "InvalidParameterValue")
	}
	s.expectCounts(url, 0, 0, 0)
}

func listValues(s *sqsSuite) {
	url := s.queue()
	for _, v := range []types.MessageAttributeValue{
		{DataType: text("String"), StringListValues: []string{"x"}},
		{DataType: text("String"), StringValue: text("x"), StringListValues: []string{"x"}},
		{DataType: text("Binary"), BinaryListValues: [][]byte{{1}}},
	} {
		refusedWith(s, sendWith(url, "a", v), legacy+"UnsupportedOperation")
	}
	s.expectCounts(url, 0, 0, 0)
}
