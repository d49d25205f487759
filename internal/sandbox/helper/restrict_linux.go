package helper

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// restrict takes from this thread, and so from the processes that it starts, what
// they must not have.
func restrict(s *Setup) error {
	if err := s.Limits.set(); err != nil {
		return err
	}
	if s.Root == nil && s.Rules == nil && !s.Seccomp {
		return nil
	}
	if err := failed("prctl no_new_privs", unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)); err != nil {
		return err
	}
	// Nobody may look into the helper itself, which runs as the same user.
	if err := failed("prctl dumpable", unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)); err != nil {
		return err
	}
	if s.Rules != nil {
		if err := s.Rules.apply(); err != nil {
			return err
		}
	}
	if err := dropCapabilities(); err != nil {
		return err
	}
	if s.Seccomp {
		var more []uint32
		if s.Root == nil {
			more = changing
		}
		return failed("seccomp", loadFilter(filter(more)))
	}
	return nil
}

// set bounds what the processes below this one may use.
func (l Limits) set() error {
	if err := failed("setrlimit", unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{})); err != nil {
		return err
	}
	for _, limit := range []struct {
		what  int
		bound uint64
	}{
		{unix.RLIMIT_NOFILE, uint64(l.Files)}, {unix.RLIMIT_NPROC, uint64(l.Processes)}, {unix.RLIMIT_FSIZE, uint64(l.FileSize)},
	} {
		if limit.bound == 0 {
			continue
		}
		var now unix.Rlimit
		if err := failed("getrlimit", unix.Getrlimit(limit.what, &now)); err != nil {
			return err
		}
		bound := min(limit.bound, now.Max)
		if err := failed("setrlimit", unix.Setrlimit(limit.what, &unix.Rlimit{Cur: bound, Max: bound})); err != nil {
			return err
		}
	}
	return nil
}

// dropCapabilities drops all capabilities, also those that a program with some in
// its file would get.
func dropCapabilities() error {
	for c := uintptr(0); c <= unix.CAP_LAST_CAP; c++ {
		err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0)
		if err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.EPERM) { // unknown to this kernel; or there are none to drop
			return failed("prctl capbset", err)
		}
	}
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil {
		return failed("prctl ambient", err)
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	return failed("capset", unix.Capset(&header, &none[0]))
}

// apply has landlock bind this thread by the rules.
func (l *Landlock) apply() error {
	abi := LandlockABI()
	if abi < 1 {
		return errors.New("landlock is not there")
	}
	all := uint64(unix.LANDLOCK_ACCESS_FS_MAKE_SYM)<<1 - 1
	for _, later := range []struct {
		abi int
		bit uint64
	}{{2, unix.LANDLOCK_ACCESS_FS_REFER}, {3, unix.LANDLOCK_ACCESS_FS_TRUNCATE}, {5, unix.LANDLOCK_ACCESS_FS_IOCTL_DEV}} {
		if abi >= later.abi {
			all |= later.bit
		}
	}
	const read = unix.LANDLOCK_ACCESS_FS_EXECUTE | unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_READ_DIR
	const write = read | unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_TRUNCATE | unix.LANDLOCK_ACCESS_FS_IOCTL_DEV
	ruleset, err := createRuleset(abi, all)
	if err != nil {
		return err
	}
	defer unix.Close(ruleset)
	for _, group := range []struct {
		paths  []string
		access uint64
	}{{l.Read, read}, {l.Write, write & all}, {l.Change, all}} {
		for _, path := range group.paths {
			if err := addRule(ruleset, path, group.access); err != nil {
				return err
			}
		}
	}
	_, _, errno := unix.Syscall(unix.SYS_LANDLOCK_RESTRICT_SELF, uintptr(ruleset), 0, 0)
	if errno != 0 {
		return failed("landlock_restrict_self", errno)
	}
	return nil
}

// onlyFiles are the rights that make sense for a file.
const onlyFiles = unix.LANDLOCK_ACCESS_FS_EXECUTE | unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_WRITE_FILE |
	unix.LANDLOCK_ACCESS_FS_TRUNCATE | unix.LANDLOCK_ACCESS_FS_IOCTL_DEV

func addRule(ruleset int, path string, access uint64) error {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, os.ErrPermission) {
		return nil // nobody can reach it anyway
	} else if err != nil {
		return failed("open "+path, err)
	}
	defer unix.Close(fd)
	var info unix.Stat_t
	if err := failed("stat "+path, unix.Fstat(fd, &info)); err != nil {
		return err
	}
	if info.Mode&unix.S_IFMT != unix.S_IFDIR {
		access &= onlyFiles
	}
	if err := allowBeneath(ruleset, fd, access); err != nil {
		return fmt.Errorf("landlock %s: %w", path, err)
	}
	return nil
}
