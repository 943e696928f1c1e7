package ec2

import (
	"context"

	"github.com/lamina-dev/lamina"
	model "github.com/lamina-dev/lamina/internal/awsmodel/ec2"
	"github.com/lamina-dev/lamina/internal/awsproto"
)

// Register adds the operations to the front door.
func (s *Service) Register(m *awsproto.Mux) {
	s.registerNetworks(m)
	s.registerGroups(m)
	s.registerRoutes(m)
	s.registerInterfaces(m)
	s.registerInstances(m)
}

func (s *Service) registerNetworks(m *awsproto.Mux) {
	handle(m, s, model.DescribeAvailabilityZones, s.describeAvailabilityZones)
	handle(m, s, model.DescribeRegions, s.describeRegions)
	handle(m, s, model.DescribeAccountAttributes, s.describeAccountAttributes)
	handle(m, s, model.CreateVpc, s.createVPC)
	handle(m, s, model.DeleteVpc, s.deleteVPC)
	handle(m, s, model.DescribeVpcs, s.describeVPCs)
	handle(m, s, model.DescribeVpcAttribute, s.describeVPCAttribute)
	handle(m, s, model.ModifyVpcAttribute, s.modifyVPCAttribute)
	handle(m, s, model.DescribeVpcClassicLink, s.describeClassicLink)
	handle(m, s, model.DescribeVpcClassicLinkDnsSupport, s.describeClassicLinkDNS)
	handle(m, s, model.CreateSubnet, s.createSubnet)
	handle(m, s, model.DeleteSubnet, s.deleteSubnet)
	handle(m, s, model.DescribeSubnets, s.describeSubnets)
	handle(m, s, model.ModifySubnetAttribute, s.modifySubnetAttribute)
	handle(m, s, model.DescribeNetworkAcls, s.describeNetworkACLs)
	handle(m, s, model.DescribeDhcpOptions, s.describeDHCPOptions)
	handle(m, s, model.CreateTags, s.createTags)
	handle(m, s, model.DeleteTags, s.deleteTags)
	handle(m, s, model.DescribeTags, s.describeTags)
}

func (s *Service) registerGroups(m *awsproto.Mux) {
	handle(m, s, model.CreateSecurityGroup, s.createSecurityGroup)
	handle(m, s, model.DeleteSecurityGroup, s.deleteSecurityGroup)
	handle(m, s, model.DescribeSecurityGroups, s.describeSecurityGroups)
	handle(m, s, model.DescribeSecurityGroupRules, s.describeRules)
	handle(m, s, model.AuthorizeSecurityGroupIngress, s.authorizeIngress)
	handle(m, s, model.AuthorizeSecurityGroupEgress, s.authorizeEgress)
	handle(m, s, model.RevokeSecurityGroupIngress, s.revokeIngress)
	handle(m, s, model.RevokeSecurityGroupEgress, s.revokeEgress)
	handle(m, s, model.ModifySecurityGroupRules, s.modifyRules)
	handle(m, s, model.UpdateSecurityGroupRuleDescriptionsIngress, s.describeIngress)
	handle(m, s, model.UpdateSecurityGroupRuleDescriptionsEgress, s.describeEgress)
}

func (s *Service) registerRoutes(m *awsproto.Mux) {
	handle(m, s, model.CreateRouteTable, s.createRouteTable)
	handle(m, s, model.DeleteRouteTable, s.deleteRouteTable)
	handle(m, s, model.DescribeRouteTables, s.describeRouteTables)
	handle(m, s, model.AssociateRouteTable, s.associateRouteTable)
	handle(m, s, model.DisassociateRouteTable, s.disassociateRouteTable)
	handle(m, s, model.ReplaceRouteTableAssociation, s.replaceRouteTableAssociation)
	handle(m, s, model.CreateRoute, s.createRoute)
	handle(m, s, model.ReplaceRoute, s.replaceRoute)
	handle(m, s, model.DeleteRoute, s.deleteRoute)
	handle(m, s, model.CreateInternetGateway, s.createInternetGateway)
	handle(m, s, model.AttachInternetGateway, s.attachInternetGateway)
	handle(m, s, model.DetachInternetGateway, s.detachInternetGateway)
	handle(m, s, model.DeleteInternetGateway, s.deleteInternetGateway)
	handle(m, s, model.DescribeInternetGateways, s.describeInternetGateways)
	handle(m, s, model.CreateEgressOnlyInternetGateway, s.createEgressOnly)
	handle(m, s, model.DeleteEgressOnlyInternetGateway, s.deleteEgressOnly)
	handle(m, s, model.DescribeEgressOnlyInternetGateways, s.describeEgressOnly)
	handle(m, s, model.CreateNatGateway, s.createNAT)
	handle(m, s, model.DeleteNatGateway, s.deleteNAT)
	handle(m, s, model.DescribeNatGateways, s.describeNAT)
}

func (s *Service) registerInterfaces(m *awsproto.Mux) {
	handle(m, s, model.AllocateAddress, s.allocateAddress)
	handle(m, s, model.ReleaseAddress, s.releaseAddress)
	handle(m, s, model.AssociateAddress, s.associateAddress)
	handle(m, s, model.DisassociateAddress, s.disassociateAddress)
	handle(m, s, model.DescribeAddresses, s.describeAddresses)
	handle(m, s, model.DescribeAddressesAttribute, s.describeAddressesAttribute)
	handle(m, s, model.CreateVpcEndpoint, s.createEndpoint)
	handle(m, s, model.DeleteVpcEndpoints, s.deleteEndpoints)
	handle(m, s, model.ModifyVpcEndpoint, s.modifyEndpoint)
	handle(m, s, model.DescribeVpcEndpoints, s.describeEndpoints)
	handle(m, s, model.DescribeVpcEndpointServices, s.describeEndpointServices)
	handle(m, s, model.DescribePrefixLists, s.describePrefixLists)
	handle(m, s, model.CreateNetworkInterface, s.createInterface)
	handle(m, s, model.DeleteNetworkInterface, s.deleteInterface)
	handle(m, s, model.ModifyNetworkInterfaceAttribute, s.modifyInterface)
	handle(m, s, model.AttachNetworkInterface, s.attachInterface)
	handle(m, s, model.DetachNetworkInterface, s.detachInterface)
	handle(m, s, model.DescribeNetworkInterfaces, s.describeInterfaces)
}

func (s *Service) registerInstances(m *awsproto.Mux) {
	handle(m, s, model.DescribeInstanceTypes, s.describeInstanceTypes)
	handle(m, s, model.DescribeInstanceTypeOfferings, s.describeOfferings)
	handle(m, s, model.DescribeInstances, s.describeInstances)
	handle(m, s, model.DescribeInstanceStatus, s.describeInstanceStatus)
	handle(m, s, model.DescribeInstanceAttribute, s.describeInstanceAttribute)
	handle(m, s, model.TerminateInstances, s.terminateInstances)
	handle(m, s, model.StopInstances, s.stopInstances)
	handle(m, s, model.RunInstances, s.runInstances)
	handle(m, s, model.DescribeImages, s.describeImages)
}

// describeImages knows no images: nothing here starts from one.
func (s *Service) describeImages(_ context.Context, in *model.DescribeImagesRequest) (*model.DescribeImagesResult, error) {
	if len(in.ImageIds) > 0 {
		return nil, lamina.Errorf("InvalidAMIID.NotFound", "The image id '[%s]' does not exist", in.ImageIds[0])
	}
	return &model.DescribeImagesResult{Images: []model.Image{}}, nil
}

// describeClassicLink answers for what AWS has retired: off everywhere.
func (s *Service) describeClassicLink(ctx context.Context, in *model.DescribeVpcClassicLinkRequest) (*model.DescribeVpcClassicLinkResult, error) {
	found, _, err := s.vpcs.describe(ctx, s, query{ids: in.VpcIds})
	return &model.DescribeVpcClassicLinkResult{Vpcs: show(found, func(v lamina.VPC) model.VpcClassicLink {
		return model.VpcClassicLink{VpcId: &v.ID, ClassicLinkEnabled: new(false), Tags: tagSet(v.Tags)}
	})}, err
}

func (s *Service) describeClassicLinkDNS(ctx context.Context, in *model.DescribeVpcClassicLinkDnsSupportRequest) (*model.DescribeVpcClassicLinkDnsSupportResult, error) {
	found, _, err := s.vpcs.describe(ctx, s, query{ids: in.VpcIds})
	return &model.DescribeVpcClassicLinkDnsSupportResult{Vpcs: show(found, func(v lamina.VPC) model.ClassicLinkDnsSupport {
		return model.ClassicLinkDnsSupport{VpcId: &v.ID, ClassicLinkDnsSupported: new(false)}
	})}, err
}
