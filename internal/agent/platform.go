package agent

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/lamina-dev/lamina"
	"github.com/lamina-dev/lamina/internal/runtimeapi"
	"github.com/lamina-dev/lamina/internal/wire"
)

// kind of a platform event.
type kind int

const (
	initStart kind = iota
	initReport
	invokeStart
	invokeDone // ordinary functions only
	invokeReport
	logsDropped
	initRuntimeDone
	extensionInit
	telemetrySubscription
)

// record is one platform event, small since the invoke path makes two of them.
type record struct {
	kind        kind
	requestID   string
	functionARN string
	status      string
	errorType   string
	duration    time.Duration
	count       int
	phase       phase
	ended       *ended // of an ordinary function's invocation
	spans       *spans // of a managed function's report, else of runtimeDone
	traceID     string
	extension   *runtimeapi.Extension // whose init or subscription it is about
}

// spans are the parts of an invocation's time.
type spans struct {
	start   time.Time // when the worker had the event
	latency time.Duration
	answer  time.Duration // from the answer's first byte to its last
}

// ended is what the end of an ordinary function's invocation is reported with.
type ended struct {
	init   time.Duration // of the environment's init, with its first invocation
	memory int64         // bytes, the most so far
	// produced is the response's size in bytes.
	produced int64
	words    string // the platform's own about an invocation that the runtime did not end
}

// level gives INFO to what went well and WARN to the rest; of ordinary functions
// some of the former is DEBUG (AWS: "monitoring-cloudwatchlogs-log-level"; its
// table leaves the managed kind open, so for that it is chosen).
func (r *record) level(managed bool) logLevel {
	switch {
	case r.kind == logsDropped, r.status != "" && r.status != "success":
		return logWarn
	case r.kind == initRuntimeDone, !managed && (r.kind == initReport || r.kind == invokeDone):
		return logDebug
	default:
		return logInfo
	}
}

// lines are the event as the function's log format has it.
func (r *record) lines(spec *wire.EnvironmentSpec, unixMilli int64) []string {
	at := time.UnixMilli(unixMilli).UTC().Format("2006-01-02T15:04:05.000Z")
	if spec.LogFormat == "Text" {
		return r.text(spec, at)
	}
	envelope := struct {
		Time   string `json:"time"`
		Type   string `json:"type"`
		Record any    `json:"record"`
	}{at, r.eventType(), r.body(spec)}
	b, err := json.Marshal(envelope)
	if err != nil {
		return nil // strings and numbers always encode
	}
	return []string{string(b)}
}

func (r *record) eventType() string {
	return [...]string{"platform.initStart", "platform.initReport", "platform.start", "platform.runtimeDone", "platform.report", "platform.logsDropped",
		"platform.initRuntimeDone", "platform.extension", "platform.telemetrySubscription"}[r.kind]
}

type metrics struct {
	DurationMs       float64 `json:"durationMs"`
	BilledDurationMs int64   `json:"billedDurationMs,omitempty"`
	MemorySizeMB     int32   `json:"memorySizeMB,omitempty"`
	MaxMemoryUsedMB  int64   `json:"maxMemoryUsedMB,omitempty"`
	InitDurationMs   float64 `json:"initDurationMs,omitempty"`
	ProducedBytes    *int64  `json:"producedBytes,omitempty"`
}

// body holds the fields of lmi-service.md 5.8 in their order.
func (r *record) body(spec *wire.EnvironmentSpec) any {
	switch r.kind {
	case initStart:
		return struct {
			InitializationType string `json:"initializationType"`
			Phase              string `json:"phase"`
			RuntimeVersion     string `json:"runtimeVersion,omitempty"`
			RuntimeVersionARN  string `json:"runtimeVersionArn,omitempty"`
			FunctionName       string `json:"functionName"`
			FunctionVersion    string `json:"functionVersion"`
			InstanceID         string `json:"instanceId"`
			InstanceMaxMemory  int64  `json:"instanceMaxMemory"`
		}{initType(spec), "init", lamina.RuntimeVersion(spec.Runtime), lamina.RuntimeVersionARN(spec.Region, spec.Runtime), spec.Function, spec.Qualifier, spec.LogStream, int64(spec.MemoryMB) << 20}
	case initReport:
		return struct {
			InitializationType string  `json:"initializationType"`
			Phase              string  `json:"phase"`
			Status             string  `json:"status"`
			ErrorType          string  `json:"errorType,omitempty"`
			Metrics            metrics `json:"metrics"`
		}{initType(spec), r.phase.String(), r.status, r.errorType, metrics{DurationMs: millis(r.duration)}}
	case initRuntimeDone:
		return struct {
			InitializationType string `json:"initializationType"`
			Phase              string `json:"phase"`
			Status             string `json:"status"`
			ErrorType          string `json:"errorType,omitempty"`
		}{initType(spec), r.phase.String(), r.status, r.errorType}
	case extensionInit:
		return struct {
			Name      string   `json:"name"`
			State     string   `json:"state"`
			Events    []string `json:"events"`
			ErrorType string   `json:"errorType,omitempty"`
		}{r.extension.Name, r.extension.State, append([]string{}, r.extension.Events...), r.errorType}
	case telemetrySubscription:
		return struct {
			Name  string   `json:"name"`
			State string   `json:"state"`
			Types []string `json:"types"`
		}{r.extension.Name, r.extension.State, r.extension.Events}
	case invokeStart:
		return struct {
			RequestID   string   `json:"requestId"`
			FunctionARN string   `json:"functionArn"`
			Version     string   `json:"version"`
			Tracing     *tracing `json:"tracing,omitempty"`
		}{r.requestID, r.functionARN, spec.Qualifier, traced(r.traceID)}
	case invokeDone, invokeReport:
		m := metrics{DurationMs: millis(r.duration)}
		if r.kind == invokeDone && r.spans != nil {
			m.ProducedBytes = &r.ended.produced
		}
		if !spec.Managed && r.kind == invokeReport {
			m = metrics{
				DurationMs: millis(r.duration), BilledDurationMs: billed(r.duration + r.ended.init), MemorySizeMB: spec.MemoryMB,
				MaxMemoryUsedMB: r.ended.memory >> 20, InitDurationMs: millis(r.ended.init),
			}
		}
		return struct {
			RequestID string   `json:"requestId"`
			Status    string   `json:"status"`
			ErrorType string   `json:"errorType,omitempty"`
			Metrics   metrics  `json:"metrics"`
			Tracing   *tracing `json:"tracing,omitempty"`
			Spans     []span   `json:"spans,omitempty"`
		}{r.requestID, r.status, r.errorType, m, traced(r.traceID), r.spans.list()}
	default:
		return struct {
			Reason         string `json:"reason"`
			DroppedRecords int    `json:"droppedRecords"`
		}{"Log events came faster than they could be taken away", r.count}
	}
}

// text is the classic form of ordinary functions.
func (r *record) text(spec *wire.EnvironmentSpec, at string) []string {
	switch r.kind {
	case initStart:
		return []string{"INIT_START Runtime Version: " + lamina.RuntimeVersion(spec.Runtime) + "\tRuntime Version ARN: " + lamina.RuntimeVersionARN(spec.Region, spec.Runtime)}
	case initReport:
		if r.status == "success" {
			return nil
		}
		return []string{fmt.Sprintf("INIT_REPORT Init Duration: %.2f ms\tPhase: %s\tStatus: %s", millis(r.duration), r.phase, r.outcome())}
	case invokeStart:
		return []string{"START RequestId: " + r.requestID + " Version: " + spec.Qualifier}
	case invokeDone:
		return append(r.complaint(at), "END RequestId: "+r.requestID)
	case invokeReport:
		return []string{r.reportLine(spec)}
	case extensionInit:
		line := fmt.Sprintf("EXTENSION\tName: %s\tState: %s\tEvents: [%s]", r.extension.Name, r.extension.State, strings.Join(r.extension.Events, ", "))
		if r.errorType != "" {
			line += "\tError Type: " + r.errorType
		}
		return []string{line}
	case telemetrySubscription:
		return []string{fmt.Sprintf("TELEMETRY\tName: %s\tState: %s\tTypes: [%s]", r.extension.Name, r.extension.State, strings.Join(r.extension.Events, ", "))}
	default:
		return nil
	}
}

// outcome is a status and, for errors, their type.
func (r *record) outcome() string {
	if r.status == "timeout" {
		return r.status
	}
	return "error\tError Type: " + r.errorType
}

// complaint is the platform's own lines about an invocation that the runtime did
// not end.
func (r *record) complaint(at string) []string {
	switch r.status {
	case "timeout":
		return []string{at + " " + r.requestID + " " + r.ended.words}
	case "failure":
		if r.ended.words == "" {
			return nil // the runtime has told
		}
		return []string{r.ended.words, r.errorType}
	default:
		return nil
	}
}

// reportLine is AWS's: fields end with tabs, time of init is billed (AWS: since
// August 2025), and only what the platform ended has a status (chosen).
func (r *record) reportLine(spec *wire.EnvironmentSpec) string {
	line := fmt.Sprintf("REPORT RequestId: %s\tDuration: %.2f ms\tBilled Duration: %d ms\tMemory Size: %d MB\tMax Memory Used: %d MB\t",
		r.requestID, millis(r.duration), billed(r.duration+r.ended.init), spec.MemoryMB, r.ended.memory>>20)
	if r.ended.init > 0 {
		line += fmt.Sprintf("Init Duration: %.2f ms\t", millis(r.ended.init))
	}
	if r.status == "timeout" || r.status == "failure" {
		line += "Status: " + r.outcome() + "\t"
	}
	return line
}

// tracing is the trace an invocation belongs to.
type tracing struct {
	Type  string `json:"type"`
	Value string `json:"value"`
}

// traced gives the trace of an invocation that is sampled (runtime-api.md 1.9).
func traced(id string) *tracing {
	if !strings.Contains(id, "Root=") || !strings.Contains(id, "Sampled=1") {
		return nil
	}
	return &tracing{"X-Amzn-Trace-Id", id}
}

type span struct {
	Name       string  `json:"name"`
	Start      string  `json:"start"`
	DurationMs float64 `json:"durationMs"`
}

func (s *spans) list() []span {
	if s == nil {
		return nil
	}
	at := func(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
	return []span{
		{"responseLatency", at(s.start), millis(s.latency)},
		{"responseDuration", at(s.start.Add(s.latency)), millis(s.answer)},
	}
}

func initType(spec *wire.EnvironmentSpec) string {
	if spec.Managed {
		return "lambda-managed-instances"
	}
	return "on-demand"
}

// millis has three decimals, as the service's events do.
func millis(d time.Duration) float64 {
	return math.Round(float64(d)/float64(time.Microsecond)) / 1000
}

func billed(d time.Duration) int64 {
	return int64(math.Ceil(float64(d) / float64(time.Millisecond)))
}
