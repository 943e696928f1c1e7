package ec2_test

import (
	"strings"
	"testing"
	"time"

	"github.com/lamina-dev/lamina"
)

// TestTerraformCalls goes through the calls that Terraform's provider was seen
// to make for a VPC, a subnet and a security group, in their order, with the
// answers it depends on.
func TestTerraformCalls(t *testing.T) {
	w := newWorld(t)
	zones := w.do("DescribeAvailabilityZones", "Filter.1.Name=state", "Filter.1.Value.1=available").all("availabilityZoneInfo/item/zoneName")
	if got := strings.Join(zones, " "); got != "ap-northeast-1a ap-northeast-1c ap-northeast-1d" {
		t.Errorf("zones %s", got)
	}

	vpc := w.do("CreateVpc", "CidrBlock=10.0.0.0/16", "InstanceTenancy=default", "AmazonProvidedIpv6CidrBlock=false",
		"TagSpecification.1.ResourceType=vpc", "TagSpecification.1.Tag.1.Key=Name", "TagSpecification.1.Tag.1.Value=example").at("vpc/vpcId")
	w.want("DescribeVpcs", []string{"VpcId.1=" + vpc}, "vpcSet/item/", map[string]string{
		"state": "available", "cidrBlock": "10.0.0.0/16", "instanceTenancy": "default", "isDefault": "false",
		"tagSet/item/key": "Name", "tagSet/item/value": "example", "ownerId": here.Account,
		"cidrBlockAssociationSet/item/cidrBlockState/state": "associated",
	})
	w.do("ModifyVpcAttribute", "VpcId="+vpc, "EnableDnsHostnames.Value=true")
	for attribute, value := range map[string]string{"enableDnsHostnames": "true", "enableDnsSupport": "true", "enableNetworkAddressUsageMetrics": "false"} {
		w.want("DescribeVpcAttribute", []string{"VpcId=" + vpc, "Attribute=" + attribute}, "", map[string]string{attribute + "/value": value})
	}
	inVPC := []string{"Filter.1.Name=vpc-id", "Filter.1.Value.1=" + vpc}
	w.want("DescribeNetworkAcls", append(inVPC, "Filter.2.Name=default", "Filter.2.Value.1=true"), "networkAclSet/item/", map[string]string{"default": "true", "vpcId": vpc})
	w.want("DescribeRouteTables", append(inVPC, "Filter.2.Name=association.main", "Filter.2.Value.1=true"), "routeTableSet/item/", map[string]string{
		"associationSet/item/main": "true", "routeSet/item/destinationCidrBlock": "10.0.0.0/16", "routeSet/item/gatewayId": "local",
	})
	w.want("DescribeSecurityGroups", append(inVPC, "Filter.2.Name=group-name", "Filter.2.Value.1=default"), "securityGroupInfo/item/", map[string]string{"groupName": "default"})

	subnet := terraformSubnet(w, vpc)
	group := terraformGroup(w, vpc)

	if n := w.do("DescribeNetworkInterfaces", "Filter.1.Name=subnet-id", "Filter.1.Value.1="+subnet).nodes("networkInterfaceSet/item"); len(n) > 0 {
		t.Errorf("%d interfaces linger", len(n))
	}
	w.do("DeleteSubnet", "SubnetId="+subnet)
	w.refused("InvalidSubnetID.NotFound", "DescribeSubnets", "SubnetId.1="+subnet)
	w.do("DeleteSecurityGroup", "GroupId="+group)
	w.refused("InvalidGroup.NotFound", "DescribeSecurityGroups", "GroupId.1="+group)
	w.do("DeleteVpc", "VpcId="+vpc)
	if text := w.refused("InvalidVpcID.NotFound", "DescribeVpcs", "VpcId.1="+vpc); text != "The vpc ID '"+vpc+"' does not exist" {
		t.Errorf("text %q", text)
	}
	w.refused("InvalidVpcID.NotFound", "DeleteVpc", "VpcId="+vpc)
}

func terraformSubnet(w *world, vpc string) string {
	w.t.Helper()
	id := w.do("CreateSubnet", "AvailabilityZone=ap-northeast-1c", "CidrBlock=10.0.1.0/24", "VpcId="+vpc,
		"TagSpecification.1.ResourceType=subnet", "TagSpecification.1.Tag.1.Key=Name", "TagSpecification.1.Tag.1.Value=a").at("subnet/subnetId")
	w.want("DescribeSubnets", []string{"SubnetId.1=" + id}, "subnetSet/item/", map[string]string{
		"state": "available", "mapPublicIpOnLaunch": "false", "assignIpv6AddressOnCreation": "false", "enableDns64": "false",
		"privateDnsNameOptionsOnLaunch/hostnameType":                    "ip-name",
		"privateDnsNameOptionsOnLaunch/enableResourceNameDnsARecord":    "false",
		"privateDnsNameOptionsOnLaunch/enableResourceNameDnsAAAARecord": "false",
		"availabilityZoneId": "apne1-az1", "availableIpAddressCount": "251", "ipv6Native": "false", "defaultForAz": "false",
		"subnetArn": "arn:aws:ec2:ap-northeast-1:000000000000:subnet/" + id,
	})
	return id
}

func terraformGroup(w *world, vpc string) string {
	w.t.Helper()
	id := w.do("CreateSecurityGroup", "GroupDescription=made by Terraform", "GroupName=functions", "VpcId="+vpc,
		"TagSpecification.1.ResourceType=security-group", "TagSpecification.1.Tag.1.Key=Name", "TagSpecification.1.Tag.1.Value=g").at("groupId")
	everywhere := []string{"GroupId=" + id, "IpPermissions.1.IpProtocol=-1", "IpPermissions.1.IpRanges.1.CidrIp=0.0.0.0/0"}
	w.do("RevokeSecurityGroupEgress", append(everywhere, "IpPermissions.1.FromPort=0", "IpPermissions.1.ToPort=0")...)
	w.refused("InvalidPermission.NotFound", "RevokeSecurityGroupEgress", "GroupId="+id, "IpPermissions.1.IpProtocol=-1",
		"IpPermissions.1.FromPort=0", "IpPermissions.1.ToPort=0", "IpPermissions.1.Ipv6Ranges.1.CidrIpv6=::/0")
	none := w.do("DescribeSecurityGroups", "GroupId.1="+id)
	if n := none.nodes("securityGroupInfo/item/ipPermissionsEgress/item"); len(n) > 0 {
		w.t.Errorf("%d egress rules after the revoke", len(n))
	}
	w.do("AuthorizeSecurityGroupEgress", everywhere...)
	w.want("DescribeSecurityGroups", []string{"GroupId.1=" + id}, "securityGroupInfo/item/", map[string]string{
		"ipPermissionsEgress/item/ipProtocol": "-1", "ipPermissionsEgress/item/ipRanges/item/cidrIp": "0.0.0.0/0",
		"ipPermissionsEgress/item/fromPort": "", "ipPermissions/item/ipProtocol": "", "vpcId": vpc,
	})
	return id
}

// want sends an operation and compares elements of its answer, under a common path.
func (w *world) want(action string, params []string, under string, values map[string]string) {
	w.t.Helper()
	d := w.do(action, params...)
	for path, want := range values {
		if got := d.at(under + path); got != want {
			w.t.Errorf("%s: %s is %q, want %q", action, under+path, got, want)
		}
	}
}

// TestGateways builds the public half of a network and takes it down again in
// the order Terraform does, and in wrong orders.
func TestGateways(t *testing.T) {
	w := newWorld(t)
	vpc, subnet := w.network("10.0.0.0/16", "10.0.0.0/24")
	igw := w.do("CreateInternetGateway").at("internetGateway/internetGatewayId")
	w.refused("InvalidGatewayID.NotFound", "CreateRoute", "RouteTableId="+w.mainTable(vpc), "DestinationCidrBlock=0.0.0.0/0", "GatewayId=igw-00000000000000000")
	w.refused("Gateway.NotAttached", "DetachInternetGateway", "InternetGatewayId="+igw, "VpcId="+vpc)
	w.do("AttachInternetGateway", "InternetGatewayId="+igw, "VpcId="+vpc)
	w.refused("Resource.AlreadyAssociated", "AttachInternetGateway", "InternetGatewayId="+igw, "VpcId="+vpc)
	second := w.do("CreateInternetGateway").at("internetGateway/internetGatewayId")
	w.refused("InvalidParameterValue", "AttachInternetGateway", "InternetGatewayId="+second, "VpcId="+vpc)

	table := w.do("CreateRouteTable", "VpcId="+vpc).at("routeTable/routeTableId")
	out := []string{"RouteTableId=" + table, "DestinationCidrBlock=0.0.0.0/0"}
	w.do("CreateRoute", append(out, "GatewayId="+igw)...)
	w.refused("RouteAlreadyExists", "CreateRoute", append(out, "GatewayId="+igw)...)
	w.refused("RouteAlreadyExists", "CreateRoute", "RouteTableId="+table, "DestinationCidrBlock=10.0.0.0/16", "GatewayId="+igw)
	association := w.do("AssociateRouteTable", "RouteTableId="+table, "SubnetId="+subnet).at("associationId")
	w.refused("Resource.AlreadyAssociated", "AssociateRouteTable", "RouteTableId="+table, "SubnetId="+subnet)

	eip := w.do("AllocateAddress", "Domain=vpc").at("allocationId")
	w.refused("MissingParameter", "CreateNatGateway", "SubnetId="+subnet)
	nat := w.do("CreateNatGateway", "SubnetId="+subnet, "AllocationId="+eip).at("natGateway/natGatewayId")
	w.refused("Resource.AlreadyAssociated", "CreateNatGateway", "SubnetId="+subnet, "AllocationId="+eip)
	w.refused("InvalidIPAddress.InUse", "ReleaseAddress", "AllocationId="+eip)
	w.refused("DependencyViolation", "DetachInternetGateway", "InternetGatewayId="+igw, "VpcId="+vpc)
	w.refused("DependencyViolation", "DeleteSubnet", "SubnetId="+subnet)
	w.do("ReplaceRoute", append(out, "NatGatewayId="+nat)...)

	w.do("DeleteNatGateway", "NatGatewayId="+nat)
	w.want("DescribeNatGateways", []string{"NatGatewayId.1=" + nat}, "natGatewaySet/item/", map[string]string{"state": "deleted"})
	w.want("DescribeRouteTables", []string{"RouteTableId.1=" + table}, "routeTableSet/item/", map[string]string{"routeSet/item/state": "active"})
	if states := w.do("DescribeRouteTables", "RouteTableId.1="+table).all("routeTableSet/item/routeSet/item/state"); states[1] != "blackhole" {
		t.Errorf("route to a deleted gateway is %s", states[1])
	}
	w.now = w.now.Add(2 * time.Hour)
	if n := w.do("DescribeNatGateways").nodes("natGatewaySet/item"); len(n) > 0 {
		t.Error("a NAT gateway deleted two hours ago is still shown")
	}
	w.do("ReleaseAddress", "AllocationId="+eip)
	w.refused("DependencyViolation", "DeleteRouteTable", "RouteTableId="+table)
	w.do("DisassociateRouteTable", "AssociationId="+association)
	w.refused("InvalidAssociationID.NotFound", "DisassociateRouteTable", "AssociationId="+association)
	w.do("DeleteRoute", out...)
	w.refused("InvalidRoute.NotFound", "DeleteRoute", out...)
	w.refused("DependencyViolation", "DeleteVpc", "VpcId="+vpc)
	w.do("DeleteRouteTable", "RouteTableId="+table)
	w.refused("DependencyViolation", "DeleteInternetGateway", "InternetGatewayId="+igw)
	w.do("DetachInternetGateway", "InternetGatewayId="+igw, "VpcId="+vpc)
	w.do("DeleteInternetGateway", "InternetGatewayId="+igw)
	w.do("DeleteSubnet", "SubnetId="+subnet)
	w.do("DeleteVpc", "VpcId="+vpc)
}

// network makes a VPC with one subnet.
func (w *world) network(vpcRange, subnetRange string) (vpc, subnet string) {
	w.t.Helper()
	vpc = w.do("CreateVpc", "CidrBlock="+vpcRange).at("vpc/vpcId")
	return vpc, w.do("CreateSubnet", "VpcId="+vpc, "CidrBlock="+subnetRange).at("subnet/subnetId")
}

func (w *world) mainTable(vpc string) string {
	w.t.Helper()
	return w.do("DescribeRouteTables", "Filter.1.Name=vpc-id", "Filter.1.Value.1="+vpc).at("routeTableSet/item/routeTableId")
}

func TestEndpoints(t *testing.T) {
	w := newWorld(t)
	vpc, subnet := w.network("10.0.0.0/16", "10.0.0.0/24")
	logs := []string{"VpcId=" + vpc, "VpcEndpointType=Interface", "ServiceName=com.amazonaws.ap-northeast-1.logs", "SubnetId.1=" + subnet}
	w.refused("InvalidParameter", "CreateVpcEndpoint", append(logs, "PrivateDnsEnabled=true")...)
	w.do("ModifyVpcAttribute", "VpcId="+vpc, "EnableDnsHostnames.Value=true")
	id := w.do("CreateVpcEndpoint", append(logs, "PrivateDnsEnabled=true")...).at("vpcEndpoint/vpcEndpointId")
	w.refused("InvalidParameter", "CreateVpcEndpoint", append(logs, "PrivateDnsEnabled=true")...)
	w.refused("InvalidServiceName", "CreateVpcEndpoint", "VpcId="+vpc, "ServiceName=com.amazonaws.ap-northeast-1.nothing")
	w.want("DescribeVpcEndpoints", []string{"VpcEndpointId.1=" + id}, "vpcEndpointSet/item/", map[string]string{
		"state": "available", "privateDnsEnabled": "true", "subnetIdSet/item": subnet, "groupSet/item/groupName": "default",
	})
	w.refused("DependencyViolation", "DeleteSubnet", "SubnetId="+subnet)
	w.do("ModifyVpcEndpoint", "VpcEndpointId="+id, "RemoveSubnetId.1="+subnet)
	w.do("DeleteSubnet", "SubnetId="+subnet)

	table := w.mainTable(vpc)
	s3 := w.do("CreateVpcEndpoint", "VpcId="+vpc, "ServiceName=com.amazonaws.ap-northeast-1.s3", "RouteTableId.1="+table).at("vpcEndpoint/vpcEndpointId")
	list := w.do("DescribePrefixLists", "Filter.1.Name=prefix-list-name", "Filter.1.Value.1=com.amazonaws.ap-northeast-1.s3").at("prefixListSet/item/prefixListId")
	routes := w.do("DescribeRouteTables", "RouteTableId.1="+table).all("routeTableSet/item/routeSet/item/destinationPrefixListId")
	if len(routes) != 1 || routes[0] != list {
		t.Errorf("routes to %v, want %s", routes, list)
	}
	w.refused("DependencyViolation", "DeleteVpc", "VpcId="+vpc)
	w.do("DeleteVpcEndpoints", "VpcEndpointId.1="+id, "VpcEndpointId.2="+s3)
	if code := w.do("DeleteVpcEndpoints", "VpcEndpointId.1="+id).at("unsuccessful/item/error/code"); code != "InvalidVpcEndpointId.NotFound" {
		t.Errorf("deleting again: %q", code)
	}
	w.do("DeleteVpc", "VpcId="+vpc)
}

// TestDefaultVPC finds what a fresh account has, and not again what its owner deleted.
func TestDefaultVPC(t *testing.T) {
	w := newWorld(t)
	d := w.do("DescribeVpcs", "Filter.1.Name=is-default", "Filter.1.Value.1=true")
	id := d.at("vpcSet/item/vpcId")
	if d.at("vpcSet/item/cidrBlock") != "172.31.0.0/16" {
		t.Fatalf("default VPC %+v", d)
	}
	subnets := w.do("DescribeSubnets", "Filter.1.Name=default-for-az", "Filter.1.Value.1=true").all("subnetSet/item/subnetId")
	if len(subnets) != 3 {
		t.Errorf("%d default subnets", len(subnets))
	}
	w.want("DescribeRouteTables", nil, "routeTableSet/item/", map[string]string{"vpcId": id})
	for _, s := range subnets {
		w.do("DeleteSubnet", "SubnetId="+s)
	}
	igw := w.do("DescribeInternetGateways").at("internetGatewaySet/item/internetGatewayId")
	w.do("DetachInternetGateway", "InternetGatewayId="+igw, "VpcId="+id)
	w.do("DeleteVpc", "VpcId="+id)
	if n := w.do("DescribeVpcs").nodes("vpcSet/item"); len(n) > 0 {
		t.Error("the default VPC came back")
	}
	w.refused("VPCIdNotSpecified", "CreateSecurityGroup", "GroupName=g", "GroupDescription=d")
}

// TestProviderHolds: what a capacity provider may launch with can't be deleted,
// also while it has no instance.
func TestProviderHolds(t *testing.T) {
	w := newWorld(t)
	vpc, subnet := w.network("10.0.0.0/16", "10.0.0.0/24")
	group := w.do("CreateSecurityGroup", "GroupName=g", "GroupDescription=d", "VpcId="+vpc).at("groupId")
	p := lamina.CapacityProvider{Scope: here, Name: "p", SubnetIDs: []string{subnet}, SecurityGroupIDs: []string{group}}
	put(w, w.lambda.Providers, p)
	w.refused("DependencyViolation", "DeleteSubnet", "SubnetId="+subnet)
	w.refused("DependencyViolation", "DeleteSecurityGroup", "GroupId="+group)
	if _, err := w.view.Commit(t.Context(), batchOf(w.lambda.Providers.Delete(p.Key()))); err != nil {
		t.Fatal(err)
	}
	w.do("DeleteSubnet", "SubnetId="+subnet)
	w.do("DeleteSecurityGroup", "GroupId="+group)
}
