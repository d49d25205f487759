package lambda

import (
	"context"
	"encoding/json"
	"regexp"
	"strings"

	"naru/internal/store"
)

// FunctionCode is where a function's code is.
type FunctionCode struct {
	ZipFile             []byte
	ImageUri            *string
	S3Bucket            *string
	S3Key               *string
	S3ObjectVersion     *string
	S3ObjectStorageMode *string
	SourceKMSKeyArn     *string
}

// CreateFunctionInput and the like are the inputs and outputs of the operations
// of the same name. Members of type json.RawMessage are of features that Naru
// does not have: they are refused unless they are empty.
type CreateFunctionInput struct {
	FunctionName           *string
	Role                   *string
	Runtime                *string
	Handler                *string
	Code                   *FunctionCode
	Description            *string
	Timeout                *int32
	MemorySize             *int32
	Environment            *Environment
	EphemeralStorage       *EphemeralStorage
	Architectures          []string
	TracingConfig          *TracingConfig
	LoggingConfig          *LoggingConfig
	VpcConfig              *VpcConfig
	KMSKeyArn              *string
	Tags                   map[string]string
	PackageType            *string
	Publish                bool
	PublishTo              *string
	SnapStart              *SnapStart
	Layers                 []string
	DeadLetterConfig       *DeadLetterConfig
	CapacityProviderConfig json.RawMessage
	CodeSigningConfigArn   *string
	DurableConfig          json.RawMessage
	FileSystemConfigs      json.RawMessage
	ImageConfig            json.RawMessage
	TenancyConfig          json.RawMessage
}

// CreateFunction makes a function, and with Publish its version 1.
func (s *Service) CreateFunction(ctx context.Context, in *CreateFunctionInput) (*FunctionConfiguration, error) {
	n, err := s.newName(ctx, in)
	if err != nil {
		return nil, err
	}
	if err := in.unsupported(); err != nil {
		return nil, err
	}
	f := &Function{Version: Version{Account: n.account, Region: n.region, Name: n.function}, Tags: in.Tags, CodeSigning: deref(in.CodeSigningConfigArn)}
	f.Config = Config{Timeout: 3, MemorySize: 128, Storage: 512, Architecture: "x86_64", TracingMode: "PassThrough"}
	change := configChange{
		Role: in.Role, Runtime: in.Runtime, Handler: in.Handler, Description: in.Description, Timeout: in.Timeout, MemorySize: in.MemorySize,
		Environment: in.Environment, EphemeralStorage: in.EphemeralStorage, TracingConfig: in.TracingConfig, LoggingConfig: in.LoggingConfig,
		VpcConfig: in.VpcConfig, KMSKeyArn: in.KMSKeyArn, Architectures: in.Architectures, DeadLetterConfig: in.DeadLetterConfig,
		Layers: in.Layers,
	}
	if err := s.checkCodeSigning(in.CodeSigningConfigArn); err != nil {
		return nil, err
	}
	if err := s.apply(&f.Version, change); err != nil {
		return nil, err
	}
	if _, exists := s.functions.Get(n.key()); exists {
		return nil, alreadyThere(n)
	}
	if err := s.setCode(&f.Version, in.Code); err != nil {
		return nil, err
	}
	if err := f.checkSize(); err != nil {
		return nil, err
	}
	if _, err := s.options.Assume(f.Role, f.Name); err != nil {
		return nil, errRole()
	}
	if err := s.checkDeadLetter(ctx, &f.Version); err != nil {
		return nil, err
	}
	v, err := s.create(f, in.Publish)
	if err != nil {
		return nil, err
	}
	s.startAsync(n)
	c, err := s.configuration(v)
	if err != nil {
		return nil, err
	}
	return c.pending(), nil
}

func errRole() error {
	return invalid("The role defined for the function cannot be assumed by Lambda.")
}

func alreadyThere(n name) error {
	return conflict("Function already exist: %s", n.function)
}

// create makes f, and returns the version that there is to be told of: its
// first, if it is published.
func (s *Service) create(f *Function, publish bool) (v *Version, err error) {
	n := f.name()
	return v, s.store.Catalog().Update(func(tx *store.Tx) (err error) {
		if _, exists := s.functions.Get(n.key()); exists {
			return alreadyThere(n)
		}
		if f.Content, err = tx.NextID(); err != nil {
			return err
		}
		f.rebuild(s.clock.Now())
		v = &f.Version
		if publish {
			if v, err = s.publish(tx, f, nil); err != nil {
				return err
			}
		}
		s.engine.Attach(f.ref(), asyncConfig)
		return s.functions.Put(tx, n.key(), f)
	})
}

const createPattern = `(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?([a-zA-Z0-9-_]+)(:(\$LATEST|[a-zA-Z0-9-_]+))?`

var createForm = regexp.MustCompile("^" + createPattern + "$")

// newName returns the name of a function that is to be made.
func (s *Service) newName(ctx context.Context, in *CreateFunctionInput) (name, error) {
	switch {
	case in.FunctionName == nil:
		return name{}, violation(nil, "functionName", mustNotBeNull)
	case !createForm.MatchString(*in.FunctionName):
		return name{}, violation(*in.FunctionName, "functionName", "Member must satisfy regular expression pattern: "+createPattern)
	}
	n, err := s.nameOf(ctx, *in.FunctionName, nil)
	switch {
	case err != nil:
		return n, err
	case len(n.function) > maxName:
		return n, invalid("1 validation error detected: Value '%s' at 'functionName' failed to satisfy constraint: Member must have length less than or equal to %d", n.function, maxName)
	case n.qualifier != "":
		return n, invalid("1 validation error detected: Value '%s' at 'functionName' failed to satisfy constraint: it must not have a qualifier", *in.FunctionName)
	case in.Code == nil:
		return n, violation(nil, "code", mustNotBeNull)
	case in.Role == nil:
		return n, violation(nil, "role", mustNotBeNull)
	}
	return n, nil
}

// maxTags is how many tags a resource has at the most.
const maxTags = 50

// unsupported refuses what Naru would have to ignore.
func (in *CreateFunctionInput) unsupported() error {
	switch {
	case in.PackageType != nil && *in.PackageType != "Zip":
		return notYet("functions from container images")
	case in.PublishTo != nil:
		return notYet("managed instances")
	case len(in.Tags) > maxTags:
		return tooManyTags()
	}
	if in.SnapStart != nil {
		if err := enumerated(&in.SnapStart.ApplyOn, "snapStart.applyOn", "PublishedVersions", "None"); err != nil {
			return err
		}
		if in.SnapStart.ApplyOn != "None" {
			return notYet("SnapStart")
		}
	}
	for what, member := range map[string]json.RawMessage{
		"managed instances": in.CapacityProviderConfig, "durable functions": in.DurableConfig, "file systems of functions": in.FileSystemConfigs,
		"functions from container images": in.ImageConfig, "tenant isolation": in.TenancyConfig,
	} {
		if given(member) {
			return notYet(what)
		}
	}
	return nil
}

func tooManyTags() error { return invalid("Number of tags exceeds resource tag limit.") }

// given reports whether a member says something.
func given(member json.RawMessage) bool {
	text := strings.Join(strings.Fields(string(member)), "")
	return text != "" && text != "null" && text != "{}" && text != "[]"
}
