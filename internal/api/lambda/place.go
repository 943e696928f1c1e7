package lambda

import (
	"slices"

	"github.com/lamina-dev/lamina"
	model "github.com/lamina-dev/lamina/internal/awsmodel/lambda"
	"github.com/lamina-dev/lamina/internal/store/view"
)

// place finds the one VPC that subnets and security groups lie in, and guards
// that they stay there until the commit.
func (s *Service) place(tx *view.Tx, scope lamina.Scope, subnets, groups []string) (vpc string, err error) {
	vpcs := map[string]bool{}
	for _, id := range subnets {
		row, ok := s.Subnets.At(tx).Get(lamina.Key(scope.Account, scope.Region, id))
		if !ok {
			return "", lamina.Errorf(lamina.CodeInvalidParameter, textSubnetMissing, id)
		}
		tx.Guard(s.Subnets.AtRevision(row))
		vpc = row.Value.VPCID
		vpcs[vpc] = true
	}
	for _, id := range groups {
		row, ok := s.Groups.At(tx).Get(lamina.Key(scope.Account, scope.Region, id))
		if !ok {
			return "", lamina.Errorf(lamina.CodeInvalidParameter, textGroupMissing, id)
		}
		tx.Guard(s.Groups.AtRevision(row))
		vpcs[row.Value.VPCID] = true
	}
	if len(vpcs) > 1 {
		return "", lamina.Errorf(lamina.CodeInvalidParameter, textTwoVPCs)
	}
	return vpc, nil
}

// placeFunction puts an ordinary function into a VPC; empty lists take it out.
func (s *Service) placeFunction(tx *view.Tx, scope lamina.Scope, c *lamina.FunctionConfig, in *model.VpcConfig) error {
	if in == nil {
		return nil
	}
	if len(in.SubnetIds) == 0 {
		c.VPC = nil
		return nil
	}
	vpc, err := s.place(tx, scope, in.SubnetIds, in.SecurityGroupIds)
	if err != nil {
		return err
	}
	groups := slices.Clone(in.SecurityGroupIds)
	if groups == nil {
		groups = []string{}
	}
	c.VPC = &lamina.FunctionVPC{VPCID: vpc, SubnetIDs: slices.Clone(in.SubnetIds), SecurityGroupIDs: groups}
	set(&c.VPC.IPv6, in.Ipv6AllowedForDualStack)
	return nil
}
