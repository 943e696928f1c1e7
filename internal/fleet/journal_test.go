package fleet_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lamina-dev/lamina"
	"github.com/lamina-dev/lamina/internal/fleet/driver"
	drivermem "github.com/lamina-dev/lamina/internal/fleet/driver/mem"
	"github.com/lamina-dev/lamina/internal/store/view"
)

// told gives group, level, operation and message of what the system log got.
func (p *place) told() (out []string) {
	p.Helper()
	for _, l := range p.journal.take() {
		group, text, _ := strings.Cut(l, ": ")
		var e struct {
			Timestamp, Level, Operation, Message string
			Metadata                             struct {
				InstanceID                       string
				AvailabilityZones, InstanceTypes []string
				CapacityProviderARN              string `json:"capacityProviderArn"`
			}
		}
		if err := json.Unmarshal([]byte(text), &e); err != nil {
			p.Fatalf("%s: %v", text, err)
		}
		m := e.Metadata
		if e.Timestamp == "" || m.InstanceID == "" || m.AvailabilityZones[0] != "us-east-1a" || m.InstanceTypes[0] != "m5.large" || m.CapacityProviderARN != provider(8).ARN() {
			p.Errorf("incomplete: %s", text)
		}
		out = append(out, strings.Join([]string{group, e.Level, e.Operation, e.Message}, " | "))
	}
	return out
}

const group = "/aws/lambda/capacity-provider/p"

func TestSystemLogTellsAnInstancesLife(t *testing.T) {
	inBubble(t, drivermem.Config{}, func(p *place) {
		one, two := p.running(1), p.running(2)
		p.world.Kill(one)
		p.after(time.Second)
		p.fleet.End(two, "for the test", time.Second)
		p.after(5 * time.Second)
		want := []string{
			group + " | INFO | Launching | Launching m5.large instance in us-east-1a",
			group + " | INFO | Launched | Successfully launched m5.large instance " + one + " in us-east-1a",
			group + " | INFO | Launching | Launching m5.large instance in us-east-1a",
			group + " | INFO | Launched | Successfully launched m5.large instance " + two + " in us-east-1a",
			group + " | WARN | HealthCheckFailed | Instance " + one + " (m5.large in us-east-1a) failed its health check: its agent ended unexpectedly - the system will replace it",
			group + " | INFO | Terminating | Terminating m5.large instance " + one + " in us-east-1a",
			group + " | INFO | Terminated | Successfully terminated m5.large instance " + one + " in us-east-1a",
			group + " | INFO | Terminating | Terminating m5.large instance " + two + " in us-east-1a",
			group + " | INFO | Terminated | Successfully terminated m5.large instance " + two + " in us-east-1a",
		}
		if got := p.told(); !slices.Equal(got, want) {
			p.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	})
}

func TestSystemLogKeepsToLevelGroupAndRole(t *testing.T) {
	fails := func(driver.Spec) drivermem.Launch {
		return drivermem.Launch{Err: lamina.Errorf(lamina.ReasonInsufficient, "100%% full.")}
	}
	failure := "WARN | LaunchFailed | Failed to launch m5.large instance in us-east-1a: 100% full. - the system will retry"
	for name, c := range map[string]struct {
		logging *lamina.ProviderLogging
		role    string
		want    []string
	}{
		"WARN":                          {&lamina.ProviderLogging{Level: "WARN"}, "", []string{group + " | " + failure}},
		"another group":                 {&lamina.ProviderLogging{Group: "mine", Level: "WARN"}, "", []string{"mine | " + failure}},
		"a role that may not write one": {nil, "mute", nil},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, drivermem.Config{Launch: fails}, func(p *place) {
				cp := provider(8)
				cp.Telemetry, cp.OperatorRoleARN = c.logging, c.role
				p.must(p.view.Update(p.Context(), func(tx *view.Tx) error { return tx.Do(p.providers.Put(cp.Key(), cp)) }))
				if _, err := p.launch(1); err != nil {
					p.Fatal(err)
				}
				p.after(time.Second)
				got := slices.DeleteFunc(p.told(), func(l string) bool { return strings.Contains(l, "INFO") })
				if !slices.Equal(got, c.want) {
					p.Errorf("got %q, want %q", got, c.want)
				}
			})
		})
	}
}
