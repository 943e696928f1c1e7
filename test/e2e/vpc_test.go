package e2e

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os/exec"
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
	Whoami  string `json:"whoami,omitempty"`
	Key     string `json:"key,omitempty"`
	Resolve string `json:"resolve,omitempty"`
	Millis  int64  `json:"millis"`
}

// try has the function attempt something.
func (p place) try(t *testing.T, function string, a attempt) (ok bool, text string) {
	t.Helper()
	payload, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	out, err := p.Lambda.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: &function, Qualifier: new("$LATEST.PUBLISHED"), Payload: payload})
	if err != nil || out.FunctionError != nil {
		t.Fatalf("%+v: %v, %s", a, err, out.Payload)
	}
	var answer struct {
		OK   bool
		Text string
	}
	if err := json.Unmarshal(out.Payload, &answer); err != nil {
		t.Fatal(err)
	}
	return answer.OK, answer.Text
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

const internet = "198.51.100.10"

// A function in its VPC: what it reaches follows routes, groups and endpoints as
// they change, packet for packet, and never the host or its neighbours.
func TestFunctionsInTheirVPC(t *testing.T) {
	needProcFS(t)
	if _, err := exec.LookPath("nft"); err != nil {
		t.Skip("nft is not installed")
	}
	if !inOwnNetwork(t) {
		return
	}
	listenOutside(t, netip.MustParseAddr(internet), 443)
	s := up(t, "--network", "vpc")
	p := makeGround(t, s)
	n := isolatedNetwork(t, p.Clients, "vpc")
	n.Subnets = n.Subnets[:1]
	var err error
	if p.provider, err = p.Provider(t.Context(), "vpc", n, p.operator, nil); err != nil {
		t.Fatal(err)
	}
	p.dialer(t, "dialer")
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
