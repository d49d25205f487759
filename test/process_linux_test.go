package test

import (
	"os/exec"
	"syscall"
)

// tie makes the process end when the tests do, however they do.
func tie(c *exec.Cmd) { c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
