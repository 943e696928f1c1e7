package fleet

import (
	"context"
	"time"

	"github.com/lamina-dev/lamina"
	"github.com/lamina-dev/lamina/internal/store/view"
)

// tend sees to what no event tells of, until ctx ends.
func (f *Fleet) tend(ctx context.Context) error {
	tick := time.NewTicker(tendInterval)
	defer tick.Stop()
	for {
		f.giveUpLost()
		for row := range f.cfg.Tables.Instances.All() {
			if row.Value.Ended() {
				f.forget(ctx, row)
			} else {
				f.takeOver(row.Value)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// giveUpLost ends instances whose agent has had no session for too long. Only
// their driver's word that they are gone releases what they hold.
func (f *Fleet) giveUpLost() {
	now := f.cfg.Clock()
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range f.members {
		if m.everJoined && m.session == nil && now.Sub(m.leftAt) > lostLimit {
			m.endLocked("its agent has had no session with the server for too long", 0)
		}
	}
}

// takeOver ends an instance whose record was committed when the server had given
// the commit up: nothing was launched for it, and its share of the cap is held.
func (f *Fleet) takeOver(inst lamina.Instance) {
	f.mu.Lock()
	known := f.members[inst.ID] != nil || f.records[inst.ID]
	f.mu.Unlock()
	if known {
		return
	}
	// Whoever followed it leaves after its end is recorded, so look again.
	row, ok := f.cfg.Tables.Instances.Get(inst.Key())
	if !ok || row.Value.Ended() {
		return
	}
	m := newMember(row.Value, true)
	m.endLocked("its launch was given up", 0)
	f.follow(m)
}

// forget removes the record of an instance that ended long ago.
func (f *Fleet) forget(ctx context.Context, row view.Row[lamina.Instance]) {
	if f.cfg.Clock().Sub(row.Value.EndedAt) < recordsKept {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, commitLimit)
	defer cancel()
	_, err := f.cfg.View.Update(ctx, func(tx *view.Tx) error { return tx.Do(f.cfg.Tables.Instances.Delete(row.Key)) })
	if err != nil {
		f.cfg.Log.Warn("ended instance stays recorded", "instance", row.Value.ID, "error", err)
	}
}
