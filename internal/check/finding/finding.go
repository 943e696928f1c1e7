// Package finding names what lamina check finds, says it in words and how to mend it.
package finding

import (
	"cmp"
	"slices"
	"time"
)

// Kind is what is wrong. The names are for good: CI configurations hold them.
type Kind string

// The kinds of finding.
const (
	AnswerChanged      Kind = "answer-changed"
	AnswerCrossed      Kind = "answer-crossed"
	DataRace           Kind = "data-race"
	GlobalMutated      Kind = "global-mutated"
	ClassMutated       Kind = "class-mutated"
	EnvironmentMutated Kind = "environment-mutated"
	ProcessState       Kind = "process-state"
	TmpShared          Kind = "tmp-shared"
	MemoryGrows        Kind = "memory-grows"
	DescriptorsGrow    Kind = "descriptors-grow"
	ThreadsGrow        Kind = "threads-grow"
	ChildrenGrow       Kind = "children-grow"
	LoopBlocked        Kind = "loop-blocked"
	ConnectionPerCall  Kind = "connection-per-call"
	WorkAfterAnswer    Kind = "work-after-answer"
	EnvironmentsDiffer Kind = "environments-differ"
	OutlivesTimeout    Kind = "outlives-timeout"
	LogLine            Kind = "log-line"
	CrashOverlapped    Kind = "crash-overlapped"
)

// Kinds are all of them, the gravest first: the order of a report.
var Kinds = []Kind{
	AnswerCrossed, AnswerChanged, CrashOverlapped, DataRace, GlobalMutated, ClassMutated, EnvironmentMutated, ProcessState, TmpShared,
	WorkAfterAnswer, EnvironmentsDiffer, OutlivesTimeout, LoopBlocked, MemoryGrows, DescriptorsGrow, ThreadsGrow, ChildrenGrow,
	ConnectionPerCall, LogLine,
}

// Request is one of the invocations that show a finding.
type Request struct {
	ID     string        `json:"id"`
	Event  string        `json:"event"` // the event's file
	Begin  time.Duration `json:"begin"` // since the run's begin, ns
	End    time.Duration `json:"end"`
	Answer string        `json:"answer,omitempty"`
}

// Finding is one thing wrong with a function.
type Finding struct {
	Kind     Kind      `json:"kind"`
	Text     string    `json:"text"`           // what happened, a sentence or two
	Name     string    `json:"name,omitempty"` // variable, path, address …
	File     string    `json:"file,omitempty"` // relative to the function's code
	Line     int       `json:"line,omitempty"`
	Requests []Request `json:"requests,omitempty"` // the one that suffers first, then the other
	Expected string    `json:"expected,omitempty"` // the answer alone
	Got      string    `json:"got,omitempty"`
	Remedy   string    `json:"remedy"`
	Evidence string    `json:"evidence,omitempty"` // in how small a run it shows, and how often
	Times    int       `json:"times"`              // how often it was seen
}

// key is what makes two findings one.
type key struct {
	kind Kind
	name string
	file string
	line int
}

func (f Finding) key() key {
	k := key{f.Kind, f.Name, f.File, f.Line}
	if f.Name != "" {
		k.file, k.line = "", 0
	}
	return k
}

// Set collects findings, each once.
type Set struct {
	list []Finding
	at   map[key]int
}

// Add takes fs in; the first of each is kept and counted.
func (s *Set) Add(fs ...Finding) {
	if s.at == nil {
		s.at = map[key]int{}
	}
	for _, f := range fs {
		f.Times = max(f.Times, 1)
		if i, ok := s.at[f.key()]; ok {
			s.list[i].Times += f.Times
			continue
		}
		s.at[f.key()] = len(s.list)
		s.list = append(s.list, f)
	}
}

// Len is how many different ones there are.
func (s *Set) Len() int { return len(s.list) }

// List gives them in the order of Kinds, each kind as found.
func (s *Set) List() []Finding {
	list := slices.Clone(s.list)
	slices.SortStableFunc(list, func(a, b Finding) int {
		return cmp.Compare(slices.Index(Kinds, a.Kind), slices.Index(Kinds, b.Kind))
	})
	return list
}
