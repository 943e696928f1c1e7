package network

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/lamina-dev/lamina"
)

// defaultGroup is the name of the group a VPC comes with.
const defaultGroup = "default"

// peer is the far end of a connection, as the rules of groups see it.
type peer struct {
	addr   netip.Addr
	groups []string
}

// groupsOf are a host's groups, the VPC's default one when it has none
// (lmi-service.md 2.1).
func (t *Topology) groupsOf(h Host) []string {
	if len(h.GroupIDs) > 0 {
		return h.GroupIDs
	}
	for _, g := range t.Groups {
		if g.Name == defaultGroup {
			return []string{g.ID}
		}
	}
	return nil
}

// allows says whether one of the groups lets a TCP connection through, and
// whether the port is at least open to somebody.
func (t *Topology) allows(groups []string, egress bool, port uint16, far peer) (ok, open bool) {
	for _, g := range t.Groups {
		if !slices.Contains(groups, g.ID) {
			continue
		}
		for _, r := range g.Rules {
			if r.Egress != egress || !coversPort(r, port) {
				continue
			}
			open = true
			if t.coversPeer(r, far) {
				return true, true
			}
		}
	}
	return false, open
}

// coversPort says whether a rule speaks of a TCP port.
func coversPort(r lamina.SecurityRule, port uint16) bool {
	switch {
	case r.Protocol == "-1":
		return true
	case r.Protocol != "tcp":
		return false
	}
	return r.FromPort != nil && r.ToPort != nil && *r.FromPort <= int32(port) && int32(port) <= *r.ToPort
}

func (t *Topology) coversPeer(r lamina.SecurityRule, far peer) bool {
	if r.GroupID != "" {
		return slices.Contains(far.groups, r.GroupID)
	}
	in := func(p netip.Prefix) bool { return p.Contains(far.addr) }
	return slices.ContainsFunc(ranges(r.CIDR, r.IPv6CIDR), in) || slices.ContainsFunc(prefixList(t.VPC.Region, r.PrefixList), in)
}

// leave says what keeps a host from a connection to far, which what names.
func (t *Topology) leave(h Host, port uint16, far peer, what string) *Missing {
	groups := t.groupsOf(h)
	ok, open := t.allows(groups, true, port, far)
	switch {
	case ok:
		return nil
	case len(groups) == 0:
		return missing("egress", "it has no security group, so that nothing may go out", "Give the capacity provider a security group.")
	case open:
		return missing("egress", fmt.Sprintf("%s outgoing %s, but not to %s", allowing(groups, "allows", "allow"), portName(port), what),
			fmt.Sprintf("Add an egress rule for %s to %s: aws ec2 authorize-security-group-egress.", portName(port), what))
	}
	return missing("egress", fmt.Sprintf("%s no outgoing %s", allowing(groups, "allows", "allow"), portName(port)),
		fmt.Sprintf("Add an egress rule for %s: aws ec2 authorize-security-group-egress.", portName(port)))
}

// enter says what keeps a host's connection out of an interface with these groups.
func (t *Topology) enter(h Host, port uint16, groups []string, what string) *Missing {
	from := t.groupsOf(h)
	if ok, _ := t.allows(groups, false, port, peer{h.Private, from}); ok {
		return nil
	}
	far := strings.Join(append(slices.Clone(from), h.Private.String()), " or ")
	whose := fmt.Sprintf("the security group %s of %s does", strings.Join(groups, ", "), what)
	if len(groups) > 1 {
		whose = fmt.Sprintf("the security groups %s of %s do", strings.Join(groups, ", "), what)
	}
	return missing("ingress", fmt.Sprintf("%s not allow incoming %s from %s", whose, portName(port), far),
		fmt.Sprintf("Add an ingress rule for %s to it: aws ec2 authorize-security-group-ingress.", portName(port)))
}

func allowing(groups []string, one, many string) string {
	if len(groups) == 1 {
		return "security group " + groups[0] + " " + one
	}
	return "security groups " + strings.Join(groups, ", ") + " " + many
}

func portName(port uint16) string {
	if port == https {
		return "HTTPS (TCP port 443)"
	}
	return fmt.Sprintf("TCP port %d", port)
}
