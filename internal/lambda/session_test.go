package lambda

import (
	"testing"
	"time"
)

// TestAnEnvironmentIsRecycledBeforeItsCredentialsRunOut, although it is never
// idle for long.
func TestAnEnvironmentIsRecycledBeforeItsCredentialsRunOut(t *testing.T) {
	inBubble(t, echo, func(w *world) {
		w.tune = func(o *Options) {
			o.Assume = func(string, string) (Credentials, error) {
				return Credentials{KeyID: "id", Expires: w.clock.Real().Add(time.Hour)}, nil
			}
		}
		w.powerCut()
		w.create("f", nil)
		began := map[int]time.Time{} // by the number of environments
		for range 100 {
			if _, err := w.invoke("f", "1"); err != nil {
				t.Fatal(err)
			}
			n := len(w.environments())
			if began[n].IsZero() {
				began[n] = w.clock.Real()
			}
			if age := w.clock.Real().Sub(began[n]); age > time.Hour-time.Minute {
				t.Fatalf("an environment serves %v after it was started", age)
			}
			time.Sleep(2 * time.Minute)
		}
		if n := len(began); n != 4 {
			t.Errorf("%d environments were started in 200 minutes", n)
		}
	})
}
