package ec2

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/lamina-dev/lamina"
	model "github.com/lamina-dev/lamina/internal/awsmodel/ec2"
	"github.com/lamina-dev/lamina/internal/network"
	"github.com/lamina-dev/lamina/internal/store/view"
)

// defaultGroup is the reserved name of the group that each VPC has.
const defaultGroup = "default"

func groupKind(table *view.Table[lamina.SecurityGroup]) *kind[lamina.SecurityGroup] {
	fs := fields[lamina.SecurityGroup]{
		"group-id":    single(func(g lamina.SecurityGroup) string { return g.ID }),
		"group-name":  single(func(g lamina.SecurityGroup) string { return g.Name }),
		"description": single(func(g lamina.SecurityGroup) string { return g.Description }),
		"vpc-id":      single(func(g lamina.SecurityGroup) string { return g.VPCID }),
		"owner-id":    single(func(g lamina.SecurityGroup) string { return g.Account }),
	}
	for name, get := range ruleFields {
		fs["ip-permission."+name] = anyRule(false, get)
		fs["egress.ip-permission."+name] = anyRule(true, get)
	}
	return &kind[lamina.SecurityGroup]{
		resource: "security-group", prefix: "sg", noun: "security group",
		code: "InvalidGroupId", absent: "InvalidGroup.NotFound", text: "The security group '%s' does not exist", table: table,
		tags:   func(g *lamina.SecurityGroup) *lamina.Tags { return &g.Tags },
		fields: fs,
	}
}

// ruleFields are what groups can be found by of their rules.
var ruleFields = map[string]func(lamina.SecurityRule) string{
	"cidr":           func(r lamina.SecurityRule) string { return r.CIDR },
	"ipv6-cidr":      func(r lamina.SecurityRule) string { return r.IPv6CIDR },
	"protocol":       func(r lamina.SecurityRule) string { return r.Protocol },
	"group-id":       func(r lamina.SecurityRule) string { return r.GroupID },
	"prefix-list-id": func(r lamina.SecurityRule) string { return r.PrefixList },
	"from-port":      func(r lamina.SecurityRule) string { return port(r.FromPort) },
	"to-port":        func(r lamina.SecurityRule) string { return port(r.ToPort) },
}

func port(p *int32) string {
	if p == nil {
		return ""
	}
	return strconv.Itoa(int(*p))
}

func anyRule(egress bool, get func(lamina.SecurityRule) string) func(lamina.SecurityGroup) []string {
	return func(g lamina.SecurityGroup) []string {
		var out []string
		for _, r := range g.Rules {
			if r.Egress == egress {
				out = append(out, some(get(r))...)
			}
		}
		return out
	}
}

func (s *Service) createSecurityGroup(ctx context.Context, in *model.CreateSecurityGroupRequest) (*model.CreateSecurityGroupResult, error) {
	tags, err := tagsFor("security-group", in.TagSpecifications)
	if err != nil {
		return nil, err
	}
	g := lamina.SecurityGroup{
		Scope: scopeOf(ctx), ID: network.NewID("sg"), VPCID: val(in.VpcId),
		Name: val(in.GroupName), Description: val(in.Description), Tags: tags,
	}
	if err := validGroupName(g.Name); err != nil {
		return nil, err
	}
	err = s.update(ctx, func(t *txn) error { return s.addGroup(t, g) })
	return &model.CreateSecurityGroupResult{
		GroupId: &g.ID, SecurityGroupArn: new(arn(g.Scope, "security-group", g.ID)), Tags: tagSet(g.Tags),
	}, err
}

func validGroupName(name string) error {
	switch {
	case name == "":
		return lamina.Errorf("MissingParameter", "The request must contain the parameter GroupName")
	case name == defaultGroup:
		return lamina.Errorf("InvalidParameterValue", "Cannot use reserved security group name: default")
	case strings.HasPrefix(name, "sg-"):
		return lamina.Errorf("InvalidParameterValue", "Invalid value '%s' for groupName. Group names may not be in the format sg-*.", name)
	case len(name) > 255:
		return lamina.Errorf("InvalidParameterValue", "Value (%s) for parameter GroupName is invalid. Character sets beyond ASCII and names longer than 255 characters are not supported.", name)
	}
	return nil
}

func (s *Service) addGroup(t *txn, g lamina.SecurityGroup) error {
	if g.VPCID == "" {
		v, ok := s.defaultVPC(t, t.Scope)
		if !ok {
			return lamina.Errorf("VPCIdNotSpecified", "No default VPC for this user")
		}
		g.VPCID = v.ID
	}
	v, err := s.vpcs.need(t, g.VPCID)
	if err != nil {
		return err
	}
	for _, other := range s.groups.scan(t) {
		if other.VPCID == g.VPCID && other.Name == g.Name {
			return lamina.Errorf("InvalidGroup.Duplicate", "The security group '%s' already exists for VPC '%s'", g.Name, g.VPCID)
		}
	}
	g.Rules = defaultEgress(v)
	s.groups.create(t, g)
	return nil
}

// defaultEgress is what a new group allows: everything out.
func defaultEgress(v lamina.VPC) []lamina.SecurityRule {
	rules := []lamina.SecurityRule{{ID: network.NewID("sgr"), Egress: true, Protocol: allProtocols, CIDR: "0.0.0.0/0"}}
	if v.IPv6CIDR != "" {
		rules = append(rules, lamina.SecurityRule{ID: network.NewID("sgr"), Egress: true, Protocol: allProtocols, IPv6CIDR: "::/0"})
	}
	return rules
}

// groupNamed finds the group an operation means: by id, or by name in the default VPC.
func (s *Service) groupNamed(t *txn, id, name *string) (lamina.SecurityGroup, error) {
	if val(id) != "" {
		return s.groups.need(t, *id)
	}
	if val(name) == "" {
		return lamina.SecurityGroup{}, lamina.Errorf("MissingParameter", "The request must contain the parameter GroupName or GroupId")
	}
	v, _ := s.defaultVPC(t, t.Scope)
	return s.groupInVPC(t, v.ID, *name)
}

func (s *Service) groupInVPC(t *txn, vpc, name string) (lamina.SecurityGroup, error) {
	for _, g := range s.groups.list(t, t.Scope) {
		if g.VPCID == vpc && g.Name == name {
			return s.groups.need(t, g.ID)
		}
	}
	return lamina.SecurityGroup{}, lamina.Errorf("InvalidGroup.NotFound", "The security group '%s' does not exist in default VPC '%s'", name, vpc)
}

func (s *Service) deleteSecurityGroup(ctx context.Context, in *model.DeleteSecurityGroupRequest) (*model.DeleteSecurityGroupResult, error) {
	out := &model.DeleteSecurityGroupResult{Return: new(true)}
	return out, s.update(ctx, func(t *txn) error {
		g, err := s.groupNamed(t, in.GroupId, in.GroupName)
		if err != nil {
			return err
		}
		out.GroupId = &g.ID
		if g.Name == defaultGroup {
			return lamina.Errorf("CannotDelete", "the specified group: %q name: %q cannot be deleted by a user", g.ID, g.Name)
		}
		if s.groupInUse(t, g.ID) {
			return lamina.Errorf("DependencyViolation", "resource %s has a dependent object", g.ID)
		}
		s.groups.remove(t, g)
		return nil
	})
}

// groupInUse says whether an interface has the group, another group's rule names
// it, or a capacity provider may launch with it.
func (s *Service) groupInUse(t *txn, id string) bool {
	return holds(s.interfaces.scan(t), func(n lamina.NetworkInterface) bool { return slices.Contains(n.GroupIDs, id) }) ||
		holds(s.groups.scan(t), func(g lamina.SecurityGroup) bool { return g.ID != id && refersTo(g, id) }) ||
		s.providerUses(t, func(p lamina.CapacityProvider) bool { return slices.Contains(p.SecurityGroupIDs, id) })
}

func refersTo(g lamina.SecurityGroup, id string) bool {
	return holds(g.Rules, func(r lamina.SecurityRule) bool { return r.GroupID == id })
}

func (s *Service) describeSecurityGroups(ctx context.Context, in *model.DescribeSecurityGroupsRequest) (*model.DescribeSecurityGroupsResult, error) {
	filters := in.Filters
	if len(in.GroupNames) > 0 {
		filters = append(slices.Clone(filters), model.Filter{Name: new("group-name"), Values: in.GroupNames})
	}
	found, next, err := s.groups.describe(ctx, s, query{in.GroupIds, filters, in.MaxResults, in.NextToken})
	return &model.DescribeSecurityGroupsResult{SecurityGroups: show(found, showGroup), NextToken: next}, err
}

func showGroup(g lamina.SecurityGroup) model.SecurityGroup {
	return model.SecurityGroup{
		GroupId: &g.ID, GroupName: &g.Name, Description: &g.Description, VpcId: &g.VPCID, OwnerId: &g.Account,
		SecurityGroupArn: new(arn(g.Scope, "security-group", g.ID)), Tags: tagSet(g.Tags),
		IpPermissions: permissions(g, false), IpPermissionsEgress: permissions(g, true),
	}
}

// permissions shows a group's rules of one direction, those that differ only in
// their peer together.
func permissions(g lamina.SecurityGroup, egress bool) []model.IpPermission {
	out := []model.IpPermission{}
	at := map[string]int{}
	for _, r := range g.Rules {
		if r.Egress != egress {
			continue
		}
		key := r.Protocol + " " + port(r.FromPort) + " " + port(r.ToPort)
		i, seen := at[key]
		if !seen {
			i = len(out)
			at[key] = i
			out = append(out, model.IpPermission{
				IpProtocol: &r.Protocol, FromPort: r.FromPort, ToPort: r.ToPort,
				UserIdGroupPairs: []model.UserIdGroupPair{}, IpRanges: []model.IpRange{},
				Ipv6Ranges: []model.Ipv6Range{}, PrefixListIds: []model.PrefixListId{},
			})
		}
		addPeer(&out[i], g.Account, r)
	}
	return out
}

func addPeer(p *model.IpPermission, account string, r lamina.SecurityRule) {
	switch text := optional(r.Description); {
	case r.CIDR != "":
		p.IpRanges = append(p.IpRanges, model.IpRange{CidrIp: &r.CIDR, Description: text})
	case r.IPv6CIDR != "":
		p.Ipv6Ranges = append(p.Ipv6Ranges, model.Ipv6Range{CidrIpv6: &r.IPv6CIDR, Description: text})
	case r.PrefixList != "":
		p.PrefixListIds = append(p.PrefixListIds, model.PrefixListId{PrefixListId: &r.PrefixList, Description: text})
	case r.GroupID != "":
		p.UserIdGroupPairs = append(p.UserIdGroupPairs, model.UserIdGroupPair{GroupId: &r.GroupID, UserId: &account, Description: text})
	}
}
