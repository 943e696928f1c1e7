package fleet_test

import (
	"testing"
	"time"

	drivermem "github.com/lamina-dev/lamina/internal/fleet/driver/mem"
)

func TestASilentAgentIsNoticed(t *testing.T) {
	inBubble(t, drivermem.Config{}, func(p *place) {
		id := p.running(1)
		p.after(time.Hour)
		if p.fleet.Members()[id].Silent {
			p.Error("an idle agent counts as silent")
		}
		p.world.Freeze(id, true)
		p.after(12 * time.Second)
		if m := p.fleet.Members()[id]; !m.Silent || !m.Connected {
			p.Errorf("a stopped agent: silent %v, connected %v", m.Silent, m.Connected)
		}
		p.world.Freeze(id, false)
		p.after(3 * time.Second)
		if p.fleet.Members()[id].Silent {
			p.Error("an agent that has woken counts as silent")
		}
		p.world.Freeze(id, true)
		p.after(time.Minute)
		p.wantEnded(id)
		p.wantHeld(0, 0)
	})
}

func TestAfterAPauseOfTheServerNobodyIsLost(t *testing.T) {
	inBubble(t, drivermem.Config{}, func(p *place) {
		id := p.running(1)
		since := time.Now()
		for offset := range 20 { // in every phase of the loops
			p.after(time.Minute + time.Duration(offset)*250*time.Millisecond)
			p.paused.Add(int64(time.Minute))
			p.after(10 * time.Second)
			if m := p.fleet.Members()[id]; m.Ending || m.Silent || !m.Connected {
				p.Fatalf("%v after the start, after a pause of a minute: ending %v, silent %v, connected %v", time.Since(since), m.Ending, m.Silent, m.Connected)
			}
		}
	})
}
