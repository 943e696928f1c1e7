package setup

import (
	"context"
	"fmt"
)

// Network is a VPC with one subnet per zone, a security group, and an endpoint
// for CloudWatch Logs: without a path there, log lines of functions are lost.
type Network struct {
	VPC, Group string
	Subnets    []string
}

// Network finds the VPC of that Name tag, or makes it with a subnet in each of so many zones
// and the endpoint.
func (c *Clients) Network(ctx context.Context, name string, zones int) (Network, error) {
	n, err := c.findNetwork(ctx, name)
	if err != nil || n.VPC != "" {
		return n, err
	}
	return c.makeNetwork(ctx, name, zones)
}

func (c *Clients) findNetwork(ctx context.Context, name string) (n Network, err error) {
	var vpcs struct {
		IDs []string `xml:"vpcSet>item>vpcId"`
	}
	if err := c.EC2.Call(ctx, &vpcs, "DescribeVpcs", "Filter.1.Name", "tag:Name", "Filter.1.Value.1", name); err != nil || len(vpcs.IDs) == 0 {
		return n, err
	}
	n.VPC = vpcs.IDs[0]
	var subnets struct {
		IDs []string `xml:"subnetSet>item>subnetId"`
	}
	if err := c.EC2.Call(ctx, &subnets, "DescribeSubnets", "Filter.1.Name", "vpc-id", "Filter.1.Value.1", n.VPC); err != nil {
		return n, err
	}
	n.Subnets = subnets.IDs
	var groups struct {
		IDs []string `xml:"securityGroupInfo>item>groupId"`
	}
	err = c.EC2.Call(ctx, &groups, "DescribeSecurityGroups",
		"Filter.1.Name", "vpc-id", "Filter.1.Value.1", n.VPC, "Filter.2.Name", "group-name", "Filter.2.Value.1", name)
	if err == nil && len(groups.IDs) == 0 {
		err = fmt.Errorf("VPC %s named %s has no security group %s: a run was cut short; delete the VPC or choose another name", n.VPC, name, name)
	}
	if err == nil {
		n.Group = groups.IDs[0]
	}
	return n, err
}

func (c *Clients) makeNetwork(ctx context.Context, name string, count int) (n Network, err error) {
	zones, err := c.zones(ctx, count)
	if err != nil {
		return n, err
	}
	var vpc struct {
		ID string `xml:"vpc>vpcId"`
	}
	if err := c.EC2.Call(ctx, &vpc, "CreateVpc", "CidrBlock", "10.0.0.0/16", "TagSpecification.1.ResourceType", "vpc",
		"TagSpecification.1.Tag.1.Key", "Name", "TagSpecification.1.Tag.1.Value", name); err != nil {
		return n, err
	}
	n.VPC = vpc.ID
	for i, zone := range zones {
		id, err := c.Subnet(ctx, n.VPC, fmt.Sprintf("10.0.%d.0/24", i+1), zone)
		if err != nil {
			return n, err
		}
		n.Subnets = append(n.Subnets, id)
	}
	if n.Group, err = c.Group(ctx, n.VPC, name); err != nil {
		return n, err
	}
	return n, c.LogsEndpoint(ctx, n)
}

// LogsEndpoint lets the network's instances reach CloudWatch Logs.
func (c *Clients) LogsEndpoint(ctx context.Context, n Network) error {
	if err := c.EC2.Call(ctx, nil, "ModifyVpcAttribute", "VpcId", n.VPC, "EnableDnsHostnames.Value", "true"); err != nil {
		return err
	}
	if err := c.EC2.Call(ctx, nil, "AuthorizeSecurityGroupIngress", "GroupId", n.Group, "IpPermissions.1.IpProtocol", "tcp",
		"IpPermissions.1.FromPort", "443", "IpPermissions.1.ToPort", "443", "IpPermissions.1.Groups.1.GroupId", n.Group); err != nil {
		return err
	}
	pairs := []string{"VpcId", n.VPC, "VpcEndpointType", "Interface", "ServiceName", "com.amazonaws." + c.EC2.Region + ".logs", "SecurityGroupId.1", n.Group}
	for i, id := range n.Subnets {
		pairs = append(pairs, fmt.Sprintf("SubnetId.%d", i+1), id)
	}
	return c.EC2.Call(ctx, nil, "CreateVpcEndpoint", pairs...)
}

func (c *Clients) zones(ctx context.Context, count int) ([]string, error) {
	var zones struct {
		Names []string `xml:"availabilityZoneInfo>item>zoneName"`
	}
	if err := c.EC2.Call(ctx, &zones, "DescribeAvailabilityZones"); err != nil {
		return nil, err
	}
	if len(zones.Names) < count {
		return nil, fmt.Errorf("the region has %d zones, %d are wanted", len(zones.Names), count)
	}
	return zones.Names[:count], nil
}

// Subnet makes a subnet and gives its id.
func (c *Clients) Subnet(ctx context.Context, vpc, cidr, zone string) (string, error) {
	var subnet struct {
		ID string `xml:"subnet>subnetId"`
	}
	err := c.EC2.Call(ctx, &subnet, "CreateSubnet", "VpcId", vpc, "CidrBlock", cidr, "AvailabilityZone", zone)
	return subnet.ID, err
}

// Group makes a security group and gives its id.
func (c *Clients) Group(ctx context.Context, vpc, name string) (string, error) {
	var group struct {
		ID string `xml:"groupId"`
	}
	err := c.EC2.Call(ctx, &group, "CreateSecurityGroup", "VpcId", vpc, "GroupName", name, "GroupDescription", "Lamina example")
	return group.ID, err
}
