// Package sqs is the Simple Queue Service: queues and messages as a table of
// operations over the queue engine.
//
// A queue's record is in the catalog; its messages are a content of the
// engine, which the record names. Purging gives the queue a new content.
package sqs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"sync"
	"time"

	"naru/internal/clock"
	"naru/internal/policy"
	"naru/internal/queue"
	"naru/internal/store"
	"naru/internal/wire"
)

// Options are what the service needs.
type Options struct {
	Store  *store.Store
	Engine *queue.Engine
	Clock  *clock.Clock
	Log    *slog.Logger
	// URL is what queue URLs begin with when the caller's own way of
	// addressing Naru is of no use: scheme and host.
	URL func() string
	// PublicURL, if not "", is what all queue URLs begin with.
	PublicURL string
	// NoCooldown lifts the rules that make a client wait 60 seconds: between
	// purges, and before the name of a deleted queue is used again.
	NoCooldown bool
}

// Service is SQS.
type Service struct {
	options Options
	store   *store.Store
	engine  *queue.Engine
	clock   *clock.Clock
	queues  *store.Table[*Queue]
	deleted *store.Table[time.Time] // when a queue of that key was last deleted
	moves   *store.Table[*Move]

	mu      sync.Mutex
	running map[string]*mover // message move tasks, by id
	closed  bool
	work    sync.WaitGroup
	ctx     context.Context
	cancel  context.CancelFunc
}

// Open returns the service and attaches its queues to the engine.
func Open(options Options) (*Service, error) {
	s := &Service{options: options, store: options.Store, engine: options.Engine, clock: options.Clock, running: map[string]*mover{}}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	var err error
	if s.queues, err = store.OpenTable[*Queue](s.store, "sqs-queues"); err != nil {
		return nil, err
	}
	if s.deleted, err = store.OpenTable[time.Time](s.store, "sqs-deleted"); err != nil {
		return nil, err
	}
	if s.moves, err = store.OpenTable[*Move](s.store, "sqs-moves"); err != nil {
		return nil, err
	}
	for _, q := range s.queues.All("") {
		s.engine.Attach(q.ref(), q.config())
	}
	return s, nil
}

// Start resumes the message move tasks that an earlier start was at.
func (s *Service) Start() error {
	for _, m := range s.moves.All("") {
		if m.Status == moveRunning || m.Status == moveCancelling {
			if err := s.resume(m); err != nil {
				return err
			}
		}
	}
	return nil
}

// Close ends the service's own work, which the next start resumes.
func (s *Service) Close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.cancel()
	s.work.Wait()
}

// Service returns SQS's operations.
func (s *Service) Service() wire.Service {
	return wire.Service{
		Name:    "sqs",
		JSON:    wire.JSON{Version: "1.0", Target: "AmazonSQS", Prefix: "com.amazonaws.sqs#"},
		Query:   wire.Query{Version: "2012-11-05", Namespace: "http://queue.amazonaws.com/doc/2012-11-05/"},
		MaxBody: 8 << 20, // 1 MiB of messages, escaped
		Errors:  errorForms,
		Owns:    func(path string) bool { _, _, ok := splitURL(path); return ok },
		Operations: []wire.Operation{
			wire.Op("CreateQueue", s.CreateQueue, needsCreateQueue).AtRoot(),
			wire.Op("GetQueueUrl", s.GetQueueUrl, s.needsGetQueueUrl),
			wire.Op("ListQueues", s.ListQueues, s.needsListQueues).AtRoot(),
			wire.Op("DeleteQueue", s.DeleteQueue, onQueue(s, "sqs:deletequeue", func(in *DeleteQueueInput) *string { return in.QueueUrl })),
			wire.Op("GetQueueAttributes", s.GetQueueAttributes, onQueue(s, "sqs:getqueueattributes", func(in *GetQueueAttributesInput) *string { return in.QueueUrl })),
			wire.Op("SetQueueAttributes", s.SetQueueAttributes, onQueue(s, "sqs:setqueueattributes", func(in *SetQueueAttributesInput) *string { return in.QueueUrl })),
			wire.Op("PurgeQueue", s.PurgeQueue, onQueue(s, "sqs:purgequeue", func(in *PurgeQueueInput) *string { return in.QueueUrl })),
			wire.Op("SendMessage", s.SendMessage, onQueue(s, "sqs:sendmessage", func(in *SendMessageInput) *string { return in.QueueUrl })),
			wire.Op("SendMessageBatch", s.SendMessageBatch, onQueue(s, "sqs:sendmessage", func(in *SendMessageBatchInput) *string { return in.QueueUrl })),
			wire.Op("ReceiveMessage", s.ReceiveMessage, onQueue(s, "sqs:receivemessage", func(in *ReceiveMessageInput) *string { return in.QueueUrl })),
			wire.Op("DeleteMessage", s.DeleteMessage, onQueue(s, "sqs:deletemessage", func(in *DeleteMessageInput) *string { return in.QueueUrl })),
			wire.Op("DeleteMessageBatch", s.DeleteMessageBatch, onQueue(s, "sqs:deletemessage", func(in *DeleteMessageBatchInput) *string { return in.QueueUrl })),
			wire.Op("ChangeMessageVisibility", s.ChangeMessageVisibility, onQueue(s, "sqs:changemessagevisibility", func(in *ChangeMessageVisibilityInput) *string { return in.QueueUrl })),
			wire.Op("AddPermission", s.AddPermission, onQueue(s, "sqs:addpermission", func(in *AddPermissionInput) *string { return in.QueueUrl })),
			wire.Op("RemovePermission", s.RemovePermission, onQueue(s, "sqs:removepermission", func(in *RemovePermissionInput) *string { return in.QueueUrl })),
			wire.Op("TagQueue", s.TagQueue, onQueue(s, "sqs:tagqueue", func(in *TagQueueInput) *string { return in.QueueUrl })),
			wire.Op("UntagQueue", s.UntagQueue, onQueue(s, "sqs:untagqueue", func(in *UntagQueueInput) *string { return in.QueueUrl })),
			wire.Op("ListQueueTags", s.ListQueueTags, onQueue(s, "sqs:listqueuetags", func(in *ListQueueTagsInput) *string { return in.QueueUrl })),
			wire.Op("ListDeadLetterSourceQueues", s.ListDeadLetterSourceQueues, onQueue(s, "sqs:listdeadlettersourcequeues", func(in *ListDeadLetterSourceQueuesInput) *string { return in.QueueUrl })),
			wire.Op("StartMessageMoveTask", s.StartMessageMoveTask, s.needsStartMove),
			wire.Op("ListMessageMoveTasks", s.ListMessageMoveTasks, s.needsListMoves),
			wire.Op("CancelMessageMoveTask", s.CancelMessageMoveTask, s.needsCancelMove),
			wire.Op("ChangeMessageVisibilityBatch", s.ChangeMessageVisibilityBatch, onQueue(s, "sqs:changemessagevisibility", func(in *ChangeMessageVisibilityBatchInput) *string { return in.QueueUrl })),
		},
	}
}

// onQueue returns what an operation on one queue needs. Actions are written in
// lower case, as SQS prints them when it refuses.
func onQueue[In any](s *Service, action string, url func(*In) *string) func(context.Context, *In) ([]policy.Request, error) {
	return func(ctx context.Context, in *In) ([]policy.Request, error) {
		n, err := s.nameOf(ctx, url(in))
		if err != nil {
			return nil, err
		}
		return s.need(action, n)
	}
}

func (s *Service) need(action string, n name) ([]policy.Request, error) {
	request := policy.Request{Action: action, Resource: n.arn(), Account: n.account}
	if q, ok := s.queues.Get(n.key()); ok {
		if text := q.Attributes["Policy"]; text != "" {
			d, err := policy.Parse(text)
			if err != nil {
				return nil, fmt.Errorf("policy of %s: %w", n.arn(), err)
			}
			request.Policy = d
		}
	}
	return []policy.Request{request}, nil
}

func needsCreateQueue(ctx context.Context, in *CreateQueueInput) ([]policy.Request, error) {
	c := wire.CallOf(ctx)
	return []policy.Request{{Action: "sqs:createqueue", Resource: name{c.Account(), c.Region, deref(in.QueueName)}.arn()}}, nil
}

func (s *Service) needsGetQueueUrl(ctx context.Context, in *GetQueueUrlInput) ([]policy.Request, error) {
	return s.need("sqs:getqueueurl", in.name(ctx))
}

func (s *Service) needsListQueues(ctx context.Context, _ *ListQueuesInput) ([]policy.Request, error) {
	c := wire.CallOf(ctx)
	return []policy.Request{{Action: "sqs:listqueues", Resource: name{c.Account(), c.Region, "*"}.arn()}}, nil
}

// A name names a queue.
type name struct{ account, region, queue string }

func (n name) fifo() bool      { return strings.HasSuffix(n.queue, ".fifo") }
func (n name) key() string     { return n.account + "/" + n.region + "/" + n.queue }
func (n name) arn() string     { return "arn:aws:sqs:" + n.region + ":" + n.account + ":" + n.queue }
func (n name) address() string { return AddressPrefix + n.key() }

// AddressPrefix begins the engine's addresses of queues.
const AddressPrefix = "sqs:"

// SendNeeds returns what sending to a queue needs, for parts of Naru that do so
// by themselves. It fails if the queue is not there.
func (s *Service) SendNeeds(account, region, queueName string) ([]policy.Request, error) {
	n := name{account, region, queueName}
	if _, ok := s.queues.Get(n.key()); !ok {
		return nil, errNoQueue()
	}
	return s.need("sqs:sendmessage", n)
}

// Resolve returns the content of the queue at an address, for the engine.
func (s *Service) Resolve(address string) (queue.Ref, bool) {
	q, ok := s.queues.Get(strings.TrimPrefix(address, AddressPrefix))
	if !ok {
		return queue.Ref{}, false
	}
	return q.ref(), true
}

// nameForm is that of the names of queues, and of the ids of entries in batches.
var nameForm = regexp.MustCompile(`^[A-Za-z0-9_-]{1,80}$`)

// splitURL returns account and queue of a queue URL, of which only the path
// counts: /<account>/<queue>, or /queue/<region>/<account>/<queue>.
func splitURL(url string) (account, queue string, ok bool) {
	if _, rest, found := strings.Cut(url, "://"); found {
		_, url, _ = strings.Cut(rest, "/")
	}
	url = strings.Trim(url, "/")
	if rest, found := strings.CutPrefix(url, "queue/"); found && strings.Count(rest, "/") == 2 {
		_, url, _ = strings.Cut(rest, "/")
	}
	account, queue, ok = strings.Cut(url, "/")
	if !ok || !isAccount(account) || queue == "" || strings.Contains(queue, "/") {
		return "", "", false
	}
	return account, queue, true
}

func isAccount(text string) bool {
	return len(text) == 12 && strings.Trim(text, "0123456789") == ""
}

// nameOf returns the queue that a QueueUrl means, or the request's path if
// there is none. A bare name is a queue of the caller's.
func (s *Service) nameOf(ctx context.Context, url *string) (name, error) {
	c := wire.CallOf(ctx)
	text := c.Path
	if url != nil {
		text = *url
	}
	if account, queue, ok := splitURL(text); ok {
		return name{account, c.Region, queue}, nil
	}
	if url != nil && text != "" && !strings.Contains(text, "/") {
		return name{c.Account(), c.Region, text}, nil
	}
	return name{}, errNoQueue()
}

// queueAt returns the queue that a QueueUrl means.
func (s *Service) queueAt(ctx context.Context, url *string) (*Queue, error) {
	n, err := s.nameOf(ctx, url)
	if err != nil {
		return nil, err
	}
	q, ok := s.queues.Get(n.key())
	if !ok {
		return nil, errNoQueue()
	}
	return q, nil
}

// onContent calls do with the queue's messages, once more if the queue is
// purged in between.
func (s *Service) onContent(q *Queue, do func(*queue.Queue) error) error {
	for range 10 {
		content := s.engine.Queue(q.Content)
		err := queue.ErrGone
		if content != nil {
			err = do(content)
		}
		if !errors.Is(err, queue.ErrGone) {
			return err
		}
		now, ok := s.queues.Get(q.name().key())
		if !ok {
			return errNoQueue()
		}
		q = now
	}
	return fmt.Errorf("queue %s: %w", q.name().key(), queue.ErrGone)
}

// url returns the queue's URL as the caller can use it.
func (s *Service) url(ctx context.Context, n name) string {
	base := wire.CallOf(ctx).Endpoint
	_, host, _ := strings.Cut(base, "://")
	switch {
	case s.options.PublicURL != "":
		base = s.options.PublicURL
	case isAWSHost(host) || host == "":
		base = s.options.URL()
	}
	return strings.TrimSuffix(base, "/") + "/" + n.account + "/" + n.queue
}

func isAWSHost(host string) bool {
	host, _, _ = strings.Cut(host, ":")
	return strings.HasSuffix(host, ".amazonaws.com") || strings.HasSuffix(host, ".amazonaws.com.cn")
}

func deref[T any](p *T) (zero T) {
	if p == nil {
		return zero
	}
	return *p
}
