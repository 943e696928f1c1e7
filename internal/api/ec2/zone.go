package ec2

import (
	"context"
	"slices"

	"github.com/lamina-dev/lamina"
	model "github.com/lamina-dev/lamina/internal/awsmodel/ec2"
	"github.com/lamina-dev/lamina/internal/network"
)

// optInStatus is what EC2 says of regions and zones that need no consent.
const optInStatus = "opt-in-not-required"

// single makes a filter's values of one string, which may be missing.
func single[T any](get func(T) string) func(T) []string {
	return func(v T) []string { return some(get(v)) }
}

var zoneFields = fields[network.Zone]{
	"state":         func(network.Zone) []string { return []string{"available"} },
	"region-name":   single(func(z network.Zone) string { return z.Region }),
	"zone-name":     single(func(z network.Zone) string { return z.Name }),
	"zone-id":       single(func(z network.Zone) string { return z.ID }),
	"zone-type":     func(network.Zone) []string { return []string{"availability-zone"} },
	"group-name":    single(zoneGroup),
	"opt-in-status": func(network.Zone) []string { return []string{optInStatus} },
	"message":       func(network.Zone) []string { return nil },
}

// zoneGroup is the group of a region's ordinary zones, e.g. us-east-1-zg-1.
func zoneGroup(z network.Zone) string { return z.Region + "-zg-1" }

func (s *Service) describeAvailabilityZones(ctx context.Context, in *model.DescribeAvailabilityZonesRequest) (*model.DescribeAvailabilityZonesResult, error) {
	region := scopeOf(ctx).Region
	for _, name := range slices.Concat(in.ZoneNames, in.ZoneIds) {
		if _, ok := network.FindZone(region, name); !ok {
			return nil, lamina.Errorf("InvalidParameterValue", "Invalid availability zone: [%s]", name)
		}
	}
	if err := zoneFields.check(in.Filters); err != nil {
		return nil, err
	}
	out := &model.DescribeAvailabilityZonesResult{AvailabilityZones: []model.AvailabilityZone{}}
	for _, z := range network.Zones(region) {
		named := len(in.ZoneNames)+len(in.ZoneIds) == 0 || slices.Contains(in.ZoneNames, z.Name) || slices.Contains(in.ZoneIds, z.ID)
		ok, err := zoneFields.matches(in.Filters, z, nil)
		if err != nil {
			return nil, err
		}
		if named && ok {
			out.AvailabilityZones = append(out.AvailabilityZones, showZone(z))
		}
	}
	return out, nil
}

func showZone(z network.Zone) model.AvailabilityZone {
	return model.AvailabilityZone{
		State: new("available"), OptInStatus: new(optInStatus), Messages: []model.AvailabilityZoneMessage{},
		RegionName: &z.Region, ZoneName: &z.Name, ZoneId: &z.ID, GroupName: new(zoneGroup(z)),
		NetworkBorderGroup: &z.Region, ZoneType: new("availability-zone"),
	}
}

var regionFields = fields[network.Region]{
	"region-name":   single(func(r network.Region) string { return r.Name }),
	"endpoint":      single(regionEndpoint),
	"opt-in-status": single(regionStatus),
}

func regionEndpoint(r network.Region) string { return "ec2." + r.Name + ".amazonaws.com" }

// regionStatus takes every region that needs consent as consented to.
func regionStatus(r network.Region) string {
	if r.OptIn {
		return "opted-in"
	}
	return optInStatus
}

func (s *Service) describeRegions(_ context.Context, in *model.DescribeRegionsRequest) (*model.DescribeRegionsResult, error) {
	if err := regionFields.check(in.Filters); err != nil {
		return nil, err
	}
	regions := network.Regions()
	for _, name := range in.RegionNames {
		if !slices.ContainsFunc(regions, func(r network.Region) bool { return r.Name == name }) {
			return nil, lamina.Errorf("InvalidParameterValue", "Invalid region provided: [%s]", name)
		}
	}
	out := &model.DescribeRegionsResult{Regions: []model.Region{}}
	for _, r := range regions {
		ok, err := regionFields.matches(in.Filters, r, nil)
		if err != nil {
			return nil, err
		}
		if ok && (len(in.RegionNames) == 0 || slices.Contains(in.RegionNames, r.Name)) {
			out.Regions = append(out.Regions, model.Region{
				RegionName: new(r.Name), Endpoint: new(regionEndpoint(r)), OptInStatus: new(regionStatus(r)),
			})
		}
	}
	return out, nil
}

// accountAttributes are a fresh account's; default-vpc is added.
var accountAttributes = map[string]string{
	"supported-platforms":                   "VPC",
	"vpc-max-security-groups-per-interface": "5",
	"max-instances":                         "20",
	"max-elastic-ips":                       "5",
	"vpc-max-elastic-ips":                   "5",
}

func (s *Service) describeAccountAttributes(ctx context.Context, in *model.DescribeAccountAttributesRequest) (*model.DescribeAccountAttributesResult, error) {
	values := lamina.Tags{"default-vpc": "none"}
	for name, value := range accountAttributes {
		values[name] = value
	}
	if v, ok := s.defaultVPC(s.view, scopeOf(ctx)); ok {
		values["default-vpc"] = v.ID
	}
	out := &model.DescribeAccountAttributesResult{AccountAttributes: []model.AccountAttribute{}}
	for _, name := range sortedKeys(values) {
		if len(in.AttributeNames) > 0 && !slices.Contains(in.AttributeNames, name) {
			continue
		}
		out.AccountAttributes = append(out.AccountAttributes, model.AccountAttribute{
			AttributeName: &name, AttributeValues: []model.AccountAttributeValue{{AttributeValue: new(values[name])}},
		})
	}
	return out, nil
}
