package ec2

import (
	"context"
	"net/netip"
	"slices"

	"github.com/lamina-dev/lamina"
	model "github.com/lamina-dev/lamina/internal/awsmodel/ec2"
	"github.com/lamina-dev/lamina/internal/awsproto"
	"github.com/lamina-dev/lamina/internal/network"
	"github.com/lamina-dev/lamina/internal/store/view"
)

// AWS's own account, as it appears where a service made a resource.
const amazon = "amazon-aws"

// Interface types beside the ordinary one, in EC2's spelling.
const (
	ordinaryInterface = "interface"
	natInterface      = "nat_gateway"
	endpointInterface = "vpc_endpoint"
)

func (s *Service) interfaceKind(table *view.Table[lamina.NetworkInterface]) *kind[lamina.NetworkInterface] {
	type eni = lamina.NetworkInterface
	address := single(func(n eni) string { return n.PrivateIP })
	return &kind[eni]{
		resource: "network-interface", prefix: "eni", noun: "networkInterface", code: "InvalidNetworkInterfaceID", table: table, nested: true,
		tags: func(n *eni) *lamina.Tags { return &n.Tags },
		fields: fields[eni]{
			"network-interface-id": single(func(n eni) string { return n.ID }),
			"subnet-id":            single(func(n eni) string { return n.SubnetID }),
			"vpc-id":               single(func(n eni) string { return n.VPCID }),
			"owner-id":             single(func(n eni) string { return n.Account }),
			"availability-zone":    single(func(n eni) string { return n.Zone }),
			"description":          single(func(n eni) string { return n.Description }),
			"mac-address":          single(func(n eni) string { return n.MAC }),
			"private-ip-address":   address, "addresses.private-ip-address": address,
			"ipv6-addresses.ipv6-address": single(func(n eni) string { return n.IPv6 }),
			"group-id":                    func(n eni) []string { return n.GroupIDs },
			"group-name": func(n eni) []string {
				return show(s.identify(s.view, n.Scope, n.GroupIDs), func(g model.GroupIdentifier) string { return val(g.GroupName) })
			},
			"interface-type":               single(func(n eni) string { return n.InterfaceType }),
			"status":                       single(interfaceStatus),
			"requester-id":                 single(func(n eni) string { return n.Requester }),
			"requester-managed":            func(n eni) []string { return yes(requesterManaged(n)) },
			"source-dest-check":            func(n eni) []string { return yes(!n.NoSourceCheck) },
			"operator.managed":             func(n eni) []string { return yes(n.Operator != "") },
			"operator.principal":           single(func(n eni) string { return n.Operator }),
			"attachment.attachment-id":     single(attachmentID),
			"attachment.instance-id":       single(func(n eni) string { return n.InstanceID }),
			"attachment.instance-owner-id": single(attachmentOwner),
			"attachment.status": func(n eni) []string {
				if attachmentID(n) == "" {
					return nil
				}
				return []string{"attached"}
			},
			"association.public-ip": single(func(n eni) string { return n.PublicIP }),
		},
	}
}

// attachmentID names what ties an interface to its instance or service. The
// fleet leaves the name to us.
func attachmentID(n lamina.NetworkInterface) string {
	if n.AttachmentID == "" && n.InstanceID != "" {
		return network.DerivedID("eni-attach", n.ID)
	}
	return n.AttachmentID
}

func interfaceStatus(n lamina.NetworkInterface) string {
	if attachmentID(n) != "" {
		return "in-use"
	}
	return "available"
}

// requesterManaged says whether an AWS service made the interface for its own use.
func requesterManaged(n lamina.NetworkInterface) bool { return n.Requester != "" }

// attachmentOwner is who owns what the interface is attached to.
func attachmentOwner(n lamina.NetworkInterface) string {
	switch {
	case attachmentID(n) == "":
		return ""
	case n.InstanceID == "":
		return amazon
	}
	return n.Account
}

// place puts a new interface into a subnet: at the wanted address, or the lowest free one.
func (s *Service) place(t *txn, n *lamina.NetworkInterface, subnet lamina.Subnet, want string) error {
	n.SubnetID, n.VPCID, n.Zone, n.MAC = subnet.ID, subnet.VPCID, subnet.Zone, network.MAC(n.ID)
	if n.InterfaceType == "" {
		n.InterfaceType = ordinaryInterface
	}
	prefix := subnet.Key() + "/"
	t.Guard(s.interfaces.table.PrefixUnchanged(prefix, t.Revision()))
	used := map[netip.Addr]bool{}
	for row := range s.interfaces.table.At(t).Scan(prefix) {
		if a, err := netip.ParseAddr(row.Value.PrivateIP); err == nil {
			used[a] = true
		}
	}
	addr, err := choose(subnet, used, want)
	if err != nil {
		return err
	}
	n.PrivateIP, n.IPv6 = addr.String(), assignedIPv6(*n, subnet)
	s.interfaces.create(t, *n)
	return nil
}

// assignedIPv6 is what a subnet gives to an interface at its creation. NAT gateways
// have IPv4 addresses alone, and so have endpoints, which are all of that type here.
func assignedIPv6(n lamina.NetworkInterface, subnet lamina.Subnet) string {
	if n.InterfaceType != ordinaryInterface {
		return ""
	}
	return network.AssignedIPv6(subnet, n.ID)
}

func choose(subnet lamina.Subnet, used map[netip.Addr]bool, want string) (netip.Addr, error) {
	cidr, _ := network.ParseIPv4(subnet.CIDR)
	if want == "" {
		addr, ok := network.FreeAddress(cidr, used)
		if !ok {
			return addr, lamina.Errorf("InsufficientFreeAddressesInSubnet", "The specified subnet does not have enough free addresses to satisfy the request.")
		}
		return addr, nil
	}
	addr, err := netip.ParseAddr(want)
	switch {
	case err != nil:
		return addr, lamina.Errorf("InvalidParameterValue", "invalid value for parameter address: %s", want)
	case !cidr.Contains(addr):
		return addr, lamina.Errorf("InvalidParameterValue", "Address does not fall within the subnet's address range")
	case !network.Usable(cidr, addr):
		return addr, lamina.Errorf("InvalidParameterValue", "Address is in subnet's reserved address range")
	case used[addr]:
		return addr, lamina.Errorf("InvalidIPAddress.InUse", "Address %s is in use.", want)
	}
	return addr, nil
}

// groupsFor checks the groups of an interface in a VPC; none means its default one.
func (s *Service) groupsFor(t *txn, vpc string, ids []string) ([]string, error) {
	if len(ids) == 0 {
		g, err := s.groupInVPC(t, vpc, defaultGroup)
		return []string{g.ID}, err
	}
	for _, id := range ids {
		g, err := s.groups.need(t, id)
		if err != nil {
			return nil, err
		}
		if g.VPCID != vpc {
			return nil, lamina.Errorf("InvalidGroup.NotFound", "You have specified two resources that belong to different networks.")
		}
	}
	return ids, nil
}

func (s *Service) createInterface(ctx context.Context, in *model.CreateNetworkInterfaceRequest) (*model.CreateNetworkInterfaceResult, error) {
	tags, err := tagsFor("network-interface", in.TagSpecifications)
	if err != nil {
		return nil, err
	}
	n := lamina.NetworkInterface{Scope: scopeOf(ctx), ID: network.NewID("eni"), Description: val(in.Description), Tags: tags}
	want := val(in.PrivateIpAddress)
	for _, a := range in.PrivateIpAddresses {
		if val(a.Primary) {
			want = val(a.PrivateIpAddress)
		}
	}
	err = s.update(ctx, func(t *txn) error {
		subnet, err := s.subnets.need(t, val(in.SubnetId))
		if err != nil {
			return err
		}
		if n.GroupIDs, err = s.groupsFor(t, subnet.VPCID, in.Groups); err != nil {
			return err
		}
		return s.place(t, &n, subnet, want)
	})
	if err != nil {
		return nil, err
	}
	return &model.CreateNetworkInterfaceResult{NetworkInterface: new(s.showInterface(n)), ClientToken: in.ClientToken}, nil
}

// own reads an interface that its account may change: one that no service holds.
func (s *Service) own(t *txn, id string) (lamina.NetworkInterface, error) {
	n, err := s.interfaces.need(t, id)
	if err != nil {
		return n, err
	}
	if n.Operator != "" {
		return n, notPermitted(n.Operator)
	}
	if requesterManaged(n) {
		return n, lamina.Errorf("AuthFailure", "You do not have permission to access the specified resource.")
	}
	return n, nil
}

func (s *Service) deleteInterface(ctx context.Context, in *model.DeleteNetworkInterfaceRequest) (*awsproto.Empty, error) {
	return nil, s.update(ctx, func(t *txn) error {
		n, err := s.own(t, val(in.NetworkInterfaceId))
		if err != nil {
			return err
		}
		if attachmentID(n) != "" {
			return lamina.Errorf("InvalidParameterValue", "Network interface '%s' is currently in use.", n.ID)
		}
		for _, a := range s.addresses.scan(t) {
			if a.InterfaceID == n.ID {
				s.addresses.put(t, released(a))
			}
		}
		s.interfaces.remove(t, n)
		return nil
	})
}

func (s *Service) modifyInterface(ctx context.Context, in *model.ModifyNetworkInterfaceAttributeRequest) (*awsproto.Empty, error) {
	return nil, s.update(ctx, func(t *txn) error {
		n, err := s.own(t, val(in.NetworkInterfaceId))
		if err != nil {
			return err
		}
		if in.Description != nil {
			n.Description = val(in.Description.Value)
		}
		if in.SourceDestCheck != nil {
			n.NoSourceCheck = !val(in.SourceDestCheck.Value)
		}
		if len(in.Groups) > 0 {
			if n.GroupIDs, err = s.groupsFor(t, n.VPCID, in.Groups); err != nil {
				return err
			}
		}
		s.interfaces.put(t, n)
		return nil
	})
}

// attachInterface always refuses: the only instances there are are managed ones.
func (s *Service) attachInterface(ctx context.Context, in *model.AttachNetworkInterfaceRequest) (*model.AttachNetworkInterfaceResult, error) {
	return nil, s.update(ctx, func(t *txn) error {
		if _, err := s.own(t, val(in.NetworkInterfaceId)); err != nil {
			return err
		}
		return s.refuseManaged(t, t.Scope, []string{val(in.InstanceId)})
	})
}

// detachInterface always refuses: whatever is attached, a service attached it.
func (s *Service) detachInterface(ctx context.Context, in *model.DetachNetworkInterfaceRequest) (*awsproto.Empty, error) {
	return nil, s.update(ctx, func(t *txn) error {
		for _, n := range s.interfaces.list(t, t.Scope) {
			if id := attachmentID(n); id != "" && id == val(in.AttachmentId) {
				_, err := s.own(t, n.ID)
				return err
			}
		}
		return lamina.Errorf("InvalidAttachmentID.NotFound", "The network interface attachment '%s' does not exist", val(in.AttachmentId))
	})
}

func (s *Service) describeInterfaces(ctx context.Context, in *model.DescribeNetworkInterfacesRequest) (*model.DescribeNetworkInterfacesResult, error) {
	found, _, err := s.interfaces.describe(ctx, s, query{ids: in.NetworkInterfaceIds, filters: in.Filters})
	if err != nil {
		return nil, err
	}
	if len(in.NetworkInterfaceIds) == 0 && !val(in.IncludeManagedResources) {
		found = slices.DeleteFunc(found, func(n lamina.NetworkInterface) bool { return n.Operator != "" })
	}
	found, next, err := page(found, idOf[lamina.NetworkInterface], in.MaxResults, in.NextToken)
	return &model.DescribeNetworkInterfacesResult{NetworkInterfaces: show(found, s.showInterface), NextToken: next}, err
}

// identify names groups by id and name.
func (s *Service) identify(src view.Source, at lamina.Scope, ids []string) []model.GroupIdentifier {
	return show(ids, func(id string) model.GroupIdentifier {
		g, _ := s.groups.get(src, at, id)
		return model.GroupIdentifier{GroupId: &id, GroupName: &g.Name}
	})
}

// operator shows the service that manages a resource.
func operator(principal string) *model.OperatorResponse {
	if principal == "" {
		return &model.OperatorResponse{Managed: new(false)}
	}
	return &model.OperatorResponse{Managed: new(true), Principal: &principal, HiddenByDefault: new(true)}
}

func (s *Service) showInterface(n lamina.NetworkInterface) model.NetworkInterface {
	name := privateName(n.Region, n.PrivateIP)
	association := s.showAssociation(n)
	out := model.NetworkInterface{
		NetworkInterfaceId: &n.ID, SubnetId: &n.SubnetID, VpcId: &n.VPCID, AvailabilityZone: &n.Zone, OwnerId: &n.Account,
		AvailabilityZoneId: new(zoneID(n.Region, n.Zone)), Description: &n.Description, InterfaceType: &n.InterfaceType,
		MacAddress: &n.MAC, PrivateIpAddress: &n.PrivateIP, PrivateDnsName: &name, Status: new(interfaceStatus(n)),
		SourceDestCheck: new(!n.NoSourceCheck), RequesterId: optional(n.Requester), RequesterManaged: new(requesterManaged(n)),
		Groups: s.identify(s.view, n.Scope, n.GroupIDs), Ipv6Address: optional(n.IPv6), Ipv6Addresses: []model.NetworkInterfaceIpv6Address{},
		PrivateIpAddresses: []model.NetworkInterfacePrivateIpAddress{{
			Primary: new(true), PrivateIpAddress: &n.PrivateIP, PrivateDnsName: &name, Association: association,
		}},
		Association: association, Operator: operator(n.Operator), TagSet: tagSet(n.Tags),
	}
	if n.IPv6 != "" {
		out.Ipv6Addresses = append(out.Ipv6Addresses, model.NetworkInterfaceIpv6Address{Ipv6Address: &n.IPv6, IsPrimaryIpv6: new(false)})
	}
	if attachmentID(n) != "" {
		out.Attachment = s.showAttachment(n)
	}
	return out
}

func (s *Service) showAttachment(n lamina.NetworkInterface) *model.NetworkInterfaceAttachment {
	out := &model.NetworkInterfaceAttachment{
		AttachmentId: new(attachmentID(n)), DeleteOnTermination: new(n.InstanceID != ""), DeviceIndex: new(int32(0)), NetworkCardIndex: new(int32(0)),
		InstanceId: optional(n.InstanceID), InstanceOwnerId: new(attachmentOwner(n)), Status: new("attached"),
	}
	if i, ok := s.instances.Get(prefixOf(n.Scope) + n.InstanceID); ok {
		out.AttachTime = &i.Value.LaunchedAt
	}
	return out
}

func (s *Service) showAssociation(n lamina.NetworkInterface) *model.NetworkInterfaceAssociation {
	for _, a := range s.addresses.list(s.view, n.Scope) {
		if a.InterfaceID == n.ID {
			return &model.NetworkInterfaceAssociation{
				AllocationId: &a.ID, AssociationId: &a.AssociationID, IpOwnerId: &a.Account,
				PublicIp: &a.PublicIP, PublicDnsName: new(network.PublicName(a.Region, a.PublicIP)),
			}
		}
	}
	if n.PublicIP == "" {
		return nil
	}
	return &model.NetworkInterfaceAssociation{ // given by its subnet
		IpOwnerId: new(amazon), PublicIp: &n.PublicIP, PublicDnsName: new(network.PublicName(n.Region, n.PublicIP)),
	}
}

func privateName(region, addr string) string {
	a, err := netip.ParseAddr(addr)
	if err != nil {
		return ""
	}
	return network.PrivateName(region, a)
}

func zoneID(region, name string) string {
	z, _ := network.FindZone(region, name)
	return z.ID
}
