package ec2

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/lamina-dev/lamina"
	model "github.com/lamina-dev/lamina/internal/awsmodel/ec2"
	"github.com/lamina-dev/lamina/internal/network"
	"github.com/lamina-dev/lamina/internal/store/view"
)

// fullAccess is the policy of an endpoint that was given none.
const fullAccess = `{"Statement":[{"Action":"*","Effect":"Allow","Principal":"*","Resource":"*"}]}`

func endpointKind(table *view.Table[lamina.VPCEndpoint]) *kind[lamina.VPCEndpoint] {
	return &kind[lamina.VPCEndpoint]{
		resource: "vpc-endpoint", prefix: "vpce", noun: "Vpc Endpoint", code: "InvalidVpcEndpointId", table: table,
		text: "The Vpc Endpoint Id '%s' does not exist",
		tags: func(e *lamina.VPCEndpoint) *lamina.Tags { return &e.Tags },
		fields: fields[lamina.VPCEndpoint]{
			"vpc-endpoint-id":    single(func(e lamina.VPCEndpoint) string { return e.ID }),
			"vpc-id":             single(func(e lamina.VPCEndpoint) string { return e.VPCID }),
			"service-name":       single(func(e lamina.VPCEndpoint) string { return e.Service }),
			"vpc-endpoint-type":  single(func(e lamina.VPCEndpoint) string { return e.Type }),
			"ip-address-type":    single(func(e lamina.VPCEndpoint) string { return e.IPType }),
			"vpc-endpoint-state": func(lamina.VPCEndpoint) []string { return []string{"available"} },
		},
	}
}

func (s *Service) createEndpoint(ctx context.Context, in *model.CreateVpcEndpointRequest) (*model.CreateVpcEndpointResult, error) {
	tags, err := tagsFor("vpc-endpoint", in.TagSpecifications)
	if err != nil {
		return nil, err
	}
	e := lamina.VPCEndpoint{
		Scope: scopeOf(ctx), ID: network.NewID("vpce"), VPCID: val(in.VpcId), Service: val(in.ServiceName), Type: val(in.VpcEndpointType),
		Policy: val(in.PolicyDocument), IPType: val(in.IpAddressType), RouteTableIDs: in.RouteTableIds, SubnetIDs: in.SubnetIds,
		Created: s.now().UTC().Truncate(time.Second), Tags: tags,
	}
	if err := endpointDefaults(&e, in); err != nil {
		return nil, err
	}
	err = s.update(ctx, func(t *txn) error { return s.addEndpoint(t, e.Clone(), in.SecurityGroupIds, &e) })
	if err != nil {
		return nil, err
	}
	return &model.CreateVpcEndpointResult{VpcEndpoint: new(s.showEndpoint(e)), ClientToken: in.ClientToken}, nil
}

// endpointDefaults fills in what the request left to EC2 and refuses what the
// service has no endpoint for.
func endpointDefaults(e *lamina.VPCEndpoint, in *model.CreateVpcEndpointRequest) error {
	if e.Type == "" {
		e.Type = model.VpcEndpointTypeGateway
	}
	svc, ok := findService(e.Region, e.Service)
	if !ok || !slices.Contains(svc.types(), e.Type) {
		return lamina.Errorf("InvalidServiceName", "The Vpc Endpoint Service '%s' does not exist", e.Service)
	}
	if e.Policy == "" {
		e.Policy = fullAccess
	}
	if !json.Valid([]byte(e.Policy)) {
		return lamina.Errorf("InvalidPolicyDocument", "Policy document should not specify a principal or is not valid JSON.")
	}
	if e.IPType == "" {
		e.IPType = "ipv4"
	}
	if e.Type == model.VpcEndpointTypeInterface {
		e.PrivateDNS = in.PrivateDnsEnabled == nil || *in.PrivateDnsEnabled
		e.DNSRecordType = "ipv4"
	} else {
		e.DNSRecordType = "service-defined"
	}
	if in.DnsOptions != nil && val(in.DnsOptions.DnsRecordIpType) != "" {
		e.DNSRecordType = *in.DnsOptions.DnsRecordIpType
	}
	return nil
}

func (s *Service) addEndpoint(t *txn, e lamina.VPCEndpoint, groups []string, made *lamina.VPCEndpoint) error {
	v, err := s.vpcs.need(t, e.VPCID)
	if err != nil {
		return err
	}
	if err := s.checkTables(t, e, e.RouteTableIDs); err != nil {
		return err
	}
	if e.Type == model.VpcEndpointTypeInterface {
		if err := s.checkPrivateDNS(t, v, e); err != nil {
			return err
		}
		if e.GroupIDs, err = s.groupsFor(t, v.ID, groups); err != nil {
			return err
		}
		if err := s.oneSubnetPerZone(t, e.SubnetIDs); err != nil {
			return err
		}
		for _, id := range e.SubnetIDs {
			if err := s.enter(t, &e, id); err != nil {
				return err
			}
		}
	}
	s.endpoints.create(t, e)
	*made = e
	return nil
}

// checkTables says whether a gateway endpoint can be reached through the tables.
func (s *Service) checkTables(t *txn, e lamina.VPCEndpoint, ids []string) error {
	for _, id := range ids {
		table, err := s.routeTables.need(t, id)
		if err != nil {
			return err
		}
		if table.VPCID != e.VPCID {
			return lamina.Errorf("InvalidParameter", "route table %s does not belong to VPC %s", id, e.VPCID)
		}
		taken := func(o lamina.VPCEndpoint) bool {
			return o.ID != e.ID && o.Service == e.Service && slices.Contains(o.RouteTableIDs, id)
		}
		if holds(s.endpoints.scan(t), taken) {
			return lamina.Errorf("RouteAlreadyExists", "route table %s already has a route with destination-prefix-list-id %s", id, network.PrefixListID(e.Region, shortService(e.Service)))
		}
	}
	return nil
}

func (s *Service) checkPrivateDNS(t *txn, v lamina.VPC, e lamina.VPCEndpoint) error {
	if !e.PrivateDNS {
		return nil
	}
	if !v.DNSSupport || !v.DNSHostnames {
		return lamina.Errorf("InvalidParameter", "Enabling private DNS requires both enableDnsSupport and enableDnsHostnames VPC attributes set to true for %s", v.ID)
	}
	conflict := func(o lamina.VPCEndpoint) bool {
		return o.ID != e.ID && o.VPCID == v.ID && o.Service == e.Service && o.PrivateDNS
	}
	if holds(s.endpoints.scan(t), conflict) {
		return lamina.Errorf("InvalidParameter", "private-dns-enabled cannot be set because there is already a conflicting DNS domain for %s in the VPC %s", privateDNSName(e.Region, e.Service), v.ID)
	}
	return nil
}

// oneSubnetPerZone refuses two subnets of an endpoint in one zone.
func (s *Service) oneSubnetPerZone(t *txn, ids []string) error {
	zones := map[string]bool{}
	for _, id := range ids {
		subnet, err := s.subnets.need(t, id)
		if err != nil {
			return err
		}
		if zones[subnet.Zone] {
			return lamina.Errorf("DuplicateSubnetsInSameZone", "Found another VPC endpoint subnet in the availability zone of %s", id)
		}
		zones[subnet.Zone] = true
	}
	return nil
}

// enter gives an interface endpoint its interface in a subnet.
func (s *Service) enter(t *txn, e *lamina.VPCEndpoint, id string) error {
	subnet, err := s.subnets.need(t, id)
	if err != nil {
		return err
	}
	if subnet.VPCID != e.VPCID {
		return lamina.Errorf("InvalidParameter", "subnet %s does not belong to VPC %s", id, e.VPCID)
	}
	n := lamina.NetworkInterface{
		Scope: t.Scope, ID: network.NewID("eni"), Description: "VPC Endpoint Interface " + e.ID, GroupIDs: e.GroupIDs,
		InterfaceType: endpointInterface, Requester: amazon, AttachmentID: network.NewID("ela-attach"),
	}
	if err := s.place(t, &n, subnet, ""); err != nil {
		return err
	}
	e.InterfaceIDs = append(e.InterfaceIDs, n.ID)
	return nil
}

// leave takes an interface endpoint's interface out of a subnet.
func (s *Service) leave(t *txn, e *lamina.VPCEndpoint, subnet string) {
	for _, id := range slices.Clone(e.InterfaceIDs) {
		if n, err := s.interfaces.need(t, id); err == nil && n.SubnetID == subnet {
			s.interfaces.remove(t, n)
			e.InterfaceIDs = slices.DeleteFunc(e.InterfaceIDs, func(other string) bool { return other == id })
		}
	}
}

func (s *Service) deleteEndpoints(ctx context.Context, in *model.DeleteVpcEndpointsRequest) (*model.DeleteVpcEndpointsResult, error) {
	out := &model.DeleteVpcEndpointsResult{Unsuccessful: []model.UnsuccessfulItem{}}
	for _, id := range in.VpcEndpointIds {
		err := s.update(ctx, func(t *txn) error { return s.deleteEndpoint(t, id) })
		if code := lamina.ErrorCode(err); code != "" {
			_, text, _ := lamina.Errorf(code, "The Vpc Endpoint Id '%s' does not exist", id).AWSError()
			out.Unsuccessful = append(out.Unsuccessful, model.UnsuccessfulItem{
				ResourceId: new(id), Error: &model.UnsuccessfulItemError{Code: &code, Message: &text},
			})
		} else if err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (s *Service) deleteEndpoint(t *txn, id string) error {
	e, err := s.endpoints.need(t, id)
	if err != nil {
		return err
	}
	e = e.Clone()
	for _, subnet := range e.SubnetIDs {
		s.leave(t, &e, subnet)
	}
	s.endpoints.remove(t, e)
	return nil
}

func (s *Service) modifyEndpoint(ctx context.Context, in *model.ModifyVpcEndpointRequest) (*model.ModifyVpcEndpointResult, error) {
	return &model.ModifyVpcEndpointResult{Return: new(true)}, s.update(ctx, func(t *txn) error {
		e, err := s.endpoints.need(t, val(in.VpcEndpointId))
		if err != nil {
			return err
		}
		e = e.Clone()
		if val(in.ResetPolicy) {
			e.Policy = fullAccess
		} else if val(in.PolicyDocument) != "" {
			e.Policy = *in.PolicyDocument
		}
		if err := s.changeReach(t, &e, in); err != nil {
			return err
		}
		s.endpoints.put(t, e)
		return nil
	})
}

// changeReach applies what a modification says of tables, subnets, groups and names.
func (s *Service) changeReach(t *txn, e *lamina.VPCEndpoint, in *model.ModifyVpcEndpointRequest) error {
	if err := s.checkTables(t, *e, in.AddRouteTableIds); err != nil {
		return err
	}
	e.RouteTableIDs = altered(e.RouteTableIDs, in.AddRouteTableIds, in.RemoveRouteTableIds)
	if len(in.AddSecurityGroupIds) > 0 {
		if _, err := s.groupsFor(t, e.VPCID, in.AddSecurityGroupIds); err != nil {
			return err
		}
	}
	e.GroupIDs = altered(e.GroupIDs, in.AddSecurityGroupIds, in.RemoveSecurityGroupIds)
	if err := s.changeSubnets(t, e, in); err != nil {
		return err
	}
	if in.PrivateDnsEnabled != nil {
		e.PrivateDNS = *in.PrivateDnsEnabled
		v, err := s.vpcs.need(t, e.VPCID)
		if err != nil {
			return err
		}
		return s.checkPrivateDNS(t, v, *e)
	}
	return nil
}

func (s *Service) changeSubnets(t *txn, e *lamina.VPCEndpoint, in *model.ModifyVpcEndpointRequest) error {
	for _, id := range in.RemoveSubnetIds {
		s.leave(t, e, id)
	}
	for _, id := range e.InterfaceIDs {
		if n, err := s.interfaces.need(t, id); err == nil {
			n.GroupIDs = e.GroupIDs
			s.interfaces.put(t, n)
		}
	}
	for _, id := range in.AddSubnetIds {
		if slices.Contains(e.SubnetIDs, id) {
			continue
		}
		if err := s.enter(t, e, id); err != nil {
			return err
		}
	}
	e.SubnetIDs = altered(e.SubnetIDs, in.AddSubnetIds, in.RemoveSubnetIds)
	return s.oneSubnetPerZone(t, e.SubnetIDs)
}

// altered is a list with some ids more and some less.
func altered(list, add, remove []string) []string {
	out := slices.DeleteFunc(slices.Clone(list), func(id string) bool { return slices.Contains(remove, id) })
	for _, id := range add {
		if !slices.Contains(out, id) {
			out = append(out, id)
		}
	}
	return out
}

func (s *Service) describeEndpoints(ctx context.Context, in *model.DescribeVpcEndpointsRequest) (*model.DescribeVpcEndpointsResult, error) {
	found, next, err := s.endpoints.describe(ctx, s, query{in.VpcEndpointIds, in.Filters, in.MaxResults, in.NextToken})
	return &model.DescribeVpcEndpointsResult{VpcEndpoints: show(found, s.showEndpoint), NextToken: next}, err
}

func (s *Service) showEndpoint(e lamina.VPCEndpoint) model.VpcEndpoint {
	return model.VpcEndpoint{
		VpcEndpointId: &e.ID, VpcEndpointType: &e.Type, VpcId: &e.VPCID, ServiceName: &e.Service, State: new("available"),
		PolicyDocument: &e.Policy, RouteTableIds: present(e.RouteTableIDs), SubnetIds: present(e.SubnetIDs),
		NetworkInterfaceIds: present(e.InterfaceIDs), IpAddressType: &e.IPType, PrivateDnsEnabled: &e.PrivateDNS,
		DnsOptions: &model.DnsOptions{DnsRecordIpType: &e.DNSRecordType}, DnsEntries: endpointNames(e),
		Groups:           show(s.identify(s.view, e.Scope, e.GroupIDs), func(g model.GroupIdentifier) model.SecurityGroupIdentifier { return model.SecurityGroupIdentifier(g) }),
		RequesterManaged: new(false), CreationTimestamp: &e.Created, OwnerId: &e.Account, ServiceRegion: &e.Region, Tags: tagSet(e.Tags),
	}
}

// present is a list that shows in an answer even when it is empty.
func present(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

// endpointNames are the names an interface endpoint answers to.
func endpointNames(e lamina.VPCEndpoint) []model.DnsEntry {
	out := []model.DnsEntry{}
	if e.Type != model.VpcEndpointTypeInterface {
		return out
	}
	zone := strings.ToUpper(strings.ReplaceAll(network.DerivedID("Z", e.Region, e.Service), "-", ""))[:14]
	name := network.EndpointName(e.Region, e.ID, shortService(e.Service))
	out = append(out, model.DnsEntry{DnsName: &name, HostedZoneId: &zone})
	if e.PrivateDNS {
		out = append(out, model.DnsEntry{DnsName: new(privateDNSName(e.Region, e.Service)), HostedZoneId: &zone})
	}
	return out
}
