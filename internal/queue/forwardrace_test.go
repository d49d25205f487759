package queue

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
)

func TestForwardDeletesAndSendsInOneBatch(t *testing.T) {
	for steps := range 20 { // of other goroutines before the power is cut
		t.Run(fmt.Sprint(steps), func(t *testing.T) {
			inBubble(t, func(w *world) {
				q := w.queue("events", Config{})
				w.queue("target", Config{})
				w.put(q, text("event"))
				d := w.expect(q, "event")
				forwarded := make(chan error, 1)
				go func() {
					forwarded <- q.Forward(d[0].Handle, nil, Outgoing{Address: "target", Payload: []byte("record")})
				}()
				if steps == 19 {
					synctest.Wait()
				}
				for range steps {
					runtime.Gosched()
				}
				acknowledged := len(forwarded) == 1
				after := w.disk.PowerCut(steps*5, rand.New(rand.NewPCG(uint64(steps), 1)))
				<-forwarded
				w.stop()
				w.disk = after
				w.start()
				synctest.Wait()
				sleep(time.Minute) // the lease ends
				events := w.lease(w.queue("events", Config{}), 10, time.Second, 0)
				records := w.lease(w.queue("target", Config{}), 10, time.Second, 0)
				if len(events)+len(records) != 1 || acknowledged && len(records) == 0 {
					t.Errorf("afterwards there are %d events and %d records; acknowledged: %v", len(events), len(records), acknowledged)
				}
			})
		})
	}
}

func TestALeaseForwardsOnce(t *testing.T) {
	inBubble(t, func(w *world) {
		q, target := w.queue("events", Config{}), w.queue("target", Config{})
		w.put(q, text("event"))
		first := w.lease(q, 1, time.Second, 0)[0]
		sleep(2 * time.Second)
		second := w.lease(q, 1, time.Minute, 0)[0]
		record := Outgoing{Address: "target", Payload: []byte("record")}
		if err := q.Forward(first.Handle, nil, record); !errors.Is(err, ErrNoMessage) {
			t.Errorf("an old lease: %v", err)
		}
		if err := q.Forward(second.Handle, nil, record); err != nil {
			t.Error(err)
		}
		if err := q.Forward(second.Handle, nil, record); !errors.Is(err, ErrNoMessage) {
			t.Errorf("again: %v", err)
		}
		synctest.Wait()
		w.expect(target, "record")
		w.counts(q, Counts{})
	})
}
