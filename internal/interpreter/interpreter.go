// Package interpreter finds the interpreters of this machine: on the path, and
// where version managers keep them (nvm, fnm, Volta, n, asdf, mise, pyenv, uv,
// rbenv, RVM, SDKMAN!, the folders of Debian and Fedora).
package interpreter

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// A Language is what an interpreter interprets.
type Language string

// The languages, as the names of Lambda's runtimes begin.
const (
	Node   Language = "nodejs"
	Python Language = "python"
	Java   Language = "java"
	Ruby   Language = "ruby"
	DotNet Language = "dotnet"
)

// Languages are all of them.
var Languages = []Language{Node, Python, Java, Ruby, DotNet}

// String is the language's own name.
func (l Language) String() string {
	return map[Language]string{Node: "Node.js", Python: "Python", Java: "Java", Ruby: "Ruby", DotNet: ".NET"}[l]
}

var runtimeForm = regexp.MustCompile(`^(nodejs|python|java|ruby|dotnet)(\d+(?:\.\d+)?)?(\.x|\.al2|\.al2023)?$`)

// Of returns the language and the version that the name of one of Lambda's
// runtimes names: "3.12" of python3.12, "22" of nodejs22.x; "" for runtimes that
// need no interpreter.
func Of(runtime string) (l Language, version string) {
	match := runtimeForm.FindStringSubmatch(runtime)
	if match == nil {
		return "", ""
	}
	return Language(match[1]), match[2]
}

// An Interpreter is one that is there.
type Interpreter struct {
	Language Language
	Path     string // of the program, without symbolic links
	Version  string // such as 22.1.0
	Prefix   string // folder that holds all of it but for what is in the system's
}

// String names it as "Node.js 22.1.0".
func (i Interpreter) String() string { return i.Language.String() + " " + i.Version }

// Is reports whether it is of a version such as "22" or "3.12".
func (i Interpreter) Is(version string) bool {
	return version == "" || i.Version == version || strings.HasPrefix(i.Version, version+".")
}

// A Finder finds interpreters, each once. The zero value is good; its methods
// are safe for concurrent use.
type Finder struct {
	// Given are programs that are taken for a language, whatever else there is.
	Given map[Language]string

	mu    sync.Mutex
	found map[Language][]Interpreter
}

// Find returns the best interpreter for a version: that very version, or else
// the next newer one, or else the newest. It reports whether there is any.
func (f *Finder) Find(l Language, version string) (Interpreter, bool) {
	all := f.All(l)
	if version != "" && l == Python { // the next major version is another language
		major, _, _ := strings.Cut(version, ".")
		all = slices.DeleteFunc(all, func(i Interpreter) bool { return !i.Is(major) })
	}
	for _, i := range slices.Backward(all) {
		if i.Is(version) {
			return i, true
		}
	}
	for _, i := range all {
		if compare(i.Version, version) > 0 {
			return i, true
		}
	}
	if len(all) == 0 {
		return Interpreter{}, false
	}
	return all[len(all)-1], true
}

// All returns all interpreters of a language, the oldest version first.
func (f *Finder) All(l Language) []Interpreter {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, i := range f.found[l] {
		if _, err := os.Stat(i.Path); err != nil {
			f.found = nil // somebody has tidied up
			break
		}
	}
	if len(f.found[l]) == 0 { // it may have been installed since
		if f.found == nil {
			f.found = map[Language][]Interpreter{}
		}
		f.found[l] = search(l, f.Given[l])
	}
	return slices.Clone(f.found[l])
}

// search looks for the interpreters of a language.
func search(l Language, given string) (all []Interpreter) {
	add := func(i Interpreter, ok bool) {
		if ok && !slices.ContainsFunc(all, func(o Interpreter) bool { return o.Path == i.Path }) {
			all = append(all, i)
		}
	}
	if given != "" {
		if path, err := exec.LookPath(given); err == nil {
			add(ask(l, path))
		}
		return all
	}
	for _, path := range onPath(l) {
		add(ask(l, path))
	}
	for _, pattern := range places[l] {
		if rest, ok := strings.CutPrefix(pattern, "~"); ok {
			home, err := os.UserHomeDir()
			if err != nil {
				continue
			}
			pattern = home + rest
		}
		paths, _ := filepath.Glob(pattern) // errs on bad patterns only
		for _, path := range paths {
			add(look(l, path))
		}
	}
	slices.SortStableFunc(all, func(a, b Interpreter) int { return compare(a.Version, b.Version) })
	return all
}

// places are where version managers keep their programs; one of the parts of a
// path is the version.
var places = map[Language][]string{
	Node: {
		"~/.nvm/versions/node/*/bin/node", "~/.local/share/fnm/node-versions/*/installation/bin/node", "~/.volta/tools/image/node/*/bin/node",
		"~/.asdf/installs/nodejs/*/bin/node", "~/.local/share/mise/installs/node/*/bin/node", "~/.nodenv/versions/*/bin/node",
		"/usr/local/n/versions/node/*/bin/node", "/opt/hostedtoolcache/node/*/*/bin/node",
	},
	Python: {
		"~/.pyenv/versions/*/bin/python3", "~/.asdf/installs/python/*/bin/python3", "~/.local/share/mise/installs/python/*/bin/python3",
		"~/.local/share/uv/python/cpython-*/bin/python3", "/opt/hostedtoolcache/Python/*/*/bin/python3",
	},
	Ruby: {
		"~/.rbenv/versions/*/bin/ruby", "~/.rvm/rubies/*/bin/ruby", "~/.rubies/*/bin/ruby", "~/.asdf/installs/ruby/*/bin/ruby",
		"~/.local/share/mise/installs/ruby/*/bin/ruby", "/opt/rubies/*/bin/ruby", "/opt/hostedtoolcache/Ruby/*/*/bin/ruby",
	},
	Java: {
		"/usr/lib/jvm/*/bin/java", "~/.sdkman/candidates/java/*/bin/java", "~/.asdf/installs/java/*/bin/java",
		"~/.local/share/mise/installs/java/*/bin/java", "~/.jdks/*/bin/java", "/opt/hostedtoolcache/Java_*/*/*/bin/java",
	},
	DotNet: {"~/.dotnet/dotnet", "/usr/share/dotnet/dotnet", "/usr/lib/dotnet/dotnet"},
}

// onPath returns the programs of a language on the path, also of a certain
// version, such as python3.12.
func onPath(l Language) (all []string) {
	form := map[Language]*regexp.Regexp{
		Node: regexp.MustCompile(`^node(js)?$`), Python: regexp.MustCompile(`^python3(\.\d+)?$`),
		Ruby: regexp.MustCompile(`^ruby(\d\.\d)?$`), Java: regexp.MustCompile(`^java$`), DotNet: regexp.MustCompile(`^dotnet$`),
	}[l]
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		entries, err := os.ReadDir(dir)
		if err != nil {
			continue // many paths name folders that are not there
		}
		for _, e := range entries {
			if form.MatchString(e.Name()) {
				all = append(all, filepath.Join(dir, e.Name()))
			}
		}
	}
	return all
}

var versionForm = regexp.MustCompile(`\d+(\.\d+)+`)

// look returns the interpreter at a path that a version is part of.
func look(l Language, path string) (Interpreter, bool) {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return Interpreter{}, false
	}
	version := versionForm.FindString(strings.TrimPrefix(real, "/opt/hostedtoolcache"))
	if l == Java || l == DotNet || version == "" {
		return ask(l, path)
	}
	return Interpreter{l, real, version, prefix(real)}, true
}

// prefix returns the folder above that of a program.
func prefix(path string) string { return filepath.Dir(filepath.Dir(path)) }

// questions have an interpreter print its version and its own path: on the
// path there may be a script that chooses one.
var questions = map[Language][]string{
	Node:   {"-p", `process.version.slice(1) + "\n" + process.execPath`},
	Python: {"-I", "-S", "-c", `import sys; print("%d.%d.%d" % sys.version_info[:3]); print(sys.executable)`},
	Ruby:   {"--disable=gems", "-rrbconfig", "-e", `puts RUBY_VERSION, RbConfig.ruby`},
}

// ask returns the interpreter at a path.
func ask(l Language, path string) (Interpreter, bool) {
	switch l {
	case Java:
		return askJava(path)
	case DotNet:
		return askDotNet(path)
	}
	out, err := exec.Command(path, questions[l]...).Output()
	version, program, ok := strings.Cut(strings.TrimSpace(string(out)), "\n")
	if err != nil || !ok {
		return Interpreter{}, false
	}
	real, err := filepath.EvalSymlinks(program)
	return Interpreter{l, real, version, prefix(real)}, err == nil
}

// askJava reads the file that says what a Java is, which is much faster than
// Java.
func askJava(path string) (Interpreter, bool) {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return Interpreter{}, false
	}
	home := prefix(real)
	if filepath.Base(home) == "jre" { // of Java 8
		home = filepath.Dir(home)
	}
	text, err := os.ReadFile(filepath.Join(home, "release"))
	if err != nil {
		return Interpreter{}, false
	}
	for line := range bytes.Lines(text) {
		if version, ok := strings.CutPrefix(strings.TrimSpace(string(line)), "JAVA_VERSION="); ok {
			return Interpreter{Java, real, strings.TrimPrefix(strings.Trim(version, `"`), "1."), home}, true
		}
	}
	return Interpreter{}, false
}

// askDotNet looks which shared runtime is the newest.
func askDotNet(path string) (Interpreter, bool) {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return Interpreter{}, false
	}
	home := filepath.Dir(real)
	shared, _ := filepath.Glob(filepath.Join(home, "shared", "Microsoft.NETCore.App", "*"))
	if len(shared) == 0 {
		return Interpreter{}, false
	}
	newest := slices.MaxFunc(shared, func(a, b string) int { return compare(filepath.Base(a), filepath.Base(b)) })
	return Interpreter{DotNet, real, filepath.Base(newest), home}, true
}

// compare compares versions, number by number.
func compare(a, b string) int {
	x, y := strings.Split(a, "."), strings.Split(b, ".")
	for i := range min(len(x), len(y)) {
		m, _ := strconv.Atoi(x[i]) // what is no number comes first
		n, _ := strconv.Atoi(y[i])
		if m != n {
			return cmp.Compare(m, n)
		}
	}
	return cmp.Compare(len(x), len(y))
}

// Warning returns what is to be said of a function that runs on i although its
// runtime names another version; "" if it does not.
func (i Interpreter) Warning(runtime string) string {
	if _, version := Of(runtime); i.Is(version) {
		return ""
	}
	return fmt.Sprintf("%s runs on %s, the best there is on this machine.", runtime, i)
}
