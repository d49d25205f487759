package sqs

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"naru/internal/arn"
	"naru/internal/queue"
	"naru/internal/store"
	"naru/internal/wire"
)

// Queue is a queue as the catalog keeps it, under its account, region and
// name. A record is never changed, only replaced.
type Queue struct {
	Account    string
	Region     string
	Name       string
	Content    uint64            // of the engine
	Created    int64             // seconds since the epoch
	Modified   int64             // likewise
	Purged     int64             // when it was last purged, in milliseconds; 0 if never
	Attributes map[string]string // those that were set
	Tags       map[string]string
	// ByGroup says that deduplication ids are of a message group each. That is
	// settled when the queue is made, as on AWS.
	ByGroup bool `json:",omitempty"`
}

func (q *Queue) name() name { return name{q.Account, q.Region, q.Name} }

func (q *Queue) ref() queue.Ref {
	return queue.Ref{Shard: queue.ShardOf(q.name().address()), Content: q.Content}
}

func (q *Queue) fifo() bool { return q.name().fifo() }

// attribute returns the value of a settable attribute, "" if it is not listed.
func (q *Queue) attribute(name string) string {
	if value, ok := q.Attributes[name]; ok {
		return value
	}
	if attributes[name].fifo && !q.fifo() {
		return ""
	}
	return attributes[name].initial
}

// seconds returns an attribute that is a number of seconds.
func (q *Queue) seconds(name string) time.Duration {
	return time.Duration(q.number(name)) * time.Second
}

func (q *Queue) number(name string) int64 {
	n, err := strconv.ParseInt(q.attribute(name), 10, 64)
	if err != nil {
		panic("sqs: attribute " + name + " is no number") // set checks it
	}
	return n
}

// maxInFlight is how many messages of a queue may be in flight.
const maxInFlight = 120_000

// config is what the engine must know of the queue.
func (q *Queue) config() queue.Config {
	c := queue.Config{Retention: q.seconds("MessageRetentionPeriod"), InFlight: maxInFlight, FIFO: q.fifo()}
	if c.FIFO {
		c.Delay = q.seconds("DelaySeconds")
	}
	if text := q.Attributes["RedrivePolicy"]; text != "" {
		var r redrive
		if err := json.Unmarshal([]byte(text), &r); err != nil {
			panic("sqs: a redrive policy is no JSON: " + err.Error()) // set checks it
		}
		if target, err := arn.Parse(r.DeadLetterTargetArn); err == nil {
			c.DeadLetter = name{target.Account, target.Region, target.Resource}.address()
		}
		c.MaxReceives, c.Origin = r.MaxReceiveCount, q.name().arn()
	}
	return c
}

// CreateQueueInput and the like are the inputs and outputs of the operations
// of the same name.
type CreateQueueInput struct {
	QueueName  *string
	Attributes map[string]string `query:"Attribute"`
	Tags       map[string]string `aws:"tags" query:"Tag,Key,Value"`
}

type CreateQueueOutput struct{ QueueUrl string }

// cooldown is how long AWS makes a client wait before it purges a queue again
// or makes another of the same name.
const cooldown = time.Minute

// CreateQueue makes a queue, or returns the one that is there if every given
// attribute is as that queue has it.
func (s *Service) CreateQueue(ctx context.Context, in *CreateQueueInput) (*CreateQueueOutput, error) {
	c := wire.CallOf(ctx)
	n := name{c.Account(), c.Region, deref(in.QueueName)}
	if err := checkName(in); err != nil {
		return nil, err
	}
	given, err := set(n.fifo(), nil, in.Attributes)
	if err != nil {
		return nil, err
	}
	if err := checkTags(n, in.Tags, len(in.Tags)); err != nil {
		return nil, err
	}
	err = s.store.Catalog().Update(func(tx *store.Tx) error {
		if q, ok := s.queues.Get(n.key()); ok {
			return q.differs(in.Attributes, given)
		}
		return s.create(tx, n, given, in.Tags)
	})
	if err != nil {
		return nil, err
	}
	return &CreateQueueOutput{s.url(ctx, n)}, nil
}

func (s *Service) create(tx *store.Tx, n name, given, tags map[string]string) error {
	now := s.clock.Now()
	if at, ok := s.deleted.Get(n.key()); ok && !s.options.NoCooldown && now.Before(at.Add(cooldown)) {
		return wire.Errorf("QueueDeletedRecently", "You must wait 60 seconds after deleting a queue before you can create another with the same name.")
	}
	if err := s.checkTarget(n, given["RedrivePolicy"]); err != nil {
		return err
	}
	content, err := tx.NextID()
	if err != nil {
		return err
	}
	q := &Queue{
		Account: n.account, Region: n.region, Name: n.queue, Content: content,
		Created: now.Unix(), Modified: now.Unix(), Attributes: given, Tags: tags,
		ByGroup: given["DeduplicationScope"] == "messageGroup",
	}
	s.deleted.Delete(tx, n.key())
	s.engine.Attach(q.ref(), q.config())
	return s.queues.Put(tx, n.key(), q)
}

func checkName(in *CreateQueueInput) error {
	if in.QueueName == nil {
		return missing("QueueName")
	}
	_, hasFifo := in.Attributes["FifoQueue"]
	fifo := strings.EqualFold(in.Attributes["FifoQueue"], "true")
	base, fifoName := strings.CutSuffix(*in.QueueName, ".fifo")
	switch {
	case fifo && (!fifoName || !nameForm.MatchString(base) || len(*in.QueueName) > 80):
		return wire.Errorf("InvalidParameterValue", "The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, must end with .fifo suffix and be 1 to 80 in length")
	case !fifo && !nameForm.MatchString(*in.QueueName):
		return wire.Errorf("InvalidParameterValue", "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length")
	case !fifo && hasFifo:
		return unknownAttribute("FifoQueue")
	}
	return nil
}

// differs returns QueueNameExists if an attribute that was given is not as the
// queue has it.
func (q *Queue) differs(given, checked map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(given)) {
		want, ok := checked[name]
		if !ok {
			want = attributes[name].initial
		}
		if want != q.attribute(name) {
			return wire.Errorf("QueueNameExists", "A queue already exists with the same name and a different value for attribute %s", name)
		}
	}
	return nil
}

type GetQueueUrlInput struct {
	QueueName              *string
	QueueOwnerAWSAccountId *string
}

func (in *GetQueueUrlInput) name(ctx context.Context) name {
	n := name{wire.CallOf(ctx).Account(), wire.CallOf(ctx).Region, deref(in.QueueName)}
	if in.QueueOwnerAWSAccountId != nil {
		n.account = *in.QueueOwnerAWSAccountId
	}
	return n
}

type GetQueueUrlOutput struct{ QueueUrl string }

// GetQueueUrl returns a queue's URL.
func (s *Service) GetQueueUrl(ctx context.Context, in *GetQueueUrlInput) (*GetQueueUrlOutput, error) {
	if in.QueueName == nil {
		return nil, missing("QueueName")
	}
	n := in.name(ctx)
	if _, ok := s.queues.Get(n.key()); !ok {
		return nil, errNoQueue()
	}
	return &GetQueueUrlOutput{s.url(ctx, n)}, nil
}

type ListQueuesInput struct {
	QueueNamePrefix string
	MaxResults      *int32
	NextToken       *string
}

type ListQueuesOutput struct {
	QueueUrls []string `query:"QueueUrl"`
	NextToken *string
}

// ListQueues returns the caller's queues in the order of their names, 1000 at
// the most, with a token for more only if MaxResults was given.
func (s *Service) ListQueues(ctx context.Context, in *ListQueuesInput) (*ListQueuesOutput, error) {
	c := wire.CallOf(ctx)
	p, err := pageOf(in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	prefix := name{c.Account(), c.Region, ""}.key()
	out := &ListQueuesOutput{}
	for _, q := range s.queues.From(prefix+in.QueueNamePrefix, prefix+p.from) {
		if len(out.QueueUrls) == p.limit {
			out.NextToken = p.next(q.Name)
			break
		}
		out.QueueUrls = append(out.QueueUrls, s.url(ctx, q.name()))
	}
	return out, nil
}

type DeleteQueueInput struct{ QueueUrl *string }

// DeleteQueue deletes a queue with all its messages.
func (s *Service) DeleteQueue(ctx context.Context, in *DeleteQueueInput) (*wire.None, error) {
	n, err := s.nameOf(ctx, in.QueueUrl)
	if err != nil {
		return nil, err
	}
	var ref queue.Ref
	err = s.store.Catalog().Update(func(tx *store.Tx) error {
		q, ok := s.queues.Get(n.key())
		if !ok {
			return errNoQueue()
		}
		ref = q.ref()
		s.queues.Delete(tx, n.key())
		for _, m := range s.movesOf(n) {
			s.moves.Delete(tx, m.key())
		}
		return errors.Join(s.deleted.Put(tx, n.key(), s.clock.Now()), s.engine.Discard(tx, ref))
	})
	if err != nil {
		return nil, err
	}
	return &wire.None{}, s.engine.Drop(ref)
}

type PurgeQueueInput struct{ QueueUrl *string }

// PurgeQueue deletes all messages of a queue: those that were sent before it.
func (s *Service) PurgeQueue(ctx context.Context, in *PurgeQueueInput) (*wire.None, error) {
	n, err := s.nameOf(ctx, in.QueueUrl)
	if err != nil {
		return nil, err
	}
	var ref queue.Ref
	err = s.store.Catalog().Update(func(tx *store.Tx) error {
		old, ok := s.queues.Get(n.key())
		if !ok {
			return errNoQueue()
		}
		now := s.clock.Millis()
		if old.Purged != 0 && !s.options.NoCooldown && now < old.Purged+cooldown.Milliseconds() {
			return wire.Errorf("PurgeQueueInProgress", "Only one PurgeQueue operation on %s is allowed every 60 seconds.", n.queue)
		}
		ref = old.ref()
		q := *old
		if q.Content, err = tx.NextID(); err != nil {
			return err
		}
		q.Purged = now
		s.engine.Attach(q.ref(), q.config())
		return errors.Join(s.queues.Put(tx, n.key(), &q), s.engine.Discard(tx, ref))
	})
	if err != nil {
		return nil, err
	}
	return &wire.None{}, s.engine.Drop(ref)
}

type GetQueueAttributesInput struct {
	QueueUrl       *string
	AttributeNames []string `query:"AttributeName"`
}

type GetQueueAttributesOutput struct {
	Attributes map[string]string `query:"Attribute"`
}

// GetQueueAttributes returns the named attributes, or All.
func (s *Service) GetQueueAttributes(ctx context.Context, in *GetQueueAttributesInput) (*GetQueueAttributesOutput, error) {
	q, err := s.queueAt(ctx, in.QueueUrl)
	if err != nil {
		return nil, err
	}
	out := &GetQueueAttributesOutput{}
	if len(in.AttributeNames) == 0 {
		return out, nil
	}
	all, err := s.allAttributes(q)
	if err != nil {
		return nil, err
	}
	if slices.Contains(in.AttributeNames, "All") {
		out.Attributes = all
		return out, nil
	}
	out.Attributes = map[string]string{}
	for _, name := range in.AttributeNames {
		if _, ok := attributes[name]; !ok && !slices.Contains(computed, name) {
			return nil, unknownAttribute(name)
		}
		if value, ok := all[name]; ok {
			out.Attributes[name] = value
		}
	}
	if len(out.Attributes) == 0 {
		out.Attributes = nil
	}
	return out, nil
}

func (s *Service) allAttributes(q *Queue) (map[string]string, error) {
	var counts queue.Counts
	err := s.onContent(q, func(content *queue.Queue) (err error) {
		counts, err = content.Counts()
		return err
	})
	if err != nil {
		return nil, err
	}
	all := map[string]string{
		"QueueArn":                              q.name().arn(),
		"CreatedTimestamp":                      decimal(q.Created),
		"LastModifiedTimestamp":                 decimal(q.Modified),
		"ApproximateNumberOfMessages":           decimal(counts.Visible),
		"ApproximateNumberOfMessagesNotVisible": decimal(counts.InFlight),
		"ApproximateNumberOfMessagesDelayed":    decimal(counts.Delayed),
	}
	for name := range attributes {
		if value := q.attribute(name); value != "" {
			all[name] = value
		}
	}
	return all, nil
}

type SetQueueAttributesInput struct {
	QueueUrl   *string
	Attributes map[string]string `query:"Attribute"`
}

// SetQueueAttributes changes attributes. They hold for the messages that are
// there, too, but for DelaySeconds.
func (s *Service) SetQueueAttributes(ctx context.Context, in *SetQueueAttributesInput) (*wire.None, error) {
	n, err := s.nameOf(ctx, in.QueueUrl)
	if err != nil {
		return nil, err
	}
	if len(in.Attributes) == 0 {
		return nil, missing("Attributes")
	}
	err = s.store.Catalog().Update(func(tx *store.Tx) error {
		old, ok := s.queues.Get(n.key())
		if !ok {
			return errNoQueue()
		}
		q := *old
		if q.Attributes, err = set(old.fifo(), old.Attributes, in.Attributes); err != nil {
			return err
		}
		if _, given := in.Attributes["RedrivePolicy"]; given {
			if err := s.checkTarget(n, q.Attributes["RedrivePolicy"]); err != nil {
				return err
			}
		}
		q.Modified = s.clock.Now().Unix()
		if content := s.engine.Queue(q.Content); content != nil {
			content.Configure(q.config())
		}
		return s.queues.Put(tx, n.key(), &q)
	})
	if err != nil {
		return nil, err
	}
	return &wire.None{}, nil
}
