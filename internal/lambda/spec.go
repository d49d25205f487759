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
	v := i.version
	folder, err := s.codeFolder(v)
	if err != nil {
		return Spec{}, err
	}
	opt, err := s.code.layers(v.Layers)
	if err != nil {
		return Spec{}, err
	}
	variables, err := s.environment(i, folder, opt)
	if err != nil {
		return Spec{}, err
	}
	command, err := runtimeapi.NodeCommand(s.options.Node, filepath.Join(s.options.CodeDir, "bootstrap"), int(v.MemorySize))
	if err != nil {
		return Spec{}, err
	}
	spec := Spec{Command: command, Dir: folder, Memory: int64(v.MemorySize) << 20, Output: i.book.output}
	for _, key := range slices.Sorted(maps.Keys(variables)) {
		spec.Env = append(spec.Env, key+"="+variables[key])
	}
	return spec, nil
}

// codeFolder returns the folder with the version's code.
func (s *Service) codeFolder(v *Version) (string, error) {
	if v.Folder == "" {
		return s.code.folder(v.Code)
	}
	folder, err := s.hot.folder(v.Folder) // the operator may have thought better of it
	if err != nil {
		return "", err
	}
	return folder, s.hot.watch(folder)
}

// environment returns the variables of the function's processes: AWS's, those
// that lead SDKs to Naru, and its own.
func (s *Service) environment(i *instance, folder, opt string) (map[string]string, error) {
	v := i.version
	credentials, err := s.options.Assume(v.Role, v.Name)
	if err != nil {
		return nil, fmt.Errorf("role %s: %w", v.Role, err)
	}
	i.expires = credentials.Expires
	own, err := s.variables(v)
	if err != nil {
		return nil, err
	}
	endpoint := s.options.Endpoint()
	all := map[string]string{
		"PATH":                            "/usr/local/bin:/usr/bin:/bin",
		"LANG":                            "en_US.UTF-8",
		"TZ":                              ":UTC",
		"HOME":                            os.TempDir(),
		"TMPDIR":                          os.TempDir(),
		"_HANDLER":                        v.Handler,
		"LAMBDA_TASK_ROOT":                folder,
		"LAMBDA_RUNTIME_DIR":              filepath.Join(s.options.CodeDir, "bootstrap"),
		"NODE_PATH":                       filepath.Join(s.options.CodeDir, "node_modules"),
		"AWS_REGION":                      v.Region,
		"AWS_DEFAULT_REGION":              v.Region,
		"AWS_EXECUTION_ENV":               "AWS_Lambda_" + v.Runtime,
		"AWS_LAMBDA_FUNCTION_NAME":        v.Name,
		"AWS_LAMBDA_FUNCTION_VERSION":     v.number(),
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": strconv.Itoa(int(v.MemorySize)),
		"AWS_LAMBDA_LOG_GROUP_NAME":       v.logGroup(),
		"AWS_LAMBDA_LOG_STREAM_NAME":      i.stream,
		"AWS_LAMBDA_INITIALIZATION_TYPE":  string(i.kind),
		"AWS_ACCESS_KEY_ID":               credentials.KeyID,
		"AWS_SECRET_ACCESS_KEY":           credentials.Secret,
		"AWS_SESSION_TOKEN":               credentials.Token,
		"AWS_XRAY_CONTEXT_MISSING":        "LOG_ERROR",
		"AWS_ENDPOINT_URL":                endpoint,
		"NARU_ENDPOINT":                   endpoint,
		"NARU_SERVICES":                   strings.Join(s.options.Services, ","),
	}
	if credentials.Token == "" {
		delete(all, "AWS_SESSION_TOKEN")
	}
	if opt != "" {
		addLayers(all, v.Runtime, opt)
	}
	if logging := v.logging(); *logging.LogFormat == "JSON" {
		all["AWS_LAMBDA_LOG_FORMAT"], all["AWS_LAMBDA_LOG_LEVEL"] = "JSON", *logging.ApplicationLogLevel
	}
	maps.Copy(all, own)
	return all, nil
}

// addLayers has a function's programs, libraries and modules be found in the
// folder of its layers.
func addLayers(all map[string]string, runtime, opt string) {
	all["NARU_OPT"] = opt
	all["PATH"] += ":" + opt + "/bin"
	all["LD_LIBRARY_PATH"] = opt + "/lib"
	modules := opt + "/nodejs/node_modules:" + all["NODE_PATH"]
	if version, ok := strings.CutSuffix(strings.TrimPrefix(runtime, "nodejs"), ".x"); ok {
		modules = opt + "/nodejs/node" + version + "/node_modules:" + modules
	}
	all["NODE_PATH"] = modules
}
