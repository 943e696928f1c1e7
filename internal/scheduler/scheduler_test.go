package scheduler

import (
	"maps"
	"slices"
	"strings"
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
		"a failed launch goes to another zone": {
			Request{Count: 3, Need: smallest, Subnets: three, Offers: offers, VCPULeft: 400, Failed: failed("z-a c6a.large")}, 3, 0, 0, ""},
		"in the only zone it takes another type": {
			Request{Count: 1, Need: smallest, Subnets: three[:1], Offers: offers, VCPULeft: 400, Failed: failed("z-a c6a.large", "z-a m5.large")}, 1, 0, 0, ""},
		"room in a zone where launches fail is used": {
			Request{Count: 1, Need: smallest, Hosts: []Host{big}, Subnets: three[:1], Offers: offers, VCPULeft: 400, Failed: failed("z-a c6a.large")}, 0, 1, 0, ""},
		"when every type failed everywhere, the last failure is the reason": {
			Request{Count: 1, Need: smallest, Subnets: three[:2], Offers: offers[:1], VCPULeft: 400, Failed: failed("z-a c6a.large", "z-b c6a.large")}, 0, 0, 1, "Last"},
		"six failures are enough": {
			Request{Count: 1, Need: smallest, Subnets: three, Offers: offers, VCPULeft: 400,
				Failed: failed("z-a 1", "z-b 1", "z-c 1", "z-a 2", "z-b 2", "z-c 2")}, 0, 0, 1, "Last"},
		"a host on which nothing lives is not tried again": {
			Request{Count: 1, Need: smallest, Subnets: three, Offers: offers, VCPULeft: 400, Failed: failed(" ")}, 0, 0, 1, "Last"},
		"the cap is still the reason when it is the limit": {
			Request{Count: 1, Need: smallest, Subnets: three, Offers: offers, VCPULeft: 1, Failed: failed("z-a c6a.large")}, 0, 0, 1, lamina.ReasonVCPULimit},
		"under a tight cap a dearer type with fewer vCPUs is taken": {
			Request{Count: 1, Need: smallest, Subnets: three, Offers: []Offer{offers[2], offers[1]}, VCPULeft: 2}, 1, 0, 0, ""},
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

// failed gives failures of "zone type"; the last one's code is Last.
func failed(where ...string) []Failure {
	var all []Failure
	for _, w := range where {
		zone, typ, _ := strings.Cut(w, " ")
		all = append(all, Failure{Zone: zone, Type: typ, Refusal: Refusal{Code: "Earlier"}})
	}
	all[len(all)-1].Code = "Last"
	return all
}

func TestAFailedZoneGetsNoLaunchWhileOthersDo(t *testing.T) {
	d := Decide(Request{Count: 3, Need: smallest, Subnets: three, Offers: offers, VCPULeft: 400, Failed: failed("z-b c6a.large")})
	for _, l := range d.Launch {
		if l.Zone == "z-b" || l.Type != "c6a.large" {
			t.Errorf("launch %+v", l)
		}
	}
	d = Decide(Request{Count: 1, Need: smallest, Subnets: three[1:2], Offers: offers, VCPULeft: 400, Failed: failed("z-b c6a.large")})
	if len(d.Launch) != 1 || d.Launch[0].Type != "m5.large" {
		t.Errorf("the only zone: %+v", d)
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
