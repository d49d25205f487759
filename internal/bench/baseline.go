package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/google/uuid"
)

// ServeBaseline serves, on a port of loopback that it writes to out, what HTTP
// itself costs: net/http reading a request and writing a reply with a body of
// so many bytes, and nothing in between. It returns when ctx is done.
func ServeBaseline(ctx context.Context, reply int, out io.Writer) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	body := bytes.Repeat([]byte("-"), reply)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.ReadFull(r.Body, make([]byte, max(0, r.ContentLength))); err != nil {
			return // the client has gone
		}
		h := w.Header()
		h.Set("X-Amzn-Requestid", uuid.NewString())
		h.Set("Content-Type", contentType)
		h.Set("Content-Length", strconv.Itoa(len(body)))
		w.Write(body)
	})}
	stop := context.AfterFunc(ctx, func() { server.Close() })
	defer stop()
	fmt.Fprintf(out, "endpoint http://%s\n", listener.Addr())
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// replySize returns how many bytes the body of a reply to SendMessage has.
func (r *run) replySize(ctx context.Context) (int, error) {
	t, err := r.makeTarget(ctx, r.plain(), "", 1)
	if err != nil {
		return 0, err
	}
	c, err := t.server.client(ctx)
	if err != nil {
		return 0, err
	}
	defer c.connection.Close()
	size := 0
	c.body = append(t.appendMessage(append(append(append(c.body, `{"QueueUrl":`...), t.queue()...), ',')), '}')
	reply, err := c.do(actions + "SendMessage")
	size = len(reply)
	return size, err
}

// syncs writes 1 KiB and syncs it, again and again until ctx is done.
func (r *run) syncs(ctx context.Context, w *row) (*load, error) {
	f, err := os.CreateTemp(r.place(), "naru-bench-fsync-")
	if err != nil {
		return nil, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	l := &load{latency: w.latency, start: time.Now()}
	block := []byte(bodyOf(1024))
	for ctx.Err() == nil {
		begin := time.Now()
		if _, err := f.Write(block); err != nil {
			return l, err
		}
		if err := datasync(f); err != nil {
			return l, err
		}
		l.latency.Observe(time.Since(begin).Seconds())
		l.requests.Add(1)
	}
	return l, nil
}

// place is a folder on the disk that the server writes to, as far as is known.
func (r *run) place() string {
	if r.server != nil {
		return filepath.Dir(r.server.data)
	}
	return r.Dir
}

// measureFsync measures bare writes by themselves.
func (r *run) measureFsync(ctx context.Context) error {
	w := r.row("fsync", 1)
	r.say("fsync: 1 KiB at a time")
	limited, cancel := context.WithTimeout(ctx, r.Duration)
	defer cancel()
	l, err := r.syncs(limited, w)
	if err != nil {
		return err
	}
	w.add(l, time.Since(l.start))
	return ctx.Err()
}

// fsyncBeside measures bare writes until the func that it returns is called.
func (r *run) fsyncBeside(ctx context.Context) func() error {
	w := r.row("fsync-beside", 1)
	ctx, cancel := context.WithCancel(ctx)
	var done sync.WaitGroup
	var l *load
	var err error
	done.Go(func() { l, err = r.syncs(ctx, w) })
	return func() error {
		cancel()
		done.Wait()
		if err == nil {
			w.add(l, time.Since(l.start))
		}
		return err
	}
}
