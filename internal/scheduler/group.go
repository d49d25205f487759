package scheduler

import (
	"context"
	"strings"
	"time"

	"naru/internal/store"
	"naru/internal/wire"
)

// Group is a schedule group as the catalog keeps it, under account, region and
// name. The default group has a record once it has tags. A record is never
// changed, only replaced.
type Group struct {
	Account  string
	Region   string
	Name     string
	Token    *string           `json:",omitempty"` // of the request that made it
	Tags     map[string]string `json:",omitempty"`
	Created  time.Time
	Modified time.Time
}

func (g *Group) name() groupName { return groupName{g.Account, g.Region, g.Name} }

const active = "ACTIVE"

// group returns a group.
func (s *Service) group(n groupName) (*Group, error) {
	if g, ok := s.groups.Get(n.key()); ok {
		return g, nil
	}
	if n.group != defaultGroup {
		return nil, wire.Errorf("ResourceNotFoundException", "Schedule group %s does not exist.", n.group)
	}
	return &Group{Account: n.account, Region: n.region, Name: n.group}, nil
}

// CreateScheduleGroupInput and the like are the inputs and outputs of the
// operations of the same name.
type CreateScheduleGroupInput struct {
	Name        string `aws:",uri"`
	ClientToken *string
	Tags        []Tag
}

type CreateScheduleGroupOutput struct{ ScheduleGroupArn string }

// CreateScheduleGroup makes a group. A request that is repeated, by its token,
// has the reply of the first.
func (s *Service) CreateScheduleGroup(ctx context.Context, in *CreateScheduleGroupInput) (*CreateScheduleGroupOutput, error) {
	if err := checkName(in.Name, "name"); err != nil {
		return nil, err
	}
	tags, err := tagged(nil, in.Tags)
	if err != nil {
		return nil, err
	}
	n := groupOf(ctx, in.Name)
	err = s.store.Catalog().Update(func(tx *store.Tx) error {
		if old, err := s.group(n); err == nil {
			if repeats(in.ClientToken, old.Token) {
				return nil
			}
			return wire.Errorf("ConflictException", "Schedule group %s already exists.", in.Name)
		}
		now := s.clock.Now()
		return s.groups.Put(tx, n.key(), &Group{n.account, n.region, n.group, in.ClientToken, tags, now, now})
	})
	if err != nil {
		return nil, err
	}
	return &CreateScheduleGroupOutput{n.arn()}, nil
}

// repeats reports whether a request with a token is a repetition of one.
func repeats(token, of *string) bool { return token != nil && of != nil && *token == *of }

type GetScheduleGroupInput struct {
	Name string `aws:",uri"`
}

type GetScheduleGroupOutput struct {
	Arn                  string
	CreationDate         *time.Time
	LastModificationDate *time.Time
	Name                 string
	State                string
}

// GetScheduleGroup returns a group.
func (s *Service) GetScheduleGroup(ctx context.Context, in *GetScheduleGroupInput) (*GetScheduleGroupOutput, error) {
	g, err := s.group(groupOf(ctx, in.Name))
	if err != nil {
		return nil, err
	}
	return &GetScheduleGroupOutput{g.name().arn(), present(g.Created), present(g.Modified), g.Name, active}, nil
}

// present returns nil for a time that is zero.
func present(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

type DeleteScheduleGroupInput struct {
	Name        string  `aws:",uri"`
	ClientToken *string `aws:"clientToken,query"`
}

// DeleteScheduleGroup deletes a group and its schedules.
func (s *Service) DeleteScheduleGroup(ctx context.Context, in *DeleteScheduleGroupInput) (*wire.None, error) {
	n := groupOf(ctx, in.Name)
	if n.group == defaultGroup {
		return nil, invalid("The default schedule group cannot be deleted.")
	}
	var gone []name
	err := s.store.Catalog().Update(func(tx *store.Tx) error {
		if _, err := s.group(n); err != nil {
			return err
		}
		gone = nil
		for key, sc := range s.schedules.All(n.key() + "/") {
			s.schedules.Delete(tx, key)
			gone = append(gone, sc.name())
		}
		s.groups.Delete(tx, n.key())
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, n := range gone {
		if err := s.arm(n); err != nil {
			return nil, err
		}
	}
	return &wire.None{}, nil
}

type ListScheduleGroupsInput struct {
	NamePrefix *string `aws:",query"`
	MaxResults *int32  `aws:",query"`
	NextToken  *string `aws:",query"`
}

type ListScheduleGroupsOutput struct {
	ScheduleGroups []ScheduleGroupSummary
	NextToken      *string
}

// ScheduleGroupSummary is a group in lists.
type ScheduleGroupSummary struct {
	Arn                  string
	CreationDate         *time.Time
	LastModificationDate *time.Time
	Name                 string
	State                string
}

// ListScheduleGroups returns groups by name, the default one first.
func (s *Service) ListScheduleGroups(ctx context.Context, in *ListScheduleGroupsInput) (*ListScheduleGroupsOutput, error) {
	most, from, err := page(in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	n := groupOf(ctx, "")
	first, err := s.group(n)
	if err != nil {
		return nil, err
	}
	all := []*Group{first}
	for _, g := range s.groups.All(strings.TrimSuffix(n.key(), n.group)) {
		if g.Name != defaultGroup {
			all = append(all, g)
		}
	}
	out := &ListScheduleGroupsOutput{ScheduleGroups: []ScheduleGroupSummary{}}
	for _, g := range all {
		switch {
		case !strings.HasPrefix(g.Name, deref(in.NamePrefix)) || from != "" && (g.Name == defaultGroup || g.Name < from):
			continue
		case len(out.ScheduleGroups) == most:
			out.NextToken = tokenOf(g.Name)
			return out, nil
		}
		out.ScheduleGroups = append(out.ScheduleGroups, ScheduleGroupSummary{g.name().arn(), present(g.Created), present(g.Modified), g.Name, active})
	}
	return out, nil
}
