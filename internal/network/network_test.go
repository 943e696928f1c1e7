package network

import (
	"fmt"
	"net/netip"
	"regexp"
	"testing"

	"github.com/lamina-dev/lamina"
)

func TestZones(t *testing.T) {
	tokyo := Zones("ap-northeast-1")
	want := []Zone{
		{"ap-northeast-1", "ap-northeast-1a", "apne1-az4"},
		{"ap-northeast-1", "ap-northeast-1c", "apne1-az1"},
		{"ap-northeast-1", "ap-northeast-1d", "apne1-az2"},
	}
	for i, z := range want {
		if tokyo[i] != z {
			t.Errorf("zone %d = %+v, want %+v", i, tokyo[i], z)
		}
	}
	if n := len(Zones("us-east-1")); n != 6 {
		t.Errorf("us-east-1 has %d zones", n)
	}
	if z := Zones("moon-1"); len(z) != 3 || z[2].Name != "moon-1c" || z[2].ID != "moon-1-az3" {
		t.Errorf("unknown region: %+v", z)
	}
	for _, r := range Regions() {
		seen := map[string]bool{}
		for _, z := range Zones(r.Name) {
			if seen[z.ID] {
				t.Errorf("%s twice", z.ID)
			}
			seen[z.ID] = true
			if got, ok := FindZone(r.Name, z.ID); !ok || got != z {
				t.Errorf("FindZone(%s) = %+v", z.ID, got)
			}
		}
	}
	if _, ok := FindZone("us-east-1", "us-east-1z"); ok {
		t.Error("us-east-1z found")
	}
}

func TestFreeAddress(t *testing.T) {
	subnet := netip.MustParsePrefix("10.0.0.0/28")
	used := map[netip.Addr]bool{}
	for i := range 11 {
		a, ok := FreeAddress(subnet, used)
		if want := netip.AddrFrom4([4]byte{10, 0, 0, byte(4 + i)}); !ok || a != want {
			t.Fatalf("address %d = %v %v, want %v", i, a, ok, want)
		}
		if !Usable(subnet, a) {
			t.Errorf("%v is not usable", a)
		}
		used[a] = true
	}
	if a, ok := FreeAddress(subnet, used); ok {
		t.Errorf("a twelfth address: %v", a)
	}
	delete(used, netip.MustParseAddr("10.0.0.9"))
	if a, _ := FreeAddress(subnet, used); a.String() != "10.0.0.9" {
		t.Errorf("freed address not taken: %v", a)
	}
	for _, a := range []string{"10.0.0.0", "10.0.0.3", "10.0.0.15", "10.0.0.16", "::1"} {
		if Usable(subnet, netip.MustParseAddr(a)) {
			t.Errorf("%s is usable", a)
		}
	}
}

func TestRanges(t *testing.T) {
	vpc, _ := ParseIPv4("10.0.3.4/16")
	if vpc.String() != "10.0.0.0/16" {
		t.Errorf("canonical form %v", vpc)
	}
	in, out := netip.MustParsePrefix("10.0.1.0/24"), netip.MustParsePrefix("10.0.0.0/8")
	if !Within(in, vpc) || Within(out, vpc) || !Within(vpc, vpc) {
		t.Error("Within is wrong")
	}
	if p, ok := Nth(vpc, 24, 255); !ok || p.String() != "10.0.255.0/24" {
		t.Errorf("Nth = %v %v", p, ok)
	}
	if _, ok := Nth(vpc, 24, 256); ok {
		t.Error("Nth beyond the end")
	}
	if p, ok := Nth(netip.MustParsePrefix("2600:1f00:0:100::/56"), 64, 3); !ok || p.String() != "2600:1f00:0:103::/64" {
		t.Errorf("Nth = %v %v", p, ok)
	}
	for _, bad := range []string{"", "10.0.0.0", "10.0.0.0/33", "::/0"} {
		if _, ok := ParseIPv4(bad); ok {
			t.Errorf("%q is taken for IPv4", bad)
		}
	}
}

func TestIDs(t *testing.T) {
	form := regexp.MustCompile(`^vpc-0[0-9a-f]{16}$`)
	if a, b := NewID("vpc"), NewID("vpc"); !form.MatchString(a) || a == b {
		t.Errorf("ids %s, %s", a, b)
	}
	if a, b := DerivedID("vpc", "x", "y"), DerivedID("vpc", "x", "y"); !form.MatchString(a) || a != b {
		t.Errorf("ids %s, %s", a, b)
	}
	if MAC("eni-1") == MAC("eni-2") {
		t.Error("two interfaces share a MAC")
	}
}

func TestAssignedIPv6(t *testing.T) {
	s := lamina.Subnet{IPv6CIDR: "2600:1f00:0:7::/64", AssignIPv6: true}
	one, other := AssignedIPv6(s, "eni-1"), AssignedIPv6(s, "eni-2")
	a, err := netip.ParseAddr(one)
	if err != nil || !netip.MustParsePrefix(s.IPv6CIDR).Contains(a) || one == other || one != AssignedIPv6(s, "eni-1") {
		t.Errorf("%s and %s, %v", one, other, err)
	}
	s.AssignIPv6 = false
	if got := AssignedIPv6(s, "eni-1"); got != "" {
		t.Errorf("a subnet that assigns none gave %s", got)
	}
	if got := AssignedIPv6(lamina.Subnet{AssignIPv6: true}, "eni-1"); got != "" {
		t.Errorf("a subnet without a range gave %s", got)
	}
}

func TestServiceAddress(t *testing.T) {
	for name, want := range map[string]string{
		"logs.us-east-1.amazonaws.com": "[203.0.113.1]", "logs.us-east-1.api.aws": "[203.0.113.1 2001:db8::1]",
		"s3.dualstack.us-east-1.amazonaws.com": "[192.0.2.1 2001:db8::1]", "b.s3.us-east-1.amazonaws.com": "[192.0.2.1]",
		"api.aws.example.com": "[]", "example.com": "[]",
	} {
		if got, ok := ServiceAddress(name); fmt.Sprint(got) != want || ok != (want != "[]") {
			t.Errorf("%s leads to %v, %v", name, got, ok)
		}
	}
}
