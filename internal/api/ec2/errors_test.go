package ec2_test

import (
	"strconv"
	"strings"
	"sync"
	"testing"
)

func TestRefusals(t *testing.T) {
	w := newWorld(t)
	vpc, subnet := w.network("10.0.0.0/16", "10.0.0.0/24")
	group := w.do("CreateSecurityGroup", "GroupName=g", "GroupDescription=d", "VpcId="+vpc).at("groupId")
	for _, c := range []struct {
		code, text, action, params string
	}{
		{"InvalidVpc.Range", "The CIDR '10.0.0.0/8' is invalid.", "CreateVpc", "CidrBlock=10.0.0.0/8"},
		{"InvalidParameterValue", "", "CreateVpc", "CidrBlock=hello"},
		{"MissingParameter", "", "CreateVpc", ""},
		{"InvalidSubnet.Range", "The CIDR '10.1.0.0/24' is invalid.", "CreateSubnet", "VpcId=" + vpc + " CidrBlock=10.1.0.0/24"},
		{"InvalidSubnet.Range", "", "CreateSubnet", "VpcId=" + vpc + " CidrBlock=10.0.9.0/29"},
		{"InvalidSubnet.Conflict", "The CIDR '10.0.0.128/25' conflicts with another subnet", "CreateSubnet", "VpcId=" + vpc + " CidrBlock=10.0.0.128/25"},
		{"InvalidParameterValue", "", "CreateSubnet", "VpcId=" + vpc + " CidrBlock=10.0.1.0/24 AvailabilityZone=ap-northeast-1b"},
		{"InvalidVpcID.NotFound", "", "CreateSubnet", "VpcId=vpc-00000000000000000 CidrBlock=10.0.1.0/24"},
		{"InvalidVpcID.NotFound", "The vpc IDs 'vpc-00000000000000000, vpc-00000000000000001' do not exist", "DescribeVpcs", "VpcId.1=vpc-00000000000000000 VpcId.2=vpc-00000000000000001"},
		{"InvalidVpcID.Malformed", "", "DescribeVpcs", "VpcId.1=nonsense"},
		{"InvalidSubnetID.NotFound", "The subnet ID 'subnet-00000000000000000' does not exist", "DeleteSubnet", "SubnetId=subnet-00000000000000000"},
		{"InvalidRouteTableID.NotFound", "The routeTable ID 'rtb-00000000000000000' does not exist", "DescribeRouteTables", "RouteTableId.1=rtb-00000000000000000"},
		{"InvalidNetworkInterfaceID.NotFound", "", "DeleteNetworkInterface", "NetworkInterfaceId=eni-00000000000000000"},
		{"InvalidAllocationID.NotFound", "", "ReleaseAddress", "AllocationId=eipalloc-00000000000000000"},
		{"NatGatewayNotFound", "", "DescribeNatGateways", "NatGatewayId.1=nat-00000000000000000"},
		{"InvalidGroup.NotFound", "The security group 'sg-00000000000000000' does not exist", "DescribeSecurityGroups", "GroupId.1=sg-00000000000000000"},
		{"InvalidGroupId.Malformed", "", "DescribeSecurityGroups", "GroupId.1=x"},
		{"InvalidGroup.Duplicate", "The security group 'g' already exists for VPC '" + vpc + "'", "CreateSecurityGroup", "GroupName=g GroupDescription=d VpcId=" + vpc},
		{"InvalidParameterValue", "Cannot use reserved security group name: default", "CreateSecurityGroup", "GroupName=default GroupDescription=d VpcId=" + vpc},
		{"InvalidParameterValue", "", "CreateVpc", "CidrBlock=10.0.0.0/16 TagSpecification.1.ResourceType=subnet TagSpecification.1.Tag.1.Key=a"},
		{"InvalidParameterValue", "", "CreateTags", "ResourceId.1=" + vpc + " Tag.1.Key=aws:x Tag.1.Value=y"},
		{"InvalidID", "", "CreateTags", "ResourceId.1=what-1 Tag.1.Key=x Tag.1.Value=y"},
		{"InvalidParameterValue", "The filter 'colour' is invalid", "DescribeVpcs", "Filter.1.Name=colour Filter.1.Value.1=x"},
		{"InvalidPermission.NotFound", "The specified rule does not exist in this security group.", "RevokeSecurityGroupIngress", "GroupId=" + group + " IpProtocol=tcp FromPort=1 ToPort=2 CidrIp=0.0.0.0/0"},
		{"InvalidParameterValue", "", "AuthorizeSecurityGroupIngress", "GroupId=" + group + " IpProtocol=tcp FromPort=9 ToPort=2 CidrIp=0.0.0.0/0"},
		{"InvalidParameterValue", "CIDR block 1.2.3 is malformed", "AuthorizeSecurityGroupIngress", "GroupId=" + group + " IpProtocol=-1 CidrIp=1.2.3"},
		{"InvalidParameterValue", "", "CreateNetworkInterface", "SubnetId=" + subnet + " PrivateIpAddress=10.0.0.3"},
		{"InvalidParameterValue", "", "CreateNetworkInterface", "SubnetId=" + subnet + " PrivateIpAddress=10.9.0.3"},
		{"InvalidNextToken", "", "DescribeVpcs", "NextToken=%%%"},
		{"DryRunOperation", "Request would have succeeded, but DryRun flag is set.", "CreateVpc", "CidrBlock=10.0.0.0/16 DryRun=true"},
	} {
		if text := w.refused(c.code, c.action, strings.Fields(c.params)...); c.text != "" && text != c.text {
			t.Errorf("%s %s says %q, want %q", c.action, c.params, text, c.text)
		}
	}
	status, _ := w.post("CreateVpc", "CidrBlock=10.0.0.0/16", "DryRun=true")
	if status != 412 {
		t.Errorf("a dry run answers %d", status)
	}
}

func TestGroupRules(t *testing.T) {
	w := newWorld(t)
	vpc := w.do("CreateVpc", "CidrBlock=10.0.0.0/16").at("vpc/vpcId")
	a := w.do("CreateSecurityGroup", "GroupName=a", "GroupDescription=d", "VpcId="+vpc).at("groupId")
	b := w.do("CreateSecurityGroup", "GroupName=b", "GroupDescription=d", "VpcId="+vpc).at("groupId")
	fromB := []string{"GroupId=" + a, "IpPermissions.1.IpProtocol=tcp", "IpPermissions.1.FromPort=443", "IpPermissions.1.ToPort=443", "IpPermissions.1.Groups.1.GroupId=" + b}
	rule := w.do("AuthorizeSecurityGroupIngress", fromB...).at("securityGroupRuleSet/item/securityGroupRuleId")
	w.refused("InvalidPermission.Duplicate", "AuthorizeSecurityGroupIngress", fromB...)
	w.refused("DependencyViolation", "DeleteSecurityGroup", "GroupId="+b)
	w.refused("InvalidGroup.NotFound", "AuthorizeSecurityGroupIngress", "GroupId="+a, "IpPermissions.1.IpProtocol=-1", "IpPermissions.1.Groups.1.GroupId=sg-00000000000000000")

	w.want("DescribeSecurityGroupRules", []string{"SecurityGroupRuleId.1=" + rule}, "securityGroupRuleSet/item/", map[string]string{
		"groupId": a, "isEgress": "false", "ipProtocol": "tcp", "fromPort": "443", "referencedGroupInfo/groupId": b,
	})
	w.do("CreateTags", "ResourceId.1="+rule, "Tag.1.Key=why", "Tag.1.Value=test")
	w.want("DescribeSecurityGroupRules", []string{"Filter.1.Name=tag:why", "Filter.1.Value.1=t*"}, "securityGroupRuleSet/item/", map[string]string{"securityGroupRuleId": rule})
	w.do("UpdateSecurityGroupRuleDescriptionsIngress", append(fromB, "IpPermissions.1.Groups.1.Description=from b")...)
	w.want("DescribeSecurityGroups", []string{"GroupId.1=" + a}, "securityGroupInfo/item/ipPermissions/item/", map[string]string{"groups/item/description": "from b"})
	w.do("ModifySecurityGroupRules", "GroupId="+a, "SecurityGroupRule.1.SecurityGroupRuleId="+rule,
		"SecurityGroupRule.1.SecurityGroupRule.IpProtocol=6", "SecurityGroupRule.1.SecurityGroupRule.FromPort=80",
		"SecurityGroupRule.1.SecurityGroupRule.ToPort=80", "SecurityGroupRule.1.SecurityGroupRule.CidrIpv4=10.0.0.7/8")
	w.want("DescribeSecurityGroups", []string{"GroupId.1=" + a}, "securityGroupInfo/item/ipPermissions/item/", map[string]string{
		"ipProtocol": "tcp", "fromPort": "80", "ipRanges/item/cidrIp": "10.0.0.0/8", "groups/item/groupId": "",
	})
	w.do("DeleteSecurityGroup", "GroupId="+b)
	w.do("RevokeSecurityGroupIngress", "GroupId="+a, "SecurityGroupRuleId.1="+rule)
	w.refused("InvalidSecurityGroupRuleId.NotFound", "RevokeSecurityGroupIngress", "GroupId="+a, "SecurityGroupRuleId.1="+rule)
	for i := range 60 {
		w.do("AuthorizeSecurityGroupIngress", "GroupId="+a, "IpProtocol=udp", "FromPort="+strconv.Itoa(i), "ToPort=65535", "CidrIp=0.0.0.0/0")
	}
	w.refused("RulesPerSecurityGroupLimitExceeded", "AuthorizeSecurityGroupIngress", "GroupId="+a, "IpProtocol=-1", "CidrIp=0.0.0.0/0")
}

func TestTagsAndPages(t *testing.T) {
	w := newWorld(t)
	vpc, _ := w.network("10.0.0.0/16", "10.0.0.0/24")
	for i := 1; i < 12; i++ {
		w.do("CreateSubnet", "VpcId="+vpc, "CidrBlock=10.0."+strconv.Itoa(i)+".0/24", "TagSpecification.1.ResourceType=subnet",
			"TagSpecification.1.Tag.1.Key=n", "TagSpecification.1.Tag.1.Value="+strconv.Itoa(i))
	}
	seen, token := map[string]bool{}, ""
	for range 3 {
		d := w.do("DescribeSubnets", "MaxResults=5", "NextToken="+token, "Filter.1.Name=vpc-id", "Filter.1.Value.1="+vpc)
		for _, id := range d.all("subnetSet/item/subnetId") {
			seen[id] = true
		}
		token = d.at("nextToken")
	}
	if len(seen) != 12 || token != "" {
		t.Errorf("three pages show %d subnets, then %q", len(seen), token)
	}
	found := w.do("DescribeSubnets", "Filter.1.Name=tag:n", "Filter.1.Value.1=1?", "Filter.1.Value.2=3").nodes("subnetSet/item")
	if len(found) != 3 {
		t.Errorf("%d subnets with tags 1? or 3", len(found))
	}
	w.do("CreateTags", "ResourceId.1="+vpc, "Tag.1.Key=a", "Tag.1.Value=1", "Tag.2.Key=b", "Tag.2.Value=2")
	w.do("DeleteTags", "ResourceId.1="+vpc, "Tag.1.Key=a", "Tag.1.Value=other", "Tag.2.Key=b")
	tags := w.do("DescribeTags", "Filter.1.Name=resource-type", "Filter.1.Value.1=vpc")
	if got := tags.all("tagSet/item/key"); len(got) != 1 || got[0] != "a" {
		t.Errorf("tags %v", got)
	}
	w.do("DeleteTags", "ResourceId.1="+vpc)
	if got := w.do("DescribeTags", "Filter.1.Name=resource-id", "Filter.1.Value.1="+vpc).nodes("tagSet/item"); len(got) > 0 {
		t.Errorf("%d tags after all were deleted", len(got))
	}
}

// TestRaces lets creators and deleters meet: a resource may be refused, but none
// may outlive what it refers to, and no address is given twice.
func TestRaces(t *testing.T) {
	w := newWorld(t)
	w.do("DescribeVpcs")
	for range 20 {
		vpc := w.do("CreateVpc", "CidrBlock=10.0.0.0/16").at("vpc/vpcId")
		var wg sync.WaitGroup
		for _, params := range [][]string{
			{"DeleteVpc", "VpcId=" + vpc},
			{"CreateSubnet", "VpcId=" + vpc, "CidrBlock=10.0.0.0/24"},
			{"CreateSubnet", "VpcId=" + vpc, "CidrBlock=10.0.0.0/25"},
			{"CreateSecurityGroup", "VpcId=" + vpc, "GroupName=g", "GroupDescription=d"},
			{"CreateSecurityGroup", "VpcId=" + vpc, "GroupName=g", "GroupDescription=d"},
			{"CreateRouteTable", "VpcId=" + vpc},
		} {
			wg.Go(func() { w.post(params[0], params[1:]...) })
		}
		wg.Wait()
		inVPC := []string{"Filter.1.Name=vpc-id", "Filter.1.Value.1=" + vpc}
		exists := len(w.do("DescribeVpcs", inVPC...).nodes("vpcSet/item")) > 0
		subnets := len(w.do("DescribeSubnets", inVPC...).nodes("subnetSet/item"))
		groups := len(w.do("DescribeSecurityGroups", inVPC...).nodes("securityGroupInfo/item"))
		tables := len(w.do("DescribeRouteTables", inVPC...).nodes("routeTableSet/item"))
		if exists && (subnets != 1 || groups != 2 || tables != 2) || !exists && subnets+groups+tables > 0 {
			t.Fatalf("vpc %v with %d subnets, %d groups, %d tables", exists, subnets, groups, tables)
		}
	}
}

func TestAddressesAreGivenOnce(t *testing.T) {
	w := newWorld(t)
	_, subnet := w.network("10.0.0.0/16", "10.0.0.0/28")
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() { w.post("CreateNetworkInterface", "SubnetId="+subnet) })
	}
	wg.Wait()
	given := map[string]bool{}
	for _, a := range w.do("DescribeNetworkInterfaces").all("networkInterfaceSet/item/privateIpAddress") {
		if given[a] {
			t.Errorf("%s given twice", a)
		}
		given[a] = true
	}
	if len(given) != 11 {
		t.Errorf("%d of 11 addresses given", len(given))
	}
	w.refused("InsufficientFreeAddressesInSubnet", "CreateNetworkInterface", "SubnetId="+subnet)
}
