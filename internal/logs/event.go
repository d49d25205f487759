package logs

import (
	"context"
	"encoding/binary"
	"math"
	"slices"
	"time"

	"naru/internal/store"
)

// An eventKey is where an event is. Events of one time come in the order in
// which they were put.
type eventKey struct {
	time   int64 // milliseconds since the epoch
	seq    uint64
	stream uint64
}

func (e eventKey) key(group uint64) []byte {
	b := binary.BigEndian.AppendUint64(groupKey(group, kindEvent), uint64(e.time))
	b = binary.BigEndian.AppendUint64(b, e.seq)
	return binary.BigEndian.AppendUint64(b, e.stream)
}

func byStreamKey(group, stream uint64) []byte {
	return binary.BigEndian.AppendUint64(groupKey(group, kindByStream), stream)
}

func (e eventKey) byStream(group uint64) []byte {
	b := binary.BigEndian.AppendUint64(byStreamKey(group, e.stream), uint64(e.time))
	return binary.BigEndian.AppendUint64(b, e.seq)
}

const groupKeySize = 1 + 8 + 1

func eventOfKey(key []byte) eventKey {
	b := key[groupKeySize:]
	return eventKey{int64(binary.BigEndian.Uint64(b)), binary.BigEndian.Uint64(b[8:]), binary.BigEndian.Uint64(b[16:])}
}

func eventOfByStreamKey(key []byte) eventKey {
	b := key[groupKeySize:]
	return eventKey{int64(binary.BigEndian.Uint64(b[8:])), binary.BigEndian.Uint64(b[16:]), binary.BigEndian.Uint64(b)}
}

func encodeEvent(ingested int64, text string) []byte {
	return append(binary.AppendVarint(make([]byte, 0, 8+len(text)), ingested), text...)
}

func parseEvent(b []byte) (ingested int64, text string) {
	ingested, n := binary.Varint(b)
	return ingested, string(b[max(n, 0):])
}

// A Line is a line of output of a function: a log event.
type Line struct {
	Time time.Time
	Text string
}

// HasGroup reports whether a group is there.
func (s *Service) HasGroup(account, region, group string) bool {
	_, ok := s.groups.Get(groupName{account, region, group}.key())
	return ok
}

// Write appends a function's lines to a stream, and makes stream and group if
// need be. It does not wait until they are durable; they are within a second.
func (s *Service) Write(account, region, group, stream string, lines []Line) error {
	n := groupName{account, region, group}
	g, ok := s.groups.Get(n.key())
	if !ok {
		if _, err := s.ensureGroup(n, "", nil); err != nil {
			return err
		}
		if g, ok = s.groups.Get(n.key()); !ok {
			return errNoGroup()
		}
	}
	if _, err := s.createStream(g, stream); err != nil {
		return err
	}
	events := make([]InputLogEvent, len(lines))
	for i, l := range lines {
		ms := l.Time.UnixMilli()
		events[i] = InputLogEvent{&l.Text, &ms}
	}
	_, err := s.put(g, stream, events)
	return err
}

// put appends events to a stream that exists.
func (s *Service) put(g *Group, name string, events []InputLogEvent) (store.Position, error) {
	key := streamKey{g.ID, name}
	s.mu.Lock()
	defer s.mu.Unlock()
	st, err := s.stream(key)
	if err != nil {
		return store.Position{}, err
	}
	if st == nil {
		return store.Position{}, errNoStream()
	}
	next := *st
	next.Ingested = s.clock.Millis()
	var ops []store.Op
	for _, e := range events {
		seq, err := s.sequence()
		if err != nil {
			return store.Position{}, err
		}
		at := eventKey{*e.Timestamp, seq, st.ID}
		if st.Ingested == 0 && next.First == 0 {
			next.First = at.time
		}
		next.First, next.Last = min(next.First, at.time), max(next.Last, at.time)
		ops = append(ops, store.SetSealed(at.key(g.ID), encodeEvent(next.Ingested, *e.Message)), store.Set(at.byStream(g.ID), nil))
	}
	s.streams[key] = &next
	s.last = s.bulk.Append(append(ops, next.op(key))...)
	return s.last, nil
}

// InputLogEvent is an event to be put.
type InputLogEvent struct {
	Message   *string
	Timestamp *int64
}

type PutLogEventsInput struct {
	LogGroupName  *string
	LogStreamName *string
	LogEvents     []InputLogEvent
	SequenceToken *string
}

type PutLogEventsOutput struct {
	NextSequenceToken     *string
	RejectedLogEventsInfo *RejectedLogEventsInfo
}

// RejectedLogEventsInfo says which events of a batch were too old or too new.
type RejectedLogEventsInfo struct {
	ExpiredLogEventEndIndex  *int32
	TooNewLogEventStartIndex *int32
	TooOldLogEventEndIndex   *int32
}

// PutLogEvents puts events, in the order of their times, into a stream.
func (s *Service) PutLogEvents(ctx context.Context, in *PutLogEventsInput) (*PutLogEventsOutput, error) {
	g, err := s.group(ctx, in.LogGroupName)
	if err != nil {
		return nil, err
	}
	if err := checkEvents(in.LogEvents); err != nil {
		return nil, err
	}
	accepted, rejected := accept(in.LogEvents, s.clock.Millis())
	position, err := s.put(g, deref(in.LogStreamName), accepted)
	if err != nil {
		return nil, err
	}
	token := "naru" // sequence tokens are not needed any more; some clients pass them on
	return &PutLogEventsOutput{&token, rejected}, position.Wait()
}

const (
	maxEvents     = 10_000
	maxBatch      = 1 << 20 // bytes, with eventOverhead for each event
	eventOverhead = 26
	day           = 24 * 60 * 60 * 1000
)

func checkEvents(events []InputLogEvent) error {
	if len(events) == 0 {
		return violation("[]", "logEvents", "Member must have length greater than or equal to 1")
	}
	if len(events) > maxEvents {
		return violation("...", "logEvents", "Member must have length less than or equal to 10000")
	}
	size := 0
	for i, e := range events {
		switch {
		case e.Timestamp == nil || *e.Timestamp < 0:
			return violation(deref(e.Timestamp), "logEvents.member.timestamp", "Member must have value greater than or equal to 0")
		case deref(e.Message) == "":
			return violation("", "logEvents.member.message", "Member must have length greater than or equal to 1")
		case i > 0 && *e.Timestamp < *events[i-1].Timestamp:
			return invalid("Log events in a single PutLogEvents request must be in chronological order.")
		}
		size += len(*e.Message) + eventOverhead
	}
	if size > maxBatch {
		return invalid("Upload too large: %d bytes exceeds limit of %d", size, maxBatch)
	}
	if *events[len(events)-1].Timestamp-*events[0].Timestamp > day {
		return invalid("The batch of log events in a single PutLogEvents request cannot span more than 24 hours.")
	}
	return nil
}

// accept returns the events that are no more than 14 days old and not more
// than 2 hours ahead, and what to say of the others.
func accept(events []InputLogEvent, now int64) ([]InputLogEvent, *RejectedLogEventsInfo) {
	old := slices.IndexFunc(events, func(e InputLogEvent) bool { return *e.Timestamp >= now-14*day })
	if old < 0 {
		old = len(events)
	}
	ahead := slices.IndexFunc(events, func(e InputLogEvent) bool { return *e.Timestamp > now+day/12 })
	if ahead < 0 {
		ahead = len(events)
	}
	var r *RejectedLogEventsInfo
	if old > 0 || ahead < len(events) {
		r = &RejectedLogEventsInfo{}
	}
	if old > 0 {
		n := int32(old)
		r.TooOldLogEventEndIndex = &n
	}
	if ahead < len(events) {
		n := int32(ahead)
		r.TooNewLogEventStartIndex = &n
	}
	return events[old:ahead], r
}

// span returns the bounds of a query, the end exclusive.
func span(start, end *int64) (from, to int64) {
	to = math.MaxInt64
	if end != nil {
		to = max(*end, 0)
	}
	return max(deref(start), 0), to
}
