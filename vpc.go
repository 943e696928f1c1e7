package lamina

// Tags are the tags of an EC2 resource.
type Tags map[string]string

// VPC is a virtual private cloud.
type VPC struct {
	Scope
	ID           string `json:"id"`
	CIDR         string `json:"cidr"`
	IPv6CIDR     string `json:"ipv6Cidr,omitempty"`
	Tenancy      string `json:"tenancy"`
	DNSSupport   bool   `json:"dnsSupport"`
	DNSHostnames bool   `json:"dnsHostnames"`
	UsageMetrics bool   `json:"usageMetrics"`
	Default      bool   `json:"default,omitempty"`
	DHCPOptions  string `json:"dhcpOptions,omitempty"` // dopt-…, or "default"; empty: the region's own
	Tags         Tags   `json:"tags,omitempty"`
}

// Key is the store key below the table's prefix.
func (v VPC) Key() string { return Key(v.Account, v.Region, v.ID) }

// Subnet is a range of a VPC's addresses in one zone.
type Subnet struct {
	Scope
	ID            string `json:"id"`
	VPCID         string `json:"vpcId"`
	CIDR          string `json:"cidr"`
	IPv6CIDR      string `json:"ipv6Cidr,omitempty"`
	Zone          string `json:"zone"`   // e.g. us-east-1a
	ZoneID        string `json:"zoneId"` // e.g. use1-az1
	PublicIP      bool   `json:"publicIp"`
	AssignIPv6    bool   `json:"assignIpv6"`
	EnableDNS64   bool   `json:"enableDns64"`
	HostnameType  string `json:"hostnameType"`
	DNSARecord    bool   `json:"dnsARecord"`
	DNSAAAARecord bool   `json:"dnsAaaaRecord"`
	DefaultForAZ  bool   `json:"defaultForAz,omitempty"`
	Tags          Tags   `json:"tags,omitempty"`
}

// Key is the store key below the table's prefix.
func (s Subnet) Key() string { return Key(s.Account, s.Region, s.ID) }

// SecurityGroup is a stateful packet filter of a VPC.
type SecurityGroup struct {
	Scope
	ID          string         `json:"id"`
	VPCID       string         `json:"vpcId"`
	Name        string         `json:"name"`
	Description string         `json:"description"`
	Rules       []SecurityRule `json:"rules"`
	Tags        Tags           `json:"tags,omitempty"`
}

// Key is the store key below the table's prefix.
func (g SecurityGroup) Key() string { return Key(g.Account, g.Region, g.ID) }

// SecurityRule is one rule with one peer, as DescribeSecurityGroupRules shows it.
type SecurityRule struct {
	ID          string `json:"id"` // sgr-…
	Egress      bool   `json:"egress"`
	Protocol    string `json:"protocol"` // "-1", "tcp", "udp", "icmp", "icmpv6", or a number
	FromPort    *int32 `json:"fromPort,omitempty"`
	ToPort      *int32 `json:"toPort,omitempty"`
	CIDR        string `json:"cidr,omitempty"`
	IPv6CIDR    string `json:"ipv6Cidr,omitempty"`
	PrefixList  string `json:"prefixList,omitempty"`
	GroupID     string `json:"groupId,omitempty"`
	Description string `json:"description,omitempty"`
	Tags        Tags   `json:"tags,omitempty"`
}

// NetworkInterface is an address in a subnet. The fleet writes those of managed
// instances in the batch that writes the instance record; the API writes the others.
type NetworkInterface struct {
	Scope
	ID            string   `json:"id"` // eni-…
	SubnetID      string   `json:"subnetId"`
	VPCID         string   `json:"vpcId"`
	Zone          string   `json:"zone"`
	PrivateIP     string   `json:"privateIp"`
	MAC           string   `json:"mac"`
	GroupIDs      []string `json:"groupIds"`
	Description   string   `json:"description"`
	InterfaceType string   `json:"interfaceType"`
	InstanceID    string   `json:"instanceId,omitempty"` // attached to
	AttachmentID  string   `json:"attachmentId,omitempty"`
	Operator      string   `json:"operator,omitempty"` // managing service, e.g. scaler.lambda.amazonaws.com
	Requester     string   `json:"requester,omitempty"`
	PublicIP      string   `json:"publicIp,omitempty"`
	IPv6          string   `json:"ipv6,omitempty"`
	NoSourceCheck bool     `json:"noSourceCheck,omitempty"`
	Tags          Tags     `json:"tags,omitempty"`
}

// Key lies under the subnet, so that one prefix guard protects address allocation.
func (n NetworkInterface) Key() string { return Key(n.Account, n.Region, n.SubnetID, n.ID) }
