package ec2

import (
	"context"
	"slices"
	"time"

	"github.com/lamina-dev/lamina"
	model "github.com/lamina-dev/lamina/internal/awsmodel/ec2"
	"github.com/lamina-dev/lamina/internal/network"
	"github.com/lamina-dev/lamina/internal/store/view"
)

// natShown is how long EC2 still shows a deleted NAT gateway.
const natShown = time.Hour

func natKind(table *view.Table[lamina.NATGateway]) *kind[lamina.NATGateway] {
	return &kind[lamina.NATGateway]{
		resource: "natgateway", prefix: "nat", noun: "natGateway", code: "InvalidNatGatewayID", table: table,
		absent: "NatGatewayNotFound", text: "The Nat Gateway %s was not found",
		tags: func(g *lamina.NATGateway) *lamina.Tags { return &g.Tags },
		fields: fields[lamina.NATGateway]{
			"nat-gateway-id": single(func(g lamina.NATGateway) string { return g.ID }),
			"subnet-id":      single(func(g lamina.NATGateway) string { return g.SubnetID }),
			"vpc-id":         single(func(g lamina.NATGateway) string { return g.VPCID }),
			"state":          single(natState),
		},
	}
}

func natState(g lamina.NATGateway) string {
	if !g.Deleted.IsZero() {
		return model.NatGatewayStateDeleted
	}
	return model.NatGatewayStateAvailable
}

func (s *Service) createNAT(ctx context.Context, in *model.CreateNatGatewayRequest) (*model.CreateNatGatewayResult, error) {
	tags, err := tagsFor("natgateway", in.TagSpecifications)
	if err != nil {
		return nil, err
	}
	g := lamina.NATGateway{
		Scope: scopeOf(ctx), ID: network.NewID("nat"), SubnetID: val(in.SubnetId), Connectivity: val(in.ConnectivityType),
		AllocationID: val(in.AllocationId), Created: s.now().UTC().Truncate(time.Second), Tags: tags,
	}
	if g.Connectivity == "" {
		g.Connectivity = model.ConnectivityTypePublic
	}
	public := g.Connectivity == model.ConnectivityTypePublic
	if public && g.AllocationID == "" {
		return nil, lamina.Errorf("MissingParameter", "The request must contain the parameter AllocationId")
	}
	if !public && g.AllocationID != "" {
		return nil, lamina.Errorf("InvalidParameterValue", "AllocationId cannot be specified for a private NAT gateway")
	}
	err = s.update(ctx, func(t *txn) error { return s.addNAT(t, &g, val(in.PrivateIpAddress)) })
	return &model.CreateNatGatewayResult{NatGateway: new(showNAT(g)), ClientToken: in.ClientToken}, err
}

func (s *Service) addNAT(t *txn, g *lamina.NATGateway, want string) error {
	subnet, err := s.subnets.need(t, g.SubnetID)
	if err != nil {
		return err
	}
	n := lamina.NetworkInterface{
		Scope: t.Scope, ID: network.NewID("eni"), Description: "Interface for NAT Gateway " + g.ID,
		InterfaceType: natInterface, Requester: amazon, AttachmentID: network.NewID("ela-attach"), NoSourceCheck: true,
	}
	if err := s.place(t, &n, subnet, want); err != nil {
		return err
	}
	g.VPCID, g.InterfaceID, g.PrivateIP = subnet.VPCID, n.ID, n.PrivateIP
	if g.AllocationID != "" {
		a, err := s.addresses.need(t, g.AllocationID)
		if err != nil {
			return err
		}
		if a.AssociationID != "" {
			return lamina.Errorf("Resource.AlreadyAssociated", "Elastic IP address [%s] is already associated", a.ID)
		}
		s.bind(t, a, &n)
		g.PublicIP = a.PublicIP
		s.interfaces.put(t, n)
	}
	s.nat.create(t, *g)
	return nil
}

func (s *Service) deleteNAT(ctx context.Context, in *model.DeleteNatGatewayRequest) (*model.DeleteNatGatewayResult, error) {
	return &model.DeleteNatGatewayResult{NatGatewayId: in.NatGatewayId}, s.update(ctx, func(t *txn) error {
		g, err := s.nat.need(t, val(in.NatGatewayId))
		if err != nil || !g.Deleted.IsZero() {
			return err
		}
		if g.AllocationID != "" {
			if a, err := s.addresses.need(t, g.AllocationID); err == nil {
				s.addresses.put(t, released(a))
			}
		}
		if n, err := s.interfaces.need(t, g.InterfaceID); err == nil {
			s.interfaces.remove(t, n)
		}
		g.Deleted = s.now().UTC().Truncate(time.Second)
		s.nat.put(t, g)
		for _, old := range s.nat.list(t, t.Scope) {
			if old.ID != g.ID && s.forgotten(old) {
				s.nat.remove(t, old)
			}
		}
		return nil
	})
}

// forgotten says whether a deleted gateway is no longer shown.
func (s *Service) forgotten(g lamina.NATGateway) bool {
	return !g.Deleted.IsZero() && s.now().Sub(g.Deleted) > natShown
}

func (s *Service) describeNAT(ctx context.Context, in *model.DescribeNatGatewaysRequest) (*model.DescribeNatGatewaysResult, error) {
	found, _, err := s.nat.describe(ctx, s, query{ids: in.NatGatewayIds, filters: in.Filter})
	if err != nil {
		return nil, err
	}
	found, next, err := page(slices.DeleteFunc(found, s.forgotten), idOf[lamina.NATGateway], in.MaxResults, in.NextToken)
	return &model.DescribeNatGatewaysResult{NatGateways: show(found, showNAT), NextToken: next}, err
}

func showNAT(g lamina.NATGateway) model.NatGateway {
	out := model.NatGateway{
		NatGatewayId: &g.ID, VpcId: &g.VPCID, SubnetId: &g.SubnetID, State: new(natState(g)), ConnectivityType: &g.Connectivity,
		CreateTime: &g.Created, Tags: tagSet(g.Tags),
		NatGatewayAddresses: []model.NatGatewayAddress{{
			AllocationId: optional(g.AllocationID), PublicIp: optional(g.PublicIP), PrivateIp: &g.PrivateIP,
			NetworkInterfaceId: &g.InterfaceID, IsPrimary: new(true), Status: new("succeeded"),
		}},
	}
	if !g.Deleted.IsZero() {
		out.DeleteTime = &g.Deleted
	}
	return out
}
