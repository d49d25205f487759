package helper

import (
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// denied are the system calls that no function needs and that attacks on the
// kernel, or on other processes, are made of. They fail with EPERM.
var denied = []uint32{
	// mounts and namespaces
	unix.SYS_MOUNT, unix.SYS_UMOUNT2, unix.SYS_PIVOT_ROOT, unix.SYS_CHROOT, unix.SYS_UNSHARE, unix.SYS_SETNS,
	unix.SYS_FSOPEN, unix.SYS_FSCONFIG, unix.SYS_FSMOUNT, unix.SYS_FSPICK, unix.SYS_OPEN_TREE, unix.SYS_MOVE_MOUNT, unix.SYS_MOUNT_SETATTR,
	unix.SYS_NAME_TO_HANDLE_AT, unix.SYS_OPEN_BY_HANDLE_AT, unix.SYS_QUOTACTL, unix.SYS_QUOTACTL_FD, unix.SYS_SWAPON, unix.SYS_SWAPOFF,
	unix.SYS_FANOTIFY_INIT, unix.SYS_FANOTIFY_MARK,
	// other processes
	unix.SYS_PTRACE, unix.SYS_PROCESS_VM_READV, unix.SYS_PROCESS_VM_WRITEV, unix.SYS_PROCESS_MADVISE, unix.SYS_PIDFD_GETFD, unix.SYS_KCMP, unix.SYS_MOVE_PAGES,
	unix.SYS_MIGRATE_PAGES,
	// the kernel
	unix.SYS_BPF, unix.SYS_PERF_EVENT_OPEN, unix.SYS_USERFAULTFD, unix.SYS_KEYCTL, unix.SYS_ADD_KEY, unix.SYS_REQUEST_KEY,
	unix.SYS_INIT_MODULE, unix.SYS_FINIT_MODULE, unix.SYS_DELETE_MODULE, unix.SYS_KEXEC_LOAD, unix.SYS_KEXEC_FILE_LOAD, unix.SYS_REBOOT, unix.SYS_SYSLOG,
	unix.SYS_ACCT, unix.SYS_SETTIMEOFDAY, unix.SYS_CLOCK_SETTIME, unix.SYS_CLOCK_ADJTIME, unix.SYS_ADJTIMEX, unix.SYS_SETHOSTNAME, unix.SYS_SETDOMAINNAME,
	unix.SYS_LOOKUP_DCOOKIE, unix.SYS_VHANGUP, unix.SYS_NFSSERVCTL, unix.SYS_MEMFD_SECRET,
}

// changing are the system calls that change the rights of files by their paths.
// Landlock does not see them, so they are denied to whoever sees the machine's
// files and may be their owner.
var changing = append([]uint32{
	unix.SYS_FCHMODAT, unix.SYS_FCHMODAT2, unix.SYS_FCHOWNAT, unix.SYS_SETXATTR, unix.SYS_LSETXATTR, unix.SYS_REMOVEXATTR, unix.SYS_LREMOVEXATTR,
}, olderChanging...)

// missing are system calls that programs do without if the kernel does not have
// them. They fail with ENOSYS: with clone3 a filter can't see the flags.
var missing = []uint32{unix.SYS_CLONE3, unix.SYS_IO_URING_SETUP, unix.SYS_IO_URING_ENTER, unix.SYS_IO_URING_REGISTER}

// families are the kinds of sockets that may be made.
var families = []uint32{unix.AF_UNIX, unix.AF_INET, unix.AF_INET6, unix.AF_NETLINK}

// newNamespaces are the flags of clone that make namespaces.
const newNamespaces = unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS | unix.CLONE_NEWCGROUP

// Offsets in struct seccomp_data; arguments are 64 bits wide, and the machines
// that Naru knows are little-endian.
const (
	offsetNumber   = 0
	offsetArch     = 4
	offsetArgument = 16
)

const (
	load  = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
	equal = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
	least = unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K
	anyOf = unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K
	give  = unix.BPF_RET | unix.BPF_K

	allow       = unix.SECCOMP_RET_ALLOW
	kill        = unix.SECCOMP_RET_KILL_PROCESS
	notAllowed  = unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)
	notThere    = unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)
	noSuchKind  = unix.SECCOMP_RET_ERRNO | uint32(unix.EAFNOSUPPORT)
	x32Syscalls = 0x40000000
)

func step(code uint16, k uint32, yes, no uint8) unix.SockFilter {
	return unix.SockFilter{Code: code, K: k, Jt: yes, Jf: no}
}

// filter returns the program that the kernel runs for every system call, which
// denies some more besides.
func filter(more []uint32) []unix.SockFilter {
	program := []unix.SockFilter{
		step(load, offsetArch, 0, 0),
		step(equal, architecture[runtime.GOARCH], 1, 0),
		step(give, kill, 0, 0),
		step(load, offsetNumber, 0, 0),
	}
	if runtime.GOARCH == "amd64" {
		program = append(program, step(least, x32Syscalls, 0, 1), step(give, notThere, 0, 0))
	}
	for _, n := range append(append([]uint32{}, denied...), more...) {
		program = append(program, step(equal, n, 0, 1), step(give, notAllowed, 0, 0))
	}
	for _, n := range missing {
		program = append(program, step(equal, n, 0, 1), step(give, notThere, 0, 0))
	}
	// clone, without namespaces
	program = append(program,
		step(equal, unix.SYS_CLONE, 0, 4),
		step(load, offsetArgument, 0, 0),
		step(anyOf, newNamespaces, 0, 1),
		step(give, notAllowed, 0, 0),
		step(give, allow, 0, 0),
	)
	// personality, but for asking, and for the usual one
	program = append(program,
		step(equal, unix.SYS_PERSONALITY, 0, 5),
		step(load, offsetArgument, 0, 0),
		step(equal, 0xffffffff, 1, 0),
		step(equal, 0, 0, 1),
		step(give, allow, 0, 0),
		step(give, notAllowed, 0, 0),
	)
	// socket, of some kinds
	program = append(program, step(equal, unix.SYS_SOCKET, 0, uint8(len(families)+2)), step(load, offsetArgument, 0, 0))
	for i, family := range families {
		program = append(program, step(equal, family, uint8(len(families)-i), 0))
	}
	return append(program, step(give, noSuchKind, 0, 0), step(give, allow, 0, 0))
}

// architecture is how the kernel names them.
var architecture = map[string]uint32{"amd64": unix.AUDIT_ARCH_X86_64, "arm64": unix.AUDIT_ARCH_AARCH64}

// loadFilter has the kernel run a program for every system call of this thread,
// and of what it starts.
func loadFilter(program []unix.SockFilter) error {
	p := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, uintptr(unsafe.Pointer(&p)))
	if errno != 0 {
		return errno
	}
	return nil
}
