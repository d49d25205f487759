package helper

import "golang.org/x/sys/unix"

// olderChanging are system calls that newer machines do not have.
var olderChanging = []uint32{unix.SYS_CHMOD, unix.SYS_CHOWN, unix.SYS_LCHOWN}
