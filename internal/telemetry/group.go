package telemetry

import (
	"slices"
	"sync"
	"sync/atomic"
)

// group is one log group's index. The owner alone changes it once it is loaded.
type group struct {
	key       GroupKey
	dir       string
	sum       [32]byte
	retention atomic.Int64 // days, 0 for ever

	loading sync.Mutex // lets one goroutine read the files; nobody else needs it
	loaded  atomic.Bool

	mu         sync.RWMutex
	segments   []*segment
	names      map[uint64]string // streams by number, deleted ones included
	ids        map[string]uint64 // living streams
	dead       map[uint64]bool
	nextStream uint64
	nextSeq    uint64
	nextFile   uint64

	writer // the owner's alone
}

func newGroup(key GroupKey, dir string) *group {
	return &group{
		key: key, dir: dir, sum: key.sum(),
		names: map[uint64]string{}, ids: map[string]uint64{}, dead: map[uint64]bool{},
		nextStream: 1, nextSeq: 1, nextFile: 1,
	}
}

// load reads the index from the files, once; it tells of damage it met.
func (g *group) load() ([]damage, error) {
	if g.loaded.Load() {
		return nil, nil
	}
	g.loading.Lock()
	defer g.loading.Unlock()
	if g.loaded.Load() {
		return nil, nil
	}
	numbers, err := segmentNumbers(g.dir)
	if err != nil {
		return nil, err
	}
	fresh := newGroup(g.key, g.dir)
	var found []damage
	for i, number := range numbers {
		s, d, err := readSegment(g.dir, number, i == len(numbers)-1, fresh.apply)
		if err != nil {
			return found, err
		}
		found = append(found, d...)
		fresh.nextFile = number + 1
		if s != nil {
			fresh.nextSeq = max(fresh.nextSeq, s.header.first)
			fresh.segments = append(fresh.segments, s)
		}
	}
	g.adopt(fresh)
	g.loaded.Store(true)
	return found, nil
}

func (g *group) adopt(o *group) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.segments, g.names, g.ids, g.dead = o.segments, o.names, o.ids, o.dead
	g.nextStream, g.nextSeq, g.nextFile = o.nextStream, o.nextSeq, o.nextFile
}

// apply takes one record into the index; the caller holds mu where readers may be about.
func (g *group) apply(s *segment, n note) {
	s.apply(n)
	g.nextStream = max(g.nextStream, n.stream+1)
	switch n.kind {
	case kindStream:
		g.names[n.stream] = n.name
		if !g.dead[n.stream] {
			g.ids[n.name] = n.stream
		}
	case kindEvents:
		g.nextSeq = max(g.nextSeq, n.first+n.count)
	case kindTombstone:
		g.dead[n.stream] = true
		if name := g.names[n.stream]; g.ids[name] == n.stream {
			delete(g.ids, name)
		}
	}
}

// publish makes written records visible to readers.
func (g *group) publish(s *segment, notes []note) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, n := range notes {
		g.apply(s, n)
	}
}

func (g *group) addSegment(s *segment) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.segments = append(g.segments, s)
	g.nextFile = s.number + 1
}

// forget takes a segment out of the index, and names of streams that no other
// segment mentions.
func (g *group) forget(s *segment) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.segments = slices.DeleteFunc(slices.Clone(g.segments), func(o *segment) bool { return o == s })
	for id := range s.streams {
		if g.mentioned(id) {
			continue
		}
		if name := g.names[id]; g.ids[name] == id {
			delete(g.ids, name)
		}
		delete(g.names, id)
	}
}

func (g *group) mentioned(id uint64) bool {
	return slices.ContainsFunc(g.segments, func(s *segment) bool { return s.streams[id] != nil })
}

func (g *group) stats() map[string]StreamStats {
	g.mu.RLock()
	defer g.mu.RUnlock()
	sums := make(map[string]StreamStats, len(g.ids))
	for _, s := range g.segments {
		for id, st := range s.streams {
			if name := g.names[id]; !g.dead[id] && st.Events > 0 {
				sum := sums[name]
				sum.add(*st)
				sums[name] = sum
			}
		}
	}
	return sums
}

func (g *group) statsOf(name string) (sum StreamStats) {
	g.mu.RLock()
	defer g.mu.RUnlock()
	id, ok := g.ids[name]
	if !ok {
		return sum
	}
	for _, s := range g.segments {
		if st := s.streams[id]; st != nil {
			sum.add(*st)
		}
	}
	return sum
}

func (g *group) bytes() (n int64) {
	for _, st := range g.stats() {
		n += st.Bytes
	}
	return n
}
