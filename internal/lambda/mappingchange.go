package lambda

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"naru/internal/arn"
	"naru/internal/store"
	"naru/internal/trigger"
	"naru/internal/wire"
)

// The bounds of what a mapping says.
const (
	defaultBatch   = 10
	maxBatch       = 10_000
	maxFIFOBatch   = 10
	unwindowed     = 10 // the largest batch without a window
	maxWindow      = 300
	maxFilters     = 10
	maxPatternSize = 4096
	defaultPollers = 200
	maxPollers     = 10_000
)

// CreateEventSourceMapping has a queue trigger a function.
func (s *Service) CreateEventSourceMapping(ctx context.Context, in *CreateEventSourceMappingInput) (*EventSourceMappingConfiguration, error) {
	if in.FunctionName == nil {
		return nil, violation(nil, "functionName", mustNotBeNull)
	}
	n, err := s.nameOf(ctx, *in.FunctionName, nil)
	if err != nil {
		return nil, err
	}
	settings := in.settings()
	if err := settings.check(); err != nil {
		return nil, err
	}
	if err := in.checkSource(); err != nil {
		return nil, err
	}
	if len(in.Tags) > maxTags {
		return nil, tooManyTags()
	}
	m := &Mapping{
		Account: n.account, Region: n.region, UUID: uuid.NewString(), Function: n.function, Qualifier: n.qualifier, Queue: *in.EventSourceArn,
		Tags: in.Tags, MappingConfig: MappingConfig{Enabled: true, BatchSize: defaultBatch},
	}
	if err := s.keepMapping(ctx, m, settings); err != nil {
		return nil, err
	}
	s.startTrigger(m)
	return s.told(m, stateCreating), nil
}

// UpdateEventSourceMapping changes what is given of a mapping.
func (s *Service) UpdateEventSourceMapping(ctx context.Context, in *UpdateEventSourceMappingInput) (*EventSourceMappingConfiguration, error) {
	old, err := s.mapping(wire.CallOf(ctx), in.UUID)
	if err != nil {
		return nil, err
	}
	settings := in.settings()
	if err := settings.check(); err != nil {
		return nil, err
	}
	if err := refuseOthers(in.unsupported()); err != nil {
		return nil, err
	}
	m := *old
	if in.FunctionName != nil {
		n, err := s.nameOf(ctx, *in.FunctionName, nil)
		if err != nil {
			return nil, err
		}
		m.Function, m.Qualifier = n.function, n.qualifier
	}
	if err := s.keepMapping(ctx, &m, settings); err != nil {
		return nil, err
	}
	s.retrigger(&m)
	switch {
	case m.Enabled && !old.Enabled:
		return s.told(&m, stateEnabling), nil
	case !m.Enabled && old.Enabled:
		return s.told(&m, stateDisabling), nil
	}
	return s.told(&m, stateUpdating), nil
}

// checkSource refuses what cannot trigger a function.
func (in *CreateEventSourceMappingInput) checkSource() error {
	if in.EventSourceArn == nil {
		switch {
		case given(in.SelfManagedEventSource) && !given(in.SourceAccessConfigurations):
			return invalid("Required 'sourceAccessConfigurations' parameter is missing.")
		case given(in.SelfManagedEventSource):
			return notYet("Kafka as an event source")
		}
		return invalid("Unrecognized event source.")
	}
	if err := enumerated(in.StartingPosition, "startingPosition", "LATEST", "AT_TIMESTAMP", "TRIM_HORIZON"); err != nil {
		return err
	}
	a, err := arn.Parse(*in.EventSourceArn)
	if err != nil {
		return violation(*in.EventSourceArn, "eventSourceArn", `Member must satisfy regular expression pattern: arn:(aws[a-zA-Z0-9-]*):([a-zA-Z0-9\-])+:((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1})?:(\d{12})?:(.*)`)
	}
	switch a.Service {
	case "sqs":
	case "kinesis", "dynamodb":
		if in.StartingPosition == nil {
			return invalid("1 validation error detected: Value null at 'startingPosition' failed to satisfy constraint: Member must not be null.")
		}
		if a.Service == "dynamodb" && *in.StartingPosition == "AT_TIMESTAMP" {
			return invalid("Unsupported starting position for arn type: %s", *in.EventSourceArn)
		}
		return invalid("Stream not found: %s", *in.EventSourceArn) // Naru has none
	case "kafka", "mq", "rds":
		return notYet("event sources other than queues")
	default:
		return invalid("Unrecognized event source.")
	}
	if in.StartingPosition != nil || in.StartingPositionTimestamp != nil {
		return invalid("Unsupported starting position for arn type: %s", *in.EventSourceArn)
	}
	return refuseOthers(in.unsupported())
}

// refuseOthers refuses members that are of other sources than queues.
func refuseOthers(members map[string]json.RawMessage) error {
	for _, member := range slices.Sorted(maps.Keys(members)) {
		text := members[member]
		if given(text) && string(text) != "false" && string(text) != "0" {
			return invalid("Unsupported %s parameter for given event source mapping type.", member)
		}
	}
	return nil
}

// check refuses what breaks the model's constraints.
func (in *mappingSettings) check() error {
	errs := []error{
		outside(in.BatchSize, "batchSize", 1, maxBatch),
		outside(in.MaximumBatchingWindowInSeconds, "maximumBatchingWindowInSeconds", 0, maxWindow),
	}
	if in.ScalingConfig != nil {
		errs = append(errs, outside(in.ScalingConfig.MaximumConcurrency, "scalingConfig.maximumConcurrency", 2, 1000))
	}
	if p := in.ProvisionedPollerConfig; p != nil {
		errs = append(errs, outside(p.MinimumPollers, "provisionedPollerConfig.minimumPollers", 1, 200), outside(p.MaximumPollers, "provisionedPollerConfig.maximumPollers", 1, maxPollers))
	}
	for i := range in.FunctionResponseTypes {
		errs = append(errs, enumerated(&in.FunctionResponseTypes[i], "functionResponseTypes", reportFailures))
	}
	if len(in.FunctionResponseTypes) > 1 {
		errs = append(errs, violation("["+strings.Join(in.FunctionResponseTypes, ", ")+"]", "functionResponseTypes", "Member must have length less than or equal to 1"))
	}
	if in.MetricsConfig != nil {
		for i := range in.MetricsConfig.Metrics {
			errs = append(errs, enumerated(&in.MetricsConfig.Metrics[i], "metricsConfig.metrics", "EventCount", "ErrorCount", "KafkaMetrics"))
		}
	}
	if in.FilterCriteria != nil {
		for _, f := range in.FilterCriteria.Filters {
			if len(deref(f.Pattern)) > maxPatternSize {
				errs = append(errs, violation(*f.Pattern, "filterCriteria.filters", fmt.Sprintf("Member must have length less than or equal to %d", maxPatternSize)))
			}
		}
	}
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// keepMapping makes settings a mapping's and keeps it, if all is as it must be
// for it to work.
func (s *Service) keepMapping(ctx context.Context, m *Mapping, settings mappingSettings) error {
	v, err := s.version(m.name())
	if err != nil {
		return invalid("%v", noFunction)
	}
	m.apply(settings)
	if err := m.check(); err != nil {
		return err
	}
	if err := s.checkQueue(ctx, v, m.Queue); err != nil {
		return err
	}
	return s.store.Catalog().Update(func(tx *store.Tx) error {
		if _, err := s.version(m.name()); err != nil {
			return invalid("%v", noFunction)
		}
		for _, other := range s.mappings.All(mappingKey(m.Account, m.Region, "")) {
			if other.UUID != m.UUID && other.Queue == m.Queue && other.name().plain() == m.name().plain() {
				return conflict(`An event source mapping with SQS arn (" %s ") and function (" %s ") already exists. Please update or delete the existing mapping with UUID %s`,
					m.Queue, strings.TrimPrefix(m.name().arn(), name{m.Account, m.Region, "", ""}.arn()), other.UUID)
			}
		}
		if old, ok := s.mappings.Get(m.key()); ok {
			m.Tags = old.Tags // which may have been changed meanwhile
		} else if !m.Modified.IsZero() {
			return noResource()
		}
		m.Modified = s.clock.Now()
		return s.mappings.Put(tx, m.key(), m)
	})
}

// apply makes what is given the mapping's. Empty structures take away what was
// there.
func (m *Mapping) apply(in mappingSettings) {
	set(&m.Enabled, in.Enabled)
	set(&m.BatchSize, in.BatchSize)
	set(&m.Window, in.MaximumBatchingWindowInSeconds)
	if in.FunctionResponseTypes != nil {
		m.Partial = len(in.FunctionResponseTypes) > 0
	}
	if in.FilterCriteria != nil {
		m.Filters = nil
		for _, f := range in.FilterCriteria.Filters {
			m.Filters = append(m.Filters, deref(f.Pattern))
		}
	}
	if in.ScalingConfig != nil {
		m.MaxConcurrency = in.ScalingConfig.MaximumConcurrency
	}
	if in.ProvisionedPollerConfig != nil {
		m.Pollers = in.ProvisionedPollerConfig.complete()
	}
	if in.MetricsConfig != nil {
		m.Metrics = in.MetricsConfig.Metrics
	}
	if in.KMSKeyArn != nil {
		m.KMSKeyArn = in.KMSKeyArn
		if *in.KMSKeyArn == "" {
			m.KMSKeyArn = nil
		}
	}
}

func set[T any](to *T, given *T) {
	if given != nil {
		*to = *given
	}
}

// complete returns c with what was not given; nil if nothing was.
func (c ProvisionedPollerConfig) complete() *ProvisionedPollerConfig {
	if c.MinimumPollers == nil && c.MaximumPollers == nil && c.PollerGroupName == nil {
		return nil
	}
	least, most := int32(minPollers), int32(defaultPollers)
	set(&least, c.MinimumPollers)
	if most = max(most, least); c.MaximumPollers != nil {
		most = *c.MaximumPollers
	}
	return &ProvisionedPollerConfig{MinimumPollers: &least, MaximumPollers: &most, PollerGroupName: c.PollerGroupName}
}

const minPollers = 2

// check refuses settings that do not go together, or not with a queue.
func (m *Mapping) check() error {
	fifo := strings.HasSuffix(m.Queue, ".fifo")
	switch {
	case fifo && m.Window > 0:
		return invalid("Batching window is not supported for FIFO queues")
	case fifo && m.BatchSize > maxFIFOBatch:
		return invalid("Maximum batch size must be between 1 and 10 inclusive")
	case m.BatchSize > unwindowed && m.Window == 0:
		return invalid("Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10")
	case m.Pollers != nil && m.MaxConcurrency != nil:
		return invalid("ProvisionedPollerConfig and ScalingConfig cannot be used together.")
	case m.Pollers != nil && m.Pollers.PollerGroupName != nil:
		return invalid("Unsupported PollerGroupName parameter for given event source mapping type.")
	case m.Pollers != nil && (*m.Pollers.MinimumPollers < minPollers || *m.Pollers.MaximumPollers < *m.Pollers.MinimumPollers):
		return invalid("MinimumPollers must be at least %d, and MaximumPollers not less than MinimumPollers.", minPollers)
	case len(m.Filters) > maxFilters:
		return invalid("A maximum of %d filters is allowed for an event source mapping.", maxFilters)
	}
	if slices.ContainsFunc(m.Metrics, func(metric string) bool { return metric != "EventCount" }) {
		return invalid("Unsupported MetricsConfig parameter for given event source mapping type.")
	}
	_, err := m.filters()
	return err
}

// filters returns the mapping's filters.
func (m *Mapping) filters() (all []*trigger.Filter, err error) {
	for _, text := range m.Filters {
		f, err := trigger.ParseFilter(text)
		if err != nil {
			e := wire.Errorf("InvalidParameterValueException", "Invalid filter pattern definition.")
			e.Cause = err
			return nil, e
		}
		all = append(all, f)
	}
	return all, nil
}

// checkQueue refuses a queue that is not there, that the function's role may not
// use, or whose messages may be received again while the function still runs.
func (s *Service) checkQueue(ctx context.Context, v *Version, queueARN string) error {
	if a, err := arn.Parse(queueARN); err != nil || a.Region != v.Region {
		return invalid("%v", noQueue)
	}
	visibility, err := s.options.Queue(queueARN).Check(ctx, v.caller())
	var denied Denied
	switch {
	case errors.Is(err, ErrNoQueue):
		return invalid("%v", noQueue)
	case errors.As(err, &denied):
		return invalid("%v", denied)
	case err != nil:
		return err
	case visibility < time.Duration(v.Timeout)*time.Second:
		return invalid("Queue visibility timeout: %d seconds is less than Function timeout: %d seconds", int(visibility.Seconds()), v.Timeout)
	}
	return nil
}
