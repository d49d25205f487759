package lambda

import (
	"context"

	"naru/internal/store"
	"naru/internal/wire"
)

// Concurrency is what a function reserves for itself, in replies.
type Concurrency struct{ ReservedConcurrentExecutions *int32 }

// wholeFunction returns the function that a reference means, which must not
// have a qualifier.
func (s *Service) wholeFunction(ctx context.Context, reference string) (name, error) {
	n, err := s.nameOf(ctx, reference, nil)
	if err == nil && n.qualifier != "" {
		err = invalid("This operation is permitted on Lambda functions only. Aliases and versions do not support this operation. Please specify either a function name or an unqualified function ARN.")
	}
	return n, err
}

type PutFunctionConcurrencyInput struct {
	FunctionName                 string `aws:",uri"`
	ReservedConcurrentExecutions *int32
}

// PutFunctionConcurrency reserves a part of the account's concurrency for a
// function, which then has that and no more.
func (s *Service) PutFunctionConcurrency(ctx context.Context, in *PutFunctionConcurrencyInput) (*Concurrency, error) {
	n, err := s.wholeFunction(ctx, in.FunctionName)
	if err != nil {
		return nil, err
	}
	if _, err := s.function(n); err != nil {
		return nil, notFound(n.at(latest))
	}
	if in.ReservedConcurrentExecutions == nil {
		return nil, violation(nil, "reservedConcurrentExecutions", mustNotBeNull)
	}
	reserved := *in.ReservedConcurrentExecutions
	if reserved < 0 {
		return nil, violation(reserved, "reservedConcurrentExecutions", "Member must have value greater than or equal to 0")
	}
	_, err = s.change(n, func(_ *store.Tx, f *Function) error {
		if provisioned := s.provisionedOf(n); reserved < provisioned {
			return bareInvalid(" ReservedConcurrentExecutions  %d should not be lower than function's total provisioned concurrency [%d].", reserved, provisioned)
		}
		f.Reserved = &reserved
		if s.unreserved(n, f) < s.unreservedMinimum() {
			return bareInvalid("Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [%d].", s.unreservedMinimum())
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	s.requota(n)
	return &Concurrency{&reserved}, nil
}

type GetFunctionConcurrencyInput struct {
	FunctionName string `aws:",uri"`
}

// GetFunctionConcurrency returns what a function has reserved.
func (s *Service) GetFunctionConcurrency(ctx context.Context, in *GetFunctionConcurrencyInput) (*Concurrency, error) {
	n, err := s.wholeFunction(ctx, in.FunctionName)
	if err != nil {
		return nil, err
	}
	f, err := s.function(n)
	if err != nil {
		return nil, err
	}
	return &Concurrency{f.Reserved}, nil
}

type DeleteFunctionConcurrencyInput struct {
	FunctionName string `aws:",uri"`
}

// DeleteFunctionConcurrency gives back what a function has reserved.
func (s *Service) DeleteFunctionConcurrency(ctx context.Context, in *DeleteFunctionConcurrencyInput) (*wire.None, error) {
	n, err := s.wholeFunction(ctx, in.FunctionName)
	if err != nil {
		return nil, err
	}
	_, err = s.change(n, func(_ *store.Tx, f *Function) error {
		f.Reserved = nil
		return nil
	})
	s.requota(n)
	return &wire.None{}, err
}

// minUnreserved is how much of an account's concurrency cannot be reserved.
const minUnreserved = 100

// unreservedMinimum is minUnreserved, or all that there is.
func (s *Service) unreservedMinimum() int32 {
	return int32(min(minUnreserved, s.options.Concurrency))
}

// unreserved returns what is left of an account's concurrency in a region for
// functions that have reserved nothing, if f were as given.
func (s *Service) unreserved(n name, f *Function) int32 {
	left := int32(s.options.Concurrency)
	for key, other := range s.functions.All(name{n.account, n.region, "", ""}.key()) {
		if f != nil && key == f.name().key() {
			other = f
		}
		if other.Reserved != nil {
			left -= *other.Reserved
		} else {
			left -= s.provisionedOf(other.name())
		}
	}
	return left
}

type GetAccountSettingsInput struct{}

type GetAccountSettingsOutput struct {
	AccountLimit *AccountLimit
	AccountUsage *AccountUsage
}

// AccountLimit is what an account may have in a region; sizes are in bytes.
type AccountLimit struct {
	CodeSizeUnzipped               int64
	CodeSizeZipped                 int64
	ConcurrentExecutions           int32
	TotalCodeSize                  int64
	UnreservedConcurrentExecutions *int32
}

// AccountUsage is what an account has in a region.
type AccountUsage struct {
	FunctionCount int64
	TotalCodeSize int64
}

// totalCodeSize is what AWS lets an account's code be, in bytes. Naru tells it
// and does not enforce it.
const totalCodeSize = 80_530_636_800

// GetAccountSettings returns the limits of the caller's account, and what it
// uses of them.
func (s *Service) GetAccountSettings(ctx context.Context, _ *GetAccountSettingsInput) (*GetAccountSettingsOutput, error) {
	c := wire.CallOf(ctx)
	n := name{c.Account(), c.Region, "", ""}
	unreserved := s.unreserved(n, nil)
	usage := AccountUsage{}
	for v := range s.versionsFrom(n.key(), n.key(), true) {
		usage.TotalCodeSize += v.CodeSize
		if v.Number == 0 {
			usage.FunctionCount++
		}
	}
	return &GetAccountSettingsOutput{
		AccountLimit: &AccountLimit{maxUnzipped, maxZip, int32(s.options.Concurrency), totalCodeSize, &unreserved},
		AccountUsage: &usage,
	}, nil
}
