package delivery

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"strings"
	"sync"
	"time"

	"naru/internal/clock"
	"naru/internal/meter"
	"naru/internal/queue"
	"naru/internal/store"
)

// Options are what a Post needs.
type Options struct {
	Store  *store.Store
	Engine *queue.Engine
	Clock  *clock.Clock
	Log    *slog.Logger
	Meter  *meter.Registry
	// Deliver makes a delivery: it returns the messages that bring it to its
	// target, or none if it has brought it there itself. Its error says why the
	// target is not there, may not be used, or did not take it: a *Failure or a
	// *wire.Error; any other is an internal fault.
	Deliver func(context.Context, *Delivery) ([]queue.Outgoing, error)
	// DeadLetter returns the message that brings a delivery to its dead-letter
	// queue, with attributes that say why.
	DeadLetter func(ctx context.Context, d *Delivery, attributes map[string]string) (queue.Outgoing, error)
}

// A Post takes deliveries and makes them.
type Post struct {
	options Options
	engine  *queue.Engine
	clock   *clock.Clock
	log     *slog.Logger
	ref     queue.Ref
	queue   *queue.Queue

	taking, ctx         context.Context // taking ends first
	stopTaking, stopAll context.CancelFunc
	work                sync.WaitGroup
	lines               lines
}

// AddressPrefix begins the engine's address of deliveries.
const AddressPrefix = "delivery:"

// atOnce bounds the deliveries that are being made at a time.
const atOnce = 1024

// lease is how long a delivery may take.
const lease = 2 * time.Hour

// Open returns the post of a store.
func Open(options Options) (*Post, error) {
	p := &Post{options: options, engine: options.Engine, clock: options.Clock, log: options.Log}
	p.ctx, p.stopAll = context.WithCancel(context.Background())
	p.taking, p.stopTaking = context.WithCancel(p.ctx)
	contents, err := store.OpenTable[queue.Ref](options.Store, "deliveries")
	if err != nil {
		return nil, err
	}
	const only = "content"
	p.ref, _ = contents.Get(only)
	if p.ref.Content == 0 {
		p.ref.Shard = queue.ShardOf(AddressPrefix)
		err := options.Store.Catalog().Update(func(tx *store.Tx) (err error) {
			if p.ref.Content, err = tx.NextID(); err != nil {
				return err
			}
			return contents.Put(tx, only, p.ref)
		})
		if err != nil {
			return nil, err
		}
	}
	p.queue = p.engine.Attach(p.ref, queue.Config{})
	return p, nil
}

// Resolve returns the content at the address of deliveries, for the engine.
func (p *Post) Resolve(string) (queue.Ref, bool) { return p.ref, true }

// Start begins to make deliveries.
func (p *Post) Start() {
	p.work.Go(func() {
		err := p.queue.ReleaseAll() // what an earlier start was at when it ended
		room := make(chan struct{}, atOnce)
		for err == nil {
			err = p.take(room)
		}
		if p.taking.Err() == nil {
			p.log.Error("deliveries are not made any more", "err", err)
		}
	})
}

// Interrupt takes up no further deliveries. Those that are being made go on.
func (p *Post) Interrupt() { p.stopTaking() }

// Abort gives up the deliveries that are being made. They are made after the
// next start.
func (p *Post) Abort() { p.stopAll() }

// Close stops everything.
func (p *Post) Close() {
	p.Abort()
	p.work.Wait()
}

// take makes the next deliveries, as many as room has places for.
func (p *Post) take(room chan struct{}) error {
	places := 0
	for places < 10 && (places == 0 || len(room) < cap(room)) {
		select {
		case room <- struct{}{}:
			places++
		case <-p.taking.Done():
			return p.taking.Err()
		}
	}
	taken, err := p.queue.Lease(p.taking, queue.LeaseRequest{Max: places, Visibility: lease, Wait: math.MaxInt64 / 2})
	for range places - len(taken) {
		<-room
	}
	for _, m := range taken {
		p.work.Go(func() {
			defer func() { <-room }()
			if err := p.handle(m); err != nil && p.ctx.Err() == nil {
				p.log.Error("a delivery could not be handled", "id", m.Handle.MessageID, "err", err)
			}
		})
	}
	return err
}

// maxBatch bounds the bytes of deliveries that are put in one batch.
const maxBatch = 8 << 20

// Put takes deliveries, and returns once they are durable.
func (p *Post) Put(deliveries ...*Delivery) error {
	var items []queue.Put
	size := 0
	flush := func() error {
		if len(items) == 0 {
			return nil
		}
		_, err := p.queue.Put(items...)
		items, size = nil, 0
		return err
	}
	for _, d := range deliveries {
		payload := d.encode()
		if size+len(payload) > maxBatch {
			if err := flush(); err != nil {
				return err
			}
		}
		items, size = append(items, queue.Put{Payload: payload}), size+len(payload)
	}
	return flush()
}

// Outgoing returns the messages in which deliveries come to the post, for a
// batch of the caller's own.
func (p *Post) Outgoing(deliveries ...*Delivery) (all []queue.Outgoing) {
	for _, d := range deliveries {
		all = append(all, queue.Outgoing{Address: AddressPrefix, Payload: d.encode()})
	}
	return all
}

// Send writes a note and takes deliveries, in one batch, and returns once it is
// durable.
func (p *Post) Send(note queue.Note, deliveries ...*Delivery) error {
	return p.engine.Send(p.ref.Shard, []queue.Note{note}, p.Outgoing(deliveries...)...)
}

// Note returns the value of a note that Send wrote; nil if there is none.
func (p *Post) Note(key string) (value []byte, err error) {
	err = p.engine.Notes(p.ref.Shard, key, func(n queue.Note) error {
		if n.Key == key {
			value = n.Value
		}
		return errEnough // it is the first of those that begin like it
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return value, err
}

var errEnough = errors.New("delivery: the note was found")

// Forget removes what is known of the deliveries that a source sent, whose ARN
// will not be heard of any more.
func (p *Post) Forget(source string) error {
	var notes []queue.Note
	err := p.engine.Notes(p.ref.Shard, runKey(source+" "), func(n queue.Note) error {
		notes = append(notes, queue.Note{Key: n.Key})
		return nil
	})
	if err != nil || len(notes) == 0 {
		return err
	}
	return p.engine.Send(p.ref.Shard, notes)
}

// count counts what became of a delivery, by the rule or schedule that it is of.
func (p *Post) count(what string, d *Delivery) {
	service, label := "events_", "rule"
	if d.Service == Scheduler {
		service, label = "scheduler_", "schedule"
	}
	p.options.Meter.Counter(service+what, label, d.Source[strings.LastIndexByte(d.Source, '/')+1:]).Add(1)
}
