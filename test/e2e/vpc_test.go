package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/lamina-dev/lamina/examples/setup"
)

var dialerCode = handlerCode("test/e2e/dialer")

// dialer publishes the function that tells what it reaches.
func (p place) dialer(t *testing.T, name string) {
	t.Helper()
	code, err := dialerCode()
	if err != nil {
		t.Fatal(err)
	}
	p.publish(t, setup.Function{Name: name, Role: p.execution, Provider: p.provider, Runtime: types.RuntimeProvidedal2023,
		Handler: "bootstrap", Zip: code, MaxConcurrency: 4})
}

// Patience with what shall be reached, and with what shall not.
const (
	long  = 20_000
	short = 700
)

type attempt struct {
	Dial    string `json:"dial,omitempty"`
	Get     string `json:"get,omitempty"`
	Hold    string `json:"hold,omitempty"`
	Whoami  string `json:"whoami,omitempty"`
	Key     string `json:"key,omitempty"`
	Resolve string `json:"resolve,omitempty"`
	Millis  int64  `json:"millis"`
}

// try has the function attempt something.
func (p place) try(t *testing.T, function string, a attempt) (ok bool, text string) {
	t.Helper()
	ok, text, err := p.attempt(t, function, a)
	if err != nil {
		t.Fatalf("%+v: %v", a, err)
	}
	return ok, text
}

func (p place) attempt(t *testing.T, function string, a attempt) (ok bool, text string, err error) {
	t.Helper()
	payload, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	out, err := p.Lambda.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: &function, Qualifier: new("$LATEST.PUBLISHED"), Payload: payload})
	if err != nil {
		return false, "", err
	}
	if out.FunctionError != nil {
		return false, "", fmt.Errorf("the function says %s", out.Payload)
	}
	var answer struct {
		OK   bool
		Text string
	}
	err = json.Unmarshal(out.Payload, &answer)
	return answer.OK, answer.Text, err
}

func (p place) reaches(t *testing.T, function string, a attempt) string {
	t.Helper()
	a.Millis = long
	ok, text := p.try(t, function, a)
	if !ok {
		t.Errorf("%+v is out of reach: %s", a, text)
	}
	return text
}

func (p place) doesNotReach(t *testing.T, function string, a attempt) {
	t.Helper()
	a.Millis = short
	if ok, text := p.try(t, function, a); ok {
		t.Errorf("%+v is reached: %s", a, text)
	}
}

// ec2 calls an operation and gives the value of one element of the answer.
func (p place) ec2(t *testing.T, element, action string, pairs ...string) string {
	t.Helper()
	var out struct {
		Inner []byte `xml:",innerxml"`
	}
	if err := p.EC2.Call(t.Context(), &out, action, pairs...); err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(out.Inner), "<"+element+">")
	value, _, _ := strings.Cut(rest, "<")
	return value
}

const internet, internetIPv6 = "198.51.100.10", "2001:db8:1::10"

// upInOwnNetwork starts a server whose functions have their VPCs' networks, on a host with an internet of the test's own. It
// is nil in the process that has only run the test again in there.
func upInOwnNetwork(t *testing.T) *server {
	t.Helper()
	needProcFS(t)
	if _, err := exec.LookPath("nft"); err != nil {
		t.Skip("nft is not installed")
	}
	if !inOwnNetwork(t) {
		return nil
	}
	listenOutside(t)
	return up(t, "--network", "vpc")
}

// A function in its VPC: what it reaches follows routes, groups and endpoints as
// they change, packet for packet, and never the host or its neighbours.
func TestFunctionsInTheirVPC(t *testing.T) {
	s := upInOwnNetwork(t)
	if s == nil {
		return
	}
	p := makeGround(t, s)
	n := isolatedNetwork(t, p.Clients, "vpc")
	p = p.inSubnet(t, n)
	_, port, _ := net.SplitHostPort(s.listen)
	web, front, named := attempt{Dial: internet + ":443"}, attempt{Whoami: "http://127.0.0.1:" + port}, attempt{Whoami: "http://sts.us-east-1.amazonaws.com:443"}

	for _, a := range []attempt{web, front, named} {
		p.doesNotReach(t, "dialer", a)
	}
	until(t, 20*time.Second, "the server names the missing path", func() bool { return s.logged("has no endpoint for sts") })

	p.throughNAT(t, n.VPC)
	until(t, 30*time.Second, "the NAT gateway leads out", func() bool {
		ok, _ := p.try(t, "dialer", attempt{Dial: web.Dial, Millis: short})
		return ok
	})
	for _, a := range []attempt{front, named} {
		if arn := p.reaches(t, "dialer", a); !strings.Contains(arn, ":assumed-role/execution/") {
			t.Errorf("%+v: it is %s", a, arn)
		}
	}
	if got := p.reaches(t, "dialer", attempt{Resolve: "logs.us-east-1.amazonaws.com"}); got != "[203.0.113.1]" {
		t.Errorf("the name of logs leads to %s", got)
	}
	neverReached(t, p, s, port)

	if err := p.LogsEndpoint(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	p.ec2(t, "", "ModifyVpcAttribute", "VpcId", n.VPC, "EnableDnsHostnames.Value", "true")
	until(t, 30*time.Second, "the endpoint takes the name over", func() bool {
		_, text := p.try(t, "dialer", attempt{Resolve: "logs.us-east-1.amazonaws.com", Millis: long})
		return strings.HasPrefix(text, "[10.9.")
	})

	p.ec2(t, "", "RevokeSecurityGroupEgress", "GroupId", n.Group, "IpPermissions.1.IpProtocol", "-1", "IpPermissions.1.IpRanges.1.CidrIp", "0.0.0.0/0")
	until(t, 30*time.Second, "the group lets nothing out", func() bool {
		ok, _ := p.try(t, "dialer", attempt{Dial: web.Dial, Millis: short})
		return !ok
	})
	p.doesNotReach(t, "dialer", front)
	s.stop()
	if left, err := net.Interfaces(); err != nil || len(left) != 2 { // loopback and the link to the internet
		t.Errorf("interfaces left: %v %v", left, err)
	}
}

// inSubnet publishes the dialer on instances in a network's first subnet.
func (p place) inSubnet(t *testing.T, n setup.Network) place {
	t.Helper()
	n.Subnets = n.Subnets[:1]
	var err error
	if p.provider, err = p.Provider(t.Context(), "vpc", n, p.operator, nil); err != nil {
		t.Fatal(err)
	}
	p.dialer(t, "dialer")
	return p
}

// A subnet that assigns IPv6 addresses gives instances one, and the egress-only
// gateway lets their functions out as routes and groups say; nobody comes in.
func TestFunctionsOverIPv6(t *testing.T) {
	s := upInOwnNetwork(t)
	if s == nil {
		return
	}
	p := makeGround(t, s)
	vpc := p.ec2(t, "vpcId", "CreateVpc", "CidrBlock", "10.9.0.0/16", "AmazonProvidedIpv6CidrBlock", "true")
	block := p.ec2(t, "ipv6CidrBlock", "DescribeVpcs", "VpcId.1", vpc)
	subnet := p.ec2(t, "subnetId", "CreateSubnet", "VpcId", vpc, "CidrBlock", "10.9.0.0/24", "Ipv6CidrBlock", strings.Replace(block, "/56", "/64", 1))
	p.ec2(t, "", "ModifySubnetAttribute", "SubnetId", subnet, "AssignIpv6AddressOnCreation.Value", "true")
	group, err := p.Group(t.Context(), vpc, "vpc")
	if err != nil {
		t.Fatal(err)
	}
	p = p.inSubnet(t, setup.Network{VPC: vpc, Subnets: []string{subnet}, Group: group})
	address := p.ec2(t, "ipv6Address", "DescribeNetworkInterfaces", "IncludeManagedResources", "true", "Filter.1.Name", "subnet-id", "Filter.1.Value.1", subnet)
	if a, err := netip.ParseAddr(address); err != nil || !netip.MustParsePrefix(block).Contains(a) {
		t.Errorf("an instance has the address %q, not of %s", address, block)
	}
	web, named := attempt{Dial: "[" + internetIPv6 + "]:443"}, attempt{Whoami: "http://sts.us-east-1.api.aws:443"}
	for _, a := range []attempt{web, named} {
		p.doesNotReach(t, "dialer", a)
	}
	gateway := p.ec2(t, "egressOnlyInternetGatewayId", "CreateEgressOnlyInternetGateway", "VpcId", vpc)
	main := p.ec2(t, "routeTableId", "DescribeRouteTables", "Filter.1.Name", "vpc-id", "Filter.1.Value.1", vpc)
	p.ec2(t, "", "CreateRoute", "RouteTableId", main, "DestinationIpv6CidrBlock", "::/0", "EgressOnlyInternetGatewayId", gateway)
	until(t, 30*time.Second, "the egress-only gateway leads out", func() bool {
		ok, _ := p.try(t, "dialer", attempt{Dial: web.Dial, Millis: short})
		return ok
	})
	if arn := p.reaches(t, "dialer", named); !strings.Contains(arn, ":assumed-role/execution/") {
		t.Errorf("it is %s", arn)
	}
	host, err := net.Listen("tcp", "[::]:0")
	if err != nil {
		t.Fatal(err)
	}
	defer host.Close()
	go greet(host)
	_, hostPort, _ := net.SplitHostPort(host.Addr().String())
	for _, to := range []string{internet + ":443", "[2001:db8:2::1]:" + hostPort, "[fd00:ec2::254]:80", "[fd4c:616d:696e:1::2]:9001"} {
		p.doesNotReach(t, "dialer", attempt{Dial: to})
	}
	p.ec2(t, "", "RevokeSecurityGroupEgress", "GroupId", group, "IpPermissions.1.IpProtocol", "-1", "IpPermissions.1.Ipv6Ranges.1.CidrIpv6", "::/0")
	until(t, 30*time.Second, "the group lets nothing out", func() bool {
		ok, _ := p.try(t, "dialer", attempt{Dial: web.Dial, Millis: short})
		return !ok
	})
}

// The server is killed while functions hold connections through the VPC's gateway.
// That is the agent's, so that those to the internet stand and go on. Those to the
// server's own services end with it, as when a far end dies: the function learns at
// once and connects anew. No call hangs, and the agents are the same.
func TestConnectionsOutliveTheServer(t *testing.T) {
	s := upInOwnNetwork(t)
	if s == nil {
		return
	}
	p := makeGround(t, s)
	n := isolatedNetwork(t, p.Clients, "vpc")
	p.throughNAT(t, n.VPC)
	p = p.inSubnet(t, n)
	_, port, _ := net.SplitHostPort(s.listen)
	web, front := attempt{Hold: internet + ":80", Millis: long}, attempt{Hold: "127.0.0.1:" + port, Millis: long}
	p.everywhere(t, web, "standing")
	p.everywhere(t, front, "standing")
	agents := s.agents()
	s.kill()
	s.start()
	p.Clients = s.clients()
	until(t, 30*time.Second, "the restarted server invokes", func() bool {
		_, _, err := p.attempt(t, "dialer", attempt{Resolve: "localhost", Millis: long})
		return err == nil
	})
	if text := p.everywhere(t, web, "standing"); strings.Contains(text, "new") {
		t.Errorf("connections to the internet did not stand: %s", text)
	}
	begun := time.Now()
	if text := p.everywhere(t, front, "standing"); strings.Count(text, "EOF")+strings.Count(text, "reset")+strings.Count(text, "broken pipe") != minimum {
		t.Errorf("connections to the server that was killed: %s", text)
	}
	if took := time.Since(begun); took > long*time.Millisecond {
		t.Errorf("the functions took %s to connect anew", took)
	}
	p.reaches(t, "dialer", attempt{Dial: internet + ":443"})
	p.reaches(t, "dialer", attempt{Whoami: "http://127.0.0.1:" + port})
	if now := s.agents(); !slices.Equal(agents, now) {
		t.Errorf("the agents are %v, were %v", now, agents)
	}
}

// everywhere repeats an attempt until each environment has once said want, and
// gives all that they said before.
func (p place) everywhere(t *testing.T, a attempt, want string) (said string) {
	t.Helper()
	done := map[string]bool{}
	until(t, 60*time.Second, "each environment says "+want, func() bool {
		_, text, err := p.attempt(t, "dialer", a)
		if err != nil {
			return false // not every environment is back
		}
		how, where, _ := strings.Cut(text, " ")
		if where, _, _ = strings.Cut(where, ": "); how == want && !strings.Contains(text, ": ") {
			done[where] = true
		} else {
			said += text + "; "
		}
		return len(done) == minimum
	})
	return said
}

// neverReached is targets.md's S8 with the widest VPC there is.
func neverReached(t *testing.T, p place, s *server, port string) {
	t.Helper()
	host, err := net.Listen("tcp", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	defer host.Close()
	go greet(host)
	_, hostPort, _ := net.SplitHostPort(host.Addr().String())
	for _, to := range []string{
		"169.254.169.254:80", "127.0.0.1:" + hostPort, "198.51.100.1:" + hostPort, "198.51.100.1:" + port, // metadata, host
		"169.254.64.3:9001", "169.254.64.5:9001", "169.254.64.0:15001", // neighbours, gateway
	} {
		p.doesNotReach(t, "dialer", attempt{Dial: to})
	}
	p.doesNotReach(t, "dialer", attempt{Whoami: "http://127.0.0.1:" + port, Key: "test"})
	for _, path := range []string{"/_lamina/health", "/_lamina/metrics", "/metrics"} {
		if status := p.reaches(t, "dialer", attempt{Get: "http://127.0.0.1:" + port + path}); strings.HasPrefix(status, "200") {
			t.Errorf("%s: %s", path, status)
		}
	}
}

// greet serves until the listener is closed.
func greet(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		_, _ = c.Write([]byte("hello")) // the test notices
		c.Close()
	}
}

// throughNAT gives a VPC's main route table a way to the internet.
func (p place) throughNAT(t *testing.T, vpc string) {
	t.Helper()
	igw := p.ec2(t, "internetGatewayId", "CreateInternetGateway")
	p.ec2(t, "", "AttachInternetGateway", "InternetGatewayId", igw, "VpcId", vpc)
	subnet, err := p.Subnet(t.Context(), vpc, "10.9.200.0/24", region+"a")
	if err != nil {
		t.Fatal(err)
	}
	table := p.ec2(t, "routeTableId", "CreateRouteTable", "VpcId", vpc)
	p.ec2(t, "", "CreateRoute", "RouteTableId", table, "DestinationCidrBlock", "0.0.0.0/0", "GatewayId", igw)
	p.ec2(t, "", "AssociateRouteTable", "RouteTableId", table, "SubnetId", subnet)
	address := p.ec2(t, "allocationId", "AllocateAddress", "Domain", "vpc")
	nat := p.ec2(t, "natGatewayId", "CreateNatGateway", "SubnetId", subnet, "AllocationId", address)
	main := p.ec2(t, "routeTableId", "DescribeRouteTables", "Filter.1.Name", "vpc-id", "Filter.1.Value.1", vpc, "Filter.2.Name", "association.main", "Filter.2.Value.1", "true")
	p.ec2(t, "", "CreateRoute", "RouteTableId", main, "DestinationCidrBlock", "0.0.0.0/0", "NatGatewayId", nat)
}

// In host mode packets are free, and still the server answers a function only
// where its VPC has a path: the session of the execution role tells whose it is.
func TestServicesFollowTheNetwork(t *testing.T) {
	s := up(t, "--network", "host")
	p := makeGround(t, s)
	n := isolatedNetwork(t, p.Clients, "isolated")
	n.Subnets = n.Subnets[:1]
	var err error
	if p.provider, err = p.Provider(t.Context(), "isolated", n, p.operator, nil); err != nil {
		t.Fatal(err)
	}
	p.dialer(t, "dialer")
	whoami := attempt{Whoami: s.endpoint}
	p.doesNotReach(t, "dialer", whoami)
	until(t, 20*time.Second, "the server names the missing path", func() bool { return s.logged("has no endpoint for sts") })
	p.throughNAT(t, n.VPC)
	if arn := p.reaches(t, "dialer", whoami); !strings.Contains(arn, ":assumed-role/execution/") {
		t.Errorf("it is %s", arn)
	}
	if res, err := http.Get(s.endpoint + "/_lamina/health"); err != nil {
		t.Error(err)
	} else {
		_, _ = io.Copy(io.Discard, res.Body)
		res.Body.Close()
	}
}
