package lambda

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"

	"naru/internal/store"
)

// codeCache unpacks code and layers, each once, below a folder that also leads
// functions to the SDKs:
//
//	<dir>/node_modules -> <sdk dir>/nodejs/node_modules
//	<dir>/<sum>/...       the code
//	<dir>/opt-<sum>/...   layers, one over the other
//	<dir>/boot            which start of the machine this is of
type codeCache struct {
	blobs *store.Blobs
	dir   string

	mu       sync.Mutex
	unpacked map[string]*unpacking // by name of the folder
}

type unpacking struct {
	done chan struct{}
	err  error
}

func newCodeCache(blobs *store.Blobs, dir, sdk string) (*codeCache, error) {
	c := &codeCache{blobs: blobs, dir: dir, unpacked: map[string]*unpacking{}}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("lambda: code: %w", err)
	}
	link := filepath.Join(dir, "node_modules")
	if err := os.Remove(link); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("lambda: code: %w", err)
	}
	if sdk == "" {
		return c, nil
	}
	return c, os.Symlink(filepath.Join(sdk, "nodejs", "node_modules"), link)
}

// folder returns the folder that code is unpacked in.
func (c *codeCache) folder(sum store.Sum) (string, error) { return c.once(string(sum), sum) }

// layers returns the folder that layers are unpacked in, each over those before
// it; "" for no layers.
func (c *codeCache) layers(layers []UsedLayer) (string, error) {
	if len(layers) == 0 {
		return "", nil
	}
	sums := make([]store.Sum, len(layers))
	all := ""
	for i, l := range layers {
		sums[i] = l.Code
		all += string(l.Code) + "\n"
	}
	return c.once("opt-"+string(store.SumOf([]byte(all))), sums...)
}

// once unpacks zip files into the folder of that name, unless it was done.
func (c *codeCache) once(name string, sums ...store.Sum) (string, error) {
	folder := filepath.Join(c.dir, name)
	c.mu.Lock()
	u := c.unpacked[name]
	first := u == nil
	if first {
		u = &unpacking{done: make(chan struct{})}
		c.unpacked[name] = u
	}
	c.mu.Unlock()
	if !first {
		<-u.done
		return folder, u.err
	}
	if u.err = c.unpack(folder, sums); u.err != nil {
		c.mu.Lock()
		delete(c.unpacked, name) // the next one tries again
		c.mu.Unlock()
	}
	close(u.done)
	return folder, u.err
}

// unpack makes the folder, whole or not at all.
func (c *codeCache) unpack(folder string, sums []store.Sum) error {
	if _, err := os.Stat(folder); err == nil {
		return nil // by an earlier start
	}
	temporary, err := os.MkdirTemp(c.dir, "unpacking-")
	if err != nil {
		return fmt.Errorf("lambda: code: %w", err)
	}
	defer os.RemoveAll(temporary) // what is left of it if something fails
	for _, sum := range sums {
		text, err := c.blobs.Get(sum)
		if err == nil {
			err = unpackZip(temporary, text)
		}
		if err != nil {
			return fmt.Errorf("lambda: code %s: %w", sum, err)
		}
	}
	return os.Rename(temporary, folder)
}

// tryUnpack reports whether code can be unpacked as a whole.
func (c *codeCache) tryUnpack(text []byte) error {
	temporary, err := os.MkdirTemp(c.dir, "unpacking-")
	if err != nil {
		return fmt.Errorf("lambda: code: %w", err)
	}
	if err := unpackZip(temporary, text); err != nil {
		return errors.Join(errUnpack, err, os.RemoveAll(temporary))
	}
	folder := filepath.Join(c.dir, string(store.SumOf(text)))
	if os.Rename(temporary, folder) == nil {
		return nil // the first environment finds it there
	}
	return os.RemoveAll(temporary) // it was there already
}

// errUnpack is why a zip file is refused.
var errUnpack = errors.New("lambda: the zip file cannot be unpacked")

// sweep removes the folders that keep does not want, and what an interrupted
// start left. What was unpacked before the machine was started last is removed
// too: it was not synced, and may have been cut off with the power.
func (c *codeCache) sweep(keep func(store.Sum) bool) error {
	entries, err := os.ReadDir(c.dir)
	if err != nil {
		return fmt.Errorf("lambda: code: %w", err)
	}
	mark, boot := filepath.Join(c.dir, "boot"), bootID()
	before, err := os.ReadFile(mark)
	stale := err != nil || boot == "" || string(before) != boot
	for _, e := range entries {
		name := e.Name()
		isCode := sumForm.MatchString(name)
		if isCode && (stale || !keep(store.Sum(name))) || stale && optForm.MatchString(name) || strings.HasPrefix(name, "unpacking-") {
			if err := os.RemoveAll(filepath.Join(c.dir, name)); err != nil {
				return fmt.Errorf("lambda: code: %w", err)
			}
		}
	}
	return os.WriteFile(mark, []byte(boot), 0o600)
}

// bootID is another after each start of the machine; "" where the system does
// not tell.
func bootID() string {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return string(id)
}

var (
	sumForm = regexp.MustCompile("^[0-9a-f]{64}$")
	optForm = regexp.MustCompile("^opt-[0-9a-f]{64}$")
)

func unpackZip(dir string, text []byte) error {
	r, err := zip.NewReader(bytes.NewReader(text), int64(len(text)))
	if err != nil {
		return err
	}
	return unpackTo(dir, r)
}

func unpackTo(dir string, r *zip.Reader) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	if err := root.Chmod(".", 0o755); err != nil {
		return err
	}
	left := int64(maxUnzipped)
	for _, f := range r.File {
		n, err := unpackFile(root, f, left)
		if err != nil {
			return fmt.Errorf("%s: %w", f.Name, err)
		}
		left -= n
	}
	return nil
}

// unpackFile writes one file, of at most limit bytes whatever the zip file
// says of its size. A root keeps it, and what symbolic links lead to, inside.
func unpackFile(root *os.Root, f *zip.File, limit int64) (int64, error) {
	name := filepath.FromSlash(strings.TrimSuffix(f.Name, "/"))
	if !localName(f.Name) {
		return 0, errors.New("its name leads out of the folder")
	}
	if f.FileInfo().IsDir() {
		return 0, root.MkdirAll(name, 0o755)
	}
	if err := root.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return 0, err
	}
	in, err := f.Open()
	if err != nil {
		return 0, err
	}
	defer in.Close()
	bounded := io.LimitReader(in, limit+1)
	if f.Mode()&fs.ModeSymlink != 0 {
		return unpackLink(root, name, bounded)
	}
	if err := root.RemoveAll(name); err != nil { // a layer's file may be over that of another
		return 0, err
	}
	out, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644|f.Mode().Perm()&0o111)
	if err != nil {
		return 0, err
	}
	n, err := io.Copy(out, bounded)
	if n > limit {
		err = errors.New("the code is larger than allowed")
	}
	return n, errors.Join(err, out.Close())
}

func unpackLink(root *os.Root, name string, in io.Reader) (int64, error) {
	target, err := io.ReadAll(io.LimitReader(in, 4096))
	if err != nil {
		return 0, err
	}
	if !filepath.IsLocal(filepath.Join(filepath.Dir(name), string(target))) || filepath.IsAbs(string(target)) {
		return 0, errors.New("a symbolic link leads out of the folder")
	}
	return int64(len(target)), errors.Join(root.RemoveAll(name), root.Symlink(string(target), name))
}
