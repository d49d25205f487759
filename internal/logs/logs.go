// Package logs is CloudWatch Logs: log groups, their streams, and the events
// in them.
//
// Groups are in the catalog. Streams and events are in the store's bulk shard,
// under the group's id, so that what a group holds is removed as one range:
//
//	g | group id | n | stream name                        a stream's record
//	g | group id | e | time | sequence | stream id        an event
//	g | group id | s | stream id | time | sequence        the same, by stream; empty
//
// An event is when it came in, as a varint, and its text; it is sealed.
package logs

import (
	"context"
	"fmt"
	"log/slog"
	"regexp"
	"sync"

	"naru/internal/clock"
	"naru/internal/policy"
	"naru/internal/store"
	"naru/internal/wire"
)

// Options are what the service needs.
type Options struct {
	Store *store.Store
	Clock *clock.Clock
	Log   *slog.Logger
	// Gather has everybody write what they have not written yet, since somebody
	// is about to read it. It may be nil.
	Gather func()
}

// Service is CloudWatch Logs.
type Service struct {
	store   *store.Store
	bulk    *store.Shard
	clock   *clock.Clock
	groups  *store.Table[*Group]
	gather  func()
	garbage *store.Table[uint64] // ids of deleted groups whose events are still there

	mu      sync.Mutex
	streams map[streamKey]*stream // in use, a part of those on disk
	epoch   uint64                // begins the sequence numbers of this start; 0 until one is needed
	count   uint64
	last    store.Position // of the newest append: reads wait until it is visible
}

// Open returns the service on its tables in the store.
func Open(options Options) (*Service, error) {
	s := &Service{store: options.Store, bulk: options.Store.Bulk(), clock: options.Clock, gather: options.Gather, streams: map[streamKey]*stream{}}
	var err error
	if s.groups, err = store.OpenTable[*Group](s.store, "logs-groups"); err != nil {
		return nil, err
	}
	if s.garbage, err = store.OpenTable[uint64](s.store, "logs-garbage"); err != nil {
		return nil, err
	}
	for _, id := range s.garbage.All("") {
		if err := s.drop(id); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Service returns the operations of CloudWatch Logs.
func (s *Service) Service() wire.Service {
	return wire.Service{
		Name:    "logs",
		JSON:    wire.JSON{Version: "1.1", Target: "Logs_20140328"},
		Lower:   true,
		MaxBody: 4 << 20, // 1 MiB of events, escaped
		Operations: []wire.Operation{
			op(s, "CreateLogGroup", s.CreateLogGroup, onGroup("CreateLogGroup", func(in *CreateLogGroupInput) *string { return in.LogGroupName })),
			op(s, "DeleteLogGroup", s.DeleteLogGroup, onGroup("DeleteLogGroup", func(in *DeleteLogGroupInput) *string { return in.LogGroupName })),
			op(s, "DescribeLogGroups", s.DescribeLogGroups, needsDescribeGroups),
			op(s, "CreateLogStream", s.CreateLogStream, onGroup("CreateLogStream", func(in *CreateLogStreamInput) *string { return in.LogGroupName })),
			op(s, "DeleteLogStream", s.DeleteLogStream, needsDeleteStream),
			op(s, "DescribeLogStreams", s.DescribeLogStreams, onGroup("DescribeLogStreams", func(in *DescribeLogStreamsInput) *string { return in.group() })),
			op(s, "PutLogEvents", s.PutLogEvents, needsPutEvents),
			op(s, "GetLogEvents", s.GetLogEvents, needsGetEvents),
			op(s, "FilterLogEvents", s.FilterLogEvents, onGroup("FilterLogEvents", func(in *FilterLogEventsInput) *string { return in.group() })),
		},
	}
}

// op returns an operation before which everything is gathered.
func op[In, Out any](s *Service, name string, call func(context.Context, *In) (*Out, error), needs func(context.Context, *In) ([]policy.Request, error)) wire.Operation {
	return wire.Op(name, func(ctx context.Context, in *In) (*Out, error) {
		if s.gather != nil {
			s.gather()
		}
		return call(ctx, in)
	}, needs)
}

// onGroup returns what an operation on one group needs.
func onGroup[In any](action string, group func(*In) *string) func(context.Context, *In) ([]policy.Request, error) {
	return func(ctx context.Context, in *In) ([]policy.Request, error) {
		c := wire.CallOf(ctx)
		n := groupName{c.Account(), c.Region, deref(group(in))}
		return []policy.Request{{Action: "logs:" + action, Resource: n.arn() + ":*"}}, nil
	}
}

func needsDescribeGroups(ctx context.Context, _ *DescribeLogGroupsInput) ([]policy.Request, error) {
	c := wire.CallOf(ctx)
	return []policy.Request{{Action: "logs:DescribeLogGroups", Resource: groupName{c.Account(), c.Region, ""}.arn() + "*"}}, nil
}

func needsDeleteStream(ctx context.Context, in *DeleteLogStreamInput) ([]policy.Request, error) {
	return needsStream(ctx, "DeleteLogStream", in.LogGroupName, in.LogStreamName), nil
}

func needsPutEvents(ctx context.Context, in *PutLogEventsInput) ([]policy.Request, error) {
	return needsStream(ctx, "PutLogEvents", in.LogGroupName, in.LogStreamName), nil
}

func needsGetEvents(ctx context.Context, in *GetLogEventsInput) ([]policy.Request, error) {
	return needsStream(ctx, "GetLogEvents", in.group(), in.LogStreamName), nil
}

func needsStream(ctx context.Context, action string, group, stream *string) []policy.Request {
	c := wire.CallOf(ctx)
	return []policy.Request{{Action: "logs:" + action, Resource: StreamARN(c.Account(), c.Region, deref(group), deref(stream))}}
}

// StreamARN returns the ARN of a log stream.
func StreamARN(account, region, group, stream string) string {
	return groupName{account, region, group}.arn() + ":log-stream:" + stream
}

// GroupARN returns the ARN of a log group.
func GroupARN(account, region, group string) string { return groupName{account, region, group}.arn() }

// A groupName names a log group.
type groupName struct{ account, region, group string }

func (n groupName) key() string { return n.account + "/" + n.region + "/" + n.group }

func (n groupName) arn() string {
	return "arn:aws:logs:" + n.region + ":" + n.account + ":log-group:" + n.group
}

var (
	groupForm  = regexp.MustCompile(`^[.\-_/#A-Za-z0-9]+$`)
	streamForm = regexp.MustCompile(`^[^:*]*$`)
)

func invalid(format string, args ...any) error {
	return wire.Errorf("InvalidParameterException", format, args...)
}

func violation(value any, member, rule string) error {
	return invalid("1 validation error detected: Value '%v' at '%s' failed to satisfy constraint: %s", value, member, rule)
}

func errNoGroup() error {
	return wire.Errorf("ResourceNotFoundException", "The specified log group does not exist.")
}

func errNoStream() error {
	return wire.Errorf("ResourceNotFoundException", "The specified log stream does not exist.")
}

func deref[T any](p *T) (zero T) {
	if p == nil {
		return zero
	}
	return *p
}

// limit returns the size of a page: n, or most if there is none.
func limit(n *int32, initial, most int) (int, error) {
	switch {
	case n == nil:
		return initial, nil
	case *n < 1:
		return 0, violation(*n, "limit", "Member must have value greater than or equal to 1")
	case int(*n) > most:
		return 0, violation(*n, "limit", fmt.Sprintf("Member must have value less than or equal to %d", most))
	}
	return int(*n), nil
}
