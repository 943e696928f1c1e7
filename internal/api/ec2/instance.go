package ec2

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/lamina-dev/lamina"
	model "github.com/lamina-dev/lamina/internal/awsmodel/ec2"
	"github.com/lamina-dev/lamina/internal/network"
	"github.com/lamina-dev/lamina/internal/store/view"
)

// What AWS shows of managed instances, lmi-service.md 2.3.
const (
	scalerPrincipal = "scaler.lambda.amazonaws.com"
	providerTag     = "aws:lambda:capacity-provider"
)

// codeServiceShutdown is the reason code of an instance that Lambda ended (chosen).
const codeServiceShutdown = "Server.ServiceInitiatedShutdown"

// stateCodes are EC2's numbers for instance states.
var stateCodes = map[lamina.InstanceState]int32{
	lamina.InstancePending: 0, lamina.InstanceRunning: 16, lamina.InstanceShuttingDown: 32, lamina.InstanceTerminated: 48,
}

// notPermitted refuses a change of what a service manages. AWS's text for
// managed instances could not be confirmed; this one is chosen.
func notPermitted(principal string) error {
	return lamina.Errorf("OperationNotPermitted", "You do not have permission to perform this operation on a resource that is managed by %s.", principal)
}

// managed lists a scope's instances, without the hidden fleet, which is nobody's.
func (s *Service) managed(src view.Source, at lamina.Scope) []lamina.Instance {
	var out []lamina.Instance
	for row := range s.instances.At(src).Scan(prefixOf(at)) {
		if !row.Value.Hidden {
			out = append(out, row.Value)
		}
	}
	return out
}

func instanceID(i lamina.Instance) string { return i.ID }

// instanceTags are those AWS and the provider's PropagateTags put on an instance.
func (s *Service) instanceTags(src view.Source, i lamina.Instance) lamina.Tags {
	tags := lamina.Tags{}
	if row, ok := s.providers.At(src).Get(i.ProviderKey()); ok && row.Value.PropagateTags != nil {
		maps.Copy(tags, row.Value.PropagateTags.Explicit)
	}
	tags[providerTag] = lamina.CapacityProviderARN(i.Scope, i.Provider)
	return tags
}

// instanceFields are the filters of DescribeInstances and DescribeInstanceStatus.
func (s *Service) instanceFields() fields[lamina.Instance] {
	type inst = lamina.Instance
	address := single(func(i inst) string { return i.PrivateIP })
	return fields[inst]{
		"instance-id":          single(instanceID),
		"instance-state-name":  single(func(i inst) string { return string(i.State) }),
		"instance-state-code":  func(i inst) []string { return []string{strconv.Itoa(int(stateCodes[i.State]))} },
		"instance-type":        single(func(i inst) string { return i.Type }),
		"instance-lifecycle":   func(inst) []string { return nil },
		"availability-zone":    single(func(i inst) string { return i.Zone }),
		"availability-zone-id": single(func(i inst) string { return zoneID(i.Region, i.Zone) }),
		"architecture":         single(func(i inst) string { return i.Architecture }),
		"subnet-id":            single(func(i inst) string { return i.SubnetID }),
		"vpc-id":               single(func(i inst) string { return i.VPCID }),
		"owner-id":             single(func(i inst) string { return i.Account }),
		"image-id":             single(imageID),
		"reservation-id":       single(reservationID),
		"private-dns-name":     single(func(i inst) string { return privateName(i.Region, i.PrivateIP) }),
		"private-ip-address":   address, "network-interface.addresses.private-ip-address": address,
		"network-interface.network-interface-id": single(func(i inst) string { return i.InterfaceID }),
		"network-interface.subnet-id":            single(func(i inst) string { return i.SubnetID }),
		"network-interface.vpc-id":               single(func(i inst) string { return i.VPCID }),
		"instance.group-id":                      s.instanceGroups, "group-id": s.instanceGroups, "network-interface.group-id": s.instanceGroups,
		"operator.managed":       func(inst) []string { return yes(true) },
		"operator.principal":     func(inst) []string { return []string{scalerPrincipal} },
		"tenancy":                func(inst) []string { return []string{model.TenancyDefault} },
		"virtualization-type":    func(inst) []string { return []string{"hvm"} },
		"root-device-type":       func(inst) []string { return []string{"ebs"} },
		"instance-status.status": single(instanceHealth), "system-status.status": single(instanceHealth),
		"launch-time": single(func(i inst) string { return i.LaunchedAt.UTC().Format("2006-01-02T15:04:05.000Z") }),
	}
}

func (s *Service) instanceGroups(i lamina.Instance) []string {
	n, _ := s.interfaces.get(s.view, i.Scope, i.InterfaceID)
	return n.GroupIDs
}

// instanceQuery is what the two describe operations ask for.
type instanceQuery struct {
	ids     []string
	filters []model.Filter
	managed bool // IncludeManagedResources
}

// findInstances lists instances by id. Managed ones, and there are no others,
// appear only when they are asked for.
func (s *Service) findInstances(ctx context.Context, q instanceQuery) (found []lamina.Instance, err error) {
	fs := s.instanceFields()
	if err := fs.check(q.filters); err != nil {
		return nil, err
	}
	if len(q.ids) == 0 && !q.managed {
		return nil, nil
	}
	err = s.seekTwice(ctx, func() error {
		found, err = s.searchInstances(scopeOf(ctx), fs, q)
		return err
	})
	slices.SortFunc(found, func(a, b lamina.Instance) int { return strings.Compare(a.ID, b.ID) })
	return found, err
}

func (s *Service) searchInstances(at lamina.Scope, fs fields[lamina.Instance], q instanceQuery) ([]lamina.Instance, error) {
	missing := slices.Compact(slices.Sorted(slices.Values(q.ids)))
	snapshot := s.view.Snapshot()
	var found []lamina.Instance
	for _, i := range s.managed(snapshot, at) {
		missing = slices.DeleteFunc(missing, func(id string) bool { return id == i.ID })
		if len(q.ids) > 0 && !slices.Contains(q.ids, i.ID) {
			continue
		}
		ok, err := fs.matches(q.filters, i, s.instanceTags(snapshot, i))
		if err != nil {
			return nil, err
		}
		if ok {
			found = append(found, i)
		}
	}
	return found, instancesNotFound(missing)
}

func instancesNotFound(ids []string) error {
	list := strings.Join(ids, ", ")
	switch {
	case len(ids) == 0:
		return nil
	case !strings.HasPrefix(ids[0], "i-"):
		return lamina.Errorf("InvalidInstanceID.Malformed", "Invalid id: %q", ids[0])
	case len(ids) > 1:
		return lamina.Errorf("InvalidInstanceID.NotFound", "The instance IDs '%s' do not exist", list)
	}
	return lamina.Errorf("InvalidInstanceID.NotFound", "The instance ID '%s' does not exist", list)
}

// refuseManaged is the answer to changes of instances: they do not exist, or
// Lambda manages them.
func (s *Service) refuseManaged(src view.Source, at lamina.Scope, ids []string) error {
	var missing []string
	for _, id := range ids {
		if row, ok := s.instances.At(src).Get(prefixOf(at) + id); !ok || row.Value.Hidden {
			missing = append(missing, id)
		}
	}
	if err := instancesNotFound(missing); err != nil {
		return err
	}
	return notPermitted(scalerPrincipal)
}

func (s *Service) describeInstances(ctx context.Context, in *model.DescribeInstancesRequest) (*model.DescribeInstancesResult, error) {
	found, err := s.findInstances(ctx, instanceQuery{in.InstanceIds, in.Filters, val(in.IncludeManagedResources)})
	if err != nil {
		return nil, err
	}
	found, next, err := page(found, instanceID, in.MaxResults, in.NextToken)
	return &model.DescribeInstancesResult{NextToken: next, Reservations: show(found, s.showReservation)}, err
}

func reservationID(i lamina.Instance) string { return network.DerivedID("r", i.ID) }

// imageID stands for the Bottlerocket image that managed instances run.
func imageID(i lamina.Instance) string {
	return network.DerivedID("ami", "bottlerocket", i.Region, i.Architecture)
}

func (s *Service) showReservation(i lamina.Instance) model.Reservation {
	return model.Reservation{
		ReservationId: new(reservationID(i)), OwnerId: &i.Account, RequesterId: new(scalerPrincipal),
		Groups: []model.GroupIdentifier{}, Instances: []model.Instance{s.showInstance(i)},
	}
}

func showState(i lamina.Instance) *model.InstanceState {
	return &model.InstanceState{Code: new(stateCodes[i.State]), Name: new(string(i.State))}
}

func (s *Service) showInstance(i lamina.Instance) model.Instance {
	threads := threadsPerCore(i.Architecture)
	out := model.Instance{
		InstanceId: &i.ID, ImageId: new(imageID(i)), InstanceType: &i.Type, State: showState(i), Architecture: &i.Architecture,
		LaunchTime: &i.LaunchedAt, AmiLaunchIndex: new(int32(0)), ClientToken: new(""), StateTransitionReason: new(i.Reason),
		Placement: &model.Placement{
			AvailabilityZone: &i.Zone, AvailabilityZoneId: new(zoneID(i.Region, i.Zone)), GroupName: new(""), Tenancy: new(model.TenancyDefault),
		},
		Monitoring: &model.Monitoring{State: new("disabled")}, PublicDnsName: new(""), PrivateDnsName: new(""),
		EbsOptimized: new(true), EnaSupport: new(true), Hypervisor: new("xen"), VirtualizationType: new("hvm"),
		RootDeviceType: new("ebs"), RootDeviceName: new("/dev/xvda"), PlatformDetails: new("Linux/UNIX"), UsageOperation: new("RunInstances"),
		BlockDeviceMappings: []model.InstanceBlockDeviceMapping{}, ProductCodes: []model.ProductCode{},
		NetworkInterfaces: []model.InstanceNetworkInterface{}, SecurityGroups: []model.GroupIdentifier{},
		CpuOptions: &model.CpuOptions{CoreCount: new(max(1, i.VCPUs/threads)), ThreadsPerCore: &threads},
		MetadataOptions: &model.InstanceMetadataOptionsResponse{
			State: new("applied"), HttpTokens: new("required"), HttpPutResponseHopLimit: new(int32(2)),
			HttpEndpoint: new("enabled"), HttpProtocolIpv6: new("disabled"), InstanceMetadataTags: new("disabled"),
		},
		Operator: operator(scalerPrincipal), Tags: tagSet(s.instanceTags(s.view, i)),
	}
	if i.Reason != "" {
		out.StateReason = &model.StateReason{Code: new(codeServiceShutdown), Message: &i.Reason}
	}
	if !i.Ended() && i.SubnetID != "" {
		s.showNetwork(&out, i)
	}
	return out
}

// showNetwork adds what a terminated instance no longer has.
func (s *Service) showNetwork(out *model.Instance, i lamina.Instance) {
	out.SubnetId, out.VpcId = &i.SubnetID, &i.VPCID
	out.PrivateIpAddress = optional(i.PrivateIP)
	out.PrivateDnsName = new(privateName(i.Region, i.PrivateIP))
	out.SourceDestCheck = new(true)
	n, ok := s.interfaces.get(s.view, i.Scope, i.InterfaceID)
	if !ok {
		return
	}
	groups := s.identify(s.view, i.Scope, n.GroupIDs)
	out.SecurityGroups = groups
	var public *model.InstanceNetworkInterfaceAssociation
	if n.PublicIP != "" {
		public = &model.InstanceNetworkInterfaceAssociation{IpOwnerId: new(amazon), PublicIp: &n.PublicIP, PublicDnsName: new(network.PublicName(i.Region, n.PublicIP))}
		out.PublicIpAddress, out.PublicDnsName = public.PublicIp, public.PublicDnsName
	}
	six := []model.InstanceIpv6Address{}
	if n.IPv6 != "" {
		out.Ipv6Address = &n.IPv6
		six = append(six, model.InstanceIpv6Address{Ipv6Address: &n.IPv6, IsPrimaryIpv6: new(false)})
	}
	out.NetworkInterfaces = []model.InstanceNetworkInterface{{
		NetworkInterfaceId: &n.ID, SubnetId: &n.SubnetID, VpcId: &n.VPCID, OwnerId: &n.Account, Description: &n.Description,
		MacAddress: &n.MAC, PrivateIpAddress: &n.PrivateIP, PrivateDnsName: out.PrivateDnsName, InterfaceType: &n.InterfaceType,
		SourceDestCheck: new(true), Status: new(interfaceStatus(n)), Groups: groups, Ipv6Addresses: six,
		Operator: operator(n.Operator), Association: public,
		Attachment: &model.InstanceNetworkInterfaceAttachment{
			AttachmentId: new(attachmentID(n)), AttachTime: &i.LaunchedAt, DeleteOnTermination: new(true),
			DeviceIndex: new(int32(0)), NetworkCardIndex: new(int32(0)), Status: new("attached"),
		},
		PrivateIpAddresses: []model.InstancePrivateIpAddress{{
			Primary: new(true), PrivateIpAddress: &n.PrivateIP, PrivateDnsName: out.PrivateDnsName, Association: public,
		}},
	}}
}

// threadsPerCore is 2 where a vCPU is a hyperthread.
func threadsPerCore(architecture string) int32 {
	if architecture == "arm64" {
		return 1
	}
	return 2
}

// instanceHealth is the status checks' result.
func instanceHealth(i lamina.Instance) string {
	switch i.State {
	case lamina.InstanceRunning:
		return "ok"
	case lamina.InstancePending:
		return "initializing"
	}
	return "not-applicable"
}

func (s *Service) describeInstanceStatus(ctx context.Context, in *model.DescribeInstanceStatusRequest) (*model.DescribeInstanceStatusResult, error) {
	found, err := s.findInstances(ctx, instanceQuery{in.InstanceIds, in.Filters, val(in.IncludeManagedResources)})
	if err != nil {
		return nil, err
	}
	if !val(in.IncludeAllInstances) {
		found = slices.DeleteFunc(found, func(i lamina.Instance) bool { return i.State != lamina.InstanceRunning })
	}
	found, next, err := page(found, instanceID, in.MaxResults, in.NextToken)
	return &model.DescribeInstanceStatusResult{NextToken: next, InstanceStatuses: show(found, showInstanceStatus)}, err
}

func showInstanceStatus(i lamina.Instance) model.InstanceStatus {
	health := &model.InstanceStatusSummary{Status: new(instanceHealth(i)), Details: []model.InstanceStatusDetails{}}
	if i.State == lamina.InstanceRunning {
		health.Details = []model.InstanceStatusDetails{{Name: new("reachability"), Status: new("passed")}}
	}
	return model.InstanceStatus{
		InstanceId: &i.ID, AvailabilityZone: &i.Zone, AvailabilityZoneId: new(zoneID(i.Region, i.Zone)), InstanceState: showState(i),
		InstanceStatus: health, SystemStatus: health, Operator: operator(scalerPrincipal), Events: []model.InstanceStatusEvent{},
	}
}

func (s *Service) describeInstanceAttribute(ctx context.Context, in *model.DescribeInstanceAttributeRequest) (*model.InstanceAttribute, error) {
	found, err := s.findInstances(ctx, instanceQuery{ids: []string{val(in.InstanceId)}})
	if err != nil {
		return nil, err
	}
	i, out := found[0], &model.InstanceAttribute{InstanceId: in.InstanceId}
	off, on := &model.AttributeBooleanValue{Value: new(false)}, &model.AttributeBooleanValue{Value: new(true)}
	switch val(in.Attribute) {
	case "instanceType":
		out.InstanceType = &model.AttributeValue{Value: &i.Type}
	case "disableApiTermination":
		out.DisableApiTermination = off
	case "disableApiStop":
		out.DisableApiStop = off
	case "ebsOptimized":
		out.EbsOptimized = on
	case "enaSupport":
		out.EnaSupport = on
	case "sourceDestCheck":
		out.SourceDestCheck = on
	case "instanceInitiatedShutdownBehavior":
		out.InstanceInitiatedShutdownBehavior = &model.AttributeValue{Value: new("terminate")}
	case "rootDeviceName":
		out.RootDeviceName = &model.AttributeValue{Value: new("/dev/xvda")}
	case "groupSet":
		out.Groups = s.identify(s.view, i.Scope, s.instanceGroups(i))
	case "userData":
		return nil, notPermitted(scalerPrincipal)
	}
	return out, nil
}

func (s *Service) terminateInstances(ctx context.Context, in *model.TerminateInstancesRequest) (*model.TerminateInstancesResult, error) {
	return nil, s.refuseManaged(s.view, scopeOf(ctx), in.InstanceIds)
}

func (s *Service) stopInstances(ctx context.Context, in *model.StopInstancesRequest) (*model.StopInstancesResult, error) {
	return nil, s.refuseManaged(s.view, scopeOf(ctx), in.InstanceIds)
}

func (s *Service) runInstances(context.Context, *model.RunInstancesRequest) (*model.Reservation, error) {
	return nil, lamina.Errorf("UnsupportedOperation", "RunInstances is not supported: Lamina starts instances for Lambda capacity providers only.")
}
