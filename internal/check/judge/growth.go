package judge

import (
	"fmt"

	"github.com/lamina-dev/lamina/internal/check/finding"
	"github.com/lamina-dev/lamina/internal/check/trace"
	"github.com/lamina-dev/lamina/internal/check/watch"
)

// Limits of growth (chosen): per request, and for memory in all, so that pools
// which fill, allocators and garbage collectors are not blamed.
const (
	leastCount    = 0.4       // descriptors, threads, processes
	leastBytes    = 64 << 10  // memory per request …
	leastAllBytes = 4 << 20   // … and in all
	looseBytes    = 192 << 10 // per request where garbage is collected late and the heap is not known
)

// Growth judges a trace with samples: growth must go on over nearly all of them.
func (c Case) Growth(t *trace.Trace) (list []finding.Finding) {
	if len(t.Samples) < 4 {
		return nil
	}
	for _, k := range []struct {
		kind  finding.Kind
		what  string
		left  watch.Kind
		value func(trace.Sample) int64
	}{
		{finding.DescriptorsGrow, "open descriptors", "", func(s trace.Sample) int64 { return int64(s.Descriptors) }},
		{finding.ThreadsGrow, "threads", watch.ThreadLeft, func(s trace.Sample) int64 { return int64(s.Threads) }},
		{finding.ChildrenGrow, "child processes", watch.ChildLeft, func(s trace.Sample) int64 { return int64(s.Processes) }},
	} {
		g := growthOf(t.Samples, k.value)
		if k.kind == finding.ThreadsGrow { // a process has a thread
			g.perRequest -= growthOf(t.Samples, func(s trace.Sample) int64 { return int64(s.Processes) }).perRequest
		}
		if !g.steady || g.perRequest < leastCount {
			continue
		}
		f := finding.Finding{
			Kind: k.kind, Times: g.requests,
			Text: fmt.Sprintf("Each request leaves %.1f %s behind: %d after %d requests, %d after %d.", g.perRequest, k.what, g.first, t.Samples[0].After, g.last, t.Samples[len(t.Samples)-1].After),
		}
		c.leftBy(t, k.left, &f)
		list = append(list, c.make(f))
	}
	if f, ok := c.memory(t); ok {
		list = append(list, f)
	}
	return list
}

// leftBy names what the watch saw left behind.
func (c Case) leftBy(t *trace.Trace, kind watch.Kind, f *finding.Finding) {
	for _, r := range t.Facts {
		if kind != "" && r.Kind == kind {
			f.Name, f.File, f.Line = r.Name, r.File, r.Line
			if by, ok := t.Find(r.RequestID); ok {
				f.Requests = c.requests(t, by)
			}
			return
		}
	}
}

func (c Case) memory(t *trace.Trace) (finding.Finding, bool) {
	g := growthOf(t.Samples, func(s trace.Sample) int64 { return s.Memory })
	least := float64(looseBytes)
	if c.Language == finding.Python {
		least = leastBytes
	}
	if heap, ok := heapGrowth(t); ok {
		g, least = heap, leastBytes
	}
	if !g.steady || g.perRequest < least || g.last-g.first < leastAllBytes {
		return finding.Finding{}, false
	}
	return c.make(finding.Finding{
		Kind: finding.MemoryGrows, Times: g.requests,
		Text: fmt.Sprintf("Memory grows by %.0f KiB with each request: from %d to %d MiB over %d requests with the same events.", g.perRequest/1024, g.first>>20, g.last>>20, g.requests),
	}), true
}

type growth struct {
	perRequest  float64
	first, last int64
	requests    int
	steady      bool // nearly every sample is above the one before
}

// growthOf measures from the first sample, before which all is warmed up.
func growthOf(samples []trace.Sample, value func(trace.Sample) int64) growth {
	first, last := samples[0], samples[len(samples)-1]
	g := growth{first: value(first), last: value(last), requests: last.After - first.After}
	if g.requests <= 0 {
		return g
	}
	g.perRequest = float64(g.last-g.first) / float64(g.requests)
	up := 0
	for i := 1; i < len(samples); i++ {
		if value(samples[i]) > value(samples[i-1]) {
			up++
		}
	}
	g.steady = up >= len(samples)-2
	return g
}

// heapGrowth takes the heap after garbage collection, where the watch tells it.
func heapGrowth(t *trace.Trace) (growth, bool) {
	heaps := map[watch.Process][]trace.Sample{}
	for _, r := range t.Facts {
		if r.Kind == watch.End && r.Detail.Heap > 0 {
			list := heaps[r.Process()]
			heaps[r.Process()] = append(list, trace.Sample{After: len(list) + 1, Measure: trace.Measure{Memory: r.Detail.Heap}})
		}
	}
	var all growth
	found := false
	for _, list := range heaps {
		if len(list) < 12 {
			continue
		}
		// A tenth apart: single requests may end with others' data in use.
		var some []trace.Sample
		for i := len(list) / 6; i < len(list); i += max(1, len(list)/6) {
			some = append(some, list[i])
		}
		g := growthOf(some, func(s trace.Sample) int64 { return s.Memory })
		if !found || g.perRequest > all.perRequest {
			all, found = g, true
		}
	}
	return all, found
}
