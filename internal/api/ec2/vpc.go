package ec2

import (
	"context"
	"net/netip"

	"github.com/lamina-dev/lamina"
	model "github.com/lamina-dev/lamina/internal/awsmodel/ec2"
	"github.com/lamina-dev/lamina/internal/awsproto"
	"github.com/lamina-dev/lamina/internal/network"
	"github.com/lamina-dev/lamina/internal/store/view"
)

func vpcKind(table *view.Table[lamina.VPC]) *kind[lamina.VPC] {
	return &kind[lamina.VPC]{
		resource: "vpc", prefix: "vpc", noun: "vpc", code: "InvalidVpcID", table: table,
		tags: func(v *lamina.VPC) *lamina.Tags { return &v.Tags },
		fields: fields[lamina.VPC]{
			"vpc-id":                            single(func(v lamina.VPC) string { return v.ID }),
			"owner-id":                          single(func(v lamina.VPC) string { return v.Account }),
			"cidr":                              single(func(v lamina.VPC) string { return v.CIDR }),
			"cidr-block-association.cidr-block": single(func(v lamina.VPC) string { return v.CIDR }),
			"cidr-block-association.state":      func(lamina.VPC) []string { return []string{"associated"} },
			"ipv6-cidr-block-association.ipv6-cidr-block": single(func(v lamina.VPC) string { return v.IPv6CIDR }),
			"dhcp-options-id":                            single(dhcpOptionsID),
			"cidr-block-association.association-id":      single(func(v lamina.VPC) string { return vpcAssociation(v, false) }),
			"ipv6-cidr-block-association.association-id": single(func(v lamina.VPC) string { return vpcAssociation(v, true) }),
			"ipv6-cidr-block-association.state":          func(v lamina.VPC) []string { return associatedIf(v.IPv6CIDR) },
			"is-default":                                 func(v lamina.VPC) []string { return yes(v.Default) },
			"isDefault":                                  func(v lamina.VPC) []string { return yes(v.Default) },
			"state":                                      func(lamina.VPC) []string { return []string{"available"} },
		},
	}
}

// amazonIPv6 is where Amazon-provided ranges are taken from (chosen: a part of
// the real one).
var amazonIPv6 = netip.MustParsePrefix("2600:1f00::/24")

func (s *Service) createVPC(ctx context.Context, in *model.CreateVpcRequest) (*model.CreateVpcResult, error) {
	tags, err := tagsFor("vpc", in.TagSpecifications)
	if err != nil {
		return nil, err
	}
	cidr, err := vpcRange(val(in.CidrBlock))
	if err != nil {
		return nil, err
	}
	v := lamina.VPC{
		Scope: scopeOf(ctx), ID: network.NewID("vpc"), CIDR: cidr.String(),
		Tenancy: val(in.InstanceTenancy), DNSSupport: true, Tags: tags,
	}
	if v.Tenancy == "" {
		v.Tenancy = model.TenancyDefault
	}
	if val(in.AmazonProvidedIpv6CidrBlock) {
		v.IPv6CIDR = ipv6Range(v.ID).String()
	}
	err = s.update(ctx, func(t *txn) error {
		s.addVPC(t, v)
		return nil
	})
	return &model.CreateVpcResult{Vpc: new(showVPC(v))}, err
}

func vpcRange(cidr string) (netip.Prefix, error) {
	if cidr == "" {
		return netip.Prefix{}, lamina.Errorf("MissingParameter", "The request must contain the parameter cidrBlock")
	}
	p, ok := network.ParseIPv4(cidr)
	if !ok {
		return p, badCIDR(cidr)
	}
	if !network.ValidSize(p) {
		return p, lamina.Errorf("InvalidVpc.Range", "The CIDR '%s' is invalid.", cidr)
	}
	return p, nil
}

func badCIDR(cidr string) error {
	return lamina.Errorf("InvalidParameterValue", "Value (%s) for parameter cidrBlock is invalid. This is not a valid CIDR block.", cidr)
}

// ipv6Range is the Amazon-provided range of a VPC. It follows from the id, so
// two VPCs hardly ever share one, and nothing needs to be kept free.
func ipv6Range(id string) netip.Prefix {
	var n int
	for _, c := range []byte(id) {
		n = n*31 + int(c)
	}
	p, _ := network.Nth(amazonIPv6, network.VPCIPv6Bits, n&(1<<32-1))
	return p
}

// addVPC writes a VPC and what EC2 makes along with each: the default security
// group, the main route table and the default network ACL.
func (s *Service) addVPC(t *txn, v lamina.VPC) {
	s.vpcs.create(t, v)
	group := lamina.SecurityGroup{
		Scope: v.Scope, ID: network.DerivedID("sg", v.ID), VPCID: v.ID,
		Name: defaultGroup, Description: "default VPC security group",
	}
	group.Rules = append(defaultEgress(v), lamina.SecurityRule{ID: network.NewID("sgr"), Protocol: allProtocols, GroupID: group.ID})
	s.groups.create(t, group)
	s.routeTables.create(t, mainTable(v))
	s.acls.create(t, lamina.NetworkACL{Scope: v.Scope, ID: network.DerivedID("acl", v.ID), VPCID: v.ID, Default: true})
}

func mainTable(v lamina.VPC) lamina.RouteTable {
	return lamina.RouteTable{
		Scope: v.Scope, ID: network.DerivedID("rtb", v.ID), VPCID: v.ID,
		Associations: []lamina.RouteAssociation{{ID: network.NewID("rtbassoc"), Main: true}},
	}
}

func (s *Service) deleteVPC(ctx context.Context, in *model.DeleteVpcRequest) (*awsproto.Empty, error) {
	return nil, s.update(ctx, func(t *txn) error {
		v, err := s.vpcs.need(t, val(in.VpcId))
		if err != nil {
			return err
		}
		if s.vpcInUse(t, v.ID) {
			return lamina.Errorf("DependencyViolation", "The vpc '%s' has dependencies and cannot be deleted.", v.ID)
		}
		s.removeVPC(t, v)
		return nil
	})
}

// vpcInUse says whether a VPC holds anything but what was made along with it.
func (s *Service) vpcInUse(t *txn, id string) bool {
	return holds(s.subnets.scan(t), func(v lamina.Subnet) bool { return v.VPCID == id }) ||
		holds(s.interfaces.scan(t), func(v lamina.NetworkInterface) bool { return v.VPCID == id }) ||
		holds(s.groups.scan(t), func(v lamina.SecurityGroup) bool { return v.VPCID == id && v.Name != defaultGroup }) ||
		holds(s.routeTables.scan(t), func(v lamina.RouteTable) bool { return v.VPCID == id && !v.Main() }) ||
		holds(s.internet.scan(t), func(v lamina.InternetGateway) bool { return v.VPCID == id }) ||
		holds(s.egressOnly.scan(t), func(v lamina.EgressOnlyGateway) bool { return v.VPCID == id }) ||
		holds(s.endpoints.scan(t), func(v lamina.VPCEndpoint) bool { return v.VPCID == id })
}

func holds[T any](items []T, is func(T) bool) bool {
	for _, v := range items {
		if is(v) {
			return true
		}
	}
	return false
}

func (s *Service) removeVPC(t *txn, v lamina.VPC) {
	s.vpcs.remove(t, v)
	for _, g := range s.groups.list(t, t.Scope) {
		if g.VPCID == v.ID {
			s.groups.remove(t, g)
		}
	}
	for _, r := range s.routeTables.list(t, t.Scope) {
		if r.VPCID == v.ID {
			s.routeTables.remove(t, r)
		}
	}
	for _, a := range s.acls.list(t, t.Scope) {
		if a.VPCID == v.ID {
			s.acls.remove(t, a)
		}
	}
}

func (s *Service) describeVPCs(ctx context.Context, in *model.DescribeVpcsRequest) (*model.DescribeVpcsResult, error) {
	found, next, err := s.vpcs.describe(ctx, s, query{in.VpcIds, in.Filters, in.MaxResults, in.NextToken})
	return &model.DescribeVpcsResult{Vpcs: show(found, showVPC), NextToken: next}, err
}

// show turns domain objects into the API's.
func show[From, To any](items []From, one func(From) To) []To {
	out := make([]To, 0, len(items))
	for _, item := range items {
		out = append(out, one(item))
	}
	return out
}

func showVPC(v lamina.VPC) model.Vpc {
	out := model.Vpc{
		VpcId: &v.ID, OwnerId: &v.Account, CidrBlock: &v.CIDR, State: new("available"),
		InstanceTenancy: &v.Tenancy, IsDefault: &v.Default, DhcpOptionsId: new(dhcpOptionsID(v)),
		CidrBlockAssociationSet: []model.VpcCidrBlockAssociation{{
			AssociationId: new(vpcAssociation(v, false)), CidrBlock: &v.CIDR,
			CidrBlockState: &model.VpcCidrBlockState{State: new("associated")},
		}},
		Ipv6CidrBlockAssociationSet: []model.VpcIpv6CidrBlockAssociation{},
		BlockPublicAccessStates:     &model.BlockPublicAccessStates{InternetGatewayBlockMode: new("off")},
		Tags:                        tagSet(v.Tags),
	}
	if v.IPv6CIDR != "" {
		out.Ipv6CidrBlockAssociationSet = []model.VpcIpv6CidrBlockAssociation{{
			AssociationId: new(vpcAssociation(v, true)), Ipv6CidrBlock: &v.IPv6CIDR,
			Ipv6CidrBlockState: &model.VpcCidrBlockState{State: new("associated")},
			NetworkBorderGroup: &v.Region, Ipv6Pool: new("Amazon"),
			Ipv6AddressAttribute: new("public"), IpSource: new("amazon"),
		}}
	}
	return out
}

// vpcAssociation is the id of what ties a VPC's range to it, "" without a range.
func vpcAssociation(v lamina.VPC, v6 bool) string {
	switch {
	case !v6:
		return associationID("vpc-cidr-assoc", v.ID)
	case v.IPv6CIDR != "":
		return associationID("vpc-cidr-assoc", v.ID+"/6")
	}
	return ""
}

// associatedIf is the state of the association of a range, if there is one.
func associatedIf(cidr string) []string {
	if cidr == "" {
		return nil
	}
	return []string{"associated"}
}

// associationID is the id of what ties a range to its VPC or subnet.
func associationID(prefix, owner string) string { return network.DerivedID(prefix, owner) }

func (s *Service) describeVPCAttribute(ctx context.Context, in *model.DescribeVpcAttributeRequest) (*model.DescribeVpcAttributeResult, error) {
	found, _, err := s.vpcs.describe(ctx, s, query{ids: []string{val(in.VpcId)}})
	if err != nil {
		return nil, err
	}
	v, out := found[0], &model.DescribeVpcAttributeResult{VpcId: in.VpcId}
	switch val(in.Attribute) {
	case "enableDnsSupport":
		out.EnableDnsSupport = &model.AttributeBooleanValue{Value: &v.DNSSupport}
	case "enableDnsHostnames":
		out.EnableDnsHostnames = &model.AttributeBooleanValue{Value: &v.DNSHostnames}
	case "enableNetworkAddressUsageMetrics":
		out.EnableNetworkAddressUsageMetrics = &model.AttributeBooleanValue{Value: &v.UsageMetrics}
	default:
		return nil, lamina.Errorf("InvalidParameterValue", "Value (%s) for parameter attribute is invalid.", val(in.Attribute))
	}
	return out, nil
}

func (s *Service) modifyVPCAttribute(ctx context.Context, in *model.ModifyVpcAttributeRequest) (*awsproto.Empty, error) {
	return nil, s.update(ctx, func(t *txn) error {
		v, err := s.vpcs.need(t, val(in.VpcId))
		if err != nil {
			return err
		}
		setBool(&v.DNSSupport, in.EnableDnsSupport)
		setBool(&v.DNSHostnames, in.EnableDnsHostnames)
		setBool(&v.UsageMetrics, in.EnableNetworkAddressUsageMetrics)
		s.vpcs.put(t, v)
		return nil
	})
}

// setBool takes over a boolean that was sent.
func setBool(into *bool, sent *model.AttributeBooleanValue) {
	if sent != nil && sent.Value != nil {
		*into = *sent.Value
	}
}
