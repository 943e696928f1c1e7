package tables

import (
	"github.com/lamina-dev/lamina"
	"github.com/lamina-dev/lamina/internal/store/view"
)

// EC2 holds the resources of virtual networks. The EC2 API writes all of them;
// the fleet besides writes the Interfaces of managed instances, in the batch
// that writes the instance record.
type EC2 struct {
	Defaults    *view.Table[lamina.NetworkDefaults]   // key: NetworkDefaults.Key
	VPCs        *view.Table[lamina.VPC]               // key: VPC.Key
	Subnets     *view.Table[lamina.Subnet]            // key: Subnet.Key
	Groups      *view.Table[lamina.SecurityGroup]     // key: SecurityGroup.Key
	RouteTables *view.Table[lamina.RouteTable]        // key: RouteTable.Key
	ACLs        *view.Table[lamina.NetworkACL]        // key: NetworkACL.Key
	Internet    *view.Table[lamina.InternetGateway]   // key: InternetGateway.Key
	EgressOnly  *view.Table[lamina.EgressOnlyGateway] // key: EgressOnlyGateway.Key
	NAT         *view.Table[lamina.NATGateway]        // key: NATGateway.Key
	Addresses   *view.Table[lamina.Address]           // key: Address.Key
	Endpoints   *view.Table[lamina.VPCEndpoint]       // key: VPCEndpoint.Key
	Interfaces  *view.Table[lamina.NetworkInterface]  // key: NetworkInterface.Key, below its subnet
}

// NewEC2 registers the tables with a view that is not open yet.
func NewEC2(v *view.View) EC2 {
	return EC2{
		Defaults:    view.NewTable[lamina.NetworkDefaults](v, "ec2/defaults/"),
		VPCs:        view.NewTable[lamina.VPC](v, "ec2/vpc/"),
		Subnets:     view.NewTable[lamina.Subnet](v, "ec2/subnet/"),
		Groups:      view.NewTable[lamina.SecurityGroup](v, "ec2/sg/"),
		RouteTables: view.NewTable[lamina.RouteTable](v, "ec2/rtb/"),
		ACLs:        view.NewTable[lamina.NetworkACL](v, "ec2/acl/"),
		Internet:    view.NewTable[lamina.InternetGateway](v, "ec2/igw/"),
		EgressOnly:  view.NewTable[lamina.EgressOnlyGateway](v, "ec2/eigw/"),
		NAT:         view.NewTable[lamina.NATGateway](v, "ec2/nat/"),
		Addresses:   view.NewTable[lamina.Address](v, "ec2/eip/"),
		Endpoints:   view.NewTable[lamina.VPCEndpoint](v, "ec2/vpce/"),
		Interfaces:  view.NewTable[lamina.NetworkInterface](v, "ec2/eni/"),
	}
}
