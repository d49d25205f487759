package lambda

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"time"

	"naru/internal/arn"
	"naru/internal/store"
	"naru/internal/wire"
)

// EventConfig says what becomes of the asynchronous events of a function,
// version or alias, under the key of what belongs to that. What is nil or
// empty was not given.
type EventConfig struct {
	Qualifier string // "$LATEST" for a function
	Modified  time.Time
	MaxAge    *int32 // seconds
	Retries   *int32
	OnSuccess string // ARN
	OnFailure string // ARN
}

// The bounds and defaults of what an EventConfig says.
const (
	minEventAge = 60
	maxEventAge = 21600 // seconds
	maxRetries  = 2
)

// maxAge is how old an event may become.
func (c *EventConfig) maxAge() time.Duration {
	if c == nil || c.MaxAge == nil {
		return maxEventAge * time.Second
	}
	return time.Duration(*c.MaxAge) * time.Second
}

// retries is how often an event is tried again after its function failed.
func (c *EventConfig) retries() int {
	if c == nil || c.Retries == nil {
		return maxRetries
	}
	return int(*c.Retries)
}

// FunctionEventInvokeConfig is an EventConfig in replies.
type FunctionEventInvokeConfig struct {
	DestinationConfig        *DestinationConfig
	FunctionArn              string
	LastModified             time.Time
	MaximumEventAgeInSeconds *int32
	MaximumRetryAttempts     *int32
}

type (
	// DestinationConfig says where records of what became of events go.
	DestinationConfig struct {
		OnFailure *Destination
		OnSuccess *Destination
	}
	// Destination is the ARN of a queue, function or event bus.
	Destination struct{ Destination *string }
)

func (c *EventConfig) told(n name) *FunctionEventInvokeConfig {
	told := &FunctionEventInvokeConfig{
		DestinationConfig: &DestinationConfig{OnFailure: &Destination{}, OnSuccess: &Destination{}}, FunctionArn: n.at(c.Qualifier).arn(),
		LastModified: c.Modified, MaximumEventAgeInSeconds: c.MaxAge, MaximumRetryAttempts: c.Retries,
	}
	if c.OnFailure != "" {
		told.DestinationConfig.OnFailure.Destination = &c.OnFailure
	}
	if c.OnSuccess != "" {
		told.DestinationConfig.OnSuccess.Destination = &c.OnSuccess
	}
	return told
}

type PutFunctionEventInvokeConfigInput struct {
	FunctionName             string  `aws:",uri"`
	Qualifier                *string `aws:",query"`
	DestinationConfig        *DestinationConfig
	MaximumEventAgeInSeconds *int32
	MaximumRetryAttempts     *int32
}

// PutFunctionEventInvokeConfig says what becomes of asynchronous events.
func (s *Service) PutFunctionEventInvokeConfig(ctx context.Context, in *PutFunctionEventInvokeConfigInput) (*FunctionEventInvokeConfig, error) {
	return s.configureEvents(ctx, in, false)
}

// UpdateFunctionEventInvokeConfigInput is that of the operation of this name.
type UpdateFunctionEventInvokeConfigInput PutFunctionEventInvokeConfigInput

// UpdateFunctionEventInvokeConfig changes what is given of that.
func (s *Service) UpdateFunctionEventInvokeConfig(ctx context.Context, in *UpdateFunctionEventInvokeConfigInput) (*FunctionEventInvokeConfig, error) {
	return s.configureEvents(ctx, (*PutFunctionEventInvokeConfigInput)(in), true)
}

func noSuchFunction() error { return missing("The function doesn't exist.") }

func noEventConfig(n name) error {
	return missing("The function %s doesn't have an EventInvokeConfig", n.orLatest().arn())
}

func (s *Service) configureEvents(ctx context.Context, in *PutFunctionEventInvokeConfigInput, change bool) (*FunctionEventInvokeConfig, error) {
	n, err := s.nameOf(ctx, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	if err := in.check(); err != nil {
		return nil, err
	}
	v, err := s.version(n)
	if err != nil {
		return nil, noSuchFunction()
	}
	if in.MaximumEventAgeInSeconds == nil && in.MaximumRetryAttempts == nil && in.DestinationConfig == nil {
		return nil, invalid("You must specify at least one of error handling or destination setting.")
	}
	if err := s.checkDestinations(ctx, v, in.DestinationConfig); err != nil {
		return nil, err
	}
	c := &EventConfig{Qualifier: n.orLatest().qualifier, Modified: s.clock.Now()}
	err = s.store.Catalog().Update(func(tx *store.Tx) error {
		if _, err := s.version(n); err != nil {
			return noSuchFunction()
		}
		if old, ok := s.eventConfigs.Get(n.belonging()); ok && change {
			c.MaxAge, c.Retries, c.OnSuccess, c.OnFailure = old.MaxAge, old.Retries, old.OnSuccess, old.OnFailure
		} else if change {
			return noEventConfig(n)
		}
		c.apply(in)
		return s.eventConfigs.Put(tx, n.belonging(), c)
	})
	if err != nil {
		return nil, err
	}
	return c.told(n), nil
}

// apply makes what is given c's.
func (c *EventConfig) apply(in *PutFunctionEventInvokeConfigInput) {
	if in.MaximumEventAgeInSeconds != nil {
		c.MaxAge = in.MaximumEventAgeInSeconds
	}
	if in.MaximumRetryAttempts != nil {
		c.Retries = in.MaximumRetryAttempts
	}
	if d := in.DestinationConfig; d != nil {
		if d.OnSuccess != nil {
			c.OnSuccess = deref(d.OnSuccess.Destination)
		}
		if d.OnFailure != nil {
			c.OnFailure = deref(d.OnFailure.Destination)
		}
	}
}

const destinationPattern = `$|kafka://([^.]([a-zA-Z0-9\-_.]{0,248}))|arn:(aws[a-zA-Z0-9-]*):([a-zA-Z0-9\-])+:((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1})?:(\d{12})?:(.*)`

var destinationForm = regexp.MustCompile("^(" + destinationPattern + ")$")

// check refuses numbers out of their bounds, and what is no ARN.
func (in *PutFunctionEventInvokeConfigInput) check() error {
	if err := outside(in.MaximumEventAgeInSeconds, "maximumEventAgeInSeconds", minEventAge, maxEventAge); err != nil {
		return err
	}
	if err := outside(in.MaximumRetryAttempts, "maximumRetryAttempts", 0, maxRetries); err != nil {
		return err
	}
	if in.DestinationConfig == nil {
		return nil
	}
	for member, d := range map[string]*Destination{"onSuccess": in.DestinationConfig.OnSuccess, "onFailure": in.DestinationConfig.OnFailure} {
		if d != nil && d.Destination != nil && !destinationForm.MatchString(*d.Destination) {
			return violation(*d.Destination, "destinationConfig."+member+".destination", "Member must satisfy regular expression pattern: "+destinationPattern)
		}
	}
	return nil
}

// checkDestinations refuses destinations to which nothing could be sent.
func (s *Service) checkDestinations(ctx context.Context, v *Version, c *DestinationConfig) error {
	if c == nil {
		return nil
	}
	for _, d := range []*Destination{c.OnSuccess, c.OnFailure} {
		target := deref(deref(d).Destination)
		if target == "" {
			continue
		}
		a, err := arn.Parse(target)
		switch {
		case err != nil || a.Service != "sqs" && a.Service != "lambda" && a.Service != "events" && a.Service != "sns" && a.Service != "s3":
			return invalid("The provided destination config DestinationConfig(onSuccess=%s, onFailure=%s) is invalid.", c.OnSuccess.java("OnSuccess"), c.OnFailure.java("OnFailure"))
		case a.Service == "sns" || a.Service == "s3":
			return notYet("destinations in SNS and S3")
		case target == v.name().arn() || strings.HasPrefix(target, v.name().arn()+":"):
			return invalid("You can't specify the function as a destination for itself.")
		}
		if _, err := s.options.Outgoing(ctx, Message{From: v.caller(), Target: target, Probe: true}); err != nil {
			return undeliverable(target, a.Service, err)
		}
	}
	return nil
}

// undeliverable says why a destination is refused.
func undeliverable(target, service string, err error) error {
	var e *wire.Error
	if errors.As(err, &e) && e.Code == wire.CodeAccessDenied {
		operation := map[string]string{"sqs": "SendMessage", "lambda": "Invoke", "events": "PutEvents"}[service]
		return invalid("The function's execution role does not have permissions to call %s on %s", operation, target)
	}
	return invalid("The destination ARN %s is invalid.", target)
}

// java writes d as Java's SDK does, since AWS shows it so.
func (d *Destination) java(kind string) string {
	if d == nil {
		return "null"
	}
	return kind + "(destination=" + deref(d.Destination) + ")"
}

type GetFunctionEventInvokeConfigInput struct {
	FunctionName string  `aws:",uri"`
	Qualifier    *string `aws:",query"`
}

// GetFunctionEventInvokeConfig returns what becomes of asynchronous events.
func (s *Service) GetFunctionEventInvokeConfig(ctx context.Context, in *GetFunctionEventInvokeConfigInput) (*FunctionEventInvokeConfig, error) {
	n, err := s.nameOf(ctx, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	c, ok := s.eventConfigs.Get(n.belonging())
	if !ok {
		return nil, noEventConfig(n)
	}
	return c.told(n), nil
}

type ListFunctionEventInvokeConfigsInput struct {
	FunctionName string  `aws:",uri"`
	Marker       *string `aws:",query"`
	MaxItems     *int32  `aws:",query"`
}

type ListFunctionEventInvokeConfigsOutput struct {
	FunctionEventInvokeConfigs []FunctionEventInvokeConfig
	NextMarker                 *string
}

// ListFunctionEventInvokeConfigs returns all of a function.
func (s *Service) ListFunctionEventInvokeConfigs(ctx context.Context, in *ListFunctionEventInvokeConfigsInput) (*ListFunctionEventInvokeConfigsOutput, error) {
	n, err := s.nameOf(ctx, in.FunctionName, nil)
	if err != nil {
		return nil, err
	}
	if _, err := s.function(n); err != nil {
		return nil, noSuchFunction()
	}
	all := []FunctionEventInvokeConfig{}
	for _, c := range s.eventConfigs.All(n.key() + "/") {
		all = append(all, *c.told(n))
	}
	part, next, err := paged(all, in.Marker, in.MaxItems, 50)
	return &ListFunctionEventInvokeConfigsOutput{part, next}, err
}

type DeleteFunctionEventInvokeConfigInput struct {
	FunctionName string  `aws:",uri"`
	Qualifier    *string `aws:",query"`
}

// DeleteFunctionEventInvokeConfig makes what becomes of events the default.
func (s *Service) DeleteFunctionEventInvokeConfig(ctx context.Context, in *DeleteFunctionEventInvokeConfigInput) (*wire.None, error) {
	n, err := s.nameOf(ctx, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	return &wire.None{}, s.store.Catalog().Update(func(tx *store.Tx) error {
		if _, ok := s.eventConfigs.Get(n.belonging()); !ok {
			return noEventConfig(n)
		}
		s.eventConfigs.Delete(tx, n.belonging())
		return nil
	})
}

// eventConfig returns what becomes of events of a qualified name: what its own
// configuration says, or else that of the version that it stands for.
func (s *Service) eventConfig(n name, v *Version) *EventConfig {
	for _, at := range []name{n, v.qualified()} {
		if c, ok := s.eventConfigs.Get(at.belonging()); ok {
			return c
		}
	}
	return nil
}
