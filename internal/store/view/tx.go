package view

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/lamina-dev/lamina/internal/store"
)

// Tx collects the guards and operations of one batch. Its reads
// (table.At(tx)) all see one snapshot, without the Tx's own writes. Reading
// guards nothing by itself: say what must still hold with Guard.
type Tx struct {
	snap  *Snapshot
	batch store.Batch
	at    map[string]int // key → index in batch.Ops
}

// Snapshot is the state that the Tx reads.
func (tx *Tx) Snapshot() *Snapshot { return tx.snap }

// Revision is the revision that the Tx reads at, for PrefixUnchanged.
func (tx *Tx) Revision() int64 { return tx.snap.revision }

// Guard adds conditions.
func (tx *Tx) Guard(guards ...store.Guard) { tx.batch.Guards = append(tx.batch.Guards, guards...) }

// Do adds operations; of several on one key the last one counts. It returns nil
// so that it can end an Update's function.
func (tx *Tx) Do(ops ...store.Op) error {
	for _, op := range ops {
		if i, ok := tx.at[op.Key]; ok {
			tx.batch.Ops[i] = op
			continue
		}
		tx.at[op.Key] = len(tx.batch.Ops)
		tx.batch.Ops = append(tx.batch.Ops, op)
	}
	return nil
}

// How often and how patiently Update repeats (chosen: 32 writers of one key on
// a disk that syncs in 5 ms all get through).
const (
	updateAttempts = 100
	updateMinPause = 200 * time.Microsecond
	updateMaxPause = 20 * time.Millisecond
)

// Update runs fn over the newest state and commits what it collected. When a
// guard did not hold, it catches up and runs fn again, so fn must have no other
// effects. An error of fn ends it, with nothing written. A Tx without guards and
// operations commits nothing. The revision is the one the view has then reached.
func (v *View) Update(ctx context.Context, fn func(tx *Tx) error) (int64, error) {
	pause := updateMinPause
	for attempt := 1; ; attempt++ {
		tx := &Tx{snap: v.Snapshot(), at: map[string]int{}}
		if err := fn(tx); err != nil {
			return 0, err
		}
		if len(tx.batch.Guards)+len(tx.batch.Ops) == 0 {
			return tx.Revision(), nil
		}
		rev, err := v.Commit(ctx, tx.batch)
		if !errors.Is(err, store.ErrConflict) {
			return rev, err
		}
		if attempt == updateAttempts {
			return 0, fmt.Errorf("giving up after %d attempts: %w", attempt, err)
		}
		if err := v.settle(ctx, pause); err != nil {
			return 0, err
		}
		pause = min(2*pause, updateMaxPause)
	}
}

// settle lets others finish before a repeat and sees what they did.
func (v *View) settle(ctx context.Context, pause time.Duration) error {
	select {
	case <-time.After(rand.N(pause)):
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return v.CatchUp(ctx)
}
