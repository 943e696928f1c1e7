package paths

import (
	"net/netip"

	"github.com/lamina-dev/lamina"
	"github.com/lamina-dev/lamina/internal/network"
	"github.com/lamina-dev/lamina/internal/store/view"
	"github.com/lamina-dev/lamina/internal/wire"
)

// Network is what an instance's environments reach now, for its agent. Without a
// VPC, in the hidden fleet, that is the internet.
func (p *Paths) Network(i lamina.Instance) wire.Network {
	if i.SubnetID == "" {
		return toWire(network.OpenFilter(), nil, network.ServiceAddresses())
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refreshLocked()
	at := p.view.Snapshot()
	t, h, ok := p.place(at, i)
	if !ok {
		return toWire(network.Filter{}, nil, nil) // it is on its way out
	}
	served := network.ServiceAddresses()
	for _, n := range t.Interfaces {
		if a, err := netip.ParseAddr(n.PrivateIP); err == nil {
			served = append(served, a)
		}
	}
	return toWire(t.Filter(h), t.Names(), served)
}

// Reaches says whether an instance reaches a service that one of its
// environments dialled at an address: that of an endpoint counts for the
// endpoint's own service, any other for the service's public name.
func (p *Paths) Reaches(i lamina.Instance, service string, at netip.Addr) network.Answer {
	if i.SubnetID == "" {
		return network.Answer{Path: network.Path{Kind: network.InternetGateway}}
	}
	if e, ok := p.endpoint(i, at); ok && e.Service == network.ServiceName(i.Region, service) {
		return network.Answer{Path: network.Path{Kind: network.InterfaceEndpoint, ID: e.ID}} // its packets were let through
	}
	return p.Service(i, service)
}

// endpoint is the one with an interface at an address of an instance's VPC.
func (p *Paths) endpoint(i lamina.Instance, at netip.Addr) (lamina.VPCEndpoint, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refreshLocked()
	t, _, ok := p.place(p.view.Snapshot(), i)
	if !ok || !at.IsValid() {
		return lamina.VPCEndpoint{}, false
	}
	return t.EndpointAt(at)
}

// place is an instance's VPC and the instance in it.
func (p *Paths) place(at view.Source, i lamina.Instance) (*network.Topology, network.Host, bool) {
	s, ok := p.tables.Subnets.At(at).Get(lamina.Key(i.Account, i.Region, i.SubnetID))
	n, there := p.tables.Interfaces.At(at).Get(lamina.NetworkInterface{Scope: i.Scope, SubnetID: i.SubnetID, ID: i.InterfaceID}.Key())
	if !ok || !there {
		return nil, network.Host{}, false
	}
	return p.topology(at, s.Value), network.HostOf(n.Value), true
}

func toWire(f network.Filter, names map[string][]netip.Addr, served []netip.Addr) wire.Network {
	n := wire.Network{Rules: f.Nftables(), Names: map[string][]string{}, Served: texts(served)}
	for name, addrs := range names {
		n.Names[name] = texts(addrs)
	}
	return n
}

func texts(addrs []netip.Addr) []string {
	out := make([]string, len(addrs))
	for i, a := range addrs {
		out[i] = a.String()
	}
	return out
}
