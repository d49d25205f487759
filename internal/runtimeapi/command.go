package runtimeapi

import (
	"fmt"
	"path"
	"strings"
)

// The commands of the runtimes that Naru brings along. The process must have its
// connection as descriptor 3, and start in the folder with the function's code.
// Besides the variables that AWS documents the runtimes heed
//
//	NARU_ENDPOINT     URL of Naru for functions, such as http://127.0.0.1:4000
//	NARU_SERVICES     AWS services that Naru has, such as sqs,lambda: requests
//	                  for them go to NARU_ENDPOINT, those for others fail
//	NARU_PASSTHROUGH  AWS services that are let through to AWS
//	NARU_OPT          the folder of the layers, if it is not /opt
//
// where services are named by the first part of their host names.

// NodeCommand returns the argv that runs a function on Node.js: node is the
// interpreter, folder that of the runtime (see Install), as the process sees them,
// and memory the function's memory in MiB, 0 if it is unbounded.
func NodeCommand(node, folder string, memory int) []string {
	argv := []string{node}
	if memory > 0 {
		// Node.js sizes its heap by the machine's memory. The rest is for code,
		// buffers and stacks.
		argv = append(argv, fmt.Sprintf("--max-old-space-size=%d", memory*9/10))
	}
	return append(argv, path.Join(folder, "runtime.cjs"))
}

// PythonCommand returns the argv that runs a function on Python; sdks is the folder
// with boto3, "" for none.
func PythonCommand(python, folder, sdks string) []string {
	// Without the machine's and the user's packages, buffers, and caches of what
	// is compiled.
	return []string{python, "-S", "-s", "-u", "-B", path.Join(folder, "runtime.py"), sdks}
}

// RubyCommand returns the argv that runs a function on Ruby.
func RubyCommand(ruby, folder string) []string {
	return []string{ruby, path.Join(folder, "runtime.rb")}
}

// JavaMain is the main class of AWS's runtime interface client for Java.
const JavaMain = "com.amazonaws.services.lambda.runtime.api.client.AWSLambda"

// JavaCommand returns the argv that runs a function on Java, by AWS's runtime
// interface client over the HTTP API: libraries is the folder with its jars, and
// memory the function's memory in MiB.
func JavaCommand(java, libraries, task, opt, handler string, memory int) []string {
	classes := []string{path.Join(libraries, "*"), task, path.Join(task, "lib", "*")}
	if opt != "" {
		classes = append(classes, path.Join(opt, "java", "lib", "*"))
	}
	return []string{
		java, "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto",
		fmt.Sprintf("-Xmx%dm", memory*85/100), "-XX:MaxMetaspaceSize=" + fmt.Sprint(memory/2+64) + "m", "-Djava.net.preferIPv4Stack=true",
		"-cp", strings.Join(classes, ":"), JavaMain, handler,
	}
}
