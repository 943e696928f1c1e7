// Package watch reads what the watch in a language's bootstrap tells about a
// function while it runs under check: facts, one JSON object a line.
package watch

import (
	"bytes"
	"encoding/json"
	"time"
)

// Variable carries the watch's Settings to the bootstrap; without it there is no watch.
const Variable = "LAMINA_CHECK"

// Settings say what the watch does.
type Settings struct {
	Seed          uint64  `json:"seed"`
	Pause         float64 `json:"pause"`         // probability per line of the function's code, 0 to 1
	PauseMaxMs    int     `json:"pauseMaxMs"`    // longest single pause
	PauseBudgetMs int     `json:"pauseBudgetMs"` // of one request in all
	Heap          bool    `json:"heap,omitempty"`
	Out           string  `json:"out"` // the FIFO, as the function sees it
}

// MaxLine is the longest line, in bytes: what a pipe takes whole.
const MaxLine = 4096

// Kind says what a record tells; an unknown one is ignored.
type Kind string

// The kinds of record.
const (
	Start           Kind = "start"
	End             Kind = "end"
	GlobalWrite     Kind = "global-write"
	ModuleAttrWrite Kind = "module-attr-write"
	ClassWrite      Kind = "class-write"
	DefaultWrite    Kind = "default-write"
	ClosureWrite    Kind = "closure-write"
	EnvWrite        Kind = "env-write"
	Chdir           Kind = "chdir"
	Locale          Kind = "locale"
	Umask           Kind = "umask"
	ProcessOther    Kind = "process-other"
	File            Kind = "file"
	Connection      Kind = "connection"
	ChildLeft       Kind = "child-left"
	ThreadLeft      Kind = "thread-left"
	WorkAfterAnswer Kind = "work-after-answer"
	LoopBlocked     Kind = "loop-blocked"
	Pause           Kind = "pause"
)

// Record is one fact.
type Record struct {
	T         int64  `json:"t"` // Unix time, ns
	PID       int    `json:"pid"`
	Worker    int    `json:"worker"`
	RequestID string `json:"requestId"`
	Kind      Kind   `json:"kind"`
	Name      string `json:"name"`
	File      string `json:"file"` // relative to the function's code
	Line      int    `json:"line"`
	Detail    Detail `json:"detail"`
}

// Detail is what the kinds say besides; fields that a kind has not are zero.
type Detail struct {
	What   string  `json:"what"` // bind, key, grow, shrink
	Before string  `json:"before"`
	After  string  `json:"after"`
	Added  string  `json:"added"`
	Size   int     `json:"size"`
	Op     string  `json:"op"` // of a file: read, write, exclusive, rename, remove, lock, unlock
	Ms     float64 `json:"ms"`
	Heap   int64   `json:"heap"` // bytes
}

// Time is when it happened.
func (r Record) Time() time.Time { return time.Unix(0, r.T) }

// Process tells workers apart: a process, or a thread of one.
type Process struct{ PID, Worker int }

// Process is the worker that tells.
func (r Record) Process() Process { return Process{r.PID, r.Worker} }

// Decoder cuts what comes from the FIFO into records. A line that is none is
// counted and skipped: the function's own code may write there too.
type Decoder struct {
	pending []byte
	skip    bool // the rest of a line that was too long
	Bad     int  // lines that were no records
}

// Decode gives the records that data completes.
func (d *Decoder) Decode(data []byte) (records []Record) {
	d.pending = append(d.pending, data...)
	for {
		line, rest, whole := bytes.Cut(d.pending, []byte("\n"))
		if !whole {
			break
		}
		d.pending = rest
		if d.skip {
			d.skip = false
			continue
		}
		var r Record
		if err := json.Unmarshal(line, &r); err != nil || r.Kind == "" {
			d.Bad++
			continue
		}
		records = append(records, r)
	}
	if len(d.pending) > MaxLine {
		d.pending, d.skip = nil, true
		d.Bad++
	}
	d.pending = bytes.Clone(d.pending)
	return records
}
