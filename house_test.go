// Package naru holds the tests that keep the tree as docs/ARCHITECTURE.md says
// it is: who imports whom, what is documented, and how large things get.
package naru

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A source is a parsed Go file of the tree.
type source struct {
	path string // relative to the root
	pkg  string // folder, relative to the root
	test bool
	ast  *ast.File
	fset *token.FileSet
	text string
}

// sources returns all Go files of the module but generated ones.
func sources(t *testing.T) (all []source) {
	t.Helper()
	fset := token.NewFileSet()
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "node_modules" || d.Name() == "testdata") {
			return filepath.SkipDir
		}
		if _, err := os.Stat(filepath.Join(path, "go.mod")); d.IsDir() && path != "." && err == nil {
			return filepath.SkipDir // a module of its own
		}
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		file, err := parser.ParseFile(fset, path, text, parser.ParseComments)
		if err != nil {
			return err
		}
		all = append(all, source{path, filepath.Dir(path), strings.HasSuffix(path, "_test.go"), file, fset, string(text)})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 50 {
		t.Fatalf("found only %d Go files", len(all))
	}
	return all
}

// imports says what each package may import of Naru itself. docs/ARCHITECTURE.md
// draws it.
var imports = map[string][]string{
	"cmd/naru":                           {"bench", "clock", "interpreter", "schedule", "server", "sandbox", "sdk"},
	"cmd/naru-bootstrap":                 {},
	"cmd/naru-helper":                    {"sandbox/helper"},
	"internal/bench":                     {"meter", "sigv4"},
	"internal/server":                    {"arn", "clock", "console", "delivery", "events", "http1", "iam", "interpreter", "lambda", "logs", "meter", "metrics", "policy", "queue", "sandbox", "scheduler", "sdk", "sigv4", "sqs", "store", "trigger", "wire"},
	"internal/console":                   {},
	"internal/sdk":                       {},
	"internal/http1":                     {},
	"internal/interpreter":               {},
	"internal/sqs":                       {"arn", "clock", "policy", "queue", "store", "wire"},
	"internal/lambda":                    {"arn", "clock", "interpreter", "meter", "policy", "queue", "runtimeapi", "store", "trigger", "wire"},
	"internal/trigger":                   {"clock", "meter", "pattern", "queue"},
	"internal/events":                    {"arn", "clock", "delivery", "firing", "meter", "pattern", "policy", "queue", "schedule", "store", "wire"},
	"internal/delivery":                  {"clock", "meter", "queue", "store", "wire"},
	"internal/firing":                    {"clock", "delivery", "queue"},
	"internal/scheduler":                 {"arn", "clock", "delivery", "firing", "meter", "policy", "schedule", "store", "wire"},
	"internal/logs":                      {"arn", "clock", "policy", "store", "wire"},
	"internal/metrics":                   {"meter"},
	"internal/iam":                       {"arn", "clock", "policy", "sigv4", "store", "wire"},
	"internal/queue":                     {"clock", "store"},
	"internal/store":                     {"seal"},
	"internal/store/storetest":           {"seal", "store"},
	"internal/runtimeapi":                {"http1", "runtimeapi/internal/frame"},
	"internal/runtimeapi/internal/frame": {},
	"internal/runtimeapi/runtimetest":    {"runtimeapi", "runtimeapi/internal/frame"},
	"internal/sandbox":                   {"sandbox/helper", "sandbox/internal/proc"},
	"internal/sandbox/helper":            {"sandbox/internal/proc"},
	"internal/sandbox/internal/proc":     {},
	"internal/wire":                      {"meter", "policy", "sigv4"},
	"internal/meter":                     {},
	"internal/clock":                     {},
	"internal/seal":                      {},
	"internal/sigv4":                     {},
	"internal/arn":                       {},
	"internal/pattern":                   {},
	"internal/policy":                    {},
	"internal/schedule":                  {},
	"demo":                               {},
	"test":                               {},
	".":                                  {},
}

func TestImportsAreThoseOfTheArchitecture(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range sources(t) {
		seen[s.pkg] = true
		allowed, ok := imports[s.pkg]
		if !ok {
			t.Errorf("%s: the package is not in the table", s.path)
			continue
		}
		if s.test {
			continue
		}
		for _, i := range s.ast.Imports {
			name, ours := strings.CutPrefix(strings.Trim(i.Path.Value, `"`), "naru/internal/")
			if ours && !slices.Contains(allowed, name) {
				t.Errorf("%s imports %s, which the table does not allow", s.path, name)
			}
		}
	}
	for pkg := range imports {
		if !seen[pkg] {
			t.Errorf("the table has %s, which has no files", pkg)
		}
	}
}

// only says who may import a module besides.
var only = map[string][]string{
	"github.com/cockroachdb/pebble":       {"internal/store"},
	"github.com/prometheus/client_golang": {"internal/metrics"},
	"github.com/spf13":                    {"cmd/naru"},
	"github.com/tidwall/btree":            {"internal/store", "internal/queue"},
	"github.com/go-jose":                  {"internal/iam"},
	"github.com/klauspost/compress":       {"internal/seal"},
	"github.com/fsnotify/fsnotify":        {"internal/lambda"},
	"github.com/aws":                      {"demo"},
	"net/http":                            {"internal/bench", "internal/http1", "internal/wire", "internal/runtimeapi", "internal/server", "internal/console", "internal/metrics", "internal/sigv4", "internal/iam", "internal/lambda", "internal/scheduler", "demo"},
	"log":                                 {},
	"testing":                             {"internal/store/storetest"},
	"os/exec":                             {"internal/bench", "internal/interpreter", "internal/sandbox", "internal/sdk", "internal/runtimeapi", "demo"},
	"database/sql":                        {},
}

func TestForbiddenImports(t *testing.T) {
	for _, s := range sources(t) {
		if s.test {
			continue
		}
		for _, i := range s.ast.Imports {
			path := strings.Trim(i.Path.Value, `"`)
			for module, who := range only {
				if (path == module || strings.HasPrefix(path, module+"/") && module != "log") && !slices.Contains(who, s.pkg) && !slices.Contains(who, filepath.Dir(s.pkg)) {
					t.Errorf("%s imports %s, which is for %v only", s.path, path, who)
				}
			}
		}
	}
}

// clockless are the packages that may tell the time by themselves: clock, those
// that know no time but real time, and programs.
var clockless = []string{"internal/bench", "internal/clock", "internal/http1", "internal/store", "internal/sandbox", "internal/sandbox/helper", "internal/sandbox/internal/proc", "internal/runtimeapi", "internal/runtimeapi/runtimetest", "demo"}

func TestOnlyClockReadsTheWallClock(t *testing.T) {
	banned := []string{"Now", "Since", "Until", "After", "AfterFunc", "NewTimer", "NewTicker", "Tick", "Sleep"}
	for _, s := range sources(t) {
		if s.test || slices.Contains(clockless, s.pkg) {
			continue
		}
		ast.Inspect(s.ast, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if x, ok := sel.X.(*ast.Ident); ok && x.Name == "time" && x.Obj == nil && slices.Contains(banned, sel.Sel.Name) {
				t.Errorf("%s uses time.%s: ask clock", s.fset.Position(sel.Pos()), sel.Sel.Name)
			}
			return true
		})
	}
}

func TestEveryPackageSaysWhatItIs(t *testing.T) {
	documented := map[string]bool{}
	for _, s := range sources(t) {
		documented[s.pkg] = documented[s.pkg] || s.ast.Doc != nil
	}
	for pkg, ok := range documented {
		if !ok {
			t.Errorf("package %s has no doc", pkg)
		}
	}
}

func TestEveryExportedNameIsDocumented(t *testing.T) {
	for _, s := range sources(t) {
		if s.test {
			continue
		}
		for _, d := range s.ast.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Name.IsExported() && d.Doc == nil && exportedReceiver(d) && !slices.Contains(wellKnown, d.Name.Name) {
					t.Errorf("%s: %s is not documented", s.fset.Position(d.Pos()), d.Name.Name)
				}
			case *ast.GenDecl:
				checkDeclared(t, s, d)
			}
		}
	}
}

// wellKnown are the methods whose meaning is the standard library's.
var wellKnown = []string{"Error", "Unwrap", "String", "ServeHTTP"}

func exportedReceiver(d *ast.FuncDecl) bool {
	if d.Recv == nil {
		return true
	}
	name := ""
	ast.Inspect(d.Recv.List[0].Type, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok && name == "" {
			name = id.Name
		}
		return true
	})
	return ast.IsExported(name)
}

// checkDeclared wants a doc on every exported name of a declaration, or on the
// whole of it. Inputs and outputs of operations speak for themselves.
func checkDeclared(t *testing.T, s source, d *ast.GenDecl) {
	for _, spec := range d.Specs {
		name, doc := "", d.Doc
		switch spec := spec.(type) {
		case *ast.TypeSpec:
			name = spec.Name.Name
			if spec.Doc != nil {
				doc = spec.Doc
			}
			if strings.HasSuffix(name, "Input") || strings.HasSuffix(name, "Output") {
				continue
			}
		case *ast.ValueSpec:
			name = spec.Names[0].Name
			if spec.Doc != nil || spec.Comment != nil {
				continue
			}
		}
		if ast.IsExported(name) && doc == nil {
			t.Errorf("%s: %s is not documented", s.fset.Position(spec.Pos()), name)
		}
	}
}

const (
	maxFileLines     = 800
	maxFunctionLines = 80
)

// large are the reasoned exceptions to the limits, by file or file:function.
var large = map[string]string{}

func TestFilesAndFunctionsStaySmall(t *testing.T) {
	for _, s := range sources(t) {
		if n := strings.Count(s.text, "\n"); n > maxFileLines && large[s.path] == "" {
			t.Errorf("%s has %d lines, more than %d", s.path, n, maxFileLines)
		}
		for _, d := range s.ast.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			if n := s.fset.Position(f.End()).Line - s.fset.Position(f.Pos()).Line + 1; n > maxFunctionLines && large[s.path+":"+f.Name.Name] == "" {
				t.Errorf("%s: %s has %d lines, more than %d", s.path, f.Name.Name, n, maxFunctionLines)
			}
		}
	}
}

func TestNoRegistrationByInit(t *testing.T) {
	for _, s := range sources(t) {
		for _, d := range s.ast.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
				t.Errorf("%s has an init function", s.path)
			}
		}
	}
}
