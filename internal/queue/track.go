package queue

import (
	"errors"

	"naru/internal/store"
)

// Whoever sends a message through an outbox can follow it under a name: when it
// arrives, a note under that name says where its body lies, for as long as
// there is one.

func trackKey(name string) []byte { return noteKey("track:" + name) }

// track notes where the body of m lies, if the parcel in which it came is
// tracked.
func (q *Queue) track(p *parcel, m *message) []store.Op {
	if p.track == "" {
		return nil
	}
	return []store.Op{store.Set(trackKey(p.track), bodyKey(q.ref.Content, m.id(), m.group))}
}

// Underway reports whether a message that was sent from a shard to an address
// under a name is still there: on its way, or waiting or in flight at its
// address. One that was deleted, dead-lettered, purged or dropped is not.
func (e *Engine) Underway(shard int, address, name string) (bool, error) {
	target := ShardOf(address)
	found := false
	err := e.shards[shard].data.Scan(outboxKey(target, 0), outboxKey(target+1, 0), 1<<30, func(r store.Record) (bool, error) {
		value, err := r.Value()
		if err != nil {
			return false, err
		}
		p, err := parseParcel(value)
		found = err == nil && p.track == name
		return !found, err
	})
	if found || err != nil {
		return found, err
	}
	data := e.shards[target].data
	at, err := data.Get(trackKey(name))
	if err == nil {
		_, err = data.Get(at)
	}
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// Untrack forgets a name.
func (e *Engine) Untrack(address, name string) error {
	return e.Send(ShardOf(address), []Note{{Key: "track:" + name}})
}
