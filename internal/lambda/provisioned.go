package lambda

import (
	"context"
	"time"

	"naru/internal/store"
	"naru/internal/wire"
)

// Provisioned is how many environments of a version or alias are kept ready,
// under the key of what belongs to that.
type Provisioned struct {
	Qualifier string
	Requested int32
	Modified  time.Time
}

// provisionedOf returns how many environments of a function are kept ready.
func (s *Service) provisionedOf(n name) (total int32) {
	for _, p := range s.provisioned.All(n.key() + "/") {
		total += p.Requested
	}
	return total
}

// ProvisionedConcurrency tells of environments that are kept ready.
type ProvisionedConcurrency struct {
	AllocatedProvisionedConcurrentExecutions int32
	AvailableProvisionedConcurrentExecutions int32
	LastModified                             string
	RequestedProvisionedConcurrentExecutions int32
	Status                                   string
	StatusReason                             *string
}

// The states of provisioned concurrency.
const (
	provisionedStarting = "IN_PROGRESS"
	provisionedReady    = "READY"
	provisionedFailed   = "FAILED"
)

// provisionable returns the version or alias that provisioned concurrency is
// of.
func (s *Service) provisionable(ctx context.Context, reference string, qualifier *string, refusal string) (name, error) {
	if qualifier == nil {
		return name{}, violation(nil, "qualifier", mustNotBeNull)
	}
	n, err := s.nameOf(ctx, reference, qualifier)
	if err != nil {
		return n, err
	}
	if n.qualifier == latest {
		return n, invalid("%s", refusal)
	}
	return n, s.exists(n)
}

// exists says what is missing if nothing is at a qualified name.
func (s *Service) exists(n name) error {
	if n.isAlias() {
		if _, ok := s.aliases.Get(aliasKey(n)); !ok {
			return noAlias(n)
		}
		return nil
	}
	_, err := s.version(n)
	return err
}

const notProvisionable = "The function resource provided must be an alias or a published version."

type PutProvisionedConcurrencyConfigInput struct {
	FunctionName                    string  `aws:",uri"`
	Qualifier                       *string `aws:",query"`
	ProvisionedConcurrentExecutions *int32
}

// PutProvisionedConcurrencyConfig has environments of a version or alias kept
// ready. It returns before they are.
func (s *Service) PutProvisionedConcurrencyConfig(ctx context.Context, in *PutProvisionedConcurrencyConfigInput) (*ProvisionedConcurrency, error) {
	requested := deref(in.ProvisionedConcurrentExecutions)
	switch {
	case in.ProvisionedConcurrentExecutions == nil:
		return nil, violation(nil, "provisionedConcurrentExecutions", mustNotBeNull)
	case requested < 1:
		return nil, violation(requested, "provisionedConcurrentExecutions", "Member must have value greater than or equal to 1")
	}
	n, err := s.provisionable(ctx, in.FunctionName, in.Qualifier, "Provisioned Concurrency Configs cannot be applied to unpublished function versions.")
	if err != nil {
		return nil, err
	}
	p := &Provisioned{Qualifier: n.qualifier, Requested: requested, Modified: s.clock.Now()}
	err = s.store.Catalog().Update(func(tx *store.Tx) error {
		if err := s.exists(n); err != nil {
			return err
		}
		if err := s.checkProvisioned(n, requested); err != nil {
			return err
		}
		return s.provisioned.Put(tx, n.belonging(), p)
	})
	if err != nil {
		return nil, err
	}
	s.requota(n)
	s.provision(n.unqualified())
	return &ProvisionedConcurrency{
		RequestedProvisionedConcurrentExecutions: requested, LastModified: p.Modified.Format(timeForm), Status: provisionedStarting,
	}, nil
}

// checkProvisioned refuses what there is no room for, and two configurations of
// one version.
func (s *Service) checkProvisioned(n name, requested int32) error {
	if a, ok := s.aliases.Get(aliasKey(n)); ok {
		if _, taken := s.provisioned.Get(n.at(a.Version).belonging()); taken {
			return conflict("Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version")
		}
	} else {
		for _, a := range s.aliases.All(n.key() + "/") {
			if _, taken := s.provisioned.Get(n.at(a.Name).belonging()); taken && a.Version == n.qualifier {
				return conflict("Version is pointed by a Provisioned Concurrency alias")
			}
		}
	}
	f, err := s.function(n.unqualified())
	if err != nil {
		return err
	}
	others := s.provisionedOf(n)
	if old, ok := s.provisioned.Get(n.belonging()); ok {
		others -= old.Requested
	}
	if f.Reserved != nil {
		if others+requested > *f.Reserved {
			return invalid("Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function")
		}
		return nil
	}
	unreserved := s.unreserved(n, nil) + s.provisionedOf(n) - others // without what is replaced
	switch {
	case requested > unreserved:
		return bareInvalid("Specified ConcurrentExecutions for function is greater than account's unreserved concurrency [%d].", unreserved)
	case unreserved-requested < s.unreservedMinimum():
		return bareInvalid("Specified ConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [%d].", s.unreservedMinimum())
	}
	return nil
}

type GetProvisionedConcurrencyConfigInput struct {
	FunctionName string  `aws:",uri"`
	Qualifier    *string `aws:",query"`
}

// GetProvisionedConcurrencyConfig tells how many environments are kept ready,
// and whether they are.
func (s *Service) GetProvisionedConcurrencyConfig(ctx context.Context, in *GetProvisionedConcurrencyConfigInput) (*ProvisionedConcurrency, error) {
	n, err := s.provisionable(ctx, in.FunctionName, in.Qualifier, notProvisionable)
	if err != nil {
		return nil, err
	}
	p, ok := s.provisioned.Get(n.belonging())
	if !ok {
		return nil, wire.Errorf("ProvisionedConcurrencyConfigNotFoundException", "No Provisioned Concurrency Config found for this function")
	}
	return s.provisionedState(n, p), nil
}

type ListProvisionedConcurrencyConfigsInput struct {
	FunctionName string  `aws:",uri"`
	Marker       *string `aws:",query"`
	MaxItems     *int32  `aws:",query"`
}

type ListProvisionedConcurrencyConfigsOutput struct {
	NextMarker                    *string
	ProvisionedConcurrencyConfigs []ProvisionedConcurrencyItem
}

// ProvisionedConcurrencyItem is ProvisionedConcurrency of a version or alias.
type ProvisionedConcurrencyItem struct {
	AllocatedProvisionedConcurrentExecutions int32
	AvailableProvisionedConcurrentExecutions int32
	FunctionArn                              string
	LastModified                             string
	RequestedProvisionedConcurrentExecutions int32
	Status                                   string
	StatusReason                             *string
}

// ListProvisionedConcurrencyConfigs tells of all of a function.
func (s *Service) ListProvisionedConcurrencyConfigs(ctx context.Context, in *ListProvisionedConcurrencyConfigsInput) (*ListProvisionedConcurrencyConfigsOutput, error) {
	n, err := s.nameOf(ctx, in.FunctionName, nil)
	if err != nil {
		return nil, err
	}
	if _, err := s.function(n); err != nil {
		return nil, err
	}
	all := []ProvisionedConcurrencyItem{}
	for _, p := range s.provisioned.All(n.key() + "/") {
		at := n.at(p.Qualifier)
		c := s.provisionedState(at, p)
		all = append(all, ProvisionedConcurrencyItem{
			c.AllocatedProvisionedConcurrentExecutions, c.AvailableProvisionedConcurrentExecutions, at.arn(), c.LastModified,
			c.RequestedProvisionedConcurrentExecutions, c.Status, c.StatusReason,
		})
	}
	part, next, err := paged(all, in.Marker, in.MaxItems, 50)
	return &ListProvisionedConcurrencyConfigsOutput{next, part}, err
}

type DeleteProvisionedConcurrencyConfigInput struct {
	FunctionName string  `aws:",uri"`
	Qualifier    *string `aws:",query"`
}

// DeleteProvisionedConcurrencyConfig keeps no more environments ready.
func (s *Service) DeleteProvisionedConcurrencyConfig(ctx context.Context, in *DeleteProvisionedConcurrencyConfigInput) (*wire.None, error) {
	n, err := s.provisionable(ctx, in.FunctionName, in.Qualifier, notProvisionable)
	if err != nil {
		return nil, err
	}
	err = s.store.Catalog().Update(func(tx *store.Tx) error {
		s.provisioned.Delete(tx, n.belonging())
		return nil
	})
	if err != nil {
		return nil, err
	}
	s.requota(n)
	s.provision(n.unqualified())
	return &wire.None{}, nil
}
