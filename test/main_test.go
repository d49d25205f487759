package test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// program is Naru as built for these tests.
var program string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "naru-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	program = filepath.Join(dir, "naru")
	// As make does: first the programs that naru embeds.
	for _, args := range [][]string{
		{"build", "-trimpath", "-ldflags", "-s -w", "-o", "../cmd/naru/helper/naru-helper", "../cmd/naru-helper"},
		{"build", "-trimpath", "-ldflags", "-s -w", "-o", "../cmd/naru/helper/naru-bootstrap", "../cmd/naru-bootstrap"},
		{"build", "-o", program, "../cmd/naru"},
	} {
		build := exec.Command("go", args...)
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "Naru does not build: %v\n%s", err, out)
			return 1
		}
	}
	return m.Run()
}
