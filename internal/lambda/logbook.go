package lambda

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"sync"
	"time"

	"naru/internal/clock"
	"naru/internal/runtimeapi"
)

// A logbook is the log of one environment: what its processes print, and the
// lines that the platform adds. Lines are handed on in batches: soon, or as soon
// as somebody wants to read them.
type logbook struct {
	service *Service
	caller  Caller
	group   string
	stream  string
	json    bool
	runtime string
	region  string
	version string
	api     *runtimeapi.API // extensions are told of what the platform does; may be nil

	mu      sync.Mutex
	held    bool // nothing is handed on: of a spare, which may never be used
	pending []Line
	tailed  bool   // the end of the log is wanted
	tail    []byte // of the invocation at hand, if it is

	writing sync.Mutex // held while lines are handed on, in order
}

func newLogbook(s *Service, v *Version, stream string) *logbook {
	return &logbook{
		service: s, caller: v.caller(), group: v.logGroup(), stream: stream, json: *v.logging().LogFormat == "JSON",
		runtime: v.Runtime, region: v.Region, version: v.number(),
	}
}

const (
	flushAfter = 200 * time.Millisecond
	tailSize   = 4096
)

// A shelf has the logbooks with lines that are to be handed on.
type shelf struct {
	mu    sync.Mutex
	books map[*logbook]struct{}
	alarm *clock.Timer // set while there are any

	flushing sync.Mutex // held while they are emptied
}

// put has a logbook be emptied soon.
func (s *Service) put(b *logbook) {
	l := &s.shelf
	l.mu.Lock()
	defer l.mu.Unlock()
	l.books[b] = struct{}{}
	if len(l.books) > 1 || s.ctx.Err() != nil {
		return
	}
	at := s.clock.Now().Add(flushAfter)
	if l.alarm == nil {
		l.alarm = s.clock.AfterFunc(at, s.FlushLogs)
		return
	}
	l.alarm.Reset(at)
}

// FlushLogs hands on what functions have logged so far.
func (s *Service) FlushLogs() {
	l := &s.shelf
	l.flushing.Lock()
	defer l.flushing.Unlock()
	l.mu.Lock()
	books := l.books
	l.books = map[*logbook]struct{}{}
	if l.alarm != nil {
		l.alarm.Stop()
	}
	l.mu.Unlock()
	for b := range books {
		b.flush()
	}
}

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
	if line != "" { // CloudWatch has no empty events
		b.pending = append(b.pending, Line{b.service.clock.Now(), line})
		if len(b.pending) == 1 && !b.held {
			b.service.put(b)
		}
	}
	if !b.tailed {
		return
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
	b.mu.Unlock()
	if len(lines) == 0 {
		return
	}
	if err := b.service.options.WriteLog(context.Background(), b.caller, b.group, b.stream, lines); err != nil {
		b.service.log.Warn("a function's log cannot be written", "function", b.caller.Function, "err", err)
	}
}

// begin begins an invocation, and says whether the end of its log is wanted. What
// is held is handed on with it.
func (b *logbook) begin(tailed bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.held && len(b.pending) > 0 {
		b.service.put(b)
	}
	b.held, b.tailed, b.tail = false, tailed, nil
}

// end returns the last 4 KiB of the invocation's log.
func (b *logbook) end() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.tail[max(0, len(b.tail)-tailSize):]
}

// platform adds a line of the platform: the text, or in JSON the record.
func (b *logbook) platform(text, kind string, record func() map[string]any) {
	b.tell(kind, record)
	if !b.json {
		b.add(text)
		return
	}
	line, err := json.Marshal(map[string]any{"time": b.service.clock.Now().Format("2006-01-02T15:04:05.000Z"), "type": kind, "record": record()})
	if err != nil {
		line = fmt.Appendf(nil, "%s (%v)", text, err)
	}
	b.add(string(line))
}

// tell tells extensions, if there are any that want to know.
func (b *logbook) tell(kind string, record func() map[string]any) {
	if b.api != nil && b.api.Heard() {
		b.api.Tell(kind, record())
	}
}

func (b *logbook) initRecord(why kind) map[string]any {
	return map[string]any{
		"initializationType": why, "phase": "init", "runtimeVersion": b.runtime, "runtimeVersionArn": runtimeVersionARN(b.region, b.runtime),
		"functionName": b.caller.Function, "functionVersion": b.version,
	}
}

func (b *logbook) initStart(why kind) {
	arn := runtimeVersionARN(b.region, b.runtime)
	b.platform("INIT_START Runtime Version: "+b.runtime+"\tRuntime Version ARN: "+arn, "platform.initStart", func() map[string]any { return b.initRecord(why) })
}

// initDone tells extensions of an init that went well; the log has it in the
// first report.
func (b *logbook) initDone(took time.Duration, why kind) {
	b.tell("platform.initReport", func() map[string]any {
		return map[string]any{"initializationType": why, "phase": "init", "status": "success", "metrics": map[string]any{"durationMs": milliseconds(took)}}
	})
}

func (b *logbook) initReport(took time.Duration, status, problem string, why kind) {
	text := fmt.Sprintf("INIT_REPORT Init Duration: %.2f ms\tPhase: init\tStatus: %s", milliseconds(took), status)
	record := map[string]any{"initializationType": why, "phase": "init", "status": status, "metrics": map[string]any{"durationMs": milliseconds(took)}}
	if problem != "" {
		text += "\tError Type: " + problem
		record["errorType"] = problem
	}
	b.platform(text, "platform.initReport", func() map[string]any { return record })
}

func (b *logbook) start(id string) {
	b.platform("START RequestId: "+id+" Version: "+b.version, "platform.start", func() map[string]any {
		return map[string]any{"requestId": id, "version": b.version}
	})
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

// finish adds the END and REPORT lines.
func (b *logbook) finish(r report) {
	if !b.json {
		b.add("END RequestId: " + r.id)
	}
	b.platform(r.text(), "platform.report", r.record)
}

// outcome is the status as records name it.
func (r report) outcome() string {
	if r.status == "" {
		return "success"
	}
	return r.status
}

// billed is how many milliseconds are billed, which includes the init.
func (r report) billed() int64 { return int64(math.Ceil(milliseconds(r.took + r.init))) }

// used is how many MiB of memory were used.
func (r report) used() int64 { return (r.peak + 1<<20 - 1) >> 20 }

// record is the record of type platform.report.
func (r report) record() map[string]any {
	metrics := map[string]any{"durationMs": milliseconds(r.took), "billedDurationMs": r.billed(), "memorySizeMB": r.memory, "maxMemoryUsedMB": r.used()}
	if r.init > 0 {
		metrics["initDurationMs"] = milliseconds(r.init)
	}
	record := map[string]any{"requestId": r.id, "status": r.outcome(), "metrics": metrics}
	if r.kind != "" {
		record["errorType"] = r.kind
	}
	return record
}

// text is the REPORT line.
func (r report) text() string {
	text := make([]byte, 0, 256)
	add := func(parts ...string) {
		for _, part := range parts {
			text = append(text, part...)
		}
	}
	duration := func(d time.Duration) string { return strconv.FormatFloat(milliseconds(d), 'f', 2, 64) }
	add("REPORT RequestId: ", r.id, "\tDuration: ", duration(r.took), " ms\tBilled Duration: ", strconv.FormatInt(r.billed(), 10), " ms\tMemory Size: ",
		strconv.Itoa(int(r.memory)), " MB\tMax Memory Used: ", strconv.FormatInt(r.used(), 10), " MB\t")
	if r.init > 0 {
		add("Init Duration: ", duration(r.init), " ms\t")
	}
	if r.status != "" {
		add("Status: ", r.status, "\t")
	}
	if r.kind != "" {
		add("Error Type: ", r.kind, "\t")
	}
	return string(text)
}
