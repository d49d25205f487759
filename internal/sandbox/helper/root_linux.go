package helper

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// stage is where a root is laid out before it becomes the root.
const stage = "/tmp"

// Sizes of what there is besides /tmp, in bytes and files.
const (
	rootOptions = "mode=0755,size=4m,nr_inodes=4k"
	devOptions  = "mode=0755,size=64k,nr_inodes=64"
)

const harmless = unix.MS_NOSUID | unix.MS_NODEV

// devices are what there is in /dev.
var devices = []string{"null", "zero", "full", "random", "urandom"}

// sealed are what of /proc can't be written even by the machine's root, whose files
// they are.
var sealed = []string{"sys", "sysrq-trigger", "irq", "bus", "fs"}

// layOut lays out the root and makes it the one of this process. Nothing else of
// the file system can be reached from then on.
func (r *Root) layOut() error {
	if err := failed("mount private", unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")); err != nil {
		return err
	}
	mounts := append([]Mount{}, r.Mounts...)
	for _, name := range devices {
		mounts = append(mounts, Mount{From: "/dev/" + name, At: "/dev/" + name})
	}
	for i := range mounts {
		if err := mounts[i].open(); err != nil {
			return err
		}
	}
	if err := failed("mount root", unix.Mount("tmpfs", stage, "tmpfs", harmless, rootOptions)); err != nil {
		return err
	}
	if err := failed("chdir", unix.Chdir(stage)); err != nil {
		return err
	}
	if err := r.furnish(mounts); err != nil {
		return err
	}
	if err := failed("pivot_root", unix.PivotRoot(".", ".")); err != nil {
		return err
	}
	if err := failed("umount", unix.Unmount(".", unix.MNT_DETACH)); err != nil {
		return err
	}
	if err := failed("chdir", unix.Chdir("/")); err != nil {
		return err
	}
	for _, at := range []string{"/", "/dev"} {
		if err := failed("remount "+at, unix.Mount("", at, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY|harmless, "")); err != nil {
			return err
		}
	}
	return failed("sethostname", unix.Sethostname([]byte("naru")))
}

// furnish fills the root, which is the current directory.
func (r *Root) furnish(mounts []Mount) error {
	for _, dir := range []string{"proc", "tmp", "dev", "etc", "var"} {
		if err := failed("mkdir "+dir, unix.Mkdir(dir, 0o755)); err != nil {
			return err
		}
	}
	temp := fmt.Sprintf("mode=1777,size=%d,nr_inodes=%d", r.Temp, max(4096, r.Temp>>13))
	for _, m := range []struct {
		kind, at string
		flags    uintptr
		options  string
	}{
		{"proc", "proc", harmless | unix.MS_NOEXEC, ""},
		{"tmpfs", "tmp", harmless, temp},
		{"tmpfs", "dev", unix.MS_NOSUID | unix.MS_NOEXEC, devOptions},
	} {
		if err := failed("mount "+m.kind+" at /"+m.at, unix.Mount(m.kind, m.at, m.kind, m.flags, m.options)); err != nil {
			return err
		}
	}
	for _, name := range sealed {
		m := Mount{From: "proc/" + name, At: "/proc/" + name}
		if err := m.open(); errors.Is(err, os.ErrNotExist) {
			continue
		} else if err != nil {
			return err
		}
		if err := m.move(); err != nil {
			return err
		}
	}
	for _, f := range r.Files {
		at := inside(f.At)
		if err := errors.Join(os.MkdirAll(filepath.Dir(at), 0o755), os.WriteFile(at, []byte(f.Text), 0o644)); err != nil {
			return err
		}
	}
	for _, m := range mounts {
		if err := m.attach(); err != nil {
			return err
		}
	}
	links := append([]Link{{"/dev/fd", "/proc/self/fd"}, {"/dev/stdin", "fd/0"}, {"/dev/stdout", "fd/1"}, {"/dev/stderr", "fd/2"}}, r.Links...)
	for _, l := range links {
		at := inside(l.At)
		if err := errors.Join(os.MkdirAll(filepath.Dir(at), 0o755), failed("symlink "+l.At, unix.Symlink(l.To, at))); err != nil {
			return err
		}
	}
	return nil
}

// inside returns a path relative to the new root.
func inside(at string) string { return strings.TrimPrefix(filepath.Clean(at), "/") }

// open opens what is to be mounted, unless the server has.
func (m *Mount) open() (err error) {
	if m.FD == 0 {
		m.FD, err = OpenTree(m.From, strings.HasPrefix(m.From, "/dev/"))
	}
	return err
}

// OpenTree returns a descriptor of a detached mount of a file or folder, with
// what is mounted below it, that nothing can be changed through, but that a
// device can be used.
func OpenTree(path string, device bool) (int, error) {
	fd, err := unix.OpenTree(unix.AT_FDCWD, path, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE)
	if err != nil {
		return 0, failed("open_tree "+path, err)
	}
	attributes := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NODEV, Propagation: unix.MS_PRIVATE}
	if device {
		attributes.Attr_set = unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NOEXEC
	}
	if err := unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, &attributes); err != nil {
		return 0, errors.Join(failed("mount_setattr "+path, err), unix.Close(fd))
	}
	return fd, nil
}

// attach mounts what was opened.
func (m *Mount) attach() error {
	at := inside(m.At)
	var info unix.Stat_t
	if err := failed("stat "+m.From, unix.Fstatat(m.FD, "", &info, unix.AT_EMPTY_PATH)); err != nil {
		return err
	}
	if info.Mode&unix.S_IFMT == unix.S_IFDIR {
		if err := os.MkdirAll(at, 0o755); err != nil {
			return err
		}
	} else if err := errors.Join(os.MkdirAll(filepath.Dir(at), 0o755), os.WriteFile(at, nil, 0o644)); err != nil {
		return err
	}
	return m.move()
}

// move mounts what was opened at a place that is there.
func (m *Mount) move() error {
	if err := failed("move_mount "+m.At, unix.MoveMount(m.FD, "", unix.AT_FDCWD, inside(m.At), unix.MOVE_MOUNT_F_EMPTY_PATH)); err != nil {
		return err
	}
	return failed("close", unix.Close(m.FD))
}
