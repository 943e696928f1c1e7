package cloudwatch

import (
	"testing"

	"github.com/lamina-dev/lamina"
	"github.com/lamina-dev/lamina/internal/telemetry/metric"
)

func TestPrometheusNames(t *testing.T) {
	for name, want := range map[string]string{
		"Invocations": "invocations", "CPUUtilization": "cpu_utilization", "vCPUAvailable": "vcpu_available",
		"ExecutionEnvironmentCPUUtilization": "execution_environment_cpu_utilization", "CapacityProviderName": "capacity_provider_name",
	} {
		if got := snake(name); got != want {
			t.Errorf("%s: %s", name, got)
		}
	}
	id := metric.NewID(lamina.Scope{Account: "1", Region: "r"}, namespace, "m", metric.Dimension{Name: "FunctionName", Value: "a\"\\\n"})
	if got := labels(id); got != `{account="1",region="r",function_name="a\"\\\n"}` {
		t.Error(got)
	}
}

func TestStatisticNames(t *testing.T) {
	for name, want := range map[string]bool{"Sum": true, "p50": true, "p99.9": true, "p100": true, "p0": true,
		"p101": false, "p": false, "p-1": false, "pNaN": false, "p1e1": false, "p0x1": false, "tm99": false, "sum": false, "IQM": false} {
		if _, ok := statisticOf(name); ok != want {
			t.Errorf("%s: %v", name, ok)
		}
	}
}

func TestGrouped(t *testing.T) {
	for n, want := range map[int64]string{1: "1", 999: "999", 1440: "1,440", 1234567: "1,234,567"} {
		if got := grouped(n); got != want {
			t.Errorf("%d: %s", n, got)
		}
	}
}
