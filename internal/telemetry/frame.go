package telemetry

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
)

// A segment file is a header and then frames:
//
//	header  "LAMLOGS1" | salt u64 | first event number u64 | CRC32C of these
//	frame   mark u32 | payload length u32 | CRC32C u32 | payload
//
// The frame's CRC runs over the salt, the length and the payload. The salt is
// random per file, so that a message which happens or tries to look like a
// frame is never taken for one when a reader searches past damage.
const (
	headerMagic  = "LAMLOGS1"
	headerBytes  = len(headerMagic) + 8 + 8 + 4
	frameMark    = 0xA5_4C_4F_47 // an invalid UTF-8 start, then "LOG"
	frameBytes   = 12
	payloadLimit = 8 << 20 // more than any batch the owner writes as one record
)

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	markBytes  = binary.BigEndian.AppendUint32(nil, frameMark)

	errHeader  = errors.New("no readable segment header")
	errPayload = errors.New("unreadable record")
)

type header struct {
	salt  uint64
	first uint64 // number of the first event that this segment may hold
}

func (h header) encode() []byte {
	b := append(make([]byte, 0, headerBytes), headerMagic...)
	b = binary.BigEndian.AppendUint64(b, h.salt)
	b = binary.BigEndian.AppendUint64(b, h.first)
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

func decodeHeader(b []byte) (header, error) {
	if len(b) < headerBytes || !bytes.HasPrefix(b, []byte(headerMagic)) {
		return header{}, errHeader
	}
	sum := headerBytes - 4
	if crc32.Checksum(b[:sum], castagnoli) != binary.BigEndian.Uint32(b[sum:]) {
		return header{}, errHeader
	}
	return header{salt: binary.BigEndian.Uint64(b[8:]), first: binary.BigEndian.Uint64(b[16:])}, nil
}

func checksum(salt uint64, payload []byte) uint32 {
	var seed [12]byte
	binary.BigEndian.PutUint64(seed[:], salt)
	binary.BigEndian.PutUint32(seed[8:], uint32(len(payload)))
	return crc32.Update(crc32.Checksum(seed[:], castagnoli), castagnoli, payload)
}

// beginFrame leaves room for a frame's head; endFrame fills it in.
func beginFrame(b []byte) []byte { return append(b, make([]byte, frameBytes)...) }

func endFrame(b []byte, start int, salt uint64) {
	payload := b[start+frameBytes:]
	binary.BigEndian.PutUint32(b[start:], frameMark)
	binary.BigEndian.PutUint32(b[start+4:], uint32(len(payload)))
	binary.BigEndian.PutUint32(b[start+8:], checksum(salt, payload))
}

// frameLength is the whole length that the frame at the start of b claims, or 0
// where there is no frame's head.
func frameLength(b []byte) int {
	if len(b) < frameBytes || !bytes.HasPrefix(b, markBytes) {
		return 0
	}
	n := binary.BigEndian.Uint32(b[4:])
	if n == 0 || n > payloadLimit {
		return 0
	}
	return frameBytes + int(n)
}

// readFrame is the payload of the frame at the start of b and the frame's length.
func readFrame(b []byte, salt uint64) (payload []byte, n int, ok bool) {
	n = frameLength(b)
	if n == 0 || n > len(b) {
		return nil, 0, false
	}
	payload = b[frameBytes:n]
	return payload, n, checksum(salt, payload) == binary.BigEndian.Uint32(b[8:])
}

// gap is a stretch of a file that could not be read.
type gap struct{ at, end int }

// scan visits every readable frame of data. Unreadable stretches between
// readable ones are gaps; end is where the last readable frame ends.
func scan(data []byte, salt uint64, visit func(at, end int, payload []byte) error) (end int, gaps []gap) {
	for at := 0; at < len(data); {
		if payload, n, ok := readFrame(data[at:], salt); ok && visit(at, at+n, payload) == nil {
			at += n
			end = at
			continue
		}
		next := resync(data, at, salt)
		if next < 0 {
			break
		}
		gaps = append(gaps, gap{at, next})
		at, end = next, next
	}
	return end, gaps
}

// resync is where reading can go on after the unreadable place at, or -1 where
// nothing readable follows, which is how a torn last write looks.
func resync(data []byte, at int, salt uint64) int {
	if n := frameLength(data[at:]); n > 0 && at+n < len(data) && bytes.HasPrefix(data[at+n:], markBytes) {
		return at + n // the head is sound and another frame begins right after
	}
	for at++; at < len(data); at++ {
		i := bytes.Index(data[at:], markBytes)
		if i < 0 {
			return -1
		}
		at += i
		if _, _, ok := readFrame(data[at:], salt); ok {
			return at
		}
	}
	return -1
}

// Kinds of payload, the first byte of each.
const (
	kindStream    = 1 // stream number, name: says whose the events are
	kindEvents    = 2 // stream number, first event number, ingestion, count, then events
	kindTombstone = 3 // stream number: its events are deleted
)

func appendStream(b []byte, id uint64, name string) []byte {
	return append(binary.AppendUvarint(append(b, kindStream), id), name...)
}

func appendTombstone(b []byte, id uint64) []byte {
	return binary.AppendUvarint(append(b, kindTombstone), id)
}

// appendEvents writes timestamps as differences, as neighbours are close.
func appendEvents(b []byte, id, first uint64, ingestion int64, events []Event) []byte {
	b = binary.AppendUvarint(append(b, kindEvents), id)
	b = binary.AppendUvarint(b, first)
	b = binary.AppendVarint(b, ingestion)
	b = binary.AppendUvarint(b, uint64(len(events)))
	last := int64(0)
	for _, e := range events {
		b = binary.AppendVarint(b, e.Timestamp-last)
		b = binary.AppendUvarint(b, uint64(len(e.Message)))
		b = append(b, e.Message...)
		last = e.Timestamp
	}
	return b
}

// reader takes a payload apart; after a failed step it stays failed.
type reader struct {
	b      []byte
	failed bool
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	return take(r, v, n)
}

func (r *reader) varint() int64 {
	v, n := binary.Varint(r.b)
	return take(r, v, n)
}

func take[T any](r *reader, v T, n int) T {
	if n <= 0 || r.failed {
		r.failed = true
		var zero T
		return zero
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) bytes(n uint64) []byte {
	if r.failed || n > uint64(len(r.b)) {
		r.failed = true
		return nil
	}
	b := r.b[:n]
	r.b = r.b[n:]
	return b
}

// record is a payload's head, taken apart.
type record struct {
	kind      byte
	stream    uint64
	name      string // kindStream
	first     uint64 // kindEvents
	ingestion int64
	count     uint64
	events    reader
}

func decodeRecord(payload []byte) (record, error) {
	if len(payload) == 0 {
		return record{}, errPayload
	}
	r := reader{b: payload[1:]}
	rec := record{kind: payload[0], stream: r.uvarint()}
	switch rec.kind {
	case kindStream:
		rec.name = string(r.b)
	case kindEvents:
		rec.first, rec.ingestion, rec.count = r.uvarint(), r.varint(), r.uvarint()
		rec.events = r
	case kindTombstone:
	default:
		return rec, errPayload
	}
	if r.failed {
		return rec, errPayload
	}
	return rec, nil
}

// each visits the events of a kindEvents record; message is only lent.
func (rec record) each(visit func(p Position, message []byte)) error {
	r, ts := rec.events, int64(0)
	for i := range rec.count {
		ts += r.varint()
		message := r.bytes(r.uvarint())
		if r.failed {
			return errPayload
		}
		visit(Position{Timestamp: ts, Seq: rec.first + i}, message)
	}
	return nil
}
