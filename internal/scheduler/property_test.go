package scheduler

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/lamina-dev/lamina"
)

// anyRequest is a small world of every shape: hosts with and without room, zones
// with and without hosts, addresses, offers, cap and failed launches.
func anyRequest(r *rand.Rand) Request {
	q := Request{
		Count: r.IntN(40), Need: Need{int64(1+r.IntN(4)) * 1000, int64(1+r.IntN(4)) * 2048},
		Offers: offers[:r.IntN(len(offers)+1)], VCPULeft: int32(r.IntN(60)),
	}
	zone := func() string { return string(rune('a' + r.IntN(5))) }
	for i := range r.IntN(30) {
		q.Hosts = append(q.Hosts, Host{fmt.Sprint("i-", i), zone(), int64(r.IntN(9)) * 1000, int64(r.IntN(20)) * 1024, r.IntN(4)})
	}
	for i := range r.IntN(6) {
		q.Subnets = append(q.Subnets, Subnet{fmt.Sprint("s-", i), zone(), r.IntN(6)})
	}
	for range r.IntN(3) * r.IntN(3) {
		f := Failure{Refusal: Refusal{lamina.ReasonInsufficient, "none"}}
		if r.IntN(4) > 0 {
			f.Zone = zone()
		}
		if r.IntN(2) > 0 {
			f.Type = offers[r.IntN(len(offers))].Type
		}
		q.Failed = append(q.Failed, f)
	}
	return q
}

func TestDecideSaysWhatThePlainOneSays(t *testing.T) {
	for seed := range uint64(5000) {
		q := anyRequest(rand.New(rand.NewPCG(seed, 1)))
		if got, want := Decide(q), plainDecide(q); !reflect.DeepEqual(got, want) {
			t.Fatalf("seed %d: %+v\ngot  %+v\nwant %+v", seed, q, got, want)
		}
	}
}

// Whatever is asked: nothing is put where it does not fit, no cap or subnet is
// overdrawn, all are placed or missing with a reason.
func TestDecideKeepsItsLimits(t *testing.T) {
	for seed := range uint64(5000) {
		q := anyRequest(rand.New(rand.NewPCG(seed, 2)))
		d := Decide(q)
		placed := 0
		for _, h := range q.Hosts {
			n := int64(d.Place[h.ID])
			placed += int(n)
			if n > 0 && (n*q.Need.MilliVCPU > h.FreeMilliVCPU || n*q.Need.MemoryMiB > h.FreeMiB) {
				t.Fatalf("seed %d: %d environments on %+v", seed, n, h)
			}
		}
		vcpus, addresses := int32(0), map[string]int{}
		for _, l := range d.Launch {
			placed += l.Count
			vcpus += l.VCPUs
			addresses[l.SubnetID]++
			if int64(l.Count)*q.Need.MilliVCPU > int64(l.VCPUs)*1000-lamina.ReserveMilliVCPU || l.Count == 0 {
				t.Fatalf("seed %d: %d environments on a new %s", seed, l.Count, l.Type)
			}
		}
		for _, s := range q.Subnets {
			if addresses[s.ID] > s.Free {
				t.Fatalf("seed %d: %d addresses of %+v", seed, addresses[s.ID], s)
			}
		}
		if vcpus > q.VCPULeft || placed+d.Missing != q.Count || (d.Missing > 0) != (d.Refusal != nil) {
			t.Fatalf("seed %d: %d vCPUs of %d, %d placed and %d missing of %d, %v", seed, vcpus, q.VCPULeft, placed, d.Missing, q.Count, d.Refusal)
		}
	}
}

func anyPlaced(r *rand.Rand, hosts, envs int) []Placed {
	shared := make([]int, hosts)
	out := make([]Placed, envs)
	for i := range out {
		h := r.IntN(hosts)
		shared[h]++
		out[i] = Placed{ID: fmt.Sprint("e", i), Host: fmt.Sprint("i", h), Zone: string(rune('a' + h%3)), Shared: h, InFlight: r.IntN(5)}
	}
	for i := range out {
		out[i].Shared = shared[out[i].Shared] + 1
	}
	return out
}

func TestScaleInSaysWhatThePlainOneSays(t *testing.T) {
	for seed := range uint64(2000) {
		r := rand.New(rand.NewPCG(seed, 3))
		envs := anyPlaced(r, 1+r.IntN(8), r.IntN(40))
		n := r.IntN(50)
		if got, want := ScaleIn(envs, n), plainScaleIn(envs, n); !slices.Equal(got, want) {
			t.Fatalf("seed %d: %d of %+v\ngot  %v\nwant %v", seed, n, envs, got, want)
		}
	}
}

// fleet is 1,000 instances that hold 100,000 environments but for the room of 20,000.
func fleet() Request {
	q := Request{Need: Need{1000, 2048}, Subnets: three, Offers: offers}
	for i := range 1000 {
		q.Hosts = append(q.Hosts, Host{fmt.Sprint("i-", i), "z-" + string(rune('a'+i%3)), 20_000, 40_960, 80 + i%40})
	}
	return q
}

func BenchmarkDecide(b *testing.B) {
	for _, count := range []int{1, 100, 20_000} {
		b.Run(fmt.Sprintf("at once=%d", count), func(b *testing.B) {
			q := fleet()
			q.Count = count
			for b.Loop() {
				if d := Decide(q); d.Missing > 0 {
					b.Fatal(d.Refusal)
				}
			}
			b.ReportMetric(float64(b.N*count)/b.Elapsed().Seconds(), "placements/s")
		})
	}
}

func BenchmarkScaleIn(b *testing.B) {
	envs := anyPlaced(rand.New(rand.NewPCG(1, 4)), 1000, 100_000)
	for b.Loop() {
		ScaleIn(envs, 10_000)
	}
}
