package events

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"naru/internal/delivery"
	"naru/internal/pattern"
	"naru/internal/policy"
	"naru/internal/queue"
	"naru/internal/wire"
)

// An Event is what somebody puts on a bus.
type Event struct {
	Source     string
	DetailType string
	Resources  []string
	Detail     string    // a JSON object
	Time       time.Time // zero: now
}

// envelope is an event as targets get it, member by member as AWS sends it.
type envelope struct {
	Version    string          `json:"version"`
	ID         string          `json:"id"`
	DetailType string          `json:"detail-type"`
	Source     string          `json:"source"`
	Account    string          `json:"account"`
	Time       string          `json:"time"`
	Region     string          `json:"region"`
	Resources  []string        `json:"resources"`
	Detail     json.RawMessage `json:"detail"`
}

// An arrival is an event on a bus.
type arrival struct {
	bus  busName
	id   string
	text json.RawMessage
	hops int // buses that it has come through
}

// arrive makes an event of an account one that has arrived at a bus.
func (s *Service) arrive(account, region string, bus busName, e Event) (arrival, error) {
	if err := e.check(); err != nil {
		return arrival{}, err
	}
	at := e.Time
	if at.IsZero() {
		at = s.clock.Now()
	}
	var detail bytes.Buffer
	if err := json.Compact(&detail, []byte(e.Detail)); err != nil {
		return arrival{}, err // it was checked
	}
	resources := e.Resources
	if resources == nil {
		resources = []string{}
	}
	id := uuid.NewString()
	return arrival{bus: bus, id: id, text: marshal(envelope{
		Version: "0", ID: id, DetailType: e.DetailType, Source: e.Source, Account: account,
		Time: at.UTC().Format(time.RFC3339), Region: region, Resources: resources, Detail: detail.Bytes(),
	})}, nil
}

// check refuses what is no event, as PutEvents does for each of its entries.
func (e *Event) check() error {
	for _, required := range []struct{ name, value string }{{"Source", e.Source}, {"DetailType", e.DetailType}, {"Detail", e.Detail}} {
		if required.value == "" {
			return wire.Errorf("InvalidArgument", "Parameter %s is not valid. Reason: %s is a required argument.", required.name, required.name)
		}
	}
	var object map[string]json.RawMessage
	if err := json.Unmarshal([]byte(e.Detail), &object); err != nil || object == nil {
		return wire.Errorf("MalformedDetail", "Detail is malformed.")
	}
	return nil
}

// Outgoing returns the messages by which an event, put on a bus by a part of
// Naru for an account, reaches the targets of the rules that match it: none if
// no rule does. The caller sends them in a batch of its own. It fails if the bus
// is not there, or it is no event.
func (s *Service) Outgoing(account, region, bus string, e Event) ([]queue.Outgoing, error) {
	to := busName{account, region, bus}
	if _, err := s.bus(to); err != nil {
		return nil, err
	}
	a, err := s.arrive(account, region, to, e)
	if err != nil {
		return nil, err
	}
	deliveries, err := s.match(a)
	return s.post.Outgoing(deliveries...), err
}

// Forward is Outgoing for an event that a rule of another bus sends on, as it
// is, after so many hops.
func (s *Service) Forward(account, region, bus, id, event string, hops int) ([]queue.Outgoing, error) {
	to := busName{account, region, bus}
	if _, err := s.bus(to); err != nil {
		return nil, err
	}
	deliveries, err := s.match(arrival{to, id, json.RawMessage(event), hops})
	return s.post.Outgoing(deliveries...), err
}

// PutNeeds returns what putting an event on a bus needs, for parts of Naru that
// do so by themselves. It fails if the bus is not there.
func (s *Service) PutNeeds(account, region, bus string, e Event) ([]policy.Request, error) {
	n := busName{account, region, bus}
	if _, err := s.bus(n); err != nil {
		return nil, err
	}
	return s.putNeeds(n, e.Source, e.DetailType)
}

func (s *Service) putNeeds(n busName, source, detailType string) ([]policy.Request, error) {
	needs, err := s.need("events:PutEvents", n)
	if err != nil {
		return nil, err
	}
	needs[0].Context = policy.Context{"events:source": {source}, "events:detail-type": {detailType}}
	return needs, nil
}

type PutEventsInput struct {
	Entries    []PutEventsRequestEntry
	EndpointId *string
}

// PutEventsRequestEntry is an event to be put.
type PutEventsRequestEntry struct {
	Source       *string
	DetailType   *string
	Detail       *string
	EventBusName *string
	Resources    []string
	Time         *time.Time
	TraceHeader  *string
}

type PutEventsOutput struct {
	Entries          []PutEventsResultEntry
	FailedEntryCount int32
}

// PutEventsResultEntry says what became of an event.
type PutEventsResultEntry struct {
	EventId      *string
	ErrorCode    *string
	ErrorMessage *string
}

const (
	maxEntries    = 10
	maxEventBytes = 1 << 20
)

func (s *Service) needsPutEvents(ctx context.Context, in *PutEventsInput) (all []policy.Request, err error) {
	for _, e := range in.Entries {
		needs, err := s.putNeeds(busOf(ctx, e.EventBusName), deref(e.Source), deref(e.DetailType))
		if err != nil {
			return nil, err
		}
		all = append(all, needs...)
	}
	return all, nil
}

// PutEvents puts events on buses. It returns once what they are sent to is
// durable. An event on a bus that is not there is taken, and goes nowhere.
func (s *Service) PutEvents(ctx context.Context, in *PutEventsInput) (*PutEventsOutput, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	c := wire.CallOf(ctx)
	out := &PutEventsOutput{Entries: make([]PutEventsResultEntry, len(in.Entries))}
	var deliveries []*delivery.Delivery
	for i, e := range in.Entries {
		a, err := s.arrive(c.Account(), c.Region, busOf(ctx, e.EventBusName), e.event())
		if err == nil && strings.HasPrefix(deref(e.Source), "aws.") {
			err = wire.Errorf("NotAuthorizedForSourceException", "Not authorized for the source.")
		}
		var refused *wire.Error
		if errors.As(err, &refused) {
			out.Entries[i] = PutEventsResultEntry{ErrorCode: &refused.Code, ErrorMessage: &refused.Message}
			out.FailedEntryCount++
			continue
		}
		if err != nil {
			return nil, err
		}
		out.Entries[i].EventId = &a.id
		matched, err := s.match(a)
		if err != nil {
			return nil, err
		}
		deliveries = append(deliveries, matched...)
	}
	return out, s.post.Put(deliveries...)
}

func (e *PutEventsRequestEntry) event() Event {
	return Event{deref(e.Source), deref(e.DetailType), e.Resources, deref(e.Detail), deref(e.Time)}
}

func (in *PutEventsInput) check() error {
	switch n := len(in.Entries); {
	case in.EndpointId != nil:
		return notYet("global endpoints")
	case n == 0:
		return violation("[]", "entries", "Member must have length greater than or equal to 1")
	case n > maxEntries:
		return violation(in.words(), "entries", "Member must have length less than or equal to "+decimal(maxEntries))
	}
	total := 0
	for i := range in.Entries {
		total += in.Entries[i].size()
	}
	if total >= maxEventBytes {
		return invalid("Total size of the entries in the request is over the limit.")
	}
	return nil
}

// size is what an entry counts against the limit, as AWS counts.
func (e *PutEventsRequestEntry) size() int {
	n := len(deref(e.Source)) + len(deref(e.DetailType)) + len(deref(e.Detail))
	for _, r := range e.Resources {
		n += len(r)
	}
	if e.Time != nil {
		n += 14
	}
	return n
}

// words writes the entries as AWS does in the refusal of too many.
func (in *PutEventsInput) words() string {
	var all []string
	for _, e := range in.Entries {
		resources, at := "null", "null"
		if e.Resources != nil {
			resources = "[" + strings.Join(e.Resources, ", ") + "]"
		}
		if e.Time != nil {
			at = e.Time.UTC().Format(time.RFC3339)
		}
		all = append(all, fmt.Sprintf("PutEventsRequestEntry(time=%s, source=%s, resources=%s, detailType=%s, detail=%s, eventBusName=%s, traceHeader=%s, kmsKeyIdentifier=null, internalMetadata=null)",
			at, orNull(e.Source), resources, orNull(e.DetailType), orNull(e.Detail), orNull(e.EventBusName), orNull(e.TraceHeader)))
	}
	return "[" + strings.Join(all, ", ") + "]"
}

func orNull(text *string) string {
	if text == nil {
		return "null"
	}
	return *text
}

type TestEventPatternInput struct {
	Event        *string
	EventPattern *string
}

type TestEventPatternOutput struct{ Result bool }

// eventMembers are what an event must have to be tested.
var eventMembers = []string{"id", "account", "source", "time", "region", "detail-type"}

// TestEventPattern reports whether a pattern matches an event.
func (s *Service) TestEventPattern(_ context.Context, in *TestEventPatternInput) (*TestEventPatternOutput, error) {
	p, err := parsePattern(deref(in.EventPattern))
	if err != nil {
		return nil, err
	}
	notValid := invalid("Parameter Event is not valid.")
	var members map[string]json.RawMessage
	if err := json.Unmarshal([]byte(deref(in.Event)), &members); err != nil {
		return nil, notValid
	}
	for _, name := range eventMembers {
		if members[name] == nil {
			return nil, notValid
		}
	}
	e, err := pattern.Decode([]byte(*in.Event))
	if err != nil {
		return nil, notValid
	}
	return &TestEventPatternOutput{p.Match(e)}, nil
}
