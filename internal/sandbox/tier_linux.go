package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"naru/internal/sandbox/helper"
)

// prepare finds the highest tier that the mode asks for and the machine allows.
func (l *Launcher) prepare() (err error) {
	if l.ground.program, err = openProgram(l.options.Program); err != nil {
		return err
	}
	if l.options.Temp == "" {
		l.options.Temp = os.TempDir()
	}
	if l.options.Mode == None {
		return nil
	}
	program := l.ground.program
	l.ground = newGround(l.Private())
	l.ground.program = program
	for _, try := range l.attempts() {
		l.tier, l.ground.owners = try.tier, try.owners
		err := l.probe()
		if err == nil {
			l.groupUp()
			return nil
		}
		why := fmt.Sprintf("%s: %s", try.without, trimmed(err))
		if hint := hint(try, err); hint != "" {
			why += ". " + hint
		}
		l.notes = append(l.notes, why)
	}
	if l.options.Mode == Strict {
		l.release()
		return fmt.Errorf("sandbox: --sandbox strict is not possible here. %s", strings.Join(l.notes, ". "))
	}
	l.tier = Plain
	l.groupUp()
	return nil
}

// An attempt is at a tier, and says what is not there if it fails.
type attempt struct {
	tier    Tier
	owners  *owners
	without string
}

// attempts are those that the mode allows, the best first.
func (l *Launcher) attempts() (all []attempt) {
	if os.Getuid() == 0 {
		all = append(all, attempt{Namespaced, newOwners(), "No user ids of their own for environments"})
	}
	all = append(all, attempt{Namespaced, nil, "No namespaces"})
	if l.options.Mode != Strict {
		all = append(all, attempt{Landlocked, nil, "No landlock"})
	}
	return all
}

// newOwners lets environments have users of their own.
func newOwners() *owners {
	// Another process that does so should begin elsewhere.
	return &owners{last: os.Getpid() * 997 % manyOwners}
}

// groupUp finds out whether there may be control groups.
func (l *Launcher) groupUp() {
	groups, err := openCgroups("/")
	if err != nil {
		l.notes = append(l.notes, "No control groups: "+trimmed(err)+".")
	}
	l.ground.groups = groups
}

// release gives back what prepare took.
func (l *Launcher) release() {
	l.ground.groups.close()
	if l.ground.program != nil {
		_ = l.ground.program.Close() // it was only read
	}
}

// probe tries the launcher's tier: a helper lays out an environment and ends.
func (l *Launcher) probe() error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	b := &body{launcher: l, reports: make(chan report)}
	spec := Spec{Dir: "/", Command: []string{"/bin/sh"}, Temp: DefaultTemp, Files: DefaultFiles, Processes: DefaultProcesses}
	if l.Private() {
		spec.Doors = []Door{{Port: 9001}}
	}
	setup, mounts, err := l.setup(spec)
	if err != nil {
		return err
	}
	defer closeAll(mounts)
	setup.Probe = true
	theirs, err := b.connect()
	if err != nil {
		return err
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return errors.Join(err, theirs.Close(), b.abandon())
	}
	defer null.Close()
	files := append([]*os.File{theirs, null, null}, mounts...)
	started, err := l.startHelper(files, nil)
	if err != nil && l.ground.program != nil {
		// The program may be for another kind of machine.
		l.log.Warn("the small helper cannot be started; this program is its own helper", "error", err)
		_ = l.ground.program.Close()
		l.ground.program = nil
		started, err = l.startHelper(files, nil)
	}
	if err = errors.Join(err, theirs.Close()); err != nil {
		return errors.Join(err, b.abandon())
	}
	b.helper = started
	go b.follow()
	err = b.order(helper.Order{Setup: setup})
	if err == nil {
		var r report
		r, err = b.next(ctx, "")
		closeAll(r.files)
	}
	return errors.Join(err, b.abandon())
}

// hint says what an operator can do about an attempt that failed.
func hint(a attempt, err error) string {
	tier := a.tier
	switch {
	case a.owners != nil:
		return "They take the CAP_SYS_ADMIN of the machine's root"
	case tier == Landlocked && helper.LandlockABI() < 1:
		return "This kernel has no landlock (Linux 5.13 and later have, if it is switched on with lsm=landlock,...)"
	case tier == Namespaced && sysctl("kernel/apparmor_restrict_unprivileged_userns") == "1" && os.Getuid() != 0:
		return "AppArmor keeps programs from making user namespaces here (kernel.apparmor_restrict_unprivileged_userns=1). Allow it for Naru: write\n" + profile() +
			"\nto /etc/apparmor.d/naru and run apparmor_parser -r /etc/apparmor.d/naru as root"
	case tier == Namespaced && sysctl("user/max_user_namespaces") == "0":
		return "User namespaces are switched off here: sysctl user.max_user_namespaces"
	case tier == Namespaced && sysctl("kernel/unprivileged_userns_clone") == "0" && os.Getuid() != 0:
		return "User namespaces are for root only here: sysctl kernel.unprivileged_userns_clone=1 opens them for all"
	case tier == Namespaced && errors.Is(err, unix.EPERM):
		return "In a container this is most often its seccomp profile, or that parts of /proc are hidden: run the container with --security-opt seccomp=unconfined --security-opt systempaths=unconfined"
	}
	return ""
}

// profile is an AppArmor profile that lets this program make namespaces.
func profile() string {
	self, err := os.Executable()
	if err != nil {
		self = "/usr/local/bin/naru"
	}
	return "abi <abi/4.0>,\nprofile naru " + self + " flags=(unconfined) { userns, }"
}

// sysctl returns a setting of the kernel, "" if it has none of that name.
func sysctl(name string) string {
	text, err := os.ReadFile(filepath.Join("/proc/sys", name))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

// Explain tells of all tiers: which are possible here, what each does, and what is
// missing. It is for people.
func Explain(w io.Writer, o Options) {
	fmt.Fprintf(w, "Linux, user id %d, landlock version %d\n", os.Getuid(), helper.LandlockABI())
	for _, m := range []struct {
		mode Mode
		what string
	}{
		{Strict, "namespaces, landlock, seccomp, and a network in which only Naru can be reached"},
		{Auto, "the best of namespaces, landlock and seccomp; the machine's network"},
	} {
		o.Mode = m.mode
		l, err := New(o)
		if err != nil {
			fmt.Fprintf(w, "--sandbox %-6s  no    %s\n", m.mode, strings.TrimPrefix(trimmed(err), "--sandbox strict is not possible here. "))
			continue
		}
		fmt.Fprintf(w, "--sandbox %-6s  yes   %s\n", m.mode, m.what)
		fmt.Fprintf(w, "                  tier %s; %s\n", l.tier, l.details())
		for _, note := range l.notes {
			fmt.Fprintf(w, "                  %s\n", strings.ReplaceAll(note, "\n", "\n                  "))
		}
		l.Close()
	}
	fmt.Fprintln(w, "--sandbox none    yes   plain processes of Naru's own user, with limits: for code that you trust")
}

// details say what there is in the launcher's tier.
func (l *Launcher) details() string {
	var parts []string
	if l.ground.owners != nil && l.tier == Namespaced {
		parts = append(parts, "a user id for each environment")
	} else {
		parts = append(parts, "environments run as Naru's own user")
	}
	if abi := helper.LandlockABI(); abi > 0 && abi < helper.ScopesFrom {
		parts = append(parts, "this kernel's landlock does not keep signals apart (Linux 6.12 does)")
	}
	if l.ground.groups != nil {
		parts = append(parts, "control groups bound "+l.ground.groups.String())
	} else {
		parts = append(parts, "a watch bounds memory")
	}
	if l.countsProcesses() {
		parts = append(parts, "the kernel bounds processes")
	} else {
		parts = append(parts, "a watch bounds processes, which a fork bomb may outrun")
	}
	return strings.Join(parts, "; ")
}

// countsProcesses reports whether the kernel bounds how many processes an
// environment has: by a control group, or by a limit of its user in its namespace,
// which the machine's root does not have.
func (l *Launcher) countsProcesses() bool {
	byUser := l.tier == Namespaced && (l.ground.owners != nil || os.Getuid() != 0)
	return byUser || l.ground.groups.has("pids")
}
