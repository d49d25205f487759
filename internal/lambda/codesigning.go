package lambda

import (
	"context"
	"crypto/rand"
	"fmt"
	"regexp"
	"strings"
	"time"

	"naru/internal/policy"
	"naru/internal/store"
	"naru/internal/wire"
)

// CodeSigning is a code signing configuration, under account, region and id.
// Naru keeps it, and checks no signatures.
type CodeSigning struct {
	Account, Region, ID string
	Publishers          []string
	Policy              string // "Warn" or "Enforce"
	Description         string
	Modified            time.Time
	Tags                map[string]string
}

func (c *CodeSigning) key() string { return c.Account + "/" + c.Region + "/" + c.ID }

func (c *CodeSigning) arn() string {
	return "arn:aws:lambda:" + c.Region + ":" + c.Account + ":code-signing-config:" + c.ID
}

// CodeSigningConfig is a code signing configuration in replies.
type CodeSigningConfig struct {
	AllowedPublishers    *AllowedPublishers
	CodeSigningConfigArn string
	CodeSigningConfigId  string
	CodeSigningPolicies  *CodeSigningPolicies
	Description          string
	LastModified         string
}

type (
	// AllowedPublishers are whose signatures are good: ARNs of profiles.
	AllowedPublishers struct{ SigningProfileVersionArns []string }
	// CodeSigningPolicies says what becomes of other code.
	CodeSigningPolicies struct{ UntrustedArtifactOnDeployment *string }
	// CodeSigningConfigOutput tells of one configuration.
	CodeSigningConfigOutput struct{ CodeSigningConfig *CodeSigningConfig }
)

func (c *CodeSigning) told() *CodeSigningConfig {
	return &CodeSigningConfig{
		AllowedPublishers: &AllowedPublishers{c.Publishers}, CodeSigningConfigArn: c.arn(), CodeSigningConfigId: c.ID,
		CodeSigningPolicies: &CodeSigningPolicies{&c.Policy}, Description: c.Description, LastModified: c.Modified.Format(timeForm),
	}
}

const codeSigningPattern = `arn:(aws[a-zA-Z-]*)?:lambda:(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:\d{12}:code-signing-config:csc-[a-z0-9]{17}`

var codeSigningForm = regexp.MustCompile("^" + codeSigningPattern + "$")

// codeSigningKey returns the key of what an ARN names; ok is false if that
// cannot be a configuration.
func codeSigningKey(arn string) (key string, ok bool) {
	if !codeSigningForm.MatchString(arn) {
		return "", false
	}
	parts := strings.Split(arn, ":")
	return parts[4] + "/" + parts[3] + "/" + parts[6], true
}

// codeSigning returns the configuration that an ARN names.
func (s *Service) codeSigning(arn string) (*CodeSigning, error) {
	if key, ok := codeSigningKey(arn); ok {
		if c, ok := s.codeSignings.Get(key); ok {
			return c, nil
		}
	}
	e := wire.Errorf("ResourceNotFoundException", "The Lambda code signing configuration %s can not be found.", arn)
	e.Bare = true
	return nil, e
}

type CreateCodeSigningConfigInput struct {
	AllowedPublishers   *AllowedPublishers
	CodeSigningPolicies *CodeSigningPolicies
	Description         *string
	Tags                map[string]string
}

// CreateCodeSigningConfig makes a code signing configuration.
func (s *Service) CreateCodeSigningConfig(ctx context.Context, in *CreateCodeSigningConfigInput) (*CodeSigningConfigOutput, error) {
	if in.AllowedPublishers == nil {
		return nil, violation(nil, "allowedPublishers", mustNotBeNull)
	}
	if len(in.Tags) > maxTags {
		return nil, tooManyTags()
	}
	caller := wire.CallOf(ctx)
	c := &CodeSigning{Account: caller.Account(), Region: caller.Region, ID: newCodeSigningID(), Policy: "Warn", Tags: in.Tags}
	if err := c.apply(in.AllowedPublishers, in.CodeSigningPolicies, in.Description, s.clock.Now()); err != nil {
		return nil, err
	}
	err := s.store.Catalog().Update(func(tx *store.Tx) error { return s.codeSignings.Put(tx, c.key(), c) })
	if err != nil {
		return nil, err
	}
	return &CodeSigningConfigOutput{c.told()}, nil
}

func newCodeSigningID() string { return "csc-" + strings.ToLower(rand.Text())[:17] }

// apply checks what is given and makes it c's.
func (c *CodeSigning) apply(publishers *AllowedPublishers, policies *CodeSigningPolicies, description *string, now time.Time) error {
	if publishers != nil {
		if n := len(publishers.SigningProfileVersionArns); n < 1 || n > 20 {
			return violation(fmt.Sprintf("[%s]", strings.Join(publishers.SigningProfileVersionArns, ", ")), "allowedPublishers.signingProfileVersionArns", "Member must have length between 1 and 20, inclusive")
		}
		c.Publishers = publishers.SigningProfileVersionArns
	}
	if policies != nil && policies.UntrustedArtifactOnDeployment != nil {
		if err := enumerated(policies.UntrustedArtifactOnDeployment, "codeSigningPolicies.untrustedArtifactOnDeployment", "Warn", "Enforce"); err != nil {
			return err
		}
		c.Policy = *policies.UntrustedArtifactOnDeployment
	}
	if description != nil {
		if len(*description) > maxDescription {
			return longDescription(*description)
		}
		c.Description = *description
	}
	c.Modified = now
	return nil
}

type GetCodeSigningConfigInput struct {
	CodeSigningConfigArn string `aws:",uri"`
}

// GetCodeSigningConfig returns a code signing configuration.
func (s *Service) GetCodeSigningConfig(_ context.Context, in *GetCodeSigningConfigInput) (*CodeSigningConfigOutput, error) {
	c, err := s.codeSigning(in.CodeSigningConfigArn)
	if err != nil {
		return nil, err
	}
	return &CodeSigningConfigOutput{c.told()}, nil
}

type UpdateCodeSigningConfigInput struct {
	CodeSigningConfigArn string `aws:",uri"`
	AllowedPublishers    *AllowedPublishers
	CodeSigningPolicies  *CodeSigningPolicies
	Description          *string
}

// UpdateCodeSigningConfig changes what is given of a configuration.
func (s *Service) UpdateCodeSigningConfig(_ context.Context, in *UpdateCodeSigningConfigInput) (*CodeSigningConfigOutput, error) {
	var c CodeSigning
	err := s.store.Catalog().Update(func(tx *store.Tx) error {
		old, err := s.codeSigning(in.CodeSigningConfigArn)
		if err != nil {
			return err
		}
		c = *old
		if err := c.apply(in.AllowedPublishers, in.CodeSigningPolicies, in.Description, s.clock.Now()); err != nil {
			return err
		}
		return s.codeSignings.Put(tx, c.key(), &c)
	})
	if err != nil {
		return nil, err
	}
	return &CodeSigningConfigOutput{c.told()}, nil
}

type DeleteCodeSigningConfigInput struct {
	CodeSigningConfigArn string `aws:",uri"`
}

// DeleteCodeSigningConfig deletes a configuration that no function has.
func (s *Service) DeleteCodeSigningConfig(_ context.Context, in *DeleteCodeSigningConfigInput) (*wire.None, error) {
	return &wire.None{}, s.store.Catalog().Update(func(tx *store.Tx) error {
		c, err := s.codeSigning(in.CodeSigningConfigArn)
		if err != nil {
			return err
		}
		if len(s.signedBy(c)) > 0 {
			return conflict("The code signing configuration %s is used by functions.", c.arn())
		}
		s.codeSignings.Delete(tx, c.key())
		return nil
	})
}

// signedBy returns the ARNs of the functions that have a configuration.
func (s *Service) signedBy(c *CodeSigning) []string {
	arns := []string{}
	for _, f := range s.functions.All(name{c.Account, c.Region, "", ""}.key()) {
		if f.CodeSigning == c.arn() {
			arns = append(arns, f.name().arn())
		}
	}
	return arns
}

type ListCodeSigningConfigsInput struct {
	Marker   *string `aws:",query"`
	MaxItems *int32  `aws:",query"`
}

type ListCodeSigningConfigsOutput struct {
	CodeSigningConfigs []CodeSigningConfig
	NextMarker         *string
}

// ListCodeSigningConfigs returns the caller's configurations.
func (s *Service) ListCodeSigningConfigs(ctx context.Context, in *ListCodeSigningConfigsInput) (*ListCodeSigningConfigsOutput, error) {
	c := wire.CallOf(ctx)
	all := []CodeSigningConfig{}
	for _, c := range s.codeSignings.All(c.Account() + "/" + c.Region + "/") {
		all = append(all, *c.told())
	}
	part, next, err := paged(all, in.Marker, in.MaxItems, 10000)
	return &ListCodeSigningConfigsOutput{part, next}, err
}

type ListFunctionsByCodeSigningConfigInput struct {
	CodeSigningConfigArn string  `aws:",uri"`
	Marker               *string `aws:",query"`
	MaxItems             *int32  `aws:",query"`
}

type ListFunctionsByCodeSigningConfigOutput struct {
	FunctionArns []string
	NextMarker   *string
}

// ListFunctionsByCodeSigningConfig returns the functions that have a
// configuration.
func (s *Service) ListFunctionsByCodeSigningConfig(_ context.Context, in *ListFunctionsByCodeSigningConfigInput) (*ListFunctionsByCodeSigningConfigOutput, error) {
	c, err := s.codeSigning(in.CodeSigningConfigArn)
	if err != nil {
		return nil, err
	}
	part, next, err := paged(s.signedBy(c), in.Marker, in.MaxItems, 10000)
	return &ListFunctionsByCodeSigningConfigOutput{part, next}, err
}

// FunctionCodeSigning says which configuration a function has.
type FunctionCodeSigning struct {
	CodeSigningConfigArn *string
	FunctionName         string
}

type PutFunctionCodeSigningConfigInput struct {
	FunctionName         string `aws:",uri"`
	CodeSigningConfigArn *string
}

// PutFunctionCodeSigningConfig gives a function a configuration.
func (s *Service) PutFunctionCodeSigningConfig(ctx context.Context, in *PutFunctionCodeSigningConfigInput) (*FunctionCodeSigning, error) {
	n, err := s.nameOf(ctx, in.FunctionName, nil)
	if err != nil {
		return nil, err
	}
	if in.CodeSigningConfigArn == nil {
		return nil, violation(nil, "codeSigningConfigArn", mustNotBeNull)
	}
	if err := s.checkCodeSigning(in.CodeSigningConfigArn); err != nil {
		return nil, err
	}
	_, err = s.change(n, func(_ *store.Tx, f *Function) error {
		f.CodeSigning = *in.CodeSigningConfigArn
		return s.checkCodeSigning(in.CodeSigningConfigArn)
	})
	if err != nil {
		return nil, err
	}
	return &FunctionCodeSigning{in.CodeSigningConfigArn, n.function}, nil
}

// checkCodeSigning refuses a function's configuration that is not there.
func (s *Service) checkCodeSigning(arn *string) error {
	if arn == nil {
		return nil
	}
	if _, err := s.codeSigning(*arn); err != nil {
		return wire.Errorf("CodeSigningConfigNotFoundException", "The code signing configuration cannot be found. Check that the provided configuration is not deleted: %s.", *arn)
	}
	return nil
}

type GetFunctionCodeSigningConfigInput struct {
	FunctionName string `aws:",uri"`
}

// GetFunctionCodeSigningConfig returns the configuration that a function has.
func (s *Service) GetFunctionCodeSigningConfig(ctx context.Context, in *GetFunctionCodeSigningConfigInput) (*FunctionCodeSigning, error) {
	n, err := s.nameOf(ctx, in.FunctionName, nil)
	if err != nil {
		return nil, err
	}
	f, err := s.function(n)
	if err != nil {
		return nil, err
	}
	out := &FunctionCodeSigning{FunctionName: f.Name}
	if f.CodeSigning != "" {
		out.CodeSigningConfigArn = &f.CodeSigning
	}
	return out, nil
}

type DeleteFunctionCodeSigningConfigInput struct {
	FunctionName string `aws:",uri"`
}

// DeleteFunctionCodeSigningConfig takes the configuration from a function.
func (s *Service) DeleteFunctionCodeSigningConfig(ctx context.Context, in *DeleteFunctionCodeSigningConfigInput) (*wire.None, error) {
	n, err := s.nameOf(ctx, in.FunctionName, nil)
	if err != nil {
		return nil, err
	}
	_, err = s.change(n, func(_ *store.Tx, f *Function) error {
		f.CodeSigning = ""
		return nil
	})
	return &wire.None{}, err
}

func (s *Service) taggedCodeSigning(arn string) (*tagged, error) {
	c, err := s.codeSigning(arn)
	if err != nil {
		return nil, err
	}
	return &tagged{
		tags: func() map[string]string { return c.Tags },
		set: func(tx *store.Tx, tags map[string]string) error {
			changed := *c
			changed.Tags = tags
			return s.codeSignings.Put(tx, c.key(), &changed)
		},
	}, nil
}

// onARN returns what an operation on a resource that is named by its ARN needs.
func onARN[In any](action string, of func(*In) string) needs[In] {
	return func(_ context.Context, in *In) ([]policy.Request, error) {
		request := policy.Request{Action: "lambda:" + action, Resource: of(in)}
		if parts := strings.Split(of(in), ":"); len(parts) > 5 {
			request.Account = parts[4]
		}
		return []policy.Request{request}, nil
	}
}
