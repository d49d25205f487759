package lambda

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"naru/internal/arn"
)

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
	DeadLetterConfig                               *DeadLetterConfig
	Layers                                         []string
}

const maxDescription = 256

func longDescription(text string) error {
	return violation(text, "description", fmt.Sprintf("Member must have length less than or equal to %d", maxDescription))
}

// architectures are those of functions and layers.
var architectures = []string{"x86_64", "arm64"}

const architecturesRule = "[Member must satisfy enum value set: [x86_64, arm64], Member must not be null]"

var (
	deadLetterForm = regexp.MustCompile(`^arn:(aws[a-zA-Z-]*)?:[a-z0-9-.]+:.*$`)
	roleForm       = regexp.MustCompile(`^arn:(aws[a-zA-Z-]*)?:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+$`)
	handlerForm    = regexp.MustCompile(`^[^\s]+$`)
)

// apply checks a change and makes it to v, which is not in the catalog yet.
func (s *Service) apply(v *Version, c configChange) error {
	for _, step := range []func(*Version, configChange) error{s.applyProgram, applySizes, applyRest, s.applyLayers, s.applyEnvironment} {
		if err := step(v, c); err != nil {
			return err
		}
	}
	return nil
}

// applyProgram sees to what runs, and as whom.
func (s *Service) applyProgram(v *Version, c configChange) error {
	if c.Role != nil {
		if err := checkRole(*c.Role); err != nil {
			return err
		}
		v.Role = *c.Role
	}
	if c.Runtime != nil {
		if err := s.checkRuntime(*c.Runtime); err != nil {
			return err
		}
		v.Runtime = *c.Runtime
	}
	if c.Handler != nil {
		switch {
		case len(*c.Handler) > 128:
			return violation(*c.Handler, "handler", "Member must have length less than or equal to 128")
		case !handlerForm.MatchString(*c.Handler):
			return violation(*c.Handler, "handler", `Member must satisfy regular expression pattern: [^\s]+`)
		}
		v.Handler = *c.Handler
	}
	if v.Runtime == "" || v.Handler == "" {
		return invalid("Runtime and Handler are mandatory parameters for functions created with deployment packages.")
	}
	return checkProgram(v)
}

func checkRole(role string) error {
	if !roleForm.MatchString(role) {
		return violation(role, "role", `Member must satisfy regular expression pattern: arn:(aws[a-zA-Z-]*)?:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+`)
	}
	return nil
}

// applySizes sees to the numbers, each within its bounds.
func applySizes(v *Version, c configChange) error {
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
		{"timeout", c.Timeout, 1, 900, &v.Timeout},
		{"memorySize", c.MemorySize, 128, 10240, &v.MemorySize},
		{"ephemeralStorage.size", storage, 512, 10240, &v.Storage},
	} {
		if err := outside(n.given, n.member, n.least, n.most); err != nil {
			return err
		}
		if n.given != nil {
			*n.to = *n.given
		}
	}
	return nil
}

func applyRest(v *Version, c configChange) error {
	if c.Description != nil {
		if len(*c.Description) > maxDescription {
			return longDescription(*c.Description)
		}
		v.Description = *c.Description
	}
	if len(c.Architectures) > 1 {
		return violation("["+strings.Join(c.Architectures, ", ")+"]", "architectures", "Member must have length less than or equal to 1")
	}
	if len(c.Architectures) == 1 {
		if !slices.Contains(architectures, c.Architectures[0]) {
			return violation("["+c.Architectures[0]+"]", "architectures", "Member must satisfy constraint: "+architecturesRule)
		}
		v.Architecture = c.Architectures[0]
	}
	if c.TracingConfig != nil {
		if err := enumerated(&c.TracingConfig.Mode, "tracingConfig.mode", "Active", "PassThrough"); err != nil {
			return err
		}
		v.TracingMode = c.TracingConfig.Mode
	}
	if c.LoggingConfig != nil {
		if err := enumerated(c.LoggingConfig.LogFormat, "loggingConfig.logFormat", "JSON", "Text"); err != nil {
			return err
		}
		v.LoggingConfig = c.LoggingConfig
	}
	if c.VpcConfig != nil {
		v.VpcConfig = c.VpcConfig
	}
	if c.KMSKeyArn != nil {
		v.KMSKeyArn = c.KMSKeyArn
	}
	return applyDeadLetter(v, c.DeadLetterConfig)
}

// applyDeadLetter sees to where events go that failed: to a queue.
func applyDeadLetter(v *Version, c *DeadLetterConfig) error {
	if c == nil {
		return nil
	}
	target := deref(c.TargetArn)
	if target != "" && !deadLetterForm.MatchString(target) {
		return violation(target, "deadLetterConfig.targetArn", `Member must satisfy regular expression pattern: (arn:(aws[a-zA-Z-]*)?:[a-z0-9-.]+:.*)|()`)
	}
	if a, err := arn.Parse(target); target != "" && (err != nil || a.Service != "sqs") {
		return notYet("dead-letter targets other than queues")
	}
	v.DeadLetter = target
	return nil
}

// applyLayers sees to the layers. An empty list is none.
func (s *Service) applyLayers(v *Version, c configChange) (err error) {
	if c.Layers == nil {
		return nil
	}
	if v.Layers, err = s.useLayers(v.Region, c.Layers); err != nil {
		return err
	}
	return v.checkSize()
}

// checkSize refuses code that is too large together with its layers.
func (v *Version) checkSize() error {
	size := v.Unzipped
	for _, l := range v.Layers {
		size += l.Unzipped
	}
	if len(v.Layers) > 0 && size > maxUnzipped {
		return invalid("Function code combined with layers exceeds the maximum allowed size of %d bytes. The actual size is %d bytes.", maxUnzipped, size)
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

func (s *Service) applyEnvironment(v *Version, c configChange) error {
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
	v.Variables, err = s.sealVariables(v.name(), variables)
	return err
}
