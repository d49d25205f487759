package lambda

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"naru/internal/queue"
	"naru/internal/store"
	"naru/internal/wire"
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

// DeadLetterConfig names where events go that failed.
type DeadLetterConfig struct{ TargetArn *string }

// CreateFunction makes a function.
func (s *Service) CreateFunction(ctx context.Context, in *CreateFunctionInput) (*FunctionConfiguration, error) {
	n, err := s.newName(ctx, in)
	if err != nil {
		return nil, err
	}
	if err := in.unsupported(); err != nil {
		return nil, err
	}
	f := &Function{Account: n.account, Region: n.region, Name: n.function, Tags: in.Tags}
	f.Config = Config{Timeout: 3, MemorySize: 128, Storage: 512, Architecture: "x86_64", TracingMode: "PassThrough"}
	change := configChange{
		Role: in.Role, Runtime: in.Runtime, Handler: in.Handler, Description: in.Description, Timeout: in.Timeout, MemorySize: in.MemorySize,
		Environment: in.Environment, EphemeralStorage: in.EphemeralStorage, TracingConfig: in.TracingConfig, LoggingConfig: in.LoggingConfig,
		VpcConfig: in.VpcConfig, KMSKeyArn: in.KMSKeyArn, Architectures: in.Architectures,
	}
	if err := s.apply(f, change); err != nil {
		return nil, err
	}
	if _, exists := s.functions.Get(n.key()); exists {
		return nil, alreadyThere(n)
	}
	if f.Code, f.CodeSize, err = s.storeCode(in.Code); err != nil {
		return nil, err
	}
	if _, err := s.options.Assume(f.Role, f.Name); err != nil {
		return nil, invalid("The role defined for the function cannot be assumed by Lambda.")
	}
	if err := s.create(f); err != nil {
		return nil, err
	}
	s.startAsync(n)
	c, err := s.configuration(f)
	if err != nil {
		return nil, err
	}
	return c.pending(), nil
}

func alreadyThere(n name) error {
	return wire.Errorf("ResourceConflictException", "Function already exist: %s", n.function)
}

func (s *Service) create(f *Function) error {
	n := f.name()
	return s.store.Catalog().Update(func(tx *store.Tx) (err error) {
		if _, exists := s.functions.Get(n.key()); exists {
			return alreadyThere(n)
		}
		if f.Content, err = tx.NextID(); err != nil {
			return err
		}
		f.touch(s.clock.Now())
		s.engine.Attach(f.ref(), asyncConfig)
		return s.functions.Put(tx, n.key(), f)
	})
}

// newName returns the name of a function that is to be made.
func (s *Service) newName(ctx context.Context, in *CreateFunctionInput) (name, error) {
	if in.FunctionName == nil {
		return name{}, violation("null", "functionName", "Member must not be null")
	}
	n, err := s.nameOf(ctx, *in.FunctionName, nil)
	if err != nil {
		return n, err
	}
	if len(n.function) > maxName || !functionForm.MatchString(n.function) {
		return n, invalid("1 validation error detected: Value '%s' at 'functionName' failed to satisfy constraint: Member must have length less than or equal to %d", *in.FunctionName, maxName)
	}
	if n.qualifier != "" {
		return n, invalid("1 validation error detected: Value '%s' at 'functionName' failed to satisfy constraint: it must not have a qualifier", *in.FunctionName)
	}
	if in.Code == nil {
		return n, violation("null", "code", "Member must not be null")
	}
	if in.Role == nil {
		return n, violation("null", "role", "Member must not be null")
	}
	return n, nil
}

// unsupported refuses what Naru would have to ignore.
func (in *CreateFunctionInput) unsupported() error {
	switch {
	case in.PackageType != nil && *in.PackageType != "Zip":
		return notYet("functions from container images")
	case in.Publish || in.PublishTo != nil:
		return notYet("versions of functions")
	case len(in.Layers) > 0:
		return notYet("layers")
	case in.DeadLetterConfig != nil && deref(in.DeadLetterConfig.TargetArn) != "":
		return notYet("dead-letter queues of functions")
	case in.CodeSigningConfigArn != nil:
		return notYet("code signing")
	case in.SnapStart != nil && in.SnapStart.ApplyOn != "None":
		return notYet("SnapStart")
	case len(in.Tags) > 50:
		return invalid("Number of tags exceeds function tag limit of 50.")
	}
	for what, member := range map[string]json.RawMessage{
		"capacity providers": in.CapacityProviderConfig, "durable functions": in.DurableConfig, "file systems of functions": in.FileSystemConfigs,
		"functions from container images": in.ImageConfig, "tenant isolation": in.TenancyConfig,
	} {
		if given(member) {
			return notYet(what)
		}
	}
	return nil
}

// given reports whether a member says something.
func given(member json.RawMessage) bool {
	text := strings.Join(strings.Fields(string(member)), "")
	return text != "" && text != "null" && text != "{}" && text != "[]"
}

// configChange is a change of a function's configuration: what is nil stays.
type configChange struct {
	Role, Runtime, Handler, Description, KMSKeyArn *string
	Timeout, MemorySize                            *int32
	Environment                                    *Environment
	EphemeralStorage                               *EphemeralStorage
	TracingConfig                                  *TracingConfig
	LoggingConfig                                  *LoggingConfig
	VpcConfig                                      *VpcConfig
	Architectures                                  []string
}

var (
	roleForm    = regexp.MustCompile(`^arn:(aws[a-zA-Z-]*)?:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+$`)
	handlerForm = regexp.MustCompile(`^[^\s]+$`)
)

// apply checks a change and makes it to f, which is not in the catalog yet.
func (s *Service) apply(f *Function, c configChange) error {
	for _, step := range []func(*Function, configChange) error{s.applyProgram, applySizes, applyRest, s.applyEnvironment} {
		if err := step(f, c); err != nil {
			return err
		}
	}
	return nil
}

// applyProgram sees to what runs, and as whom.
func (s *Service) applyProgram(f *Function, c configChange) error {
	if c.Role != nil {
		if !roleForm.MatchString(*c.Role) {
			return violation(*c.Role, "role", `Member must satisfy regular expression pattern: arn:(aws[a-zA-Z-]*)?:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+`)
		}
		f.Role = *c.Role
	}
	if c.Runtime != nil {
		if err := s.checkRuntime(*c.Runtime); err != nil {
			return err
		}
		f.Runtime = *c.Runtime
	}
	if c.Handler != nil {
		switch {
		case len(*c.Handler) > 128:
			return violation(*c.Handler, "handler", "Member must have length less than or equal to 128")
		case !handlerForm.MatchString(*c.Handler):
			return violation(*c.Handler, "handler", `Member must satisfy regular expression pattern: [^\s]+`)
		}
		f.Handler = *c.Handler
	}
	if f.Runtime == "" || f.Handler == "" {
		return invalid("Runtime and Handler are mandatory parameters for functions created with deployment packages.")
	}
	return nil
}

// applySizes sees to the numbers, each within its bounds.
func applySizes(f *Function, c configChange) error {
	storage := (*int32)(nil)
	if c.EphemeralStorage != nil {
		storage = &c.EphemeralStorage.Size
	}
	for _, n := range []struct {
		member      string
		given       *int32
		least, most int32
		to          *int32
	}{
		{"timeout", c.Timeout, 1, 900, &f.Timeout},
		{"memorySize", c.MemorySize, 128, 10240, &f.MemorySize},
		{"ephemeralStorage.size", storage, 512, 10240, &f.Storage},
	} {
		switch {
		case n.given == nil:
		case *n.given < n.least:
			return violation(*n.given, n.member, fmt.Sprintf("Member must have value greater than or equal to %d", n.least))
		case *n.given > n.most:
			return violation(*n.given, n.member, fmt.Sprintf("Member must have value less than or equal to %d", n.most))
		default:
			*n.to = *n.given
		}
	}
	return nil
}

func applyRest(f *Function, c configChange) error {
	if c.Description != nil {
		if len(*c.Description) > 256 {
			return violation(*c.Description, "description", "Member must have length less than or equal to 256")
		}
		f.Description = *c.Description
	}
	if len(c.Architectures) > 0 {
		if len(c.Architectures) > 1 || !slices.Contains([]string{"x86_64", "arm64"}, c.Architectures[0]) {
			return violation("["+strings.Join(c.Architectures, ", ")+"]", "architectures", "Member must satisfy constraint: [Member must satisfy enum value set: [x86_64, arm64], Member must not be null]")
		}
		f.Architecture = c.Architectures[0]
	}
	if c.TracingConfig != nil {
		if !slices.Contains([]string{"Active", "PassThrough"}, c.TracingConfig.Mode) {
			return violation(c.TracingConfig.Mode, "tracingConfig.mode", "Member must satisfy enum value set: [Active, PassThrough]")
		}
		f.TracingMode = c.TracingConfig.Mode
	}
	if c.LoggingConfig != nil {
		if format := c.LoggingConfig.LogFormat; format != nil && !slices.Contains([]string{"JSON", "Text"}, *format) {
			return violation(*format, "loggingConfig.logFormat", "Member must satisfy enum value set: [JSON, Text]")
		}
		f.LoggingConfig = c.LoggingConfig
	}
	if c.VpcConfig != nil {
		f.VpcConfig = c.VpcConfig
	}
	if c.KMSKeyArn != nil {
		f.KMSKeyArn = c.KMSKeyArn
	}
	return nil
}

// reserved are the environment variables that Lambda sets itself.
var reserved = []string{
	"_HANDLER", "_X_AMZN_TRACE_ID", "AWS_DEFAULT_REGION", "AWS_REGION", "AWS_EXECUTION_ENV", "AWS_LAMBDA_FUNCTION_NAME",
	"AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_FUNCTION_VERSION", "AWS_LAMBDA_INITIALIZATION_TYPE", "AWS_LAMBDA_LOG_GROUP_NAME",
	"AWS_LAMBDA_LOG_STREAM_NAME", "AWS_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN",
	"AWS_LAMBDA_RUNTIME_API", "LAMBDA_TASK_ROOT", "LAMBDA_RUNTIME_DIR",
}

var variableForm = regexp.MustCompile(`^[a-zA-Z]\w+$`)

const maxEnvironment = 4096

func (s *Service) applyEnvironment(f *Function, c configChange) error {
	if c.Environment == nil {
		return nil
	}
	variables := c.Environment.Variables
	if variables == nil {
		variables = map[string]string{}
	}
	var bad []string
	for key := range variables {
		if slices.Contains(reserved, key) {
			bad = append(bad, key)
		}
		if !variableForm.MatchString(key) {
			return violation(key, "environment.variables", "Map keys must satisfy constraint: [Member must satisfy regular expression pattern: [a-zA-Z]([a-zA-Z0-9_])+]")
		}
	}
	if len(bad) > 0 {
		slices.Sort(bad)
		return invalid("Lambda was unable to configure your environment variables because the environment variables you have provided contains reserved keys that are currently not supported for modification. Reserved keys used in this request: %s", strings.Join(bad, ", "))
	}
	text, err := json.Marshal(variables)
	if err != nil {
		return err
	}
	if len(text) > maxEnvironment {
		return invalid("Lambda was unable to configure your environment variables because the environment variables you have provided exceeded the 4KB limit. String measured: %s", text)
	}
	f.Environment, err = s.sealEnvironment(f.name(), variables)
	return err
}

type DeleteFunctionInput struct {
	FunctionName string  `aws:",uri"`
	Qualifier    *string `aws:",query"`
}

// DeleteFunction deletes a function, with the events that wait for it.
func (s *Service) DeleteFunction(ctx context.Context, in *DeleteFunctionInput) (*wire.None, error) {
	n, err := s.nameOf(ctx, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	if n.qualifier == latest {
		return nil, invalid("$LATEST version cannot be deleted without deleting the function.")
	}
	if n.qualifier != "" {
		return nil, notYet("versions of functions")
	}
	var ref queue.Ref
	err = s.store.Catalog().Update(func(tx *store.Tx) error {
		f, ok := s.functions.Get(n.key())
		if !ok {
			return notFound(n)
		}
		ref = f.ref()
		s.functions.Delete(tx, n.key())
		return s.engine.Discard(tx, ref)
	})
	if err != nil {
		return nil, err
	}
	s.dismiss(n)
	return &wire.None{}, s.engine.Drop(ref)
}

// change replaces a function by what change makes of a copy, as a new revision.
func (s *Service) change(n name, change func(*Function) error) (*Function, error) {
	var f Function
	err := s.store.Catalog().Update(func(tx *store.Tx) error {
		old, err := s.function(n)
		if err != nil {
			return err
		}
		f = *old
		if err := change(&f); err != nil {
			return err
		}
		return s.functions.Put(tx, n.key(), &f)
	})
	if err != nil {
		return nil, err
	}
	return &f, nil
}

type UpdateFunctionCodeInput struct {
	FunctionName        string `aws:",uri"`
	ZipFile             []byte
	ImageUri            *string
	S3Bucket            *string
	S3Key               *string
	S3ObjectVersion     *string
	S3ObjectStorageMode *string
	SourceKMSKeyArn     *string
	Architectures       []string
	DryRun              bool
	Publish             bool
	PublishTo           *string
	RevisionId          *string
}

// UpdateFunctionCode gives a function other code.
func (s *Service) UpdateFunctionCode(ctx context.Context, in *UpdateFunctionCodeInput) (*FunctionConfiguration, error) {
	n, err := s.nameOf(ctx, in.FunctionName, nil)
	if err != nil {
		return nil, err
	}
	if _, err := s.function(n); err != nil {
		return nil, err
	}
	if in.Publish || in.PublishTo != nil {
		return nil, notYet("versions of functions")
	}
	sum, size, err := s.storeCode(&FunctionCode{ZipFile: in.ZipFile, ImageUri: in.ImageUri, S3Bucket: in.S3Bucket, S3Key: in.S3Key})
	if err != nil {
		return nil, err
	}
	dryRun := errors.New("dry run")
	var updated *Function
	f, err := s.change(n, func(f *Function) error {
		if err := checkRevision(in.RevisionId, f.Revision); err != nil {
			return err
		}
		f.Code, f.CodeSize = sum, size
		f.touch(s.clock.Now())
		updated = f
		if err := applyRest(f, configChange{Architectures: in.Architectures}); err != nil || !in.DryRun {
			return err
		}
		return dryRun
	})
	if errors.Is(err, dryRun) {
		return s.configuration(updated)
	}
	return s.updated(f, err)
}

// updated tells of a function that was changed.
func (s *Service) updated(f *Function, err error) (*FunctionConfiguration, error) {
	if err != nil {
		return nil, err
	}
	s.renew(f)
	c, err := s.configuration(f)
	if err != nil {
		return nil, err
	}
	return c.updating(), nil
}

type UpdateFunctionConfigurationInput struct {
	FunctionName           string `aws:",uri"`
	Role                   *string
	Runtime                *string
	Handler                *string
	Description            *string
	Timeout                *int32
	MemorySize             *int32
	Environment            *Environment
	EphemeralStorage       *EphemeralStorage
	TracingConfig          *TracingConfig
	LoggingConfig          *LoggingConfig
	VpcConfig              *VpcConfig
	KMSKeyArn              *string
	RevisionId             *string
	SnapStart              *SnapStart
	Layers                 []string
	DeadLetterConfig       *DeadLetterConfig
	CapacityProviderConfig json.RawMessage
	DurableConfig          json.RawMessage
	FileSystemConfigs      json.RawMessage
	ImageConfig            json.RawMessage
}

// UpdateFunctionConfiguration changes what is given of a configuration.
func (s *Service) UpdateFunctionConfiguration(ctx context.Context, in *UpdateFunctionConfigurationInput) (*FunctionConfiguration, error) {
	n, err := s.nameOf(ctx, in.FunctionName, nil)
	if err != nil {
		return nil, err
	}
	like := CreateFunctionInput{
		SnapStart: in.SnapStart, Layers: in.Layers, DeadLetterConfig: in.DeadLetterConfig, CapacityProviderConfig: in.CapacityProviderConfig,
		DurableConfig: in.DurableConfig, FileSystemConfigs: in.FileSystemConfigs, ImageConfig: in.ImageConfig,
	}
	if err := like.unsupported(); err != nil {
		return nil, err
	}
	if in.Role != nil {
		if _, err := s.options.Assume(*in.Role, n.function); err != nil {
			return nil, invalid("The role defined for the function cannot be assumed by Lambda.")
		}
	}
	return s.updated(s.change(n, func(f *Function) error {
		if err := checkRevision(in.RevisionId, f.Revision); err != nil {
			return err
		}
		f.touch(s.clock.Now())
		return s.apply(f, configChange{
			Role: in.Role, Runtime: in.Runtime, Handler: in.Handler, Description: in.Description, Timeout: in.Timeout, MemorySize: in.MemorySize,
			Environment: in.Environment, EphemeralStorage: in.EphemeralStorage, TracingConfig: in.TracingConfig, LoggingConfig: in.LoggingConfig,
			VpcConfig: in.VpcConfig, KMSKeyArn: in.KMSKeyArn,
		})
	}))
}
