package sqs

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"naru/internal/policy"
	"naru/internal/queue"
)

// A Source is a queue, for parts of Naru that receive from it by themselves. It
// is found by its name at each call, and each fails if it is not there then.
type Source struct {
	service *Service
	name    name
}

// SourceOf returns the queue of that name, which need not be there.
func (s *Service) SourceOf(account, region, queueName string) *Source {
	return &Source{s, name{account, region, queueName}}
}

// Received is a message that a Source has received.
type Received struct {
	Handle        queue.Handle
	ReceiptHandle string
	ID            string
	Body          string
	MD5           string            // of the body, in hexadecimal
	System        []SystemAttribute // those that it has, in AWS's order
	Attributes    []Attribute       // by name
	AttributesMD5 string            // "" if it has none
}

// A SystemAttribute is what the queue says of a message.
type SystemAttribute struct{ Name, Value string }

// An Attribute is a message attribute. Data is bytes if Type begins with
// "Binary".
type Attribute struct{ Name, Type, Data string }

// Needs returns what receiving from the queue needs, or deleting from it: the
// action is such as "sqs:receivemessage".
func (s *Source) Needs(action string) ([]policy.Request, error) {
	if _, err := s.queue(); err != nil {
		return nil, err
	}
	return s.service.need(action, s.name)
}

func (s *Source) queue() (*Queue, error) {
	q, ok := s.service.queues.Get(s.name.key())
	if !ok {
		return nil, errNoQueue()
	}
	return q, nil
}

// Visibility returns the queue's visibility timeout.
func (s *Source) Visibility() (time.Duration, error) {
	q, err := s.queue()
	if err != nil {
		return 0, err
	}
	return q.seconds("VisibilityTimeout"), nil
}

// Receive receives up to most messages for so long, waiting for the first of
// them in the line of those who poll.
func (s *Source) Receive(ctx context.Context, most int, visibility, wait time.Duration) ([]Received, error) {
	q, err := s.queue()
	if err != nil {
		return nil, err
	}
	var deliveries []*queue.Delivery
	err = s.service.onContent(q, func(content *queue.Queue) (err error) {
		deliveries, err = content.Lease(ctx, queue.LeaseRequest{Max: most, Visibility: visibility, Wait: wait})
		return err
	})
	if errors.Is(err, queue.ErrInFlight) {
		err = nil
	}
	if err != nil {
		return nil, err
	}
	all := make([]Received, len(deliveries))
	for i, d := range deliveries {
		m, err := parseMessage(d.Payload)
		if err != nil {
			return nil, fmt.Errorf("message %v of %s: %w", d.Handle.MessageID, s.name.key(), err)
		}
		all[i] = Received{
			Handle: d.Handle, ReceiptHandle: s.service.engine.FormatHandle(d.Handle), ID: m.id.String(), Body: m.body, MD5: m.bodyMD5(),
			System: systemAttributes(q, d, m),
		}
		if len(m.attribs) > 0 {
			all[i].AttributesMD5 = *attributesMD5(m.attribs)
			for _, name := range slices.Sorted(maps.Keys(m.attribs)) {
				all[i].Attributes = append(all[i].Attributes, Attribute{name, m.attribs[name].Type, m.attribs[name].Data})
			}
		}
	}
	return all, nil
}

// Delete deletes messages for good, and returns how many it did: those of a FIFO
// queue whose time was up are left.
func (s *Source) Delete(handles []queue.Handle) (deleted int, err error) {
	q, err := s.queue()
	if err != nil {
		return 0, err
	}
	var results []error
	err = s.service.onContent(q, func(content *queue.Queue) (err error) {
		results, err = content.Ack(handles...)
		return err
	})
	for _, r := range results {
		if r == nil {
			deleted++
		}
	}
	return deleted, err
}

// Return gives messages back at once, as if they had not been received.
func (s *Source) Return(handles []queue.Handle) error {
	q, err := s.queue()
	if err != nil {
		return err
	}
	return s.service.onContent(q, func(content *queue.Queue) error { return content.Return(handles...) })
}
