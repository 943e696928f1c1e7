package ec2

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/lamina-dev/lamina"
	model "github.com/lamina-dev/lamina/internal/awsmodel/ec2"
)

// allProtocols is how rules say that the protocol does not matter.
const allProtocols = "-1"

// protocolNames are the protocols that EC2 calls by name.
var protocolNames = map[string]string{"6": "tcp", "17": "udp", "1": "icmp", "58": "icmpv6", "all": allProtocols}

// permission is a rule change in the old, flat form or as a list.
type permission struct {
	protocol *string
	from, to *int32
	cidr     *string
	list     []model.IpPermission
}

// all is the list, with the flat form as one more entry.
func (p permission) all() []model.IpPermission {
	if p.protocol == nil && p.cidr == nil {
		return p.list
	}
	flat := model.IpPermission{IpProtocol: p.protocol, FromPort: p.from, ToPort: p.to}
	if p.cidr != nil {
		flat.IpRanges = []model.IpRange{{CidrIp: p.cidr}}
	}
	return append(slices.Clone(p.list), flat)
}

// rules takes permissions apart into rules of one peer each, in the form they
// are kept in. Groups are looked up by resolve.
func rules(permissions []model.IpPermission, egress bool, resolve func(model.UserIdGroupPair) (string, error)) ([]lamina.SecurityRule, error) {
	var out []lamina.SecurityRule
	for _, p := range permissions {
		base, err := ruleBase(val(p.IpProtocol), p.FromPort, p.ToPort)
		if err != nil {
			return nil, err
		}
		base.Egress = egress
		peers, err := peersOf(p, resolve)
		if err != nil {
			return nil, err
		}
		for _, peer := range peers {
			r := base
			r.CIDR, r.IPv6CIDR, r.PrefixList, r.GroupID, r.Description = peer.CIDR, peer.IPv6CIDR, peer.PrefixList, peer.GroupID, peer.Description
			out = append(out, r)
		}
	}
	if len(out) == 0 {
		return nil, lamina.Errorf("MissingParameter", "Either 'ipPermissions' or 'securityGroupRuleIds' should be provided.")
	}
	return out, nil
}

// ruleBase is a rule without its peer. Ports mean nothing to most protocols and
// are then dropped: that is why a revoke of "-1, 0 to 0" meets "-1".
func ruleBase(protocol string, from, to *int32) (lamina.SecurityRule, error) {
	protocol = strings.ToLower(protocol)
	if name, ok := protocolNames[protocol]; ok {
		protocol = name
	}
	r := lamina.SecurityRule{Protocol: protocol}
	switch protocol {
	case "":
		return r, lamina.Errorf("MissingParameter", "The request must contain the parameter ipProtocol")
	case "tcp", "udp":
		if from == nil || to == nil {
			return r, lamina.Errorf("InvalidParameterValue", "Invalid value 'Must specify both from and to ports with TCP/UDP.' for portRange.")
		}
		if *from < 0 || *to > 65535 || *from > *to {
			return r, lamina.Errorf("InvalidParameterValue", "Invalid %s port range (%d-%d)", strings.ToUpper(protocol), *from, *to)
		}
		r.FromPort, r.ToPort = from, to
	case "icmp", "icmpv6":
		r.FromPort, r.ToPort = orAny(from), orAny(to)
	}
	return r, nil
}

// orAny is an ICMP type or code; -1 stands for all.
func orAny(n *int32) *int32 {
	if n == nil {
		return new(int32(-1))
	}
	return n
}

func peersOf(p model.IpPermission, resolve func(model.UserIdGroupPair) (string, error)) ([]lamina.SecurityRule, error) {
	var out []lamina.SecurityRule
	for _, r := range p.IpRanges {
		cidr, err := canonical(val(r.CidrIp), false)
		if err != nil {
			return nil, err
		}
		out = append(out, lamina.SecurityRule{CIDR: cidr, Description: val(r.Description)})
	}
	for _, r := range p.Ipv6Ranges {
		cidr, err := canonical(val(r.CidrIpv6), true)
		if err != nil {
			return nil, err
		}
		out = append(out, lamina.SecurityRule{IPv6CIDR: cidr, Description: val(r.Description)})
	}
	for _, l := range p.PrefixListIds {
		out = append(out, lamina.SecurityRule{PrefixList: val(l.PrefixListId), Description: val(l.Description)})
	}
	for _, g := range p.UserIdGroupPairs {
		id, err := resolve(g)
		if err != nil {
			return nil, err
		}
		out = append(out, lamina.SecurityRule{GroupID: id, Description: val(g.Description)})
	}
	return out, nil
}

// canonical is a range without host bits, as EC2 keeps it.
func canonical(cidr string, v6 bool) (string, error) {
	p, err := netip.ParsePrefix(cidr)
	if err != nil || p.Addr().Is6() != v6 {
		return "", lamina.Errorf("InvalidParameterValue", "CIDR block %s is malformed", cidr)
	}
	return p.Masked().String(), nil
}

// sameRule says whether two rules let the same packets through.
func sameRule(a, b lamina.SecurityRule) bool {
	return a.Egress == b.Egress && a.Protocol == b.Protocol && port(a.FromPort) == port(b.FromPort) && port(a.ToPort) == port(b.ToPort) &&
		a.CIDR == b.CIDR && a.IPv6CIDR == b.IPv6CIDR && a.PrefixList == b.PrefixList && a.GroupID == b.GroupID
}

// indexRule finds the rule that is the same as r, or -1.
func indexRule(list []lamina.SecurityRule, r lamina.SecurityRule) int {
	return slices.IndexFunc(list, func(other lamina.SecurityRule) bool { return sameRule(other, r) })
}

// wording is how EC2 spells a rule in its texts.
func wording(r lamina.SecurityRule) string {
	peer := r.CIDR + r.IPv6CIDR + r.PrefixList + r.GroupID
	switch {
	case r.Protocol == allProtocols:
		return fmt.Sprintf("peer: %s, ALL, ALLOW", peer)
	case r.FromPort == nil:
		return fmt.Sprintf("peer: %s, %s, ALLOW", peer, r.Protocol)
	case strings.HasPrefix(r.Protocol, "icmp"):
		return fmt.Sprintf("peer: %s, %s, type: %s, code: %s, ALLOW", peer, strings.ToUpper(r.Protocol), port(r.FromPort), port(r.ToPort))
	}
	return fmt.Sprintf("peer: %s, %s, from port: %s, to port: %s, ALLOW", peer, strings.ToUpper(r.Protocol), port(r.FromPort), port(r.ToPort))
}
