package lambda

import (
	"archive/zip"
	"bytes"
	"errors"
	"path/filepath"
	"strings"

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
	case deref(code.S3Bucket) == hotBucket:
		if v.Folder, err = s.hot.folder(deref(code.S3Key)); err != nil {
			return err
		}
		v.Code, v.CodeSize, v.Unzipped = store.SumOf([]byte(hotBucket+" "+v.Folder)), 0, 0
		return nil
	case code.S3Bucket != nil || code.S3Key != nil:
		return errNoBucket()
	case len(code.ZipFile) == 0:
		return invalid("Please provide a source for function code.")
	}
	v.Folder = ""
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
	if err := s.code.tryUnpack(text); errors.Is(err, errUnpack) {
		return "", 0, errUnzip()
	} else if err != nil {
		return "", 0, err
	}
	sum, err = s.store.Blobs().Put(text)
	return sum, unzipped, err
}

// checkZip refuses what cannot be unpacked or must not be, and returns how
// much there is to unpack.
func checkZip(text []byte) (int64, error) {
	r, err := zip.NewReader(bytes.NewReader(text), int64(len(text)))
	if err != nil || len(r.File) > maxFiles {
		return 0, errUnzip()
	}
	var total uint64
	for _, f := range r.File {
		if !localName(f.Name) {
			return 0, errUnzip()
		}
		if total += f.UncompressedSize64; total > maxUnzipped || f.UncompressedSize64 > maxUnzipped {
			return 0, errUnzipped()
		}
	}
	return int64(total), nil
}

func errUnzip() error {
	return invalid("Could not unzip uploaded file. Please check your file, then try to upload again.")
}

func errUnzipped() error {
	return invalid("Unzipped size must be smaller than %d bytes", maxUnzipped)
}

// localName reports whether a name in a zip file stays inside its folder.
func localName(name string) bool {
	return filepath.IsLocal(filepath.FromSlash(strings.TrimSuffix(name, "/"))) && !strings.ContainsAny(name, "\\\x00")
}
