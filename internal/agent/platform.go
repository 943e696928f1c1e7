package agent

import (
	"encoding/json"
	"fmt"
	"math"
	"time"

	"github.com/lamina-dev/lamina/internal/wire"
)

// level is a system log level.
type level int

const (
	levelDebug level = iota
	levelInfo
	levelWarn
)

// levelOf reads a function's SystemLogLevel; INFO is the service's default.
func levelOf(s string) level {
	switch s {
	case "DEBUG":
		return levelDebug
	case "WARN":
		return levelWarn
	default:
		return levelInfo
	}
}

// kind of a platform event.
type kind int

const (
	initStart kind = iota
	initReport
	invokeStart
	invokeReport
	logsDropped
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
}

// level gives INFO to what went well and WARN to the rest (chosen: AWS's table
// of levels leaves the managed kind open).
func (r *record) level() level {
	switch {
	case r.kind == logsDropped, r.status != "" && r.status != "success":
		return levelWarn
	default:
		return levelInfo
	}
}

// lines are the event as the function's log format has it.
func (r *record) lines(spec *wire.EnvironmentSpec, unixMilli, memory int64) []string {
	if spec.LogFormat == "Text" {
		return r.text(spec, memory)
	}
	envelope := struct {
		Time   string `json:"time"`
		Type   string `json:"type"`
		Record any    `json:"record"`
	}{time.UnixMilli(unixMilli).UTC().Format("2006-01-02T15:04:05.000Z"), r.eventType(), r.body(spec)}
	b, err := json.Marshal(envelope)
	if err != nil {
		return nil // strings and numbers always encode
	}
	return []string{string(b)}
}

func (r *record) eventType() string {
	return [...]string{"platform.initStart", "platform.initReport", "platform.start", "platform.report", "platform.logsDropped"}[r.kind]
}

type metrics struct {
	DurationMs       float64 `json:"durationMs"`
	BilledDurationMs int64   `json:"billedDurationMs,omitempty"`
	MemorySizeMB     int32   `json:"memorySizeMB,omitempty"`
}

// body holds the fields of lmi-service.md 5.8 in their order.
func (r *record) body(spec *wire.EnvironmentSpec) any {
	switch r.kind {
	case initStart:
		return struct {
			InitializationType string `json:"initializationType"`
			Phase              string `json:"phase"`
			RuntimeVersion     string `json:"runtimeVersion"`
			FunctionName       string `json:"functionName"`
			FunctionVersion    string `json:"functionVersion"`
			InstanceID         string `json:"instanceId"`
			InstanceMaxMemory  int64  `json:"instanceMaxMemory"`
		}{initType(spec), "init", spec.Runtime, spec.Function, spec.Qualifier, spec.LogStream, int64(spec.MemoryMB) << 20}
	case initReport:
		return struct {
			InitializationType string  `json:"initializationType"`
			Phase              string  `json:"phase"`
			Status             string  `json:"status"`
			ErrorType          string  `json:"errorType,omitempty"`
			Metrics            metrics `json:"metrics"`
		}{initType(spec), "init", r.status, r.errorType, metrics{DurationMs: millis(r.duration)}}
	case invokeStart:
		return struct {
			RequestID   string `json:"requestId"`
			FunctionARN string `json:"functionArn"`
			Version     string `json:"version"`
		}{r.requestID, r.functionARN, spec.Qualifier}
	case invokeReport:
		m := metrics{DurationMs: millis(r.duration)}
		if !spec.Managed {
			m.BilledDurationMs, m.MemorySizeMB = billed(r.duration), spec.MemoryMB
		}
		return struct {
			RequestID string  `json:"requestId"`
			Status    string  `json:"status"`
			ErrorType string  `json:"errorType,omitempty"`
			Metrics   metrics `json:"metrics"`
		}{r.requestID, r.status, r.errorType, m}
	default:
		return struct {
			Reason         string `json:"reason"`
			DroppedRecords int    `json:"droppedRecords"`
		}{"Log events came faster than they could be taken away", r.count}
	}
}

// text is the classic form of ordinary functions.
func (r *record) text(spec *wire.EnvironmentSpec, memory int64) []string {
	switch r.kind {
	case initStart:
		return []string{"INIT_START Runtime Version: " + spec.Runtime}
	case invokeStart:
		return []string{"START RequestId: " + r.requestID + " Version: " + spec.Qualifier}
	case invokeReport:
		report := fmt.Sprintf("REPORT RequestId: %s\tDuration: %.2f ms\tBilled Duration: %d ms\tMemory Size: %d MB\tMax Memory Used: %d MB\t",
			r.requestID, millis(r.duration), billed(r.duration), spec.MemoryMB, memory>>20)
		if r.status != "success" {
			report += "Status: " + r.status + "\t"
		}
		return []string{"END RequestId: " + r.requestID, report}
	default:
		return nil
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
