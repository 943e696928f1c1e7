package ec2

import (
	"context"
	"slices"
	"strings"

	"github.com/lamina-dev/lamina"
	model "github.com/lamina-dev/lamina/internal/awsmodel/ec2"
	"github.com/lamina-dev/lamina/internal/awsproto"
	"github.com/lamina-dev/lamina/internal/network"
	"github.com/lamina-dev/lamina/internal/store/view"
)

func routeTableKind(table *view.Table[lamina.RouteTable]) *kind[lamina.RouteTable] {
	return &kind[lamina.RouteTable]{
		resource: "route-table", prefix: "rtb", noun: "routeTable", code: "InvalidRouteTableID", table: table,
		tags: func(r *lamina.RouteTable) *lamina.Tags { return &r.Tags },
		fields: fields[lamina.RouteTable]{
			"route-table-id":                         single(func(r lamina.RouteTable) string { return r.ID }),
			"vpc-id":                                 single(func(r lamina.RouteTable) string { return r.VPCID }),
			"owner-id":                               single(func(r lamina.RouteTable) string { return r.Account }),
			"association.main":                       func(r lamina.RouteTable) []string { return yes(r.Main()) },
			"association.route-table-id":             anyAssociation(func(r lamina.RouteTable, _ lamina.RouteAssociation) string { return r.ID }),
			"association.subnet-id":                  anyAssociation(func(_ lamina.RouteTable, a lamina.RouteAssociation) string { return a.SubnetID }),
			"association.route-table-association-id": anyAssociation(func(_ lamina.RouteTable, a lamina.RouteAssociation) string { return a.ID }),
			"association.gateway-id":                 func(lamina.RouteTable) []string { return nil },
			"route.destination-cidr-block":           anyRoute(func(r lamina.Route) string { return r.CIDR }),
			"route.destination-ipv6-cidr-block":      anyRoute(func(r lamina.Route) string { return r.IPv6CIDR }),
			"route.destination-prefix-list-id":       anyRoute(func(r lamina.Route) string { return r.PrefixList }),
			"route.gateway-id":                       anyRoute(func(r lamina.Route) string { return r.Gateway }),
			"route.nat-gateway-id":                   anyRoute(func(r lamina.Route) string { return r.NATGateway }),
			"route.egress-only-internet-gateway-id":  anyRoute(func(r lamina.Route) string { return r.EgressOnly }),
			"route.state":                            func(lamina.RouteTable) []string { return []string{"active"} },
		},
	}
}

func anyAssociation(get func(lamina.RouteTable, lamina.RouteAssociation) string) func(lamina.RouteTable) []string {
	return func(r lamina.RouteTable) []string {
		var out []string
		for _, a := range r.Associations {
			out = append(out, some(get(r, a))...)
		}
		return out
	}
}

func anyRoute(get func(lamina.Route) string) func(lamina.RouteTable) []string {
	return func(t lamina.RouteTable) []string { return some(show(t.Routes, get)...) }
}

func (s *Service) createRouteTable(ctx context.Context, in *model.CreateRouteTableRequest) (*model.CreateRouteTableResult, error) {
	tags, err := tagsFor("route-table", in.TagSpecifications)
	if err != nil {
		return nil, err
	}
	table := lamina.RouteTable{Scope: scopeOf(ctx), ID: network.NewID("rtb"), VPCID: val(in.VpcId), Tags: tags}
	err = s.update(ctx, func(t *txn) error {
		if _, err := s.vpcs.need(t, table.VPCID); err != nil {
			return err
		}
		s.routeTables.create(t, table)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &model.CreateRouteTableResult{RouteTable: new(s.showRouteTable(table)), ClientToken: in.ClientToken}, nil
}

func (s *Service) deleteRouteTable(ctx context.Context, in *model.DeleteRouteTableRequest) (*awsproto.Empty, error) {
	return nil, s.update(ctx, func(t *txn) error {
		table, err := s.routeTables.need(t, val(in.RouteTableId))
		if err != nil {
			return err
		}
		endpoint := func(e lamina.VPCEndpoint) bool { return slices.Contains(e.RouteTableIDs, table.ID) }
		if len(table.Associations) > 0 || holds(s.endpoints.scan(t), endpoint) {
			return lamina.Errorf("DependencyViolation", "The routeTable '%s' has dependencies and cannot be deleted.", table.ID)
		}
		s.routeTables.remove(t, table)
		return nil
	})
}

func (s *Service) describeRouteTables(ctx context.Context, in *model.DescribeRouteTablesRequest) (*model.DescribeRouteTablesResult, error) {
	found, next, err := s.routeTables.describe(ctx, s, query{in.RouteTableIds, in.Filters, in.MaxResults, in.NextToken})
	return &model.DescribeRouteTablesResult{RouteTables: show(found, s.showRouteTable), NextToken: next}, err
}

func (s *Service) showRouteTable(table lamina.RouteTable) model.RouteTable {
	return model.RouteTable{
		RouteTableId: &table.ID, VpcId: &table.VPCID, OwnerId: &table.Account, Tags: tagSet(table.Tags),
		PropagatingVgws: []model.PropagatingVgw{}, Routes: s.showRoutes(table),
		Associations: show(table.Associations, func(a lamina.RouteAssociation) model.RouteTableAssociation {
			return model.RouteTableAssociation{
				RouteTableAssociationId: &a.ID, RouteTableId: &table.ID, Main: &a.Main, SubnetId: optional(a.SubnetID),
				AssociationState: associated(),
			}
		}),
	}
}

func associated() *model.RouteTableAssociationState {
	return &model.RouteTableAssociationState{State: new("associated")}
}

func (s *Service) associateRouteTable(ctx context.Context, in *model.AssociateRouteTableRequest) (*model.AssociateRouteTableResult, error) {
	if val(in.SubnetId) == "" {
		return nil, lamina.Errorf("MissingParameter", "The request must contain the parameter subnetId")
	}
	a := lamina.RouteAssociation{ID: network.NewID("rtbassoc"), SubnetID: *in.SubnetId}
	err := s.update(ctx, func(t *txn) error {
		table, err := s.routeTables.need(t, val(in.RouteTableId))
		if err != nil {
			return err
		}
		subnet, err := s.subnets.need(t, a.SubnetID)
		if err != nil {
			return err
		}
		if subnet.VPCID != table.VPCID {
			return lamina.Errorf("InvalidParameterValue", "route table %s and subnet %s belong to different networks", table.ID, subnet.ID)
		}
		bound := func(o lamina.RouteAssociation) bool { return o.SubnetID == subnet.ID }
		for _, other := range s.routeTables.scan(t) {
			if slices.ContainsFunc(other.Associations, bound) {
				return lamina.Errorf("Resource.AlreadyAssociated", "the specified association for route table %s conflicts with an existing association", table.ID)
			}
		}
		table.Associations = append(slices.Clone(table.Associations), a)
		s.routeTables.put(t, table)
		return nil
	})
	return &model.AssociateRouteTableResult{AssociationId: &a.ID, AssociationState: associated()}, err
}

// takeAssociation removes an association from the table that has it.
func (s *Service) takeAssociation(t *txn, id string) (lamina.RouteTable, lamina.RouteAssociation, error) {
	is := func(a lamina.RouteAssociation) bool { return a.ID == id }
	for _, table := range s.routeTables.scan(t) {
		if i := slices.IndexFunc(table.Associations, is); i >= 0 {
			a := table.Associations[i]
			table.Associations = slices.DeleteFunc(slices.Clone(table.Associations), is)
			return table, a, nil
		}
	}
	if !strings.HasPrefix(id, "rtbassoc-") {
		return lamina.RouteTable{}, lamina.RouteAssociation{}, lamina.Errorf("InvalidAssociationID.Malformed", "Invalid id: %q (expecting \"rtbassoc-...\")", id)
	}
	return lamina.RouteTable{}, lamina.RouteAssociation{}, lamina.Errorf("InvalidAssociationID.NotFound", "The association ID '%s' does not exist", id)
}

func (s *Service) disassociateRouteTable(ctx context.Context, in *model.DisassociateRouteTableRequest) (*awsproto.Empty, error) {
	return nil, s.update(ctx, func(t *txn) error {
		table, a, err := s.takeAssociation(t, val(in.AssociationId))
		if err != nil {
			return err
		}
		if a.Main {
			return lamina.Errorf("InvalidParameterValue", "cannot disassociate the main route table association %s", a.ID)
		}
		s.routeTables.put(t, table)
		return nil
	})
}

func (s *Service) replaceRouteTableAssociation(ctx context.Context, in *model.ReplaceRouteTableAssociationRequest) (*model.ReplaceRouteTableAssociationResult, error) {
	id := network.NewID("rtbassoc")
	err := s.update(ctx, func(t *txn) error {
		from, a, err := s.takeAssociation(t, val(in.AssociationId))
		if err != nil {
			return err
		}
		to, err := s.routeTables.need(t, val(in.RouteTableId))
		if err != nil {
			return err
		}
		switch {
		case to.VPCID != from.VPCID:
			return lamina.Errorf("InvalidParameterValue", "route table %s and route table %s belong to different networks", to.ID, from.ID)
		case to.ID == from.ID:
			to = from
		default:
			s.routeTables.put(t, from)
		}
		a.ID = id
		to.Associations = append(slices.Clone(to.Associations), a)
		s.routeTables.put(t, to)
		return nil
	})
	return &model.ReplaceRouteTableAssociationResult{NewAssociationId: &id, AssociationState: associated()}, err
}
