package telemetry

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math/big"
	"strconv"
	"strings"

	"github.com/lamina-dev/lamina"
)

// GroupKey names a log group: the unit of files, retention and deletion.
type GroupKey struct {
	lamina.Scope
	Name        string
	Incarnation int64 // tells a group from an earlier one of the same name
}

func (k GroupKey) sum() [sha256.Size]byte {
	return sha256.Sum256([]byte(strings.Join([]string{k.Account, k.Region, k.Name, strconv.FormatInt(k.Incarnation, 10)}, "\x00")))
}

const folderBytes = 16

// folder is the name of the group's folder: a hash, since group names hold
// slashes and may be longer than a file name.
func (k GroupKey) folder() string {
	sum := k.sum()
	return hex.EncodeToString(sum[:folderBytes])
}

// Event is one line of a log. Times are milliseconds since the epoch, as on the wire.
type Event struct {
	Timestamp int64
	Ingestion int64 // when it was accepted; 0 lets the owner fill in now
	Message   string
}

// eventOverhead is what AWS counts for an event besides its message
// (PutLogEvents: "26 bytes for each log event").
const eventOverhead = 26

func (e Event) size() int { return len(e.Message) + eventOverhead }

// Size is what the events count for against a batch's limit: UTF-8 bytes of the
// messages and 26 more for each.
func Size(events []Event) int {
	n := 0
	for _, e := range events {
		n += e.size()
	}
	return n
}

// Position is the place of an event in its group: by timestamp, then by arrival.
// It never changes once the event is written.
type Position struct {
	Timestamp int64
	Seq       uint64
}

// Compare orders positions.
func (p Position) Compare(q Position) int {
	switch {
	case p.Timestamp != q.Timestamp && p.Timestamp < q.Timestamp, p.Timestamp == q.Timestamp && p.Seq < q.Seq:
		return -1
	case p == q:
		return 0
	}
	return 1
}

// String is the position as an opaque token that ParsePosition reads back.
func (p Position) String() string {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], uint64(p.Timestamp))
	binary.BigEndian.PutUint64(b[8:], p.Seq)
	return hex.EncodeToString(b[:])
}

// ParsePosition reads what String wrote; anything else is the caller's error.
func ParsePosition(s string) (Position, error) {
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != 16 {
		return Position{}, lamina.Errorf(codeInvalidParameter, "The specified nextToken is invalid.")
	}
	return Position{Timestamp: int64(binary.BigEndian.Uint64(b)), Seq: binary.BigEndian.Uint64(b[8:])}, nil
}

// Found is an event as read back.
type Found struct {
	Event
	Stream   string
	Position Position
	ID       string // 56 digits, unique, sortable by Position
}

// eventID builds ids of AWS's look: the timestamp above 144 bits, which today
// makes 56 digits, then 80 bits of the group and 64 of the arrival number.
func eventID(group [sha256.Size]byte, p Position) string {
	var b [26]byte
	binary.BigEndian.PutUint64(b[:8], uint64(max(p.Timestamp, 0)))
	copy(b[8:18], group[:10])
	binary.BigEndian.PutUint64(b[18:], p.Seq)
	return new(big.Int).SetBytes(b[:]).String()
}

// StreamStats sums up one stream's kept events.
type StreamStats struct {
	First, Last   int64 // event timestamps
	LastIngestion int64
	Events        int64
	Bytes         int64
}

func (s *StreamStats) add(o StreamStats) {
	if o.Events == 0 {
		return
	}
	if s.Events == 0 {
		*s = o
		return
	}
	s.First, s.Last = min(s.First, o.First), max(s.Last, o.Last)
	s.LastIngestion = max(s.LastIngestion, o.LastIngestion)
	s.Events += o.Events
	s.Bytes += o.Bytes
}
