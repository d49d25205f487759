package sqs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"naru/internal/queue"
	"naru/internal/wire"
)

type ReceiveMessageInput struct {
	QueueUrl                    *string
	AttributeNames              []string `query:"AttributeName"`
	MessageSystemAttributeNames []string `query:"MessageSystemAttributeName"`
	MessageAttributeNames       []string `query:"MessageAttributeName"`
	MaxNumberOfMessages         *int32
	VisibilityTimeout           *int32
	WaitTimeSeconds             *int32
	ReceiveRequestAttemptId     *string
}

type ReceiveMessageOutput struct {
	Messages []Message `query:"Message"`
}

// Message is a received message.
type Message struct {
	MessageId              string
	ReceiptHandle          string
	MD5OfBody              string
	Body                   string
	Attributes             map[string]string `query:"Attribute"`
	MD5OfMessageAttributes *string
	MessageAttributes      map[string]MessageAttributeValue `query:"MessageAttribute"`
}

// ReceiveMessage receives up to MaxNumberOfMessages (1) messages, waiting up to
// WaitTimeSeconds for the first.
func (s *Service) ReceiveMessage(ctx context.Context, in *ReceiveMessageInput) (*ReceiveMessageOutput, error) {
	q, err := s.queueAt(ctx, in.QueueUrl)
	if err != nil {
		return nil, err
	}
	request, err := in.lease(q)
	if err != nil {
		return nil, err
	}
	var deliveries []*queue.Delivery
	err = s.onContent(q, func(content *queue.Queue) (err error) {
		deliveries, err = content.Lease(ctx, request)
		return err
	})
	if errors.Is(err, queue.ErrInFlight) && q.fifo() {
		return &ReceiveMessageOutput{}, nil
	}
	if errors.Is(err, queue.ErrInFlight) {
		return nil, wire.Errorf("OverLimit", "Too many messages are in flight: the limit is %d.", maxInFlight)
	}
	if err != nil {
		return nil, err
	}
	out := &ReceiveMessageOutput{}
	for _, d := range deliveries {
		m, err := parseMessage(d.Payload)
		if err != nil {
			return nil, fmt.Errorf("message %v of %s: %w", d.Handle.MessageID, q.name().key(), err)
		}
		out.Messages = append(out.Messages, in.message(s, q, d, m))
	}
	return out, nil
}

func (in *ReceiveMessageInput) lease(q *Queue) (queue.LeaseRequest, error) {
	request := queue.LeaseRequest{Max: 1, Visibility: q.seconds("VisibilityTimeout"), Wait: q.seconds("ReceiveMessageWaitTimeSeconds")}
	if n := in.MaxNumberOfMessages; n != nil {
		if *n < 1 || *n > 10 {
			return request, invalid(*n, "MaxNumberOfMessages", "Must be between 1 and 10, if provided.")
		}
		request.Max = int(*n)
	}
	if n := in.VisibilityTimeout; n != nil {
		if *n < 0 || *n > 43200 {
			return request, invalid(*n, "VisibilityTimeout", "Must be >= 0 and <= 43200, if provided.")
		}
		request.Visibility = seconds(*n)
	}
	if id := in.ReceiveRequestAttemptId; id != nil && q.fifo() {
		if !idForm.MatchString(*id) {
			return request, invalid(*id, "ReceiveRequestAttemptId", "ReceiveRequestAttemptId can only include alphanumeric and punctuation characters. 1 to 128 in length.")
		}
		request.Attempt = *id
	}
	if n := in.WaitTimeSeconds; n != nil {
		if *n < 0 || *n > 20 {
			return request, invalid(*n, "WaitTimeSeconds", "Must be >= 0 and <= 20, if provided.")
		}
		request.Wait = seconds(*n)
	}
	return request, nil
}

// message returns what the caller asked to see of a message.
func (in *ReceiveMessageInput) message(s *Service, q *Queue, d *queue.Delivery, m *message) Message {
	out := Message{
		MessageId: m.id.String(), ReceiptHandle: s.engine.FormatHandle(d.Handle), MD5OfBody: m.bodyMD5(), Body: m.body,
	}
	if wanted := append(slices.Clone(in.AttributeNames), in.MessageSystemAttributeNames...); len(wanted) > 0 {
		all := slices.Contains(wanted, "All")
		for _, a := range systemAttributes(q, d, m) {
			if all || slices.Contains(wanted, a.Name) {
				if out.Attributes == nil {
					out.Attributes = map[string]string{}
				}
				out.Attributes[a.Name] = a.Value
			}
		}
	}
	if len(m.attribs) == 0 {
		return out
	}
	shown := map[string]attributeValue{}
	for name, v := range m.attribs {
		if slices.ContainsFunc(in.MessageAttributeNames, func(pattern string) bool { return covers(pattern, name) }) {
			shown[name] = v
		}
	}
	if len(shown) == 0 {
		return out
	}
	out.MD5OfMessageAttributes = attributesMD5(shown)
	out.MessageAttributes = map[string]MessageAttributeValue{}
	for name, v := range shown {
		out.MessageAttributes[name] = v.shape()
	}
	return out
}

func (v attributeValue) shape() MessageAttributeValue {
	if v.binary() {
		return MessageAttributeValue{DataType: &v.Type, BinaryValue: []byte(v.Data)}
	}
	return MessageAttributeValue{DataType: &v.Type, StringValue: &v.Data}
}

// systemAttributes returns the system attributes that a message has.
func systemAttributes(q *Queue, d *queue.Delivery, m *message) []SystemAttribute {
	all := make([]SystemAttribute, 0, 9)
	add := func(name, value string) {
		if value != "" {
			all = append(all, SystemAttribute{name, value})
		}
	}
	fifo := q.fifo()
	add("ApproximateReceiveCount", strconv.Itoa(d.Receives))
	add("AWSTraceHeader", m.trace)
	add("SentTimestamp", decimal(d.Handle.Sent))
	if fifo {
		add("SequenceNumber", sequenceNumber(d.Handle.Content, d.Handle.Sequence))
	}
	add("MessageGroupId", m.group)
	add("SenderId", m.sender)
	switch {
	case fifo && d.Origin != "": // a dead letter's is its id
		add("MessageDeduplicationId", m.id.String())
	case fifo:
		add("MessageDeduplicationId", m.once)
	}
	add("DeadLetterQueueSourceArn", d.Origin)
	add("ApproximateFirstReceiveTimestamp", decimal(d.First))
	return all
}

// covers reports whether a name in MessageAttributeNames means an attribute:
// All, .* and * mean every one, and what ends in .* those that begin with what
// is before it.
func covers(pattern, name string) bool {
	if pattern == "All" || pattern == ".*" || pattern == "*" || pattern == name {
		return true
	}
	prefix, ok := strings.CutSuffix(pattern, ".*")
	return ok && strings.HasPrefix(name, prefix)
}

type DeleteMessageInput struct {
	QueueUrl      *string
	ReceiptHandle *string
}

// DeleteMessage deletes a message by any receipt handle it was received under.
func (s *Service) DeleteMessage(ctx context.Context, in *DeleteMessageInput) (*wire.None, error) {
	q, err := s.queueAt(ctx, in.QueueUrl)
	if err != nil {
		return nil, err
	}
	if in.ReceiptHandle == nil {
		return nil, missing("ReceiptHandle")
	}
	h, err := s.engine.ParseHandle(*in.ReceiptHandle)
	if err != nil {
		return nil, badHandle(*in.ReceiptHandle)
	}
	results, err := s.ack(q, h)
	return &wire.None{}, errors.Join(err, results[0])
}

// ack deletes messages and returns the result of each.
func (s *Service) ack(q *Queue, handles ...queue.Handle) ([]error, error) {
	results := make([]error, len(handles))
	err := s.onContent(q, func(content *queue.Queue) error {
		told, err := content.Ack(handles...)
		copy(results, told)
		return err
	})
	for i, h := range handles {
		if errors.Is(results[i], queue.ErrExpired) {
			results[i] = invalid(s.engine.FormatHandle(h), "ReceiptHandle", "The receipt handle has expired.")
		}
	}
	return results, err
}

// DeleteMessageBatchRequestEntry is one message of a batch.
type DeleteMessageBatchRequestEntry struct {
	Id            *string
	ReceiptHandle *string
}

type DeleteMessageBatchInput struct {
	QueueUrl *string
	Entries  []DeleteMessageBatchRequestEntry `query:"DeleteMessageBatchRequestEntry"`
}

type DeleteMessageBatchOutput struct {
	Successful []DeleteMessageBatchResultEntry `query:"DeleteMessageBatchResultEntry"`
	Failed     []BatchResultErrorEntry         `query:"BatchResultErrorEntry"`
}

// DeleteMessageBatchResultEntry is a message of a batch that was deleted.
type DeleteMessageBatchResultEntry struct{ Id string }

// DeleteMessageBatch deletes up to ten messages.
func (s *Service) DeleteMessageBatch(ctx context.Context, in *DeleteMessageBatchInput) (*DeleteMessageBatchOutput, error) {
	q, err := s.queueAt(ctx, in.QueueUrl)
	if err != nil {
		return nil, err
	}
	if err := checkBatch("DeleteMessageBatchRequestEntry", in.Entries, func(e DeleteMessageBatchRequestEntry) *string { return e.Id }); err != nil {
		return nil, err
	}
	out := &DeleteMessageBatchOutput{}
	var handles []queue.Handle
	var ids []string
	for _, e := range in.Entries {
		h, err := s.engine.ParseHandle(deref(e.ReceiptHandle))
		if err != nil {
			out.Failed = append(out.Failed, failure(*e.Id, badHandle(deref(e.ReceiptHandle))))
			continue
		}
		handles, ids = append(handles, h), append(ids, *e.Id)
	}
	results, err := s.ack(q, handles...)
	if err != nil {
		return nil, err
	}
	for i, err := range results {
		if err != nil {
			out.Failed = append(out.Failed, failure(ids[i], err))
		} else {
			out.Successful = append(out.Successful, DeleteMessageBatchResultEntry{ids[i]})
		}
	}
	return out, nil
}

type ChangeMessageVisibilityInput struct {
	QueueUrl          *string
	ReceiptHandle     *string
	VisibilityTimeout *int32
}

// ChangeMessageVisibility makes a message visible VisibilityTimeout from now.
func (s *Service) ChangeMessageVisibility(ctx context.Context, in *ChangeMessageVisibilityInput) (*wire.None, error) {
	q, err := s.queueAt(ctx, in.QueueUrl)
	if err != nil {
		return nil, err
	}
	x, err := s.extension(in.ReceiptHandle, in.VisibilityTimeout)
	if err != nil {
		return nil, err
	}
	results, err := s.extend(q, []queue.Extension{x})
	if err != nil {
		return nil, err
	}
	return &wire.None{}, results[0]
}

func (s *Service) extension(handle *string, timeout *int32) (queue.Extension, error) {
	switch {
	case handle == nil:
		return queue.Extension{}, missing("ReceiptHandle")
	case timeout == nil:
		return queue.Extension{}, missing("VisibilityTimeout")
	case *timeout < 0 || *timeout > 43200:
		return queue.Extension{}, invalid(*timeout, "VisibilityTimeout", "VisibilityTimeout must be an integer between 0 and 43200.")
	}
	h, err := s.engine.ParseHandle(*handle)
	if err != nil {
		return queue.Extension{}, badHandle(*handle)
	}
	return queue.Extension{Handle: h, Visibility: seconds(*timeout)}, nil
}

// extend changes the visibility of messages and returns the result of each.
func (s *Service) extend(q *Queue, extensions []queue.Extension) ([]error, error) {
	results := make([]error, len(extensions))
	err := s.onContent(q, func(content *queue.Queue) (err error) {
		results, err = content.Extend(extensions...)
		return err
	})
	for i, x := range extensions {
		value := int32(x.Visibility.Seconds())
		switch {
		case errors.Is(results[i], queue.ErrNoMessage):
			results[i] = invalid(s.engine.FormatHandle(x.Handle), "ReceiptHandle", "Message does not exist or is not available for visibility timeout change.")
		case errors.Is(results[i], queue.ErrTooLong):
			results[i] = invalid(value, "VisibilityTimeout", "Total VisibilityTimeout for the message is beyond the limit [43200 seconds]")
		}
	}
	return results, err
}

// ChangeMessageVisibilityBatchRequestEntry is one message of a batch.
type ChangeMessageVisibilityBatchRequestEntry struct {
	Id                *string
	ReceiptHandle     *string
	VisibilityTimeout *int32
}

type ChangeMessageVisibilityBatchInput struct {
	QueueUrl *string
	Entries  []ChangeMessageVisibilityBatchRequestEntry `query:"ChangeMessageVisibilityBatchRequestEntry"`
}

type ChangeMessageVisibilityBatchOutput struct {
	Successful []ChangeMessageVisibilityBatchResultEntry `query:"ChangeMessageVisibilityBatchResultEntry"`
	Failed     []BatchResultErrorEntry                   `query:"BatchResultErrorEntry"`
}

// ChangeMessageVisibilityBatchResultEntry is a message of a batch whose
// visibility was changed.
type ChangeMessageVisibilityBatchResultEntry struct{ Id string }

// ChangeMessageVisibilityBatch changes the visibility of up to ten messages.
func (s *Service) ChangeMessageVisibilityBatch(ctx context.Context, in *ChangeMessageVisibilityBatchInput) (*ChangeMessageVisibilityBatchOutput, error) {
	q, err := s.queueAt(ctx, in.QueueUrl)
	if err != nil {
		return nil, err
	}
	if err := checkBatch("ChangeMessageVisibilityBatchRequestEntry", in.Entries, func(e ChangeMessageVisibilityBatchRequestEntry) *string { return e.Id }); err != nil {
		return nil, err
	}
	out := &ChangeMessageVisibilityBatchOutput{}
	var extensions []queue.Extension
	var ids []string
	for _, e := range in.Entries {
		x, err := s.extension(e.ReceiptHandle, e.VisibilityTimeout)
		if err != nil {
			out.Failed = append(out.Failed, failure(*e.Id, err))
			continue
		}
		extensions, ids = append(extensions, x), append(ids, *e.Id)
	}
	results, err := s.extend(q, extensions)
	if err != nil {
		return nil, err
	}
	for i, err := range results {
		if err != nil {
			out.Failed = append(out.Failed, failure(ids[i], err))
		} else {
			out.Successful = append(out.Successful, ChangeMessageVisibilityBatchResultEntry{ids[i]})
		}
	}
	return out, nil
}
