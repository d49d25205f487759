package sandbox

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"naru/internal/sandbox/helper"
)

// A ground is what environments share.
type ground struct {
	program *os.File // the small helper; nil if there is none
	root    helper.Root
	read    []string // what landlock lets be read without a root
	groups  *cgroups // nil if there are none
	owners  *owners  // nil if all environments belong to the same user
}

// The ids of users and groups that processes have in a user namespace: AWS's.
const (
	insideUID = 993
	insideGID = 990
)

// system are the folders with the system's programs and libraries.
var system = []string{"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix", "/gnu"}

// settings are what of /etc processes see: what programs need to be found, to
// tell the time, and to trust certificates.
var settings = []string{
	"/etc/alternatives", "/etc/ca-certificates", "/etc/ca-certificates.conf", "/etc/crypto-policies", "/etc/fonts", "/etc/gai.conf",
	"/etc/host.conf", "/etc/java*", "/etc/jvm*", "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/localtime", "/etc/mime.types",
	"/etc/pki/ca-trust", "/etc/pki/tls/certs", "/etc/pki/tls/cert.pem", "/etc/protocols", "/etc/python*", "/etc/services", "/etc/ssl/certs", "/etc/ssl/cert.pem", "/etc/ssl/openssl.cnf", "/etc/static", "/etc/dotnet",
}

// newGround returns what environments share. In a private network there are no
// other hosts, hence no name servers.
func newGround(private bool) ground {
	g := ground{root: helper.Root{UID: insideUID, GID: insideGID}}
	for _, dir := range system {
		info, err := os.Lstat(dir)
		switch {
		case err != nil:
		case info.Mode()&os.ModeSymlink != 0:
			if to, err := os.Readlink(dir); err == nil {
				g.root.Links = append(g.root.Links, helper.Link{At: dir, To: to})
			}
			g.read = append(g.read, dir)
		case info.IsDir():
			g.root.Mounts = append(g.root.Mounts, helper.Mount{From: dir, At: dir})
			g.read = append(g.read, dir)
		}
	}
	for _, pattern := range settings {
		paths, _ := filepath.Glob(pattern) // errs on bad patterns only
		for _, path := range paths {
			if real, err := filepath.EvalSymlinks(path); err == nil && readable(real) {
				g.root.Mounts = append(g.root.Mounts, helper.Mount{From: real, At: path})
				g.read = append(g.read, path)
			}
		}
	}
	resolver := ""
	if text, err := os.ReadFile("/etc/resolv.conf"); err == nil && !private {
		resolver = string(text)
	}
	g.root.Files = []helper.File{
		{At: "/etc/passwd", Text: fmt.Sprintf("root:x:0:0:root:/root:/sbin/nologin\nsbx_user1051:x:%d:%d::/tmp:/sbin/nologin\n", insideUID, insideGID)},
		{At: "/etc/group", Text: fmt.Sprintf("root:x:0:\nsbx_user1051:x:%d:\n", insideGID)},
		{At: "/etc/hosts", Text: "127.0.0.1 localhost sandbox sandbox.localdomain naru\n::1 localhost\n"},
		{At: "/etc/hostname", Text: "naru\n"},
		{At: "/etc/nsswitch.conf", Text: "passwd: files\ngroup: files\nhosts: files dns\n"},
		{At: "/etc/resolv.conf", Text: resolver},
	}
	g.read = append(g.read, "/etc/hosts", "/etc/resolv.conf", "/etc/nsswitch.conf", "/etc/passwd", "/etc/group", "/run/systemd/resolve", "/proc")
	return g
}

// readable reports whether everybody may read a file or folder.
func readable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().Perm()&0o004 != 0
}

// setup returns what the helper is to lay out, and the mounts that it is given as
// descriptors.
func (l *Launcher) setup(spec Spec) (s *helper.Setup, mounts []*os.File, err error) {
	s = &helper.Setup{
		Version: helper.Version, Env: spec.Env, Dir: spec.Dir,
		Limits: helper.Limits{Files: spec.Files}, Seccomp: l.tier >= Landlocked,
	}
	for i, argv := range append([][]string{spec.Command}, spec.Others...) {
		program, err := spec.program(argv)
		if err != nil {
			return nil, nil, err
		}
		command := helper.Command{Program: program, Args: argv}
		if i == 0 {
			s.Runtime = command
		} else {
			s.Others = append(s.Others, command)
		}
	}
	switch l.tier {
	case Namespaced:
		s.Limits.Processes = spec.Processes + helperThreads
		s.Rules = &helper.Landlock{Read: []string{"/"}, Write: []string{"/dev", "/proc"}, Change: []string{"/tmp"}}
		if helper.LandlockABI() < 1 {
			s.Rules = nil // the root does it alone
		}
		if l.Private() {
			for _, d := range spec.Doors {
				s.Ports = append(s.Ports, d.Port)
			}
		}
		mounts, err = l.setRoot(s, spec)
	case Landlocked:
		s.Limits.FileSize = spec.Temp
		s.Rules = l.rules(spec)
	}
	return s, mounts, err
}

// setRoot lays out the root. Where this process may, it makes the mounts itself:
// then they can be of folders that the environment's user has no way to.
func (l *Launcher) setRoot(s *helper.Setup, spec Spec) (files []*os.File, err error) {
	root := l.ground.root
	root.Temp = spec.Temp
	root.Mounts = append([]helper.Mount{}, root.Mounts...)
	root.Links = append([]helper.Link{}, root.Links...)
	for _, link := range spec.Links {
		root.Links = append(root.Links, helper.Link(link))
	}
	for _, m := range spec.Mounts {
		root.Mounts = append(root.Mounts, helper.Mount{From: m.Folder, At: m.At})
	}
	s.Root = &root
	if l.ground.owners == nil {
		return nil, nil
	}
	for i := range root.Mounts {
		m := &root.Mounts[i]
		fd, err := helper.OpenTree(m.From, false)
		if err != nil {
			closeAll(files)
			return nil, fmt.Errorf("sandbox: %w", err)
		}
		m.FD = helper.FirstFree + len(files)
		files = append(files, os.NewFile(uintptr(fd), m.From))
	}
	return files, nil
}

// rules are those of an environment that sees the whole file system.
func (l *Launcher) rules(spec Spec) *helper.Landlock {
	r := &helper.Landlock{Read: append([]string{}, l.ground.read...), Change: []string{}}
	for _, m := range spec.Mounts {
		r.Read = append(r.Read, m.Folder)
	}
	for _, command := range append([][]string{spec.Command}, spec.Others...) {
		if program, err := spec.program(command); err == nil {
			r.Read = append(r.Read, program)
		}
	}
	r.Read = append(r.Read, spec.Dir)
	for _, device := range []string{"null", "zero", "full", "random", "urandom", "tty"} {
		r.Write = append(r.Write, "/dev/"+device)
	}
	if temp, ok := variable(spec.Env, "TMPDIR"); ok {
		r.Change = append(r.Change, temp)
	}
	if !l.hides(os.TempDir()) {
		r.Change = append(r.Change, os.TempDir())
	}
	return r
}

// hides reports whether something private lies in a folder.
func (l *Launcher) hides(dir string) bool {
	for _, private := range l.options.Private {
		if rest, err := filepath.Rel(resolved(dir), resolved(private)); err == nil && filepath.IsLocal(rest) {
			return true
		}
	}
	return false
}

// resolved returns an absolute path without symbolic links, as far as it exists.
func resolved(path string) string {
	if absolute, err := filepath.Abs(path); err == nil {
		path = absolute
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	return path
}

// startHelper starts a helper with descriptors from 3 on, in a control group.
func (l *Launcher) startHelper(files []*os.File, g *cgroup) (*exec.Cmd, error) {
	argv := l.options.Helper
	if l.ground.program != nil {
		argv = []string{fmt.Sprintf("/proc/self/fd/%d", 3+len(files))}
		files = append(files, l.ground.program)
	}
	c := exec.Command(argv[0], argv[1:]...)
	if l.ground.program != nil {
		c.Args = []string{"naru-helper"}
	}
	c.Dir = "/"
	c.Env = []string{"GOMAXPROCS=1", "GOGC=off", helperMark + "=1"}
	c.Stderr = os.Stderr
	c.ExtraFiles = files
	c.SysProcAttr = l.attributes()
	outside, err := g.start(c)
	if err != nil {
		return nil, err
	}
	if outside != nil {
		l.log.Warn("an environment is not in its control group", "error", outside)
	}
	return c, nil
}

// attributes say in which namespaces a helper starts, and as whom.
func (l *Launcher) attributes() *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{Setsid: true} // a ^C at the terminal is not for it
	if l.tier < Namespaced {
		return a
	}
	a.Cloneflags = unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS
	if l.Private() {
		a.Cloneflags |= unix.CLONE_NEWNET
	}
	a.AmbientCaps = []uintptr{unix.CAP_SYS_ADMIN, unix.CAP_NET_ADMIN, unix.CAP_SETPCAP, unix.CAP_SYS_RESOURCE, unix.CAP_KILL}
	uid, gid := os.Getuid(), os.Getgid()
	a.Credential = &syscall.Credential{Uid: insideUID, Gid: insideGID, NoSetGroups: true}
	if l.ground.owners != nil {
		uid = l.ground.owners.next()
		gid = uid
		a.GidMappingsEnableSetgroups = true
		a.Credential.NoSetGroups = false // there are none to set: all are dropped
	}
	a.UidMappings = []syscall.SysProcIDMap{{ContainerID: insideUID, HostID: uid, Size: 1}}
	a.GidMappings = []syscall.SysProcIDMap{{ContainerID: insideGID, HostID: gid, Size: 1}}
	return a
}

// owners gives each environment a user of its own, of which the system knows
// nothing.
type owners struct {
	mu   sync.Mutex
	last int
}

// The ids of owners. They are used in turn, so that one is not used again before
// a million others.
const (
	firstOwner = 1_800_000_000
	manyOwners = 1_000_000
)

func (o *owners) next() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.last = (o.last + 1) % manyOwners
	return firstOwner + o.last
}

// has reports whether a user is one of them.
func (o *owners) has(uid uint32) bool {
	return o != nil && uid >= firstOwner && uid < firstOwner+manyOwners
}

// openProgram keeps a program in memory, to be started from there: its file may
// lie where an environment's user does not get.
func openProgram(program []byte) (*os.File, error) {
	if len(program) == 0 {
		return nil, nil
	}
	fd, err := unix.MemfdCreate("naru-helper", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	f := os.NewFile(uintptr(fd), "naru-helper")
	if _, err := f.Write(program); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, unix.F_SEAL_WRITE|unix.F_SEAL_GROW|unix.F_SEAL_SHRINK|unix.F_SEAL_SEAL); err != nil {
		return nil, errors.Join(os.NewSyscallError("fcntl", err), f.Close())
	}
	// It can't be executed while it is open for writing.
	read, err := os.Open(fmt.Sprintf("/proc/self/fd/%d", fd))
	runtime.KeepAlive(f)
	return read, errors.Join(err, f.Close())
}

// trimmed returns the first line of an error.
func trimmed(err error) string {
	text, _, _ := strings.Cut(err.Error(), "\n")
	return strings.TrimPrefix(text, "sandbox: ")
}
