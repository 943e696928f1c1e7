package paths

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/lamina-dev/lamina"
	"github.com/lamina-dev/lamina/internal/network"
	"github.com/lamina-dev/lamina/internal/store"
	"github.com/lamina-dev/lamina/internal/store/mem"
	"github.com/lamina-dev/lamina/internal/store/tables"
	"github.com/lamina-dev/lamina/internal/store/view"
)

var scope = lamina.Scope{Account: "000000000000", Region: "us-east-1"}

// world is a view with an isolated VPC of two subnets, and an instance in each.
type world struct {
	*testing.T
	view *view.View
	ec2  tables.EC2
	*Paths
	a, b lamina.Instance
}

func newWorld(t *testing.T) *world {
	v := view.New()
	w := &world{T: t, view: v, ec2: tables.NewEC2(v)}
	if err := v.Open(t.Context(), mem.New()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { v.Close() })
	w.Paths = New(v, w.ec2)
	vpc := lamina.VPC{Scope: scope, ID: "vpc-1", CIDR: "10.0.0.0/16", DNSSupport: true, DNSHostnames: true}
	main := lamina.RouteTable{Scope: scope, ID: "rtb-1", VPCID: "vpc-1", Associations: []lamina.RouteAssociation{{Main: true}}}
	w.do(w.ec2.VPCs.Put(vpc.Key(), vpc), w.ec2.RouteTables.Put(main.Key(), main))
	w.group(lamina.SecurityRule{Egress: true, Protocol: "-1", CIDR: "0.0.0.0/0"}, lamina.SecurityRule{Protocol: "-1", GroupID: "sg-1"})
	w.a, w.b = w.instance(1), w.instance(2)
	return w
}

func (w *world) do(ops ...store.Op) {
	w.Helper()
	if _, err := w.view.Commit(w.Context(), store.Batch{Ops: ops}); err != nil {
		w.Fatal(err)
	}
}

func (w *world) group(rules ...lamina.SecurityRule) {
	w.Helper()
	g := lamina.SecurityGroup{Scope: scope, ID: "sg-1", VPCID: "vpc-1", Rules: rules}
	w.do(w.ec2.Groups.Put(g.Key(), g))
}

// instance makes one with a subnet of its own.
func (w *world) instance(n int) lamina.Instance {
	w.Helper()
	s := lamina.Subnet{Scope: scope, ID: fmt.Sprintf("subnet-%d", n), VPCID: "vpc-1", CIDR: fmt.Sprintf("10.0.%d.0/24", n)}
	e := lamina.NetworkInterface{Scope: scope, ID: fmt.Sprintf("eni-%d", n), SubnetID: s.ID, VPCID: "vpc-1", PrivateIP: fmt.Sprintf("10.0.%d.4", n), GroupIDs: []string{"sg-1"}}
	w.do(w.ec2.Subnets.Put(s.Key(), s), w.ec2.Interfaces.Put(e.Key(), e))
	return lamina.Instance{Scope: scope, ID: fmt.Sprintf("i-%d", n), SubnetID: s.ID, VPCID: "vpc-1", InterfaceID: e.ID}
}

// endpoint gives the VPC one for logs in the first subnet.
func (w *world) endpoint() {
	w.Helper()
	n := lamina.NetworkInterface{Scope: scope, ID: "eni-e", SubnetID: "subnet-1", VPCID: "vpc-1", PrivateIP: "10.0.1.9", GroupIDs: []string{"sg-1"}}
	e := lamina.VPCEndpoint{Scope: scope, ID: "vpce-1", VPCID: "vpc-1", Service: "com.amazonaws.us-east-1.logs", Type: "Interface",
		SubnetIDs: []string{"subnet-1"}, InterfaceIDs: []string{n.ID}, GroupIDs: n.GroupIDs, PrivateDNS: true}
	w.do(w.ec2.Interfaces.Put(n.Key(), n), w.ec2.Endpoints.Put(e.Key(), e))
}

// nat routes a subnet through a NAT gateway of its own VPC.
func (w *world) nat(subnet string) {
	w.Helper()
	igw := lamina.InternetGateway{Scope: scope, ID: "igw-1", VPCID: "vpc-1"}
	nat := lamina.NATGateway{Scope: scope, ID: "nat-1", VPCID: "vpc-1", SubnetID: "subnet-9", PublicIP: "198.18.0.4"}
	in := lamina.RouteTable{Scope: scope, ID: "rtb-nat", VPCID: "vpc-1", Routes: []lamina.Route{{CIDR: "0.0.0.0/0", Gateway: igw.ID}}, Associations: []lamina.RouteAssociation{{SubnetID: "subnet-9"}}}
	out := lamina.RouteTable{Scope: scope, ID: "rtb-out", VPCID: "vpc-1", Routes: []lamina.Route{{CIDR: "0.0.0.0/0", NATGateway: nat.ID}}, Associations: []lamina.RouteAssociation{{SubnetID: subnet}}}
	w.do(w.ec2.Internet.Put(igw.Key(), igw), w.ec2.NAT.Put(nat.Key(), nat), w.ec2.RouteTables.Put(in.Key(), in), w.ec2.RouteTables.Put(out.Key(), out))
}

func (w *world) reaches(i lamina.Instance, want string) {
	w.Helper()
	a := w.Service(i, Logs)
	got := string(a.Path.Kind)
	if !a.Reached() {
		got = a.Missing.Code
	}
	if got != want {
		w.Errorf("%s: %s, want %s", i.ID, got, want)
	}
}

func TestAnswersFollowTheView(t *testing.T) {
	w := newWorld(t)
	w.reaches(w.a, "no-route")
	w.nat("subnet-2")
	w.reaches(w.a, "no-route")
	w.reaches(w.b, "nat-gateway")
	w.endpoint()
	w.reaches(w.a, "interface-endpoint")
	w.reaches(w.b, "interface-endpoint")
	w.group()
	w.reaches(w.a, "egress")
	w.do(w.ec2.Interfaces.Delete("000000000000/us-east-1/subnet-1/eni-1"))
	w.reaches(w.a, Gone)
	w.reaches(lamina.Instance{Scope: scope, ID: "i-9", SubnetID: "subnet-9"}, Gone)
}

func TestFromSubnet(t *testing.T) {
	w := newWorld(t)
	p := lamina.CapacityProvider{Scope: scope, Name: "p", SubnetIDs: []string{"subnet-2"}, SecurityGroupIDs: []string{"sg-1"}}
	if a := w.FromSubnet(p, "subnet-2", Logs); a.Reached() {
		t.Errorf("reached by %+v", a.Path)
	}
	w.endpoint()
	if a := w.FromSubnet(p, "subnet-2", Logs); !a.Reached() {
		t.Errorf("missing %+v", a.Missing)
	}
	p.SecurityGroupIDs = []string{"sg-other"}
	if a := w.FromSubnet(p, "subnet-2", Logs); a.Reached() {
		t.Error("a group without rules lets out")
	}
}

// Each version is told of once for each thing that is missing, and again only
// after its lines have got through from there.
func TestDelivery(t *testing.T) {
	w := newWorld(t)
	var out bytes.Buffer
	var refused *network.Missing
	d := NewDelivery(w.Paths, func(string) *network.Missing { return refused }, slog.New(slog.NewTextHandler(&out, nil)))
	told := 0
	send := func(i lamina.Instance, version string, delivered bool, lines int) {
		t.Helper()
		if got := d.Delivers(i, version); got != delivered {
			t.Errorf("%s from %s: delivered %v", version, i.ID, got)
		}
		if told += lines; strings.Count(out.String(), "log lines are dropped") != told {
			t.Errorf("want %d lines: %s", told, out.String())
		}
	}
	send(w.a, "f", false, 1)
	send(w.a, "f", false, 0)
	send(w.b, "f", false, 0)
	send(w.b, "g", false, 1)
	if !strings.Contains(out.String(), "subnet-1 has no route to the internet") {
		t.Errorf("told: %s", out.String())
	}
	w.nat("subnet-2")
	send(w.b, "f", true, 0)
	send(w.a, "f", false, 0)
	w.endpoint()
	send(w.a, "f", true, 0)
	w.group()
	send(w.a, "f", false, 1)
	send(w.b, "f", false, 0)

	w.group(lamina.SecurityRule{Protocol: "-1", Egress: true, GroupID: "sg-1"}, lamina.SecurityRule{Protocol: "-1", GroupID: "sg-1"})
	refused = &network.Missing{Code: "role", Text: "the role may not"}
	send(w.a, "f", false, 1)
	send(w.a, "f", false, 0)
	refused = nil
	send(w.a, "f", true, 0)

	hidden := w.a
	hidden.Hidden = true
	send(hidden, "ordinary", true, 0)
}
