package lambda

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"naru/internal/runtimeapi"
)

// spec says what the instance's environment runs: the runtime's bootstrap, in
// the folder of the function's code, with the variables that AWS sets.
func (s *Service) spec(i *instance) (Spec, error) {
	f := i.function
	folder, err := s.code.folder(f.Code)
	if err != nil {
		return Spec{}, err
	}
	variables, err := s.environment(i, folder)
	if err != nil {
		return Spec{}, err
	}
	command, err := runtimeapi.NodeCommand(s.options.Node, filepath.Join(s.options.CodeDir, "bootstrap"), int(f.MemorySize))
	if err != nil {
		return Spec{}, err
	}
	spec := Spec{Command: command, Dir: folder, Memory: int64(f.MemorySize) << 20, Output: i.book.output}
	for _, key := range slices.Sorted(maps.Keys(variables)) {
		spec.Env = append(spec.Env, key+"="+variables[key])
	}
	return spec, nil
}

// environment returns the variables of the function's processes: AWS's, those
// that lead SDKs to Naru, and its own.
func (s *Service) environment(i *instance, folder string) (map[string]string, error) {
	f := i.function
	credentials, err := s.options.Assume(f.Role, f.Name)
	if err != nil {
		return nil, fmt.Errorf("role %s: %w", f.Role, err)
	}
	i.expires = credentials.Expires
	own, err := s.variables(f)
	if err != nil {
		return nil, err
	}
	endpoint := s.options.Endpoint()
	v := map[string]string{
		"PATH":                            "/usr/local/bin:/usr/bin:/bin",
		"LANG":                            "en_US.UTF-8",
		"TZ":                              ":UTC",
		"HOME":                            os.TempDir(),
		"TMPDIR":                          os.TempDir(),
		"_HANDLER":                        f.Handler,
		"LAMBDA_TASK_ROOT":                folder,
		"LAMBDA_RUNTIME_DIR":              filepath.Join(s.options.CodeDir, "bootstrap"),
		"NODE_PATH":                       filepath.Join(s.options.CodeDir, "node_modules"),
		"AWS_REGION":                      f.Region,
		"AWS_DEFAULT_REGION":              f.Region,
		"AWS_EXECUTION_ENV":               "AWS_Lambda_" + f.Runtime,
		"AWS_LAMBDA_FUNCTION_NAME":        f.Name,
		"AWS_LAMBDA_FUNCTION_VERSION":     latest,
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": strconv.Itoa(int(f.MemorySize)),
		"AWS_LAMBDA_LOG_GROUP_NAME":       f.logGroup(),
		"AWS_LAMBDA_LOG_STREAM_NAME":      i.stream,
		"AWS_LAMBDA_INITIALIZATION_TYPE":  "on-demand",
		"AWS_ACCESS_KEY_ID":               credentials.KeyID,
		"AWS_SECRET_ACCESS_KEY":           credentials.Secret,
		"AWS_SESSION_TOKEN":               credentials.Token,
		"AWS_XRAY_CONTEXT_MISSING":        "LOG_ERROR",
		"AWS_ENDPOINT_URL":                endpoint,
		"NARU_ENDPOINT":                   endpoint,
		"NARU_SERVICES":                   strings.Join(s.options.Services, ","),
	}
	if credentials.Token == "" {
		delete(v, "AWS_SESSION_TOKEN")
	}
	if logging := f.logging(); *logging.LogFormat == "JSON" {
		v["AWS_LAMBDA_LOG_FORMAT"], v["AWS_LAMBDA_LOG_LEVEL"] = "JSON", *logging.ApplicationLogLevel
	}
	maps.Copy(v, own)
	return v, nil
}
