package e2e

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/lamina-dev/lamina/examples/setup"
)

// TestExtensions: a layer's extension runs beside a published function, hears of
// its invocations and of its end, and one that can't start fails the version with
// AWS's reason.
func TestExtensions(t *testing.T) {
	s := up(t)
	p := makePlace(t, s)
	binary := extensionBinary(t)
	extended := func(name, file string) setup.Function {
		f := p.goFunction(t, name)
		in := f.Input()
		in.Layers = []string{p.layer(t, name, map[string][]byte{"extensions/" + file: binary})}
		in.Environment = &types.Environment{Variables: map[string]string{"EVENTS": "SHUTDOWN"}}
		if _, err := p.Lambda.CreateFunction(t.Context(), in); err != nil {
			t.Fatal(err)
		}
		return f
	}
	good, bad := extended("extended", "telemetry"), extended("broken", "failing")
	if err := p.WaitActive(t.Context(), good.Name, activeLimit); err != nil {
		t.Fatal(err)
	}
	p.must(t, good.Name)
	p.says(t, good.Name, `"telemetry: registered"`)
	p.says(t, good.Name, `"telemetry: telemetry platform.report"`)
	p.says(t, good.Name, `{ $.type = "platform.extension" && $.record.name = "telemetry" && $.record.state = "Ready" }`)
	until(t, activeLimit, "the other version has failed", func() bool {
		out, err := p.Lambda.GetFunctionConfiguration(t.Context(), &lambda.GetFunctionConfigurationInput{FunctionName: &bad.Name, Qualifier: new(setup.Latest)})
		return err == nil && out.State == types.StateFailed && out.StateReasonCode == "FunctionError.ExtensionInitError" && *out.StateReason == "no key"
	})
	s.explains(bad.Name, "extension-init")
	if _, err := p.Lambda.DeleteFunction(t.Context(), &lambda.DeleteFunctionInput{FunctionName: &good.Name}); err != nil {
		t.Fatal(err)
	}
	p.says(t, good.Name, `"shutdownReason" "spindown"`)
	stays := extended("stays", "telemetry")
	if err := p.WaitActive(t.Context(), stays.Name, activeLimit); err != nil {
		t.Fatal(err)
	}
	s.stop()
	s.start()
	p.says(t, stays.Name, `"shutdownReason" "spindown"`) // at the stop, before the log was closed
}

// extensionBinary is the agent's tests' extension, which behaves as its file's name says.
func extensionBinary(t *testing.T) []byte {
	t.Helper()
	program := filepath.Join(scratch, "testextension")
	if err := build("github.com/lamina-dev/lamina/internal/agent/testextension", program); err != nil {
		t.Fatal(err)
	}
	binary, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	return binary
}

// says waits for an event in a function's log group.
func (p place) says(t *testing.T, function, pattern string) {
	t.Helper()
	until(t, 40*time.Second, function+" logs "+pattern, func() bool {
		out, err := p.Logs.FilterLogEvents(t.Context(), &cloudwatchlogs.FilterLogEventsInput{LogGroupName: new("/aws/lambda/" + function), FilterPattern: &pattern})
		return err == nil && len(out.Events) > 0
	})
}
