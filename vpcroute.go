package lamina

// RouteTable says where the packets of its subnets go.
type RouteTable struct {
	Scope
	ID           string             `json:"id"` // rtb-…
	VPCID        string             `json:"vpcId"`
	Routes       []Route            `json:"routes"` // without the local ones, which follow from the VPC
	Associations []RouteAssociation `json:"associations"`
	Tags         Tags               `json:"tags,omitempty"`
}

// Key is the store key below the table's prefix.
func (t RouteTable) Key() string { return Key(t.Account, t.Region, t.ID) }

// Main says whether subnets without an association of their own use this table.
func (t RouteTable) Main() bool {
	for _, a := range t.Associations {
		if a.Main {
			return true
		}
	}
	return false
}

// Route sends one destination to one target. Exactly one of the destinations
// and one of the targets is set.
type Route struct {
	CIDR        string `json:"cidr,omitempty"`
	IPv6CIDR    string `json:"ipv6Cidr,omitempty"`
	PrefixList  string `json:"prefixList,omitempty"`
	Gateway     string `json:"gateway,omitempty"` // igw-… or vpce-… (gateway endpoints)
	NATGateway  string `json:"natGateway,omitempty"`
	EgressOnly  string `json:"egressOnly,omitempty"`
	InterfaceID string `json:"interfaceId,omitempty"`
}

// Destination is the route's destination, of whichever kind.
func (r Route) Destination() string { return r.CIDR + r.IPv6CIDR + r.PrefixList }

// Target is the id of what the route points at.
func (r Route) Target() string { return r.Gateway + r.NATGateway + r.EgressOnly + r.InterfaceID }

// RouteAssociation ties a route table to a subnet, or makes it the main one.
type RouteAssociation struct {
	ID       string `json:"id"` // rtbassoc-…
	SubnetID string `json:"subnetId,omitempty"`
	Main     bool   `json:"main,omitempty"`
}

// NetworkACL is a stateless packet filter. Lamina has each VPC's default one,
// which every subnet of the VPC uses.
type NetworkACL struct {
	Scope
	ID      string `json:"id"` // acl-…
	VPCID   string `json:"vpcId"`
	Default bool   `json:"default"`
	Tags    Tags   `json:"tags,omitempty"`
}

// Key is the store key below the table's prefix.
func (a NetworkACL) Key() string { return Key(a.Account, a.Region, a.ID) }

// NetworkDefaults records that an account was given its default VPC in a
// region, so that a deleted one is not made again.
type NetworkDefaults struct {
	Scope
}

// Key is the store key below the table's prefix.
func (d NetworkDefaults) Key() string { return Key(d.Account, d.Region) }
