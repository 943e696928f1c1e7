package ec2

import (
	"context"
	"net/netip"
	"slices"
	"strings"

	"github.com/lamina-dev/lamina"
	model "github.com/lamina-dev/lamina/internal/awsmodel/ec2"
	"github.com/lamina-dev/lamina/internal/network"
)

// endpointService is an AWS service that VPC endpoints lead to.
type endpointService struct {
	name string // e.g. com.amazonaws.us-east-1.logs
	zone []network.Zone
}

// interfaceServices are the services with interface endpoints that functions
// commonly call; those with gateway endpoints have interfaces too.
var interfaceServices = []string{
	"athena", "autoscaling", "bedrock-runtime", "cloudformation", "ec2", "ecr.api", "ecr.dkr", "ecs", "elasticfilesystem",
	"events", "execute-api", "firehose", "kinesis-streams", "kms", "lambda", "logs", "monitoring", "rds", "rds-data",
	"secretsmanager", "sns", "sqs", "ssm", "ssmmessages", "states", "sts", "xray",
}

func endpointServices(region string) []endpointService {
	names := slices.Sorted(slices.Values(slices.Concat(interfaceServices, network.GatewayServices)))
	return show(names, func(n string) endpointService {
		return endpointService{name: network.ServiceName(region, n), zone: network.Zones(region)}
	})
}

func findService(region, name string) (endpointService, bool) {
	all := endpointServices(region)
	i := slices.IndexFunc(all, func(e endpointService) bool { return e.name == name })
	if i < 0 {
		return endpointService{}, false
	}
	return all[i], true
}

// shortService is the last part of a service's name, e.g. logs or ecr.api.
func shortService(name string) string {
	return strings.SplitN(name, ".", 4)[3]
}

func (e endpointService) id() string { return e.name }

func (e endpointService) types() []string {
	if slices.Contains(network.GatewayServices, shortService(e.name)) {
		return []string{model.ServiceTypeGateway, model.ServiceTypeInterface}
	}
	return []string{model.ServiceTypeInterface}
}

// privateDNSName is the service's public name, which an endpoint takes over.
func privateDNSName(region, service string) string {
	return network.ServiceHost(region, shortService(service))
}

var serviceFields = fields[endpointService]{
	"service-name": single(endpointService.id),
	"service-type": endpointService.types,
	"owner":        func(endpointService) []string { return []string{"amazon"} },
}

// describeEndpointServices answers with one detail for each type of a service,
// as EC2 does.
func (s *Service) describeEndpointServices(ctx context.Context, in *model.DescribeVpcEndpointServicesRequest) (*model.DescribeVpcEndpointServicesResult, error) {
	region := scopeOf(ctx).Region
	for _, name := range in.ServiceNames {
		if _, ok := findService(region, name); !ok {
			return nil, lamina.Errorf("InvalidServiceName", "The Vpc Endpoint Service '%s' does not exist", name)
		}
	}
	if err := serviceFields.check(in.Filters); err != nil {
		return nil, err
	}
	found := slices.DeleteFunc(endpointServices(region), func(e endpointService) bool {
		ok, _ := serviceFields.matches(in.Filters, e, nil)
		return !ok || len(in.ServiceNames) > 0 && !slices.Contains(in.ServiceNames, e.name)
	})
	found, next, err := page(found, endpointService.id, in.MaxResults, in.NextToken)
	out := &model.DescribeVpcEndpointServicesResult{NextToken: next, ServiceDetails: []model.ServiceDetail{}, ServiceNames: show(found, endpointService.id)}
	for _, e := range found {
		for _, kind := range e.types() {
			if typeWanted(in.Filters, kind) {
				out.ServiceDetails = append(out.ServiceDetails, showService(region, e, kind))
			}
		}
	}
	return out, err
}

// typeWanted applies the service-type filter to one type of a service.
func typeWanted(filters []model.Filter, kind string) bool {
	return !slices.ContainsFunc(filters, func(f model.Filter) bool {
		return val(f.Name) == "service-type" && !anyMatch(f.Values, []string{kind})
	})
}

func showService(region string, e endpointService, kind string) model.ServiceDetail {
	out := model.ServiceDetail{
		ServiceName: &e.name, ServiceId: new(network.DerivedID("vpce-svc", e.name, kind)), Owner: new("amazon"), ServiceRegion: &region,
		ServiceType:          []model.ServiceTypeDetail{{ServiceType: &kind}},
		AvailabilityZones:    show(e.zone, func(z network.Zone) string { return z.Name }),
		AvailabilityZoneIds:  show(e.zone, func(z network.Zone) string { return z.ID }),
		BaseEndpointDnsNames: []string{shortService(e.name) + "." + region + ".vpce.amazonaws.com"},
		PrivateDnsNames:      []model.PrivateDnsDetails{}, Tags: []model.Tag{},
		VpcEndpointPolicySupported: new(true), AcceptanceRequired: new(false), ManagesVpcEndpoints: new(false),
		SupportedIpAddressTypes: []string{"ipv4"},
	}
	if kind == model.ServiceTypeInterface {
		out.PrivateDnsName = new(privateDNSName(region, e.name))
		out.PrivateDnsNames = []model.PrivateDnsDetails{{PrivateDnsName: out.PrivateDnsName}}
		out.PrivateDnsNameVerificationState = new("verified")
	}
	return out
}

// prefixList is the ranges of a service that gateway endpoints route to.
type prefixList struct {
	id, name string
	ranges   []string
}

func prefixLists(region string) []prefixList {
	out := show(network.GatewayServices, func(svc string) prefixList {
		ranges := show(network.ServiceRanges(svc), netip.Prefix.String)
		return prefixList{id: network.PrefixListID(region, svc), name: network.ServiceName(region, svc), ranges: ranges}
	})
	slices.SortFunc(out, func(a, b prefixList) int { return strings.Compare(a.id, b.id) })
	return out
}

var prefixListFields = fields[prefixList]{
	"prefix-list-id":   single(func(l prefixList) string { return l.id }),
	"prefix-list-name": single(func(l prefixList) string { return l.name }),
}

func (s *Service) describePrefixLists(ctx context.Context, in *model.DescribePrefixListsRequest) (*model.DescribePrefixListsResult, error) {
	if err := prefixListFields.check(in.Filters); err != nil {
		return nil, err
	}
	all := prefixLists(scopeOf(ctx).Region)
	for _, id := range in.PrefixListIds {
		if !slices.ContainsFunc(all, func(l prefixList) bool { return l.id == id }) {
			return nil, lamina.Errorf("InvalidPrefixListID.NotFound", "The prefix list ID '%s' does not exist", id)
		}
	}
	found := slices.DeleteFunc(all, func(l prefixList) bool {
		ok, _ := prefixListFields.matches(in.Filters, l, nil)
		return !ok || len(in.PrefixListIds) > 0 && !slices.Contains(in.PrefixListIds, l.id)
	})
	found, next, err := page(found, func(l prefixList) string { return l.id }, in.MaxResults, in.NextToken)
	return &model.DescribePrefixListsResult{NextToken: next, PrefixLists: show(found, func(l prefixList) model.PrefixList {
		return model.PrefixList{PrefixListId: &l.id, PrefixListName: &l.name, Cidrs: l.ranges}
	})}, err
}
