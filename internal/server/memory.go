package server

import (
	"bufio"
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
)

// memoryBudget returns how many bytes functions may have together: four fifths
// of what the machine has, or of what the process's control group allows.
func memoryBudget() int64 {
	budget := int64(math.MaxInt64)
	for _, path := range []string{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"} {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // that kind of control group is not there
		}
		if n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil {
			budget = min(budget, n)
		}
	}
	budget = min(budget, memTotal())
	if budget == math.MaxInt64 {
		return 0 // nothing is known: no bound
	}
	return budget / 5 * 4
}

// tuneRuntime has Go collect garbage half as often as it does by itself: what
// Naru holds is bounded and small, what it passes on is much. And it has Go run
// twice as many threads as there are processors. With as many, a flush or
// compaction keeps one to itself for ten milliseconds at a time; the kernel is
// quicker to let a request have it. docs/PERFORMANCE.md says what either gives.
// GOGC, GOMEMLIMIT and GOMAXPROCS are heeded.
func tuneRuntime() {
	if os.Getenv("GOGC") == "" && os.Getenv("GOMEMLIMIT") == "" {
		debug.SetGCPercent(200)
	}
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(2 * runtime.GOMAXPROCS(0))
	}
}

// memTotal returns the machine's memory, MaxInt64 where the system does not
// tell.
func memTotal() int64 {
	f, err := os.Open("/proc/meminfo")
	if err != nil {
		return math.MaxInt64
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 2 || fields[0] != "MemTotal:" {
			continue
		}
		if kib, err := strconv.ParseInt(fields[1], 10, 64); err == nil {
			return kib << 10
		}
	}
	return math.MaxInt64
}
