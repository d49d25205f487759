package queue

import (
	"fmt"
	"strconv"
	"testing"
	"time"
)

// send sends n messages of a group, or of none.
func (w *world) send(q *Queue, group string, n int) {
	w.Helper()
	for n > 0 {
		var items []Put
		for range min(n, 1000) {
			items = append(items, Put{Payload: []byte(group), Group: group})
		}
		w.put(q, items...)
		n -= len(items)
	}
}

// receives receives ten messages at a time until each of the groups had one, and
// returns how often that took.
func (w *world) receives(q *Queue, groups ...string) int {
	w.Helper()
	missing := map[string]bool{}
	for _, g := range groups {
		missing[g] = true
	}
	for n := 1; n <= 50; n++ {
		for _, d := range w.lease(q, 10, time.Minute, time.Second) {
			delete(missing, string(d.Payload))
		}
		if len(missing) == 0 {
			return n
		}
	}
	w.Fatalf("nothing is received of %v", missing)
	return 0
}

func TestATenantWithManyMessagesDoesNotDelayAnother(t *testing.T) {
	inBubble(t, func(w *world) {
		q := w.queue("q", Config{Retention: 24 * time.Hour})
		w.send(q, "many", 30_000)
		sleep(time.Second)
		for name, before := range map[string]func(){
			"NothingInFlight": func() {},
			"ManyInFlight": func() {
				for range 100 {
					w.lease(q, 10, time.Minute, 0)
				}
			},
			"ManyThatReturn": func() {
				for range 500 {
					w.lease(q, 10, time.Second, 0)
				}
				sleep(2 * time.Second)
			},
			"ARestart": func() {
				w.powerCut(0, nil)
				q = w.queue("q", Config{})
			},
		} {
			before()
			w.send(q, "one", 1)
			w.send(q, "", 1)
			if n := w.receives(q, "one", ""); n > 3 {
				t.Errorf("%s: the only messages of a tenant and of nobody are received after %d receives", name, n)
			}
		}
	})
}

func TestTenantsTakeTurns(t *testing.T) {
	inBubble(t, func(w *world) {
		q := w.queue("q", Config{})
		for i := range 3 {
			w.send(q, strconv.Itoa(i), 100)
		}
		count := map[string]int{}
		for range 9 {
			for _, d := range w.lease(q, 10, time.Minute, 0) {
				count[string(d.Payload)]++
			}
		}
		if got := fmt.Sprint(count); got != "map[0:30 1:30 2:30]" {
			t.Errorf("of 90 messages the tenants had %s", got)
		}
	})
}

func TestANoisyTenantWaitsWhileOthersHaveMessages(t *testing.T) {
	inBubble(t, func(w *world) {
		q := w.queue("q", Config{})
		w.send(q, "noisy", 1000)
		for range 10 {
			w.lease(q, 10, time.Minute, 0)
		}
		for i := range 20 {
			w.send(q, strconv.Itoa(i), 2)
		}
		for range 4 {
			for _, d := range w.lease(q, 10, time.Minute, 0) {
				if string(d.Payload) == "noisy" {
					t.Fatal("a noisy tenant is served while others wait")
				}
			}
		}
		if got := w.lease(q, 10, time.Minute, 0); len(got) != 10 {
			t.Errorf("the noisy tenant has %d messages when it is alone", len(got))
		}
	})
}

func TestMessagesOfGroupsBehaveLikeOthers(t *testing.T) {
	eachWay(t, Config{Retention: time.Hour}, func(w *world, q func() *Queue) {
		items := in("a1", "a2", "b1")
		items[1].Delay = 10 * time.Second
		w.put(q(), items...)
		w.counts(q(), Counts{Visible: 2, Delayed: 1})
		got := w.take(q(), 10, 20*time.Second, "a1", "b1")
		w.counts(q(), Counts{InFlight: 2, Delayed: 1})
		sleep(10 * time.Second)
		w.take(q(), 10, time.Second, "a2")
		sleep(time.Second)
		w.extend(q(), got["a1"], 0)
		again := w.lease(q(), 10, time.Minute, 0)
		if len(again) != 2 {
			t.Errorf("received %q", payloads(again))
		}
		w.ack(q(), got["a1"]) // by an old handle
		w.extend(q(), got["b1"], time.Minute)
		sleep(50 * time.Second)
		w.take(q(), 10, time.Minute)
		sleep(10 * time.Second)
		synced := w.lease(q(), 10, time.Minute, 0)
		if len(synced) != 2 {
			t.Errorf("received %q", payloads(synced))
		}
		w.ack(q(), synced...)
		w.counts(q(), Counts{})
	})
}
