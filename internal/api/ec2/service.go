// Package ec2 answers the EC2 operations of virtual networks, and shows managed
// instances the way AWS shows them.
//
// Every resource is one object in the store. What refers to what is checked in
// the transaction that writes, under guards on everything the check has read, so
// that concurrent writers can't leave a subnet without its VPC.
package ec2

import (
	"time"

	"github.com/lamina-dev/lamina"
	"github.com/lamina-dev/lamina/internal/store/tables"
	"github.com/lamina-dev/lamina/internal/store/view"
)

// Deps is what the service needs of its surroundings.
type Deps struct {
	View      *view.View
	Tables    tables.EC2
	Instances *view.Table[lamina.Instance]         // read only
	Providers *view.Table[lamina.CapacityProvider] // read only: they hold subnets and groups
	Now       lamina.Clock                         // nil: time.Now
}

// Service answers EC2's operations.
type Service struct {
	view      *view.View
	instances *view.Table[lamina.Instance]
	providers *view.Table[lamina.CapacityProvider]
	defaults  *view.Table[lamina.NetworkDefaults]
	now       lamina.Clock

	vpcs        *kind[lamina.VPC]
	subnets     *kind[lamina.Subnet]
	groups      *kind[lamina.SecurityGroup]
	routeTables *kind[lamina.RouteTable]
	acls        *kind[lamina.NetworkACL]
	internet    *kind[lamina.InternetGateway]
	egressOnly  *kind[lamina.EgressOnlyGateway]
	nat         *kind[lamina.NATGateway]
	addresses   *kind[lamina.Address]
	endpoints   *kind[lamina.VPCEndpoint]
	interfaces  *kind[lamina.NetworkInterface]
	kinds       []taggable // all of the above, and security group rules
}

// New makes the service.
func New(d Deps) *Service {
	s := &Service{view: d.View, instances: d.Instances, providers: d.Providers, defaults: d.Tables.Defaults, now: d.Now}
	if s.now == nil {
		s.now = time.Now
	}
	s.vpcs = vpcKind(d.Tables.VPCs)
	s.subnets = s.subnetKind(d.Tables.Subnets)
	s.groups = groupKind(d.Tables.Groups)
	s.routeTables = routeTableKind(d.Tables.RouteTables)
	s.acls = s.aclKind(d.Tables.ACLs)
	s.internet = internetKind(d.Tables.Internet)
	s.egressOnly = egressOnlyKind(d.Tables.EgressOnly)
	s.nat = natKind(d.Tables.NAT)
	s.addresses = addressKind(d.Tables.Addresses)
	s.endpoints = endpointKind(d.Tables.Endpoints)
	s.interfaces = s.interfaceKind(d.Tables.Interfaces)
	s.kinds = []taggable{
		s.vpcs, s.subnets, s.groups, s.routeTables, s.acls, s.internet, s.egressOnly, s.nat,
		s.addresses, s.endpoints, s.interfaces, ruleTags{s.groups},
	}
	return s
}
