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
