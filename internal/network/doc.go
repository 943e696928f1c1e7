// Package network is the arithmetic of virtual networks: regions and their
// zones, address ranges, the choice of a free address, EC2's resource ids, and
// what an instance reaches by routes, gateways, endpoints and security groups.
//
// It is pure: values in, values out, no state and, save for NewID, no chance.
package network
