package lambda

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"

	"github.com/google/uuid"

	"naru/internal/store"
	"naru/internal/wire"
)

// Alias is an alias of a function, under account, region, function and name.
type Alias struct {
	Name        string
	Version     string // "$LATEST" or a number
	Description string
	Revision    string
	Weights     map[string]float64 // of other versions: the parts of invocations that they get
}

func aliasKey(n name) string { return n.key() + "/" + n.qualifier }

// pick returns the version that gets an invocation, by a number in [0, 1).
func (a *Alias) pick(chance float64) string {
	for version, weight := range a.Weights {
		if chance < weight {
			return version
		}
		chance -= weight
	}
	return a.Version
}

// AliasConfiguration is an alias in replies.
type AliasConfiguration struct {
	AliasArn        string
	Description     string
	FunctionVersion string
	Name            string
	RevisionId      string
	RoutingConfig   *AliasRoutingConfiguration
}

// AliasRoutingConfiguration gives other versions a part of the invocations.
type AliasRoutingConfiguration struct {
	AdditionalVersionWeights map[string]float64
}

func (a *Alias) configuration(n name) *AliasConfiguration {
	c := &AliasConfiguration{
		AliasArn: n.at(a.Name).arn(), Description: a.Description, FunctionVersion: a.Version, Name: a.Name, RevisionId: a.Revision,
	}
	if len(a.Weights) > 0 {
		c.RoutingConfig = &AliasRoutingConfiguration{a.Weights}
	}
	return c
}

var (
	aliasForm  = regexp.MustCompile(`^[a-zA-Z0-9-_]+$`)
	numberForm = regexp.MustCompile(`^[0-9]+$`)
)

const maxQualifier = 128

// checkAliasName refuses a name that no alias can have.
func checkAliasName(alias string) error {
	switch {
	case len(alias) > maxQualifier:
		return violation(alias, "name", fmt.Sprintf("Member must have length less than or equal to %d", maxQualifier))
	case !aliasForm.MatchString(alias) || numberForm.MatchString(alias):
		return violation(alias, "name", "Member must satisfy regular expression pattern: (?!^[0-9]+$)([a-zA-Z0-9-_]+)")
	}
	return nil
}

// noAlias is said of an alias that is not there.
func noAlias(n name) error { return missing("Cannot find alias arn: %s", n.arn()) }

type CreateAliasInput struct {
	FunctionName    string `aws:",uri"`
	FunctionVersion *string
	Name            *string
	Description     *string
	RoutingConfig   *AliasRoutingConfiguration
}

// CreateAlias makes an alias.
func (s *Service) CreateAlias(ctx context.Context, in *CreateAliasInput) (*AliasConfiguration, error) {
	n, err := s.nameOf(ctx, in.FunctionName, nil)
	if err != nil {
		return nil, err
	}
	n = n.at(deref(in.Name))
	if err := checkAliasName(n.qualifier); err != nil {
		return nil, err
	}
	if in.FunctionVersion == nil {
		return nil, violation(nil, "functionVersion", mustNotBeNull)
	}
	a := &Alias{Name: n.qualifier, Version: *in.FunctionVersion, Description: deref(in.Description), Revision: uuid.NewString()}
	if in.RoutingConfig != nil {
		a.Weights = in.RoutingConfig.AdditionalVersionWeights
	}
	err = s.store.Catalog().Update(func(tx *store.Tx) error {
		if err := s.checkAlias(n, a); err != nil {
			return err
		}
		if _, exists := s.aliases.Get(aliasKey(n)); exists {
			return conflict("Alias already exists: %s", n.arn())
		}
		return s.aliases.Put(tx, aliasKey(n), a)
	})
	if err != nil {
		return nil, err
	}
	return a.configuration(n), nil
}

// checkAlias refuses an alias that leads nowhere.
func (s *Service) checkAlias(n name, a *Alias) error {
	if len(a.Description) > maxDescription {
		return longDescription(a.Description)
	}
	if len(a.Weights) > 1 {
		return invalid("Number of items in AdditionalVersionWeights cannot be greater than 1")
	}
	for version, weight := range a.Weights {
		given := fmt.Sprintf("{%s=%s}", version, floatText(weight))
		if !numberForm.MatchString(version) {
			return violation(given, "routingConfig.additionalVersionWeights", "Map keys must satisfy constraint: [Member must have length less than or equal to 1024, Member must have length greater than or equal to 1, Member must satisfy regular expression pattern: [0-9]+]")
		}
		if !(weight >= 0 && weight <= 1) {
			return violation(given, "routingConfig.additionalVersionWeights", "Map value must satisfy constraint: [Member must have value less than or equal to 1.0, Member must have value greater than or equal to 0.0, Member must not be null]")
		}
		if version == a.Version {
			return invalid("Invalid function version %s. Function version %s is already included in routing configuration.", version, version)
		}
	}
	if !qualifierForm.MatchString(a.Version) {
		return violation(a.Version, "functionVersion", `Member must satisfy regular expression pattern: (\$LATEST(\.PUBLISHED)?|[0-9]+)`)
	}
	if _, isNumber := n.at(a.Version).versionNumber(); !isNumber && a.Version != latest {
		return violation(a.Version, "functionVersion", `Member must satisfy regular expression pattern: (\$LATEST(\.PUBLISHED)?|[0-9]+)`)
	}
	for _, version := range append([]string{a.Version}, slices.Sorted(maps.Keys(a.Weights))...) {
		if _, err := s.version(n.at(version)); err != nil {
			return notFound(n.at(version))
		}
	}
	if a.Version == latest && len(a.Weights) > 0 {
		return bareInvalid("$LATEST is not supported for an alias pointing to more than 1 version")
	}
	return nil
}

// floatText is a number as Java writes it.
func floatText(f float64) string {
	if f == float64(int64(f)) {
		return fmt.Sprintf("%.1f", f)
	}
	return fmt.Sprint(f)
}

type GetAliasInput struct {
	FunctionName string `aws:",uri"`
	Name         string `aws:",uri"`
}

// aliasOf returns the alias that is named, and its name.
func (s *Service) aliasOf(ctx context.Context, reference, alias string) (name, error) {
	n, err := s.nameOf(ctx, reference, nil)
	if err != nil {
		return n, err
	}
	n = n.at(alias)
	if err := checkAliasName(alias); err != nil {
		return n, err
	}
	_, err = s.function(n.unqualified())
	return n, err
}

// GetAlias returns an alias.
func (s *Service) GetAlias(ctx context.Context, in *GetAliasInput) (*AliasConfiguration, error) {
	n, err := s.aliasOf(ctx, in.FunctionName, in.Name)
	if err != nil {
		return nil, err
	}
	a, ok := s.aliases.Get(aliasKey(n))
	if !ok {
		return nil, noAlias(n)
	}
	return a.configuration(n), nil
}

type ListAliasesInput struct {
	FunctionName    string  `aws:",uri"`
	FunctionVersion *string `aws:",query"`
	Marker          *string `aws:",query"`
	MaxItems        *int32  `aws:",query"`
}

type ListAliasesOutput struct {
	Aliases    []AliasConfiguration
	NextMarker *string
}

// ListAliases returns the aliases of a function, or of a version of it, by name.
func (s *Service) ListAliases(ctx context.Context, in *ListAliasesInput) (*ListAliasesOutput, error) {
	n, err := s.nameOf(ctx, in.FunctionName, nil)
	if err != nil {
		return nil, err
	}
	if _, err := s.function(n); err != nil {
		return nil, err
	}
	all := []AliasConfiguration{}
	for _, a := range s.aliases.All(n.key() + "/") {
		if _, weighted := a.Weights[deref(in.FunctionVersion)]; weighted || in.FunctionVersion == nil || *in.FunctionVersion == a.Version {
			all = append(all, *a.configuration(n))
		}
	}
	part, next, err := paged(all, in.Marker, in.MaxItems, 10000)
	return &ListAliasesOutput{part, next}, err
}

type UpdateAliasInput struct {
	FunctionName    string `aws:",uri"`
	Name            string `aws:",uri"`
	Description     *string
	FunctionVersion *string
	RevisionId      *string
	RoutingConfig   *AliasRoutingConfiguration
}

// UpdateAlias changes what is given of an alias.
func (s *Service) UpdateAlias(ctx context.Context, in *UpdateAliasInput) (*AliasConfiguration, error) {
	n, err := s.aliasOf(ctx, in.FunctionName, in.Name)
	if err != nil {
		return nil, err
	}
	var a Alias
	err = s.store.Catalog().Update(func(tx *store.Tx) error {
		old, ok := s.aliases.Get(aliasKey(n))
		if !ok {
			return missing("Alias not found: %s", n.arn())
		}
		a = *old
		if err := checkRevision(in.RevisionId, a.Revision); err != nil {
			return err
		}
		if in.Description != nil {
			a.Description = *in.Description
		}
		if in.FunctionVersion != nil {
			a.Version = *in.FunctionVersion
		}
		if in.RoutingConfig != nil {
			a.Weights = in.RoutingConfig.AdditionalVersionWeights
		}
		a.Revision = uuid.NewString()
		if err := s.checkAlias(n, &a); err != nil {
			return err
		}
		return s.aliases.Put(tx, aliasKey(n), &a)
	})
	if err != nil {
		return nil, err
	}
	s.provision(n.unqualified())
	return a.configuration(n), nil
}

type DeleteAliasInput struct {
	FunctionName string `aws:",uri"`
	Name         string `aws:",uri"`
}

// DeleteAlias deletes an alias. One that is not there is deleted already.
func (s *Service) DeleteAlias(ctx context.Context, in *DeleteAliasInput) (*wire.None, error) {
	n, err := s.aliasOf(ctx, in.FunctionName, in.Name)
	if err != nil {
		return nil, err
	}
	err = s.store.Catalog().Update(func(tx *store.Tx) error {
		s.aliases.Delete(tx, aliasKey(n))
		s.forget(tx, n)
		return nil
	})
	if err != nil {
		return nil, err
	}
	s.requota(n)
	s.provision(n.unqualified())
	return &wire.None{}, nil
}
