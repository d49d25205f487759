package helper

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// LandlockABI returns the version of landlock that this kernel has, 0 for none.
func LandlockABI() int {
	abi, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 {
		return 0
	}
	return int(abi)
}

// ScopesFrom is the version of landlock from which on it keeps signals, and
// abstract sockets, within an environment.
const ScopesFrom = 6

// createRuleset returns a descriptor of an empty set of rules that handles the
// given rights, and whatever scopes there are.
func createRuleset(abi int, access uint64) (int, error) {
	attributes := unix.LandlockRulesetAttr{Handled_access_fs: access}
	size := unsafe.Sizeof(attributes.Handled_access_fs)
	if abi >= ScopesFrom {
		attributes.Scoped = unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET | unix.LANDLOCK_SCOPE_SIGNAL
		size = unsafe.Offsetof(attributes.Quiet_access_fs)
	}
	fd, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&attributes)), size, 0)
	if errno != 0 {
		return 0, failed("landlock_create_ruleset", errno)
	}
	return int(fd), nil
}

func allowBeneath(ruleset, fd int, access uint64) error {
	rule := unix.LandlockPathBeneathAttr{Allowed_access: access, Parent_fd: int32(fd)}
	_, _, errno := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, uintptr(ruleset), unix.LANDLOCK_RULE_PATH_BENEATH, uintptr(unsafe.Pointer(&rule)), 0, 0, 0)
	if errno != 0 {
		return failed("landlock_add_rule", errno)
	}
	return nil
}
