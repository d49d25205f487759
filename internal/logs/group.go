package logs

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strings"

	"naru/internal/arn"
	"naru/internal/store"
	"naru/internal/wire"
)

// Group is a log group as the catalog keeps it, under account, region and name.
type Group struct {
	Account string
	Region  string
	Name    string
	ID      uint64 // of its streams and events
	Created int64  // milliseconds since the epoch
	Class   string
	Tags    map[string]string
}

func (g *Group) name() groupName { return groupName{g.Account, g.Region, g.Name} }

const (
	kindStream   = 'n'
	kindEvent    = 'e'
	kindByStream = 's'
)

func groupKey(id uint64, kind byte) []byte {
	return append(binary.BigEndian.AppendUint64([]byte{'g'}, id), kind)
}

// groupEnd is the first key after those of a kind.
func groupEnd(id uint64, kind byte) []byte { return groupKey(id, kind+1) }

// CreateLogGroupInput and the like are the inputs and outputs of the operations
// of the same name.
type CreateLogGroupInput struct {
	LogGroupName              *string
	KmsKeyId                  *string
	LogGroupClass             *string
	DeletionProtectionEnabled *bool
	Tags                      map[string]string
}

// CreateLogGroup makes a log group.
func (s *Service) CreateLogGroup(ctx context.Context, in *CreateLogGroupInput) (*wire.None, error) {
	c := wire.CallOf(ctx)
	n := groupName{c.Account(), c.Region, deref(in.LogGroupName)}
	if err := checkGroup(n.group); err != nil {
		return nil, err
	}
	if deref(in.DeletionProtectionEnabled) {
		return nil, invalid("Naru does not have deletion protection.")
	}
	created, err := s.ensureGroup(n, deref(in.LogGroupClass), in.Tags)
	if err == nil && !created {
		err = wire.Errorf("ResourceAlreadyExistsException", "The specified log group already exists")
	}
	return &wire.None{}, err
}

func checkGroup(name string) error {
	switch {
	case name == "":
		return violation(name, "logGroupName", "Member must have length greater than or equal to 1")
	case len(name) > 512:
		return invalid("Invalid LogGroup or LogStream, both must have length less than or equal to 512.")
	case !groupForm.MatchString(name):
		return violation(name, "logGroupName", `Member must satisfy regular expression pattern: [\.\-_/#A-Za-z0-9]+`)
	}
	return nil
}

// ensureGroup makes the group if it is not there, and reports whether it did.
func (s *Service) ensureGroup(n groupName, class string, tags map[string]string) (created bool, err error) {
	if class == "" {
		class = "STANDARD"
	}
	err = s.store.Catalog().Update(func(tx *store.Tx) error {
		if _, ok := s.groups.Get(n.key()); ok {
			return nil
		}
		created = true
		id, err := tx.NextID()
		if err != nil {
			return err
		}
		return s.groups.Put(tx, n.key(), &Group{n.account, n.region, n.group, id, s.clock.Millis(), class, tags})
	})
	return created, err
}

// group returns the group that is named, or whose ARN is given in place.
func (s *Service) group(ctx context.Context, name *string) (*Group, error) {
	c := wire.CallOf(ctx)
	if g, ok := s.groups.Get(groupName{c.Account(), c.Region, deref(name)}.key()); ok {
		return g, nil
	}
	return nil, errNoGroup()
}

// nameOrARN returns the name of a group that is given as a name or identified
// by a name or an ARN.
func nameOrARN(name, identifier *string) *string {
	if identifier == nil {
		return name
	}
	if a, err := arn.Parse(*identifier); err == nil {
		group := strings.TrimSuffix(strings.TrimPrefix(a.Resource, "log-group:"), ":*")
		return &group
	}
	return identifier
}

type DeleteLogGroupInput struct{ LogGroupName *string }

// DeleteLogGroup deletes a group with its streams and events.
func (s *Service) DeleteLogGroup(ctx context.Context, in *DeleteLogGroupInput) (*wire.None, error) {
	c := wire.CallOf(ctx)
	n := groupName{c.Account(), c.Region, deref(in.LogGroupName)}
	var id uint64
	err := s.store.Catalog().Update(func(tx *store.Tx) error {
		g, ok := s.groups.Get(n.key())
		if !ok {
			return errNoGroup()
		}
		id = g.ID
		s.groups.Delete(tx, n.key())
		return s.garbage.Put(tx, fmt.Sprint(id), id)
	})
	if err != nil {
		return nil, err
	}
	return &wire.None{}, s.drop(id)
}

// drop removes what a deleted group held.
func (s *Service) drop(id uint64) error {
	s.mu.Lock()
	for key := range s.streams {
		if key.group == id {
			delete(s.streams, key)
		}
	}
	s.last = s.bulk.Append(store.DeleteRange(groupKey(id, 0), groupKey(id, 0xff)))
	last := s.last
	s.mu.Unlock()
	if err := last.Wait(); err != nil {
		return err
	}
	return s.store.Catalog().Update(func(tx *store.Tx) error {
		s.garbage.Delete(tx, fmt.Sprint(id))
		return nil
	})
}

type DescribeLogGroupsInput struct {
	LogGroupNamePrefix    *string
	LogGroupNamePattern   *string
	LogGroupClass         *string
	LogGroupIdentifiers   []string
	AccountIdentifiers    []string
	IncludeLinkedAccounts *bool
	Limit                 *int32
	NextToken             *string
}

type DescribeLogGroupsOutput struct {
	LogGroups []LogGroup
	NextToken *string
}

// LogGroup is a group in replies.
type LogGroup struct {
	Arn                       string
	CreationTime              int64
	LogGroupArn               string
	LogGroupClass             string
	LogGroupName              string
	MetricFilterCount         int32
	RetentionInDays           *int32
	StoredBytes               int64
	DeletionProtectionEnabled bool
}

func (g *Group) shape() LogGroup {
	return LogGroup{
		Arn: g.name().arn() + ":*", LogGroupArn: g.name().arn(), LogGroupName: g.Name,
		CreationTime: g.Created, LogGroupClass: g.Class,
	}
}

// DescribeLogGroups returns the groups whose names begin with a prefix, or
// hold a pattern as a part, in the order of their names.
func (s *Service) DescribeLogGroups(ctx context.Context, in *DescribeLogGroupsInput) (*DescribeLogGroupsOutput, error) {
	if in.LogGroupNamePrefix != nil && in.LogGroupNamePattern != nil {
		return nil, invalid("LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.")
	}
	most, err := limit(in.Limit, 50, 50)
	if err != nil {
		return nil, err
	}
	from, err := decodeToken(in.NextToken)
	if err != nil {
		return nil, err
	}
	c := wire.CallOf(ctx)
	all := groupName{c.Account(), c.Region, ""}.key()
	out := &DescribeLogGroupsOutput{LogGroups: []LogGroup{}}
	for _, g := range s.groups.From(all+deref(in.LogGroupNamePrefix), all+from) {
		if !strings.Contains(g.Name, deref(in.LogGroupNamePattern)) || in.LogGroupClass != nil && g.Class != *in.LogGroupClass {
			continue
		}
		if len(out.LogGroups) == most {
			token := encodeToken(g.Name)
			out.NextToken = &token
			break
		}
		out.LogGroups = append(out.LogGroups, g.shape())
	}
	return out, nil
}

// A page token is the key with which the next page begins.

func encodeToken(key string) string { return base64.RawURLEncoding.EncodeToString([]byte(key)) }

func decodeToken(token *string) (string, error) {
	if token == nil {
		return "", nil
	}
	key, err := base64.RawURLEncoding.DecodeString(*token)
	if err != nil {
		return "", invalid("The specified nextToken is invalid.")
	}
	return string(key), nil
}
