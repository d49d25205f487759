package lambda

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"

	"naru/internal/interpreter"
)

// runtimes are the names that Lambda takes today.
var runtimes = []string{
	"nodejs20.x", "nodejs22.x", "nodejs24.x", "nodejs26.x",
	"python3.10", "python3.11", "python3.12", "python3.13", "python3.14", "python3.15",
	"java8.al2", "java11", "java17", "java21", "java25", "java8.al2023", "java11.al2023", "java17.al2023",
	"dotnet8", "dotnet10", "ruby3.3", "ruby3.4", "ruby4.0", "provided.al2", "provided.al2023",
}

// deprecated are the names that Lambda took once. Naru takes them unless it is
// told to be strict: tutorials use them.
var deprecated = []string{
	"nodejs", "nodejs4.3", "nodejs6.10", "nodejs8.10", "nodejs10.x", "nodejs12.x", "nodejs14.x", "nodejs16.x", "nodejs18.x",
	"python2.7", "python3.6", "python3.7", "python3.8", "python3.9", "java8", "go1.x", "provided",
	"dotnetcore1.0", "dotnetcore2.0", "dotnetcore2.1", "dotnetcore3.1", "dotnet6", "dotnet7",
	"ruby2.5", "ruby2.7", "ruby3.2",
}

// checkRuntime refuses a name that Lambda does not know, and one that can't be
// run here. Where Naru is strict, it must be that very version of its language.
func (s *Service) checkRuntime(runtime string) error {
	switch {
	case slices.Contains(deprecated, runtime) && s.options.StrictRuntimes:
		return invalid("The runtime parameter of %s is no longer supported for creating or updating AWS Lambda functions. We recommend you use a supported runtime while creating or updating functions.", runtime)
	case !slices.Contains(runtimes, runtime) && !slices.Contains(deprecated, runtime):
		return invalid("Value %s at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [%s] or be a valid ARN", runtime, strings.Join(runtimes, ", "))
	case runtime == "python2.7" || strings.HasPrefix(runtime, "dotnetcore"):
		return notYet("the runtime " + runtime)
	}
	language, number := interpreter.Of(runtime)
	if language == "" {
		return nil
	}
	i, ok := s.options.Interpreter(language, number)
	if !ok {
		return invalid("There is no %v on this machine, which the runtime %s needs: install it, or use a runtime of naru runtime list.", language, runtime)
	}
	if s.options.StrictRuntimes && !i.Is(number) {
		return invalid("There is no %v %s on this machine, only %s, and Naru is strict about it (--strict-runtimes).", language, number, i.Version)
	}
	return nil
}

// checkProgram refuses a handler that its runtime can't run here.
func checkProgram(v *Version) error {
	if strings.HasPrefix(v.Runtime, "dotnet") && strings.Contains(v.Handler, "::") {
		return invalid("Naru does not run .NET class libraries (handler %s): make the function an executable assembly, with LambdaBootstrapBuilder of Amazon.Lambda.RuntimeSupport and the assembly's name as its handler, or use provided.al2023 with an executable named bootstrap.", v.Handler)
	}
	return nil
}

// warning says on what a version runs if that is not what its runtime names; nil
// if it is.
func (s *Service) warning(v *Version) *string {
	language, number := interpreter.Of(v.Runtime)
	if language == "" {
		return nil
	}
	i, _ := s.options.Interpreter(language, number)
	if text := i.Warning(v.Runtime); text != "" {
		return &text
	}
	return nil
}

// runtimeVersionARN names the runtime that a function gets.
func runtimeVersionARN(region, runtime string) string {
	sum := sha256.Sum256([]byte("naru " + runtime))
	return "arn:aws:lambda:" + region + "::runtime:" + hex.EncodeToString(sum[:])
}

// Runtimes are the names of the runtimes that Lambda takes today.
func Runtimes() []string { return slices.Clone(runtimes) }
