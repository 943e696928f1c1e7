package ec2

import (
	"context"
	"net/netip"
	"slices"
	"strings"

	"github.com/lamina-dev/lamina"
	model "github.com/lamina-dev/lamina/internal/awsmodel/ec2"
	"github.com/lamina-dev/lamina/internal/awsproto"
	"github.com/lamina-dev/lamina/internal/network"
)

// localGateway is the target of the routes within a VPC.
const localGateway = "local"

// destination reads where a route goes to.
func destination(v4, v6, list *string) (lamina.Route, error) {
	r := lamina.Route{PrefixList: val(list)}
	var err error
	if val(v4) != "" {
		r.CIDR, err = routeRange(*v4, false)
	}
	if err == nil && val(v6) != "" {
		r.IPv6CIDR, err = routeRange(*v6, true)
	}
	if err == nil && r.Destination() == "" {
		err = lamina.Errorf("MissingParameter", "The request must contain the parameter destinationCidrBlock or destinationIpv6CidrBlock")
	}
	return r, err
}

func routeRange(cidr string, v6 bool) (string, error) {
	p, err := netip.ParsePrefix(cidr)
	if err != nil || p.Addr().Is6() != v6 {
		return "", lamina.Errorf("InvalidParameterValue", "Value (%s) for parameter destinationCidrBlock is invalid. This is not a valid CIDR block.", cidr)
	}
	return p.Masked().String(), nil
}

func (s *Service) createRoute(ctx context.Context, in *model.CreateRouteRequest) (*model.CreateRouteResult, error) {
	r, err := destination(in.DestinationCidrBlock, in.DestinationIpv6CidrBlock, in.DestinationPrefixListId)
	if err != nil {
		return nil, err
	}
	r.Gateway, r.NATGateway, r.EgressOnly, r.InterfaceID =
		val(in.GatewayId), val(in.NatGatewayId), val(in.EgressOnlyInternetGatewayId), val(in.NetworkInterfaceId)
	if err := onlyKnownTargets(in.TransitGatewayId, in.LocalGatewayId, in.CarrierGatewayId, in.CoreNetworkArn, in.InstanceId, in.VpcPeeringConnectionId, in.VpcEndpointId, in.OdbNetworkArn); err != nil {
		return nil, err
	}
	err = s.update(ctx, func(t *txn) error {
		table, err := s.routeTables.need(t, val(in.RouteTableId))
		if err != nil {
			return err
		}
		if indexRoute(table, r) >= 0 || s.local(t, table, r) {
			return lamina.Errorf("RouteAlreadyExists", "The route identified by %s already exists.", r.Destination())
		}
		if err := s.checkTarget(t, table, r); err != nil {
			return err
		}
		table.Routes = append(slices.Clone(table.Routes), r)
		s.routeTables.put(t, table)
		return nil
	})
	return &model.CreateRouteResult{Return: new(true)}, err
}

// onlyKnownTargets refuses targets that Lamina has no resources of.
func onlyKnownTargets(others ...*string) error {
	for _, o := range others {
		if val(o) != "" {
			return lamina.Errorf("UnsupportedOperation", "Routes to '%s' are not supported.", *o)
		}
	}
	return nil
}

func indexRoute(table lamina.RouteTable, r lamina.Route) int {
	return slices.IndexFunc(table.Routes, func(o lamina.Route) bool { return o.Destination() == r.Destination() })
}

// local says whether the destination is the VPC itself.
func (s *Service) local(t *txn, table lamina.RouteTable, r lamina.Route) bool {
	v, _ := s.vpcs.get(t, t.Scope, table.VPCID)
	return r.Destination() == v.CIDR || v.IPv6CIDR != "" && r.Destination() == v.IPv6CIDR
}

// checkTarget finds what a route points at, and that it serves the same VPC.
func (s *Service) checkTarget(t *txn, table lamina.RouteTable, r lamina.Route) error {
	var vpc string
	var err error
	switch {
	case r.Gateway != "":
		var g lamina.InternetGateway
		g, err = s.internet.need(t, r.Gateway)
		vpc = g.VPCID
		if err != nil && strings.HasPrefix(r.Gateway, "igw-") {
			err = lamina.Errorf("InvalidGatewayID.NotFound", "The gateway ID '%s' does not exist", r.Gateway)
		}
	case r.NATGateway != "":
		var g lamina.NATGateway
		g, err = s.nat.need(t, r.NATGateway)
		vpc = g.VPCID
		if err != nil || !g.Deleted.IsZero() {
			err = lamina.Errorf("InvalidNatGatewayID.NotFound", "The natGateway ID '%s' does not exist", r.NATGateway)
		}
	case r.EgressOnly != "":
		var g lamina.EgressOnlyGateway
		g, err = s.egressOnly.need(t, r.EgressOnly)
		vpc = g.VPCID
	case r.InterfaceID != "":
		var n lamina.NetworkInterface
		n, err = s.interfaces.need(t, r.InterfaceID)
		vpc = n.VPCID
	default:
		err = lamina.Errorf("MissingParameter", "The request must contain exactly one of gatewayId, natGatewayId, networkInterfaceId, vpcPeeringConnectionId, egressOnlyInternetGatewayId, transitGatewayId, localGatewayId, carrierGatewayId, vpcEndpointId or instanceId")
	}
	if err == nil && vpc != table.VPCID {
		err = lamina.Errorf("InvalidParameterValue", "route table %s and network gateway %s belong to different networks", table.ID, r.Target())
	}
	return err
}

func (s *Service) replaceRoute(ctx context.Context, in *model.ReplaceRouteRequest) (*awsproto.Empty, error) {
	r, err := destination(in.DestinationCidrBlock, in.DestinationIpv6CidrBlock, in.DestinationPrefixListId)
	if err != nil {
		return nil, err
	}
	r.Gateway, r.NATGateway, r.EgressOnly, r.InterfaceID =
		val(in.GatewayId), val(in.NatGatewayId), val(in.EgressOnlyInternetGatewayId), val(in.NetworkInterfaceId)
	return nil, s.update(ctx, func(t *txn) error {
		table, err := s.routeTables.need(t, val(in.RouteTableId))
		if err != nil {
			return err
		}
		i := indexRoute(table, r)
		if i < 0 {
			return lamina.Errorf("InvalidParameterValue", "There is no route defined for '%s' in the route table. Use CreateRoute instead.", r.Destination())
		}
		if err := s.checkTarget(t, table, r); err != nil {
			return err
		}
		table.Routes = slices.Clone(table.Routes)
		table.Routes[i] = r
		s.routeTables.put(t, table)
		return nil
	})
}

func (s *Service) deleteRoute(ctx context.Context, in *model.DeleteRouteRequest) (*awsproto.Empty, error) {
	r, err := destination(in.DestinationCidrBlock, in.DestinationIpv6CidrBlock, in.DestinationPrefixListId)
	if err != nil {
		return nil, err
	}
	return nil, s.update(ctx, func(t *txn) error {
		table, err := s.routeTables.need(t, val(in.RouteTableId))
		if err != nil {
			return err
		}
		if s.local(t, table, r) {
			return lamina.Errorf("InvalidParameterValue", "cannot remove local route %s in route table %s", r.Destination(), table.ID)
		}
		i := indexRoute(table, r)
		if i < 0 {
			return lamina.Errorf("InvalidRoute.NotFound", "no route with destination-cidr-block %s in route table %s", r.Destination(), table.ID)
		}
		table.Routes = slices.Delete(slices.Clone(table.Routes), i, i+1)
		s.routeTables.put(t, table)
		return nil
	})
}

// showRoutes lists a table's routes: within the VPC, to gateway endpoints, and
// those that users made.
func (s *Service) showRoutes(table lamina.RouteTable) []model.Route {
	out := []model.Route{}
	v, _ := s.vpcs.get(s.view, table.Scope, table.VPCID)
	local := model.Route{GatewayId: new(localGateway), Origin: new("CreateRouteTable"), State: new("active")}
	if v.IPv6CIDR != "" {
		six := local
		six.DestinationIpv6CidrBlock = &v.IPv6CIDR
		out = append(out, six)
	}
	local.DestinationCidrBlock = &v.CIDR
	out = append(out, local)
	for _, r := range table.Routes {
		out = append(out, s.showRoute(table.Scope, r))
	}
	for _, e := range s.endpoints.list(s.view, table.Scope) {
		if slices.Contains(e.RouteTableIDs, table.ID) {
			out = append(out, model.Route{
				DestinationPrefixListId: new(network.PrefixListID(e.Region, shortService(e.Service))), GatewayId: &e.ID,
				Origin: new("CreateRoute"), State: new("active"),
			})
		}
	}
	return out
}

func (s *Service) showRoute(at lamina.Scope, r lamina.Route) model.Route {
	state := "active"
	if !s.reachable(at, r) {
		state = "blackhole"
	}
	return model.Route{
		DestinationCidrBlock: optional(r.CIDR), DestinationIpv6CidrBlock: optional(r.IPv6CIDR), DestinationPrefixListId: optional(r.PrefixList),
		GatewayId: optional(r.Gateway), NatGatewayId: optional(r.NATGateway), EgressOnlyInternetGatewayId: optional(r.EgressOnly),
		NetworkInterfaceId: optional(r.InterfaceID), Origin: new("CreateRoute"), State: &state,
	}
}

// reachable says whether a route's target still works.
func (s *Service) reachable(at lamina.Scope, r lamina.Route) bool {
	switch {
	case r.Gateway != "":
		g, ok := s.internet.get(s.view, at, r.Gateway)
		return ok && g.VPCID != ""
	case r.NATGateway != "":
		g, ok := s.nat.get(s.view, at, r.NATGateway)
		return ok && g.Deleted.IsZero()
	case r.EgressOnly != "":
		_, ok := s.egressOnly.get(s.view, at, r.EgressOnly)
		return ok
	default:
		_, ok := s.interfaces.get(s.view, at, r.InterfaceID)
		return ok
	}
}
