package test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// A supply sends messages to a queue until it is stopped, and knows which were
// acknowledged.
type supply struct {
	naru *naru
	url  string
	stop chan struct{}
	done sync.WaitGroup

	mu    sync.Mutex
	acked []string
}

// supplied begins to send, over so many connections.
func supplied(n *naru, url string, connections int) *supply {
	s := &supply{naru: n, url: url, stop: make(chan struct{})}
	for c := range connections {
		s.done.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-s.stop:
					return
				default:
					s.send(fmt.Sprintf("message %d-%d", c, i))
				}
			}
		})
	}
	return s
}

// send reports whether the message was acknowledged.
func (s *supply) send(body string) bool {
	r, err := s.naru.try(sendOf(s.url, body))
	if err != nil || r.status != http.StatusOK {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.acked = append(s.acked, body)
	return true
}

func sendOf(url, body string) request {
	return json10("SendMessage", fmt.Sprintf(`{"QueueUrl":%q,"MessageBody":%q}`, url, body))
}

// acknowledged returns what was acknowledged so far.
func (s *supply) acknowledged() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.acked)
}

// reach waits until so many messages were acknowledged.
func (s *supply) reach(t *testing.T, n int) {
	t.Helper()
	eventually(t, fmt.Sprint(n, " messages are acknowledged"), func() bool { return len(s.acknowledged()) >= n })
}

func (s *supply) end() []string {
	close(s.stop)
	s.done.Wait()
	return s.acknowledged()
}

// drain receives and deletes all messages of a queue, and returns how often it
// received each.
func drain(t *testing.T, n *naru, url string) map[string]int {
	t.Helper()
	got := map[string]int{}
	for {
		r := n.send(json10("ReceiveMessage", fmt.Sprintf(`{"QueueUrl":%q,"MaxNumberOfMessages":10}`, url)))
		var out struct {
			Messages []struct{ Body, ReceiptHandle string }
		}
		if err := json.Unmarshal(r.body, &out); err != nil || r.status != http.StatusOK {
			t.Fatalf("receiving: %v", r)
		}
		if len(out.Messages) == 0 {
			return got
		}
		var entries []string
		for i, m := range out.Messages {
			got[m.Body]++
			entries = append(entries, fmt.Sprintf(`{"Id":"%d","ReceiptHandle":%q}`, i, m.ReceiptHandle))
		}
		r = n.send(json10("DeleteMessageBatch", fmt.Sprintf(`{"QueueUrl":%q,"Entries":[%s]}`, url, strings.Join(entries, ","))))
		if r.status != http.StatusOK || strings.Contains(string(r.body), `"Code"`) {
			t.Fatalf("deleting: %v", r)
		}
	}
}

// expectAll wants each of the messages to have been received.
func expectAll(t *testing.T, acked []string, got map[string]int) {
	t.Helper()
	missing := 0
	for _, body := range acked {
		if got[body] == 0 {
			missing++
		}
	}
	if missing > 0 {
		t.Errorf("%d of %d acknowledged messages are lost", missing, len(acked))
	}
}

// startOn starts Naru on a data directory.
func startOn(t *testing.T, data string, flags ...string) *naru {
	t.Helper()
	n := &naru{t: t, flags: flags, home: t.TempDir(), data: data, listen: "127.0.0.1:0", admin: "127.0.0.1:0", client: newHTTPClient()}
	t.Cleanup(n.finish)
	n.start()
	return n
}

// commanded runs the program, which must succeed, and returns its output.
func commanded(t *testing.T, args ...string) string {
	t.Helper()
	out, errs, status := ended(t, nil, args...)
	if status != 0 {
		t.Fatalf("naru %s: status %d: %s%s", strings.Join(args, " "), status, out, errs)
	}
	return out
}

// fails runs the program, which must end with status 1 and one line of error,
// and wants the words in what it says.
func fails(t *testing.T, words []string, args ...string) {
	t.Helper()
	out, errs, status := ended(t, nil, args...)
	if status != 1 || strings.Count(errs, "\n") != 1 || !strings.HasPrefix(errs, "naru: ") {
		t.Errorf("naru %s: status %d, output %q, errors %q", strings.Join(args, " "), status, out, errs)
	}
	for _, word := range words {
		if !strings.Contains(out+errs, word) {
			t.Errorf("naru %s: %q does not say %q", strings.Join(args, " "), out+errs, word)
		}
	}
}

func TestABackupUnderLoadHasEverythingAcknowledgedBeforeIt(t *testing.T) {
	t.Parallel()
	key := filepath.Join(t.TempDir(), "key")
	n := start(t, "--master-key", key)
	url := makeQueue(t, n.user(), "busy")
	s := supplied(n, url, 4)
	root := t.TempDir()
	backup := func(i int) string { return filepath.Join(root, fmt.Sprint("backup", i)) }
	var before [][]string
	for i := range 3 {
		s.reach(t, 200*(i+1))
		before = append(before, s.acknowledged())
		out := commanded(t, "backup", backup(i), "--data", n.data)
		if !strings.Contains(out, "is a backup of") || !strings.Contains(out, "master key is not in it") {
			t.Errorf("it says %q", out)
		}
	}
	all := s.end()
	for i, acked := range before {
		commanded(t, "check", backup(i), "--master-key", key)
		if out := commanded(t, "check", backup(i)); !strings.Contains(out, "no faults. The master key is not there") {
			t.Errorf("without the master key: %q", out)
		}
		commanded(t, "restore", backup(i), backup(i)+"-restored")
		r := startOn(t, backup(i)+"-restored", "--master-key", key)
		expectAll(t, acked, drain(t, r, strings.Replace(url, n.listen, r.listen, 1)))
		r.stop()
	}
	expectAll(t, all, drain(t, n, url))
	n.stop()
	commanded(t, "check", n.data, "--master-key", key)
	commanded(t, "backup", filepath.Join(root, "stopped"), "--data", n.data)
	commanded(t, "check", filepath.Join(root, "stopped"))
}

func TestBackupsAreForTheOperatorOnly(t *testing.T) {
	t.Parallel()
	n := start(t)
	to := filepath.Join(t.TempDir(), "backup")
	order := []byte(fmt.Sprintf(`{"dir":%q,"keys":true}`, to))
	for _, q := range []request{
		{method: "POST", base: "http://" + n.admin, path: "/backup", body: order},
		{method: "POST", base: "http://" + n.admin, path: "/backup", body: order, header: map[string]string{"Authorization": "Bearer guess"}},
		{method: "POST", base: "http://" + n.admin, path: "/backup", body: order, header: map[string]string{"Origin": "http://evil.example"}},
	} {
		if r := n.send(q); r.status != http.StatusForbidden {
			t.Errorf("%v: %v", q.header, r)
		}
	}
	if r := n.send(request{method: "POST", path: "/backup", body: order}); r.status == http.StatusOK {
		t.Errorf("at the endpoint: %v", r)
	}
	if _, err := os.Stat(to); !os.IsNotExist(err) {
		t.Errorf("a backup was made: %v", err)
	}
	file := filepath.Join(n.data, "operator.json")
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the operator's file: %v, %v", info, err)
	}
	fails(t, []string{"is in the data directory"}, "backup", filepath.Join(n.data, "backup"), "--data", n.data)
	fails(t, []string{"not empty"}, "backup", n.home, "--data", n.data)
	fails(t, []string{"in use by another process"}, "check", n.data)
	fails(t, []string{"in use by another process"}, "check", n.data, "--quarantine")
	n.stop()
	if _, err := os.Stat(file); !os.IsNotExist(err) {
		t.Errorf("the operator's file is left: %v", err)
	}
	fails(t, []string{"no Naru data directory"}, "backup", to, "--data", t.TempDir())
	fails(t, []string{"no Naru data directory"}, "check", t.TempDir())
	fails(t, []string{"no backup"}, "restore", n.data, filepath.Join(t.TempDir(), "x"))
}

// TestDamageIsNamedAndTheRestServes flips a bit in the largest table of a data
// directory with messages in two queues.
func TestDamageIsNamedAndTheRestServes(t *testing.T) {
	t.Parallel()
	n := start(t)
	urls := []string{makeQueue(t, n.user(), "one"), makeQueue(t, n.user(), "two")}
	sent := map[string]bool{}
	for i := range 400 {
		body := fmt.Sprint("message ", i, " ", strings.Repeat(fmt.Sprint(i*7919), 100))
		if r := n.send(sendOf(urls[i%2], body)); r.status != http.StatusOK {
			t.Fatal(r)
		}
		sent[body] = true
	}
	n.stop()
	n.start() // which brings the log into tables
	n.stop()
	commanded(t, "check", n.data)
	spoiled := flipped(t, filepath.Join(n.data, "db"))
	fails(t, []string{"db/" + spoiled, "is damaged between record", "1 faults"}, "check", n.data)
	out, errs, status := ended(t, nil, "check", n.data, "--quarantine")
	if status != 0 || !strings.Contains(out, "set aside in "+filepath.Join(n.data, "quarantine")) || !strings.Contains(out, "no faults") {
		t.Fatalf("quarantine: %d %s%s", status, out, errs)
	}
	commanded(t, "check", n.data)
	n.start()
	received := 0
	for _, url := range urls {
		url = strings.Replace(url, urls[0][:strings.LastIndex(urls[0], "/0")], n.endpoint, 1)
		for body := range drain(t, n, url) {
			if received++; !sent[body] {
				t.Errorf("received what was not sent: %.50q", body)
			}
		}
	}
	if received < len(sent)*9/10 || received >= len(sent) {
		t.Errorf("%d of %d messages are received", received, len(sent))
	}
	n.stop()
	commanded(t, "check", n.data)
}

// flipped flips a bit in the middle of the largest table in a folder.
func flipped(t *testing.T, folder string) (name string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*.sst"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no tables: %v", err)
	}
	var largest []byte
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if len(text) > len(largest) {
			name, largest = filepath.Base(f), text
		}
	}
	spoiled := bytes.Clone(largest)
	spoiled[len(spoiled)/2] ^= 1
	if err := os.WriteFile(filepath.Join(folder, name), spoiled, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestTheMasterKeyIsReplaced(t *testing.T) {
	t.Parallel()
	key := filepath.Join(t.TempDir(), "key")
	n := start(t, "--master-key", key)
	url := makeQueue(t, n.user(), "sealed")
	for i := range 20 {
		n.send(sendOf(url, fmt.Sprint("message ", i)))
	}
	commanded(t, "rotate-key", "--data", n.data) // while it runs
	handle := receiptOf(t, n, url)
	n.stop()
	out := commanded(t, "rotate-key", "--data", n.data, "--master-key", key)
	_, rest, _ := strings.Cut(out, "kept as ")
	old, _, _ := strings.Cut(rest, ":")
	for name, args := range map[string][]string{
		"AnOldKey": {"--data", n.data, "--master-key", old}, "NoKey": {"--data", n.data}, "AForeignFile": {"--data", n.data, "--master-key", "/etc/hostname"},
	} {
		t.Run(name, func(t *testing.T) { refusesToStart(t, nil, args, "master key") })
	}
	fails(t, []string{"is not that of the data directory"}, "check", n.data, "--master-key", old)
	commanded(t, "check", n.data, "--master-key", key)
	fails(t, []string{"no Naru data directory"}, "rotate-key", "--data", t.TempDir())

	n.start()
	r := n.send(json10("DeleteMessage", fmt.Sprintf(`{"QueueUrl":%q,"ReceiptHandle":%q}`, url, handle)))
	if r.status != http.StatusOK {
		t.Errorf("a receipt handle of before: %v", r)
	}
	if got := drain(t, n, url); len(got) != 19 {
		t.Errorf("%d messages are left", len(got))
	}
}

// receiptOf receives a message, and returns its receipt handle.
func receiptOf(t *testing.T, n *naru, url string) string {
	t.Helper()
	r := n.send(json10("ReceiveMessage", fmt.Sprintf(`{"QueueUrl":%q}`, url)))
	var out struct {
		Messages []struct{ ReceiptHandle string }
	}
	if err := json.Unmarshal(r.body, &out); err != nil || len(out.Messages) != 1 {
		t.Fatalf("receiving: %v", r)
	}
	return out.Messages[0].ReceiptHandle
}

func TestACopiedDirectoryGoesOnApart(t *testing.T) {
	t.Parallel()
	key := filepath.Join(t.TempDir(), "key")
	n := start(t, "--master-key", key)
	url := makeQueue(t, n.user(), "copied")
	n.send(sendOf(url, "before"))
	n.kill() // so that what tells of the running Naru is copied, too
	copied := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(copied, os.DirFS(n.data)); err != nil {
		t.Fatal(err)
	}
	refusesToStart(t, nil, []string{"--data", copied}, "master key", "missing")
	n.start()
	commanded(t, "backup", filepath.Join(t.TempDir(), "of-the-copy"), "--data", copied)
	c := startOn(t, copied, "--master-key", key)
	there := strings.Replace(url, n.listen, c.listen, 1)
	n.send(sendOf(url, "here"))
	c.send(sendOf(there, "there"))
	if got := drain(t, n, url); len(got) != 2 || got["before"] != 1 || got["here"] != 1 {
		t.Errorf("the original has %v", got)
	}
	if got := drain(t, c, there); len(got) != 2 || got["before"] != 1 || got["there"] != 1 {
		t.Errorf("the copy has %v", got)
	}
}
