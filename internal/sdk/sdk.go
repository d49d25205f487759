// Package sdk fills the folder with the AWS SDKs that functions find, as they
// find them on AWS, without packing them.
package sdk

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
)

// nodePackage lists the packages for Node.js, each at an exact version: the
// second version of the SDK whole, and of the third the clients of the services
// that Naru has.
//
//go:embed package.json
var nodePackage []byte

// DefaultDir returns the folder below the user's data directory.
func DefaultDir() string {
	data := os.Getenv("XDG_DATA_HOME")
	if data == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return filepath.Join(os.TempDir(), "naru-sdk")
		}
		data = filepath.Join(home, ".local", "share")
	}
	return filepath.Join(data, "naru", "sdk")
}

// NodeDir is where the packages for Node.js are below a folder of SDKs.
func NodeDir(dir string) string { return filepath.Join(dir, "nodejs") }

// InstalledNode reports whether InstallNode was done with this version's list.
func InstalledNode(dir string) bool {
	have, err := os.ReadFile(filepath.Join(NodeDir(dir), "installed.json"))
	return err == nil && bytes.Equal(have, nodePackage)
}

// InstallNode installs the packages for Node.js with npm, which writes to out.
// What is installed already is left as it is.
func InstallNode(ctx context.Context, dir string, out io.Writer) error {
	if InstalledNode(dir) {
		return nil
	}
	node := NodeDir(dir)
	if err := os.MkdirAll(node, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(node, "package.json"), nodePackage, 0o644); err != nil {
		return err
	}
	if err := os.Remove(filepath.Join(node, "package-lock.json")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	npm := exec.CommandContext(ctx, "npm", "install", "--omit=dev", "--no-audit", "--no-fund", "--loglevel=error")
	npm.Dir, npm.Stdout, npm.Stderr = node, out, out
	if err := npm.Run(); err != nil {
		return fmt.Errorf("npm install in %s: %w", node, err)
	}
	return os.WriteFile(filepath.Join(node, "installed.json"), nodePackage, 0o644)
}
