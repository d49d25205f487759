package lambda

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"naru/internal/policy"
	"naru/internal/queue"
	"naru/internal/store"
	"naru/internal/wire"
)

// Function is a function as the catalog keeps it, under account, region and
// name. A record is never changed, only replaced.
type Function struct {
	Account  string
	Region   string
	Name     string
	Content  uint64 // of its asynchronous events
	Modified time.Time
	Revision string // another after each change

	Config
	Code     store.Sum // of the zip file
	CodeSize int64
	// Environment holds the variables as JSON, sealed.
	Environment []byte
	Tags        map[string]string
	// Policy says who may invoke the function; PolicyRevision is another after
	// each change of it.
	Policy         []json.RawMessage
	PolicyRevision string
}

// Config is the part of a function's configuration that is kept as it was
// given.
type Config struct {
	Runtime       string
	Handler       string
	Role          string
	Description   string
	Timeout       int32 // seconds
	MemorySize    int32 // MiB
	Storage       int32 // MiB of /tmp
	Architecture  string
	TracingMode   string
	KMSKeyArn     *string
	LoggingConfig *LoggingConfig
	VpcConfig     *VpcConfig
}

func (f *Function) name() name { return name{f.Account, f.Region, f.Name, ""} }

func (f *Function) ref() queue.Ref {
	return queue.Ref{Shard: queue.ShardOf(f.name().address()), Content: f.Content}
}

func (f *Function) caller() Caller { return Caller{f.Account, f.Region, f.Name, f.Role} }

// touch makes f a new revision.
func (f *Function) touch(now time.Time) {
	f.Modified, f.Revision = now, uuid.NewString()
}

// logGroup returns the group that the function logs to.
func (f *Function) logGroup() string {
	if f.LoggingConfig != nil && f.LoggingConfig.LogGroup != nil {
		return *f.LoggingConfig.LogGroup
	}
	return "/aws/lambda/" + f.Name
}

// policy returns the function's own policy, nil if it has none.
func (f *Function) policy() (*policy.Document, error) {
	if len(f.Policy) == 0 {
		return nil, nil
	}
	d, err := policy.Parse(f.policyText())
	if err != nil {
		return nil, fmt.Errorf("policy of %s: %w", f.name().arn(), err)
	}
	return d, nil
}

// environmentPlace names the sealed variables of a function.
func environmentPlace(n name) string { return "lambda-functions/" + n.key() + "/environment" }

func (s *Service) sealEnvironment(n name, variables map[string]string) ([]byte, error) {
	if variables == nil {
		return nil, nil
	}
	text, err := json.Marshal(variables)
	if err != nil {
		return nil, err
	}
	return s.store.Seal(text, environmentPlace(n)), nil
}

// variables returns a function's environment variables, nil if it was given
// none.
func (s *Service) variables(f *Function) (map[string]string, error) {
	if f.Environment == nil {
		return nil, nil
	}
	text, err := s.store.Unseal(f.Environment, environmentPlace(f.name()))
	if err != nil {
		return nil, fmt.Errorf("environment of %s: %w", f.name().arn(), err)
	}
	var variables map[string]string
	return variables, json.Unmarshal(text, &variables)
}

// function returns the function that is named. Versions and aliases are not
// there yet: any qualifier but $LATEST names nothing.
func (s *Service) function(n name) (*Function, error) {
	f, ok := s.functions.Get(n.key())
	if !ok || n.qualifier != "" && n.qualifier != latest {
		return nil, notFound(n)
	}
	return f, nil
}

const latest = "$LATEST"

// FunctionConfiguration is a function in replies.
type FunctionConfiguration struct {
	Architectures              []string
	CodeSha256                 string
	CodeSize                   int64
	Description                string
	Environment                *EnvironmentResponse
	EphemeralStorage           *EphemeralStorage
	FunctionArn                string
	FunctionName               string
	Handler                    *string
	KMSKeyArn                  *string
	LastModified               string
	LastUpdateStatus           *string
	LastUpdateStatusReason     *string
	LastUpdateStatusReasonCode *string
	LoggingConfig              *LoggingConfig
	MemorySize                 int32
	PackageType                string
	RevisionId                 string
	Role                       string
	Runtime                    *string
	RuntimeVersionConfig       *RuntimeVersionConfig
	SnapStart                  *SnapStartResponse
	State                      *string
	StateReason                *string
	StateReasonCode            *string
	Timeout                    int32
	TracingConfig              *TracingConfig
	Version                    string
	VpcConfig                  *VpcConfig
}

// The parts of a configuration, in requests and replies.
type (
	// Environment is given with a function.
	Environment struct{ Variables map[string]string }
	// EnvironmentResponse is told of a function.
	EnvironmentResponse struct {
		Error     *EnvironmentError
		Variables map[string]string
	}
	// EnvironmentError says why variables are not told.
	EnvironmentError struct{ ErrorCode, Message string }
	// EphemeralStorage is the size of /tmp, in MiB.
	EphemeralStorage struct{ Size int32 }
	// LoggingConfig says where and how a function logs.
	LoggingConfig struct {
		ApplicationLogLevel *string
		LogFormat           *string
		LogGroup            *string
		SystemLogLevel      *string
	}
	// RuntimeVersionConfig names the very runtime.
	RuntimeVersionConfig struct{ RuntimeVersionArn string }
	// SnapStart asks for snapshots.
	SnapStart struct{ ApplyOn string }
	// SnapStartResponse tells of them.
	SnapStartResponse struct{ ApplyOn, OptimizationStatus string }
	// TracingConfig says whether invocations are traced.
	TracingConfig struct{ Mode string }
	// VpcConfig names networks. Naru has none: it is kept and told again.
	VpcConfig struct {
		Ipv6AllowedForDualStack *bool
		SecurityGroupIds        []string
		SubnetIds               []string
	}
)

// lastModifiedForm is how Lambda writes times.
const lastModifiedForm = "2006-01-02T15:04:05.000-0700"

// states of a function, as replies tell them
var (
	stateActive     = "Active"
	statePending    = "Pending"
	updateDone      = "Successful"
	updateRunning   = "InProgress"
	reasonCreating  = "The function is being created."
	reasonCodeMaker = "Creating"
)

// configuration returns a function as replies tell it when it is ready.
func (s *Service) configuration(f *Function) (*FunctionConfiguration, error) {
	variables, err := s.variables(f)
	if err != nil {
		return nil, err
	}
	sum, err := hex.DecodeString(string(f.Code))
	if err != nil {
		return nil, fmt.Errorf("code of %s: %w", f.name().arn(), err)
	}
	c := &FunctionConfiguration{
		Architectures: []string{f.Architecture}, CodeSha256: base64.StdEncoding.EncodeToString(sum), CodeSize: f.CodeSize,
		Description: f.Description, EphemeralStorage: &EphemeralStorage{f.Storage},
		FunctionArn: f.name().arn(), FunctionName: f.Name, Handler: &f.Handler, KMSKeyArn: f.KMSKeyArn,
		LastModified: f.Modified.UTC().Format(lastModifiedForm), LoggingConfig: f.logging(), MemorySize: f.MemorySize,
		PackageType: "Zip", RevisionId: f.Revision, Role: f.Role, Runtime: &f.Runtime,
		RuntimeVersionConfig: &RuntimeVersionConfig{runtimeVersionARN(f.Region, f.Runtime)},
		SnapStart:            &SnapStartResponse{"None", "Off"}, TracingConfig: &TracingConfig{f.TracingMode},
		Timeout: f.Timeout, Version: latest, VpcConfig: f.VpcConfig,
		State: &stateActive, LastUpdateStatus: &updateDone,
	}
	if variables != nil {
		c.Environment = &EnvironmentResponse{Variables: variables}
	}
	return c, nil
}

// logging returns the function's logging configuration with its defaults.
func (f *Function) logging() *LoggingConfig {
	text, info, group := "Text", "INFO", f.logGroup()
	c := LoggingConfig{LogFormat: &text}
	if f.LoggingConfig != nil {
		c = *f.LoggingConfig
	}
	if c.LogFormat == nil {
		c.LogFormat = &text
	}
	if *c.LogFormat == "JSON" {
		if c.ApplicationLogLevel == nil {
			c.ApplicationLogLevel = &info
		}
		if c.SystemLogLevel == nil {
			c.SystemLogLevel = &info
		}
	}
	c.LogGroup = &group
	return &c
}

// pending makes c tell of a function that is being created.
func (c *FunctionConfiguration) pending() *FunctionConfiguration {
	c.State, c.StateReason, c.StateReasonCode = &statePending, &reasonCreating, &reasonCodeMaker
	c.LastUpdateStatus = nil
	return c
}

// updating makes c tell of a function that is being updated.
func (c *FunctionConfiguration) updating() *FunctionConfiguration {
	c.LastUpdateStatus, c.LastUpdateStatusReason, c.LastUpdateStatusReasonCode = &updateRunning, &reasonCreating, &reasonCodeMaker
	return c
}

// listed makes c tell what lists tell.
func (c *FunctionConfiguration) listed() FunctionConfiguration {
	c.State, c.LastUpdateStatus = nil, nil
	return *c
}

// checkRevision refuses a change that was meant for another revision.
func checkRevision(given *string, current string) error {
	if given != nil && *given != current {
		return wire.Errorf("PreconditionFailedException", "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to retrieve the latest Revision Id")
	}
	return nil
}
