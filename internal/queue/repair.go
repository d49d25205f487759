package queue

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"

	"naru/internal/store"
)

// Repair makes every content agree with itself again after records were lost,
// and returns what it did in words. A message whose body is lost is removed; one
// whose header is lost becomes visible, since nobody knows any more whether it
// was received; groups are listed anew; the counters are counted anew. Nothing
// may use the engine, which was not started.
func (e *Engine) Repair() (done []string, err error) {
	for _, s := range e.shards {
		_, err := s.outgoing()
		if errors.Is(err, store.ErrSealed) {
			return done, errors.New("without the master key nobody knows whose bodies are on their way")
		}
		var contents []uint64
		if err == nil {
			contents, err = s.contents()
		}
		if err != nil {
			return done, err
		}
		what, err := s.repairNumbers()
		if done = append(done, what...); err != nil {
			return done, err
		}
		for _, content := range contents {
			what, err := s.repair(content)
			for _, w := range what {
				done = append(done, fmt.Sprintf("shard %d, content %d: %s", s.number, content, w))
			}
			if err != nil {
				return done, fmt.Errorf("shard %d, content %d: %w", s.number, content, err)
			}
		}
	}
	return done, nil
}

// repairNumbers sees to it that no number is used in an outbox again which its
// target knows already, and would take what is under it for a repetition.
func (s *shard) repairNumbers() (done []string, err error) {
	used := s.sent
	for target, t := range s.engine.shards {
		used[target] = max(used[target], t.applied[s.number])
	}
	err = s.data.Scan([]byte{keyOutbox}, []byte{keyOutbox + 1}, math.MaxInt, func(r store.Record) (bool, error) {
		target := r.Key[1]
		used[target] = max(used[target], binary.BigEndian.Uint64(r.Key[2:]))
		return true, nil
	})
	var ops []store.Op
	for target, n := range used {
		if n > s.sent[target] {
			ops = append(ops, store.Set(counterKey(target), numberValue(n)))
			done = append(done, fmt.Sprintf("shard %d: numbers to shard %d go on after %d", s.number, target, n))
			s.sent[target] = n
		}
	}
	if err != nil || len(ops) == 0 {
		return nil, err
	}
	return done, s.append(ops).Wait()
}

// contents returns the ids of the contents that have messages or a meta record.
func (s *shard) contents() ([]uint64, error) {
	ids := map[uint64]bool{}
	err := s.data.Scan([]byte{keyMeta}, []byte{keyMeta + 1}, math.MaxInt, func(r store.Record) (bool, error) {
		ids[idOfMetaKey(r.Key)] = true
		return true, nil
	})
	for next := uint64(0); err == nil; next++ {
		found := false
		err = s.data.Scan(contentKey(next, 0), []byte{keyContent + 1}, 1, func(r store.Record) (bool, error) {
			next, found = idOfMetaKey(r.Key), true // the id stands at the same place
			ids[next] = true
			return false, nil
		})
		if !found || next == math.MaxUint64 {
			break
		}
	}
	return slices.Sorted(maps.Keys(ids)), err
}

// A rubble is what is left of a content.
type rubble struct {
	shard    *shard
	content  uint64
	meta     meta
	headers  map[uint64]*message
	bodies   map[uint64]bodyID
	forwards map[uint64]int64
	units    map[groupID][]slot
	groups   map[groupID]*group
	ops      []store.Op
	done     []string
}

func (r *rubble) say(format string, args ...any) {
	r.done = append(r.done, fmt.Sprintf(format, args...))
}

func (s *shard) repair(content uint64) ([]string, error) {
	r := &rubble{
		shard: s, content: content, headers: map[uint64]*message{}, bodies: map[uint64]bodyID{}, forwards: map[uint64]int64{},
		units: map[groupID][]slot{}, groups: map[groupID]*group{},
	}
	err := s.data.Scan(contentKey(content, 0), contentEnd(content, 0xfe), math.MaxInt, r.sift)
	if err != nil {
		return nil, err
	}
	if text, err := s.data.Get(metaKey(content)); err == nil {
		if r.meta, err = parseMeta(text); err != nil {
			return nil, err
		}
	} else {
		r.say("its counters were lost")
		r.meta.through = s.now()
	}
	r.match()
	r.matchForwards()
	r.countSequence()
	r.matchGroups()
	old := r.meta
	r.countAnew()
	if m := r.meta; m.total != old.total || m.delayed != old.delayed || m.leased != old.leased || m.low < old.low || r.below(old.lowBody) {
		r.say("its counters are counted anew")
	}
	if len(r.done) == 0 {
		return nil, nil
	}
	r.ops = append(r.ops, store.Set(metaKey(content), r.meta.encode()))
	return r.done, s.append(r.ops).Wait()
}

// sift takes a record. A header that is there twice stays where it comes first.
func (r *rubble) sift(record store.Record) (bool, error) {
	key := append([]byte{}, record.Key...)
	kind := key[contentPrefix-1]
	if kind == kindBody {
		id, group := idOfBodyKey(key)
		r.bodies[id.Sequence] = bodyID{id, group}
		return true, nil
	}
	value, err := record.Value()
	if err != nil {
		return false, err
	}
	switch kind {
	case kindIndex:
		s, unit := slotOfKey(key)
		if unit == unitGroup {
			r.units[groupID(value)] = append(r.units[groupID(value)], s)
			return true, nil
		}
		return true, r.header(s, value)
	case kindLine:
		return true, r.header(slot{inLine, seqOfLineKey(key)}, value)
	case kindGroup:
		g, err := parseGroup(groupOfKey(key), value)
		r.groups[groupOfKey(key)] = g
		return true, err
	case kindForward:
		at := reader{rest: value}
		r.forwards[seqOfForwardKey(key)] = int64(at.uint64())
		return true, at.err
	}
	return true, nil
}

func (r *rubble) header(s slot, value []byte) error {
	h, err := parseHeader(s, value)
	switch {
	case err != nil:
		return err
	case r.headers[h.seq] != nil:
		r.drop(h, "is there twice")
	default:
		r.headers[h.seq] = h
	}
	return nil
}

func (r *rubble) drop(h *message, why string) {
	r.ops = append(r.ops, store.Delete(headerKey(r.content, h.slot, h.group)))
	r.say("message %d %s", h.seq, why)
}

// match brings headers and bodies together.
func (r *rubble) match() {
	for seq, h := range r.headers {
		if id, ok := r.bodies[seq]; !ok || id.Sent != h.sent || id.group != h.group {
			r.drop(h, "has lost its body and is removed")
			delete(r.headers, seq)
		}
	}
	for seq, id := range r.bodies {
		if r.headers[seq] != nil || r.shard.isMoving(r.content, seq) {
			continue
		}
		h := &message{slot: slot{at: r.shard.now(), seq: seq}, group: id.group, sent: id.Sent, handed: true, forwarded: true}
		if h.group != noGroup {
			h.at = inLine
		}
		r.headers[seq] = h
		r.ops = append(r.ops, store.Set(headerKey(r.content, h.slot, h.group), h.header()))
		r.say("message %d has lost its header and is visible again", seq)
	}
}

// matchForwards brings headers and forward records together.
func (r *rubble) matchForwards() {
	for seq, h := range r.headers {
		if at, ok := r.forwards[seq]; h.forwarded && (!ok || at != h.at) {
			r.ops = append(r.ops, store.Set(forwardKey(r.content, seq), forwardValue(h.at)))
			r.say("message %d is found by its handles again", seq)
		}
	}
	for seq := range r.forwards {
		if h := r.headers[seq]; h == nil || !h.forwarded {
			r.ops = append(r.ops, store.Delete(forwardKey(r.content, seq)))
			r.say("message %d has left a record behind, which is removed", seq)
		}
	}
}

// countSequence sees to it that no number is given twice.
func (r *rubble) countSequence() {
	for seq := range r.headers {
		r.meta.next = max(r.meta.next, seq)
	}
	for _, slots := range r.units {
		for _, s := range slots {
			r.meta.next = max(r.meta.next, s.seq)
		}
	}
}

// matchGroups brings groups together with their places in the index and with
// the messages that wait in line. What is in flight in a FIFO group whose record
// is lost does not lock it any more.
func (r *rubble) matchGroups() {
	ids := map[groupID]bool{}
	lines := map[groupID][]uint64{}
	for id := range r.groups {
		ids[id] = true
	}
	for id := range r.units {
		ids[id] = true
	}
	for seq, h := range r.headers {
		if h.at == inLine {
			ids[h.group] = true
			lines[h.group] = append(lines[h.group], seq)
		}
	}
	for id := range ids {
		slices.Sort(lines[id])
		r.matchGroup(id, lines[id])
	}
}

func (r *rubble) matchGroup(id groupID, line []uint64) {
	was, units := r.groups[id], r.units[id]
	g := newGroup(id)
	if was != nil {
		for _, seq := range was.inFlight {
			if h := r.headers[seq]; h != nil && h.at != inLine && h.group == id {
				g.inFlight = append(g.inFlight, seq)
			}
		}
	}
	if len(line) > 0 {
		g.edge = line[0]
	}
	servable := len(line) > 0 && line[0] < g.lock()
	if was != nil && len(was.inFlight) == len(g.inFlight) && was.edge <= g.edge && servable == (was.listed != slot{}) &&
		(servable && slices.Equal(units, []slot{was.listed}) || !servable && len(units) == 0) && (servable || len(g.inFlight) > 0) {
		return
	}
	for _, s := range units {
		r.ops = append(r.ops, store.Delete(indexKey(r.content, s, unitGroup)))
	}
	delete(r.units, id)
	if servable {
		r.meta.next++
		g.listed = slot{r.shard.now(), r.meta.next}
		r.units[id] = []slot{g.listed}
		r.ops = append(r.ops, store.Set(indexKey(r.content, g.listed, unitGroup), id[:]))
	}
	if len(line)+len(g.inFlight) > 0 {
		r.ops = append(r.ops, store.Set(groupKey(r.content, id), g.encode()))
	} else {
		r.ops = append(r.ops, store.Delete(groupKey(r.content, id)))
	}
	r.say("group %x is put in order", id)
}

// below reports whether a body is before id.
func (r *rubble) below(id MessageID) bool {
	for _, b := range r.bodies {
		if b.MessageID.before(id) {
			return true
		}
	}
	return false
}

func (r *rubble) countAnew() {
	m := &r.meta
	m.total, m.delayed, m.leased, m.lowBody, m.reaped = 0, 0, 0, MessageID{}, MessageID{}
	m.low = r.shard.now()
	for _, slots := range r.units {
		m.low = min(m.low, slots[0].at)
	}
	for _, h := range r.headers {
		m.total++
		switch {
		case h.at == inLine:
			continue
		case h.at > m.through && h.state == delayed:
			m.delayed++
		case h.at > m.through && h.state == leased:
			m.leased++
		}
		m.low = min(m.low, h.at)
	}
}
