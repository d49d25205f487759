package logs

import (
	"context"
	"encoding/base64"
	"fmt"
	"math"
	"slices"
	"strings"

	"naru/internal/store"
)

type GetLogEventsInput struct {
	LogGroupName       *string
	LogGroupIdentifier *string
	LogStreamName      *string
	StartTime          *int64
	EndTime            *int64
	NextToken          *string
	Limit              *int32
	StartFromHead      *bool
	Unmask             bool
}

func (in *GetLogEventsInput) group() *string {
	return nameOrARN(in.LogGroupName, in.LogGroupIdentifier)
}

type GetLogEventsOutput struct {
	Events            []OutputLogEvent
	NextBackwardToken string
	NextForwardToken  string
}

// OutputLogEvent is an event that was read.
type OutputLogEvent struct {
	IngestionTime int64
	Message       string
	Timestamp     int64
}

// maxPage bounds the bytes of a page of events.
const maxPage = 1 << 20

// GetLogEvents returns a page of a stream's events, oldest first: the newest
// page, or with StartFromHead the oldest, or the one that a token leads to. At
// either end of the stream the token of the request is returned again.
func (s *Service) GetLogEvents(ctx context.Context, in *GetLogEventsInput) (*GetLogEventsOutput, error) {
	g, err := s.group(ctx, in.group())
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	st, err := s.stream(streamKey{g.ID, deref(in.LogStreamName)})
	s.mu.Unlock()
	if err == nil && st == nil {
		err = errNoStream()
	}
	if err != nil {
		return nil, err
	}
	most, err := limit(in.Limit, maxEvents, maxEvents)
	if err != nil {
		return nil, err
	}
	p, err := in.page(st.ID)
	if err != nil {
		return nil, err
	}
	keys, err := s.keys(g.ID, p, most)
	if err != nil {
		return nil, err
	}
	return s.pageOf(g, p, keys)
}

// A page is a part of a stream: from one event to another, the latter not
// included, read from its beginning or its end.
type page struct {
	from, to eventKey
	forward  bool
}

const tokenForm = "%020d%020d"

func (in *GetLogEventsInput) page(stream uint64) (page, error) {
	start, end := span(in.StartTime, in.EndTime)
	p := page{eventKey{start, 0, stream}, eventKey{end, 0, stream}, deref(in.StartFromHead)}
	if in.NextToken == nil {
		return p, nil
	}
	at := eventKey{stream: stream}
	direction, rest, _ := strings.Cut(*in.NextToken, "/")
	if n, err := fmt.Sscanf(rest, tokenForm, &at.time, &at.seq); n != 2 || err != nil || len(rest) != 40 {
		return p, invalid("The specified nextToken is invalid.")
	}
	switch direction {
	case "f":
		p.forward = true
		if p.from.before(at) {
			p.from = at
		}
	case "b":
		p.forward = false
		if at.before(p.to) {
			p.to = at
		}
	default:
		return p, invalid("The specified nextToken is invalid.")
	}
	return p, nil
}

func (e eventKey) before(o eventKey) bool {
	return e.time < o.time || e.time == o.time && e.seq < o.seq
}

func (e eventKey) token(direction string) string {
	return direction + "/" + fmt.Sprintf(tokenForm, e.time, e.seq)
}

// keys returns the events of a page, oldest first, most of them at the most.
func (s *Service) keys(group uint64, p page, most int) (keys []eventKey, err error) {
	if err := s.settled(); err != nil {
		return nil, err
	}
	scan := s.bulk.ScanBack
	if p.forward {
		scan = s.bulk.Scan
	}
	if p.to.before(p.from) {
		return nil, nil
	}
	err = scan(p.from.byStream(group), p.to.byStream(group), most, func(r store.Record) (bool, error) {
		keys = append(keys, eventOfByStreamKey(r.Key))
		return true, nil
	})
	if !p.forward {
		slices.Reverse(keys)
	}
	return keys, err
}

// pageOf reads the events of a page, as many as fit.
func (s *Service) pageOf(g *Group, p page, keys []eventKey) (*GetLogEventsOutput, error) {
	order := slices.Clone(keys)
	if !p.forward {
		slices.Reverse(order)
	}
	size, n := 0, 0
	events := make([]OutputLogEvent, 0, len(order))
	for _, k := range order {
		text, err := s.bulk.Get(k.key(g.ID))
		if err != nil {
			return nil, err
		}
		if size += len(text) + eventOverhead; size > maxPage && n > 0 {
			break
		}
		ingested, message := parseEvent(text)
		events = append(events, OutputLogEvent{ingested, message, k.time})
		n++
	}
	out := &GetLogEventsOutput{Events: events}
	first, after := p.from, p.from
	if !p.forward {
		first, after = p.to, p.to
	}
	if n > 0 {
		shown := order[:n]
		oldest, newest := shown[0], shown[n-1]
		if !p.forward {
			slices.Reverse(out.Events)
			oldest, newest = newest, oldest
		}
		first, after = oldest, eventKey{newest.time, newest.seq + 1, newest.stream}
	}
	if first.time == math.MaxInt64 {
		first.seq = 0
	}
	out.NextBackwardToken, out.NextForwardToken = first.token("b"), after.token("f")
	return out, nil
}

type FilterLogEventsInput struct {
	LogGroupName        *string
	LogGroupIdentifier  *string
	LogStreamNames      []string
	LogStreamNamePrefix *string
	StartTime           *int64
	EndTime             *int64
	FilterPattern       *string
	NextToken           *string
	Limit               *int32
	Interleaved         *bool
	StartFromHead       *bool
	Unmask              bool
}

func (in *FilterLogEventsInput) group() *string {
	return nameOrARN(in.LogGroupName, in.LogGroupIdentifier)
}

type FilterLogEventsOutput struct {
	Events             []FilteredLogEvent
	NextToken          *string
	SearchedLogStreams []SearchedLogStream
}

// FilteredLogEvent is an event that was found.
type FilteredLogEvent struct {
	EventId       string
	IngestionTime int64
	LogStreamName string
	Message       string
	Timestamp     int64
}

// SearchedLogStream is no longer told of.
type SearchedLogStream struct {
	LogStreamName      *string
	SearchedCompletely *bool
}

// FilterLogEvents returns the events of a group, or of some of its streams, in
// the order of their times.
func (s *Service) FilterLogEvents(ctx context.Context, in *FilterLogEventsInput) (*FilterLogEventsOutput, error) {
	g, err := s.group(ctx, in.group())
	if err != nil {
		return nil, err
	}
	if strings.TrimSpace(deref(in.FilterPattern)) != "" {
		return nil, invalid("Naru does not have filter patterns yet.")
	}
	names, err := s.wanted(g, in)
	if err != nil {
		return nil, err
	}
	most, err := limit(in.Limit, maxEvents, maxEvents)
	if err != nil {
		return nil, err
	}
	from, to, err := in.bounds(g)
	if err != nil {
		return nil, err
	}
	newest := in.StartFromHead != nil && !*in.StartFromHead
	return s.filter(g, names, from, to, most, newest)
}

// wanted returns the names of the streams that are searched, by id.
func (s *Service) wanted(g *Group, in *FilterLogEventsInput) (map[uint64]string, error) {
	if len(in.LogStreamNames) > 0 && in.LogStreamNamePrefix != nil {
		return nil, invalid("logStreamNamePrefix and logStreamNames are mutually exclusive parameters.")
	}
	if len(in.LogStreamNames) > 100 {
		return nil, violation("...", "logStreamNames", "Member must have length less than or equal to 100")
	}
	names := map[uint64]string{}
	err := s.eachStream(g, deref(in.LogStreamNamePrefix), func(name string, st *stream) {
		if len(in.LogStreamNames) == 0 || slices.Contains(in.LogStreamNames, name) {
			names[st.ID] = name
		}
	})
	if err == nil && len(names) < len(in.LogStreamNames) {
		err = errNoStream()
	}
	return names, err
}

// bounds returns the keys between which events are searched. A token is one of
// them, as the direction has it.
func (in *FilterLogEventsInput) bounds(g *Group) (from, to []byte, err error) {
	start, end := span(in.StartTime, in.EndTime)
	from, to = eventKey{start, 0, 0}.key(g.ID), eventKey{end, 0, 0}.key(g.ID)
	if in.NextToken == nil {
		return from, to, nil
	}
	at, err := base64.RawURLEncoding.DecodeString(*in.NextToken)
	if err != nil || len(at) != len(from) || string(at[:groupKeySize]) != string(from[:groupKeySize]) {
		return nil, nil, invalid("The specified nextToken is invalid.")
	}
	if in.StartFromHead != nil && !*in.StartFromHead {
		return from, append(at, 0), nil
	}
	return at, to, nil
}

func (s *Service) filter(g *Group, names map[uint64]string, from, to []byte, most int, newest bool) (*FilterLogEventsOutput, error) {
	out := &FilterLogEventsOutput{Events: []FilteredLogEvent{}, SearchedLogStreams: []SearchedLogStream{}}
	scan := s.bulk.Scan
	if newest {
		scan = s.bulk.ScanBack
	}
	if err := s.settled(); err != nil {
		return nil, err
	}
	size := 0
	err := scan(from, to, 1<<30, func(r store.Record) (bool, error) {
		k := eventOfKey(r.Key)
		name, ok := names[k.stream]
		if !ok {
			return true, nil
		}
		text, err := r.Value()
		if err != nil {
			return false, err
		}
		if size += len(text) + eventOverhead; len(out.Events) == most || size > maxPage && len(out.Events) > 0 {
			token := base64.RawURLEncoding.EncodeToString(r.Key)
			out.NextToken = &token
			return false, nil
		}
		ingested, message := parseEvent(text)
		out.Events = append(out.Events, FilteredLogEvent{
			EventId: fmt.Sprintf(tokenForm, k.time, k.seq), IngestionTime: ingested, LogStreamName: name, Message: message, Timestamp: k.time,
		})
		return true, nil
	})
	return out, err
}
