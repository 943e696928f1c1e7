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

// publicRange is where Elastic IP addresses come from (chosen: RFC 2544's range
// for benchmarks, which leads nowhere on the internet).
var publicRange = netip.MustParsePrefix("198.18.0.0/16")

func addressKind(table *view.Table[lamina.Address]) *kind[lamina.Address] {
	return &kind[lamina.Address]{
		resource: "elastic-ip", prefix: "eipalloc", noun: "allocation", code: "InvalidAllocationID", table: table,
		tags: func(a *lamina.Address) *lamina.Tags { return &a.Tags },
		fields: fields[lamina.Address]{
			"allocation-id":        single(func(a lamina.Address) string { return a.ID }),
			"association-id":       single(func(a lamina.Address) string { return a.AssociationID }),
			"network-interface-id": single(func(a lamina.Address) string { return a.InterfaceID }),
			"private-ip-address":   single(func(a lamina.Address) string { return a.PrivateIP }),
			"public-ip":            single(func(a lamina.Address) string { return a.PublicIP }),
			"network-border-group": single(func(a lamina.Address) string { return a.Region }),
			"instance-id":          func(lamina.Address) []string { return nil },
			"domain":               func(lamina.Address) []string { return []string{model.DomainTypeVpc} },
		},
	}
}

func (s *Service) allocateAddress(ctx context.Context, in *model.AllocateAddressRequest) (*model.AllocateAddressResult, error) {
	tags, err := tagsFor("elastic-ip", in.TagSpecifications)
	if err != nil {
		return nil, err
	}
	a := lamina.Address{Scope: scopeOf(ctx), ID: network.NewID("eipalloc"), Tags: tags}
	err = s.update(ctx, func(t *txn) error {
		used := map[netip.Addr]bool{}
		for _, other := range s.addresses.scan(t) {
			if ip, err := netip.ParseAddr(other.PublicIP); err == nil {
				used[ip] = true
			}
		}
		ip, ok := network.FreeAddress(publicRange, used)
		if !ok {
			return lamina.Errorf("AddressLimitExceeded", "The maximum number of addresses has been reached.")
		}
		a.PublicIP = ip.String()
		s.addresses.create(t, a)
		return nil
	})
	return &model.AllocateAddressResult{
		AllocationId: &a.ID, PublicIp: &a.PublicIP, Domain: new(model.DomainTypeVpc),
		PublicIpv4Pool: new("amazon"), NetworkBorderGroup: &a.Region,
	}, err
}

// addressOf finds an address by its allocation or by itself.
func (s *Service) addressOf(t *txn, id, ip *string) (lamina.Address, error) {
	if val(id) != "" {
		return s.addresses.need(t, *id)
	}
	for _, a := range s.addresses.list(t, t.Scope) {
		if a.PublicIP == val(ip) && a.PublicIP != "" {
			return s.addresses.need(t, a.ID)
		}
	}
	return lamina.Address{}, lamina.Errorf("InvalidAddress.NotFound", "Address '%s' not found.", val(ip))
}

func (s *Service) releaseAddress(ctx context.Context, in *model.ReleaseAddressRequest) (*awsproto.Empty, error) {
	return nil, s.update(ctx, func(t *txn) error {
		a, err := s.addressOf(t, in.AllocationId, in.PublicIp)
		if err != nil {
			return err
		}
		if a.AssociationID != "" {
			return lamina.Errorf("InvalidIPAddress.InUse", "Address %s is in use.", a.PublicIP)
		}
		s.addresses.remove(t, a)
		return nil
	})
}

func (s *Service) associateAddress(ctx context.Context, in *model.AssociateAddressRequest) (*model.AssociateAddressResult, error) {
	out := &model.AssociateAddressResult{}
	return out, s.update(ctx, func(t *txn) error {
		a, err := s.addressOf(t, in.AllocationId, in.PublicIp)
		if err != nil {
			return err
		}
		if val(in.InstanceId) != "" {
			return s.refuseManaged(t, t.Scope, []string{*in.InstanceId})
		}
		n, err := s.own(t, val(in.NetworkInterfaceId))
		if err != nil {
			return err
		}
		if a.AssociationID != "" && (a.InterfaceID == n.ID || !val(in.AllowReassociation)) {
			if a.InterfaceID == n.ID {
				out.AssociationId = &a.AssociationID
				return nil
			}
			return lamina.Errorf("Resource.AlreadyAssociated", "resource %s is already associated with associate-id %s", a.ID, a.AssociationID)
		}
		if n.PublicIP != "" {
			return lamina.Errorf("Resource.AlreadyAssociated", "resource %s is already associated with address %s", n.ID, n.PublicIP)
		}
		if err := s.unbind(t, a); err != nil {
			return err
		}
		a = s.bind(t, a, &n)
		s.interfaces.put(t, n)
		out.AssociationId = &a.AssociationID
		return nil
	})
}

// bind gives an address to an interface, which the caller writes.
func (s *Service) bind(t *txn, a lamina.Address, n *lamina.NetworkInterface) lamina.Address {
	a.AssociationID, a.InterfaceID, a.PrivateIP = network.NewID("eipassoc"), n.ID, n.PrivateIP
	n.PublicIP = a.PublicIP
	s.addresses.put(t, a)
	return a
}

// unbind takes an address from the interface that has it, if any.
func (s *Service) unbind(t *txn, a lamina.Address) error {
	if a.InterfaceID == "" {
		return nil
	}
	if n, err := s.interfaces.need(t, a.InterfaceID); err == nil {
		n.PublicIP = ""
		s.interfaces.put(t, n)
	}
	s.addresses.put(t, released(a))
	return nil
}

// released is an address without its association.
func released(a lamina.Address) lamina.Address {
	a.AssociationID, a.InterfaceID, a.PrivateIP = "", "", ""
	return a
}

func (s *Service) disassociateAddress(ctx context.Context, in *model.DisassociateAddressRequest) (*awsproto.Empty, error) {
	return nil, s.update(ctx, func(t *txn) error {
		for _, a := range s.addresses.list(t, t.Scope) {
			if a.AssociationID == "" || a.AssociationID != val(in.AssociationId) && a.PublicIP != val(in.PublicIp) {
				continue
			}
			a, err := s.addresses.need(t, a.ID)
			if err != nil {
				return err
			}
			if _, err := s.own(t, a.InterfaceID); err != nil {
				return err
			}
			return s.unbind(t, a)
		}
		return lamina.Errorf("InvalidAssociationID.NotFound", "The association ID '%s' does not exist", val(in.AssociationId)+val(in.PublicIp))
	})
}

func (s *Service) describeAddresses(ctx context.Context, in *model.DescribeAddressesRequest) (*model.DescribeAddressesResult, error) {
	filters := in.Filters
	if len(in.PublicIps) > 0 {
		filters = append(filters[:len(filters):len(filters)], model.Filter{Name: new("public-ip"), Values: in.PublicIps})
	}
	found, _, err := s.addresses.describe(ctx, s, query{ids: in.AllocationIds, filters: filters})
	if err == nil && len(found) < len(in.PublicIps) {
		err = lamina.Errorf("InvalidAddress.NotFound", "Address '%s' not found.", in.PublicIps[0])
	}
	return &model.DescribeAddressesResult{Addresses: show(found, showAddress)}, err
}

func showAddress(a lamina.Address) model.Address {
	out := model.Address{
		AllocationId: &a.ID, PublicIp: &a.PublicIP, Domain: new(model.DomainTypeVpc), PublicIpv4Pool: new("amazon"),
		NetworkBorderGroup: &a.Region, AssociationId: optional(a.AssociationID), NetworkInterfaceId: optional(a.InterfaceID),
		PrivateIpAddress: optional(a.PrivateIP), Tags: tagSet(a.Tags),
	}
	if a.InterfaceID != "" {
		out.NetworkInterfaceOwnerId = &a.Account
	}
	return out
}

// describeAddressesAttribute knows addresses without reverse names only.
func (s *Service) describeAddressesAttribute(ctx context.Context, in *model.DescribeAddressesAttributeRequest) (*model.DescribeAddressesAttributeResult, error) {
	_, _, err := s.addresses.describe(ctx, s, query{ids: in.AllocationIds})
	return &model.DescribeAddressesAttributeResult{Addresses: []model.AddressAttribute{}}, err
}
