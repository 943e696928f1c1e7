package store

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Bounds of a batch and its keys (DESIGN.md 14; MaxKey is chosen).
const (
	MaxOps       = 100
	MaxBatchSize = 1 << 20 // sum of the lengths of keys and values
	MaxKey       = 1024
)

// Op writes or deletes one key. Deleting a missing key does nothing.
type Op struct {
	Key    string
	Value  []byte
	Delete bool
}

// Put is the operation that sets key to value.
func Put(key string, value []byte) Op { return Op{Key: key, Value: value} }

// Delete is the operation that removes key.
func Delete(key string) Op { return Op{Key: key, Delete: true} }

// GuardKind tells the guards apart.
type GuardKind uint8

// The kinds of guard.
const (
	GuardAtRevision      GuardKind = iota + 1 // the key exists and was last written at Revision
	GuardAbsent                               // the key does not exist
	GuardPrefixUnchanged                      // nothing under Key was written or deleted after Revision
)

// Guard is a condition of a batch, made by AtRevision, Absent or PrefixUnchanged.
type Guard struct {
	Kind     GuardKind
	Key      string // a prefix for GuardPrefixUnchanged
	Revision int64
}

// AtRevision holds while the last commit that wrote key is rev.
func AtRevision(key string, rev int64) Guard {
	return Guard{Kind: GuardAtRevision, Key: key, Revision: rev}
}

// Absent holds while key does not exist.
func Absent(key string) Guard { return Guard{Kind: GuardAbsent, Key: key} }

// PrefixUnchanged holds while no commit after rev wrote or deleted anything
// under prefix. A store that no longer knows what happened since rev answers
// that it does not hold.
func PrefixUnchanged(prefix string, rev int64) Guard {
	return Guard{Kind: GuardPrefixUnchanged, Key: prefix, Revision: rev}
}

func (g Guard) String() string {
	switch g.Kind {
	case GuardAtRevision:
		return fmt.Sprintf("%q at revision %d", g.Key, g.Revision)
	case GuardAbsent:
		return fmt.Sprintf("%q absent", g.Key)
	case GuardPrefixUnchanged:
		return fmt.Sprintf("nothing under %q newer than revision %d", g.Key, g.Revision)
	default:
		return "no guard"
	}
}

// Batch is what one commit does: all operations if every guard holds, else none.
type Batch struct {
	Guards []Guard
	Ops    []Op
}

// Validate checks the batch's bounds; the error wraps ErrInvalid.
func (b Batch) Validate() error {
	if len(b.Ops) > MaxOps {
		return fmt.Errorf("%w: %d operations, at most %d", ErrInvalid, len(b.Ops), MaxOps)
	}
	if n := b.Size(); n > MaxBatchSize {
		return fmt.Errorf("%w: %d bytes, at most %d", ErrInvalid, n, MaxBatchSize)
	}
	seen := make(map[string]bool, len(b.Ops))
	for _, op := range b.Ops {
		if err := validKey(op.Key); err != nil {
			return err
		}
		if seen[op.Key] {
			return fmt.Errorf("%w: key %q twice in one batch", ErrInvalid, op.Key)
		}
		seen[op.Key] = true
	}
	return b.validGuards()
}

func (b Batch) validGuards() error {
	for _, g := range b.Guards {
		if g.Kind < GuardAtRevision || g.Kind > GuardPrefixUnchanged {
			return fmt.Errorf("%w: guard of unknown kind %d", ErrInvalid, g.Kind)
		}
	}
	return nil
}

// Size is what the batch counts against MaxBatchSize.
func (b Batch) Size() int {
	n := 0
	for _, op := range b.Ops {
		n += len(op.Key) + len(op.Value)
	}
	return n
}

func validKey(key string) error {
	switch {
	case key == "":
		return fmt.Errorf("%w: empty key", ErrInvalid)
	case len(key) > MaxKey:
		return fmt.Errorf("%w: key of %d bytes, at most %d", ErrInvalid, len(key), MaxKey)
	case !utf8.ValidString(key) || strings.IndexByte(key, 0) >= 0:
		return fmt.Errorf("%w: key %q is not text", ErrInvalid, key)
	case strings.HasPrefix(key, LeasePrefix):
		return fmt.Errorf("%w: key %q belongs to leases", ErrInvalid, key)
	}
	return nil
}
