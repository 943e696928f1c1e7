package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/smithy-go"

	"github.com/lamina-dev/lamina/examples/setup"
)

// activeLimit is how long a version may take to become active on a busy machine.
const activeLimit = 90 * time.Second

// place is where functions can be published: a provider and the roles.
type place struct {
	*setup.Clients
	network   setup.Network
	operator  string
	execution string
	provider  string
	vcpus     int // the provider's cap; 0: its default
}

// makePlace makes network, roles and a capacity provider named main.
func makePlace(t *testing.T, s *server) place {
	t.Helper()
	p := makeGround(t, s)
	arn, err := p.Provider(t.Context(), "main", p.network, p.operator, nil)
	if err != nil {
		t.Fatal(err)
	}
	p.provider = arn
	return p
}

// makeGround makes network and roles, no provider.
func makeGround(t *testing.T, s *server) place {
	t.Helper()
	p := place{Clients: s.clients()}
	var err error
	if p.network, err = p.Network(t.Context(), "main", 3); err != nil {
		t.Fatal(err)
	}
	if p.operator, err = p.Role(t.Context(), "operator", setup.OperatorPolicy); err != nil {
		t.Fatal(err)
	}
	if p.execution, err = p.Role(t.Context(), "execution", setup.ExecutionPolicy); err != nil {
		t.Fatal(err)
	}
	return p
}

// goFunction is the demo's Go handler as a function of the place.
func (p place) goFunction(t *testing.T, name string) setup.Function {
	t.Helper()
	code, err := goCode()
	if err != nil {
		t.Fatal(err)
	}
	return setup.Function{Name: name, Role: p.execution, Provider: p.provider, Runtime: types.RuntimeProvidedal2023, Handler: "bootstrap", Zip: code, MaxConcurrency: 16}
}

// pythonFunction is a Python handler as a function of the place.
func (p place) pythonFunction(t *testing.T, name, source string) setup.Function {
	t.Helper()
	return setup.Function{Name: name, Role: p.execution, Provider: p.provider, Runtime: types.RuntimePython313, Handler: "app.handler",
		Zip: pythonCode(t, source), MaxConcurrency: 16}
}

// publish creates the function and waits until it is active.
func (p place) publish(t *testing.T, f setup.Function) {
	t.Helper()
	start := time.Now()
	if err := p.Publish(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	if err := p.WaitActive(t.Context(), f.Name, activeLimit); err != nil {
		t.Fatal(err)
	}
	t.Logf("%s: from publish to Active %s", f.Name, time.Since(start).Round(time.Millisecond))
}

// bound sets how many environments a function's latest published version may have.
func (p place) bound(t *testing.T, function string, least, most int32) {
	t.Helper()
	_, err := p.Lambda.PutFunctionScalingConfig(t.Context(), &lambda.PutFunctionScalingConfigInput{
		FunctionName: &function, Qualifier: new(setup.Latest),
		FunctionScalingConfig: &types.FunctionScalingConfig{MinExecutionEnvironments: &least, MaxExecutionEnvironments: &most},
	})
	if err != nil {
		t.Fatal(err)
	}
}

// reply is what the demo's handlers answer.
type reply struct {
	N           int
	Request     string
	Environment string
	Process     int
	Started     float64
	Ended       float64
}

// call invokes a function of the demo's kind.
func call(ctx context.Context, c *setup.Clients, function string, n int, sleep time.Duration) (reply, error) {
	return callWith(ctx, c, function, n, fmt.Appendf(nil, `{"n":%d,"sleep":%f}`, n, sleep.Seconds()))
}

// callWith is a call whose event, of number n, says more.
func callWith(ctx context.Context, c *setup.Clients, function string, n int, event []byte) (reply, error) {
	var r reply
	res, err := c.Lambda.Invoke(ctx, &lambda.InvokeInput{FunctionName: &function, Payload: event})
	if err != nil {
		return r, err
	}
	if res.FunctionError != nil {
		return r, fmt.Errorf("function error %s: %s", *res.FunctionError, res.Payload)
	}
	if err := json.Unmarshal(res.Payload, &r); err != nil {
		return r, fmt.Errorf("reading %s: %w", res.Payload, err)
	}
	if r.N != n {
		return r, fmt.Errorf("call %d got the answer of call %d", n, r.N)
	}
	return r, nil
}

// must calls a function and fails the test when that goes wrong.
func (p place) must(t *testing.T, function string) reply {
	t.Helper()
	r, err := call(t.Context(), p.Clients, function, 1, time.Millisecond)
	if err != nil {
		t.Fatalf("invoking %s: %v", function, err)
	}
	return r
}

// running lists the managed instances that are not gone.
func (p place) running(t *testing.T) (all []setup.Instance) {
	t.Helper()
	list, err := p.EC2.Instances(t.Context(), true)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range list {
		if i.State == "running" || i.State == "pending" {
			all = append(all, i)
		}
	}
	return all
}

// code is the error code of an AWS answer, "" for none.
func code(err error) string {
	if e, ok := errors.AsType[*setup.EC2Error](err); ok {
		return e.Code
	}
	if e, ok := errors.AsType[smithy.APIError](err); ok {
		return e.ErrorCode()
	}
	if err != nil {
		return "no AWS error: " + err.Error()
	}
	return ""
}
