package lambda

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"naru/internal/runtimeapi"
	"naru/internal/wire"
)

// reason returns why an invocation was throttled.
func reason(err error) string {
	var e *wire.Error
	if errors.As(err, &e) && e.Code == "TooManyRequestsException" {
		return e.Fields["Reason"]
	}
	return fmt.Sprint(err)
}

// hold makes functions hang until release is called.
func (w *world) hold() (release func()) {
	held := make(chan struct{})
	w.handler = func(i runtimeapi.Invocation) ([]byte, []byte) { <-held; return echo(i) }
	return func() { close(held) }
}

// begin invokes a function; the channel gets how it went.
func (w *world) begin(name string) chan error {
	done := make(chan error, 1)
	go func() { _, err := w.invoke(name, "1"); done <- err }()
	synctest.Wait()
	return done
}

func patient(in *CreateFunctionInput) { in.Timeout = ptr(int32(900)) }

func (w *world) running() (n int) {
	for _, p := range w.environments() {
		if !ended(p) {
			n++
		}
	}
	return n
}

func TestReservedConcurrencyIsAGuaranteeAndACap(t *testing.T) {
	inBubble(t, nil, func(w *world) {
		w.tune = func(o *Options) { o.Concurrency = 103 }
		w.powerCut()
		release := w.hold()
		w.create("f", patient)
		w.create("g", patient)
		w.reserve("f", 2)
		one, two := w.begin("f"), w.begin("f")
		if err := <-w.begin("f"); reason(err) != noReserved {
			t.Errorf("the third: %v", err)
		}
		_, err := w.service.PutFunctionConcurrency(call("r"), &PutFunctionConcurrencyInput{FunctionName: "g", ReservedConcurrentExecutions: ptr(int32(2))})
		if code(err) != "InvalidParameterValueException" || !strings.Contains(err.Error(), "below its minimum value of [100]") {
			t.Errorf("reserving more than may be: %v", err)
		}
		settings, err := w.service.GetAccountSettings(call("a"), &GetAccountSettingsInput{})
		if err != nil || *settings.AccountLimit.UnreservedConcurrentExecutions != 101 || settings.AccountUsage.FunctionCount != 2 {
			t.Errorf("settings: %+v, %v", settings, err)
		}
		release()
		if err := errors.Join(<-one, <-two); err != nil {
			t.Error(err)
		}
		if _, err := w.service.DeleteFunctionConcurrency(call("r"), &DeleteFunctionConcurrencyInput{FunctionName: "f"}); err != nil {
			t.Error(err)
		}
		if c, err := w.service.GetFunctionConcurrency(call("r"), &GetFunctionConcurrencyInput{FunctionName: "f"}); err != nil || c.ReservedConcurrentExecutions != nil {
			t.Errorf("afterwards: %+v, %v", c, err)
		}
	})
}

func TestWhatIsReservedIsNotThereForOthers(t *testing.T) {
	inBubble(t, nil, func(w *world) {
		w.tune = func(o *Options) { o.Concurrency = 102 }
		w.powerCut()
		release := w.hold()
		w.create("f", patient)
		w.create("g", patient)
		w.reserve("f", 2)
		var all []chan error
		for range 100 {
			all = append(all, w.begin("g"))
		}
		if err := <-w.begin("g"); reason(err) != noUnreserved {
			t.Errorf("the 101st: %v", err)
		}
		all = append(all, w.begin("f"), w.begin("f"))
		release()
		for _, done := range all {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	})
}

func TestASpareIsThereWhileAllAreBusy(t *testing.T) {
	inBubble(t, nil, func(w *world) {
		release := w.hold()
		w.create("f", patient)
		one := w.begin("f")
		if n := w.running(); n != 1 {
			t.Errorf("at once there are %d environments", n)
		}
		sleep(spareAfter)
		if n := w.running(); n != 2 {
			t.Errorf("after a moment there are %d environments", n)
		}
		two := w.begin("f") // takes the spare
		if n := w.running(); n != 2 {
			t.Errorf("with two invocations there are %d environments", n)
		}
		sleep(spareAfter)
		if n := w.running(); n != 3 {
			t.Errorf("then there are %d environments", n)
		}
		release()
		if err := errors.Join(<-one, <-two); err != nil {
			t.Error(err)
		}
	})
}

func TestThereIsNoSpareWhereOneIsReserved(t *testing.T) {
	inBubble(t, nil, func(w *world) {
		release := w.hold()
		w.create("f", patient)
		w.reserve("f", 1)
		one := w.begin("f")
		sleep(time.Minute)
		if n := w.running(); n != 1 {
			t.Errorf("there are %d environments", n)
		}
		release()
		if err := <-one; err != nil {
			t.Error(err)
		}
	})
}

func TestASpareCountsAndMakesRoomFirst(t *testing.T) {
	inBubble(t, nil, func(w *world) {
		release := w.hold()
		w.create("f", patient)
		w.publish("f")
		w.update("f", "2")
		w.reserve("f", 2)
		one := w.begin("f:1")
		sleep(spareAfter)
		if n := w.running(); n != 2 {
			t.Fatalf("there are %d environments", n)
		}
		two := w.begin("f") // of another version: the spare is in its way
		sleep(time.Minute)
		if n := w.running(); n != 2 {
			t.Errorf("with two invocations there are %d environments", n)
		}
		if err := <-w.begin("f"); reason(err) != noReserved {
			t.Errorf("a third: %v", err)
		}
		release()
		if err := errors.Join(<-one, <-two); err != nil {
			t.Error(err)
		}
	})
}

func TestMemoryIsCountedAsAskedForUntilItIsMeasured(t *testing.T) {
	inBubble(t, nil, func(w *world) {
		w.tune = func(o *Options) { o.Memory = 1000 << 20 }
		w.powerCut()
		w.handler = echo
		w.create("f", func(in *CreateFunctionInput) { in.MemorySize, in.Timeout = ptr(int32(600)), ptr(int32(900)) })
		release := w.hold()
		one := w.begin("f")
		if err := <-w.begin("f"); reason(err) != noUnreserved {
			t.Errorf("a second of 600 MiB in 1000: %v", err)
		}
		release()
		if err := <-one; err != nil {
			t.Fatal(err)
		}
		release = w.hold() // each is known to use 40 MiB
		var all []chan error
		for range 5 {
			all = append(all, w.begin("f"))
		}
		release()
		for _, done := range all {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	})
}

func TestWhereMemoryIsShortTheLeastRecentlyUsedGo(t *testing.T) {
	inBubble(t, echo, func(w *world) {
		w.tune = func(o *Options) { o.Memory = 200 << 20 }
		w.powerCut()
		for _, name := range []string{"a", "b", "c"} {
			w.create(name, nil)
			if _, err := w.invoke(name, "1"); err != nil { // 40 MiB each from now on
				t.Fatal(err)
			}
			sleep(time.Second)
		}
		if n := w.running(); n != 2 {
			t.Errorf("there are %d environments", n) // 128 MiB are not free beside three of them
		}
		if all := w.environments(); !ended(all[0]) || ended(all[1]) || ended(all[2]) {
			t.Error("the one that was used last but one or last was ended, or the first was not")
		}
	})
}

func TestAFunctionStartsAThousandEnvironmentsAndThenAHundredASecond(t *testing.T) {
	inBubble(t, echo, func(w *world) {
		w.create("f", nil)
		s := w.service
		n := name{account, region, "f", ""}
		take := func() (taken int) {
			s.mu.Lock()
			defer s.mu.Unlock()
			for s.mayStart(n) {
				taken++
			}
			return taken
		}
		if got := take(); got != 1000 {
			t.Errorf("at once: %d", got)
		}
		sleep(time.Second)
		if got := take(); got != 100 {
			t.Errorf("after a second: %d", got)
		}
		sleep(time.Hour)
		if got := take(); got != 1000 {
			t.Errorf("after an hour: %d", got)
		}
	})
}

func (w *world) provision(name, qualifier string, n int32) *ProvisionedConcurrency {
	w.Helper()
	c, err := w.service.PutProvisionedConcurrencyConfig(call("p"), &PutProvisionedConcurrencyConfigInput{
		FunctionName: name, Qualifier: &qualifier, ProvisionedConcurrentExecutions: &n,
	})
	if err != nil {
		w.Fatal(err)
	}
	return c
}

func (w *world) provisioned(name, qualifier string) *ProvisionedConcurrency {
	w.Helper()
	c, err := w.service.GetProvisionedConcurrencyConfig(call("p"), &GetProvisionedConcurrencyConfigInput{FunctionName: name, Qualifier: &qualifier})
	if err != nil {
		w.Fatal(err)
	}
	return c
}

func TestProvisionedEnvironmentsAreKeptReady(t *testing.T) {
	inBubble(t, echo, func(w *world) {
		w.create("f", nil)
		w.publish("f")
		if c := w.provision("f", "1", 2); c.Status != "IN_PROGRESS" || c.AllocatedProvisionedConcurrentExecutions != 0 {
			t.Errorf("at first: %+v", c)
		}
		synctest.Wait()
		if c := w.provisioned("f", "1"); c.Status != "READY" || c.AllocatedProvisionedConcurrentExecutions != 2 {
			t.Errorf("then: %+v", c)
		}
		sleep(time.Hour)
		if _, err := w.invoke("f:1", "1"); err != nil || w.running() != 2 || len(w.environments()) != 2 {
			t.Errorf("after an hour: %v, %d environments of %d", err, w.running(), len(w.environments()))
		}
		if spec := w.environments()[0].spec; !strings.Contains(strings.Join(spec.Env, "\n"), "AWS_LAMBDA_INITIALIZATION_TYPE=provisioned-concurrency") {
			t.Errorf("they run with %v", spec.Env)
		}
		w.powerCut()
		synctest.Wait()
		if c := w.provisioned("f", "1"); c.Status != "READY" || w.running() != 2 {
			t.Errorf("after a restart: %+v, %d environments", c, w.running())
		}
		all := w.environments()
		all[len(all)-1].Kill() // one dies
		for range 2 {
			if _, err := w.invoke("f:1", "1"); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := w.service.DeleteProvisionedConcurrencyConfig(call("p"), &DeleteProvisionedConcurrencyConfigInput{FunctionName: "f", Qualifier: ptr("1")}); err != nil {
			t.Fatal(err)
		}
		sleep(time.Hour)
		if n := w.running(); n != 0 {
			t.Errorf("an hour after they were given up there are %d", n)
		}
	})
}

func TestProvisionedConcurrencyMovesWithItsAlias(t *testing.T) {
	inBubble(t, echo, func(w *world) {
		w.create("f", nil)
		w.publish("f")
		w.update("f", "2")
		w.publish("f")
		w.alias("f", "live", "1", nil)
		w.provision("f", "live", 3)
		synctest.Wait()
		if _, err := w.service.UpdateAlias(call("a"), &UpdateAliasInput{FunctionName: "f", Name: "live", FunctionVersion: ptr("2")}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if c := w.provisioned("f", "live"); c.Status != "READY" || w.running() != 3 {
			t.Errorf("moved: %+v, %d environments", c, w.running())
		}
		_, err := w.service.PutProvisionedConcurrencyConfig(call("p"), &PutProvisionedConcurrencyConfigInput{FunctionName: "f", Qualifier: ptr("2"), ProvisionedConcurrentExecutions: ptr(int32(1))})
		if code(err) != "ResourceConflictException" {
			t.Errorf("the version, too: %v", err)
		}
	})
}

func TestAllThatIsReservedCanBeProvisioned(t *testing.T) {
	inBubble(t, nil, func(w *world) {
		release := w.hold()
		w.create("f", patient)
		w.publish("f")
		w.reserve("f", 2)
		w.provision("f", "1", 2)
		synctest.Wait()
		if err := <-w.begin("f"); reason(err) != noReserved {
			t.Errorf("$LATEST: %v", err)
		}
		one, two := w.begin("f:1"), w.begin("f:1")
		if err := <-w.begin("f:1"); reason(err) != noReserved {
			t.Errorf("more than provisioned: %v", err)
		}
		_, err := w.service.PutFunctionConcurrency(call("r"), &PutFunctionConcurrencyInput{FunctionName: "f", ReservedConcurrentExecutions: ptr(int32(1))})
		if err == nil || !strings.Contains(err.Error(), " ReservedConcurrentExecutions  1 should not be lower than function's total provisioned concurrency [2].") {
			t.Errorf("reserving less: %v", err)
		}
		release()
		if err := errors.Join(<-one, <-two); err != nil {
			t.Error(err)
		}
	})
}
