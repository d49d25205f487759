package sqs

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"naru/internal/arn"
	"naru/internal/policy"
	"naru/internal/queue"
	"naru/internal/store"
	"naru/internal/wire"
)

// The states of a message move task. It runs until the source has nothing
// visible any more, it is cancelled, or there is nowhere to move to.
const (
	moveRunning    = "RUNNING"
	moveCompleted  = "COMPLETED"
	moveCancelling = "CANCELLING"
	moveCancelled  = "CANCELLED"
	moveFailed     = "FAILED"
)

// Move is a message move task as the catalog keeps it. See mover.go for how it
// runs.
type Move struct {
	ID          string
	Account     string // of the source
	Region      string // likewise
	Queue       string // likewise
	Destination string // ARN; "" for the queues that the messages came from
	Rate        int32  // messages a second; 0 for as fast as can be
	Started     int64  // milliseconds since the epoch
	ToMove      int64
	Moved       int64 // once it has ended
	Status      string
	Failure     string
}

func (m *Move) source() name { return name{m.Account, m.Region, m.Queue} }

// key sorts the tasks of a source by when they were started.
func (m *Move) key() string { return fmt.Sprintf("%s/%020d/%s", m.source().key(), m.Started, m.ID) }

func (m *Move) ended() bool { return m.Status != moveRunning && m.Status != moveCancelling }

// handle is the task's TaskHandle.
func (m *Move) handle() string {
	text, err := json.Marshal(taskHandle{m.ID, m.source().arn()})
	if err != nil {
		panic(err) // a struct of texts
	}
	return base64.StdEncoding.EncodeToString(text)
}

type taskHandle struct {
	TaskID    string `json:"taskId"`
	SourceARN string `json:"sourceArn"`
}

func parseTaskHandle(text *string) (taskHandle, error) {
	var h taskHandle
	if text == nil {
		return h, missing("TaskHandle")
	}
	decoded, err := base64.StdEncoding.DecodeString(*text)
	if err == nil {
		err = json.Unmarshal(decoded, &h)
	}
	if err != nil || h.TaskID == "" || h.SourceARN == "" {
		return h, wire.Errorf("InvalidParameterValue", "Value for parameter TaskHandle is invalid.")
	}
	return h, nil
}

// keptMoves is how many tasks of a source are remembered.
const keptMoves = 10

// movesOf returns a source's tasks, newest first.
func (s *Service) movesOf(n name) (all []*Move) {
	for _, m := range s.moves.All(n.key() + "/") {
		all = append(all, m)
	}
	slices.Reverse(all)
	return all
}

// nameOfARN returns the name of the queue of an ARN, which parameter gave.
func nameOfARN(text *string, parameter string) (name, error) {
	if text == nil {
		return name{}, missing(parameter)
	}
	a, err := arn.Parse(*text)
	if err != nil || a.Service != "sqs" {
		return name{}, noResource(parameter)
	}
	return name{a.Account, a.Region, a.Resource}, nil
}

// queueOfARN is nameOfARN for a queue that must be there.
func (s *Service) queueOfARN(text *string, parameter string) (name, error) {
	n, err := nameOfARN(text, parameter)
	if err != nil {
		return n, err
	}
	if _, ok := s.queues.Get(n.key()); !ok {
		return n, noResource(parameter)
	}
	return n, nil
}

func noResource(parameter string) error {
	return wire.Errorf("ResourceNotFoundException", "The resource that you specified for the %s parameter doesn't exist.", parameter)
}

// sourcesOf returns the queues whose dead-letter queue is n.
func (s *Service) sourcesOf(n name) (all []*Queue) {
	for _, q := range s.queues.All(name{n.account, n.region, ""}.key()) {
		if q.config().DeadLetter == n.address() {
			all = append(all, q)
		}
	}
	return all
}

type StartMessageMoveTaskInput struct {
	SourceArn                    *string
	DestinationArn               *string
	MaxNumberOfMessagesPerSecond *int32
}

type StartMessageMoveTaskOutput struct{ TaskHandle string }

// needsStartMove wants what the task does in the caller's name to be allowed:
// to receive and delete at the source, and to send where the messages go.
func (s *Service) needsStartMove(_ context.Context, in *StartMessageMoveTaskInput) ([]policy.Request, error) {
	n, err := nameOfARN(in.SourceArn, "SourceArn")
	if err != nil {
		return nil, err
	}
	var all []policy.Request
	add := func(action string, n name) {
		if err == nil {
			var more []policy.Request
			more, err = s.need(action, n)
			all = append(all, more...)
		}
	}
	for _, action := range []string{"sqs:startmessagemovetask", "sqs:receivemessage", "sqs:deletemessage", "sqs:getqueueattributes"} {
		add(action, n)
	}
	if in.DestinationArn == nil {
		for _, q := range s.sourcesOf(n) {
			add("sqs:sendmessage", q.name())
		}
		return all, err
	}
	to, err := nameOfARN(in.DestinationArn, "DestinationArn")
	add("sqs:sendmessage", to)
	return all, err
}

// StartMessageMoveTask begins to move the messages of a dead-letter queue to
// another queue, or back to the queues that they came from.
func (s *Service) StartMessageMoveTask(_ context.Context, in *StartMessageMoveTaskInput) (*StartMessageMoveTaskOutput, error) {
	n, err := s.queueOfARN(in.SourceArn, "SourceArn")
	if err != nil {
		return nil, err
	}
	if err := s.checkDestination(n, in.DestinationArn); err != nil {
		return nil, err
	}
	m := &Move{
		ID: uuid.NewString(), Account: n.account, Region: n.region, Queue: n.queue, Destination: deref(in.DestinationArn),
		Status: moveRunning,
	}
	if rate := in.MaxNumberOfMessagesPerSecond; rate != nil {
		if m.Rate = *rate; m.Rate < 1 || m.Rate > 500 {
			return nil, invalid(m.Rate, "MaxNumberOfMessagesPerSecond", "Must be between 1 and 500, if provided.")
		}
	}
	if m.ToMove, err = s.visible(n); err != nil {
		return nil, err
	}
	err = s.store.Catalog().Update(func(tx *store.Tx) error {
		m.Started = s.clock.Millis()
		earlier := s.movesOf(n)
		for i, other := range earlier {
			if !other.ended() {
				return wire.Errorf("InvalidParameterValue", "There is already a task running. Only one active task is allowed for a source queue arn at a given time.")
			}
			if i >= keptMoves-1 {
				s.moves.Delete(tx, other.key())
			}
		}
		return s.moves.Put(tx, m.key(), m)
	})
	if err != nil {
		return nil, err
	}
	return &StartMessageMoveTaskOutput{m.handle()}, s.resume(m)
}

// checkDestination refuses a source that is no dead-letter queue, and a
// destination that it cannot move to.
func (s *Service) checkDestination(n name, destination *string) error {
	if len(s.sourcesOf(n)) == 0 {
		return wire.Errorf("InvalidParameterValue", "Source queue must be configured as a Dead Letter Queue.")
	}
	if destination == nil {
		return nil
	}
	to, err := s.queueOfARN(destination, "DestinationArn")
	switch {
	case err != nil:
		return err
	case to == n:
		return invalid(*destination, "DestinationArn", "The destination queue must be another than the source queue.")
	case to.fifo() != n.fifo():
		return invalid(*destination, "DestinationArn", "The destination queue must be of the same type as the source queue.")
	}
	return nil
}

// visible returns about how many messages of a queue are visible.
func (s *Service) visible(n name) (int64, error) {
	q, ok := s.queues.Get(n.key())
	if !ok {
		return 0, errNoQueue()
	}
	var counts queue.Counts
	err := s.onContent(q, func(content *queue.Queue) (err error) {
		counts, err = content.Counts()
		return err
	})
	return counts.Visible, err
}

type ListMessageMoveTasksInput struct {
	SourceArn  *string
	MaxResults *int32
}

type ListMessageMoveTasksOutput struct {
	Results []ListMessageMoveTasksResultEntry `query:"ListMessageMoveTasksResultEntry"`
}

// ListMessageMoveTasksResultEntry is a task of a list.
type ListMessageMoveTasksResultEntry struct {
	TaskHandle                        *string
	Status                            string
	SourceArn                         string
	DestinationArn                    *string
	MaxNumberOfMessagesPerSecond      *int32
	ApproximateNumberOfMessagesMoved  int64
	ApproximateNumberOfMessagesToMove int64
	FailureReason                     *string
	StartedTimestamp                  int64
}

func (s *Service) needsListMoves(_ context.Context, in *ListMessageMoveTasksInput) ([]policy.Request, error) {
	n, err := nameOfARN(in.SourceArn, "SourceArn")
	if err != nil {
		return nil, err
	}
	return s.need("sqs:listmessagemovetasks", n)
}

// ListMessageMoveTasks returns the newest tasks of a source, 1 unless MaxResults
// says more, up to 10.
func (s *Service) ListMessageMoveTasks(_ context.Context, in *ListMessageMoveTasksInput) (*ListMessageMoveTasksOutput, error) {
	n, err := s.queueOfARN(in.SourceArn, "SourceArn")
	if err != nil {
		return nil, err
	}
	most := 1
	if in.MaxResults != nil {
		if most = int(*in.MaxResults); most < 1 || most > 10 {
			return nil, invalid(most, "MaxResults", "MaxResults must be an integer between 1 and 10.")
		}
	}
	out := &ListMessageMoveTasksOutput{}
	for _, m := range s.movesOf(n) {
		if len(out.Results) == most {
			break
		}
		out.Results = append(out.Results, s.entry(m))
	}
	return out, nil
}

func (s *Service) entry(m *Move) ListMessageMoveTasksResultEntry {
	e := ListMessageMoveTasksResultEntry{
		Status: m.Status, SourceArn: m.source().arn(), StartedTimestamp: m.Started,
		ApproximateNumberOfMessagesMoved: s.movedBy(m), ApproximateNumberOfMessagesToMove: m.ToMove,
	}
	if m.Status == moveRunning {
		handle := m.handle()
		e.TaskHandle = &handle
	}
	if m.Destination != "" {
		e.DestinationArn = &m.Destination
	}
	if m.Rate > 0 {
		e.MaxNumberOfMessagesPerSecond = &m.Rate
	}
	if m.Failure != "" {
		e.FailureReason = &m.Failure
	}
	return e
}

type CancelMessageMoveTaskInput struct{ TaskHandle *string }

type CancelMessageMoveTaskOutput struct{ ApproximateNumberOfMessagesMoved int64 }

func (s *Service) needsCancelMove(_ context.Context, in *CancelMessageMoveTaskInput) ([]policy.Request, error) {
	h, err := parseTaskHandle(in.TaskHandle)
	if err != nil {
		return nil, err
	}
	n, err := nameOfARN(&h.SourceARN, "SourceArn")
	if err != nil {
		return nil, err
	}
	return s.need("sqs:cancelmessagemovetask", n)
}

// CancelMessageMoveTask ends a running task. What it has moved stays moved.
func (s *Service) CancelMessageMoveTask(_ context.Context, in *CancelMessageMoveTaskInput) (*CancelMessageMoveTaskOutput, error) {
	h, err := parseTaskHandle(in.TaskHandle)
	if err != nil {
		return nil, err
	}
	n, err := s.queueOfARN(&h.SourceARN, "SourceArn")
	if err != nil {
		return nil, err
	}
	var cancelled *Move
	err = s.store.Catalog().Update(func(tx *store.Tx) error {
		for _, m := range s.movesOf(n) {
			if m.ID == h.TaskID && m.Status == moveRunning {
				changed := *m
				changed.Status, cancelled = moveCancelling, &changed
				return s.moves.Put(tx, changed.key(), &changed)
			}
		}
		return wire.Errorf("ResourceNotFoundException", "Task does not exist.")
	})
	if err != nil {
		return nil, err
	}
	s.stop(h.TaskID)
	return &CancelMessageMoveTaskOutput{s.movedBy(cancelled)}, nil
}

type ListDeadLetterSourceQueuesInput struct {
	QueueUrl   *string
	MaxResults *int32
	NextToken  *string
}

type ListDeadLetterSourceQueuesOutput struct {
	QueueUrls []string `aws:"queueUrls" query:"QueueUrl"`
	NextToken *string
}

// ListDeadLetterSourceQueues returns the queues whose dead-letter queue the
// given one is, in the order of their names, in pages if MaxResults is given.
func (s *Service) ListDeadLetterSourceQueues(ctx context.Context, in *ListDeadLetterSourceQueuesInput) (*ListDeadLetterSourceQueuesOutput, error) {
	q, err := s.queueAt(ctx, in.QueueUrl)
	if err != nil {
		return nil, err
	}
	p, err := pageOf(in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	out := &ListDeadLetterSourceQueuesOutput{QueueUrls: []string{}}
	for _, source := range s.sourcesOf(q.name()) {
		if source.Name < p.from {
			continue
		}
		if len(out.QueueUrls) == p.limit {
			out.NextToken = p.next(source.Name)
			break
		}
		out.QueueUrls = append(out.QueueUrls, s.url(ctx, source.name()))
	}
	return out, nil
}
