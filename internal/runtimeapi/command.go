package runtimeapi

import (
	"fmt"
	"path/filepath"
)

// NodeCommand returns the argv that runs a function on Node.js: node is the
// interpreter and memory the function's memory in MiB, 0 if it is unbounded.
// The runtime itself is a folder in dir, which NodeCommand writes if it is not
// there; since its name depends on its content, dir serves all versions of
// Naru.
//
// The process must have its connection as descriptor 3 and start in the folder
// with the function's code. Besides the variables that AWS documents it heeds
//
//	NARU_ENDPOINT     URL of Naru for functions, such as http://127.0.0.1:4000
//	NARU_SERVICES     AWS services that Naru has, such as sqs,lambda: requests
//	                  for them go to NARU_ENDPOINT, those for others fail
//	NARU_PASSTHROUGH  AWS services that are let through to AWS
//
// where services are named by the first part of their host names.
func NodeCommand(node, dir string, memory int) ([]string, error) {
	runtime, err := install(dir, "node")
	if err != nil {
		return nil, err
	}
	argv := []string{node}
	if memory > 0 {
		// Node.js sizes its heap by the machine's memory. The rest is for code,
		// buffers and stacks.
		argv = append(argv, fmt.Sprintf("--max-old-space-size=%d", memory*9/10))
	}
	return append(argv, filepath.Join(runtime, "runtime.cjs")), nil
}

// PythonCommand returns the argv that runs a function on Python: python is the
// interpreter and sdks the folder with boto3, "" for none. The rest is as with
// NodeCommand; the function's code is looked for in LAMBDA_TASK_ROOT, and its
// layers in NARU_OPT, or /opt.
func PythonCommand(python, dir, sdks string) ([]string, error) {
	runtime, err := install(dir, "python")
	if err != nil {
		return nil, err
	}
	// Without the machine's and the user's packages, buffers, and caches of what
	// is compiled.
	return []string{python, "-S", "-s", "-u", "-B", filepath.Join(runtime, "runtime.py"), sdks}, nil
}
