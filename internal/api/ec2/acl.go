package ec2

import (
	"context"

	"github.com/lamina-dev/lamina"
	model "github.com/lamina-dev/lamina/internal/awsmodel/ec2"
	"github.com/lamina-dev/lamina/internal/network"
	"github.com/lamina-dev/lamina/internal/store/view"
)

// lastEntry is the number of the rule that ends each network ACL.
const lastEntry = 32767

func (s *Service) aclKind(table *view.Table[lamina.NetworkACL]) *kind[lamina.NetworkACL] {
	return &kind[lamina.NetworkACL]{
		resource: "network-acl", prefix: "acl", noun: "networkAcl", code: "InvalidNetworkAclID", table: table,
		tags: func(a *lamina.NetworkACL) *lamina.Tags { return &a.Tags },
		fields: fields[lamina.NetworkACL]{
			"network-acl-id":             single(func(a lamina.NetworkACL) string { return a.ID }),
			"vpc-id":                     single(func(a lamina.NetworkACL) string { return a.VPCID }),
			"owner-id":                   single(func(a lamina.NetworkACL) string { return a.Account }),
			"default":                    func(a lamina.NetworkACL) []string { return yes(a.Default) },
			"association.network-acl-id": single(func(a lamina.NetworkACL) string { return a.ID }),
			"association.subnet-id": func(a lamina.NetworkACL) []string {
				return show(s.subnetsOf(a.VPCID, a.Scope), func(n lamina.Subnet) string { return n.ID })
			},
		},
	}
}

func (s *Service) subnetsOf(vpc string, at lamina.Scope) []lamina.Subnet {
	var out []lamina.Subnet
	for _, n := range s.subnets.list(s.view, at) {
		if n.VPCID == vpc {
			out = append(out, n)
		}
	}
	return out
}

func (s *Service) describeNetworkACLs(ctx context.Context, in *model.DescribeNetworkAclsRequest) (*model.DescribeNetworkAclsResult, error) {
	found, next, err := s.acls.describe(ctx, s, query{in.NetworkAclIds, in.Filters, in.MaxResults, in.NextToken})
	return &model.DescribeNetworkAclsResult{NetworkAcls: show(found, s.showACL), NextToken: next}, err
}

func (s *Service) showACL(a lamina.NetworkACL) model.NetworkAcl {
	v, _ := s.vpcs.get(s.view, a.Scope, a.VPCID)
	return model.NetworkAcl{
		NetworkAclId: &a.ID, VpcId: &a.VPCID, OwnerId: &a.Account, IsDefault: &a.Default, Tags: tagSet(a.Tags),
		Entries: aclEntries(v.IPv6CIDR != ""),
		Associations: show(s.subnetsOf(a.VPCID, a.Scope), func(n lamina.Subnet) model.NetworkAclAssociation {
			return model.NetworkAclAssociation{
				NetworkAclAssociationId: new(associationID("aclassoc", n.ID)), NetworkAclId: &a.ID, SubnetId: new(n.ID),
			}
		}),
	}
}

// aclEntries are those of a default ACL: all is allowed, both ways.
func aclEntries(v6 bool) []model.NetworkAclEntry {
	var out []model.NetworkAclEntry
	for _, egress := range []bool{true, false} {
		out = append(out, aclEntry(egress, 100, "allow", false), aclEntry(egress, lastEntry, "deny", false))
		if v6 {
			out = append(out, aclEntry(egress, 101, "allow", true), aclEntry(egress, lastEntry+1, "deny", true))
		}
	}
	return out
}

func aclEntry(egress bool, number int32, action string, v6 bool) model.NetworkAclEntry {
	e := model.NetworkAclEntry{Egress: &egress, RuleNumber: &number, RuleAction: &action, Protocol: new(allProtocols)}
	if v6 {
		e.Ipv6CidrBlock = new("::/0")
	} else {
		e.CidrBlock = new("0.0.0.0/0")
	}
	return e
}

// dhcpOptionsID is the VPC's DHCP options, by default the region's.
func dhcpOptionsID(v lamina.VPC) string {
	if v.DHCPOptions != "" {
		return v.DHCPOptions
	}
	return regionDHCPOptions(v.Scope)
}

func regionDHCPOptions(at lamina.Scope) string {
	return network.DerivedID("dopt", at.Account, at.Region)
}

// dhcpFields find the one set of DHCP options that each region has.
var dhcpFields = fields[lamina.Scope]{
	"dhcp-options-id": single(regionDHCPOptions),
	"owner-id":        single(func(at lamina.Scope) string { return at.Account }),
	"key":             func(lamina.Scope) []string { return []string{"domain-name", "domain-name-servers"} },
	"value":           func(at lamina.Scope) []string { return []string{network.Domain(at.Region), "AmazonProvidedDNS"} },
}

func (s *Service) describeDHCPOptions(ctx context.Context, in *model.DescribeDhcpOptionsRequest) (*model.DescribeDhcpOptionsResult, error) {
	at := scopeOf(ctx)
	out := &model.DescribeDhcpOptionsResult{DhcpOptions: []model.DhcpOptions{}}
	for _, id := range in.DhcpOptionsIds {
		if id != regionDHCPOptions(at) {
			return nil, lamina.Errorf("InvalidDhcpOptionID.NotFound", "The dhcpOption ID '%s' does not exist", id)
		}
	}
	if err := dhcpFields.check(in.Filters); err != nil {
		return nil, err
	}
	ok, err := dhcpFields.matches(in.Filters, at, nil)
	if ok {
		out.DhcpOptions = append(out.DhcpOptions, showDHCP(at))
	}
	return out, err
}

func showDHCP(at lamina.Scope) model.DhcpOptions {
	entry := func(key, value string) model.DhcpConfiguration {
		return model.DhcpConfiguration{Key: &key, Values: []model.AttributeValue{{Value: &value}}}
	}
	return model.DhcpOptions{
		DhcpOptionsId: new(regionDHCPOptions(at)), OwnerId: &at.Account, Tags: []model.Tag{},
		DhcpConfigurations: []model.DhcpConfiguration{
			entry("domain-name", network.Domain(at.Region)), entry("domain-name-servers", "AmazonProvidedDNS"),
		},
	}
}
