package scheduler

import (
	"maps"
	"slices"
	"testing"

	"github.com/lamina-dev/lamina"
)

var (
	smallest = Need{MilliVCPU: 1000, MemoryMiB: 2048}
	offers   = []Offer{{"c6a.large", 2, 4096}, {"m5.large", 2, 8192}, {"c6a.xlarge", 4, 8192}, {"c6a.2xlarge", 8, 16384}}
	three    = []Subnet{{"s-a", "z-a", 100}, {"s-b", "z-b", 100}, {"s-c", "z-c", 100}}
)

func TestFirstPublishStartsOneInstancePerZone(t *testing.T) {
	d := Decide(Request{Count: 3, Need: smallest, Subnets: three, Offers: offers, VCPULeft: 400})
	if d.Refusal != nil || len(d.Launch) != 3 {
		t.Fatalf("got %+v", d)
	}
	zones := map[string]bool{}
	for _, l := range d.Launch {
		zones[l.Zone] = true
		if l.Type != "c6a.large" || l.Count != 1 {
			t.Errorf("launch %+v", l)
		}
	}
	if len(zones) != 3 {
		t.Errorf("zones %v", slices.Sorted(maps.Keys(zones)))
	}
}

func TestDecide(t *testing.T) {
	big := Host{ID: "i-1", Zone: "z-a", FreeMilliVCPU: 7000, FreeMiB: 15000}
	tests := map[string]struct {
		req      Request
		launches int
		placed   int
		missing  int
		code     string
	}{
		"one zone still gets three instances when a type holds one environment": {
			Request{Count: 3, Need: smallest, Subnets: three[:1], Offers: offers, VCPULeft: 400}, 3, 0, 0, ""},
		"a cap of four vCPUs stops the third": {
			Request{Count: 3, Need: smallest, Subnets: three, Offers: offers, VCPULeft: 4}, 2, 0, 1, lamina.ReasonVCPULimit},
		"room in the only zone is used before launching": {
			Request{Count: 3, Need: smallest, Hosts: []Host{big}, Subnets: three[:1], Offers: offers, VCPULeft: 400}, 0, 3, 0, ""},
		"other zones come before a second environment in one": {
			Request{Count: 3, Need: smallest, Hosts: []Host{big}, Subnets: three, Offers: offers, VCPULeft: 400}, 2, 1, 0, ""},
		"at the cap the remaining room is used whatever its zone": {
			Request{Count: 3, Need: smallest, Hosts: []Host{big}, Subnets: three, Offers: offers, VCPULeft: 0}, 0, 3, 0, ""},
		"no address left": {
			Request{Count: 1, Need: smallest, Subnets: []Subnet{{"s-a", "z-a", 0}}, Offers: offers, VCPULeft: 400}, 0, 0, 1, lamina.ReasonNoAddresses},
		"an exhausted subnet sends the launch to another zone": {
			Request{Count: 1, Need: smallest, Subnets: []Subnet{{"s-a", "z-a", 0}, three[1]}, Offers: offers, VCPULeft: 400}, 1, 0, 0, ""},
		"no type is large enough": {
			Request{Count: 1, Need: Need{16000, 32768}, Subnets: three, Offers: offers, VCPULeft: 400}, 0, 0, 1, lamina.ReasonInsufficient},
		"four vCPUs need the type with eight": {
			Request{Count: 1, Need: Need{4000, 8192}, Subnets: three, Offers: offers, VCPULeft: 400}, 1, 0, 0, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			d := Decide(tt.req)
			placed := 0
			for _, n := range d.Place {
				placed += n
			}
			code := ""
			if d.Refusal != nil {
				code = d.Refusal.Code
			}
			if len(d.Launch) != tt.launches || placed != tt.placed || d.Missing != tt.missing || code != tt.code {
				t.Errorf("launches %d placed %d missing %d code %q; want %d %d %d %q", len(d.Launch), placed, d.Missing, code, tt.launches, tt.placed, tt.missing, tt.code)
			}
		})
	}
}

func TestSixZonesUseThree(t *testing.T) {
	var subnets []Subnet
	for _, z := range []string{"a", "b", "c", "d", "e", "f"} {
		subnets = append(subnets, Subnet{"s-" + z, "z-" + z, 10})
	}
	big := []Offer{{"c6a.4xlarge", 16, 32768}}
	d := Decide(Request{Count: 6, Need: smallest, Subnets: subnets, Offers: big, VCPULeft: 400})
	if len(d.Launch) != 3 {
		t.Fatalf("got %+v", d.Launch)
	}
	for _, l := range d.Launch {
		if l.Count != 2 {
			t.Errorf("launch %+v", l)
		}
	}
}
