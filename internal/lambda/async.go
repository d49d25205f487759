package lambda

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"naru/internal/queue"
)

// Asynchronous events wait in their function's content until they were worked
// off. A failed one is tried again after one minute, and then after two; one
// for which there was no room is tried again sooner, and that does not count.

// asyncConfig is that of every function's content: an event is given up when
// it is six hours old.
var asyncConfig = queue.Config{Retention: 6 * time.Hour}

// retryAfter says how long to wait after each failure; then it is given up.
var retryAfter = []time.Duration{time.Minute, 2 * time.Minute}

// margin is how much longer than its timeout an event of a function is leased.
const margin = time.Minute

// attempts is what the engine's note says of an event.
type attempts struct {
	Failed    int `json:"f,omitempty"`
	Throttled int `json:"t,omitempty"` // since the last failure
}

func parseAttempts(note []byte) (a attempts, err error) {
	if len(note) > 0 {
		err = json.Unmarshal(note, &a)
	}
	return a, err
}

func (a attempts) note() []byte {
	text, err := json.Marshal(a)
	if err != nil {
		panic(err) // a struct of numbers
	}
	return text
}

// enqueue keeps an event. It returns once it is durable.
func (s *Service) enqueue(n name, e *event) error {
	e.Qualifier = n.qualifier
	f, err := s.function(n)
	if err != nil {
		return err
	}
	payload, err := json.Marshal(e)
	if err != nil {
		return err
	}
	q := s.engine.Queue(f.Content)
	if q == nil {
		return notFound(f.name())
	}
	_, err = q.Put(queue.Put{Payload: payload})
	if errors.Is(err, queue.ErrGone) {
		return notFound(f.name())
	}
	return err
}

// Outgoing returns the message by which a part of Naru invokes a function
// through an outbox. The function is a name, maybe with ":" and a qualifier.
func (s *Service) Outgoing(account, region, function string, payload []byte) (queue.Outgoing, error) {
	n, e := nameIn(account, region, function), s.newEvent(payload)
	e.Qualifier = n.qualifier
	text, err := json.Marshal(e)
	return queue.Outgoing{Address: n.address(), Payload: text}, err
}

// Resolve returns the content of the function at an address, for the engine.
func (s *Service) Resolve(address string) (queue.Ref, bool) {
	f, ok := s.functions.Get(address[len(AddressPrefix):])
	if !ok {
		return queue.Ref{}, false
	}
	return f.ref(), true
}

// startAsync works off a function's events until the function is deleted.
func (s *Service) startAsync(n name) {
	f, ok := s.functions.Get(n.key())
	if !ok {
		return
	}
	q := s.engine.Queue(f.Content)
	s.asynchronous.Go(func() {
		err := q.ReleaseAll() // what an earlier start was at when it ended
		room := make(chan struct{}, s.options.Concurrency)
		for err == nil {
			err = s.workOff(n, q, room)
		}
		if !errors.Is(err, queue.ErrGone) && s.taking.Err() == nil {
			s.log.Error("asynchronous events are not worked off any more", "function", n.function, "err", err)
		}
	})
}

// workOff takes the next events and works them off, each by itself, as many at
// a time as room has.
func (s *Service) workOff(n name, q *queue.Queue, room chan struct{}) error {
	places := 0
	for places < 10 && (places == 0 || len(room) < cap(room)) {
		select {
		case room <- struct{}{}:
			places++
		case <-s.taking.Done():
			return s.taking.Err()
		}
	}
	f, ok := s.functions.Get(n.key())
	if !ok {
		return queue.ErrGone
	}
	deliveries, err := q.Lease(s.taking, queue.LeaseRequest{
		Max: places, Visibility: time.Duration(f.Timeout)*time.Second + maxInit + margin, Wait: math.MaxInt64 / 2,
	})
	for range places - len(deliveries) {
		<-room
	}
	for _, d := range deliveries {
		s.asynchronous.Go(func() {
			defer func() { <-room }()
			if err := s.attempt(n, q, d); err != nil && !errors.Is(err, queue.ErrGone) && s.ctx.Err() == nil {
				s.log.Error("an asynchronous event could not be worked off", "function", n.function, "err", err)
			}
		})
	}
	return err
}

// attempt runs the function on one event, and settles the event.
func (s *Service) attempt(n name, q *queue.Queue, d *queue.Delivery) error {
	var e event
	if err := json.Unmarshal(d.Payload, &e); err != nil {
		return fmt.Errorf("event %v: %w", d.Handle.MessageID, err)
	}
	a, err := parseAttempts(d.Note)
	if err != nil {
		return fmt.Errorf("event %v: %w", d.Handle.MessageID, err)
	}
	n = n.at(e.Qualifier)
	v, err := s.route(n)
	if err != nil {
		return queue.ErrGone
	}
	r, err := s.run(n, v, &e)
	switch {
	case s.ctx.Err() != nil:
		return context.Canceled // the next start takes it up again
	case err != nil:
		if !errors.Is(err, errThrottled) {
			s.log.Error("a function cannot be run", "function", n.function, "err", err)
		}
		a.Throttled++
		return q.Release(d.Handle, backoff(a.Throttled), a.note(), false)
	case !r.failed:
		return q.Ack(d.Handle)
	case a.Failed >= len(retryAfter):
		s.options.Meter.Counter("lambda_async_dropped", "function", n.function).Add(1)
		return q.Ack(d.Handle)
	}
	wait := retryAfter[a.Failed]
	return q.Release(d.Handle, wait, attempts{Failed: a.Failed + 1}.note(), true)
}

// backoff is how long an event waits after the nth time that there was no room.
func backoff(n int) time.Duration {
	return min(time.Second<<min(n-1, 20), 5*time.Minute)
}
