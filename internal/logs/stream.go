package logs

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"naru/internal/store"
	"naru/internal/wire"
)

// A stream is a log stream's record. Times are milliseconds since the epoch,
// 0 for none.
type stream struct {
	ID       uint64 // within its group
	Created  int64
	First    int64 // of its earliest event
	Last     int64 // of its latest event
	Ingested int64 // when its newest event came
}

type streamKey struct {
	group uint64
	name  string
}

func (k streamKey) key() []byte { return append(groupKey(k.group, kindStream), k.name...) }

// maxStreams bounds the streams in memory.
const maxStreams = 10_000

// stream returns a stream's record, nil if there is none. It needs s.mu, and
// gives it up while it reads.
func (s *Service) stream(key streamKey) (*stream, error) {
	if st := s.streams[key]; st != nil {
		return st, nil
	}
	last := s.last
	s.mu.Unlock()
	last.Visible()
	text, err := s.bulk.Get(key.key())
	s.mu.Lock()
	if st := s.streams[key]; st != nil || errors.Is(err, store.ErrNotFound) {
		return st, nil
	}
	st := &stream{}
	if err == nil {
		err = json.Unmarshal(text, st)
	}
	if err != nil {
		return nil, err
	}
	s.keep(key, st)
	return st, nil
}

// keep keeps a stream in memory, in place of any other if need be. It needs
// s.mu.
func (s *Service) keep(key streamKey, st *stream) {
	for other := range s.streams {
		if len(s.streams) < maxStreams {
			break
		}
		delete(s.streams, other)
	}
	s.streams[key] = st
}

func (st *stream) op(key streamKey) store.Op {
	text, err := json.Marshal(st)
	if err != nil {
		panic(err) // a struct of numbers
	}
	return store.SetLatest(key.key(), text)
}

// createStream makes a stream if it is not there, and reports whether it did.
func (s *Service) createStream(g *Group, name string) (created bool, err error) {
	key := streamKey{g.ID, name}
	s.mu.Lock()
	defer s.mu.Unlock()
	st, err := s.stream(key)
	if err != nil || st != nil {
		return false, err
	}
	id, err := s.sequence()
	if err != nil {
		return false, err
	}
	st = &stream{ID: id, Created: s.clock.Millis()}
	s.keep(key, st)
	s.last = s.bulk.Append(st.op(key))
	return true, nil
}

// sequence returns a number that is larger than any it gave out before, also
// before a restart. It needs s.mu.
func (s *Service) sequence() (uint64, error) {
	if s.epoch == 0 {
		err := s.store.Catalog().Update(func(tx *store.Tx) (err error) {
			s.epoch, err = tx.NextID()
			return err
		})
		if err != nil {
			return 0, err
		}
	}
	s.count++
	return s.epoch<<40 | s.count, nil
}

type CreateLogStreamInput struct {
	LogGroupName  *string
	LogStreamName *string
}

// CreateLogStream makes a stream.
func (s *Service) CreateLogStream(ctx context.Context, in *CreateLogStreamInput) (*wire.None, error) {
	g, err := s.group(ctx, in.LogGroupName)
	if err != nil {
		return nil, err
	}
	name := deref(in.LogStreamName)
	if err := checkStream(name); err != nil {
		return nil, err
	}
	created, err := s.createStream(g, name)
	if err == nil && !created {
		err = wire.Errorf("ResourceAlreadyExistsException", "The specified log stream already exists")
	}
	if err != nil {
		return nil, err
	}
	return &wire.None{}, s.settled()
}

func checkStream(name string) error {
	switch {
	case name == "":
		return violation(name, "logStreamName", "Member must have length greater than or equal to 1")
	case len(name) > 512:
		return invalid("Invalid LogGroup or LogStream, both must have length less than or equal to 512.")
	case !streamForm.MatchString(name):
		return violation(name, "logStreamName", "Member must satisfy regular expression pattern: [^:*]*")
	}
	return nil
}

// settled waits until everything appended so far is durable. Reads wait for it
// too: what was shown is still there after a crash.
func (s *Service) settled() error {
	s.mu.Lock()
	last := s.last
	s.mu.Unlock()
	return last.Wait()
}

type DeleteLogStreamInput struct {
	LogGroupName  *string
	LogStreamName *string
}

// DeleteLogStream deletes a stream with its events.
func (s *Service) DeleteLogStream(ctx context.Context, in *DeleteLogStreamInput) (*wire.None, error) {
	g, err := s.group(ctx, in.LogGroupName)
	if err != nil {
		return nil, err
	}
	key := streamKey{g.ID, deref(in.LogStreamName)}
	s.mu.Lock()
	st, err := s.stream(key)
	if err == nil && st == nil {
		err = errNoStream()
	}
	if err != nil {
		s.mu.Unlock()
		return nil, err
	}
	s.last.Visible()
	ops := []store.Op{store.Delete(key.key())}
	err = s.bulk.Scan(byStreamKey(g.ID, st.ID), byStreamKey(g.ID, st.ID+1), 1<<30, func(r store.Record) (bool, error) {
		e := eventOfByStreamKey(r.Key)
		ops = append(ops, store.Delete(e.key(g.ID)), store.Delete(append([]byte{}, r.Key...)))
		return true, nil
	})
	if err == nil {
		delete(s.streams, key)
		s.last = s.bulk.Append(ops...)
	}
	s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	return &wire.None{}, s.settled()
}

type DescribeLogStreamsInput struct {
	LogGroupName        *string
	LogGroupIdentifier  *string
	LogStreamNamePrefix *string
	OrderBy             *string
	Descending          *bool
	Limit               *int32
	NextToken           *string
}

func (in *DescribeLogStreamsInput) group() *string {
	return nameOrARN(in.LogGroupName, in.LogGroupIdentifier)
}

type DescribeLogStreamsOutput struct {
	LogStreams []LogStream
	NextToken  *string
}

// LogStream is a stream in replies.
type LogStream struct {
	Arn                 string
	CreationTime        int64
	FirstEventTimestamp *int64
	LastEventTimestamp  *int64
	LastIngestionTime   *int64
	LogStreamName       string
	StoredBytes         int64
	UploadSequenceToken *string
}

func (st *stream) shape(g *Group, name string) LogStream {
	token := "naru"
	out := LogStream{Arn: StreamARN(g.Account, g.Region, g.Name, name), CreationTime: st.Created, LogStreamName: name}
	if st.Ingested != 0 {
		out.FirstEventTimestamp, out.LastEventTimestamp, out.LastIngestionTime = &st.First, &st.Last, &st.Ingested
		out.UploadSequenceToken = &token
	}
	return out
}

// DescribeLogStreams returns a group's streams, in the order of their names or
// of their last events.
func (s *Service) DescribeLogStreams(ctx context.Context, in *DescribeLogStreamsInput) (*DescribeLogStreamsOutput, error) {
	if in.LogGroupName != nil && in.LogGroupIdentifier != nil {
		return nil, wire.Errorf("ValidationException", "LogGroup name and LogGroup ARN are mutually exclusive parameters.")
	}
	g, err := s.group(ctx, in.group())
	if err != nil {
		return nil, err
	}
	byTime := deref(in.OrderBy) == "LastEventTime"
	if byTime && in.LogStreamNamePrefix != nil {
		return nil, invalid("Cannot order by LastEventTime with a logStreamNamePrefix.")
	}
	most, err := limit(in.Limit, 50, 50)
	if err != nil {
		return nil, err
	}
	after, err := decodeToken(in.NextToken)
	if err != nil {
		return nil, err
	}
	all, err := s.allStreams(g, deref(in.LogStreamNamePrefix))
	if err != nil {
		return nil, err
	}
	if byTime {
		slices.SortStableFunc(all, func(a, b LogStream) int {
			return cmp.Compare(deref(a.LastEventTimestamp), deref(b.LastEventTimestamp))
		})
	}
	if deref(in.Descending) {
		slices.Reverse(all)
	}
	return pageOfStreams(all, after, most), nil
}

// pageOfStreams returns the streams that follow the one named after.
func pageOfStreams(all []LogStream, after string, most int) *DescribeLogStreamsOutput {
	i := slices.IndexFunc(all, func(l LogStream) bool { return l.LogStreamName == after })
	all = all[i+1:]
	out := &DescribeLogStreamsOutput{LogStreams: all}
	if len(all) > most {
		out.LogStreams = all[:most]
		token := encodeToken(all[most-1].LogStreamName)
		out.NextToken = &token
	}
	return out
}

// allStreams returns the streams whose names begin with prefix, by name.
func (s *Service) allStreams(g *Group, prefix string) ([]LogStream, error) {
	all := []LogStream{}
	err := s.eachStream(g, prefix, func(name string, st *stream) { all = append(all, st.shape(g, name)) })
	return all, err
}

func (s *Service) eachStream(g *Group, prefix string, visit func(name string, st *stream)) error {
	if err := s.settled(); err != nil {
		return err
	}
	from := streamKey{g.ID, prefix}.key()
	return s.bulk.Scan(from, groupEnd(g.ID, kindStream), 1<<30, func(r store.Record) (bool, error) {
		name := string(r.Key[len(groupKey(g.ID, kindStream)):])
		if !strings.HasPrefix(name, prefix) {
			return false, nil
		}
		text, err := r.Value()
		if err != nil {
			return false, err
		}
		st := &stream{}
		if err := json.Unmarshal(text, st); err != nil {
			return false, err
		}
		visit(name, st)
		return true, nil
	})
}
