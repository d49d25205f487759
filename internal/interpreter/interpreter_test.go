package interpreter

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestOf(t *testing.T) {
	for runtime, want := range map[string][2]string{
		"nodejs22.x": {"nodejs", "22"}, "nodejs": {"nodejs", ""}, "nodejs4.3": {"nodejs", "4.3"}, "python3.12": {"python", "3.12"},
		"java8.al2": {"java", "8"}, "java21": {"java", "21"}, "java17.al2023": {"java", "17"}, "ruby3.4": {"ruby", "3.4"},
		"dotnet8": {"dotnet", "8"}, "provided.al2023": {}, "go1.x": {}, "dotnetcore3.1": {},
	} {
		if l, version := Of(runtime); l != Language(want[0]) || version != want[1] {
			t.Errorf("%s is %s %q", runtime, string(l), version)
		}
	}
}

// program writes a program that answers questions like an interpreter.
func program(t *testing.T, path, version string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("#!/bin/sh\necho "+version+"\necho "+path+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
}

func TestInterpretersAreFoundOnThePathAndWithVersionManagers(t *testing.T) {
	home, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("HOME", home)
	t.Setenv("PATH", home+"/bin:"+home+"/nowhere")
	program(t, home+"/bin/node", "18.2.0")
	program(t, home+"/.nvm/versions/node/v22.3.1/bin/node", "not asked")
	program(t, home+"/.nvm/versions/node/v20.1.0/bin/node", "not asked")
	program(t, home+"/.pyenv/versions/3.9.18/bin/python3.9", "not asked")
	if err := os.Symlink("python3.9", home+"/.pyenv/versions/3.9.18/bin/python3"); err != nil {
		t.Fatal(err)
	}
	program(t, home+"/.pyenv/versions/2.7.1/bin/python3", "a strange one")
	program(t, home+"/bin/python3.12", "3.12.1")
	if err := os.WriteFile(home+"/bin/python3", []byte("#!/bin/sh\nexit 1"), 0o755); err != nil { // as a shim of what is gone
		t.Fatal(err)
	}
	program(t, home+"/.sdkman/candidates/java/x/bin/java", "not asked")
	if err := os.WriteFile(home+"/.sdkman/candidates/java/x/release", []byte("A=1\nJAVA_VERSION=\"1.8.0_392\"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	f := &Finder{}
	var versions []string
	for _, i := range f.All(Node) {
		versions = append(versions, i.Version)
	}
	if diff := cmp.Diff([]string{"18.2.0", "20.1.0", "22.3.1"}, versions); diff != "" {
		t.Errorf("Node.js (-want +got):\n%s", diff)
	}
	for _, c := range []struct {
		language      Language
		version, want string
	}{
		{Node, "22", "22.3.1"}, {Node, "20", "20.1.0"}, {Node, "19", "20.1.0"}, {Node, "24", "22.3.1"}, {Node, "", "22.3.1"},
		{Python, "3.9", "3.9.18"}, {Python, "3.10", "3.12.1"}, {Python, "3.13", "3.12.1"},
	} {
		if i, ok := f.Find(c.language, c.version); !ok || i.Version != c.want {
			t.Errorf("%v %s: found %+v", c.language, c.version, i)
		}
	}
	python, _ := f.Find(Python, "3.9")
	if want := (Interpreter{Python, home + "/.pyenv/versions/3.9.18/bin/python3.9", "3.9.18", home + "/.pyenv/versions/3.9.18"}); python != want {
		t.Errorf("found %+v", python)
	}
	java := slicesFind(f.All(Java), home)
	if java.Version != "8.0_392" || !java.Is("8") || java.Prefix != home+"/.sdkman/candidates/java/x" {
		t.Errorf("found %+v", java)
	}
	node, _ := f.Find(Node, "24")
	if got := node.Warning("nodejs24.x"); got != "nodejs24.x runs on Node.js 22.3.1, the best there is on this machine." {
		t.Errorf("warning is %q", got)
	}
	if got := node.Warning("nodejs22.x"); got != "" {
		t.Errorf("warning is %q", got)
	}
	given := &Finder{Given: map[Language]string{Node: "node"}}
	if i, ok := given.Find(Node, "22"); !ok || i.Version != "18.2.0" {
		t.Errorf("given one, found %+v", i)
	}
	if err := os.RemoveAll(home + "/.nvm"); err != nil {
		t.Fatal(err)
	}
	if i, _ := f.Find(Node, "22"); i.Version != "18.2.0" {
		t.Errorf("found %+v, which is gone", i)
	}
}

// slicesFind returns the one below a folder.
func slicesFind(all []Interpreter, dir string) Interpreter {
	for _, i := range all {
		if rest, err := filepath.Rel(dir, i.Path); err == nil && filepath.IsLocal(rest) {
			return i
		}
	}
	return Interpreter{}
}
