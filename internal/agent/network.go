package agent

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"

	"github.com/lamina-dev/lamina/internal/network"
	"github.com/lamina-dev/lamina/internal/network/gateway"
	"github.com/lamina-dev/lamina/internal/sandbox"
	"github.com/lamina-dev/lamina/internal/wire"
)

// Values of wire.Start's Network.
const (
	networkVPC  = "vpc"
	networkNone = "none"
)

// newNetworks gives environments the network that the server chose; the gateway
// is nil unless that is the VPC's.
func newNetworks(start wire.Start, log *slog.Logger) (*sandbox.Networks, *gateway.Gateway, error) {
	switch start.Network {
	case networkVPC:
	case networkNone:
		return sandbox.Loopback(), nil, nil
	default:
		return nil, nil, nil
	}
	address, _ := netip.ParseAddr(start.Address) // none in the hidden fleet
	six, _ := netip.ParseAddr(start.IPv6)
	cfg := gateway.Config{Address: address, IPv6: six, Front: start.Front, Log: log}
	if start.Door != "" {
		cfg.Door = func(ctx context.Context, to netip.AddrPort) (net.Conn, error) { return door(ctx, start, to) }
	}
	g, err := gateway.New(cfg)
	if err != nil {
		return nil, nil, err
	}
	return sandbox.NewNetworks(g.Open, network.Resolver.String()), g, nil
}

// door connects an environment with the server.
func door(ctx context.Context, start wire.Start, to netip.AddrPort) (net.Conn, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "unix", start.Door)
	if err != nil {
		return nil, fmt.Errorf("reach the server's door: %w", err)
	}
	if err := wire.WriteDoorstep(c, wire.Doorstep{InstanceID: start.InstanceID, Token: start.Token, To: to.String()}); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// applyNetwork makes a change of the VPC hold.
func (a *agent) applyNetwork(n wire.Network) error {
	if a.cfg.Gateway == nil {
		return nil
	}
	s := gateway.State{Rules: n.Rules, Names: map[string][]netip.Addr{}}
	for name, list := range n.Names {
		s.Names[name] = addresses(list)
	}
	s.Served = addresses(n.Served)
	if err := a.cfg.Gateway.Apply(a.ctx, s); err != nil {
		a.log.Error("the VPC's network can't be applied; the server will say it again", "err", err)
		return err
	}
	return nil
}

// addresses reads those that are well-formed.
func addresses(list []string) []netip.Addr {
	var out []netip.Addr
	for _, text := range list {
		if a, err := netip.ParseAddr(text); err == nil {
			out = append(out, a)
		}
	}
	return out
}
