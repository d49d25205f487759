package events

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"time"

	"naru/internal/store"
	"naru/internal/wire"
)

// Bus is an event bus as the catalog keeps it, under account, region and name.
// The default bus has a record once it differs from what it always is. A record
// is never changed, only replaced.
type Bus struct {
	Account  string
	Region   string
	Name     string
	Settings BusSettings
	Policy   *busPolicy        `json:",omitempty"`
	Tags     map[string]string `json:",omitempty"`
	Created  time.Time
	Modified time.Time
}

// BusSettings are those of a bus that its owner may change.
type BusSettings struct {
	DeadLetterConfig *DeadLetterConfig `json:",omitempty"`
	Description      *string           `json:",omitempty"`
	KmsKeyIdentifier *string           `json:",omitempty"`
	LogConfig        *LogConfig        `json:",omitempty"`
}

// LogConfig says what is logged of a bus. It is kept and has no effect.
type LogConfig struct {
	IncludeDetail *string
	Level         *string
}

func (b *Bus) name() busName { return busName{b.Account, b.Region, b.Name} }

// bus returns a bus.
func (s *Service) bus(n busName) (*Bus, error) {
	if b, ok := s.buses.Get(n.key()); ok {
		return b, nil
	}
	if n.bus != defaultBus {
		return nil, noBus(n)
	}
	return &Bus{Account: n.account, Region: n.region, Name: n.bus}, nil
}

// changeBus replaces a bus by what change makes of a copy.
func (s *Service) changeBus(n busName, change func(*Bus) error) (changed *Bus, err error) {
	err = s.store.Catalog().Update(func(tx *store.Tx) error {
		old, err := s.bus(n)
		if err != nil {
			return err
		}
		b := *old
		if err := change(&b); err != nil {
			return err
		}
		changed = &b
		return s.buses.Put(tx, n.key(), changed)
	})
	return changed, err
}

// CreateEventBusInput and the like are the inputs and outputs of the operations
// of the same name.
type CreateEventBusInput struct {
	Name             *string
	EventSourceName  *string
	Description      *string
	KmsKeyIdentifier *string
	DeadLetterConfig *DeadLetterConfig
	LogConfig        *LogConfig
	Tags             []Tag
}

type CreateEventBusOutput struct {
	EventBusArn      string
	Description      *string
	KmsKeyIdentifier *string
	DeadLetterConfig *DeadLetterConfig
	LogConfig        *LogConfig
}

var busForm = regexp.MustCompile(`^[/\.\-_A-Za-z0-9]+$`)

// CreateEventBus makes a bus.
func (s *Service) CreateEventBus(ctx context.Context, in *CreateEventBusInput) (*CreateEventBusOutput, error) {
	name := deref(in.Name)
	switch {
	case name == "":
		return nil, violation(name, "name", "Member must have length greater than or equal to 1")
	case len(name) > 256:
		return nil, violation(name, "name", "Member must have length less than or equal to 256")
	case !busForm.MatchString(name):
		return nil, violation(name, "name", `Member must satisfy regular expression pattern: [/\.\-_A-Za-z0-9]+`)
	case in.EventSourceName != nil:
		return nil, notYet("partner event sources")
	case strings.Contains(name, "/"):
		return nil, invalid("Event bus name must not contain '/'.")
	}
	settings := BusSettings{in.DeadLetterConfig, in.Description, in.KmsKeyIdentifier, in.LogConfig}
	if err := settings.check(); err != nil {
		return nil, err
	}
	tags, err := tagged(nil, in.Tags)
	if err != nil {
		return nil, err
	}
	c := wire.CallOf(ctx)
	n := busName{c.Account(), c.Region, name}
	err = s.store.Catalog().Update(func(tx *store.Tx) error {
		if _, err := s.bus(n); err == nil {
			return wire.Errorf("ResourceAlreadyExistsException", "Event bus %s already exists.", name)
		}
		now := s.clock.Now()
		return s.buses.Put(tx, n.key(), &Bus{Account: n.account, Region: n.region, Name: name, Settings: settings, Tags: tags, Created: now, Modified: now})
	})
	if err != nil {
		return nil, err
	}
	return &CreateEventBusOutput{n.arn(), in.Description, in.KmsKeyIdentifier, in.DeadLetterConfig, in.LogConfig}, nil
}

func (b *BusSettings) check() error {
	if text := deref(b.Description); len(text) > 512 {
		return violation(text, "description", "Member must have length less than or equal to 512")
	}
	if b.LogConfig != nil {
		if level := deref(b.LogConfig.Level); level != "" && !slices.Contains([]string{"INFO", "ERROR", "TRACE", "OFF"}, level) {
			return violation(level, "logConfig.level", "Member must satisfy enum value set: [INFO, ERROR, TRACE, OFF]")
		}
		if detail := deref(b.LogConfig.IncludeDetail); detail != "" && detail != "FULL" && detail != "NONE" {
			return violation(detail, "logConfig.includeDetail", "Member must satisfy enum value set: [FULL, NONE]")
		}
	}
	return nil
}

type DescribeEventBusInput struct{ Name *string }

type DescribeEventBusOutput struct {
	Arn              string
	Name             string
	Policy           *string
	Description      *string
	KmsKeyIdentifier *string
	DeadLetterConfig *DeadLetterConfig
	LogConfig        *LogConfig
	CreationTime     *time.Time
	LastModifiedTime *time.Time
}

// DescribeEventBus returns a bus.
func (s *Service) DescribeEventBus(ctx context.Context, in *DescribeEventBusInput) (*DescribeEventBusOutput, error) {
	b, err := s.bus(busOf(ctx, in.Name))
	if err != nil {
		return nil, err
	}
	return &DescribeEventBusOutput{
		Arn: b.name().arn(), Name: b.Name, Policy: b.Policy.text(), Description: b.Settings.Description,
		KmsKeyIdentifier: b.Settings.KmsKeyIdentifier, DeadLetterConfig: b.Settings.DeadLetterConfig, LogConfig: b.Settings.LogConfig,
		CreationTime: present(b.Created), LastModifiedTime: present(b.Modified),
	}, nil
}

// present returns nil for a time that is zero.
func present(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

type ListEventBusesInput struct {
	NamePrefix *string
	Limit      *int32
	NextToken  *string
}

type ListEventBusesOutput struct {
	EventBuses []EventBus
	NextToken  *string
}

// EventBus is a bus in lists.
type EventBus struct {
	Arn              string
	Name             string
	Policy           *string
	Description      *string
	CreationTime     *time.Time
	LastModifiedTime *time.Time
}

// ListEventBuses returns buses by name, 100 at a time.
func (s *Service) ListEventBuses(ctx context.Context, in *ListEventBusesInput) (*ListEventBusesOutput, error) {
	most, from, err := page(in.Limit, in.NextToken)
	if err != nil {
		return nil, err
	}
	out := &ListEventBusesOutput{EventBuses: []EventBus{}}
	for _, b := range s.allBuses(busOf(ctx, nil)) {
		if !strings.HasPrefix(b.Name, deref(in.NamePrefix)) || b.Name < from {
			continue
		}
		if len(out.EventBuses) == most {
			out.NextToken = tokenOf(b.Name)
			break
		}
		out.EventBuses = append(out.EventBuses, EventBus{
			Arn: b.name().arn(), Name: b.Name, Policy: b.Policy.text(), Description: b.Settings.Description,
			CreationTime: present(b.Created), LastModifiedTime: present(b.Modified),
		})
	}
	return out, nil
}

// allBuses returns the buses of an account and region, whose default bus is
// given, by name.
func (s *Service) allBuses(n busName) (all []*Bus) {
	prefix := strings.TrimSuffix(n.key(), n.bus)
	if b, err := s.bus(n); err == nil {
		all = append(all, b)
	}
	for _, b := range s.buses.All(prefix) {
		if b.Name != n.bus {
			all = append(all, b)
		}
	}
	slices.SortFunc(all, func(a, b *Bus) int { return strings.Compare(a.Name, b.Name) })
	return all
}

type UpdateEventBusInput struct {
	Name             *string
	Description      *string
	KmsKeyIdentifier *string
	DeadLetterConfig *DeadLetterConfig
	LogConfig        *LogConfig
}

type UpdateEventBusOutput struct {
	Arn              string
	Name             string
	Description      *string
	KmsKeyIdentifier *string
	DeadLetterConfig *DeadLetterConfig
	LogConfig        *LogConfig
}

// UpdateEventBus replaces the settings of a bus. What is not given stays.
func (s *Service) UpdateEventBus(ctx context.Context, in *UpdateEventBusInput) (*UpdateEventBusOutput, error) {
	given := BusSettings{in.DeadLetterConfig, in.Description, in.KmsKeyIdentifier, in.LogConfig}
	if err := given.check(); err != nil {
		return nil, err
	}
	b, err := s.changeBus(busOf(ctx, in.Name), func(b *Bus) error {
		b.Modified = s.clock.Now()
		b.Settings = BusSettings{
			or(given.DeadLetterConfig, b.Settings.DeadLetterConfig), or(given.Description, b.Settings.Description),
			or(given.KmsKeyIdentifier, b.Settings.KmsKeyIdentifier), or(given.LogConfig, b.Settings.LogConfig),
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &UpdateEventBusOutput{b.name().arn(), b.Name, b.Settings.Description, b.Settings.KmsKeyIdentifier, b.Settings.DeadLetterConfig, b.Settings.LogConfig}, nil
}

// or returns the first that is not nil.
func or[T any](a, b *T) *T {
	if a != nil {
		return a
	}
	return b
}

type DeleteEventBusInput struct{ Name *string }

// DeleteEventBus deletes a bus that has no rules.
func (s *Service) DeleteEventBus(ctx context.Context, in *DeleteEventBusInput) (*wire.None, error) {
	n := busOf(ctx, in.Name)
	if n.bus == defaultBus {
		return nil, invalid("Cannot delete event bus default.")
	}
	return &wire.None{}, s.store.Catalog().Update(func(tx *store.Tx) error {
		if _, err := s.bus(n); err != nil {
			return err
		}
		for range s.rules.All(n.key() + "/") {
			return invalid("Event bus %s can't be deleted since it has rules.", n.bus)
		}
		s.buses.Delete(tx, n.key())
		return nil
	})
}
