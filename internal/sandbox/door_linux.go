package sandbox

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"

	"naru/internal/sandbox/helper"
	"naru/internal/sandbox/internal/proc"
)

// A door is an open Door: a listener whose connections are from the environment.
// In a network of the environment's own nobody else is there. Elsewhere it is
// asked for each connection which process has its other end.
type door struct {
	Door
	net.Listener
	body *body // nil in a network of its own
}

// openDoors opens the doors, or knows where they will be, and sets the variables
// that name them.
func (b *body) openDoors(spec *Spec) error {
	for _, d := range spec.Doors {
		opened := &door{Door: d}
		port := d.Port
		if !b.launcher.Private() {
			l, err := net.Listen("tcp4", "127.0.0.1:0")
			if err != nil {
				return err
			}
			opened.Listener, opened.body = l, b
			port = l.Addr().(*net.TCPAddr).Port
		}
		b.doors = append(b.doors, opened)
		if d.Variable != "" {
			spec.Env = append(spec.Env[:len(spec.Env):len(spec.Env)], d.Variable+"=127.0.0.1:"+strconv.Itoa(port))
		}
	}
	return nil
}

// serveDoors has the doors be served, with the listeners that the helper has
// opened, if it has.
func (b *body) serveDoors(files []*os.File) error {
	defer closeAll(files)
	for i, d := range b.doors {
		if d.Listener == nil {
			if i >= len(files) {
				return errors.New("sandbox: helper: it has opened too few ports")
			}
			l, err := net.FileListener(files[i]) // a duplicate
			if err != nil {
				return err
			}
			d.Listener = l
		}
		d.Serve(d)
	}
	return nil
}

func (b *body) closeDoors() {
	for _, d := range b.doors {
		if d.Listener != nil {
			_ = d.Close() // whoever serves it may have
		}
	}
}

// Accept returns the next connection from the environment.
func (d *door) Accept() (net.Conn, error) {
	for {
		conn, err := d.Listener.Accept()
		if err != nil || d.body == nil || d.body.owns(conn) {
			return conn, err
		}
		d.body.launcher.log.Warn("somebody else has knocked at an environment's door", "from", conn.RemoteAddr().String())
		_ = conn.Close()
	}
}

// owns reports whether the other end of a connection is a process of the
// environment.
func (b *body) owns(conn net.Conn) bool {
	inode, _, err := otherEnd(conn)
	if err != nil {
		return false
	}
	for range 2 { // it may have been started while we looked
		for _, p := range proc.NewCensus(proc.System).Below(b.helper.Process.Pid) {
			if proc.System.HasSocket(p.PID, inode) {
				return true
			}
		}
	}
	return false
}

// Inside reports whether a TCP connection over the loopback interface comes from
// a process of an environment.
func (l *Launcher) Inside(conn net.Conn) bool {
	inode, uid, err := otherEnd(conn)
	if err != nil {
		return false // not of this machine
	}
	if l.ground.owners.has(uid) {
		return true
	}
	for _, e := range l.environments() {
		for _, p := range proc.NewCensus(proc.System).Below(e.body.helper.Process.Pid) {
			if proc.System.HasSocket(p.PID, inode) {
				return true
			}
		}
	}
	return false
}

// otherEnd returns the inode and the owner of the socket at the other end of a
// connection within this machine.
func otherEnd(conn net.Conn) (inode, uid uint32, err error) {
	here, err := netip.ParseAddrPort(conn.LocalAddr().String())
	if err != nil {
		return 0, 0, err
	}
	there, err := netip.ParseAddrPort(conn.RemoteAddr().String())
	if err != nil {
		return 0, 0, err
	}
	return socketBetween(netip.AddrPortFrom(there.Addr().Unmap(), there.Port()), netip.AddrPortFrom(here.Addr().Unmap(), here.Port()))
}

// A diagRequest is what sock_diag(7) is asked: struct inet_diag_req_v2 behind a
// header.
type diagRequest struct {
	header                unix.NlMsghdr
	family, protocol, ext uint8
	_                     uint8
	states                uint32
	sourcePort, destPort  [2]byte
	source, dest          [16]byte
	device                uint32
	cookie                [2]uint32
}

// Offsets of struct inet_diag_msg behind a header, and its length.
const (
	diagUID, diagInode, diagLength = 64, 68, 72
	sockDiagByFamily               = 20
)

// socketBetween returns the inode and the owner of the socket of this machine that
// is connected from one address to another.
func socketBetween(from, to netip.AddrPort) (inode, uid uint32, err error) {
	request := diagRequest{family: unix.AF_INET, protocol: unix.IPPROTO_TCP, states: 0xffffffff, cookie: [2]uint32{0xffffffff, 0xffffffff}}
	if from.Addr().Is6() {
		request.family = unix.AF_INET6
	}
	request.header = unix.NlMsghdr{Len: uint32(unsafe.Sizeof(request)), Type: sockDiagByFamily, Flags: unix.NLM_F_REQUEST}
	binary.BigEndian.PutUint16(request.sourcePort[:], from.Port())
	binary.BigEndian.PutUint16(request.destPort[:], to.Port())
	copy(request.source[:], from.Addr().AsSlice())
	copy(request.dest[:], to.Addr().AsSlice())
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return 0, 0, os.NewSyscallError("socket", err)
	}
	defer unix.Close(fd)
	if err := unix.Sendto(fd, unsafe.Slice((*byte)(unsafe.Pointer(&request)), unsafe.Sizeof(request)), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return 0, 0, os.NewSyscallError("sendto", err)
	}
	answer := make([]byte, 4096)
	n, _, err := unix.Recvfrom(fd, answer, 0)
	if err != nil {
		return 0, 0, os.NewSyscallError("recvfrom", err)
	}
	answer = answer[:n]
	if len(answer) < unix.SizeofNlMsghdr+diagLength || binary.NativeEndian.Uint16(answer[4:]) != sockDiagByFamily {
		return 0, 0, fmt.Errorf("there is no socket from %v to %v", from, to)
	}
	body := answer[unix.SizeofNlMsghdr:]
	return binary.NativeEndian.Uint32(body[diagInode:]), binary.NativeEndian.Uint32(body[diagUID:]), nil
}

// dial connects to an address of the environment's network.
func (b *body) dial(ctx context.Context, address string) (net.Conn, error) {
	if !b.launcher.Private() {
		var d net.Dialer
		return d.DialContext(ctx, "tcp4", address)
	}
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return nil, err
	}
	b.dialing.Lock()
	defer b.dialing.Unlock()
	if err := b.order(helper.Order{Socket: true}); err != nil {
		return nil, err
	}
	var r report
	select {
	case r = <-b.sockets:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer closeAll(r.files)
	if len(r.files) == 0 {
		return nil, fmt.Errorf("sandbox: %s: %w", r.Call, r.Errno)
	}
	// A connection within the loopback interface is there at once, or not at all.
	fd := int(r.files[0].Fd())
	if err := unix.Connect(fd, &unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()}); err != nil {
		return nil, os.NewSyscallError("connect", err)
	}
	return net.FileConn(r.files[0])
}
