package queue

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// TestALargeContentHasTablesOfItsOwn sends until several memtables were written
// down, of which the last ones were when the content was large.
func TestALargeContentHasTablesOfItsOwn(t *testing.T) {
	w := newWorld(t)
	q := w.queue("large", Config{})
	random := rand.NewChaCha8([32]byte{1})
	send := func(n int) {
		for range n / 10 {
			puts := make([]Put, 10)
			for i := range puts {
				puts[i].Payload = make([]byte, 100)
				random.Read(puts[i].Payload)
			}
			if _, err := q.Put(puts...); err != nil {
				t.Fatal(err)
			}
		}
	}
	send(largeFrom - 10)
	if q.large {
		t.Error("it is large before it is")
	}
	send(3 * largeFrom)
	if !q.large {
		t.Error("it is not large")
	}
	w.stop()
	// The tables with the newest header and the newest body.
	border := append([]byte{2, byte(q.ref.Shard)}, contentKey(q.ref.Content, kindBody)...)
	var header, body struct{ first, last []byte }
	for _, table := range w.disk.Tables(t) {
		for _, key := range [][]byte{table.First, table.Last} {
			at := &header
			if bytes.Compare(key, border) >= 0 {
				at = &body
			}
			if bytes.HasPrefix(key, border[:len(border)-1]) && bytes.Compare(key, at.last) > 0 {
				at.first, at.last = table.First, table.Last
			}
		}
	}
	if header.last == nil || bytes.Compare(header.last, border) >= 0 {
		t.Errorf("the newest headers lie in the table from %x to %x", header.first, header.last)
	}
	if bytes.Compare(body.first, border) < 0 {
		t.Errorf("the newest bodies lie in the table from %x to %x", body.first, body.last)
	}
}

// TestALargeContentSurvivesPowerCuts sends until tables are divided, cuts the
// power, receives and deletes, cuts it again, and wants every message once.
func TestALargeContentSurvivesPowerCuts(t *testing.T) {
	w := newWorld(t)
	random := rand.New(rand.NewPCG(1, 1))
	const all = 2 * largeFrom
	q := w.queue("large", Config{})
	for i := 0; i < all; i += 16 {
		puts := make([]Put, 16)
		for n := range puts {
			puts[n].Payload = fmt.Appendf(nil, "%d %x", i+n, random.Uint64())
		}
		w.put(q, puts...)
	}
	left := map[int]bool{}
	for i := range all {
		left[i] = true
	}
	for _, step := range []struct{ kept, until int }{{0, all / 2}, {50, 0}} {
		w.powerCut(step.kept, random)
		q = w.queue("large", Config{})
		w.counts(q, Counts{Visible: int64(len(left))})
		for len(left) > step.until {
			deliveries := w.lease(q, 10, time.Hour, time.Second)
			if len(deliveries) == 0 {
				t.Fatalf("nothing is received, with %d messages left", len(left))
			}
			for _, d := range deliveries {
				var i int
				if _, err := fmt.Sscan(string(d.Payload), &i); err != nil || !left[i] {
					t.Errorf("received %q", d.Payload)
				}
				delete(left, i)
			}
			w.ack(q, deliveries...)
		}
	}
	w.powerCut(100, random)
	w.counts(w.queue("large", Config{}), Counts{})
	w.stop()
}

func TestOnlySoManyContentsAreLarge(t *testing.T) {
	w := newWorld(t)
	defer w.stop()
	var all []*Queue
	weigh := func(q *Queue, total int64) bool {
		q.mu.Lock()
		defer q.mu.Unlock()
		before := q.meta.total
		q.meta.total = total
		q.weigh()
		q.meta.total = before
		return q.large
	}
	for i := range mostLarge + 1 {
		q := w.queue(string(rune('a'+i)), Config{})
		if is := weigh(q, largeFrom); is != (i < mostLarge) {
			t.Errorf("content %d is large: %v", i, is)
		}
		all = append(all, q)
	}
	last := all[mostLarge]
	if !weigh(all[0], largeFrom/8) || weigh(all[0], largeFrom/8-1) || !weigh(last, largeFrom) {
		t.Error("one that has become small does not make room for another")
	}
	all[1].close(ErrGone)
	if n := w.engine.large.Load(); n != mostLarge-1 || !weigh(all[0], largeFrom) {
		t.Errorf("with one closed %d are large", n)
	}
	delete(w.refs, "b")
}
