package network

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/lamina-dev/lamina"
)

// passes says what a kernel would do with the first packet of a connection.
func (f Filter) passes(protocol string, to netip.AddrPort) bool {
	i := slices.IndexFunc(f.Routes, func(w FilterWay) bool { return w.To.Contains(to.Addr()) })
	if i < 0 || !f.Routes[i].Out {
		return false
	}
	in := func(p PortRange) bool { return p.First <= to.Port() && to.Port() <= p.Last }
	if ports := f.Routes[i].Ports; len(ports) > 0 && (protocol != "tcp" || !slices.ContainsFunc(ports, in)) {
		return false
	}
	return slices.ContainsFunc(f.Rules, func(r FilterRule) bool {
		return r.Protocol == protocol && r.To.Contains(to.Addr()) && in(r.PortRange)
	})
}

// FuzzFilterAgrees makes VPCs at random: packets and Address never disagree.
func FuzzFilterAgrees(f *testing.F) {
	for seed := range uint64(2000) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		r := rand.New(rand.NewPCG(seed, 2))
		top, h := randomTopology(r), randomHost(r)
		for range r.IntN(3) {
			i := r.IntN(len(top.Tables))
			top.Tables[i].Routes = append(top.Tables[i].Routes, randomRoute(r))
		}
		filter := top.Filter(h)
		for range 60 {
			to := netip.AddrPortFrom(randomAddress(r, top), pick(r, uint16(443), 443, 80, 5432))
			if a := top.Address(h, to); a.Reached() != filter.passes("tcp", to) {
				t.Fatalf("%v: Address says %+v, missing %+v; the filter %+v", to, a.Path, a.Missing, filter)
			}
		}
	})
}

func randomAddress(r *rand.Rand, t *Topology) netip.Addr {
	near := []netip.Addr{serviceIPv6, netip.MustParseAddr("2600:1f00::4"), netip.MustParseAddr("::ffff:8.8.8.8"), serviceIPv4, publicAddress("s3"), Resolver, netip.MustParseAddr("10.0.1.200"), netip.MustParseAddr("127.255.255.255"), netip.MustParseAddr("128.0.0.0")}
	for _, n := range t.Interfaces {
		near = append(near, netip.MustParseAddr(n.PrivateIP))
	}
	for _, p := range t.cuts(true) {
		near = append(near, p.Addr(), last(p))
	}
	if some(r) {
		return near[r.IntN(len(near))]
	}
	if some(r) {
		return fromUint(uint64(r.Uint32()))
	}
	var b [16]byte
	binary.BigEndian.PutUint64(b[:], r.Uint64())
	binary.BigEndian.PutUint64(b[8:], r.Uint64())
	return netip.AddrFrom16(b)
}

func TestFilterText(t *testing.T) {
	database := lamina.SecurityRule{Egress: true, Protocol: "tcp", FromPort: new(int32(5432)), ToPort: new(int32(5433)), CIDR: "198.51.100.0/24"}
	names := lamina.SecurityRule{Egress: true, Protocol: "udp", FromPort: new(int32(123)), ToPort: new(int32(123)), CIDR: "0.0.0.0/0"}
	toEndpoint := rule(true, 443, "")
	toEndpoint.GroupID, toEndpoint.CIDR = endpointGroup, ""
	for name, f := range map[string]Filter{
		"isolated":  isolated().Filter(host()),
		"nat":       throughNAT().Filter(host()),
		"endpoints": isolated().endpoint("logs").group(mine, toEndpoint).Filter(host()),
		"group":     throughNAT().group(mine, database, names).Filter(host()),
		"ipv6":      egressOnly().vpc(func(v *lamina.VPC) { v.IPv6CIDR = "2600:1f00::/56" }).Filter(host(withIPv6)),
		"open":      OpenFilter(),
	} {
		t.Run(name, func(t *testing.T) {
			golden(t, filepath.Join("testdata", name+".nft"), f.Nftables())
		})
	}
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil || got != string(want) {
		t.Errorf("%s: %v; UPDATE=1 writes it anew:\n%s", path, err, got)
	}
}
