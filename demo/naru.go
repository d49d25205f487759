package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// naru is a Naru that the demo started.
type naru struct {
	program, sdk string
	data         string
	listen       string
	endpoint     string
	process      *exec.Cmd
}

func (n *naru) log() string { return filepath.Join(n.data, "naru.log") }

// start starts Naru and waits until it says that it is ready.
func (n *naru) start() error {
	log, err := os.OpenFile(n.log(), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	n.process = exec.Command(n.program, "serve", "--listen", n.listen, "--admin", "127.0.0.1:0",
		"--data", filepath.Join(n.data, "data"), "--sdk-dir", n.sdk)
	n.process.Stderr = log
	n.process.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // ^C is for the demo
	out, err := n.process.StdoutPipe()
	if err != nil {
		return err
	}
	if err := n.process.Start(); err != nil {
		return err
	}
	return n.awaitBanner(out)
}

func (n *naru) awaitBanner(out io.Reader) error {
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) > 1 && fields[0] == "endpoint" {
			n.endpoint = fields[1]
			n.listen = strings.TrimPrefix(n.endpoint, "http://") // also after a restart
		}
		if len(fields) > 1 && fields[0] == "account" { // the banner's last line
			return nil
		}
	}
	return errors.Join(errors.New("naru did not start"), n.process.Wait())
}

// kill ends Naru as a power cut would: it does not get to do anything.
func (n *naru) kill() error {
	if err := n.process.Process.Kill(); err != nil {
		return err
	}
	n.process.Wait() // says that it was killed
	return nil
}

// stop ends Naru in good order.
func (n *naru) stop() error {
	if err := n.process.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	if err := n.process.Wait(); err != nil {
		return fmt.Errorf("naru: %w", err)
	}
	return nil
}
