package telemetry

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

const (
	segmentSuffix = ".seg"
	// chunkBytes is the grain of the index: queries read whole chunks.
	chunkBytes = 64 << 10
)

// segment is what the index knows about one file.
type segment struct {
	number  uint64
	path    string
	header  header
	size    int64 // up to the end of the last readable frame
	chunks  []chunk
	streams map[uint64]*StreamStats // every stream named in this file
	tombs   []uint64                // streams that this file says are deleted
}

// chunk is a stretch of neighbouring records.
type chunk struct {
	at, end     int64
	first, last int64    // event timestamps
	streams     []uint64 // whose events it holds; only ever appended to
}

func segmentName(number uint64) string { return fmt.Sprintf("%012d%s", number, segmentSuffix) }

func newSegment(dir string, number uint64, h header) *segment {
	return &segment{
		number:  number,
		path:    filepath.Join(dir, segmentName(number)),
		header:  h,
		size:    int64(headerBytes),
		streams: map[uint64]*StreamStats{},
	}
}

// segmentNumbers lists a group's files in order of writing.
func segmentNumbers(dir string) ([]uint64, error) {
	entries, err := os.ReadDir(dir)
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("listing log segments: %w", err)
	}
	var numbers []uint64
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), segmentSuffix)
		if n, err := strconv.ParseUint(name, 10, 64); ok && err == nil {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	return numbers, nil
}

// note is what the index learns from one record.
type note struct {
	record
	at, end int64
	stats   StreamStats // kindEvents
}

// noteOf reads a record's events for the index.
func noteOf(at, end int64, payload []byte) (note, error) {
	rec, err := decodeRecord(payload)
	if err != nil {
		return note{}, err
	}
	n := note{record: rec, at: at, end: end}
	if rec.kind != kindEvents {
		return n, nil
	}
	err = rec.each(func(p Position, message []byte) {
		n.stats.add(StreamStats{First: p.Timestamp, Last: p.Timestamp, LastIngestion: rec.ingestion,
			Events: 1, Bytes: int64(len(message) + eventOverhead)})
	})
	return n, err
}

// apply takes a record into the segment's part of the index.
func (s *segment) apply(n note) {
	afterGap := n.at != s.size
	s.size = n.end
	switch n.kind {
	case kindTombstone:
		s.tombs = append(s.tombs, n.stream)
	case kindStream:
		s.statsOf(n.stream)
	case kindEvents:
		s.statsOf(n.stream).add(n.stats)
		s.extend(n, afterGap)
	}
}

func (s *segment) statsOf(id uint64) *StreamStats {
	st := s.streams[id]
	if st == nil {
		st = &StreamStats{}
		s.streams[id] = st
	}
	return st
}

// extend adds to the last chunk or begins another; a chunk never spans damage,
// so damage that a query meets is news.
func (s *segment) extend(n note, afterGap bool) {
	if k := len(s.chunks); k == 0 || afterGap || n.end-s.chunks[k-1].at > chunkBytes {
		s.chunks = append(s.chunks, chunk{at: n.at, first: n.stats.First, last: n.stats.Last})
	}
	c := &s.chunks[len(s.chunks)-1]
	c.end = n.end
	c.first, c.last = min(c.first, n.stats.First), max(c.last, n.stats.Last)
	if !slices.Contains(c.streams, n.stream) {
		c.streams = append(c.streams, n.stream)
	}
}

// last is the newest event's timestamp; false where the segment has no events.
func (s *segment) last() (int64, bool) {
	if len(s.chunks) == 0 {
		return 0, false
	}
	last := s.chunks[0].last
	for _, c := range s.chunks[1:] {
		last = max(last, c.last)
	}
	return last, true
}

// damage is an unreadable place in a file.
type damage struct {
	file string
	at   int64
	n    int64
	what string
}

// readSegment builds the index of one file. In the group's last file an
// unreadable end is a torn write: it stays outside size and is cut off before
// the next write. Anywhere else it is damage.
func readSegment(dir string, number uint64, lastFile bool, apply func(*segment, note)) (*segment, []damage, error) {
	s := newSegment(dir, number, header{})
	data, err := os.ReadFile(s.path)
	if os.IsNotExist(err) { // deleted since it was listed
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("reading a log segment: %w", err)
	}
	whole := func(what string) []damage { return []damage{{s.path, 0, int64(len(data)), what}} }
	if s.header, err = decodeHeader(data); err != nil {
		return nil, whole(err.Error()), nil
	}
	end, gaps := scan(data[headerBytes:], s.header.salt, func(at, end int, payload []byte) error {
		n, err := noteOf(int64(at+headerBytes), int64(end+headerBytes), payload)
		if err == nil {
			apply(s, n)
		}
		return err
	})
	s.size = int64(end + headerBytes)
	var found []damage
	for _, g := range gaps {
		found = append(found, damage{s.path, int64(g.at + headerBytes), int64(g.end - g.at), "damaged record"})
	}
	if torn := int64(len(data)) - s.size; torn > 0 {
		what := "damaged end"
		if lastFile {
			what = "torn last write, will be cut off"
		}
		found = append(found, damage{s.path, s.size, torn, what})
	}
	return s, found, nil
}
