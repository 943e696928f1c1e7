package ec2

import (
	"context"
	"net/netip"

	"github.com/lamina-dev/lamina"
	model "github.com/lamina-dev/lamina/internal/awsmodel/ec2"
	"github.com/lamina-dev/lamina/internal/network"
	"github.com/lamina-dev/lamina/internal/store/view"
)

// The ranges of AWS's default VPCs.
const (
	defaultRange      = "172.31.0.0/16"
	defaultSubnetBits = 20
)

// ensureDefaults gives the caller's account its default VPC at its first use of
// EC2 in a region. Once: a user may delete it.
func (s *Service) ensureDefaults(ctx context.Context) error {
	at := lamina.NetworkDefaults{Scope: scopeOf(ctx)}
	if _, made := s.defaults.Get(at.Key()); made {
		return nil
	}
	return s.update(ctx, func(t *txn) error {
		if s.defaults.At(t).Has(at.Key()) {
			return nil
		}
		t.Guard(s.defaults.Absent(at.Key()))
		_ = t.Do(s.defaults.Put(at.Key(), at))
		s.addDefaultVPC(t)
		return nil
	})
}

// addDefaultVPC writes a VPC with a public subnet in each zone.
func (s *Service) addDefaultVPC(t *txn) {
	v := lamina.VPC{
		Scope: t.Scope, ID: network.DerivedID("vpc", "default", t.Account, t.Region), CIDR: defaultRange,
		Tenancy: model.TenancyDefault, DNSSupport: true, DNSHostnames: true, Default: true,
	}
	s.addVPC(t, v)
	gateway := lamina.InternetGateway{Scope: t.Scope, ID: network.DerivedID("igw", v.ID), VPCID: v.ID}
	s.internet.create(t, gateway)
	main := mainTable(v)
	main.Routes = []lamina.Route{{CIDR: "0.0.0.0/0", Gateway: gateway.ID}}
	s.routeTables.put(t, main)
	for i, z := range network.Zones(t.Region) {
		cidr, _ := network.Nth(netip.MustParsePrefix(defaultRange), defaultSubnetBits, i)
		s.subnets.create(t, lamina.Subnet{
			Scope: t.Scope, ID: network.DerivedID("subnet", v.ID, z.Name), VPCID: v.ID, CIDR: cidr.String(),
			Zone: z.Name, ZoneID: z.ID, PublicIP: true, HostnameType: hostnameIP, DefaultForAZ: true,
		})
	}
}

// defaultVPC finds the scope's default VPC.
func (s *Service) defaultVPC(src view.Source, at lamina.Scope) (lamina.VPC, bool) {
	for _, v := range s.vpcs.list(src, at) {
		if v.Default {
			return v, true
		}
	}
	return lamina.VPC{}, false
}
