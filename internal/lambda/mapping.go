package lambda

import (
	"encoding/json"
	"time"

	"naru/internal/store"
	"naru/internal/wire"
)

// Mapping is an event source mapping: it has a queue trigger a function, version
// or alias. It is kept under account, region and UUID.
type Mapping struct {
	Account, Region, UUID string
	Function              string
	Qualifier             string `json:",omitempty"`
	Queue                 string // ARN
	Modified              time.Time
	Tags                  map[string]string
	MappingConfig
}

// MappingConfig is what of a mapping may be changed.
type MappingConfig struct {
	Enabled        bool
	BatchSize      int32
	Window         int32    // seconds
	Filters        []string // patterns
	Partial        bool     // the function reports failures one by one
	MaxConcurrency *int32
	Pollers        *ProvisionedPollerConfig
	Metrics        []string
	KMSKeyArn      *string
}

func mappingKey(account, region, uuid string) string { return account + "/" + region + "/" + uuid }

func (m *Mapping) key() string { return mappingKey(m.Account, m.Region, m.UUID) }

func (m *Mapping) name() name { return name{m.Account, m.Region, m.Function, m.Qualifier} }

func (m *Mapping) arn() string { return mappingARN(m.Account, m.Region, m.UUID) }

func mappingARN(account, region, uuid string) string {
	return "arn:aws:lambda:" + region + ":" + account + ":event-source-mapping:" + uuid
}

type (
	// FilterCriteria are patterns, one of which a message must match.
	FilterCriteria struct{ Filters []FilterPattern }
	// FilterPattern is one of them.
	FilterPattern struct{ Pattern *string }
	// ScalingConfig bounds how many invocations there are at a time.
	ScalingConfig struct{ MaximumConcurrency *int32 }
	// ProvisionedPollerConfig says how many pollers there are, each of which may
	// have ten invocations at a time.
	ProvisionedPollerConfig struct {
		MaximumPollers  *int32
		MinimumPollers  *int32
		PollerGroupName *string `json:",omitempty"`
	}
	// MetricsConfig says which metrics there are to be.
	MetricsConfig struct{ Metrics []string }
)

// EventSourceMappingConfiguration is a mapping in replies.
type EventSourceMappingConfiguration struct {
	BatchSize                      int32
	EventSourceArn                 string
	EventSourceMappingArn          string
	FilterCriteria                 *FilterCriteria
	FunctionArn                    string
	FunctionResponseTypes          []string
	KMSKeyArn                      *string
	LastModified                   time.Time
	LastProcessingResult           *string
	MaximumBatchingWindowInSeconds int32
	MetricsConfig                  *MetricsConfig
	ProvisionedPollerConfig        *ProvisionedPollerConfig
	ScalingConfig                  *ScalingConfig
	State                          string
	StateTransitionReason          string
	UUID                           string
}

// The states of a mapping. It is enabled or disabled at once; the others are
// told in the reply to what has led there.
const (
	stateCreating  = "Creating"
	stateEnabled   = "Enabled"
	stateEnabling  = "Enabling"
	stateDisabled  = "Disabled"
	stateDisabling = "Disabling"
	stateUpdating  = "Updating"
	stateDeleting  = "Deleting"
)

const reportFailures = "ReportBatchItemFailures"

// state is the mapping's, when nothing is done to it.
func (m *Mapping) state() string {
	if m.Enabled {
		return stateEnabled
	}
	return stateDisabled
}

// told returns what replies tell of a mapping.
func (s *Service) told(m *Mapping, state string) *EventSourceMappingConfiguration {
	c := &EventSourceMappingConfiguration{
		BatchSize: m.BatchSize, EventSourceArn: m.Queue, EventSourceMappingArn: m.arn(), FunctionArn: m.name().arn(), FunctionResponseTypes: []string{},
		KMSKeyArn: m.KMSKeyArn, LastModified: m.Modified, MaximumBatchingWindowInSeconds: m.Window, ProvisionedPollerConfig: m.Pollers,
		State: state, StateTransitionReason: "USER_INITIATED", UUID: m.UUID,
	}
	if m.Partial {
		c.FunctionResponseTypes = append(c.FunctionResponseTypes, reportFailures)
	}
	if len(m.Filters) > 0 {
		c.FilterCriteria = &FilterCriteria{}
		for _, pattern := range m.Filters {
			c.FilterCriteria.Filters = append(c.FilterCriteria.Filters, FilterPattern{&pattern})
		}
	}
	if m.MaxConcurrency != nil {
		c.ScalingConfig = &ScalingConfig{m.MaxConcurrency}
	}
	if m.Metrics != nil {
		c.MetricsConfig = &MetricsConfig{m.Metrics}
	}
	if problem := s.problemOf(m); problem != "" {
		c.LastProcessingResult = &problem
	}
	return c
}

// mappingSettings are the members that CreateEventSourceMapping and
// UpdateEventSourceMapping have in common; what is nil was not given.
type mappingSettings struct {
	BatchSize                      *int32
	Enabled                        *bool
	FilterCriteria                 *FilterCriteria
	FunctionResponseTypes          []string
	KMSKeyArn                      *string
	MaximumBatchingWindowInSeconds *int32
	MetricsConfig                  *MetricsConfig
	ProvisionedPollerConfig        *ProvisionedPollerConfig
	ScalingConfig                  *ScalingConfig
}

type CreateEventSourceMappingInput struct {
	FunctionName                   *string
	EventSourceArn                 *string
	BatchSize                      *int32
	Enabled                        *bool
	FilterCriteria                 *FilterCriteria
	FunctionResponseTypes          []string
	KMSKeyArn                      *string
	MaximumBatchingWindowInSeconds *int32
	MetricsConfig                  *MetricsConfig
	ProvisionedPollerConfig        *ProvisionedPollerConfig
	ScalingConfig                  *ScalingConfig
	Tags                           map[string]string
	StartingPosition               *string
	SelfManagedEventSource         json.RawMessage
	SourceAccessConfigurations     json.RawMessage

	AmazonManagedKafkaEventSourceConfig json.RawMessage
	BisectBatchOnFunctionError          json.RawMessage
	DestinationConfig                   json.RawMessage
	DocumentDBEventSourceConfig         json.RawMessage
	LoggingConfig                       json.RawMessage
	MaximumRecordAgeInSeconds           json.RawMessage
	MaximumRetryAttempts                json.RawMessage
	ParallelizationFactor               json.RawMessage
	Queues                              json.RawMessage
	SelfManagedKafkaEventSourceConfig   json.RawMessage
	StartingPositionTimestamp           *time.Time
	Topics                              json.RawMessage
	TumblingWindowInSeconds             json.RawMessage
}

func (in *CreateEventSourceMappingInput) settings() mappingSettings {
	return mappingSettings{
		in.BatchSize, in.Enabled, in.FilterCriteria, in.FunctionResponseTypes, in.KMSKeyArn, in.MaximumBatchingWindowInSeconds,
		in.MetricsConfig, in.ProvisionedPollerConfig, in.ScalingConfig,
	}
}

// unsupported are members that are of other sources than queues.
func (in *CreateEventSourceMappingInput) unsupported() map[string]json.RawMessage {
	return map[string]json.RawMessage{
		"AmazonManagedKafkaEventSourceConfig": in.AmazonManagedKafkaEventSourceConfig, "BisectBatchOnFunctionError": in.BisectBatchOnFunctionError,
		"DestinationConfig": in.DestinationConfig, "DocumentDBEventSourceConfig": in.DocumentDBEventSourceConfig, "LoggingConfig": in.LoggingConfig,
		"MaximumRecordAgeInSeconds": in.MaximumRecordAgeInSeconds, "MaximumRetryAttempts": in.MaximumRetryAttempts,
		"ParallelizationFactor": in.ParallelizationFactor, "Queues": in.Queues, "SelfManagedKafkaEventSourceConfig": in.SelfManagedKafkaEventSourceConfig,
		"SourceAccessConfigurations": in.SourceAccessConfigurations,
		"Topics":                     in.Topics, "TumblingWindowInSeconds": in.TumblingWindowInSeconds,
	}
}

type UpdateEventSourceMappingInput struct {
	UUID                           string `aws:",uri"`
	FunctionName                   *string
	BatchSize                      *int32
	Enabled                        *bool
	FilterCriteria                 *FilterCriteria
	FunctionResponseTypes          []string
	KMSKeyArn                      *string
	MaximumBatchingWindowInSeconds *int32
	MetricsConfig                  *MetricsConfig
	ProvisionedPollerConfig        *ProvisionedPollerConfig
	ScalingConfig                  *ScalingConfig

	AmazonManagedKafkaEventSourceConfig json.RawMessage
	BisectBatchOnFunctionError          json.RawMessage
	DestinationConfig                   json.RawMessage
	DocumentDBEventSourceConfig         json.RawMessage
	LoggingConfig                       json.RawMessage
	MaximumRecordAgeInSeconds           json.RawMessage
	MaximumRetryAttempts                json.RawMessage
	ParallelizationFactor               json.RawMessage
	SelfManagedKafkaEventSourceConfig   json.RawMessage
	SourceAccessConfigurations          json.RawMessage
	TumblingWindowInSeconds             json.RawMessage
}

func (in *UpdateEventSourceMappingInput) settings() mappingSettings {
	return mappingSettings{
		in.BatchSize, in.Enabled, in.FilterCriteria, in.FunctionResponseTypes, in.KMSKeyArn, in.MaximumBatchingWindowInSeconds,
		in.MetricsConfig, in.ProvisionedPollerConfig, in.ScalingConfig,
	}
}

func (in *UpdateEventSourceMappingInput) unsupported() map[string]json.RawMessage {
	return map[string]json.RawMessage{
		"AmazonManagedKafkaEventSourceConfig": in.AmazonManagedKafkaEventSourceConfig, "BisectBatchOnFunctionError": in.BisectBatchOnFunctionError,
		"DestinationConfig": in.DestinationConfig, "DocumentDBEventSourceConfig": in.DocumentDBEventSourceConfig, "LoggingConfig": in.LoggingConfig,
		"MaximumRecordAgeInSeconds": in.MaximumRecordAgeInSeconds, "MaximumRetryAttempts": in.MaximumRetryAttempts,
		"ParallelizationFactor": in.ParallelizationFactor, "SelfManagedKafkaEventSourceConfig": in.SelfManagedKafkaEventSourceConfig,
		"SourceAccessConfigurations": in.SourceAccessConfigurations, "TumblingWindowInSeconds": in.TumblingWindowInSeconds,
	}
}

// taggedMapping returns the mapping of an ARN as something that has tags.
func (s *Service) taggedMapping(resource, account, region, uuid string) (*tagged, error) {
	m, ok := s.mappings.Get(mappingKey(account, region, uuid))
	if !ok {
		return nil, missing("Event source mapping not found: %s", resource)
	}
	return &tagged{
		tags: func() map[string]string { return m.Tags },
		set: func(tx *store.Tx, tags map[string]string) error {
			changed := *m
			changed.Tags = tags
			return s.mappings.Put(tx, m.key(), &changed)
		},
	}, nil
}

// mapping returns the caller's mapping of a UUID.
func (s *Service) mapping(c *wire.Call, uuid string) (*Mapping, error) {
	m, ok := s.mappings.Get(mappingKey(c.Account(), c.Region, uuid))
	if !ok {
		return nil, noResource()
	}
	return m, nil
}
