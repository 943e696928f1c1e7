// Package gateway is the network of one instance: a namespace with the subnet's
// address, in front of which stand the namespaces of its environments.
//
// No interface leads from there to the host. What nftables lets out is taken
// over by the agent (TPROXY), which opens the connection anew from the host's
// network, or hands it to the server where it is meant for one of its services.
// So nothing of the host is changed, nothing can be left behind, and a host's own
// firewall, address ranges and container networks never matter.
package gateway

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"github.com/lamina-dev/lamina/internal/network"
)

// Config is fixed for the life of a gateway.
type Config struct {
	Address netip.Addr // of the instance in its subnet; none in the hidden fleet
	IPv6    netip.Addr // its other address; none where the subnet assigns none
	// Door connects to this server's services; to is what the environment dialled.
	Door func(ctx context.Context, to netip.AddrPort) (net.Conn, error)
	// Front is the port at which environments find the server on their own
	// loopback, as functions do on the host's network; 0: nowhere.
	Front uint16
	Log   *slog.Logger
}

// State is what follows from the VPC, and changes with it.
type State struct {
	Rules  string                  // for nft
	Names  map[string][]netip.Addr // what the VPC's name server knows by itself
	Served []netip.Addr            // addresses behind which this server answers
}

// Shut lets nothing out; a gateway begins with it.
func Shut() State { return State{Rules: network.Filter{}.Nftables()} }

const (
	dialLimit   = 30 * time.Second // for a connection to come about outside (chosen)
	udpIdle     = 2 * time.Minute  // after which a flow is forgotten, as Linux does with those that were answered
	maxFlows    = 8192             // connections and UDP flows of one instance at a time (chosen)
	maxDatagram = 64 << 10
	links       = 1 << 13 // environments of one instance at a time, by the addresses there are for them
)
