package ec2

import (
	"context"

	"github.com/lamina-dev/lamina"
	model "github.com/lamina-dev/lamina/internal/awsmodel/ec2"
	"github.com/lamina-dev/lamina/internal/awsproto"
	"github.com/lamina-dev/lamina/internal/network"
	"github.com/lamina-dev/lamina/internal/store/view"
)

func internetKind(table *view.Table[lamina.InternetGateway]) *kind[lamina.InternetGateway] {
	return &kind[lamina.InternetGateway]{
		resource: "internet-gateway", prefix: "igw", noun: "internetGateway", code: "InvalidInternetGatewayID", table: table,
		tags: func(g *lamina.InternetGateway) *lamina.Tags { return &g.Tags },
		fields: fields[lamina.InternetGateway]{
			"internet-gateway-id": single(func(g lamina.InternetGateway) string { return g.ID }),
			"owner-id":            single(func(g lamina.InternetGateway) string { return g.Account }),
			"attachment.vpc-id":   single(func(g lamina.InternetGateway) string { return g.VPCID }),
			"attachment.state": func(g lamina.InternetGateway) []string {
				if g.VPCID == "" {
					return nil
				}
				return []string{"available"}
			},
		},
	}
}

func (s *Service) createInternetGateway(ctx context.Context, in *model.CreateInternetGatewayRequest) (*model.CreateInternetGatewayResult, error) {
	tags, err := tagsFor("internet-gateway", in.TagSpecifications)
	if err != nil {
		return nil, err
	}
	g := lamina.InternetGateway{Scope: scopeOf(ctx), ID: network.NewID("igw"), Tags: tags}
	err = s.update(ctx, func(t *txn) error {
		s.internet.create(t, g)
		return nil
	})
	return &model.CreateInternetGatewayResult{InternetGateway: new(showInternetGateway(g))}, err
}

func (s *Service) attachInternetGateway(ctx context.Context, in *model.AttachInternetGatewayRequest) (*awsproto.Empty, error) {
	return nil, s.update(ctx, func(t *txn) error {
		g, err := s.internet.need(t, val(in.InternetGatewayId))
		if err != nil {
			return err
		}
		v, err := s.vpcs.need(t, val(in.VpcId))
		if err != nil {
			return err
		}
		if g.VPCID != "" {
			return lamina.Errorf("Resource.AlreadyAssociated", "resource %s is already attached to network %s", g.ID, g.VPCID)
		}
		if holds(s.internet.scan(t), func(o lamina.InternetGateway) bool { return o.VPCID == v.ID }) {
			return lamina.Errorf("InvalidParameterValue", "Network %s already has an internet gateway attached", v.ID)
		}
		g.VPCID = v.ID
		s.internet.put(t, g)
		return nil
	})
}

func (s *Service) detachInternetGateway(ctx context.Context, in *model.DetachInternetGatewayRequest) (*awsproto.Empty, error) {
	return nil, s.update(ctx, func(t *txn) error {
		g, err := s.internet.need(t, val(in.InternetGatewayId))
		if err != nil {
			return err
		}
		vpc := val(in.VpcId)
		if g.VPCID == "" || g.VPCID != vpc {
			return lamina.Errorf("Gateway.NotAttached", "resource %s is not attached to network %s", g.ID, vpc)
		}
		if s.hasPublicAddress(t, vpc) {
			return lamina.Errorf("DependencyViolation", "Network %s has some mapped public address(es). Please unmap those public address(es) before detaching the gateway.", vpc)
		}
		g.VPCID = ""
		s.internet.put(t, g)
		return nil
	})
}

// hasPublicAddress says whether an interface of the VPC has a public address.
func (s *Service) hasPublicAddress(t *txn, vpc string) bool {
	return holds(s.interfaces.scan(t), func(n lamina.NetworkInterface) bool { return n.VPCID == vpc && n.PublicIP != "" })
}

func (s *Service) deleteInternetGateway(ctx context.Context, in *model.DeleteInternetGatewayRequest) (*awsproto.Empty, error) {
	return nil, s.update(ctx, func(t *txn) error {
		g, err := s.internet.need(t, val(in.InternetGatewayId))
		if err != nil {
			return err
		}
		if g.VPCID != "" {
			return lamina.Errorf("DependencyViolation", "The internetGateway '%s' has dependencies and cannot be deleted.", g.ID)
		}
		s.internet.remove(t, g)
		return nil
	})
}

func (s *Service) describeInternetGateways(ctx context.Context, in *model.DescribeInternetGatewaysRequest) (*model.DescribeInternetGatewaysResult, error) {
	found, next, err := s.internet.describe(ctx, s, query{in.InternetGatewayIds, in.Filters, in.MaxResults, in.NextToken})
	return &model.DescribeInternetGatewaysResult{InternetGateways: show(found, showInternetGateway), NextToken: next}, err
}

func showInternetGateway(g lamina.InternetGateway) model.InternetGateway {
	out := model.InternetGateway{
		InternetGatewayId: &g.ID, OwnerId: &g.Account, Attachments: []model.InternetGatewayAttachment{}, Tags: tagSet(g.Tags),
	}
	if g.VPCID != "" {
		out.Attachments = []model.InternetGatewayAttachment{{VpcId: &g.VPCID, State: new("available")}}
	}
	return out
}

func egressOnlyKind(table *view.Table[lamina.EgressOnlyGateway]) *kind[lamina.EgressOnlyGateway] {
	return &kind[lamina.EgressOnlyGateway]{
		resource: "egress-only-internet-gateway", prefix: "eigw", noun: "eigw", code: "InvalidGatewayID", table: table,
		tags: func(g *lamina.EgressOnlyGateway) *lamina.Tags { return &g.Tags },
		fields: fields[lamina.EgressOnlyGateway]{
			"egress-only-internet-gateway-id": single(func(g lamina.EgressOnlyGateway) string { return g.ID }),
			"attachment.vpc-id":               single(func(g lamina.EgressOnlyGateway) string { return g.VPCID }),
		},
	}
}

func (s *Service) createEgressOnly(ctx context.Context, in *model.CreateEgressOnlyInternetGatewayRequest) (*model.CreateEgressOnlyInternetGatewayResult, error) {
	tags, err := tagsFor("egress-only-internet-gateway", in.TagSpecifications)
	if err != nil {
		return nil, err
	}
	g := lamina.EgressOnlyGateway{Scope: scopeOf(ctx), ID: network.NewID("eigw"), VPCID: val(in.VpcId), Tags: tags}
	err = s.update(ctx, func(t *txn) error {
		if _, err := s.vpcs.need(t, g.VPCID); err != nil {
			return err
		}
		s.egressOnly.create(t, g)
		return nil
	})
	return &model.CreateEgressOnlyInternetGatewayResult{EgressOnlyInternetGateway: new(showEgressOnly(g)), ClientToken: in.ClientToken}, err
}

func (s *Service) deleteEgressOnly(ctx context.Context, in *model.DeleteEgressOnlyInternetGatewayRequest) (*model.DeleteEgressOnlyInternetGatewayResult, error) {
	return &model.DeleteEgressOnlyInternetGatewayResult{ReturnCode: new(true)}, s.update(ctx, func(t *txn) error {
		g, err := s.egressOnly.need(t, val(in.EgressOnlyInternetGatewayId))
		if err != nil {
			return err
		}
		s.egressOnly.remove(t, g)
		return nil
	})
}

func (s *Service) describeEgressOnly(ctx context.Context, in *model.DescribeEgressOnlyInternetGatewaysRequest) (*model.DescribeEgressOnlyInternetGatewaysResult, error) {
	found, next, err := s.egressOnly.describe(ctx, s, query{in.EgressOnlyInternetGatewayIds, in.Filters, in.MaxResults, in.NextToken})
	return &model.DescribeEgressOnlyInternetGatewaysResult{EgressOnlyInternetGateways: show(found, showEgressOnly), NextToken: next}, err
}

func showEgressOnly(g lamina.EgressOnlyGateway) model.EgressOnlyInternetGateway {
	return model.EgressOnlyInternetGateway{
		EgressOnlyInternetGatewayId: &g.ID, Tags: tagSet(g.Tags),
		Attachments: []model.InternetGatewayAttachment{{VpcId: &g.VPCID, State: new("attached")}},
	}
}
