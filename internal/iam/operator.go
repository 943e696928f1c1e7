package iam

import (
	"slices"
	"strings"

	"github.com/lamina-dev/lamina"
)

// scalerPrincipal operates managed instances; the operator policy's conditions
// ask for it (lmi-service.md 2.8).
const scalerPrincipal = "scaler.lambda.amazonaws.com"

// launchNeeds are what no instance can be launched without. AWS accepts roles
// with little more (terraform.md 4), so tags and reads are not asked for.
var launchNeeds = []struct{ action, resource string }{
	{"ec2:RunInstances", "instance/"},
	{"ec2:RunInstances", "network-interface/"},
	{"ec2:RunInstances", "volume/"},
	{"ec2:RunInstances", "subnet/"},
	{"ec2:RunInstances", "security-group/"},
	{"ec2:RunInstances", "image/"},
	{"ec2:CreateNetworkInterface", "subnet/"},
	{"ec2:CreateNetworkInterface", "security-group/"},
}

// operatorRoleMayLaunch says whether permissions let Lambda launch managed
// instances, and what is missing if not. A boundary that is not nil must allow it too.
// The region is not known here, so any region the documents name will do.
func operatorRoleMayLaunch(role lamina.Role, policies, boundary []Document) (ok bool, missing string) {
	for _, region := range append(regionsIn(policies), "us-east-1") {
		if missing = lacking(role.Account, region, policies, boundary); missing == "" {
			return true, ""
		}
	}
	return false, missing
}

// lacking names the first need that is not met in a region.
func lacking(account, region string, policies, boundary []Document) string {
	conditions := map[string][]string{
		"ec2:ManagedResourceOperator": {scalerPrincipal},
		"ec2:Owner":                   {"amazon"},
		"ec2:Region":                  {region},
		"aws:RequestedRegion":         {region},
		"aws:PrincipalAccount":        {account},
		"aws:ResourceAccount":         {account},
	}
	for _, n := range launchNeeds {
		owner := account
		if n.resource == "image/" {
			owner = ""
		}
		arn := "arn:aws:ec2:" + region + ":" + owner + ":" + n.resource + "lamina"
		if !Allowed(policies, n.action, arn, conditions) || boundary != nil && !Allowed(boundary, n.action, arn, conditions) {
			return n.action + " on " + strings.TrimSuffix(n.resource, "/")
		}
	}
	return ""
}

// regionsIn are the regions that resources in the documents name.
func regionsIn(docs []Document) []string {
	var regions []string
	for _, d := range docs {
		for _, s := range d.Statement {
			for _, r := range s.Resource {
				if _, region, _, _, ok := lamina.SplitARN(r); ok && region != "" && !strings.ContainsAny(region, "*?$") && !slices.Contains(regions, region) {
					regions = append(regions, region)
				}
			}
		}
	}
	return regions
}
