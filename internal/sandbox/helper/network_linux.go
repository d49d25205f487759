package helper

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// listen brings the loopback interface of this process's network up and listens
// at some of its ports. Without ports it does nothing: then the network is the
// machine's.
func listen(ports []int) (listeners []int, err error) {
	if len(ports) == 0 {
		return nil, nil
	}
	if err := bringUp("lo"); err != nil {
		return nil, err
	}
	for _, port := range ports {
		fd, err := socket()
		if err != nil {
			return nil, err
		}
		address := &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}
		if err := failed("bind", unix.Bind(fd, address)); err != nil {
			return nil, err
		}
		if err := failed("listen", unix.Listen(fd, 128)); err != nil {
			return nil, err
		}
		listeners = append(listeners, fd)
	}
	return listeners, nil
}

func socket() (int, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	return fd, failed("socket", err)
}

// bringUp brings an interface up.
func bringUp(name string) error {
	fd, err := socket()
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	r, err := unix.NewIfreq(name)
	if err != nil {
		return err
	}
	r.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCSIFFLAGS, uintptr(unsafe.Pointer(r)))
	if errno != 0 {
		return failed("ioctl SIOCSIFFLAGS", errno)
	}
	return nil
}

// sendSocket gives the server a socket in the environment's network.
func (h *helper) sendSocket() {
	fd, err := socket()
	if err != nil {
		r := failure(err)
		r.Socket = true
		h.report(r)
		return
	}
	h.report(Report{Socket: true}, fd)
	_ = unix.Close(fd)
}
