// Package paths answers what instances reach in their VPCs as these are now.
//
// The answers are network.Topology's; here they are kept until a virtual
// network changes, so that asking for each batch of log lines costs nothing.
package paths

import (
	"fmt"
	"net/netip"
	"strings"
	"sync"

	"github.com/lamina-dev/lamina"
	"github.com/lamina-dev/lamina/internal/network"
	"github.com/lamina-dev/lamina/internal/store/tables"
	"github.com/lamina-dev/lamina/internal/store/view"
)

// Paths knows the networks of a view. It is safe for use by many goroutines.
type Paths struct {
	view    *view.View
	tables  tables.EC2
	changed <-chan struct{}
	news    <-chan struct{}

	mu         sync.Mutex
	topologies map[string]*network.Topology // by VPC key
	answers    map[question]network.Answer
}

type question struct{ subnet, from, service string } // subnet and instance by store key

// New follows the networks of a view for as long as that lives.
func New(v *view.View, t tables.EC2) *Paths {
	prefixes := []string{t.VPCs.Prefix(), t.Subnets.Prefix(), t.Groups.Prefix(), t.RouteTables.Prefix(), t.Internet.Prefix(),
		t.EgressOnly.Prefix(), t.NAT.Prefix(), t.Endpoints.Prefix(), t.Interfaces.Prefix()}
	changed, _ := v.Subscribe(prefixes...)
	news, _ := v.Subscribe(prefixes...)
	p := &Paths{view: v, tables: t, changed: changed, news: news}
	p.forget()
	return p
}

// Changed becomes readable after anything of a virtual network has changed. It
// is for one reader.
func (p *Paths) Changed() <-chan struct{} { return p.news }

// Service says whether an instance reaches an AWS service, such as logs.
func (p *Paths) Service(i lamina.Instance, service string) network.Answer {
	subnet := lamina.Key(i.Account, i.Region, i.SubnetID)
	return p.answer(question{subnet, i.Key(), service}, func(t *network.Topology, _ lamina.Subnet, at view.Source) network.Answer {
		n, ok := p.tables.Interfaces.At(at).Get(lamina.NetworkInterface{Scope: i.Scope, SubnetID: i.SubnetID, ID: i.InterfaceID}.Key())
		if !ok {
			return gone("interface", i.InterfaceID)
		}
		return t.Service(network.HostOf(n.Value), service)
	})
}

// FromSubnet says whether an instance of a provider would reach a service if it
// were launched in a subnet now.
func (p *Paths) FromSubnet(c lamina.CapacityProvider, subnetID, service string) network.Answer {
	subnet := lamina.Key(c.Account, c.Region, subnetID)
	return p.answer(question{subnet, "any with " + strings.Join(c.SecurityGroupIDs, ","), service}, func(t *network.Topology, s lamina.Subnet, _ view.Source) network.Answer {
		n := lamina.NetworkInterface{SubnetID: s.ID, GroupIDs: c.SecurityGroupIDs}
		if prefix, ok := network.ParseIPv4(s.CIDR); ok {
			first, _ := network.FreeAddress(prefix, map[netip.Addr]bool{})
			n.PrivateIP = first.String()
		}
		if s.PublicIP {
			n.PublicIP = network.PublicAddress(c.Key()).String()
		}
		n.IPv6 = network.AssignedIPv6(s, c.Key())
		return t.Service(network.HostOf(n), service)
	})
}

// answer looks it up, or lets ask find it in the subnet's VPC. What changed is
// looked at before the snapshot is taken: an answer is never older than the
// change that made the one before it void.
func (p *Paths) answer(q question, ask func(*network.Topology, lamina.Subnet, view.Source) network.Answer) network.Answer {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refreshLocked()
	if a, ok := p.answers[q]; ok {
		return a
	}
	at := p.view.Snapshot()
	a := gone("subnet", q.subnet)
	if s, ok := p.tables.Subnets.At(at).Get(q.subnet); ok {
		a = ask(p.topology(at, s.Value), s.Value, at)
	}
	p.answers[q] = a
	return a
}

func (p *Paths) refreshLocked() {
	select {
	case <-p.changed:
		p.forget()
	default:
	}
}

// Gone is the code of a missing subnet or interface: the instance is on its way out.
const Gone = "gone"

func gone(kind, id string) network.Answer {
	return network.Answer{Missing: &network.Missing{Code: Gone, Text: fmt.Sprintf("%s %s does not exist any more", kind, id)}}
}

func (p *Paths) forget() {
	p.topologies, p.answers = map[string]*network.Topology{}, map[question]network.Answer{}
}

func (p *Paths) topology(at view.Source, s lamina.Subnet) *network.Topology {
	key := lamina.Key(s.Account, s.Region, s.VPCID)
	t := p.topologies[key]
	if t == nil {
		t = p.read(at, key, s.Scope, s.VPCID)
		p.topologies[key] = t
	}
	return t
}

// read collects what belongs to a VPC. Of the interfaces only those of
// endpoints matter to services.
func (p *Paths) read(at view.Source, key string, scope lamina.Scope, id string) *network.Topology {
	prefix := lamina.Key(scope.Account, scope.Region) + "/"
	vpc, _ := p.tables.VPCs.At(at).Get(key)
	t := &network.Topology{
		VPC:        vpc.Value,
		Tables:     of(p.tables.RouteTables.At(at), prefix, func(r lamina.RouteTable) bool { return r.VPCID == id }),
		Groups:     of(p.tables.Groups.At(at), prefix, func(g lamina.SecurityGroup) bool { return g.VPCID == id }),
		Internet:   of(p.tables.Internet.At(at), prefix, func(g lamina.InternetGateway) bool { return g.VPCID == id }),
		EgressOnly: of(p.tables.EgressOnly.At(at), prefix, func(g lamina.EgressOnlyGateway) bool { return g.VPCID == id }),
		NAT:        of(p.tables.NAT.At(at), prefix, func(g lamina.NATGateway) bool { return g.VPCID == id }),
		Endpoints:  of(p.tables.Endpoints.At(at), prefix, func(e lamina.VPCEndpoint) bool { return e.VPCID == id }),
	}
	for _, e := range t.Endpoints {
		for _, subnet := range e.SubnetIDs {
			for _, eni := range e.InterfaceIDs {
				if n, ok := p.tables.Interfaces.At(at).Get(lamina.NetworkInterface{Scope: scope, SubnetID: subnet, ID: eni}.Key()); ok {
					t.Interfaces = append(t.Interfaces, n.Value)
				}
			}
		}
	}
	return t
}

func of[T any](rows view.Rows[T], prefix string, belongs func(T) bool) []T {
	var out []T
	for row := range rows.Scan(prefix) {
		if belongs(row.Value) {
			out = append(out, row.Value)
		}
	}
	return out
}
