package ec2

import (
	"context"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/lamina-dev/lamina"
	model "github.com/lamina-dev/lamina/internal/awsmodel/ec2"
	"github.com/lamina-dev/lamina/internal/awsproto"
	"github.com/lamina-dev/lamina/internal/network"
	"github.com/lamina-dev/lamina/internal/store/view"
)

// hostnameIP is the host name type that subnets have unless told otherwise.
const hostnameIP = "ip-name"

func (s *Service) subnetKind(table *view.Table[lamina.Subnet]) *kind[lamina.Subnet] {
	cidr := single(func(n lamina.Subnet) string { return n.CIDR })
	zone := single(func(n lamina.Subnet) string { return n.Zone })
	zoneID := single(func(n lamina.Subnet) string { return n.ZoneID })
	return &kind[lamina.Subnet]{
		resource: "subnet", prefix: "subnet", noun: "subnet", code: "InvalidSubnetID", table: table,
		tags: func(n *lamina.Subnet) *lamina.Tags { return &n.Tags },
		fields: fields[lamina.Subnet]{
			"subnet-id":  single(func(n lamina.Subnet) string { return n.ID }),
			"subnet-arn": single(func(n lamina.Subnet) string { return arn(n.Scope, "subnet", n.ID) }),
			"vpc-id":     single(func(n lamina.Subnet) string { return n.VPCID }),
			"owner-id":   single(func(n lamina.Subnet) string { return n.Account }),
			"cidr":       cidr, "cidrBlock": cidr, "cidr-block": cidr,
			"availability-zone": zone, "availabilityZone": zone,
			"availability-zone-id": zoneID, "availabilityZoneId": zoneID,
			"default-for-az": func(n lamina.Subnet) []string { return yes(n.DefaultForAZ) },
			"defaultForAz":   func(n lamina.Subnet) []string { return yes(n.DefaultForAZ) },
			"state":          func(lamina.Subnet) []string { return []string{"available"} },
			"available-ip-address-count": func(n lamina.Subnet) []string {
				return []string{strconv.Itoa(s.available(s.view, n))}
			},
			"ipv6-cidr-block-association.association-id":                              single(subnetAssociation),
			"ipv6-cidr-block-association.state":                                       func(n lamina.Subnet) []string { return associatedIf(n.IPv6CIDR) },
			"map-public-ip-on-launch":                                                 func(n lamina.Subnet) []string { return yes(n.PublicIP) },
			"map-customer-owned-ip-on-launch":                                         func(lamina.Subnet) []string { return yes(false) },
			"ipv6-native":                                                             func(lamina.Subnet) []string { return yes(false) },
			"private-dns-name-options-on-launch.hostname-type":                        single(func(n lamina.Subnet) string { return n.HostnameType }),
			"private-dns-name-options-on-launch.enable-resource-name-dns-a-record":    func(n lamina.Subnet) []string { return yes(n.DNSARecord) },
			"private-dns-name-options-on-launch.enable-resource-name-dns-aaaa-record": func(n lamina.Subnet) []string { return yes(n.DNSAAAARecord) },
			"enable-dns64": func(n lamina.Subnet) []string { return yes(n.EnableDNS64) },
			"ipv6-cidr-block-association.ipv6-cidr-block": single(func(n lamina.Subnet) string { return n.IPv6CIDR }),
		},
	}
}

// subnetAssociation is the id of what ties a subnet's IPv6 range to it, "" without one.
func subnetAssociation(n lamina.Subnet) string {
	if n.IPv6CIDR == "" {
		return ""
	}
	return associationID("subnet-cidr-assoc", n.ID)
}

// available counts the addresses of a subnet that nobody has.
func (s *Service) available(src view.Source, n lamina.Subnet) int {
	used := 0
	for range s.interfaces.table.At(src).Scan(n.Key() + "/") {
		used++
	}
	cidr, _ := network.ParseIPv4(n.CIDR)
	return max(0, network.Size(cidr)-used)
}

func (s *Service) createSubnet(ctx context.Context, in *model.CreateSubnetRequest) (*model.CreateSubnetResult, error) {
	tags, err := tagsFor("subnet", in.TagSpecifications)
	if err != nil {
		return nil, err
	}
	zone, err := zoneFor(scopeOf(ctx).Region, val(in.AvailabilityZone)+val(in.AvailabilityZoneId))
	if err != nil {
		return nil, err
	}
	n := lamina.Subnet{
		Scope: scopeOf(ctx), ID: network.NewID("subnet"), VPCID: val(in.VpcId), Zone: zone.Name, ZoneID: zone.ID,
		HostnameType: hostnameIP, Tags: tags,
	}
	err = s.update(ctx, func(t *txn) error {
		v, err := s.vpcs.need(t, n.VPCID)
		if err != nil {
			return err
		}
		others := slices.DeleteFunc(s.subnets.scan(t), func(o lamina.Subnet) bool { return o.VPCID != v.ID })
		if n.CIDR, err = subnetRange(val(in.CidrBlock), v.CIDR, others, false); err != nil {
			return err
		}
		if val(in.Ipv6CidrBlock) != "" {
			if n.IPv6CIDR, err = subnetRange(*in.Ipv6CidrBlock, v.IPv6CIDR, others, true); err != nil {
				return err
			}
		}
		s.subnets.create(t, n)
		return nil
	})
	return &model.CreateSubnetResult{Subnet: new(s.showSubnet(n))}, err
}

// zoneFor is the zone of a new subnet: the named one, or the region's first.
func zoneFor(region, name string) (network.Zone, error) {
	zones := network.Zones(region)
	if name == "" {
		return zones[0], nil
	}
	if z, ok := network.FindZone(region, name); ok {
		return z, nil
	}
	names := show(zones, func(z network.Zone) string { return z.Name })
	return network.Zone{}, lamina.Errorf("InvalidParameterValue",
		"Value (%s) for parameter availabilityZone is invalid. Subnets can currently only be created in the following availability zones: %s.",
		name, strings.Join(names, ", "))
}

// subnetRange checks a new subnet's range against its VPC's and the other subnets'.
func subnetRange(cidr, vpc string, others []lamina.Subnet, v6 bool) (string, error) {
	if cidr == "" {
		return "", lamina.Errorf("MissingParameter", "Either 'cidrBlock' or 'ipv6CidrBlock' should be provided.")
	}
	p, err := netip.ParsePrefix(cidr)
	if err != nil || p.Addr().Is6() != v6 {
		return "", badCIDR(cidr)
	}
	p = p.Masked()
	outer, err := netip.ParsePrefix(vpc)
	sized := network.ValidSize(p) && !v6 || v6 && p.Bits() == network.SubnetIPv6Bits
	if err != nil || !sized || !network.Within(p, outer) {
		return "", lamina.Errorf("InvalidSubnet.Range", "The CIDR '%s' is invalid.", cidr)
	}
	for _, o := range others {
		other := o.CIDR
		if v6 {
			other = o.IPv6CIDR
		}
		if q, err := netip.ParsePrefix(other); err == nil && q.Overlaps(p) {
			return "", lamina.Errorf("InvalidSubnet.Conflict", "The CIDR '%s' conflicts with another subnet", cidr)
		}
	}
	return p.String(), nil
}

func (s *Service) deleteSubnet(ctx context.Context, in *model.DeleteSubnetRequest) (*awsproto.Empty, error) {
	return nil, s.update(ctx, func(t *txn) error {
		n, err := s.subnets.need(t, val(in.SubnetId))
		if err != nil {
			return err
		}
		if s.subnetInUse(t, n) {
			return lamina.Errorf("DependencyViolation", "The subnet '%s' has dependencies and cannot be deleted.", n.ID)
		}
		s.subnets.remove(t, n)
		return s.forgetSubnet(t, n)
	})
}

// subnetInUse says whether an interface has an address of the subnet, or a
// capacity provider may launch into it.
func (s *Service) subnetInUse(t *txn, n lamina.Subnet) bool {
	t.Guard(s.interfaces.table.PrefixUnchanged(n.Key()+"/", t.Revision()))
	for range s.interfaces.table.At(t).Scan(n.Key() + "/") {
		return true
	}
	return s.providerUses(t, func(p lamina.CapacityProvider) bool { return slices.Contains(p.SubnetIDs, n.ID) })
}

// providerUses says whether some capacity provider of the scope is so, and
// guards that the answer stays.
func (s *Service) providerUses(t *txn, is func(lamina.CapacityProvider) bool) bool {
	t.Guard(s.providers.PrefixUnchanged(prefixOf(t.Scope), t.Revision()))
	for row := range s.providers.At(t).Scan(prefixOf(t.Scope)) {
		if is(row.Value) {
			return true
		}
	}
	return false
}

// forgetSubnet ends the subnet's association with a route table.
func (s *Service) forgetSubnet(t *txn, n lamina.Subnet) error {
	for _, table := range s.routeTables.scan(t) {
		i := slices.IndexFunc(table.Associations, func(a lamina.RouteAssociation) bool { return a.SubnetID == n.ID })
		if i >= 0 {
			table.Associations = slices.Delete(slices.Clone(table.Associations), i, i+1)
			s.routeTables.put(t, table)
		}
	}
	return nil
}

func (s *Service) describeSubnets(ctx context.Context, in *model.DescribeSubnetsRequest) (*model.DescribeSubnetsResult, error) {
	found, next, err := s.subnets.describe(ctx, s, query{in.SubnetIds, in.Filters, in.MaxResults, in.NextToken})
	return &model.DescribeSubnetsResult{Subnets: show(found, s.showSubnet), NextToken: next}, err
}

func (s *Service) showSubnet(n lamina.Subnet) model.Subnet {
	out := model.Subnet{
		SubnetId: &n.ID, SubnetArn: new(arn(n.Scope, "subnet", n.ID)), OwnerId: &n.Account, VpcId: &n.VPCID,
		CidrBlock: &n.CIDR, State: new("available"), AvailabilityZone: &n.Zone, AvailabilityZoneId: &n.ZoneID,
		AvailableIpAddressCount: new(int32(s.available(s.view, n))), DefaultForAz: &n.DefaultForAZ,
		MapPublicIpOnLaunch: &n.PublicIP, MapCustomerOwnedIpOnLaunch: new(false),
		AssignIpv6AddressOnCreation: &n.AssignIPv6, EnableDns64: &n.EnableDNS64, Ipv6Native: new(false),
		Ipv6CidrBlockAssociationSet: []model.SubnetIpv6CidrBlockAssociation{},
		PrivateDnsNameOptionsOnLaunch: &model.PrivateDnsNameOptionsOnLaunch{
			HostnameType: &n.HostnameType, EnableResourceNameDnsARecord: &n.DNSARecord, EnableResourceNameDnsAAAARecord: &n.DNSAAAARecord,
		},
		BlockPublicAccessStates: &model.BlockPublicAccessStates{InternetGatewayBlockMode: new("off")},
		Tags:                    tagSet(n.Tags),
	}
	if n.IPv6CIDR != "" {
		out.Ipv6CidrBlockAssociationSet = []model.SubnetIpv6CidrBlockAssociation{{
			AssociationId: new(subnetAssociation(n)), Ipv6CidrBlock: &n.IPv6CIDR,
			Ipv6CidrBlockState:   &model.SubnetCidrBlockState{State: new("associated")},
			Ipv6AddressAttribute: new("public"), IpSource: new("amazon"),
		}}
	}
	return out
}

func (s *Service) modifySubnetAttribute(ctx context.Context, in *model.ModifySubnetAttributeRequest) (*awsproto.Empty, error) {
	return nil, s.update(ctx, func(t *txn) error {
		n, err := s.subnets.need(t, val(in.SubnetId))
		if err != nil {
			return err
		}
		if in.AssignIpv6AddressOnCreation != nil && val(in.AssignIpv6AddressOnCreation.Value) && n.IPv6CIDR == "" {
			return lamina.Errorf("InvalidParameterValue",
				"Invalid value 'true' for assignIpv6AddressOnCreation. The subnet '%s' does not have any IPv6 CIDR block associated with it.", n.ID)
		}
		setBool(&n.PublicIP, in.MapPublicIpOnLaunch)
		setBool(&n.AssignIPv6, in.AssignIpv6AddressOnCreation)
		setBool(&n.EnableDNS64, in.EnableDns64)
		setBool(&n.DNSARecord, in.EnableResourceNameDnsARecordOnLaunch)
		setBool(&n.DNSAAAARecord, in.EnableResourceNameDnsAAAARecordOnLaunch)
		if t := val(in.PrivateDnsHostnameTypeOnLaunch); t != "" {
			n.HostnameType = t
		}
		s.subnets.put(t, n)
		return nil
	})
}
