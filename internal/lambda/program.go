package lambda

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"naru/internal/interpreter"
	"naru/internal/runtimeapi"
)

// A program is what runs a version of a function.
type program struct {
	command []string
	api     bool // it uses the Runtime API over HTTP
	mounts  []Mount
	links   []Link
	path    []string // folders with programs, for PATH
}

// unrunnable is why a function can't be run, told as a function error.
type unrunnable struct{ kind, reason string }

func (u *unrunnable) Error() string { return u.kind + ": " + u.reason }

func cannotRun(kind, format string, args ...any) error {
	return &unrunnable{kind, fmt.Sprintf(format, args...)}
}

// A layout says where processes see what they need.
type layout struct {
	task, opt string // the code, and the layers; opt is "" if there are none
	runtime   string // Naru's runtime for the language
	node      string // node_modules with the SDKs
	python    string // boto3
	java      string // jars
	lang      string // where an interpreter is, if it can't be where it is; "" if it can
}

// rooted is the layout of environments with a root of their own: AWS's.
var rooted = layout{
	task: "/var/task", opt: "/opt", runtime: "/var/runtime/bootstrap",
	node: "/var/runtime/node_modules", python: "/var/runtime/python", java: "/var/runtime/lib", lang: "/var/lang",
}

// layout returns the layout of a version's environments, whose code and layers
// are in two folders.
func (s *Service) layout(folder, opt, runtime string) layout {
	if s.options.Rooted {
		l := rooted
		if opt == "" {
			l.opt = ""
		}
		return l
	}
	return layout{
		task: folder, opt: opt, runtime: runtime,
		node: filepath.Join(s.options.CodeDir, "node_modules"), python: filepath.Join(s.options.SDKDir, "python"), java: filepath.Join(s.options.SDKDir, "java"),
	}
}

// program returns what runs a version.
func (s *Service) program(v *Version, folder, opt string) (p program, l layout, err error) {
	language, number := interpreter.Of(v.Runtime)
	runtime := ""
	switch language {
	case interpreter.Node, interpreter.Python, interpreter.Ruby:
		name := map[interpreter.Language]string{interpreter.Node: "node", interpreter.Python: "python", interpreter.Ruby: "ruby"}[language]
		if runtime, err = runtimeapi.Install(filepath.Join(s.options.CodeDir, "bootstrap"), name); err != nil {
			return p, l, err
		}
	}
	l = s.layout(folder, opt, runtime)
	p.add(folder, l.task)
	p.add(opt, l.opt)
	p.add(runtime, l.runtime)
	if language == "" {
		p.command, err = bootstrap(v, folder, opt, l)
		p.api = true
		return p, l, err
	}
	i, ok := s.options.Interpreter(language, number)
	if !ok {
		return p, l, cannotRun("Runtime.InvalidEntrypoint", "there is no %v on this machine, which %s needs", language, v.Runtime)
	}
	program := p.interpreter(i, l)
	memory := int(v.MemorySize)
	switch language {
	case interpreter.Node:
		p.add(s.kit("nodejs/node_modules"), l.node)
		if s.options.Rooted { // where ES modules in the code look, which heed no NODE_PATH
			p.links = []Link{{path.Join(path.Dir(l.task), "node_modules"), l.node}}
		}
		p.command = runtimeapi.NodeCommand(program, l.runtime, memory)
	case interpreter.Python:
		p.add(s.kit("python"), l.python)
		p.command = runtimeapi.PythonCommand(program, l.runtime, l.python)
	case interpreter.Ruby:
		p.command = runtimeapi.RubyCommand(program, l.runtime)
	case interpreter.Java:
		jars := s.kit("java")
		if jars == "" {
			return p, l, cannotRun("Runtime.InvalidEntrypoint", "AWS's runtime interface client for Java is not there: run naru runtime install java")
		}
		p.add(jars, l.java)
		p.api, p.command = true, runtimeapi.JavaCommand(program, l.java, l.task, l.opt, v.Handler, memory)
	case interpreter.DotNet:
		p.api, p.command = true, []string{program, "exec", path.Join(l.task, strings.TrimSuffix(v.Handler, ".dll")+".dll")}
	}
	return p, l, nil
}

// add has a folder be seen where the layout says, if there is such a folder.
func (p *program) add(folder, at string) {
	if folder != "" && at != "" {
		p.mounts = append(p.mounts, Mount{folder, at})
	}
}

// interpreter has an interpreter be seen, and returns its path as processes see
// it: where it is, unless something else is there.
func (p *program) interpreter(i interpreter.Interpreter, l layout) string {
	program := i.Path
	switch {
	case strings.HasPrefix(i.Prefix, "/usr/") || i.Prefix == "/usr":
	case l.lang != "" && (strings.HasPrefix(i.Prefix, "/opt/") || strings.HasPrefix(i.Prefix, "/var/") || strings.HasPrefix(i.Prefix, "/tmp/")):
		p.mounts = append(p.mounts, Mount{i.Prefix, l.lang})
		program = l.lang + strings.TrimPrefix(i.Path, i.Prefix)
	default:
		p.mounts = append(p.mounts, Mount{i.Prefix, i.Prefix})
	}
	p.path = []string{path.Dir(program)}
	return program
}

// kit returns a folder of what functions find without packing it, "" if it is
// not there.
func (s *Service) kit(name string) string {
	folder := filepath.Join(s.options.SDKDir, filepath.FromSlash(name))
	if _, err := os.Stat(folder); s.options.SDKDir == "" || err != nil {
		return ""
	}
	return folder
}

// bootstrap returns the command of a function that brings its own runtime: the
// executable bootstrap in its code or else in a layer, or that of go1.x, which
// the handler names.
func bootstrap(v *Version, folder, opt string, l layout) ([]string, error) {
	name := "bootstrap"
	if strings.HasPrefix(v.Runtime, "go1") {
		name = v.Handler
	}
	for _, place := range [][2]string{{folder, l.task}, {opt, l.opt}} {
		if place[0] != "" && executable(filepath.Join(place[0], filepath.FromSlash(name))) {
			return []string{path.Join(place[1], name)}, nil
		}
	}
	if name != "bootstrap" {
		return nil, cannotRun("Runtime.InvalidEntrypoint", "fork/exec /var/task/%s: no such file or directory", name)
	}
	return nil, cannotRun("Runtime.InvalidEntrypoint", "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]")
}

// executable reports whether there is a program at a path.
func executable(file string) bool {
	info, err := os.Stat(file)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// extensions returns the names of the extensions in a folder of layers.
func extensions(opt string) (names []string, err error) {
	if opt == "" {
		return nil, nil
	}
	entries, err := os.ReadDir(filepath.Join(opt, "extensions"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, e := range entries {
		if executable(filepath.Join(opt, "extensions", e.Name())) {
			names = append(names, e.Name())
		}
	}
	return names, nil
}
