package main

import (
	"path"
	"slices"
	"strings"
)

// service is one AWS service and the operations of it that are generated. An
// operation may be a pattern; a name that the model lacks is left out.
type service struct {
	name       string // of the model file, of the Go package, and in the credential scope
	scope      string // in the credential scope, where it is called otherwise there
	operations string
	// unchecked names enums whose value sets are not in the table, because the
	// service words the refusal itself; "*" is all of them. EC2's sets also lag
	// behind what EC2 takes.
	unchecked string
}

var served = []service{
	{name: "lambda", unchecked: "Runtime", operations: `
		*CapacityProvider *CapacityProviders PutFunctionScalingConfig GetFunctionScalingConfig
		ListFunctionVersionsByCapacityProvider
		CreateFunction GetFunction GetFunctionConfiguration ListFunctions UpdateFunctionCode
		UpdateFunctionConfiguration DeleteFunction PublishVersion ListVersionsByFunction Invoke InvokeWithResponseStream
		TagResource UntagResource ListTags GetAccountSettings GetFunctionCodeSigningConfig
		GetFunctionConcurrency PutFunctionConcurrency DeleteFunctionConcurrency
		*FunctionRecursionConfig *RuntimeManagementConfig GetPolicy AddPermission RemovePermission
		ListAliases GetAlias CreateAlias UpdateAlias DeleteAlias GetFunctionEventInvokeConfig
		ListFunctionEventInvokeConfigs ListEventSourceMappings ListProvisionedConcurrencyConfigs
		GetProvisionedConcurrencyConfig *Layers *LayerVersion *LayerVersions *LayerVersionByArn
		*LayerVersionPolicy *LayerVersionPermission GetFunctionUrlConfig ListFunctionUrlConfigs`},
	{name: "sts", operations: `GetCallerIdentity AssumeRole GetSessionToken`},
	{name: "iam", operations: `
		CreateRole GetRole ListRoles DeleteRole UpdateRole UpdateRoleDescription UpdateAssumeRolePolicy
		PutRolePolicy GetRolePolicy ListRolePolicies DeleteRolePolicy
		CreatePolicy GetPolicy ListPolicies DeletePolicy CreatePolicyVersion GetPolicyVersion
		ListPolicyVersions DeletePolicyVersion SetDefaultPolicyVersion
		AttachRolePolicy DetachRolePolicy ListAttachedRolePolicies ListEntitiesForPolicy
		TagRole UntagRole ListRoleTags TagPolicy UntagPolicy ListPolicyTags
		PutRolePermissionsBoundary DeleteRolePermissionsBoundary
		CreateInstanceProfile GetInstanceProfile DeleteInstanceProfile ListInstanceProfiles
		ListInstanceProfilesForRole AddRoleToInstanceProfile RemoveRoleFromInstanceProfile
		TagInstanceProfile UntagInstanceProfile ListInstanceProfileTags
		CreateServiceLinkedRole DeleteServiceLinkedRole GetServiceLinkedRoleDeletionStatus
		GetUser ListUsers ListAccountAliases`},
	{name: "logs", operations: `
		CreateLogGroup DeleteLogGroup DescribeLogGroups CreateLogStream DeleteLogStream
		DescribeLogStreams PutLogEvents GetLogEvents FilterLogEvents PutRetentionPolicy
		DeleteRetentionPolicy TagResource UntagResource ListTagsForResource TagLogGroup
		UntagLogGroup ListTagsLogGroup`},
	{name: "cloudwatch", scope: "monitoring", operations: `PutMetricData GetMetricData GetMetricStatistics ListMetrics`},
	{name: "ec2", unchecked: "*", operations: `
		DescribeAvailabilityZones DescribeRegions DescribeAccountAttributes
		CreateVpc DeleteVpc DescribeVpcs ModifyVpcAttribute DescribeVpcAttribute DescribeVpcClassicLink*
		CreateSubnet DeleteSubnet DescribeSubnets ModifySubnetAttribute
		CreateSecurityGroup DeleteSecurityGroup DescribeSecurityGroups DescribeSecurityGroupRules
		AuthorizeSecurityGroup* RevokeSecurityGroup* ModifySecurityGroupRules
		UpdateSecurityGroupRuleDescriptions*
		CreateRouteTable DeleteRouteTable DescribeRouteTables AssociateRouteTable DisassociateRouteTable
		ReplaceRouteTableAssociation CreateRoute ReplaceRoute DeleteRoute
		CreateInternetGateway DeleteInternetGateway DescribeInternetGateways AttachInternetGateway
		DetachInternetGateway CreateEgressOnlyInternetGateway DeleteEgressOnlyInternetGateway
		DescribeEgressOnlyInternetGateways
		CreateNatGateway DeleteNatGateway DescribeNatGateways
		AllocateAddress ReleaseAddress DescribeAddresses DescribeAddressesAttribute AssociateAddress
		DisassociateAddress
		CreateVpcEndpoint DeleteVpcEndpoints DescribeVpcEndpoints ModifyVpcEndpoint
		DescribeVpcEndpointServices DescribePrefixLists
		CreateNetworkInterface DeleteNetworkInterface DescribeNetworkInterfaces AttachNetworkInterface
		DetachNetworkInterface ModifyNetworkInterfaceAttribute
		CreateTags DeleteTags DescribeTags
		DescribeInstanceTypes DescribeInstanceTypeOfferings DescribeInstances DescribeInstanceStatus
		DescribeInstanceAttribute TerminateInstances RunInstances StopInstances
		DescribeNetworkAcls DescribeDhcpOptions DescribeImages`},
}

// unserved lists, sorted, the model's other operations.
func (s service) unserved(m *model) []string {
	chosen := s.chosen(m)
	var names []string
	for name := range m.Operations {
		if _, ok := slices.BinarySearch(chosen, name); !ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// chosen lists, sorted, the model's operations that a service wants.
func (s service) chosen(m *model) []string {
	var names []string
	patterns := strings.Fields(s.operations)
	for name := range m.Operations {
		if slices.ContainsFunc(patterns, func(p string) bool { ok, _ := path.Match(p, name); return ok }) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
