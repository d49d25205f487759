package delivery

import (
	"encoding/json"
	"sync"
	"time"

	"naru/internal/queue"
)

// A line is what deliveries that must not overlap have in common: their source
// and target.
func (d *Delivery) line() string { return d.Source + " " + d.TargetID }

// lines say of each line what is going on in it. The zero value is ready.
type lines struct {
	mu      sync.Mutex
	busy    map[string]bool   // a delivery is being made
	waiting map[string]string // the delivery that waits for the one before it
}

// enter reports whether no other delivery of a line is being made. Then the
// caller makes one, and leaves.
func (l *lines) enter(name string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.busy[name] {
		return false
	}
	if l.busy == nil {
		l.busy, l.waiting = map[string]bool{}, map[string]string{}
	}
	l.busy[name] = true
	return true
}

func (l *lines) leave(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.busy, name)
}

// claim reports whether a delivery is the one that waits in its line, and makes
// it that if there is none.
func (l *lines) claim(name, id string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.waiting[name] == "" {
		l.waiting[name] = id
	}
	return l.waiting[name] == id
}

// yield ends the waiting of a delivery.
func (l *lines) yield(name, id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.waiting[name] == id {
		delete(l.waiting, name)
	}
}

// A run is the newest delivery of a line: the note says where it went.
type run struct{ Address, Name string }

func runKey(line string) string { return "run:" + line }

// overlapWait is how long a delivery waits until it looks again whether the one
// before it has been worked off.
const overlapWait = time.Second

// overlaps reports whether the delivery has to wait or was dropped, since the
// one before it is still being made, or worked off.
func (p *Post) overlaps(m *queue.Delivery, d *Delivery, busy bool) (done bool, err error) {
	if !busy {
		if busy, err = p.underway(d); err != nil {
			return false, err
		}
	}
	switch {
	case !busy:
		p.lines.yield(d.line(), d.ID)
		return false, nil
	case d.Overlap == OverlapQueueOne && p.lines.claim(d.line(), d.ID):
		return true, p.queue.Release(m.Handle, overlapWait, m.Note, false)
	}
	p.count("skipped_invocations", d)
	return true, p.queue.Forward(m.Handle, nil)
}

// underway reports whether what the delivery before this one brought is still
// at its target.
func (p *Post) underway(d *Delivery) (bool, error) {
	last, err := p.lastRun(d)
	if err != nil || last.Name == "" {
		return false, err
	}
	return p.engine.Underway(p.ref.Shard, last.Address, last.Name)
}

func (p *Post) lastRun(d *Delivery) (last run, err error) {
	text, err := p.Note(runKey(d.line()))
	if err == nil && text != nil {
		err = json.Unmarshal(text, &last)
	}
	return last, err
}

// follow sees to it that the next delivery of the line can ask whether this one
// is still being worked off, and forgets the one before it.
func (p *Post) follow(d *Delivery, messages []queue.Outgoing) []queue.Note {
	if d.Overlap == OverlapAllow || len(messages) == 0 {
		return nil
	}
	if last, err := p.lastRun(d); err == nil && last.Name != "" {
		if err := p.engine.Untrack(last.Address, last.Name); err != nil {
			p.log.Error("a delivery's track could not be removed", "from", d.Source, "err", err)
		}
	}
	messages[0].Track = d.ID + " " + d.TargetID
	text, err := json.Marshal(run{messages[0].Address, messages[0].Track})
	if err != nil {
		panic(err) // a struct of texts
	}
	return []queue.Note{{Key: runKey(d.line()), Value: text}}
}
