package sim

import (
	"errors"
	"math"
	"time"

	"github.com/lamina-dev/lamina/internal/fleet/catalogue"
	"github.com/lamina-dev/lamina/internal/scaler"
	"github.com/lamina-dev/lamina/internal/scheduler"
)

// Prices in USD, us-east-1, without free tier, volume discounts and savings plans.
const (
	managementFee = 0.15         // of the instances' on-demand price (lmi-service.md 8)
	perRequest    = 0.20 / 1e6   // managed and ordinary (AWS: "lambda/pricing")
	perGBSecond   = 0.0000166667 // ordinary functions, x86_64 (AWS: "lambda/pricing")
	perGBSecondA  = 0.0000133334 // ordinary functions, arm64
	memoryPerVCPU = 1769         // MB at which an ordinary function has one vCPU (AWS: "configuration-memory")
)

func priceOf(typ string) float64 {
	t, _ := catalogue.Find(typ)
	return t.PriceUSD
}

// Bill is what a run costs, in USD.
type Bill struct {
	Instances float64
	Fee       float64
	Compute   float64 // GB-seconds of ordinary functions
	Requests  float64
	Total     float64
}

// ManagedBill is what the run costs on Managed Instances.
func (r *Result) ManagedBill() Bill { return managedBill(r.InstanceUSD, float64(r.Served)) }

func managedBill(instances, calls float64) Bill {
	b := Bill{Instances: instances, Fee: instances * managementFee, Requests: calls * perRequest}
	b.Total = b.Instances + b.Fee + b.Requests
	return b
}

// Ordinary is the same function on ordinary Lambda.
type Ordinary struct {
	MemoryMB     int32
	Architecture string
}

// Duration is what one call is billed for: with less memory than one vCPU's the
// CPU part takes longer, and each begun millisecond counts.
func (o Ordinary) Duration(p Profile) time.Duration {
	share := min(1, float64(o.MemoryMB)/memoryPerVCPU)
	d := time.Duration(float64(p.CPU)/share) + p.Wait
	return max(time.Millisecond, (d + time.Millisecond - 1).Truncate(time.Millisecond))
}

// Bill is what so many calls cost.
func (o Ordinary) Bill(p Profile, calls float64) Bill {
	price := perGBSecond
	if o.Architecture == "arm64" {
		price = perGBSecondA
	}
	b := Bill{Compute: calls * o.Duration(p).Seconds() * float64(o.MemoryMB) / 1024 * price, Requests: calls * perRequest}
	b.Total = b.Compute + b.Requests
	return b
}

// Environments is how many the scaler's targets ask for at a steady rate.
func Environments(p Profile, target, rate float64) int {
	if target <= 0 {
		target = scaler.AutoTarget
	}
	byCPU := rate * p.CPU.Seconds() / (p.vcpus() * target)
	taken := rate * (p.CPU.Seconds()/(1-min(0.9, target)) + p.Wait.Seconds())
	n := int(math.Ceil(max(byCPU, taken/(float64(p.Slots)*scaler.SlotTarget)) - 1e-9))
	if n = max(n, p.Min); p.Max >= 0 {
		n = min(n, p.Max)
	}
	return n
}

// layout is how the scheduler places so many environments on an empty provider.
func layout(p Profile, on Provider, n int) scheduler.Decision {
	q := scheduler.Request{Count: n, Need: p.need(), Offers: on.Offers, VCPULeft: on.MaxVCPU}
	for _, z := range on.Zones {
		q.Subnets = append(q.Subnets, scheduler.Subnet{ID: z, Zone: z, Free: 1 << 20})
	}
	return scheduler.Decide(q)
}

// Fits says why the least environments of a function find no place; nil: they do.
func Fits(p Profile, on Provider) error {
	if d := layout(p, on, p.Min); d.Refusal != nil {
		return errors.New(d.Refusal.Text)
	}
	return nil
}

// hourly is the price of the instances that so many environments need; false:
// they do not fit under the cap.
func hourly(p Profile, on Provider, n int) (float64, bool) {
	d := layout(p, on, n)
	sum := 0.0
	for _, l := range d.Launch {
		sum += priceOf(l.Type)
	}
	return sum, d.Missing == 0
}

// BreakEven is the steady rate from which on Managed Instances cost less than
// ordinary Lambda; false: at no rate that the provider can bear.
func BreakEven(p Profile, on Provider, o Ordinary) (float64, bool) {
	from, found := 0.0, false
	for rate := 0.01; rate < 1e6; rate *= 1.02 {
		n := Environments(p, on.Target, rate)
		if p.Max >= 0 && rate > p.bears()*float64(p.Max) {
			break
		}
		instances, fits := hourly(p, on, n)
		if !fits {
			break
		}
		calls := rate * 3600
		switch cheaper := managedBill(instances, calls).Total < o.Bill(p, calls).Total; {
		case cheaper && !found:
			from, found = rate, true
		case !cheaper:
			found = false
		}
	}
	return from, found
}
