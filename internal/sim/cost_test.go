package sim

import (
	"math"
	"testing"
	"time"

	"github.com/lamina-dev/lamina/internal/fleet/catalogue"
)

func TestOrdinaryDurations(t *testing.T) {
	for _, c := range []struct {
		memory    int32
		cpu, wait time.Duration
		want      time.Duration
	}{
		{1769, 5 * time.Millisecond, 50 * time.Millisecond, 55 * time.Millisecond},
		{512, 5 * time.Millisecond, 50 * time.Millisecond, 68 * time.Millisecond}, // 17.3 ms of CPU at 0.29 vCPU
		{4096, 5 * time.Millisecond, 0, 5 * time.Millisecond},                     // one thread has one core at most
		{128, 100 * time.Microsecond, 0, 2 * time.Millisecond},
		{1769, 0, 0, time.Millisecond},
	} {
		if got := (Ordinary{MemoryMB: c.memory}).Duration(Profile{CPU: c.cpu, Wait: c.wait}); got != c.want {
			t.Errorf("%d MB, %v + %v: %v, want %v", c.memory, c.cpu, c.wait, got, c.want)
		}
	}
}

func TestBills(t *testing.T) {
	// A million calls of 100 ms at 1 GiB: 100,000 GB-seconds.
	b := Ordinary{MemoryMB: 1024}.Bill(Profile{Wait: 100 * time.Millisecond}, 1e6)
	if math.Abs(b.Compute-1.66667) > 1e-6 || math.Abs(b.Requests-0.2) > 1e-9 || math.Abs(b.Total-b.Compute-b.Requests) > 1e-9 {
		t.Errorf("ordinary: %+v", b)
	}
	if arm := (Ordinary{1024, "arm64"}).Bill(Profile{Wait: 100 * time.Millisecond}, 1e6); math.Abs(arm.Compute-1.33334) > 1e-6 {
		t.Errorf("arm64: %+v", arm)
	}
	if m := managedBill(100, 1e6); math.Abs(m.Total-115.2) > 1e-9 {
		t.Errorf("managed: %+v", m)
	}
}

// A run at a steady rate costs what the rule for steady rates says: instances by
// the hour, with the fee, and requests.
func TestARunCostsWhatItsInstancesCost(t *testing.T) {
	r := Run(one(1, waiting, Steady(600), 6, 10*time.Minute))
	large, _ := catalogue.Find("c6a.large")
	hours := 0.0
	for _, p := range r.Series {
		hours += float64(p.Instances) / 3600
	}
	if want := hours * large.PriceUSD; math.Abs(r.InstanceUSD-want) > 1e-6 || r.InstanceUSD == 0 {
		t.Errorf("$%f for %f hours, want $%f", r.InstanceUSD, hours, want)
	}
}

func TestBreakEven(t *testing.T) {
	o := Ordinary{MemoryMB: 512}
	rate, ok := BreakEven(waiting, threeZones(), o)
	if !ok {
		t.Fatal("never")
	}
	cheaper := func(rate float64) bool {
		price, _ := hourly(waiting, threeZones(), Environments(waiting, 0, rate))
		return managedBill(price, rate*3600).Total < o.Bill(waiting, rate*3600).Total
	}
	if !cheaper(rate*1.01) || cheaper(rate*0.9) {
		t.Errorf("%f is not where it turns", rate)
	}
	idle := waiting
	idle.CPU, idle.Wait, idle.Max = time.Millisecond, 0, 3
	if rate, ok := BreakEven(idle, Provider{MaxVCPU: 4, Zones: []string{"a"}, Offers: offers}, o); ok {
		t.Errorf("from %f on, though the minimum does not fit", rate)
	}
}

func TestEnvironmentsAtASteadyRate(t *testing.T) {
	for rate, want := range map[float64]int{0: 3, 300: 3, 600: 6, 601: 7, 1000: 10} {
		if got := Environments(waiting, 0, rate); got != want {
			t.Errorf("%v calls/s: %d, want %d", rate, got, want)
		}
	}
	slots := waiting
	slots.CPU, slots.Wait, slots.Slots = 0, time.Second, 6
	if got := Environments(slots, 0, 40); got != 10 {
		t.Errorf("40 calls at once on two thirds of 6 slots: %d, want 10", got)
	}
}
