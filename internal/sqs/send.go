package sqs

import (
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"naru/internal/queue"
	"naru/internal/wire"
)

// MessageAttributeValue is the value of a message attribute in requests and
// replies.
type MessageAttributeValue struct {
	StringValue      *string
	BinaryValue      []byte
	StringListValues []string `query:"StringListValue"`
	BinaryListValues [][]byte `query:"BinaryListValue"`
	DataType         *string
}

type SendMessageInput struct {
	QueueUrl                *string
	MessageBody             *string
	DelaySeconds            *int32
	MessageAttributes       map[string]MessageAttributeValue `query:"MessageAttribute"`
	MessageSystemAttributes map[string]MessageAttributeValue `query:"MessageSystemAttribute"`
	MessageDeduplicationId  *string
	MessageGroupId          *string
}

type SendMessageOutput struct {
	MessageId                    string
	MD5OfMessageBody             string
	MD5OfMessageAttributes       *string
	MD5OfMessageSystemAttributes *string
	SequenceNumber               *string
}

// SendMessage sends one message.
func (s *Service) SendMessage(ctx context.Context, in *SendMessageInput) (*SendMessageOutput, error) {
	q, err := s.queueAt(ctx, in.QueueUrl)
	if err != nil {
		return nil, err
	}
	entry := SendMessageBatchRequestEntry{
		MessageBody: in.MessageBody, DelaySeconds: in.DelaySeconds, MessageAttributes: in.MessageAttributes,
		MessageSystemAttributes: in.MessageSystemAttributes, MessageDeduplicationId: in.MessageDeduplicationId, MessageGroupId: in.MessageGroupId,
	}
	o, err := entry.outgoing(ctx, q)
	if err != nil {
		return nil, err
	}
	if limit := q.number("MaximumMessageSize"); o.message.size() > limit {
		return nil, wire.Errorf("InvalidParameterValue", "One or more parameters are invalid. Reason: Message must be shorter than %d bytes.", limit)
	}
	results, err := s.put(q, o)
	if err != nil {
		return nil, err
	}
	return &SendMessageOutput{
		MessageId: results[0].id, SequenceNumber: results[0].sequence, MD5OfMessageBody: o.message.bodyMD5(),
		MD5OfMessageAttributes: attributesMD5(o.message.attribs), MD5OfMessageSystemAttributes: o.systemMD5,
	}, nil
}

// sent is what a sender is told of a message: a duplicate's is that of the one
// that was sent before it.
type sent struct {
	id       string
	sequence *string // of FIFO queues
}

// put sends messages.
func (s *Service) put(q *Queue, all ...*outgoing) ([]sent, error) {
	puts := make([]queue.Put, len(all))
	for i, o := range all {
		puts[i] = o.put(q)
	}
	results := make([]sent, len(all))
	return results, s.onContent(q, func(content *queue.Queue) error {
		told, err := content.Put(puts...)
		for i, t := range told {
			id, err := uuid.FromBytes(t.Tag)
			if err != nil {
				return fmt.Errorf("tag of message %v: %w", t.MessageID, err)
			}
			results[i].id = id.String()
			if q.fifo() {
				number := sequenceNumber(content.Ref().Content, t.Sequence)
				results[i].sequence = &number
			}
		}
		return err
	})
}

// sequenceNumber returns a message's SequenceNumber: 20 digits, increasing for
// as long as there is the queue, since a purge gives it a later content.
func sequenceNumber(content, sequence uint64) string {
	return strconv.FormatUint(10_000_000_000_000_000_000+content<<38+sequence, 10)
}

// SendMessageBatchRequestEntry is one message of a batch.
type SendMessageBatchRequestEntry struct {
	Id                      *string
	MessageBody             *string
	DelaySeconds            *int32
	MessageAttributes       map[string]MessageAttributeValue `query:"MessageAttribute"`
	MessageSystemAttributes map[string]MessageAttributeValue `query:"MessageSystemAttribute"`
	MessageDeduplicationId  *string
	MessageGroupId          *string
}

type SendMessageBatchInput struct {
	QueueUrl *string
	Entries  []SendMessageBatchRequestEntry `query:"SendMessageBatchRequestEntry"`
}

type SendMessageBatchOutput struct {
	Successful []SendMessageBatchResultEntry `query:"SendMessageBatchResultEntry"`
	Failed     []BatchResultErrorEntry       `query:"BatchResultErrorEntry"`
}

// SendMessageBatchResultEntry is a message of a batch that was sent.
type SendMessageBatchResultEntry struct {
	Id                           string
	MessageId                    string
	MD5OfMessageBody             string
	MD5OfMessageAttributes       *string
	MD5OfMessageSystemAttributes *string
	SequenceNumber               *string
}

// BatchResultErrorEntry is an entry of a batch that failed.
type BatchResultErrorEntry struct {
	Id          string
	SenderFault bool
	Code        string
	Message     *string
}

const maxBatchBytes = 1 << 20

// SendMessageBatch sends up to ten messages. What concerns the batch refuses
// it whole; what concerns an entry fails that entry.
func (s *Service) SendMessageBatch(ctx context.Context, in *SendMessageBatchInput) (*SendMessageBatchOutput, error) {
	q, err := s.queueAt(ctx, in.QueueUrl)
	if err != nil {
		return nil, err
	}
	if err := checkBatch("SendMessageBatchRequestEntry", in.Entries, func(e SendMessageBatchRequestEntry) *string { return e.Id }); err != nil {
		return nil, err
	}
	out := &SendMessageBatchOutput{}
	total, limit := int64(0), q.number("MaximumMessageSize")
	all := make([]*outgoing, 0, len(in.Entries))
	told := make([]SendMessageBatchResultEntry, 0, len(in.Entries))
	for i := range in.Entries {
		e := &in.Entries[i]
		if err := e.checkFIFO(q); err != nil {
			return nil, whole(err)
		}
		o, err := e.outgoing(ctx, q)
		if err == nil {
			if total += o.message.size(); o.message.size() > limit {
				err = wire.Errorf("InvalidParameterValue", "One or more parameters cannot be validated. Reason: Message must be shorter than %d bytes.", limit)
			}
		}
		if err != nil {
			out.Failed = append(out.Failed, failure(*e.Id, err))
			continue
		}
		all = append(all, o)
		told = append(told, SendMessageBatchResultEntry{
			Id: *e.Id, MD5OfMessageBody: o.message.bodyMD5(),
			MD5OfMessageAttributes: attributesMD5(o.message.attribs), MD5OfMessageSystemAttributes: o.systemMD5,
		})
	}
	if total > maxBatchBytes {
		return nil, wire.Errorf("BatchRequestTooLong", "Batch requests cannot be longer than %d bytes. You have sent %d bytes.", maxBatchBytes, total)
	}
	if len(all) == 0 {
		return out, nil
	}
	results, err := s.put(q, all...)
	for i := range told {
		told[i].MessageId, told[i].SequenceNumber = results[i].id, results[i].sequence
	}
	out.Successful = told
	return out, err
}

// whole makes an error of an entry one of the whole batch: what is missing is
// an invalid value then.
func whole(err error) error {
	var e *wire.Error
	if errors.As(err, &e) && e.Code == "MissingParameter" {
		return wire.Errorf("InvalidParameterValue", "%s", e.Message)
	}
	return err
}

func failure(id string, err error) BatchResultErrorEntry {
	var e *wire.Error
	if !errors.As(err, &e) {
		e = wire.Errorf(wire.CodeInternal, "We encountered an internal error. Please try again.")
		return BatchResultErrorEntry{Id: id, Code: e.Code, Message: &e.Message}
	}
	return BatchResultErrorEntry{Id: id, SenderFault: true, Code: e.Code, Message: &e.Message}
}

// checkBatch checks what all batches have in common: how many entries there
// are, and their ids.
func checkBatch[E any](kind string, entries []E, id func(E) *string) error {
	if len(entries) == 0 {
		return wire.Errorf("EmptyBatchRequest", "There should be at least one %s in the request.", kind)
	}
	if len(entries) > 10 {
		return wire.Errorf("TooManyEntriesInBatchRequest", "Maximum number of entries per request are 10. You have sent %d.", len(entries))
	}
	seen := map[string]bool{}
	for i, e := range entries {
		switch id := id(e); {
		case id == nil:
			return missing(kind + "." + strconv.Itoa(i+1) + ".Id")
		case !nameForm.MatchString(*id):
			return wire.Errorf("InvalidBatchEntryId", "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long.")
		case seen[*id]:
			return wire.Errorf("BatchEntryIdsNotDistinct", "Id %s repeated.", *id)
		default:
			seen[*id] = true
		}
	}
	return nil
}

// outgoing is a message ready to be put into its queue.
type outgoing struct {
	message   *message
	systemMD5 *string
	delay     time.Duration
}

func (o *outgoing) put(q *Queue) queue.Put {
	m := o.message
	return queue.Put{Payload: m.encode(), Delay: o.delay, Group: m.group, Once: q.once(m), Tag: m.id[:]}
}

// once is what a queue takes a message with only once.
func (q *Queue) once(m *message) string {
	if q.ByGroup && m.once != "" {
		return m.group + "\x00" + m.once
	}
	return m.once
}

// outgoing checks everything but the message's size.
func (e *SendMessageBatchRequestEntry) outgoing(ctx context.Context, q *Queue) (*outgoing, error) {
	c := wire.CallOf(ctx)
	if deref(e.MessageBody) == "" {
		return nil, missing("MessageBody")
	}
	if err := checkContents(*e.MessageBody); err != nil {
		return nil, err
	}
	delay, err := e.delay(q)
	if err != nil {
		return nil, err
	}
	if err := e.checkIDs(q); err != nil {
		return nil, err
	}
	if err := e.checkFIFO(q); err != nil {
		return nil, err
	}
	o := &outgoing{delay: delay}
	attribs, err := checkAttributes(e.MessageAttributes)
	if err != nil {
		return nil, err
	}
	system, err := checkSystemAttributes(e.MessageSystemAttributes)
	if err != nil {
		return nil, err
	}
	o.systemMD5 = attributesMD5(system)
	o.message = &message{
		id: uuid.New(), md5: md5.Sum(viewAsBytes(*e.MessageBody)), sender: c.Caller.UserID, trace: system["AWSTraceHeader"].Data,
		group: deref(e.MessageGroupId), once: deref(e.MessageDeduplicationId), body: *e.MessageBody, attribs: attribs,
	}
	if q.fifo() && o.message.once == "" {
		o.message.once = contentID(*e.MessageBody)
	}
	if trace := c.Header.Get("X-Amzn-Trace-Id"); o.message.trace == "" {
		o.message.trace = trace
	}
	return o, nil
}

// contentID is the deduplication id of a message that has none, where the queue
// deduplicates by content.
func contentID(body string) string {
	sum := sha256.Sum256(viewAsBytes(body))
	return hex.EncodeToString(sum[:])
}

// delay is for how long the message is hidden; what a FIFO queue hides it for
// is seen to by the engine.
func (e *SendMessageBatchRequestEntry) delay(q *Queue) (time.Duration, error) {
	switch d := e.DelaySeconds; {
	case d != nil && (*d < 0 || *d > 900):
		return 0, invalid(*d, "DelaySeconds", "DelaySeconds must be >= 0 and <= 900.")
	case d != nil && *d > 0 && q.fifo():
		return 0, invalid(*d, "DelaySeconds", "The request include parameter that is not valid for this queue type.")
	case q.fifo():
		return 0, nil
	case d != nil:
		return seconds(*d), nil
	}
	return q.seconds("DelaySeconds"), nil
}

var idForm = regexp.MustCompile("^[!-~]{1,128}$")

// checkIDs checks the forms of group and deduplication id.
func (e *SendMessageBatchRequestEntry) checkIDs(q *Queue) error {
	const rule = " can only include alphanumeric and punctuation characters. 1 to 128 in length."
	if id := e.MessageGroupId; id != nil && !idForm.MatchString(*id) {
		return invalid(*id, "MessageGroupId", "MessageGroupId"+rule)
	}
	switch id := e.MessageDeduplicationId; {
	case id == nil:
	case !idForm.MatchString(*id):
		return invalid(*id, "MessageDeduplicationId", "MessageDeduplicationId"+rule)
	case !q.fifo():
		return invalid(*id, "MessageDeduplicationId", "The request includes a parameter that is not valid for this queue type.")
	}
	return nil
}

// checkFIFO refuses a message without what a FIFO queue needs.
func (e *SendMessageBatchRequestEntry) checkFIFO(q *Queue) error {
	switch {
	case !q.fifo():
	case e.MessageGroupId == nil:
		return missing("MessageGroupId")
	case e.MessageDeduplicationId == nil && q.attribute("ContentBasedDeduplication") != "true":
		return wire.Errorf("InvalidParameterValue", "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly")
	}
	return nil
}

// isPlain reports whether eight bytes are ASCII, without control characters:
// none has its highest bit, nor gets it when a space is taken away.
func isPlain(b string) bool {
	eight := uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 | uint64(b[4])<<32 | uint64(b[5])<<40 | uint64(b[6])<<48 | uint64(b[7])<<56
	return (eight|(eight-0x2020202020202020))&0x8080808080808080 == 0
}

// checkContents refuses characters that XML has no place for.
func checkContents(text string) error {
	i := 0
	for i+8 <= len(text) && isPlain(text[i:i+8]) {
		i += 8
	}
	for i < len(text) && (text[i] >= ' ' && text[i] < utf8.RuneSelf || text[i] == '\t' || text[i] == '\n' || text[i] == '\r') {
		i++ // as most texts are from end to end
	}
	for _, r := range text[i:] {
		if r == '\t' || r == '\n' || r == '\r' || r >= ' ' && r != 0xfffe && r != 0xffff && (r != utf8.RuneError || utf8.ValidString(text)) {
			continue
		}
		return wire.Errorf("InvalidMessageContents", "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF")
	}
	return nil
}

var (
	attributeNameForm = regexp.MustCompile(`^[\p{L}0-9_.-]{1,256}$`)
	numberForm        = regexp.MustCompile(`^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$`)
)

func checkAttributes(given map[string]MessageAttributeValue) (map[string]attributeValue, error) {
	if len(given) == 0 {
		return nil, nil
	}
	if len(given) > 10 {
		return nil, wire.Errorf("InvalidParameterValue", "Number of message attributes [%d] exceeds the allowed maximum [10].", len(given))
	}
	checked := make(map[string]attributeValue, len(given))
	for name, v := range given {
		if err := checkAttributeName(name); err != nil {
			return nil, err
		}
		value, err := v.check(name)
		if err != nil {
			return nil, err
		}
		checked[name] = value
	}
	return checked, nil
}

func checkAttributeName(name string) error {
	lower := strings.ToLower(name)
	switch {
	case !attributeNameForm.MatchString(name), strings.HasPrefix(name, "."), strings.HasSuffix(name, "."),
		strings.HasPrefix(lower, "aws."), strings.HasPrefix(lower, "amazon."):
		return wire.Errorf("InvalidParameterValue", "Message (user) attribute name '%s' is invalid: it can contain only A-Z, a-z, 0-9, underscore(_), hyphen(-) and period (.), must not start with AWS-reserved prefixes, must not start or end with period (.) and can be up to 256 characters long.", name)
	}
	return nil
}

// check returns the value as it is kept.
func (v *MessageAttributeValue) check(name string) (attributeValue, error) {
	if len(v.StringListValues) > 0 || len(v.BinaryListValues) > 0 {
		return attributeValue{}, wire.Errorf("UnsupportedOperation", "Message (user) attribute '%s' has a list value, which is not supported.", name)
	}
	kind := deref(v.DataType)
	base, _, _ := strings.Cut(kind, ".")
	if !slices.Contains([]string{"String", "Number", "Binary"}, base) || len(kind) > 256 {
		return attributeValue{}, wire.Errorf("InvalidParameterValue", "The message (user) attribute '%s' has an invalid message attribute type, the set of supported type prefixes is Binary, Number, and String.", name)
	}
	value := attributeValue{Type: kind, Data: deref(v.StringValue)}
	if base == "Binary" {
		value.Data = string(v.BinaryValue)
	}
	if value.Data == "" {
		return attributeValue{}, wire.Errorf("InvalidParameterValue", "Message (user) attribute '%s' must contain a non-empty value of type '%s'.", name, base)
	}
	switch base {
	case "String":
		return value, checkContents(value.Data)
	case "Number":
		if !numberForm.MatchString(value.Data) {
			return attributeValue{}, wire.Errorf("InvalidParameterValue", "Can't cast the value of message (user) attribute '%s' to a number.", name)
		}
		if digits := strings.Map(onlyDigits, value.Data); len(digits) > 38 {
			return attributeValue{}, wire.Errorf("InvalidParameterValue", "The value of message (user) attribute '%s' has more than 38 digits.", name)
		}
	}
	return value, nil
}

// checkSystemAttributes takes AWSTraceHeader, the one there is.
func checkSystemAttributes(given map[string]MessageAttributeValue) (map[string]attributeValue, error) {
	if len(given) == 0 {
		return nil, nil
	}
	checked := map[string]attributeValue{}
	for name, v := range given {
		if name != "AWSTraceHeader" {
			return nil, wire.Errorf("InvalidParameterValue", "Message system attribute name '%s' is invalid.", name)
		}
		if deref(v.DataType) != "String" || deref(v.StringValue) == "" {
			return nil, wire.Errorf("InvalidParameterValue", "Message (system) attribute '%s' must contain a non-empty value of type 'String'.", name)
		}
		checked[name] = attributeValue{"String", *v.StringValue}
	}
	return checked, nil
}

func onlyDigits(r rune) rune {
	if r >= '0' && r <= '9' {
		return r
	}
	return -1
}

func seconds(n int32) time.Duration { return time.Duration(n) * time.Second }

func decimal(n int64) string { return strconv.FormatInt(n, 10) }
