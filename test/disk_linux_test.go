package test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A disk is a small file system with a data directory on it, and a file that
// takes room away.
type disk struct {
	t       *testing.T
	path    string
	ballast string
}

// smallDisk mounts a file system of so many MiB. It needs root.
func smallDisk(t *testing.T, mib int) *disk {
	t.Helper()
	d := &disk{t: t, path: t.TempDir()}
	d.ballast = filepath.Join(d.path, "ballast")
	if err := syscall.Mount("tmpfs", d.path, "tmpfs", 0, fmt.Sprintf("size=%dm", mib)); err != nil {
		t.Fatalf("a small file system cannot be mounted, which this test needs root for: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(d.path, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return d
}

func (d *disk) free() int64 {
	d.t.Helper()
	var s syscall.Statfs_t
	if err := syscall.Statfs(d.path, &s); err != nil {
		d.t.Fatal(err)
	}
	return int64(s.Bavail) * s.Bsize
}

// leave makes the ballast as large that so many bytes are free.
func (d *disk) leave(bytes int64) {
	d.t.Helper()
	d.clear()
	f, err := os.Create(d.ballast)
	if err != nil {
		d.t.Fatal(err)
	}
	defer f.Close()
	if size := d.free() - bytes; size > 0 {
		if err := syscall.Fallocate(int(f.Fd()), 0, 0, size); err != nil {
			d.t.Fatal(err)
		}
	}
}

func (d *disk) clear() {
	d.t.Helper()
	if err := os.Remove(d.ballast); err != nil && !os.IsNotExist(err) {
		d.t.Fatal(err)
	}
}

// grow makes the disk larger.
func (d *disk) grow(mib int) {
	d.t.Helper()
	if err := syscall.Mount("tmpfs", d.path, "tmpfs", syscall.MS_REMOUNT, fmt.Sprintf("size=%dm", mib)); err != nil {
		d.t.Fatal(err)
	}
}

const mib = 1 << 20

// large is the body of a message that fills a disk soon: it does not compress.
func large(i int) string {
	b := make([]byte, 200<<10)
	state := uint32(i + 1)
	for j := range b {
		state = state*1664525 + 1013904223
		b[j] = 'A' + byte(state>>24)%26
	}
	return fmt.Sprintf("message %d %s", i, b)
}

func TestADiskThatIsAlmostFullTakesNoMoreButGivesOut(t *testing.T) {
	t.Parallel()
	d := smallDisk(t, 300)
	n := startOn(t, filepath.Join(d.path, "data"), "--memtable=4MiB", "--reserve=96MiB", "--last-reserve=32MiB")
	url := makeQueue(t, n.user(), "full")
	makeRole(t, n.user(), "worker", trustsLambda, allowAll)
	if r := n.send(createFunction("late")); r.status != http.StatusCreated {
		t.Fatalf("the function: %v", r)
	}
	n.send(json11("Logs_20140328.CreateLogGroup", `{"logGroupName":"late"}`))
	n.send(json11("Logs_20140328.CreateLogStream", `{"logGroupName":"late","logStreamName":"late"}`))
	d.leave(130 * mib)
	s := &supply{naru: n, url: url}
	for i := 0; s.send(large(i)); i++ {
		if i > 1000 {
			t.Fatalf("it takes message after message, with %d bytes free", d.free())
		}
	}
	eventually(t, "the disk has less than its reserve, and not much less", func() bool { free := d.free(); return free < 100*mib && free > 70*mib })
	refusal := func(what string, r reply) {
		t.Helper()
		if r.status != http.StatusServiceUnavailable || !strings.Contains(string(r.body), "The disk is almost full") {
			t.Errorf("%s: %v", what, r)
		}
	}
	refusal("sending", n.send(sendOf(url, "small")))
	refusal("creating", n.send(json10("CreateQueue", `{"QueueName":"late"}`)))
	refusal("logging", n.send(json11("Logs_20140328.PutLogEvents", `{"logGroupName":"late","logStreamName":"late","logEvents":[{"message":"x","timestamp":1}]}`)))
	refusal("invoking", n.send(request{method: "POST", path: "/2015-03-31/functions/late/invocations", header: map[string]string{"X-Amz-Invocation-Type": "Event"}, body: []byte("{}")}))
	handle := receiptOf(t, n, url)
	if r := n.send(json10("DeleteMessage", fmt.Sprintf(`{"QueueUrl":%q,"ReceiptHandle":%q}`, url, handle))); r.status != http.StatusOK {
		t.Errorf("deleting: %v", r)
	}

	d.leave(16 * mib)
	eventually(t, "receiving is refused", func() bool {
		return n.send(json10("ReceiveMessage", fmt.Sprintf(`{"QueueUrl":%q}`, url))).status == http.StatusServiceUnavailable
	})
	if r := n.send(json10("GetQueueAttributes", fmt.Sprintf(`{"QueueUrl":%q,"AttributeNames":["All"]}`, url))); r.status != http.StatusOK {
		t.Errorf("reading: %v", r)
	}

	d.clear()
	eventually(t, "sending is possible again", func() bool { return s.send("again") })
	if got := drain(t, n, url); len(got) != len(s.acked)-1 {
		t.Errorf("%d of %d messages are received", len(got), len(s.acked)-1)
	}
	for _, words := range []string{"calls that need room are refused; receives and deletes go on", "everything that writes is refused", "the disk has room again"} {
		if !strings.Contains(n.log.text(), words) {
			t.Errorf("the log does not say %q", words)
		}
	}
}

// TestAFullDiskAcknowledgesNothing fills the disk to the last byte, without
// reserves: the process ends, and the next has all that was acknowledged.
func TestAFullDiskAcknowledgesNothing(t *testing.T) {
	t.Parallel()
	d := smallDisk(t, 100)
	n := startOn(t, filepath.Join(d.path, "data"), "--memtable=64MiB", "--reserve=2", "--last-reserve=1")
	url := makeQueue(t, n.user(), "full")
	d.leave(12 * mib)
	s := &supply{naru: n, url: url}
	for i := 0; n.running() && i < 1000; i++ {
		s.send(large(i))
	}
	within(t, "the process ends", n.exited)
	log := n.log.lines()
	if len(log) == 0 || n.exit == nil || !strings.Contains(log[len(log)-1], "exiting so that the next start recovers") || !strings.Contains(log[len(log)-1], "no space left on device") {
		t.Errorf("it ended with %v and %q", n.exit, log)
	}
	if n := strings.Count(n.log.text(), "level=ERROR"); n != 1 {
		t.Errorf("it says so in %d lines: %q", n, log)
	}
	_, errs, status := ended(t, nil, "serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--data", n.data)
	if status != 1 || strings.Count(errs, "\n") != 1 || !strings.Contains(errs, "no space left on device") {
		t.Errorf("started again on the full disk: status %d, %q", status, errs)
	}
	n.log.clear()
	d.grow(500)
	n.start()
	expectAll(t, s.acked, drain(t, n, url))
	if len(s.acked) == 0 {
		t.Error("nothing was acknowledged before")
	}
}
