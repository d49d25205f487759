package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// An IdleResult is what environments of Node.js cost that have nothing to do.
type IdleResult struct {
	Environments int `json:"environments"`
	// Bytes of memory of one environment, all its processes together, the mean
	// of all: what it has in memory, the same with what n processes share as one
	// n-th for each, and what is its own alone.
	Resident     int64 `json:"resident_bytes"`
	Proportional int64 `json:"pss_bytes"`
	Private      int64 `json:"private_bytes"`
	Naru         int64 `json:"naru_pss_bytes"` // of Naru's own process
	// Shares of one processor.
	NaruCPU         float64 `json:"naru_cpu_share"`
	EnvironmentsCPU float64 `json:"environments_cpu_share"` // all together
}

// idle has as many environments, leaves them be, and tells what they cost.
func (b *lambdaBench) idle(ctx context.Context) error {
	// From the first Naru learns what memory the others will take.
	if err := b.call(ctx, "POST", b.endpoint+invocations, payload); err != nil {
		return err
	}
	all, err := b.fill(ctx)
	if err != nil {
		return err
	}
	if err := sleep(ctx, 2*time.Second); err != nil { // until they are frozen
		return err
	}
	r := IdleResult{Environments: all.environments}
	naru, before, err := b.busy(all)
	if err != nil {
		return err
	}
	start := time.Now()
	if err := sleep(ctx, b.Duration); err != nil {
		return err
	}
	naruAfter, after, err := b.busy(all)
	if err != nil {
		return err
	}
	took := time.Since(start)
	r.NaruCPU = (naruAfter - naru).Seconds() / took.Seconds()
	r.EnvironmentsCPU = (after - before).Seconds() / took.Seconds()
	for _, pid := range all.processes {
		m, err := memoryOf(pid)
		if err != nil {
			return err
		}
		r.Resident += m.resident / int64(all.environments)
		r.Proportional += m.proportional / int64(all.environments)
		r.Private += m.private / int64(all.environments)
	}
	own, err := memoryOf(b.pid)
	if err != nil {
		return err
	}
	r.Naru = own.proportional
	return b.reportIdle(r)
}

// fill has as many invocations run at once, so that there are as many
// environments.
func (b *lambdaBench) fill(ctx context.Context) (family, error) {
	wait := max(2*time.Second, time.Duration(b.Idle)*100*time.Millisecond)
	for range 3 {
		event := fmt.Appendf(nil, `{"wait":%d}`, wait.Milliseconds())
		if err := b.each(b.Idle, func() error { return b.call(ctx, "POST", b.endpoint+invocations, event) }); err != nil {
			return family{}, err
		}
		all, err := familyOf(b.pid)
		if err != nil || all.environments >= b.Idle {
			return all, err
		}
		wait *= 2 // the first had ended before the last began
	}
	return family{}, fmt.Errorf("there are not as many as %d environments at once", b.Idle)
}

// busy returns the CPU time that Naru, and its environments, have taken.
func (b *lambdaBench) busy(all family) (naru, environments time.Duration, err error) {
	_, naru, err = usage(b.pid)
	for _, pid := range all.processes {
		_, cpu, problem := usage(pid)
		environments += cpu
		err = errors.Join(err, problem)
	}
	return naru, environments, err
}

func (b *lambdaBench) reportIdle(r IdleResult) error {
	if b.JSON {
		return json.NewEncoder(b.Out).Encode(r)
	}
	mib := func(bytes int64) float64 { return float64(bytes) / (1 << 20) }
	_, err := fmt.Fprintf(b.Out, `%d idle environments
memory of one  %.1f MiB resident, %.1f MiB with what is shared in parts (PSS), %.1f MiB of its own alone
memory of Naru %.1f MiB (PSS)
CPU            %.2f %% of a processor for Naru, %.2f %% for all environments
`, r.Environments, mib(r.Resident), mib(r.Proportional), mib(r.Private), mib(r.Naru), 100*r.NaruCPU, 100*r.EnvironmentsCPU)
	return err
}

// A family is the processes below one of them.
type family struct {
	environments int // its children
	processes    []int
}

// familyOf finds the processes below one.
func familyOf(root int) (family, error) {
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return family{}, err
	}
	children := map[int][]int{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		_, after, _ := strings.Cut(string(text), ") ")
		if f := strings.Fields(after); len(f) > 1 {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
			parent, _ := strconv.Atoi(f[1])
			children[parent] = append(children[parent], pid)
		}
	}
	all := family{environments: len(children[root])}
	for next := []int{root}; len(next) > 0; next = next[1:] {
		next = append(next, children[next[0]]...)
		all.processes = append(all.processes, children[next[0]]...)
	}
	return all, nil
}

// A memory is the bytes of memory of a process.
type memory struct{ resident, proportional, private int64 }

func memoryOf(pid int) (m memory, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return m, err
	}
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		if len(f) != 3 || f[2] != "kB" {
			continue
		}
		kib, err := strconv.ParseInt(f[1], 10, 64)
		if err != nil {
			return m, err
		}
		switch f[0] {
		case "Rss:":
			m.resident += kib << 10
		case "Pss:":
			m.proportional += kib << 10
		case "Private_Clean:", "Private_Dirty:":
			m.private += kib << 10
		}
	}
	return m, nil
}
