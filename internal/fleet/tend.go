package fleet

import (
	"context"
	"time"

	"github.com/lamina-dev/lamina"
	"github.com/lamina-dev/lamina/internal/store/view"
	"github.com/lamina-dev/lamina/internal/wire"
)

// tend sees to what no event tells of, until ctx ends.
func (f *Fleet) tend(ctx context.Context) error {
	tick := time.NewTicker(tendInterval)
	defer tick.Stop()
	for {
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

// hear notes that an agent has said something.
func (f *Fleet) hear(m *member) {
	f.mu.Lock()
	m.reported = f.cfg.Clock()
	woke := m.silent
	m.silent = false
	f.mu.Unlock()
	if woke {
		f.changed()
	}
}

// listen finds the agents that say nothing and gives up those that are lost,
// until ctx ends. After a pause of the server itself nobody counts as either:
// nobody was listened to.
func (f *Fleet) listen(ctx context.Context) error {
	tick := time.NewTicker(wire.Heartbeat)
	defer tick.Stop()
	for last := f.cfg.Clock(); ; {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		now := f.cfg.Clock()
		if now.Sub(last) > 2*wire.Heartbeat {
			f.forgive(now)
		} else {
			f.findSilent(now)
			f.giveUpLost(now)
		}
		last = now
	}
}

// forgive begins to count anew for everyone.
func (f *Fleet) forgive(now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range f.members {
		m.reported, m.leftAt = now, now
	}
}

func (f *Fleet) findSilent(now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range f.members {
		if m.session != nil && !m.silent && now.Sub(m.reported) > silentLimit {
			m.silent = true
			f.cfg.Log.Warn("an agent says nothing: it gets no invocations until it does", "instance", m.inst.ID)
			f.changed()
		}
	}
}

// giveUpLost ends instances whose agent has had no session, or has said nothing,
// for too long. Only their driver's word that they are gone releases what they hold.
func (f *Fleet) giveUpLost(now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range f.members {
		switch {
		case !m.everJoined:
		case m.session == nil && now.Sub(m.leftAt) > lostLimit:
			m.endLocked("its agent has had no session with the server for too long", 0)
		case m.session != nil && now.Sub(m.reported) > lostLimit:
			m.endLocked("its agent has said nothing for too long", 0)
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
