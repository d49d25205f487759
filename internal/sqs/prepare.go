package sqs

import (
	"context"
	"time"

	"naru/internal/queue"
	"naru/internal/wire"
)

// Prepare checks a SendMessage as the operation does, and returns the message
// that sends it through an outbox, for parts of Naru that send by themselves;
// and by how much it is to be delayed first. The Call in ctx says who sends.
func (s *Service) Prepare(ctx context.Context, in *SendMessageInput) (queue.Outgoing, time.Duration, error) {
	q, err := s.queueAt(ctx, in.QueueUrl)
	if err != nil {
		return queue.Outgoing{}, 0, err
	}
	entry := SendMessageBatchRequestEntry{
		MessageBody: in.MessageBody, DelaySeconds: in.DelaySeconds, MessageAttributes: in.MessageAttributes,
		MessageSystemAttributes: in.MessageSystemAttributes, MessageDeduplicationId: in.MessageDeduplicationId, MessageGroupId: in.MessageGroupId,
	}
	o, err := entry.outgoing(ctx, q)
	if err != nil {
		return queue.Outgoing{}, 0, err
	}
	if limit := q.number("MaximumMessageSize"); o.message.size() > limit {
		return queue.Outgoing{}, 0, wire.Errorf("InvalidParameterValue", "One or more parameters are invalid. Reason: Message must be shorter than %d bytes.", limit)
	}
	put := o.put(q)
	return queue.Outgoing{Address: q.name().address(), Payload: put.Payload, Group: put.Group, Once: put.Once, Tag: put.Tag}, put.Delay, nil
}

// SplitURL returns account and name of the queue that a QueueUrl means.
func SplitURL(url string) (account, queue string, ok bool) { return splitURL(url) }

// Texts returns message attributes that are texts.
func Texts(texts map[string]string) map[string]MessageAttributeValue {
	kind := "String"
	all := map[string]MessageAttributeValue{}
	for name, text := range texts {
		all[name] = MessageAttributeValue{StringValue: &text, DataType: &kind}
	}
	return all
}
