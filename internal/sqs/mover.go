package sqs

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"naru/internal/arn"
	"naru/internal/queue"
	"naru/internal/store"
)

// A mover runs a message move task. It leases some messages, by an attempt whose
// name says how many it has moved, and then redirects all of them and notes the
// new number in one batch. So whatever crashes when, each message is moved once,
// and a mover that is started again goes on with the messages that it held.
type mover struct {
	*Service
	move    *Move
	moved   atomic.Int64
	stopped context.Context
	stop    context.CancelFunc
}

// moveLease is for how long messages are held that are being moved.
const moveLease = time.Minute

func noteOf(id string) string { return "move:" + id }

// resume runs a task, from where it was left.
func (s *Service) resume(m *Move) error {
	r := &mover{Service: s, move: m}
	r.stopped, r.stop = context.WithCancel(s.ctx)
	if m.Status == moveCancelling {
		r.stop()
	}
	err := s.engine.Notes(queue.ShardOf(m.source().address()), noteOf(m.ID), func(n queue.Note) error {
		moved, err := strconv.ParseInt(string(n.Value), 10, 64)
		r.moved.Store(moved)
		return err
	})
	if err != nil {
		return fmt.Errorf("message move task %s: %w", m.ID, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.running[m.ID] = r
	s.work.Go(r.run)
	return nil
}

// stop has a task end.
func (s *Service) stop(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.running[id]; r != nil {
		r.stop()
	}
}

// movedBy returns how many messages a task has moved.
func (s *Service) movedBy(m *Move) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.running[m.ID]; r != nil {
		return r.moved.Load()
	}
	return m.Moved
}

// errNowhere is why a task fails whose messages have nowhere to go.
type errNowhere string

func (e errNowhere) Error() string { return string(e) }

func (r *mover) run() {
	begin, before := r.clock.Now(), r.moved.Load()
	status, reason := moveCompleted, ""
	for more := true; more; {
		var err error
		if r.stopped.Err() == nil {
			more, err = r.some()
		}
		var nowhere errNowhere
		switch {
		case r.ctx.Err() != nil:
			return // the next start goes on
		case r.stopped.Err() != nil:
			status, more = moveCancelled, false
		case errors.As(err, &nowhere):
			status, reason, more = moveFailed, string(nowhere), false
		case err != nil:
			r.options.Log.Error("a message move task cannot go on", "task", r.move.ID, "source", r.move.source().arn(), "err", err)
			status, reason, more = moveFailed, "InternalError", false
		case r.move.Rate > 0:
			due := time.Duration(r.moved.Load()-before) * time.Second / time.Duration(r.move.Rate)
			_ = r.clock.Wait(r.stopped, begin.Add(due)) // its error is seen above
		}
	}
	if err := r.end(status, reason); err != nil {
		r.options.Log.Error("the end of a message move task cannot be kept", "task", r.move.ID, "err", err)
	}
}

// some moves some messages. It reports false when there are none.
func (r *mover) some() (more bool, err error) {
	q, ok := r.queues.Get(r.move.source().key())
	if !ok {
		return false, errNowhere(legacy + "NonExistentQueue")
	}
	most := 10
	if r.move.Rate > 0 {
		most = min(most, int(r.move.Rate))
	}
	err = r.onContent(q, func(content *queue.Queue) error {
		moved := r.moved.Load()
		deliveries, err := content.Lease(r.stopped, queue.LeaseRequest{
			Max: most, Visibility: moveLease, Attempt: fmt.Sprintf("move %s %d", r.move.ID, moved),
		})
		if more = len(deliveries) > 0; err != nil || !more {
			return err
		}
		if err = r.redirect(q, content, deliveries, moved+int64(len(deliveries))); err != nil {
			for _, d := range deliveries {
				err = errors.Join(err, content.Release(d.Handle, 0, d.Note, false))
			}
			return err
		}
		r.moved.Add(int64(len(deliveries)))
		return nil
	})
	if errors.Is(err, queue.ErrInFlight) {
		return true, r.clock.Wait(r.stopped, r.clock.Now().Add(time.Second))
	}
	return more, err
}

func (r *mover) redirect(q *Queue, content *queue.Queue, deliveries []*queue.Delivery, moved int64) error {
	var all []queue.Redirection
	for _, d := range deliveries {
		to, err := r.redirection(d)
		if err != nil {
			return err
		}
		all = append(all, queue.Redirection{Handle: d.Handle, To: to})
	}
	note := queue.Note{Key: noteOf(r.move.ID), Value: strconv.AppendInt(nil, moved, 10)}
	return content.Redirect([]queue.Note{note}, all...)
}

// redirection returns a message as it is sent to where it goes: as a new one.
func (r *mover) redirection(d *queue.Delivery) (queue.Outgoing, error) {
	m, err := parseMessage(d.Payload)
	if err != nil {
		return queue.Outgoing{}, err
	}
	where := r.move.Destination
	if where == "" {
		where = d.Origin
	}
	if where == "" {
		return queue.Outgoing{}, errNowhere("CouldNotDetermineMessageSource")
	}
	a, err := arn.Parse(where)
	if err != nil {
		return queue.Outgoing{}, err
	}
	to := name{a.Account, a.Region, a.Resource}
	if _, ok := r.queues.Get(to.key()); !ok {
		return queue.Outgoing{}, errNowhere(legacy + "NonExistentQueue")
	}
	m.id = uuid.New()
	return queue.Outgoing{Address: to.address(), Payload: m.encode(), Group: m.group}, nil
}

// end keeps how the task ended, unless its queue is gone with all its tasks.
func (r *mover) end(status, reason string) error {
	err := r.store.Catalog().Update(func(tx *store.Tx) error {
		m, ok := r.moves.Get(r.move.key())
		if !ok {
			return nil
		}
		ended := *m
		ended.Status, ended.Failure, ended.Moved = status, reason, r.moved.Load()
		return r.moves.Put(tx, ended.key(), &ended)
	})
	r.mu.Lock()
	delete(r.running, r.move.ID)
	r.mu.Unlock()
	if err != nil {
		return err
	}
	return r.engine.Send(queue.ShardOf(r.move.source().address()), []queue.Note{{Key: noteOf(r.move.ID)}})
}
