package lambda

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"naru/internal/queue"
	"naru/internal/wire"
)

// Asynchronous events wait in their function's content until they were worked
// off. A failed one is tried again after one minute, and then after two; one
// for which there was no room is tried again sooner, and that does not count.
// In the end, in one batch, it leaves the content and what is told of it is on
// its way: see outcome.go.

// asyncConfig is that of every function's content. The engine throws no event
// away: one that is too old is given up here, and told of.
var asyncConfig = queue.Config{}

// retryAfter says how long to wait after each failure.
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
	if s.store.RoomToGrow() != nil {
		return &wire.Error{Code: wire.CodeNoRoom, Message: "The disk is almost full."}
	}
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
	return s.OutgoingWithin("", account, region, function, payload)
}

// OutgoingWithin is Outgoing for an event that is part of the chain of a trace
// header.
func (s *Service) OutgoingWithin(trace, account, region, function string, payload []byte) (queue.Outgoing, error) {
	n, e := nameIn(account, region, function), s.newEvent(payload)
	e.Qualifier = n.qualifier
	if trace != "" {
		e.Trace = trace
	}
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
	f, ok := s.functions.Get(n.key())
	if !ok {
		return queue.ErrGone
	}
	n = n.at(e.Qualifier)
	v, err := s.route(n)
	if err != nil {
		s.log.Warn("an event was dropped: what it was meant for is gone", "function", n.arn())
		return s.conclude(q, d)
	}
	o := &outcome{name: n, version: v, event: &e, config: s.eventConfig(n, v), invokes: a.Failed}
	age := s.clock.Now().Sub(time.UnixMilli(d.Handle.Sent))
	switch {
	case f.Reserved != nil && *f.Reserved == 0:
		o.condition, o.invokes = zeroReserved, 0
		return s.tell(q, d, o)
	case age > o.config.maxAge():
		o.condition = eventAgeExceeded
		return s.tell(q, d, o)
	case s.loops(f, e.Trace):
		s.options.Meter.Counter("lambda_recursive_invocations_dropped", "function", n.function).Add(1)
		o.condition = retriesExhausted
		return s.tell(q, d, o)
	}
	o.result, err = s.run(n, v, &e)
	if s.ctx.Err() != nil {
		return context.Canceled // the next start takes it up again
	}
	return s.settle(q, d, a, o, age, err)
}

// settle says what becomes of an event that was tried.
func (s *Service) settle(q *queue.Queue, d *queue.Delivery, a attempts, o *outcome, age time.Duration, err error) error {
	switch {
	case err != nil:
		if !isThrottle(err) {
			s.log.Error("a function cannot be run", "function", o.name.arn(), "err", err)
		}
		a.Throttled++
		return s.retry(q, d, a, o, age, backoff(a.Throttled), false)
	case !o.result.failed:
		o.condition = succeeded
		o.invokes++
		return s.tell(q, d, o)
	case a.Failed >= o.config.retries():
		o.condition = retriesExhausted
		o.invokes++
		return s.tell(q, d, o)
	}
	o.invokes++
	wait := retryAfter[a.Failed]
	return s.retry(q, d, attempts{Failed: a.Failed + 1}, o, age, wait, true)
}

// retry has an event tried again after a while; or gives it up now if it would
// be too old by then.
func (s *Service) retry(q *queue.Queue, d *queue.Delivery, a attempts, o *outcome, age, wait time.Duration, counted bool) error {
	if age+wait > o.config.maxAge() {
		o.condition = eventAgeExceeded
		return s.tell(q, d, o)
	}
	return settled(q.Release(d.Handle, wait, a.note(), counted))
}

// backoff is how long an event waits after the nth time that there was no room.
func backoff(n int) time.Duration {
	return min(time.Second<<min(n-1, 20), 5*time.Minute)
}
