package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/lamina-dev/lamina/examples/setup"
)

// isolatedNetwork is a VPC whose only routes stay inside it.
func isolatedNetwork(t *testing.T, c *setup.Clients, name string) setup.Network {
	t.Helper()
	var vpc struct {
		ID string `xml:"vpc>vpcId"`
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(c.EC2.Call(t.Context(), &vpc, "CreateVpc", "CidrBlock", "10.9.0.0/16"))
	n := setup.Network{VPC: vpc.ID}
	for i, zone := range []string{"a", "b", "c"} {
		id, err := c.Subnet(t.Context(), n.VPC, fmt.Sprintf("10.9.%d.0/24", i), region+zone)
		must(err)
		n.Subnets = append(n.Subnets, id)
	}
	var err error
	n.Group, err = c.Group(t.Context(), n.VPC, name)
	must(err)
	return n
}

// lines counts the log lines of a function.
func (p place) lines(t *testing.T, function string) int {
	t.Helper()
	n := 0
	pages := cloudwatchlogs.NewFilterLogEventsPaginator(p.Logs, &cloudwatchlogs.FilterLogEventsInput{LogGroupName: new("/aws/lambda/" + function)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil && strings.Contains(err.Error(), "ResourceNotFoundException") {
			return 0 // nothing has ever arrived
		}
		if err != nil {
			t.Fatal(err)
		}
		n += len(page.Events)
	}
	return n
}

// In a VPC that leads nowhere invocations succeed and their log lines are lost,
// as on AWS; the server and `lamina explain` name what is missing. What is added
// counts at once, without a restart.
func TestLogsFollowTheNetwork(t *testing.T) {
	s := up(t)
	p := makeGround(t, s)
	n := isolatedNetwork(t, p.Clients, "isolated")
	var err error
	if p.provider, err = p.Provider(t.Context(), "isolated", n, p.operator, nil); err != nil {
		t.Fatal(err)
	}
	p.publish(t, p.goFunction(t, "quiet"))
	s.explains("quiet", "logs-unreachable")
	p.must(t, "quiet")
	until(t, 10*time.Second, "the server names what is missing", func() bool { return s.logged("has no route to the internet, and VPC " + n.VPC) })
	out, err := s.command([]string{"AWS_REGION=" + region}, "explain", "quiet")
	if err != nil || !strings.Contains(out, "has no route to the internet, and VPC "+n.VPC+" has no endpoint for logs") {
		t.Errorf("lamina explain: %v, %s", err, out)
	}
	if got := p.lines(t, "quiet"); got != 0 {
		t.Errorf("%d log lines have got out", got)
	}

	if err := p.LogsEndpoint(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	s.explains("quiet", "as-it-should-be")
	until(t, 10*time.Second, "log lines arrive", func() bool { p.must(t, "quiet"); return p.lines(t, "quiet") > 0 })

	revoke := []string{"GroupId", n.Group, "IpPermissions.1.IpProtocol", "-1", "IpPermissions.1.IpRanges.1.CidrIp", "0.0.0.0/0"}
	if err := p.EC2.Call(t.Context(), nil, "RevokeSecurityGroupEgress", revoke...); err != nil {
		t.Fatal(err)
	}
	s.explains("quiet", "logs-unreachable")
	p.must(t, "quiet")
	until(t, 10*time.Second, "the server names the group", func() bool { return s.logged("security group " + n.Group + " allows no outgoing HTTPS") })
	if logs := s.explain("quiet"); !slices.Equal(logs, []string{"logs-unreachable"}) {
		t.Errorf("explained by %v", logs)
	}
}

// Without the right to write logs a function's lines are lost likewise.
func TestLogsFollowTheRole(t *testing.T) {
	s := up(t)
	p := makePlace(t, s)
	mute, err := p.Role(t.Context(), "mute")
	if err != nil {
		t.Fatal(err)
	}
	f := p.goFunction(t, "mute")
	f.Role = mute
	p.publish(t, f)
	s.explains("mute", "logs-denied")
	p.must(t, "mute")
	until(t, 10*time.Second, "the server names the role", func() bool { return s.logged("role/mute does not allow logs:CreateLogStream") })
	if got := p.lines(t, "mute"); got != 0 {
		t.Errorf("%d log lines have got out", got)
	}
	if _, err := p.IAM.AttachRolePolicy(t.Context(), &iam.AttachRolePolicyInput{RoleName: new("mute"), PolicyArn: new("arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole")}); err != nil {
		t.Fatal(err)
	}
	s.explains("mute", "as-it-should-be")
	until(t, 10*time.Second, "log lines arrive", func() bool { p.must(t, "mute"); return p.lines(t, "mute") > 0 })
}
