package metric

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/lamina-dev/lamina/internal/fsync"
)

// The file: magic, then frames of length, checksum and payload. A payload is
// any number of series with the buckets to merge into them, each spelled out,
// so that a frame needs no other.
const (
	magic     = "LMNAMTR1"
	frameHead = 8
	mostFrame = 64 << 20
	goodFrame = 1 << 20 // a table becomes frames of about this size

	fileSuffix    = ".metrics"
	youngSuffix   = ".new"
	damagedSuffix = ".damaged"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// appendFrame puts a payload into a frame.
func appendFrame(b, payload []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(payload)))
	b = binary.BigEndian.AppendUint32(b, crc32.Checksum(payload, castagnoli))
	return append(b, payload...)
}

// encode writes a table as frames.
func (t table) encode(b []byte) []byte {
	var payload []byte
	for key, m := range t {
		for _, s := range m.units {
			if len(s.buckets) == 0 {
				continue
			}
			payload = appendSeries(payload, key, s)
			if len(payload) >= goodFrame {
				b, payload = appendFrame(b, payload), payload[:0]
			}
		}
	}
	if len(payload) > 0 {
		b = appendFrame(b, payload)
	}
	return b
}

func appendSeries(b []byte, key string, s *series) []byte {
	b = appendText(appendText(b, key), s.unit)
	b = binary.AppendUvarint(b, uint64(len(s.buckets)))
	last := int64(0)
	for _, k := range s.buckets {
		b = binary.AppendVarint(b, k.start-last)
		b = binary.AppendUvarint(b, uint64(k.width))
		b = appendStat(b, k.Stat)
		last = k.start
	}
	return b
}

// blindBins stands for the number of bins of a Stat without percentiles.
const blindBins = 1 << 20

func appendStat(b []byte, s Stat) []byte {
	for _, f := range []float64{s.Count, s.Sum, s.Min, s.Max} {
		b = appendFloat(b, f)
	}
	if s.blind {
		return binary.AppendUvarint(b, blindBins)
	}
	b = binary.AppendUvarint(b, uint64(len(s.bins)))
	for _, k := range s.bins {
		b = appendFloat(binary.AppendVarint(b, int64(k.index)), k.count)
	}
	return b
}

// appendFloat writes the bytes in reverse, since those of small whole numbers
// are zero at their end.
func appendFloat(b []byte, f float64) []byte {
	return binary.AppendUvarint(b, reverse(math.Float64bits(f)))
}

func reverse(u uint64) uint64 {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], u)
	return binary.LittleEndian.Uint64(b[:])
}

// reader takes a payload apart; after a failed step it stays failed.
type reader struct {
	b      []byte
	failed bool
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 || r.failed {
		r.failed = true
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) varint() int64 {
	u := r.uvarint()
	return int64(u>>1) ^ -int64(u&1)
}

func (r *reader) float() float64 { return math.Float64frombits(reverse(r.uvarint())) }

func (r *reader) text() string { return string(r.bytes()) }

func (r *reader) bytes() []byte {
	n := r.uvarint()
	if r.failed || n > uint64(len(r.b)) {
		r.failed = true
		return nil
	}
	b := r.b[:n]
	r.b = r.b[n:]
	return b
}

func (r *reader) stat() Stat {
	s := Stat{Count: r.float(), Sum: r.float(), Min: r.float(), Max: r.float()}
	n := r.uvarint()
	if n == blindBins {
		s.blind = true
		return s
	}
	for i := uint64(0); i < n && !r.failed; i++ {
		s.put(bin{int16(r.varint()), r.float()})
	}
	return s
}

// decode merges a payload into a table; false: it is none of ours.
func (t table) decode(payload []byte) bool {
	r := reader{b: payload}
	for len(r.b) > 0 && !r.failed {
		key, unit := r.bytes(), r.text()
		id, ok := ParseKey(key)
		if !ok || r.failed {
			return false
		}
		s, last := t.series(string(key), id, unit), int64(0)
		for n := r.uvarint(); n > 0 && !r.failed; n-- {
			last += r.varint()
			width := int64(r.uvarint())
			if stat := r.stat(); !r.failed {
				s.merge(bucket{last, width, stat})
			}
		}
	}
	return !r.failed
}

// errDamaged says that a file holds more behind what can't be read.
var errDamaged = errors.New("the metrics file is damaged")

// readFile merges a file's frames into t and gives the length that is sound. A
// torn end is what a crash leaves; anything else that can't be read is errDamaged.
func (t table) readFile(path string) (int64, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return 0, fmt.Errorf("reading the metrics file: %w", err)
	}
	if !strings.HasPrefix(string(data[:min(len(data), len(magic))]), magic) {
		return 0, errDamaged
	}
	at := len(magic)
	for at < len(data) {
		if len(data)-at < frameHead {
			return int64(at), nil
		}
		n := int(binary.BigEndian.Uint32(data[at:]))
		if n > len(data)-at-frameHead {
			return int64(at), torn(n)
		}
		payload := data[at+frameHead : at+frameHead+n]
		if crc32.Checksum(payload, castagnoli) != binary.BigEndian.Uint32(data[at+4:]) || !t.decode(payload) {
			if at+frameHead+n == len(data) {
				return int64(at), nil
			}
			return int64(at), errDamaged
		}
		at += frameHead + n
	}
	return int64(at), nil
}

// torn tells a frame whose end is missing from a length that never was one.
func torn(length int) error {
	if length > mostFrame {
		return errDamaged
	}
	return nil
}

// files lists the numbers of a folder's metrics files in order, and removes
// what a crash left of an unfinished one.
func files(dir string) ([]uint64, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("listing the metrics folder: %w", err)
	}
	var numbers []uint64
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), youngSuffix) {
			if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
				return nil, fmt.Errorf("removing an unfinished metrics file: %w", err)
			}
		}
		name, ok := strings.CutSuffix(e.Name(), fileSuffix)
		if n, err := strconv.ParseUint(name, 10, 64); ok && err == nil {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	return numbers, nil
}

func pathOf(dir string, number uint64) string {
	return filepath.Join(dir, fmt.Sprintf("%016d%s", number, fileSuffix))
}

// create makes a whole file durable under its name: it is there with all its
// content, or not at all.
func create(dir string, number uint64, content []byte) (f *os.File, err error) {
	young := pathOf(dir, number) + youngSuffix
	if f, err = os.OpenFile(young, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600); err != nil {
		return nil, fmt.Errorf("making a metrics file: %w", err)
	}
	_, err = io.WriteString(f, magic)
	if err == nil {
		_, err = f.Write(content)
	}
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = os.Rename(young, pathOf(dir, number))
	}
	if err == nil {
		err = fsync.Dir(dir)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("writing a metrics file: %w", err), f.Close())
	}
	return f, nil
}
