package ec2

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/lamina-dev/lamina"
	model "github.com/lamina-dev/lamina/internal/awsmodel/ec2"
	"github.com/lamina-dev/lamina/internal/network"
	"github.com/lamina-dev/lamina/internal/store/view"
)

// maxRules is EC2's quota of rules per direction and group.
const maxRules = 60

// maxRuleText is the longest description of a rule.
const maxRuleText = 255

func (s *Service) authorizeIngress(ctx context.Context, in *model.AuthorizeSecurityGroupIngressRequest) (*model.AuthorizeSecurityGroupIngressResult, error) {
	p := permission{in.IpProtocol, in.FromPort, in.ToPort, in.CidrIp, in.IpPermissions}
	if in.SourceSecurityGroupName != nil {
		p.list = append(slices.Clone(p.list), model.IpPermission{
			IpProtocol: new(allProtocols), UserIdGroupPairs: []model.UserIdGroupPair{{GroupName: in.SourceSecurityGroupName}},
		})
	}
	added, err := s.authorize(ctx, ruleChange{in.GroupId, in.GroupName, false, p.all(), nil}, in.TagSpecifications)
	return &model.AuthorizeSecurityGroupIngressResult{Return: new(true), SecurityGroupRules: added}, err
}

func (s *Service) authorizeEgress(ctx context.Context, in *model.AuthorizeSecurityGroupEgressRequest) (*model.AuthorizeSecurityGroupEgressResult, error) {
	p := permission{in.IpProtocol, in.FromPort, in.ToPort, in.CidrIp, in.IpPermissions}
	added, err := s.authorize(ctx, ruleChange{in.GroupId, nil, true, p.all(), nil}, in.TagSpecifications)
	return &model.AuthorizeSecurityGroupEgressResult{Return: new(true), SecurityGroupRules: added}, err
}

func (s *Service) revokeIngress(ctx context.Context, in *model.RevokeSecurityGroupIngressRequest) (*model.RevokeSecurityGroupIngressResult, error) {
	p := permission{in.IpProtocol, in.FromPort, in.ToPort, in.CidrIp, in.IpPermissions}
	gone, err := s.revoke(ctx, ruleChange{in.GroupId, in.GroupName, false, p.all(), in.SecurityGroupRuleIds})
	return &model.RevokeSecurityGroupIngressResult{Return: new(true), RevokedSecurityGroupRules: gone}, err
}

func (s *Service) revokeEgress(ctx context.Context, in *model.RevokeSecurityGroupEgressRequest) (*model.RevokeSecurityGroupEgressResult, error) {
	p := permission{in.IpProtocol, in.FromPort, in.ToPort, in.CidrIp, in.IpPermissions}
	gone, err := s.revoke(ctx, ruleChange{in.GroupId, nil, true, p.all(), in.SecurityGroupRuleIds})
	return &model.RevokeSecurityGroupEgressResult{Return: new(true), RevokedSecurityGroupRules: gone}, err
}

// ruleChange is what the authorize and revoke operations have in common.
type ruleChange struct {
	group, name *string
	egress      bool
	permissions []model.IpPermission
	ids         []string
}

func (s *Service) authorize(ctx context.Context, c ruleChange, specs []model.TagSpecification) ([]model.SecurityGroupRule, error) {
	tags, err := tagsFor("security-group-rule", specs)
	if err != nil {
		return nil, err
	}
	var shown []model.SecurityGroupRule
	err = s.update(ctx, func(t *txn) error {
		g, err := s.groupNamed(t, c.group, c.name)
		if err != nil {
			return err
		}
		added, err := rules(c.permissions, c.egress, s.resolver(t, g))
		if err != nil {
			return err
		}
		g.Rules = slices.Clone(g.Rules)
		shown = nil
		for _, r := range added {
			r.ID, r.Tags = network.NewID("sgr"), tags
			if g.Rules, err = withRule(g.Rules, r); err != nil {
				return err
			}
			shown = append(shown, showRule(g, r))
		}
		s.groups.put(t, g)
		return nil
	})
	return shown, err
}

// withRule adds a rule, unless there is the same already or no room.
func withRule(list []lamina.SecurityRule, r lamina.SecurityRule) ([]lamina.SecurityRule, error) {
	if indexRule(list, r) >= 0 {
		return nil, lamina.Errorf("InvalidPermission.Duplicate", "the specified rule %q already exists", wording(r))
	}
	if len([]rune(r.Description)) > maxRuleText {
		return nil, lamina.Errorf("InvalidParameterValue", "Invalid rule description. Rule descriptions must be less than 256 characters long.")
	}
	count := 0
	for _, other := range list {
		if other.Egress == r.Egress {
			count++
		}
	}
	if count >= maxRules {
		return nil, lamina.Errorf("RulesPerSecurityGroupLimitExceeded", "The maximum number of rules per security group has been reached.")
	}
	return append(list, r), nil
}

// resolver finds the groups that rules of g name.
func (s *Service) resolver(t *txn, g lamina.SecurityGroup) func(model.UserIdGroupPair) (string, error) {
	return func(pair model.UserIdGroupPair) (string, error) {
		if val(pair.GroupId) == "" {
			other, err := s.groupInVPC(t, g.VPCID, val(pair.GroupName))
			return other.ID, err
		}
		if *pair.GroupId == g.ID {
			return g.ID, nil
		}
		other, err := s.groups.need(t, *pair.GroupId)
		if err == nil && other.VPCID != g.VPCID {
			err = lamina.Errorf("InvalidGroup.NotFound", "You have specified two resources that belong to different networks.")
		}
		return other.ID, err
	}
}

func (s *Service) revoke(ctx context.Context, c ruleChange) ([]model.RevokedSecurityGroupRule, error) {
	var shown []model.RevokedSecurityGroupRule
	err := s.update(ctx, func(t *txn) error {
		g, err := s.groupNamed(t, c.group, c.name)
		if err != nil {
			return err
		}
		doomed, err := c.find(g)
		if err != nil {
			return err
		}
		shown = nil
		kept := []lamina.SecurityRule{}
		for _, r := range g.Rules {
			if slices.Contains(doomed, r.ID) {
				shown = append(shown, showRevoked(g, r))
			} else {
				kept = append(kept, r)
			}
		}
		g.Rules = kept
		s.groups.put(t, g)
		return nil
	})
	return shown, err
}

// find is the ids of the group's rules that the change means, by id or by what
// they allow; one that is missing is an error and nothing happens.
func (c ruleChange) find(g lamina.SecurityGroup) ([]string, error) {
	for _, id := range c.ids {
		if !holds(g.Rules, func(r lamina.SecurityRule) bool { return r.ID == id && r.Egress == c.egress }) {
			return nil, ruleNotFound(id)
		}
	}
	if len(c.ids) > 0 {
		return c.ids, nil
	}
	// A named group is matched by id alone: it may be gone, its rules with it.
	byID := func(pair model.UserIdGroupPair) (string, error) { return val(pair.GroupId), nil }
	wanted, err := rules(c.permissions, c.egress, byID)
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, r := range wanted {
		i := indexRule(g.Rules, r)
		if i < 0 {
			return nil, lamina.Errorf("InvalidPermission.NotFound", "The specified rule does not exist in this security group.")
		}
		ids = append(ids, g.Rules[i].ID)
	}
	return ids, nil
}

func ruleNotFound(id string) error {
	return lamina.Errorf("InvalidSecurityGroupRuleId.NotFound", "The security group rule ID '%s' does not exist", id)
}

func (s *Service) modifyRules(ctx context.Context, in *model.ModifySecurityGroupRulesRequest) (*model.ModifySecurityGroupRulesResult, error) {
	return &model.ModifySecurityGroupRulesResult{Return: new(true)}, s.update(ctx, func(t *txn) error {
		g, err := s.groups.need(t, val(in.GroupId))
		if err != nil {
			return err
		}
		g.Rules = slices.Clone(g.Rules)
		for _, u := range in.SecurityGroupRules {
			if err := s.replaceRule(t, g, u); err != nil {
				return err
			}
		}
		s.groups.put(t, g)
		return nil
	})
}

func (s *Service) replaceRule(t *txn, g lamina.SecurityGroup, u model.SecurityGroupRuleUpdate) error {
	i := slices.IndexFunc(g.Rules, func(r lamina.SecurityRule) bool { return r.ID == val(u.SecurityGroupRuleId) })
	if i < 0 {
		return ruleNotFound(val(u.SecurityGroupRuleId))
	}
	old, want := g.Rules[i], val(u.SecurityGroupRule)
	made, err := rules([]model.IpPermission{asPermission(want)}, old.Egress, s.resolver(t, g))
	if err != nil {
		return err
	}
	r := made[0]
	if same := indexRule(g.Rules, r); same >= 0 && same != i {
		return lamina.Errorf("InvalidPermission.Duplicate", "the specified rule %q already exists", wording(r))
	}
	r.ID, r.Tags = old.ID, old.Tags
	g.Rules[i] = r
	return nil
}

func asPermission(r model.SecurityGroupRuleRequest) model.IpPermission {
	p := model.IpPermission{IpProtocol: r.IpProtocol, FromPort: r.FromPort, ToPort: r.ToPort}
	switch {
	case r.CidrIpv4 != nil:
		p.IpRanges = []model.IpRange{{CidrIp: r.CidrIpv4, Description: r.Description}}
	case r.CidrIpv6 != nil:
		p.Ipv6Ranges = []model.Ipv6Range{{CidrIpv6: r.CidrIpv6, Description: r.Description}}
	case r.PrefixListId != nil:
		p.PrefixListIds = []model.PrefixListId{{PrefixListId: r.PrefixListId, Description: r.Description}}
	case r.ReferencedGroupId != nil:
		p.UserIdGroupPairs = []model.UserIdGroupPair{{GroupId: r.ReferencedGroupId, Description: r.Description}}
	}
	return p
}

func (s *Service) describeIngress(ctx context.Context, in *model.UpdateSecurityGroupRuleDescriptionsIngressRequest) (*model.UpdateSecurityGroupRuleDescriptionsIngressResult, error) {
	c := ruleChange{in.GroupId, in.GroupName, false, in.IpPermissions, nil}
	return &model.UpdateSecurityGroupRuleDescriptionsIngressResult{Return: new(true)}, s.reword(ctx, c, in.SecurityGroupRuleDescriptions)
}

func (s *Service) describeEgress(ctx context.Context, in *model.UpdateSecurityGroupRuleDescriptionsEgressRequest) (*model.UpdateSecurityGroupRuleDescriptionsEgressResult, error) {
	c := ruleChange{in.GroupId, in.GroupName, true, in.IpPermissions, nil}
	return &model.UpdateSecurityGroupRuleDescriptionsEgressResult{Return: new(true)}, s.reword(ctx, c, in.SecurityGroupRuleDescriptions)
}

// reword changes the descriptions of rules, named by id or by what they allow.
func (s *Service) reword(ctx context.Context, c ruleChange, byID []model.SecurityGroupRuleDescription) error {
	return s.update(ctx, func(t *txn) error {
		g, err := s.groupNamed(t, c.group, c.name)
		if err != nil {
			return err
		}
		texts, err := c.texts(g, byID)
		if err != nil {
			return err
		}
		g.Rules = slices.Clone(g.Rules)
		for i, r := range g.Rules {
			if text, ok := texts[r.ID]; ok {
				g.Rules[i].Description = text
			}
		}
		s.groups.put(t, g)
		return nil
	})
}

// texts maps the ids of rules to their new descriptions.
func (c ruleChange) texts(g lamina.SecurityGroup, byID []model.SecurityGroupRuleDescription) (map[string]string, error) {
	out := map[string]string{}
	for _, d := range byID {
		c.ids = append(c.ids, val(d.SecurityGroupRuleId))
		out[val(d.SecurityGroupRuleId)] = val(d.Description)
	}
	ids, err := c.find(g)
	if err != nil || len(byID) > 0 {
		return out, err
	}
	wanted, err := rules(c.permissions, c.egress, func(p model.UserIdGroupPair) (string, error) { return val(p.GroupId), nil })
	for i, r := range wanted {
		out[ids[i]] = r.Description
	}
	return out, err
}

// groupRule is a rule with the group it belongs to.
type groupRule struct {
	lamina.SecurityRule
	group lamina.SecurityGroup
}

func (r groupRule) id() string { return r.ID }

var groupRuleFields = fields[groupRule]{
	"security-group-rule-id": single(groupRule.id),
	"group-id":               single(func(r groupRule) string { return r.group.ID }),
}

func (s *Service) describeRules(ctx context.Context, in *model.DescribeSecurityGroupRulesRequest) (*model.DescribeSecurityGroupRulesResult, error) {
	if err := groupRuleFields.check(in.Filters); err != nil {
		return nil, err
	}
	var found []groupRule
	err := s.seekTwice(ctx, func() (err error) {
		found, err = s.findRules(scopeOf(ctx), in)
		return err
	})
	if err != nil {
		return nil, err
	}
	found, next, err := page(found, groupRule.id, in.MaxResults, in.NextToken)
	shown := show(found, func(r groupRule) model.SecurityGroupRule { return showRule(r.group, r.SecurityRule) })
	return &model.DescribeSecurityGroupRulesResult{SecurityGroupRules: shown, NextToken: next}, err
}

func (s *Service) findRules(at lamina.Scope, in *model.DescribeSecurityGroupRulesRequest) ([]groupRule, error) {
	missing := slices.Clone(in.SecurityGroupRuleIds)
	var found []groupRule
	for _, g := range s.groups.list(s.view, at) {
		for _, r := range g.Rules {
			ok, err := groupRuleFields.matches(in.Filters, groupRule{r, g}, r.Tags)
			if err != nil {
				return nil, err
			}
			missing = slices.DeleteFunc(missing, func(id string) bool { return id == r.ID })
			if ok && (len(in.SecurityGroupRuleIds) == 0 || slices.Contains(in.SecurityGroupRuleIds, r.ID)) {
				found = append(found, groupRule{r, g})
			}
		}
	}
	if len(missing) > 0 {
		return nil, ruleNotFound(missing[0])
	}
	slices.SortFunc(found, func(a, b groupRule) int { return strings.Compare(a.ID, b.ID) })
	return found, nil
}

func showRule(g lamina.SecurityGroup, r lamina.SecurityRule) model.SecurityGroupRule {
	out := model.SecurityGroupRule{
		SecurityGroupRuleId: &r.ID, SecurityGroupRuleArn: new(arn(g.Scope, "security-group-rule", r.ID)),
		GroupId: &g.ID, GroupOwnerId: &g.Account, IsEgress: &r.Egress, IpProtocol: &r.Protocol,
		FromPort: orAny(r.FromPort), ToPort: orAny(r.ToPort),
		CidrIpv4: optional(r.CIDR), CidrIpv6: optional(r.IPv6CIDR), PrefixListId: optional(r.PrefixList),
		Description: optional(r.Description), Tags: tagSet(r.Tags),
	}
	if r.GroupID != "" {
		out.ReferencedGroupInfo = &model.ReferencedSecurityGroup{GroupId: &r.GroupID, UserId: &g.Account, VpcId: &g.VPCID}
	}
	return out
}

func showRevoked(g lamina.SecurityGroup, r lamina.SecurityRule) model.RevokedSecurityGroupRule {
	return model.RevokedSecurityGroupRule{
		SecurityGroupRuleId: &r.ID, GroupId: &g.ID, IsEgress: &r.Egress, IpProtocol: &r.Protocol,
		FromPort: orAny(r.FromPort), ToPort: orAny(r.ToPort), CidrIpv4: optional(r.CIDR), CidrIpv6: optional(r.IPv6CIDR),
		PrefixListId: optional(r.PrefixList), ReferencedGroupId: optional(r.GroupID), Description: optional(r.Description),
	}
}

// ruleTags are the tags of rules, which live inside their groups.
type ruleTags struct{ groups *kind[lamina.SecurityGroup] }

func (ruleTags) idPrefix() string { return "sgr" }

func (k ruleTags) retag(t *txn, id string, change func(lamina.Tags) error) error {
	for _, g := range k.groups.list(t, t.Scope) {
		i := slices.IndexFunc(g.Rules, func(r lamina.SecurityRule) bool { return r.ID == id })
		if i < 0 {
			continue
		}
		g, err := k.groups.need(t, g.ID)
		if err != nil {
			return err
		}
		g.Rules = slices.Clone(g.Rules)
		tags := maps.Clone(g.Rules[i].Tags)
		if tags == nil {
			tags = lamina.Tags{}
		}
		g.Rules[i].Tags = tags
		if err := change(tags); err != nil {
			return err
		}
		k.groups.put(t, g)
		return nil
	}
	return ruleNotFound(id)
}

func (k ruleTags) tagged(src view.Source, at lamina.Scope) []taggedResource {
	var out []taggedResource
	for _, g := range k.groups.list(src, at) {
		for _, r := range g.Rules {
			if len(r.Tags) > 0 {
				out = append(out, taggedResource{kind: "security-group-rule", id: r.ID, tags: r.Tags})
			}
		}
	}
	return out
}
