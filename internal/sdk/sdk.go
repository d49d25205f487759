// Package sdk fills the folder with what functions find without packing it, as
// on AWS: the AWS SDKs of Node.js and Python, and for Java the runtime interface
// client that AWS publishes.
//
//	nodejs/node_modules   aws-sdk and the clients of @aws-sdk
//	python                boto3 and what it needs
//	java                  jars
package sdk

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// The lists of packages, each at an exact version: for Node.js the second version
// of the SDK whole, and of the third the clients of the services that Naru has.
var (
	//go:embed package.json
	nodePackages []byte
	//go:embed requirements.txt
	pythonPackages []byte
	//go:embed pom.xml
	javaPackages []byte
	//go:embed jars.sha256
	javaSums []byte
)

// A Kit is what there is for one language.
type Kit struct {
	Name string // as naru runtime install takes it
	What string
	list []byte
	fill func(ctx context.Context, dir, tool string, out io.Writer) error
	tool string // that fills it, if no other is given
}

// Kits are all of them.
var Kits = []Kit{
	{"nodejs", "the AWS SDKs for Node.js (v2, and v3's clients of Naru's services)", nodePackages, fillNode, "npm"},
	{"python", "boto3", pythonPackages, fillPython, "python3"},
	{"java", "AWS's runtime interface client for Java", append(javaPackages, javaSums...), fillJava, "mvn"},
}

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

// Installed reports whether a kit of this version is in a folder of SDKs.
func (k Kit) Installed(dir string) bool {
	have, err := os.ReadFile(filepath.Join(dir, k.Name, mark))
	return err == nil && bytes.Equal(have, k.list)
}

// mark is a file in a kit's folder that holds its list once all of it is there.
const mark = "installed"

// Install fills a kit's folder in a folder of SDKs by a tool, "" for the usual
// one, which writes to out. What is installed already is left as it is; a folder
// of an earlier list is replaced once the new one is whole.
func (k Kit) Install(ctx context.Context, dir, tool string, out io.Writer) (err error) {
	if k.Installed(dir) {
		return nil
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	fresh, err := os.MkdirTemp(dir, k.Name+"-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(fresh)) }()
	if tool == "" {
		tool = k.tool
	} else if strings.Contains(tool, "/") { // it is run in another folder
		if tool, err = filepath.Abs(tool); err != nil {
			return err
		}
	}
	if err := errors.Join(os.Chmod(fresh, 0o755), k.fill(ctx, fresh, tool, out)); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(fresh, mark), k.list, 0o644); err != nil {
		return err
	}
	to := filepath.Join(dir, k.Name)
	return errors.Join(os.RemoveAll(to), os.Rename(fresh, to))
}

// run runs a tool in a folder.
func run(ctx context.Context, dir string, out io.Writer, argv ...string) error {
	c := exec.CommandContext(ctx, argv[0], argv[1:]...)
	c.Dir, c.Stdout, c.Stderr = dir, out, out
	if err := c.Run(); err != nil {
		return fmt.Errorf("%s: %w", strings.Join(argv, " "), err)
	}
	return nil
}

func fillNode(ctx context.Context, dir, npm string, out io.Writer) error {
	if err := os.WriteFile(filepath.Join(dir, "package.json"), nodePackages, 0o644); err != nil {
		return err
	}
	return run(ctx, dir, out, npm, "install", "--omit=dev", "--no-audit", "--no-fund", "--loglevel=error")
}

func fillPython(ctx context.Context, dir, python string, out io.Writer) error {
	list := filepath.Join(dir, "requirements.txt")
	if err := os.WriteFile(list, pythonPackages, 0o644); err != nil {
		return err
	}
	return run(ctx, dir, out, python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", "--root-user-action=ignore",
		"--require-hashes", "--no-deps", "--only-binary=:all:", "--target", dir, "-r", list)
}

func fillJava(ctx context.Context, dir, mvn string, out io.Writer) error {
	if err := os.WriteFile(filepath.Join(dir, "pom.xml"), javaPackages, 0o644); err != nil {
		return err
	}
	err := run(ctx, dir, out, mvn, "--quiet", "--batch-mode", "dependency:copy-dependencies", "-DincludeScope=runtime", "-DoutputDirectory="+dir)
	if err != nil {
		return err
	}
	return checkSums(dir, javaSums)
}

// checkSums holds the jars in a folder against a list of SHA-256 sums: all of
// them must be there, and no others.
func checkSums(dir string, sums []byte) error {
	jars, err := filepath.Glob(filepath.Join(dir, "*.jar"))
	if err != nil {
		return err
	}
	left := map[string]bool{}
	for _, jar := range jars {
		left[filepath.Base(jar)] = true
	}
	for lines := bufio.NewScanner(bytes.NewReader(sums)); lines.Scan(); {
		want, name, _ := strings.Cut(lines.Text(), "  ")
		text, err := os.ReadFile(filepath.Join(dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s was not fetched", name)
		} else if err != nil {
			return err
		}
		if got := sha256.Sum256(text); hex.EncodeToString(got[:]) != want {
			return fmt.Errorf("%s is not what it should be: its SHA-256 is %x and not %s", name, got, want)
		}
		delete(left, name)
	}
	for name := range left {
		return fmt.Errorf("%s is not on the list", name)
	}
	return nil
}
