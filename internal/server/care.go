package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"

	"naru/internal/clock"
	"naru/internal/meter"
	"naru/internal/queue"
	"naru/internal/store"
)

// Backup makes dir a backup of the data directory at data: by the Naru that
// runs on it, or, if none does, by itself.
func Backup(ctx context.Context, data, dir string, keys bool) (m store.Manifest, err error) {
	if dir, err = filepath.Abs(dir); err != nil {
		return m, err
	}
	if data, err = filepath.Abs(data); err != nil {
		return m, err
	}
	running, err := ask(ctx, data, "/backup", backupOrder{dir, keys}, &m)
	if running || err != nil {
		return m, err
	}
	return store.BackupClosed(data, dir, keys)
}

// RotateKey replaces the master key of a data directory by a new one, and
// returns the file that the old one is kept in. masterKey is the key's file, ""
// for that in the directory; the Naru that runs on it, if one does, knows it.
func RotateKey(ctx context.Context, data, masterKey string) (old string, err error) {
	if data, err = filepath.Abs(data); err != nil {
		return "", err
	}
	var r rotation
	running, err := ask(ctx, data, "/rotate-key", nil, &r)
	if running || err != nil {
		return r.Old, err
	}
	if !store.Exists(data) {
		return "", fmt.Errorf("%s is no Naru data directory", data)
	}
	s, err := store.Open(store.Options{Dir: data, MasterKeyFile: masterKey})
	if err != nil {
		return "", err
	}
	old, err = s.RotateMaster()
	return old, errors.Join(err, s.Close())
}

// ask gives the Naru that runs on a data directory an order and reads its reply
// into out. It reports false if none runs there.
func ask(ctx context.Context, data, path string, order, out any) (running bool, err error) {
	o, ok := readOperator(data)
	if !ok {
		return false, nil
	}
	body, err := json.Marshal(order)
	if err != nil {
		return false, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, o.URL+path, bytes.NewReader(body))
	if err != nil {
		return false, err
	}
	r.Header.Set("Authorization", "Bearer "+o.Token)
	answer, err := http.DefaultClient.Do(r)
	var gone *net.OpError
	if errors.As(err, &gone) && gone.Op == "dial" {
		return false, nil // it has crashed
	}
	if err != nil {
		return true, fmt.Errorf("the running Naru: %w", err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = errors.New(strings.TrimSpace(string(text)))
	}
	if err != nil {
		return true, fmt.Errorf("the running Naru: %w", err)
	}
	return true, json.Unmarshal(text, out)
}

// CheckOptions say what Check looks at.
type CheckOptions struct {
	Data       string // a data directory that no Naru has open, or a backup
	MasterKey  string // file; "" for master.key in Data
	Quarantine bool   // sets aside what is damaged
	Out        io.Writer
}

// Check verifies everything in a data directory or backup, and writes what is
// wrong, a line for each thing. It returns an error if anything is.
func Check(o CheckOptions) error {
	faults := 0
	tell := func(all []store.Fault) {
		faults += len(all)
		for _, f := range all {
			fmt.Fprintln(o.Out, f)
		}
	}
	if _, err := store.ReadManifest(o.Data); err == nil {
		all, err := store.VerifyBackup(o.Data)
		if err != nil {
			return err
		}
		tell(all)
	}
	if o.Quarantine {
		if err := quarantine(o); err != nil {
			return err
		}
	}
	all, summary, err := examine(o)
	if err != nil {
		return err
	}
	tell(all)
	if faults > 0 {
		return fmt.Errorf("%d faults in %s", faults, o.Data)
	}
	fmt.Fprintln(o.Out, summary)
	return nil
}

func (o CheckOptions) store() store.Options {
	return store.Options{Dir: o.Data, MasterKeyFile: o.MasterKey, ReadOnly: true}
}

// examine looks at the store and what the queue engine and the services keep
// in it.
func examine(o CheckOptions) (faults []store.Fault, summary string, err error) {
	s, err := store.Open(o.store())
	if fault, ok := store.OpenFault(err); ok {
		return []store.Fault{fault}, "", nil
	}
	if err != nil {
		return nil, "", err
	}
	h := &house{config: Config{Log: slog.New(slog.DiscardHandler), Auth: "open", Account: "000000000000", Region: "us-east-1"}, store: s}
	defer func() { err = errors.Join(err, s.Close()) }()
	report := s.Examine()
	if len(report.Faults) == 0 { // else what is built upon it has many more
		for name, err := range h.contradictions() {
			report.Faults = append(report.Faults, store.Fault{Place: name, Err: err})
		}
	}
	summary = fmt.Sprintf("%d records and %d blobs: no faults.", report.Records, report.Blobs)
	if report.Sealed > 0 {
		summary += fmt.Sprintf(" The master key is not there, so that what %d records hold was not read.", report.Sealed)
	}
	return report.Faults, summary, nil
}

// contradictions opens what can be opened without changing anything, and
// returns what does not agree with itself.
func (h *house) contradictions() map[string]error {
	found := map[string]error{}
	note := func(name string, err error) {
		if err != nil {
			found[name] = err
		}
	}
	var err error
	if h.engine, err = queue.Open(queue.Options{Store: h.store, Clock: new(clock.Clock), Log: h.config.Log, Resolve: func(string) (queue.Ref, bool) { return queue.Ref{}, false }}); err != nil {
		note("queues", err)
		return found
	}
	defer h.engine.Close()
	note("queues", h.engine.Check())
	p := place{config: h.config, clock: new(clock.Clock), meter: new(meter.Registry), public: func() string { return "" }, internal: func() string { return "" }}
	note("roles", h.openIAM(p))
	note("queues' settings", h.openSQS(p))
	note("rules", h.openEvents(p))
	return found
}

// quarantine sets aside what is damaged, and makes what is left agree with
// itself.
func quarantine(o CheckOptions) error {
	folder, err := store.Mend(o.store())
	if err != nil {
		return err
	}
	if folder == "" {
		return nil
	}
	fmt.Fprintf(o.Out, "What is damaged was set aside in %s.\n", folder)
	options := o.store()
	options.ReadOnly = false
	s, err := store.Open(options)
	if err != nil {
		return err
	}
	defer s.Close()
	engine, err := queue.Open(queue.Options{Store: s, Clock: new(clock.Clock), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	defer engine.Close()
	done, err := engine.Repair()
	for _, what := range done {
		fmt.Fprintln(o.Out, what)
	}
	return err
}

// Restore makes dir the data directory that a backup holds.
func Restore(backup, dir string) (store.Manifest, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return store.Manifest{}, err
	}
	return store.Restore(backup, dir)
}
