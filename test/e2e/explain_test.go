package e2e

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/lamina-dev/lamina/examples/setup"
)

// explain gives the codes of what `lamina explain` finds.
func (s *server) explain(name string) []string {
	s.t.Helper()
	out, err := s.command([]string{"AWS_REGION=" + region}, "explain", "--json", name)
	if err != nil {
		s.t.Errorf("lamina explain %s: %v, %s", name, err, out)
		return nil
	}
	var r struct {
		Findings []struct{ Code, Text string }
	}
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		s.t.Fatal(err)
	}
	var codes []string
	for _, f := range r.Findings {
		codes = append(codes, f.Code)
	}
	return codes
}

// explains waits until a version's explanation is just this.
func (s *server) explains(name, want string) {
	s.t.Helper()
	var got []string
	for end := time.Now().Add(growLimit); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if got = s.explain(name); slices.Equal(got, []string{want}) {
			return
		}
	}
	s.t.Errorf("%s is explained by %v, want %s", name, got, want)
}

// Whatever goes wrong is named, by its own name and no other.
func TestExplain(t *testing.T) {
	s := up(t)
	p := makePlace(t, s)
	p.publish(t, p.goFunction(t, "crowd"))
	s.explains("crowd", "as-it-should-be")

	out, err := s.command(nil, "outage", region+"a", region+"b", region+"c")
	if err != nil || !strings.Contains(out, "is lost") {
		t.Errorf("lamina outage: %v, %s", err, out)
	}
	s.explains("crowd", "no-capacity")
	if out, err := s.command(nil, "outage", "--over", region+"a", region+"b", region+"c"); err != nil || !strings.Contains(out, "available") {
		t.Errorf("lamina outage --over: %v, %s", err, out)
	}
	s.explains("crowd", "as-it-should-be")
	p.must(t, "crowd")

	p.systemLog(t, "main", "Launched", "LaunchFailed", "Terminated")

	p.bound(t, "crowd", 1, 1)
	ctx, cancel := context.WithCancel(t.Context())
	_, wait := load(ctx, slots+8, func(ctx context.Context) (string, error) {
		r, err := call(ctx, p.Clients, "crowd", 1, 100*time.Millisecond)
		return r.Environment, err
	})
	s.explains("crowd", "maximum")
	cancel()
	wait()
	p.bound(t, "crowd", 0, 0)
	s.explains("crowd", "deactivated")

	publish := func(f setup.Function) {
		t.Helper()
		if err := p.Publish(t.Context(), f); err != nil {
			t.Fatal(err)
		}
	}
	broken := p.goFunction(t, "broken")
	broken.Zip = mustZip(t, map[string][]byte{"bootstrap": []byte("#!/bin/sh\nexit 3\n")})
	publish(broken)
	s.explains("broken", "init-error")
	foreign := p.goFunction(t, "foreign")
	foreign.Zip = mustZip(t, map[string][]byte{"bootstrap": []byte("\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x28\x00")})
	publish(foreign)
	s.explains("foreign", "entry-point")
	missing := p.goFunction(t, "missing")
	missing.Runtime, missing.Handler = types.RuntimeDotnet8, "a::b::c"
	publish(missing)
	s.explains("missing", "runtime-missing")

	small, err := p.Provider(t.Context(), "small", p.network, p.operator, &types.CapacityProviderScalingConfig{MaxVCpuCount: new(int32(2))})
	if err != nil {
		t.Fatal(err)
	}
	capped := p.goFunction(t, "capped")
	capped.Provider = small
	publish(capped)
	s.explains("capped", "vcpu-cap")
	if out, err := s.command([]string{"AWS_REGION=" + region}, "explain", "small"); err != nil || !strings.Contains(out, "of at most 2 vCPUs") || !strings.Contains(out, "capped") {
		t.Errorf("lamina explain small: %v, %s", err, out)
	}
	if out, err := s.command(nil, "explain", "nobody"); err == nil || !strings.Contains(out, "there is no version") {
		t.Errorf("lamina explain nobody: %v, %s", err, out)
	}
}

// systemLog waits until a provider's system log has told of these operations.
func (p place) systemLog(t *testing.T, provider string, operations ...string) {
	t.Helper()
	for _, op := range operations {
		until(t, 20*time.Second, "the system log tells of "+op, func() bool {
			out, err := p.Logs.FilterLogEvents(t.Context(), &cloudwatchlogs.FilterLogEventsInput{
				LogGroupName: new("/aws/lambda/capacity-provider/" + provider), FilterPattern: new(`{ $.operation = "` + op + `" }`),
			})
			return err == nil && len(out.Events) > 0
		})
	}
}

func mustZip(t *testing.T, files map[string][]byte) []byte {
	t.Helper()
	zip, err := setup.Zip(files)
	if err != nil {
		t.Fatal(err)
	}
	return zip
}
