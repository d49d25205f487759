package lambda

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"

	"github.com/google/uuid"
)

// FunctionConfiguration is a function in replies.
type FunctionConfiguration struct {
	Architectures              []string
	CodeSha256                 string
	CodeSize                   int64
	DeadLetterConfig           *DeadLetterConfig
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
	Layers                     []UsedLayerDescription
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
	// DeadLetterConfig names where events go that failed.
	DeadLetterConfig struct{ TargetArn *string }
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
	// UsedLayerDescription is a layer that a function has.
	UsedLayerDescription struct {
		Arn      string
		CodeSize int64
	}
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

// timeForm is how Lambda writes times.
const timeForm = "2006-01-02T15:04:05.000-0700"

// states of a function, as replies tell them
var (
	stateActive     = "Active"
	statePending    = "Pending"
	updateDone      = "Successful"
	updateRunning   = "InProgress"
	reasonCreating  = "The function is being created."
	reasonCodeMaker = "Creating"
)

// configuration returns a version as replies tell it when it is ready.
func (s *Service) configuration(v *Version) (*FunctionConfiguration, error) {
	variables, err := s.variables(v)
	if err != nil {
		return nil, err
	}
	sum, err := v.codeSum()
	if err != nil {
		return nil, err
	}
	c := &FunctionConfiguration{
		Architectures: []string{v.Architecture}, CodeSha256: sum, CodeSize: v.CodeSize,
		Description: v.Description, EphemeralStorage: &EphemeralStorage{v.Storage},
		FunctionArn: v.name().arn(), FunctionName: v.Name, Handler: &v.Handler, KMSKeyArn: v.KMSKeyArn,
		LastModified: v.Modified.UTC().Format(timeForm), LoggingConfig: v.logging(), MemorySize: v.MemorySize,
		PackageType: "Zip", RevisionId: v.Revision, Role: v.Role, Runtime: &v.Runtime,
		RuntimeVersionConfig: &RuntimeVersionConfig{runtimeVersionARN(v.Region, v.Runtime)},
		SnapStart:            &SnapStartResponse{"None", "Off"}, TracingConfig: &TracingConfig{v.TracingMode},
		Timeout: v.Timeout, Version: v.number(), VpcConfig: v.VpcConfig,
		State: &stateActive, StateReason: s.warning(v), LastUpdateStatus: &updateDone,
	}
	if variables != nil {
		c.Environment = &EnvironmentResponse{Variables: variables}
	}
	for _, l := range v.Layers {
		c.Layers = append(c.Layers, UsedLayerDescription{l.ARN, l.CodeSize})
	}
	if v.DeadLetter != "" {
		c.DeadLetterConfig = &DeadLetterConfig{&v.DeadLetter}
	}
	return c, nil
}

// codeSum returns CodeSha256: the SHA-256 of the code in base64.
func (v *Version) codeSum() (string, error) {
	sum, err := hex.DecodeString(string(v.Code))
	if err != nil {
		return "", fmt.Errorf("code of %s: %w", v.qualified().arn(), err)
	}
	return base64.StdEncoding.EncodeToString(sum), nil
}

// logging returns the version's logging configuration with its defaults.
func (v *Version) logging() *LoggingConfig {
	text, info, group := "Text", "INFO", v.logGroup()
	c := LoggingConfig{LogFormat: &text}
	if v.LoggingConfig != nil {
		c = *v.LoggingConfig
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

// pending makes c tell of a function that is being created. Its revision is
// another than that of the function when it is ready, as on AWS.
func (c *FunctionConfiguration) pending() *FunctionConfiguration {
	c.State, c.StateReason, c.StateReasonCode = &statePending, &reasonCreating, &reasonCodeMaker
	c.LastUpdateStatus, c.RevisionId = nil, uuid.NewString()
	return c
}

// updating makes c tell of a function that is being updated, likewise.
func (c *FunctionConfiguration) updating() *FunctionConfiguration {
	c.LastUpdateStatus, c.LastUpdateStatusReason, c.LastUpdateStatusReasonCode = &updateRunning, &reasonCreating, &reasonCodeMaker
	c.RevisionId = uuid.NewString()
	return c
}

// at makes c tell of the function as it was asked for: by the ARN of a version
// or alias.
func (c *FunctionConfiguration) at(n name) *FunctionConfiguration {
	c.FunctionArn = n.arn()
	return c
}

// listed makes c tell what lists tell.
func (c *FunctionConfiguration) listed() FunctionConfiguration {
	c.State, c.LastUpdateStatus = nil, nil
	return *c
}
