package ec2_test

import (
	"strings"
	"testing"

	"github.com/lamina-dev/lamina"
	"github.com/lamina-dev/lamina/internal/store"
)

func batchOf(ops ...store.Op) store.Batch { return store.Batch{Ops: ops} }

const managedID = "i-0123456789abcdef0"

// withInstance puts a managed instance and one of the hidden fleet into a subnet.
func withInstance(w *world) (subnet, group string) {
	w.t.Helper()
	vpc, subnet := w.network("10.0.0.0/16", "10.0.0.0/24")
	group = w.do("CreateSecurityGroup", "GroupName=g", "GroupDescription=d", "VpcId="+vpc).at("groupId")
	put(w, w.lambda.Providers, lamina.CapacityProvider{
		Scope: here, Name: "p", SubnetIDs: []string{subnet}, PropagateTags: &lamina.PropagateTags{Mode: "Explicit", Explicit: map[string]string{"team": "a"}},
	})
	put(w, w.ec2.Interfaces, lamina.NetworkInterface{
		Scope: here, ID: "eni-0aaaaaaaaaaaaaaaa", SubnetID: subnet, VPCID: vpc, Zone: "ap-northeast-1a", PrivateIP: "10.0.0.4",
		GroupIDs: []string{group}, InstanceID: managedID, Operator: "scaler.lambda.amazonaws.com", InterfaceType: "interface",
	})
	put(w, w.fleet.Instances,
		lamina.Instance{
			Scope: here, ID: managedID, Provider: "p", Type: "m5.large", VCPUs: 2, MemoryMiB: 8192, Architecture: "x86_64", Zone: "ap-northeast-1a",
			SubnetID: subnet, VPCID: vpc, InterfaceID: "eni-0aaaaaaaaaaaaaaaa", PrivateIP: "10.0.0.4", State: lamina.InstanceRunning, LaunchedAt: noon, Token: "secret",
		},
		lamina.Instance{Scope: here, ID: "i-0fffffffffffffff0", Provider: lamina.HiddenProviderName, Type: "m5.large", State: lamina.InstanceRunning, Hidden: true},
	)
	return subnet, group
}

func TestManagedInstances(t *testing.T) {
	w := newWorld(t)
	subnet, group := withInstance(w)
	if n := w.do("DescribeInstances").nodes("reservationSet/item"); len(n) != 0 {
		t.Errorf("%d managed instances shown by default", len(n))
	}
	for _, params := range [][]string{{"IncludeManagedResources=true"}, {"InstanceId.1=" + managedID}} {
		d := w.do("DescribeInstances", params...)
		if n := d.nodes("reservationSet/item"); len(n) != 1 {
			t.Fatalf("%v shows %d instances", params, len(n))
		}
		w.want("DescribeInstances", params, "reservationSet/item/instancesSet/item/", map[string]string{
			"instanceId": managedID, "instanceState/name": "running", "instanceState/code": "16", "instanceType": "m5.large",
			"operator/managed": "true", "operator/principal": "scaler.lambda.amazonaws.com", "operator/hiddenByDefault": "true",
			"tagSet/item/key": "aws:lambda:capacity-provider", "tagSet/item/value": lamina.CapacityProviderARN(here, "p"),
			"placement/availabilityZone": "ap-northeast-1a", "privateIpAddress": "10.0.0.4", "subnetId": subnet, "groupSet/item/groupId": group,
			"networkInterfaceSet/item/networkInterfaceId": "eni-0aaaaaaaaaaaaaaaa", "launchTime": "2026-11-24T12:00:00.000Z",
			"privateDnsName": "ip-10-0-0-4.ap-northeast-1.compute.internal",
		})
		if keys := strings.Join(d.all("reservationSet/item/instancesSet/item/tagSet/item/key"), " "); keys != "aws:lambda:capacity-provider team" {
			t.Errorf("tags %s", keys)
		}
	}
	if _, body := w.post("DescribeInstances", "IncludeManagedResources=true"); strings.Contains(body, "secret") {
		t.Error("the join token is shown")
	}
	w.refused("InvalidInstanceID.NotFound", "DescribeInstances", "InstanceId.1=i-0fffffffffffffff0")
	w.refused("InvalidInstanceID.Malformed", "DescribeInstances", "InstanceId.1=x")
	for filter, n := range map[string]int{
		"tag:aws:lambda:capacity-provider=" + lamina.CapacityProviderARN(here, "p"): 1,
		"instance-state-name=running": 1, "instance-state-name=pending": 0, "instance-type=m5.*": 1, "vpc-id=vpc-?": 0, "instance.group-id=" + group: 1,
		"tag-key=team": 1, "operator.managed=true": 1,
	} {
		i := strings.LastIndex(filter, "=")
		got := w.do("DescribeInstances", "IncludeManagedResources=true", "Filter.1.Name="+filter[:i], "Filter.1.Value.1="+filter[i+1:])
		if len(got.nodes("reservationSet/item")) != n {
			t.Errorf("filter %s finds %d", filter, len(got.nodes("reservationSet/item")))
		}
	}
	w.want("DescribeInstanceStatus", []string{"InstanceId.1=" + managedID}, "instanceStatusSet/item/", map[string]string{"instanceStatus/status": "ok"})
}

func TestManagedInstancesAreLambdas(t *testing.T) {
	w := newWorld(t)
	subnet, group := withInstance(w)
	for _, action := range []string{"TerminateInstances", "StopInstances"} {
		w.refused("OperationNotPermitted", action, "InstanceId.1="+managedID)
		w.refused("InvalidInstanceID.NotFound", action, "InstanceId.1=i-00000000000000000")
	}
	w.refused("UnsupportedOperation", "RunInstances", "MinCount=1", "MaxCount=1")
	w.refused("OperationNotPermitted", "CreateTags", "ResourceId.1="+managedID, "Tag.1.Key=a", "Tag.1.Value=b")
	w.refused("OperationNotPermitted", "DeleteNetworkInterface", "NetworkInterfaceId=eni-0aaaaaaaaaaaaaaaa")
	w.refused("DependencyViolation", "DeleteSecurityGroup", "GroupId="+group)

	inSubnet := []string{"Filter.1.Name=subnet-id", "Filter.1.Value.1=" + subnet}
	if n := w.do("DescribeNetworkInterfaces", inSubnet...).nodes("networkInterfaceSet/item"); len(n) != 0 {
		t.Error("the managed interface is shown by default")
	}
	d := w.do("DescribeNetworkInterfaces", append(inSubnet, "IncludeManagedResources=true")...)
	if d.at("networkInterfaceSet/item/attachment/instanceId") != managedID || d.at("networkInterfaceSet/item/status") != "in-use" {
		t.Errorf("interface %+v", d)
	}
	attachment := d.at("networkInterfaceSet/item/attachment/attachmentId")
	w.refused("OperationNotPermitted", "DetachNetworkInterface", "AttachmentId="+attachment)
	w.want("DescribeSubnets", []string{"SubnetId.1=" + subnet}, "subnetSet/item/", map[string]string{"availableIpAddressCount": "250"})
}

func TestInstanceTypes(t *testing.T) {
	w := newWorld(t)
	w.want("DescribeInstanceTypes", []string{"InstanceType.1=m5.large"}, "instanceTypeSet/item/", map[string]string{
		"vCpuInfo/defaultVCpus": "2", "memoryInfo/sizeInMiB": "8192", "processorInfo/supportedArchitectures/item": "x86_64",
	})
	w.refused("InvalidInstanceType", "DescribeInstanceTypes", "InstanceType.1=m5.nano")
	n, token := 0, ""
	for {
		d := w.do("DescribeInstanceTypes", "NextToken="+token)
		n += len(d.nodes("instanceTypeSet/item"))
		if token = d.at("nextToken"); token == "" {
			break
		}
	}
	if n != 813 {
		t.Errorf("pages hold %d types", n)
	}
	places := w.do("DescribeInstanceTypeOfferings", "LocationType=availability-zone", "Filter.1.Name=instance-type", "Filter.1.Value.1=m5.large").all("instanceTypeOfferingSet/item/location")
	if got := strings.Join(places, " "); got != "ap-northeast-1a ap-northeast-1c ap-northeast-1d" {
		t.Errorf("offered in %s", got)
	}
}
