package sdk

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// tool writes a program that stands for the one that fetches packages.
func tool(t *testing.T, script string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tool")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func kit(t *testing.T, name string) Kit {
	t.Helper()
	for _, k := range Kits {
		if k.Name == name {
			return k
		}
	}
	t.Fatalf("there is no kit %s", name)
	return Kit{}
}

func TestAKitIsThereWholeOrNotAtAll(t *testing.T) {
	dir, k := t.TempDir(), kit(t, "nodejs")
	if err := k.Install(t.Context(), dir, tool(t, "touch half; exit 1"), os.Stderr); err == nil || k.Installed(dir) {
		t.Errorf("installed although the tool failed: %v", err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "nodejs", "old"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := k.Install(t.Context(), dir, tool(t, "test -f package.json && mkdir node_modules"), os.Stderr); err != nil || !k.Installed(dir) {
		t.Fatalf("not installed: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "nodejs", "old")); err == nil {
		t.Error("what was there before is still there")
	}
	if err := k.Install(t.Context(), dir, tool(t, "exit 1"), os.Stderr); err != nil {
		t.Errorf("installed once more: %v", err)
	}
}

func TestAToolIsGivenByARelativePath(t *testing.T) {
	dir, k := t.TempDir(), kit(t, "nodejs")
	path := tool(t, "mkdir node_modules")
	t.Chdir(filepath.Dir(filepath.Dir(path)))
	if err := k.Install(t.Context(), dir, "./"+filepath.Base(filepath.Dir(path))+"/tool", os.Stderr); err != nil || !k.Installed(dir) {
		t.Errorf("not installed: %v", err)
	}
}

func TestJarsAreHeldAgainstTheirSums(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	sums := fmt.Appendf(nil, "%x  a.jar\n", sha256.Sum256([]byte("a")))
	check := func(want string) {
		t.Helper()
		if err := checkSums(dir, sums); want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("error is %v, want %q", err, want)
		}
	}
	check("was not fetched")
	write("a.jar", "another")
	check("is not what it should be")
	write("a.jar", "a")
	check("")
	write("b.jar", "b")
	check("is not on the list")
}
