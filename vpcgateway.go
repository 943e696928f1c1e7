package lamina

import (
	"slices"
	"time"
)

// InternetGateway joins a VPC to the internet.
type InternetGateway struct {
	Scope
	ID    string `json:"id"`              // igw-…
	VPCID string `json:"vpcId,omitempty"` // empty: not attached
	Tags  Tags   `json:"tags,omitempty"`
}

// Key is the store key below the table's prefix.
func (g InternetGateway) Key() string { return Key(g.Account, g.Region, g.ID) }

// EgressOnlyGateway lets a VPC's IPv6 traffic out and nothing in.
type EgressOnlyGateway struct {
	Scope
	ID    string `json:"id"` // eigw-…
	VPCID string `json:"vpcId"`
	Tags  Tags   `json:"tags,omitempty"`
}

// Key is the store key below the table's prefix.
func (g EgressOnlyGateway) Key() string { return Key(g.Account, g.Region, g.ID) }

// NATGateway translates the addresses of private subnets. Its address is a
// NetworkInterface of its own in the subnet.
type NATGateway struct {
	Scope
	ID           string    `json:"id"` // nat-…
	VPCID        string    `json:"vpcId"`
	SubnetID     string    `json:"subnetId"`
	Connectivity string    `json:"connectivity"` // public | private
	AllocationID string    `json:"allocationId,omitempty"`
	PublicIP     string    `json:"publicIp,omitempty"`
	PrivateIP    string    `json:"privateIp"`
	InterfaceID  string    `json:"interfaceId"`
	Created      time.Time `json:"created"`
	Deleted      time.Time `json:"deleted,omitzero"` // shown for a while after its end, as on AWS
	Tags         Tags      `json:"tags,omitempty"`
}

// Key is the store key below the table's prefix.
func (g NATGateway) Key() string { return Key(g.Account, g.Region, g.ID) }

// Address is an Elastic IP address.
type Address struct {
	Scope
	ID            string `json:"id"` // eipalloc-…
	PublicIP      string `json:"publicIp"`
	AssociationID string `json:"associationId,omitempty"` // eipassoc-…
	InterfaceID   string `json:"interfaceId,omitempty"`
	PrivateIP     string `json:"privateIp,omitempty"`
	Tags          Tags   `json:"tags,omitempty"`
}

// Key is the store key below the table's prefix.
func (a Address) Key() string { return Key(a.Account, a.Region, a.ID) }

// VPCEndpoint reaches an AWS service from inside a VPC: a route (Gateway) or
// interfaces in subnets (Interface).
type VPCEndpoint struct {
	Scope
	ID            string    `json:"id"` // vpce-…
	VPCID         string    `json:"vpcId"`
	Service       string    `json:"service"` // com.amazonaws.REGION.NAME
	Type          string    `json:"type"`    // Gateway | Interface
	Policy        string    `json:"policy,omitempty"`
	RouteTableIDs []string  `json:"routeTableIds,omitempty"`
	SubnetIDs     []string  `json:"subnetIds,omitempty"`
	GroupIDs      []string  `json:"groupIds,omitempty"`
	InterfaceIDs  []string  `json:"interfaceIds,omitempty"`
	PrivateDNS    bool      `json:"privateDns"`
	IPType        string    `json:"ipType"`
	DNSRecordType string    `json:"dnsRecordType,omitempty"`
	Created       time.Time `json:"created"`
	Tags          Tags      `json:"tags,omitempty"`
}

// Key is the store key below the table's prefix.
func (e VPCEndpoint) Key() string { return Key(e.Account, e.Region, e.ID) }

// Clone is a copy whose lists can be changed. Tags are shared.
func (e VPCEndpoint) Clone() VPCEndpoint {
	e.RouteTableIDs, e.SubnetIDs = slices.Clone(e.RouteTableIDs), slices.Clone(e.SubnetIDs)
	e.GroupIDs, e.InterfaceIDs = slices.Clone(e.GroupIDs), slices.Clone(e.InterfaceIDs)
	return e
}
