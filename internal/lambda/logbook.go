package lambda

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"sync"
	"time"

	"naru/internal/clock"
)

// A logbook is the log of one environment: what its processes print, and the
// lines that the platform adds. Lines are handed on in batches: at the end of
// an invocation, and otherwise soon.
type logbook struct {
	service *Service
	caller  Caller
	group   string
	stream  string
	json    bool
	runtime string
	region  string
	version string
	tell    func(kind string, record any) // tells extensions of what the platform does; may be nil

	mu      sync.Mutex
	held    bool // nothing is handed on: of a spare, which may never be used
	pending []Line
	tail    []byte // of the invocation at hand
	alarm   *clock.Timer

	writing sync.Mutex // held while lines are handed on, in order
}

func newLogbook(s *Service, v *Version, stream string) *logbook {
	return &logbook{
		service: s, caller: v.caller(), group: v.logGroup(), stream: stream, json: *v.logging().LogFormat == "JSON",
		runtime: v.Runtime, region: v.Region, version: v.number(),
	}
}

const (
	flushAfter = 500 * time.Millisecond
	tailSize   = 4096
)

// output adds what the processes printed.
func (b *logbook) output(lines []string) {
	for _, line := range lines {
		b.add(line)
	}
}

// add adds a line.
func (b *logbook) add(line string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.service.clock.Now()
	if len(b.pending) == 0 && !b.held && b.service.ctx.Err() == nil {
		b.alarm = b.service.clock.AfterFunc(now.Add(flushAfter), b.flush)
	}
	if line != "" { // CloudWatch has no empty events
		b.pending = append(b.pending, Line{now, line})
	}
	if b.tail = append(append(b.tail, line...), '\n'); len(b.tail) > 2*tailSize {
		b.tail = append([]byte{}, b.tail[len(b.tail)-tailSize:]...)
	}
}

// flush hands on what is pending. What may not be written, for want of
// permission, is dropped, as on AWS.
func (b *logbook) flush() {
	b.writing.Lock()
	defer b.writing.Unlock()
	b.mu.Lock()
	if b.held {
		b.mu.Unlock()
		return
	}
	lines := b.pending
	b.pending = nil
	if b.alarm != nil {
		b.alarm.Stop()
	}
	b.mu.Unlock()
	if len(lines) == 0 {
		return
	}
	if err := b.service.options.WriteLog(context.Background(), b.caller, b.group, b.stream, lines); err != nil {
		b.service.log.Warn("a function's log cannot be written", "function", b.caller.Function, "err", err)
	}
}

// begin begins the tail of an invocation. What is held is handed on with it.
func (b *logbook) begin() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tail, b.held = nil, false
}

// end returns the last 4 KiB of the invocation's log.
func (b *logbook) end() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.tail[max(0, len(b.tail)-tailSize):]
}

// platform adds a line of the platform: the text, or in JSON the record.
func (b *logbook) platform(text, kind string, record map[string]any) {
	if b.tell != nil {
		b.tell(kind, record)
	}
	if !b.json {
		b.add(text)
		return
	}
	line, err := json.Marshal(map[string]any{"time": b.service.clock.Now().Format("2006-01-02T15:04:05.000Z"), "type": kind, "record": record})
	if err != nil {
		line = fmt.Appendf(nil, "%s (%v)", text, err)
	}
	b.add(string(line))
}

func (b *logbook) initRecord(why kind) map[string]any {
	return map[string]any{
		"initializationType": why, "phase": "init", "runtimeVersion": b.runtime, "runtimeVersionArn": runtimeVersionARN(b.region, b.runtime),
		"functionName": b.caller.Function, "functionVersion": b.version,
	}
}

func (b *logbook) initStart(why kind) {
	arn := runtimeVersionARN(b.region, b.runtime)
	b.platform("INIT_START Runtime Version: "+b.runtime+"\tRuntime Version ARN: "+arn, "platform.initStart", b.initRecord(why))
}

// initDone tells extensions of an init that went well; the log has it in the
// first report.
func (b *logbook) initDone(took time.Duration, why kind) {
	b.tell("platform.initReport", map[string]any{"initializationType": why, "phase": "init", "status": "success", "metrics": map[string]any{"durationMs": milliseconds(took)}})
}

func (b *logbook) initReport(took time.Duration, status, problem string, why kind) {
	text := fmt.Sprintf("INIT_REPORT Init Duration: %.2f ms\tPhase: init\tStatus: %s", milliseconds(took), status)
	record := map[string]any{"initializationType": why, "phase": "init", "status": status, "metrics": map[string]any{"durationMs": milliseconds(took)}}
	if problem != "" {
		text += "\tError Type: " + problem
		record["errorType"] = problem
	}
	b.platform(text, "platform.initReport", record)
}

func (b *logbook) start(id string) {
	b.platform("START RequestId: "+id+" Version: "+b.version, "platform.start", map[string]any{"requestId": id, "version": b.version})
}

// A report is what the last line of an invocation says.
type report struct {
	id     string
	took   time.Duration
	init   time.Duration // 0 if the environment was there already
	memory int32         // MiB that the function may use
	peak   int64         // bytes that it used
	status string        // "" for success, "error" or "timeout"
	kind   string        // of the error
}

func milliseconds(d time.Duration) float64 { return math.Round(float64(d)/1e4) / 100 }

// finish adds the END and REPORT lines. What is billed includes the init.
func (b *logbook) finish(r report) {
	billed := int64(math.Ceil(milliseconds(r.took + r.init)))
	peak := (r.peak + 1<<20 - 1) >> 20
	status := r.status
	if status == "" {
		status = "success"
	}
	metrics := map[string]any{"durationMs": milliseconds(r.took), "billedDurationMs": billed, "memorySizeMB": r.memory, "maxMemoryUsedMB": peak}
	if r.init > 0 {
		metrics["initDurationMs"] = milliseconds(r.init)
	}
	record := map[string]any{"requestId": r.id, "status": status, "metrics": metrics}
	if r.kind != "" {
		record["errorType"] = r.kind
	}
	if !b.json {
		b.add("END RequestId: " + r.id)
	}
	b.platform(r.text(billed, peak), "platform.report", record)
}

// text is the REPORT line.
func (r report) text(billed, peak int64) string {
	var text strings.Builder
	fmt.Fprintf(&text, "REPORT RequestId: %s\tDuration: %.2f ms\tBilled Duration: %d ms\tMemory Size: %d MB\tMax Memory Used: %d MB\t", r.id, milliseconds(r.took), billed, r.memory, peak)
	if r.init > 0 {
		fmt.Fprintf(&text, "Init Duration: %.2f ms\t", milliseconds(r.init))
	}
	if r.status != "" {
		fmt.Fprintf(&text, "Status: %s\t", r.status)
	}
	if r.kind != "" {
		fmt.Fprintf(&text, "Error Type: %s\t", r.kind)
	}
	return text.String()
}
