package sandbox

import (
	"bytes"
	"errors"
	"os"
	"sync"
	"syscall"
	"time"
	"unicode/utf8"
)

const (
	// MaxLine is the longest line that is handed on whole, in bytes: the
	// longest event that CloudWatch Logs took for years. Longer ones are cut.
	MaxLine = 256 << 10

	chunk = 64 << 10 // how much is read at a time: what a pipe holds
)

// A Line is a line that a process wrote.
type Line struct {
	Time time.Time // when it was read
	Text string    // without the newline; not necessarily UTF-8
}

// An output reads the pipe to which the processes of an environment write and
// hands the lines on. Whoever holds mu may read and hand on: most of the time
// that is follow, but drain needn't wait for it to be scheduled.
type output struct {
	pipe    *os.File
	raw     syscall.RawConn
	sink    func([]Line)
	buffers *sync.Pool
	ended   chan struct{} // closed when follow has returned

	mu   sync.Mutex
	part []byte // a line whose newline has not been read yet
}

// newOutput takes the reading end of a pipe, which must not block.
func newOutput(pipe *os.File, sink func([]Line), buffers *sync.Pool) (*output, error) {
	raw, err := pipe.SyscallConn()
	if err != nil {
		return nil, err
	}
	if sink == nil {
		sink = func([]Line) {}
	}
	return &output{pipe: pipe, raw: raw, sink: sink, buffers: buffers, ended: make(chan struct{})}, nil
}

// follow hands on what is written until the pipe ends or is closed.
func (o *output) follow() {
	defer close(o.ended)
	for more := true; more; {
		err := o.raw.Read(func(fd uintptr) bool {
			o.mu.Lock()
			defer o.mu.Unlock()
			n, err := o.take(int(fd))
			more = n > 0
			return !errors.Is(err, syscall.EAGAIN)
		})
		more = more && err == nil
	}
}

// take reads once and hands on the lines that are complete. It returns 0 when
// there is nothing to read, now or for ever. It needs o.mu.
func (o *output) take(fd int) (int, error) {
	buffer := o.buffers.Get().(*[]byte)
	defer o.buffers.Put(buffer)
	n, err := readAgain(fd, *buffer)
	if n > 0 {
		o.handOn((*buffer)[:n], time.Now())
	}
	return n, err
}

// readAgain is read(2), again as long as a signal interrupts it.
func readAgain(fd int, b []byte) (int, error) {
	for {
		n, err := syscall.Read(fd, b)
		if !errors.Is(err, syscall.EINTR) {
			return max(n, 0), err
		}
	}
}

func (o *output) handOn(text []byte, now time.Time) {
	var lines []Line
	for len(text) > 0 {
		line, rest, whole := bytes.Cut(text, []byte{'\n'})
		text = rest
		if len(o.part) > 0 || !whole {
			o.part = append(o.part, line...)
			line = o.part
		}
		for len(line) > MaxLine {
			piece := line[:cut(line)]
			lines = append(lines, Line{now, string(piece)})
			line = line[len(piece):]
		}
		if !whole {
			o.part = append(o.part[:0], line...)
			break
		}
		lines = append(lines, Line{now, string(line)})
		o.part = o.part[:0]
	}
	if len(lines) > 0 {
		o.sink(lines)
	}
}

// cut returns where to cut a line that is too long: at MaxLine, or a little
// before it if a character of UTF-8 would be cut.
func cut(line []byte) int {
	for at := MaxLine; at > MaxLine-utf8.UTFMax; at-- {
		if utf8.RuneStart(line[at]) {
			return at
		}
	}
	return MaxLine
}

// drain returns once everything has been handed on that was written before,
// an unfinished line too.
func (o *output) drain() {
	o.mu.Lock()
	defer o.mu.Unlock()
	// An error here means that the pipe is closed, hence drained.
	_ = o.raw.Control(func(fd uintptr) {
		for left := pending(int(fd)); left > 0; {
			n, _ := o.take(int(fd))
			if n == 0 {
				break
			}
			left -= n
		}
	})
	o.flush()
}

// finish drains what is left once nobody writes any more and ends follow.
func (o *output) finish() error {
	o.mu.Lock()
	err := o.raw.Control(func(fd uintptr) {
		for {
			if n, _ := o.take(int(fd)); n == 0 {
				return
			}
		}
	})
	o.flush()
	o.mu.Unlock()
	err = errors.Join(err, o.pipe.Close())
	<-o.ended
	return err
}

// flush hands on an unfinished line. It needs o.mu.
func (o *output) flush() {
	if len(o.part) > 0 {
		o.sink([]Line{{time.Now(), string(o.part)}})
		o.part = nil
	}
}
