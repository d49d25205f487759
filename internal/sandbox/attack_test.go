//go:build linux

package sandbox

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"naru/internal/sandbox/internal/proc"
)

// The attacks of docs/SECURITY.md, each in every tier that promises to hold against
// it, as root and as an ordinary user.

// nobody is a user that every system has.
const nobody = 65534

// TestAttacksAsOrdinaryUser runs the attacks once more as nobody, if this is root.
func TestAttacksAsOrdinaryUser(t *testing.T) {
	if os.Getuid() != 0 {
		t.Log("this is an ordinary user already")
		return
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "naru-attacks-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	copied := filepath.Join(dir, "bin", "sandbox.test")
	if err := errors.Join(os.Chmod(dir, 0o755), os.Mkdir(dir+"/bin", 0o755), os.WriteFile(copied, text, 0o755), os.Mkdir(dir+"/tmp", 0o777), os.Chmod(dir+"/tmp", 0o777)); err != nil {
		t.Fatal(err)
	}
	c := exec.Command(copied, "-test.run=^TestAttacks$", "-test.timeout=9m", "-test.v="+strconv.FormatBool(testing.Verbose()))
	c.Dir, c.Env = dir, []string{"PATH=/usr/bin:/bin", "TMPDIR=" + dir + "/tmp"}
	c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}, Setsid: true}
	out, err := c.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "PASS") {
		t.Errorf("as an ordinary user: %v", err)
	}
	t.Logf("%s", out)
}

// An arena is where attacks of a tier happen.
type arena struct {
	*Launcher
	t      *testing.T
	secret string // file of Naru's, which the environments must not see
	code   string // folder that one environment sees
	other  string // folder that another one sees
	self   string // this binary, as processes see it
}

func newArena(t *testing.T, mode Mode, tier Tier) *arena {
	t.Helper()
	dir := t.TempDir()
	a := &arena{t: t, secret: filepath.Join(dir, "data", "master.key"), code: filepath.Join(dir, "cache", "code"), other: filepath.Join(dir, "cache", "other")}
	writeFile(t, a.secret, "the master key")
	writeFile(t, a.code+"/mine", "mine")
	writeFile(t, a.other+"/theirs", "theirs")
	if err := os.Chmod(filepath.Dir(a.secret), 0o700); err != nil {
		t.Fatal(err)
	}
	var err error
	if a.Launcher, err = New(Options{Mode: mode, Private: []string{dir}}); err != nil {
		t.Skipf("this machine has no such tier: %v", err)
	}
	t.Cleanup(a.Close)
	if a.tier < tier {
		t.Skipf("this machine has no such tier: %v", a.notes)
	}
	a.tier = tier
	if a.self, err = os.Executable(); err != nil {
		t.Fatal(err)
	}
	return a
}

// attack runs an attack and returns what it says.
func (a *arena) attack(name string, args ...string) (*Environment, *transcript) {
	a.t.Helper()
	return a.attackWith(Spec{}, name, args...)
}

func (a *arena) attackWith(spec Spec, name string, args ...string) (*Environment, *transcript) {
	a.t.Helper()
	self := a.self
	if a.tier == Namespaced {
		self = "/opt/" + filepath.Base(a.self)
		spec.Mounts = []Mount{{a.code, "/var/task"}, {filepath.Dir(a.self), "/opt"}}
		spec.Dir = "/var/task"
	} else {
		spec.Mounts = []Mount{{a.code, a.code}, {filepath.Dir(a.self), filepath.Dir(a.self)}}
		spec.Dir = a.code
	}
	spec.Command = append([]string{self, "role", "attack", name}, args...)
	spec.Env = append(spec.Env, "PATH=/usr/bin:/bin")
	if spec.Temp == 0 {
		spec.Temp = 4 << 20
	}
	if spec.Memory == 0 {
		spec.Memory = 512 << 20
	}
	r := &transcript{}
	spec.Output = r.add
	e, err := a.Launch(a.t.Context(), spec)
	if err != nil {
		a.t.Fatal(err)
	}
	a.t.Cleanup(e.Kill)
	return e, r
}

// holds runs an attack that must fail in all its ways.
func (a *arena) holds(t *testing.T, name string, args ...string) {
	t.Helper()
	e, r := a.attack(name, args...)
	e.Exit()
	lines := r.text()
	if len(lines) == 0 || lines[len(lines)-1] != "done" {
		t.Fatalf("the attack did not get to its end: %v, %q", e.Exit(), lines)
	}
	for _, line := range lines {
		if strings.HasPrefix(line, "BROKEN") {
			t.Error(line)
		}
	}
}

func TestAttacks(t *testing.T) {
	for _, c := range []struct {
		name string
		mode Mode
		tier Tier
	}{{"Strict", Strict, Namespaced}, {"Namespaces", Auto, Namespaced}, {"OfOneUser", Strict, Namespaced}, {"Landlock", Auto, Landlocked}} {
		t.Run(c.name, func(t *testing.T) {
			a := newArena(t, c.mode, c.tier)
			if c.name == "OfOneUser" { // as where root may not do everything
				a.ground.owners = nil
			}
			t.Run("FilesOfNaru", func(t *testing.T) { a.holds(t, "read", a.secret, filepath.Dir(a.secret)) })
			t.Run("CodeOfOthers", func(t *testing.T) { a.holds(t, "read", a.other+"/theirs", a.other) })
			t.Run("FilesOfTheSystem", func(t *testing.T) {
				a.holds(t, "read", "/etc/shadow", "/root", "/home", "/var/lib", "/run", "/sys/kernel")
			})
			t.Run("WritingOutside", func(t *testing.T) { a.holds(t, "write", a.code) })
			t.Run("OtherProcesses", func(t *testing.T) { a.holds(t, "processes", strconv.Itoa(os.Getpid()), a.secret) })
			t.Run("SystemCalls", func(t *testing.T) { a.holds(t, "syscalls") })
			t.Run("Privileges", func(t *testing.T) { a.holds(t, "privileges") })
			t.Run("Descriptors", func(t *testing.T) { a.holds(t, "descriptors") })
			t.Run("Signals", a.signals)
			t.Run("ForkBomb", a.forkBomb)
			t.Run("MemoryHog", a.memoryHog)
			t.Run("Daemons", a.daemons)
			t.Run("AbstractSockets", a.abstractSockets)
			t.Run("DoorOfAnother", a.doorOfAnother)
			if c.tier == Namespaced {
				t.Run("DiskFlood", func(t *testing.T) { a.holds(t, "flood") })
				t.Run("TempOfOthers", a.tempOfOthers)
			}
			if c.mode == Strict {
				t.Run("Network", a.network)
			}
		})
	}
}

// TestWhatHidesSomething is not for environments to change, however it is named.
func TestWhatHidesSomething(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, dir+"/temp/data/key", "k")
	if err := os.Symlink(dir+"/temp", dir+"/link"); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir + "/temp")
	for private, want := range map[string]bool{dir + "/temp": true, dir + "/temp/data": true, dir + "/link/data": true, "data": true, dir + "/other": false, dir: false} {
		l := &Launcher{options: Options{Private: []string{private}}}
		if got := l.hides(dir + "/temp"); got != want {
			t.Errorf("%s is hidden: %v", private, got)
		}
	}
}

// signals: neither Naru nor a neighbour can be sent one.
func (a *arena) signals(t *testing.T) {
	neighbour, r := a.attack("rest")
	r.wait(t, "resting")
	e, _ := a.attack("signal", strconv.Itoa(os.Getpid()), strconv.Itoa(neighbour.PID()), strconv.Itoa(neighbour.body.helper.Process.Pid))
	e.Exit()
	if !alive(neighbour.PID()) {
		t.Error("the neighbour is dead")
	}
	select {
	case <-neighbour.Done():
		t.Errorf("the neighbour has ended: %v", neighbour.Exit())
	default:
	}
}

// forkBomb: at its bound no more processes start, in that environment alone. The
// watch, which would end it, is kept from looking.
func (a *arena) forkBomb(t *testing.T) {
	if !a.countsProcesses() {
		t.Skip("this tier promises no more than the watch, for want of control groups")
	}
	const bound = 64
	bomb, r := a.attackWith(Spec{Processes: bound}, "bomb")
	bomb.body.mu.Lock()
	_, err := bomb.Conn().Write([]byte("!"))
	if err == nil {
		waitFor(t, "the bomb", func() bool { return len(r.text()) > 0 })
		a.holds(t, "descriptors")
	}
	bomb.body.mu.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	var n int
	if text := r.text(); len(text) != 1 || !strings.HasPrefix(text[0], "bounded at ") {
		t.Fatalf("the bomb says %q", text)
	} else if _, err := fmt.Sscanf(text[0], "bounded at %d", &n); err != nil || n < bound/2 || n > bound+helperThreads {
		t.Errorf("%q, %v", text, err)
	}
	bomb.Kill()
}

// memoryHog: it is killed, and that is told. The kernel does not even let it have
// what it wants.
func (a *arena) memoryHog(t *testing.T) {
	const bound, wants = 200 << 20, 600
	hog, r := a.attackWith(Spec{Memory: bound}, "hog", strconv.Itoa(wants))
	if exit := hog.Exit(); !exit.OutOfMemory {
		t.Errorf("exit is %+v", exit)
	}
	if a.ground.groups != nil && len(r.text()) > 0 {
		t.Errorf("it has got what it wanted: %q", r.text())
	}
}

// daemons: they end with their environment.
func (a *arena) daemons(t *testing.T) {
	e, r := a.attack("daemon")
	r.wait(t, "daemon")
	below := proc.NewCensus(proc.System).Below(e.body.helper.Process.Pid)
	if len(below) < 2 {
		t.Fatalf("there are %d processes", len(below))
	}
	e.Kill()
	for _, p := range below {
		if alive(p.PID) {
			t.Errorf("process %d is alive", p.PID)
		}
	}
}

// abstractSockets: those of others are not reached.
func (a *arena) abstractSockets(t *testing.T) {
	if a.tier == Namespaced && !a.Private() || a.tier == Landlocked {
		if abi := a.details(); strings.Contains(abi, "does not keep signals apart") {
			t.Skipf("this tier does not promise it here: %s", abi)
		}
	}
	name := fmt.Sprintf("@naru-attack-%d-%s", os.Getpid(), strings.ReplaceAll(t.Name(), "/", "-"))
	l, err := net.Listen("unix", name)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	a.holds(t, "abstract", name)
}

// doorOfAnother: the door of an environment is closed to others, and open to its
// own.
func (a *arena) doorOfAnother(t *testing.T) {
	served := make(chan net.Listener, 1)
	answer := func(l net.Listener) {
		served <- l
		go func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				io.WriteString(conn, "open\n")
				conn.Close()
			}
		}()
	}
	own, r := a.attackWith(Spec{Doors: []Door{{Port: 9001, Variable: "DOOR", Serve: answer}}}, "knock")
	own.Exit()
	if text := r.text(); !slices.Equal(text, []string{"open", "done"}) {
		t.Errorf("an environment's own door: %q", text)
	}
	<-served
	neighbour, r := a.attackWith(Spec{Doors: []Door{{Port: 9001, Variable: "DOOR", Serve: answer}}}, "rest")
	r.wait(t, "resting")
	address := (<-served).Addr().String()
	a.holds(t, "break-in", address)
	conn, err := net.Dial("tcp", address)
	if err == nil { // from outside: nobody answers
		if line, _ := bufio.NewReader(conn).ReadString('\n'); line != "" {
			t.Errorf("the door answers this process: %q", line)
		}
		conn.Close()
	}
	neighbour.Kill()
}

// tempOfOthers: each environment has a /tmp of its own.
func (a *arena) tempOfOthers(t *testing.T) {
	first, r := a.attack("leave")
	r.wait(t, "left")
	a.holds(t, "read", "/tmp/left-behind")
	first.Kill()
	if _, err := os.Stat("/tmp/left-behind"); err == nil {
		t.Error("the file is in the machine's /tmp")
	}
}

// network: nothing is reached but the doors.
func (a *arena) network(t *testing.T) {
	l, err := net.Listen("tcp", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	targets := []string{"127.0.0.1:" + port}
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, address := range addresses {
		if ip, ok := address.(*net.IPNet); ok && ip.IP.To4() != nil && !ip.IP.IsLoopback() {
			targets = append(targets, net.JoinHostPort(ip.IP.String(), port))
		}
	}
	a.holds(t, "connect", targets...)
}

// ---------------------------------------------------------------- the attacks

// playAttack plays one. It prints BROKEN and what for each way in which it gets
// through, and "done".
func playAttack(args []string) {
	attacks[args[0]](args[1:])
	fmt.Println("done")
}

var attacks = map[string]func(args []string){
	"read": attackRead, "write": attackWrite, "processes": attackProcesses, "syscalls": attackSyscalls, "privileges": attackPrivileges,
	"descriptors": attackDescriptors, "signal": attackSignal, "bomb": attackBomb, "hog": playHog,
	"daemon": func([]string) {
		start([]string{os.Args[0], "role", "attack", "rest"}, &syscall.SysProcAttr{Setsid: true})
		fmt.Println("daemon")
		rest()
	},
	"rest": func([]string) { fmt.Println("resting"); rest() },
	"leave": func([]string) {
		err := os.WriteFile("/tmp/left-behind", []byte("x"), 0o666)
		if err == nil {
			fmt.Println("left")
		}
		rest()
	},
	"flood": attackFlood, "abstract": attackAbstract, "knock": func([]string) { fmt.Println(knock(os.Getenv("DOOR"))) },
	"break-in": attackBreakIn, "connect": attackConnect,
}

func broken(format string, args ...any) { fmt.Printf("BROKEN "+format+"\n", args...) }

// attackRead reads files and folders.
func attackRead(paths []string) {
	for _, path := range paths {
		for _, root := range []string{"", "/proc/1/root", "/proc/self/root", "/proc/" + strconv.Itoa(os.Getppid()) + "/root", "/proc/1/cwd/../..", "/proc/thread-self/root"} {
			if text, err := os.ReadFile(root + path); err == nil {
				broken("%s can be read: %.20q", root+path, text)
			}
			if entries, err := os.ReadDir(root + path); err == nil {
				broken("%s can be listed: %d entries", root+path, len(entries))
			}
		}
	}
}

// attackWrite writes where nothing is to be written: also to the code.
func attackWrite(args []string) {
	dirs := []string{"/", "/usr", "/usr/bin", "/etc", "/var", "/var/task", "/opt", "/dev", "/proc", "/proc/sys/kernel", "/sys", "/run", "/lib", "/root", "/home", "/boot", "/mnt", "/var/tmp", "."}
	for _, dir := range append(dirs, args...) {
		name := filepath.Join(dir, "written")
		if err := os.WriteFile(name, []byte("x"), 0o666); err == nil {
			broken("%s can be written", name)
		}
		if err := os.Mkdir(name, 0o777); err == nil {
			broken("%s can be made", name)
		}
	}
	for _, file := range []string{"mine", "/etc/passwd", "/etc/hosts", "/usr/bin/env", "/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger"} {
		if f, err := os.OpenFile(file, os.O_WRONLY, 0); err == nil {
			f.Close()
			broken("%s can be opened for writing", file)
		}
		// No harm is done where it succeeds.
		if info, err := os.Stat(file); err == nil && os.Chmod(file, info.Mode().Perm()) == nil {
			broken("%s can be given other rights", file)
		}
	}
}

// attackProcesses looks into other processes: the helper, the server and whatever
// there is.
func attackProcesses(args []string) {
	server, _ := strconv.Atoi(args[0])
	for _, pid := range []int{1, os.Getppid(), server} {
		for _, file := range []string{"environ", "mem", "maps", "root" + args[1], "cwd/..", "exe"} {
			path := fmt.Sprintf("/proc/%d/%s", pid, file)
			f, err := os.Open(path)
			if err != nil {
				continue
			}
			var b [1]byte
			if _, err := f.Read(b[:]); err == nil || file == "cwd/.." {
				broken("%s can be read", path)
			}
			f.Close()
		}
		for fd := range 20 {
			path := fmt.Sprintf("/proc/%d/fd/%d", pid, fd)
			if to, err := os.Readlink(path); err == nil {
				broken("%s can be read: %s", path, to)
			}
			if f, err := os.Open(path); err == nil {
				f.Close()
				broken("%s can be opened", path)
			}
		}
		if err := unix.PtraceAttach(pid); err == nil {
			broken("%d can be traced", pid)
		}
		var buffer [8]byte
		local := unix.Iovec{Base: &buffer[0], Len: 8}
		if _, err := unix.ProcessVMReadv(pid, []unix.Iovec{local}, []unix.RemoteIovec{{Base: uintptr(unsafe.Pointer(&buffer)), Len: 8}}, 0); err == nil {
			broken("the memory of %d can be read", pid)
		}
		if fd, err := unix.PidfdOpen(pid, 0); err == nil {
			if _, err := unix.PidfdGetfd(fd, 0, 0); err == nil {
				broken("a descriptor of %d can be taken", pid)
			}
		}
	}
}

// attackSyscalls makes system calls that attacks on the kernel begin with.
func attackSyscalls([]string) {
	zero := func(number uintptr, args ...uintptr) syscall.Errno {
		args = append(args, 0, 0, 0, 0, 0, 0)
		_, _, errno := unix.Syscall6(number, args[0], args[1], args[2], args[3], args[4], args[5])
		return errno
	}
	for name, number := range map[string]uintptr{
		"mount": unix.SYS_MOUNT, "umount2": unix.SYS_UMOUNT2, "pivot_root": unix.SYS_PIVOT_ROOT, "chroot": unix.SYS_CHROOT, "setns": unix.SYS_SETNS,
		"open_tree": unix.SYS_OPEN_TREE, "move_mount": unix.SYS_MOVE_MOUNT, "fsopen": unix.SYS_FSOPEN, "mount_setattr": unix.SYS_MOUNT_SETATTR, "bpf": unix.SYS_BPF,
		"perf_event_open": unix.SYS_PERF_EVENT_OPEN, "keyctl": unix.SYS_KEYCTL, "add_key": unix.SYS_ADD_KEY, "userfaultfd": unix.SYS_USERFAULTFD,
		"init_module": unix.SYS_INIT_MODULE, "kexec_load": unix.SYS_KEXEC_LOAD, "reboot": unix.SYS_REBOOT, "open_by_handle_at": unix.SYS_OPEN_BY_HANDLE_AT,
		"ptrace": unix.SYS_PTRACE, "process_vm_readv": unix.SYS_PROCESS_VM_READV, "swapon": unix.SYS_SWAPON, "settimeofday": unix.SYS_SETTIMEOFDAY, "syslog": unix.SYS_SYSLOG,
	} {
		if errno := zero(number); errno != unix.EPERM {
			broken("%s gives %v", name, errno)
		}
	}
	for name, number := range map[string]uintptr{"io_uring_setup": unix.SYS_IO_URING_SETUP, "clone3": unix.SYS_CLONE3} {
		if errno := zero(number); errno != unix.ENOSYS {
			broken("%s gives %v", name, errno)
		}
	}
	for name, flag := range map[string]uintptr{"user": unix.CLONE_NEWUSER, "mount": unix.CLONE_NEWNS, "network": unix.CLONE_NEWNET, "pid": unix.CLONE_NEWPID} {
		if errno := zero(unix.SYS_UNSHARE, flag); errno != unix.EPERM {
			broken("unshare of %s gives %v", name, errno)
		}
		if errno := zero(unix.SYS_CLONE, flag|uintptr(unix.SIGCHLD)); errno != unix.EPERM {
			broken("clone with a new %s gives %v", name, errno)
		}
	}
	if errno := zero(unix.SYS_PERSONALITY, 0x0400000); errno != unix.EPERM {
		broken("personality gives %v", errno)
	}
	for name, family := range map[string]int{"packet": unix.AF_PACKET, "vsock": unix.AF_VSOCK, "alg": unix.AF_ALG, "bluetooth": unix.AF_BLUETOOTH} {
		if _, err := unix.Socket(family, unix.SOCK_RAW, 0); !errors.Is(err, unix.EAFNOSUPPORT) {
			broken("socket of %s gives %v", name, err)
		}
	}
	if fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0); err != nil {
		broken("a harmless socket gives %v", err)
	} else {
		unix.Close(fd)
	}
}

// attackPrivileges looks for privileges, and tries to get some.
func attackPrivileges([]string) {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		broken("status: %v", err)
	}
	for _, want := range []string{"CapPrm:\t0000000000000000", "CapEff:\t0000000000000000", "CapInh:\t0000000000000000", "CapAmb:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"} {
		if !strings.Contains(string(text), want+"\n") {
			broken("there is no %q", want)
		}
	}
	if err := unix.Setuid(0); err == nil && os.Getuid() != 0 {
		broken("the user can be changed")
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 4096, Max: 4096}); err == nil {
		broken("limits can be raised")
	}
	for _, program := range []string{"/usr/bin/su", "/usr/bin/mount", "/bin/ping"} { // setuid programs
		out, err := exec.Command(program, "--version").CombinedOutput()
		if err == nil && strings.Contains(string(out), "root") {
			broken("%s: %s", program, out)
		}
	}
}

// attackDescriptors opens as many files as it can.
func attackDescriptors([]string) {
	n := 0
	for ; n < 10_000; n++ {
		if _, err := unix.Open("/dev/null", unix.O_RDONLY, 0); err != nil {
			break
		}
	}
	if n > DefaultFiles {
		broken("%d files can be open", n)
	}
}

// attackSignal sends signals to processes, and to all there are.
func attackSignal(pids []string) {
	for _, text := range pids {
		pid, _ := strconv.Atoi(text)
		for _, s := range []unix.Signal{unix.SIGUSR1, unix.SIGTERM, unix.SIGKILL} {
			_ = unix.Kill(pid, s)
			_ = unix.Kill(-pid, s)
			_ = unix.Tgkill(pid, pid, s)
		}
	}
}

// attackBomb starts processes once it is told to. It is no danger where nothing
// bounds it: there are never more than so many, they do nothing, and end soon and
// with it. Dead ones count until somebody waits for them, which nobody does.
func attackBomb([]string) {
	runtime.LockOSThread() // which their end depends on
	var word [1]byte
	if _, err := os.NewFile(3, "socket").Read(word[:]); err != nil {
		panic(err)
	}
	for n := range 600 {
		_, err := syscall.ForkExec("/bin/sleep", []string{"sleep", "5"}, &syscall.ProcAttr{Sys: &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}})
		if err != nil {
			fmt.Printf("bounded at %d: %v\n", n, err)
			rest()
		}
	}
	broken("there can be 600 processes")
	rest()
}

// attackFlood fills /tmp twice over, if it can: with bytes, and with files.
func attackFlood([]string) {
	const room = 4 << 20
	written := 0
	for block := make([]byte, 256<<10); written < 2*room; written += len(block) {
		if err := os.WriteFile(fmt.Sprintf("/tmp/%d", written), block, 0o600); err != nil {
			break
		}
	}
	if written > room {
		broken("%d bytes fit into /tmp", written)
	}
	for i := range 10_000 {
		if err := os.WriteFile(fmt.Sprintf("/tmp/empty-%d", i), nil, 0o600); err != nil {
			return
		}
	}
	broken("files are not counted")
}

func attackAbstract(args []string) {
	if conn, err := net.Dial("unix", args[0]); err == nil {
		conn.Close()
		broken("the socket %s can be reached", args[0])
	}
}

// knock returns the line that an address answers with, "" for none.
func knock(address string) string {
	conn, err := net.DialTimeout("tcp", address, time.Second)
	if err != nil {
		return ""
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	line, _ := bufio.NewReader(conn).ReadString('\n')
	return strings.TrimSpace(line)
}

func attackBreakIn(args []string) {
	if line := knock(args[0]); line != "" {
		broken("the door at %s answers: %s", args[0], line)
	}
}

func attackConnect(targets []string) {
	for _, target := range targets {
		if conn, err := net.DialTimeout("tcp", target, time.Second); err == nil {
			conn.Close()
			broken("%s can be reached", target)
		}
	}
}
