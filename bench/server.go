package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"syscall"
)

// A server is a process with a folder of its own.
type server struct {
	dir     string
	port    int
	process *exec.Cmd
	end     os.Signal // that ends it in good order
	as      *syscall.Credential
}

// newServer makes the folder and finds a port on loopback.
func newServer(parent string, end os.Signal) (*server, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	port := l.Addr().(*net.TCPAddr).Port
	dir, err := os.MkdirTemp(parent, "bench-")
	return &server{dir: dir, port: port, end: end}, errors.Join(err, l.Close())
}

// become has commands run as a user, to whom the folder is given, if they would
// run as root.
func (s *server) become(name string) error {
	if os.Getuid() != 0 {
		return nil
	}
	u, err := user.Lookup(name)
	if err != nil {
		return err
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return err
	}
	s.as = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return os.Chown(s.dir, int(uid), int(gid))
}

func (s *server) command(argv ...string) *exec.Cmd {
	c := exec.Command(argv[0], argv[1:]...)
	c.Dir = s.dir
	c.SysProcAttr = &syscall.SysProcAttr{Credential: s.as, Setpgid: true} // so that an interrupt does not reach it before the client has ended
	return c
}

// prepare runs a command to its end.
func (s *server) prepare(argv ...string) error {
	if out, err := s.command(argv...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", argv[0], err, out)
	}
	return nil
}

func (s *server) start(argv ...string) error {
	s.process = s.command(argv...)
	return s.process.Start()
}

// stop ends the process, if it runs, and removes the folder.
func (s *server) stop() error {
	var err error
	if s.process != nil && s.process.Process != nil {
		if err = s.process.Process.Signal(s.end); err == nil {
			err = s.process.Wait()
		}
	}
	return errors.Join(err, os.RemoveAll(s.dir))
}
