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
	"strings"
	"sync"

	"naru/internal/store"
	"naru/internal/wire"
)

// AWS's limits of code, in bytes, and Naru's of how many files it may be.
const (
	maxZip      = 52_428_800
	maxUnzipped = 262_144_000
	maxFiles    = 100_000
)

// setCode checks a version's code, stores it, and makes it v's.
func (s *Service) setCode(v *Version, code *FunctionCode) (err error) {
	switch {
	case code.ImageUri != nil:
		return notYet("functions from container images")
	case code.S3Bucket != nil || code.S3Key != nil:
		return errNoBucket()
	case len(code.ZipFile) == 0:
		return invalid("Please provide a source for function code.")
	}
	v.Code, v.Unzipped, err = s.storeZip(code.ZipFile)
	v.CodeSize = int64(len(code.ZipFile))
	return err
}

// errNoBucket is said of code in S3, of which Naru has none.
func errNoBucket() error {
	return invalid("Error occurred while GetObject. S3 Error Code: NoSuchBucket. S3 Error Message: The specified bucket does not exist")
}

// storeZip checks and stores a zip file, and returns how much it unpacks to.
func (s *Service) storeZip(text []byte) (sum store.Sum, unzipped int64, err error) {
	if len(text) > maxZip {
		return "", 0, wire.Errorf("RequestEntityTooLargeException", "Zipped size must be smaller than %d bytes", maxZip)
	}
	if unzipped, err = checkZip(text); err != nil {
		return "", 0, err
	}
	sum, err = s.store.Blobs().Put(text)
	return sum, unzipped, err
}

// checkZip refuses what cannot be unpacked or must not be, and returns how
// much there is to unpack.
func checkZip(text []byte) (int64, error) {
	bad := invalid("Could not unzip uploaded file. Please check your file, then try to upload again.")
	r, err := zip.NewReader(bytes.NewReader(text), int64(len(text)))
	if err != nil || len(r.File) > maxFiles {
		return 0, bad
	}
	var total uint64
	for _, f := range r.File {
		if !localName(f.Name) {
			return 0, bad
		}
		if total += f.UncompressedSize64; total > maxUnzipped || f.UncompressedSize64 > maxUnzipped {
			return 0, errUnzipped()
		}
	}
	return int64(total), nil
}

func errUnzipped() error {
	return invalid("Unzipped size must be smaller than %d bytes", maxUnzipped)
}

// localName reports whether a name in a zip file stays inside its folder.
func localName(name string) bool {
	return filepath.IsLocal(filepath.FromSlash(strings.TrimSuffix(name, "/"))) && !strings.ContainsAny(name, "\\\x00")
}

// codeCache unpacks code, each version once, below a folder that also leads
// functions to the SDKs:
//
//	<dir>/node_modules -> <sdk dir>/node_modules
//	<dir>/<sum>/...       the code
type codeCache struct {
	blobs *store.Blobs
	dir   string

	mu       sync.Mutex
	unpacked map[store.Sum]*unpacking
}

type unpacking struct {
	done chan struct{}
	err  error
}

func newCodeCache(blobs *store.Blobs, dir, sdk string) (*codeCache, error) {
	c := &codeCache{blobs: blobs, dir: dir, unpacked: map[store.Sum]*unpacking{}}
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
	return c, os.Symlink(filepath.Join(sdk, "node_modules"), link)
}

// folder returns the folder that the code is unpacked in.
func (c *codeCache) folder(sum store.Sum) (string, error) {
	folder := filepath.Join(c.dir, string(sum))
	c.mu.Lock()
	u := c.unpacked[sum]
	first := u == nil
	if first {
		u = &unpacking{done: make(chan struct{})}
		c.unpacked[sum] = u
	}
	c.mu.Unlock()
	if !first {
		<-u.done
		return folder, u.err
	}
	if u.err = c.unpack(sum, folder); u.err != nil {
		c.mu.Lock()
		delete(c.unpacked, sum) // the next one tries again
		c.mu.Unlock()
	}
	close(u.done)
	return folder, u.err
}

// unpack makes the folder, whole or not at all.
func (c *codeCache) unpack(sum store.Sum, folder string) error {
	if _, err := os.Stat(folder); err == nil {
		return nil // by an earlier start
	}
	text, err := c.blobs.Get(sum)
	if err != nil {
		return err
	}
	r, err := zip.NewReader(bytes.NewReader(text), int64(len(text)))
	if err != nil {
		return fmt.Errorf("lambda: code %s: %w", sum, err)
	}
	temporary, err := os.MkdirTemp(c.dir, "unpacking-")
	if err != nil {
		return fmt.Errorf("lambda: code %s: %w", sum, err)
	}
	defer os.RemoveAll(temporary) // what is left of it if something fails
	if err := unpackTo(temporary, r); err != nil {
		return fmt.Errorf("lambda: code %s: %w", sum, err)
	}
	return os.Rename(temporary, folder)
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
	out, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644|f.Mode().Perm()&0o111)
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
	return int64(len(target)), root.Symlink(string(target), name)
}
