//go:build linux && !amd64

package helper

// olderChanging are system calls that this machine does not have.
var olderChanging []uint32
