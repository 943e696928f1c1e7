package ec2

import (
	"context"
	"slices"
	"strconv"

	"github.com/lamina-dev/lamina"
	model "github.com/lamina-dev/lamina/internal/awsmodel/ec2"
	"github.com/lamina-dev/lamina/internal/fleet/catalogue"
	"github.com/lamina-dev/lamina/internal/network"
)

// typesPerPage is how many types EC2 gives when no size is asked for.
const typesPerPage = 100

func typeName(t catalogue.Type) string { return t.Name }

var typeFields = fields[catalogue.Type]{
	"instance-type":                         single(typeName),
	"current-generation":                    func(t catalogue.Type) []string { return yes(t.Current) },
	"bare-metal":                            func(catalogue.Type) []string { return yes(false) },
	"burstable-performance-supported":       func(catalogue.Type) []string { return yes(false) },
	"free-tier-eligible":                    func(catalogue.Type) []string { return yes(false) },
	"hypervisor":                            func(catalogue.Type) []string { return []string{"nitro"} },
	"supported-usage-class":                 func(catalogue.Type) []string { return []string{"on-demand", "spot"} },
	"supported-root-device-type":            func(catalogue.Type) []string { return []string{"ebs"} },
	"supported-virtualization-type":         func(catalogue.Type) []string { return []string{"hvm"} },
	"processor-info.supported-architecture": single(func(t catalogue.Type) string { return t.Architecture }),
	"vcpu-info.default-vcpus":               func(t catalogue.Type) []string { return []string{strconv.Itoa(int(t.VCPUs))} },
	"vcpu-info.default-threads-per-core":    func(t catalogue.Type) []string { return []string{strconv.Itoa(int(threadsPerCore(t.Architecture)))} },
	"memory-info.size-in-mib":               func(t catalogue.Type) []string { return []string{strconv.FormatInt(t.MemoryMiB, 10)} },
	"network-info.network-performance":      single(func(t catalogue.Type) string { return t.Network }),
}

func (s *Service) describeInstanceTypes(_ context.Context, in *model.DescribeInstanceTypesRequest) (*model.DescribeInstanceTypesResult, error) {
	for _, name := range in.InstanceTypes {
		if _, ok := catalogue.Find(name); !ok {
			return nil, lamina.Errorf("InvalidInstanceType", "The following supplied instance types do not exist: [%s]", name)
		}
	}
	if err := typeFields.check(in.Filters); err != nil {
		return nil, err
	}
	found := slices.DeleteFunc(slices.Clone(catalogue.All()), func(t catalogue.Type) bool {
		ok, _ := typeFields.matches(in.Filters, t, nil)
		return !ok || len(in.InstanceTypes) > 0 && !slices.Contains(in.InstanceTypes, t.Name)
	})
	size := in.MaxResults
	if size == nil {
		size = new(int32(typesPerPage))
	}
	found, next, err := page(found, typeName, size, in.NextToken)
	return &model.DescribeInstanceTypesResult{InstanceTypes: show(found, showType), NextToken: next}, err
}

func showType(t catalogue.Type) model.InstanceTypeInfo {
	threads := threadsPerCore(t.Architecture)
	out := model.InstanceTypeInfo{
		InstanceType: &t.Name, CurrentGeneration: &t.Current, FreeTierEligible: new(false), BareMetal: new(false), Hypervisor: new("nitro"),
		SupportedUsageClasses: []string{"on-demand", "spot"}, SupportedRootDeviceTypes: []string{"ebs"}, SupportedVirtualizationTypes: []string{"hvm"},
		ProcessorInfo: &model.ProcessorInfo{SupportedArchitectures: []string{t.Architecture}},
		VCpuInfo: &model.VCpuInfo{
			DefaultVCpus: &t.VCPUs, DefaultCores: new(max(1, t.VCPUs/threads)), DefaultThreadsPerCore: &threads,
		},
		MemoryInfo: &model.MemoryInfo{SizeInMiB: &t.MemoryMiB}, NetworkInfo: showNetworkInfo(t),
		EbsInfo: &model.EbsInfo{
			EbsOptimizedSupport: new("default"), EncryptionSupport: new("supported"), NvmeSupport: new("required"),
		},
		PlacementGroupInfo:   &model.PlacementGroupInfo{SupportedStrategies: []string{"cluster", "partition", "spread"}},
		HibernationSupported: new(false), DedicatedHostsSupported: new(true), AutoRecoverySupported: new(true),
		BurstablePerformanceSupported: new(false), InstanceStorageSupported: new(false),
	}
	if t.GPUs > 0 {
		out.GpuInfo = &model.GpuInfo{
			TotalGpuMemoryInMiB: new(int32(t.GPUMemoryMiB)),
			Gpus:                []model.GpuDeviceInfo{{Name: &t.GPUName, Manufacturer: &t.GPUMaker, Count: &t.GPUs}},
		}
	}
	return out
}

// showNetworkInfo says of a type's network what the catalogue knows and what
// holds for every type in it. Terraform takes a type without it for none.
func showNetworkInfo(t catalogue.Type) *model.NetworkInfo {
	return &model.NetworkInfo{
		NetworkPerformance: &t.Network, Ipv6Supported: new(true), EnaSupport: new("required"), EfaSupported: new(false),
		MaximumNetworkCards: new(int32(1)), DefaultNetworkCardIndex: new(int32(0)),
		NetworkCards: []model.NetworkCardInfo{{NetworkCardIndex: new(int32(0)), NetworkPerformance: &t.Network}},
	}
}

// offering is a type in a place.
type offering struct{ kind, place string }

func (o offering) id() string { return o.kind + " " + o.place }

var offeringFields = fields[offering]{
	"instance-type": single(func(o offering) string { return o.kind }),
	"location":      single(func(o offering) string { return o.place }),
}

// describeOfferings says that every type is to be had everywhere.
func (s *Service) describeOfferings(ctx context.Context, in *model.DescribeInstanceTypeOfferingsRequest) (*model.DescribeInstanceTypeOfferingsResult, error) {
	if err := offeringFields.check(in.Filters); err != nil {
		return nil, err
	}
	location := val(in.LocationType)
	if location == "" {
		location = model.LocationTypeRegion
	}
	var found []offering
	for _, t := range catalogue.All() {
		for _, place := range places(scopeOf(ctx).Region, location) {
			o := offering{t.Name, place}
			if ok, _ := offeringFields.matches(in.Filters, o, nil); ok {
				found = append(found, o)
			}
		}
	}
	found, next, err := page(found, offering.id, in.MaxResults, in.NextToken)
	return &model.DescribeInstanceTypeOfferingsResult{NextToken: next, InstanceTypeOfferings: show(found, func(o offering) model.InstanceTypeOffering {
		return model.InstanceTypeOffering{InstanceType: &o.kind, Location: &o.place, LocationType: &location}
	})}, err
}

func places(region, location string) []string {
	switch location {
	case model.LocationTypeAvailabilityZone:
		return show(network.Zones(region), func(z network.Zone) string { return z.Name })
	case model.LocationTypeAvailabilityZoneId:
		return slices.Sorted(slices.Values(show(network.Zones(region), func(z network.Zone) string { return z.ID })))
	}
	return []string{region}
}
