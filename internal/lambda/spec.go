package lambda

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"naru/internal/interpreter"
	"naru/internal/runtimeapi"
)

// spec says what the instance's environment runs, with the variables that AWS
// sets, and has it use the instance's API.
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
	p, l, err := s.program(v, folder, opt)
	if err != nil {
		return Spec{}, err
	}
	names, err := extensions(opt)
	if err != nil {
		return Spec{}, err
	}
	variables, keyID, err := s.environment(i, p, l)
	if err != nil {
		return Spec{}, err
	}
	i.overAPI = p.api
	i.api = runtimeapi.NewAPI(runtimeapi.Function{Name: v.Name, Version: v.number(), Handler: v.Handler, Account: v.Account, Initialization: string(i.kind)}, names)
	spec := Spec{
		Command: wrapped(v, variables, p.command, l), Dir: l.task, Memory: int64(v.MemorySize) << 20, Temp: int64(v.Storage) << 20,
		Mounts: p.mounts, Links: p.links, KeyID: keyID, Output: i.output, Serve: i.api.Serve,
	}
	for _, name := range names {
		spec.Extensions = append(spec.Extensions, []string{path.Join(l.opt, "extensions", name)})
		spec.Gate = i.api.Registered()
	}
	for _, key := range slices.Sorted(maps.Keys(variables)) {
		spec.Env = append(spec.Env, key+"="+variables[key])
	}
	return spec, nil
}

// wrapped returns the command of a runtime, behind the program that
// AWS_LAMBDA_EXEC_WRAPPER names, if it does.
func wrapped(v *Version, variables map[string]string, command []string, l layout) []string {
	wrapper := variables["AWS_LAMBDA_EXEC_WRAPPER"]
	if language, _ := interpreter.Of(v.Runtime); wrapper == "" || language == "" {
		return command
	}
	if rest, ok := strings.CutPrefix(wrapper, "/opt/"); ok && l.opt != "" {
		wrapper = path.Join(l.opt, rest)
	}
	return append([]string{wrapper}, command...)
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
// that lead SDKs to Naru, and its own; and the id of its access key.
func (s *Service) environment(i *instance, p program, l layout) (all map[string]string, keyID string, err error) {
	v := i.version
	credentials, err := s.options.Assume(v.Role, v.Name)
	if err != nil {
		return nil, "", fmt.Errorf("role %s: %w", v.Role, err)
	}
	i.expires = credentials.Expires
	own, err := s.variables(v)
	if err != nil {
		return nil, "", err
	}
	all = map[string]string{
		"LANG":                            "en_US.UTF-8",
		"TZ":                              ":UTC",
		"_HANDLER":                        v.Handler,
		"LAMBDA_TASK_ROOT":                l.task,
		"LAMBDA_RUNTIME_DIR":              path.Dir(l.node),
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
	}
	if credentials.Token == "" {
		delete(all, "AWS_SESSION_TOKEN")
	}
	s.addEndpoints(all)
	addPaths(all, v.Runtime, p, l)
	if logging := v.logging(); *logging.LogFormat == "JSON" {
		all["AWS_LAMBDA_LOG_FORMAT"], all["AWS_LAMBDA_LOG_LEVEL"] = "JSON", *logging.ApplicationLogLevel
	}
	maps.Copy(all, own)
	return all, credentials.KeyID, nil
}

// serviceIDs are what the variables AWS_ENDPOINT_URL_* call services, by the
// first part of their host names.
var serviceIDs = map[string]string{
	"sqs": "SQS", "lambda": "LAMBDA", "events": "EVENTBRIDGE", "logs": "CLOUDWATCH_LOGS", "monitoring": "CLOUDWATCH",
	"iam": "IAM", "sts": "STS", "scheduler": "SCHEDULER",
}

// addEndpoints leads SDKs to Naru. What Naru does not have is answered there with
// an error that names the service, unless some services are let through.
func (s *Service) addEndpoints(all map[string]string) {
	endpoint := s.options.Endpoint()
	for _, service := range s.options.Services {
		if id := serviceIDs[service]; id != "" {
			all["AWS_ENDPOINT_URL_"+id] = endpoint
		}
	}
	all["NARU_ENDPOINT"], all["NARU_SERVICES"] = endpoint, strings.Join(s.options.Services, ",")
	if len(s.options.Passthrough) == 0 {
		all["AWS_ENDPOINT_URL"] = endpoint
	} else {
		all["NARU_PASSTHROUGH"] = strings.Join(s.options.Passthrough, ",")
	}
}

// addPaths has a function's programs, libraries and modules be found.
func addPaths(all map[string]string, runtime string, p program, l layout) {
	programs := append(slices.Clone(p.path), "/usr/local/bin", "/usr/bin", "/bin")
	libraries := []string{l.task, l.task + "/lib"}
	language, number := interpreter.Of(runtime)
	if language == interpreter.Python && len(p.path) > 0 {
		libraries = append([]string{path.Dir(p.path[0]) + "/lib"}, libraries...)
	}
	var modules []string
	if l.opt != "" {
		programs = append(programs, l.opt+"/bin")
		libraries = append(libraries, l.opt+"/lib")
		modules = []string{l.opt + "/nodejs/node" + number + "/node_modules", l.opt + "/nodejs/node_modules"}
		if l.opt != rooted.opt {
			all["NARU_OPT"] = l.opt
		}
	}
	all["PATH"], all["LD_LIBRARY_PATH"] = strings.Join(programs, ":"), strings.Join(libraries, ":")
	switch language {
	case interpreter.Node:
		all["NODE_PATH"] = strings.Join(append(modules, l.node), ":")
	case interpreter.Python:
		all["PYTHONPATH"] = l.python
	case interpreter.Ruby:
		version := number + ".0"
		all["GEM_PATH"] = l.task + "/vendor/bundle/ruby/" + version
		all["RUBYLIB"] = l.task
		if l.opt != "" {
			all["GEM_PATH"] += ":" + l.opt + "/ruby/gems/" + version
			all["RUBYLIB"] += ":" + l.opt + "/ruby/lib"
		}
	}
}
