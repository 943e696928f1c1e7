package e2e

import (
	"io"
	"net/http"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/lamina-dev/lamina/internal/awsproto/sdktest"
)

const metricLimit = 20 * time.Second // for what happened to be readable, on a busy machine

func (s *server) cloudwatch() *cloudwatch.Client {
	return cloudwatch.NewFromConfig(aws.Config{
		Region: region, BaseEndpoint: &s.endpoint, Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
		Retryer: func() aws.Retryer { return aws.NopRetryer{} }, HTTPClient: &http.Client{Transport: sdktest.OwnBody{RoundTripper: &http.Transport{}}},
	})
}

func dimensions(pairs ...string) []types.Dimension {
	var out []types.Dimension
	for i := 0; i < len(pairs); i += 2 {
		out = append(out, types.Dimension{Name: &pairs[i], Value: &pairs[i+1]})
	}
	return out
}

// total is a metric of AWS/Lambda of the last minutes as GetMetricStatistics
// and GetMetricData tell it, which must be the same.
func total(t *testing.T, c *cloudwatch.Client, name string, stat types.Statistic, dims []types.Dimension) float64 {
	t.Helper()
	from, to := time.Now().Add(-30*time.Minute), time.Now().Add(time.Minute)
	stats, err := c.GetMetricStatistics(t.Context(), &cloudwatch.GetMetricStatisticsInput{
		Namespace: aws.String("AWS/Lambda"), MetricName: &name, Dimensions: dims, StartTime: &from, EndTime: &to, Period: aws.Int32(3600), Statistics: []types.Statistic{stat}})
	if err != nil {
		t.Fatal(err)
	}
	data, err := c.GetMetricData(t.Context(), &cloudwatch.GetMetricDataInput{StartTime: &from, EndTime: &to, MetricDataQueries: []types.MetricDataQuery{{Id: aws.String("q"),
		MetricStat: &types.MetricStat{Metric: &types.Metric{Namespace: aws.String("AWS/Lambda"), MetricName: &name, Dimensions: dims}, Period: aws.Int32(60), Stat: (*string)(&stat)}}}})
	if err != nil {
		t.Fatal(err)
	}
	most, sum := 0.0, 0.0
	for _, v := range data.MetricDataResults[0].Values {
		most, sum = max(most, v), sum+v
	}
	if len(stats.Datapoints) == 0 {
		return 0
	}
	if d := stats.Datapoints[0]; stat == types.StatisticSum && sum >= *d.Sum {
		return *d.Sum
	} else if stat == types.StatisticMaximum {
		return most
	}
	t.Fatalf("%s: GetMetricStatistics says %+v, GetMetricData %v", name, stats.Datapoints, data.MetricDataResults[0].Values)
	return 0
}

func TestMetricsOfInvocations(t *testing.T) {
	s := up(t)
	p := makePlace(t, s)
	f := p.goFunction(t, "counted")
	f.MaxConcurrency = 2
	p.publish(t, f)
	p.bound(t, f.Name, 3, 3)
	c := s.cloudwatch()
	for i := range 7 {
		if _, err := call(t.Context(), p.Clients, f.Name, i, 0); err != nil {
			t.Fatal(err)
		}
	}
	function, resource := dimensions("FunctionName", f.Name), dimensions("FunctionName", f.Name, "Resource", f.Name)
	for _, dims := range [][]types.Dimension{nil, function, resource} {
		until(t, metricLimit, "seven invocations are counted", func() bool { return total(t, c, "Invocations", types.StatisticSum, dims) == 7 })
		if n := total(t, c, "Errors", types.StatisticSum, dims); n != 0 {
			t.Errorf("%v errors", n)
		}
	}
	if ms := total(t, c, "Duration", types.StatisticMaximum, function); ms <= 0 || ms > 60_000 {
		t.Errorf("the longest took %v ms", ms)
	}
	refused := throttle(t, p, f.Name, 6)
	until(t, metricLimit, "throttles are counted", func() bool { return total(t, c, "Throttles", types.StatisticSum, function) == refused })
	if n := total(t, c, "ConcurrencyThrottles", types.StatisticSum, function); n != refused {
		t.Errorf("%v concurrency throttles of %v", n, refused)
	}
	for _, name := range []string{"CPUThrottles", "MemoryThrottles", "DiskThrottles"} {
		if n := total(t, c, name, types.StatisticSum, function); n != 0 {
			t.Errorf("%v %s", n, name)
		}
	}
	if n := total(t, c, "ConcurrentExecutions", types.StatisticMaximum, function); n != 6 {
		t.Errorf("at most %v ran at once, want 6", n)
	}
	fleetMetrics(t, s, f.Name)
	everyMetric(t, c, f.Name, p.running(t)[0].Type)
	prometheus(t, s, refused)
}

// everyMetric looks for each metric of lmi-service.md 7, by its dimensions and with its unit, as GetMetricData gives them.
func everyMetric(t *testing.T, c *cloudwatch.Client, function, instanceType string) {
	t.Helper()
	ofFunction := dimensions("FunctionName", function)
	ofProvider := dimensions("CapacityProviderName", "main", "InstanceType", instanceType)
	ofEnvironment := dimensions("CapacityProviderName", "main", "FunctionName", function, "Resource", function+":$LATEST.PUBLISHED")
	from, to := time.Now().Add(-30*time.Minute), time.Now().Add(time.Minute)
	for _, m := range []struct {
		name string
		unit types.StandardUnit
		dims []types.Dimension
	}{
		{"Invocations", types.StandardUnitCount, ofFunction},
		{"Errors", types.StandardUnitCount, ofFunction},
		{"Duration", types.StandardUnitMilliseconds, ofFunction},
		{"ConcurrentExecutions", types.StandardUnitCount, ofFunction},
		{"Throttles", types.StandardUnitCount, ofFunction},
		{"ConcurrencyThrottles", types.StandardUnitCount, ofFunction},
		{"CPUThrottles", types.StandardUnitCount, ofFunction},
		{"MemoryThrottles", types.StandardUnitCount, ofFunction},
		{"DiskThrottles", types.StandardUnitCount, ofFunction},
		{"CPUUtilization", types.StandardUnitPercent, ofProvider},
		{"MemoryUtilization", types.StandardUnitPercent, ofProvider},
		{"vCPUAvailable", types.StandardUnitCount, ofProvider},
		{"vCPUAllocated", types.StandardUnitCount, ofProvider},
		{"MemoryAvailable", types.StandardUnitBytes, ofProvider},
		{"MemoryAllocated", types.StandardUnitBytes, ofProvider},
		{"ExecutionEnvironmentConcurrency", types.StandardUnitCount, ofEnvironment},
		{"ExecutionEnvironmentConcurrencyLimit", types.StandardUnitCount, ofEnvironment},
		{"ExecutionEnvironmentCPUUtilization", types.StandardUnitPercent, ofEnvironment},
		{"ExecutionEnvironmentMemoryUtilization", types.StandardUnitPercent, ofEnvironment},
	} {
		data, err := c.GetMetricData(t.Context(), &cloudwatch.GetMetricDataInput{StartTime: &from, EndTime: &to, MetricDataQueries: []types.MetricDataQuery{
			{Id: aws.String("q"), MetricStat: &types.MetricStat{Unit: m.unit, Period: aws.Int32(60), Stat: aws.String("SampleCount"),
				Metric: &types.Metric{Namespace: aws.String("AWS/Lambda"), MetricName: &m.name, Dimensions: m.dims}}}}})
		if err != nil || len(data.MetricDataResults[0].Values) == 0 {
			t.Errorf("%s in %s: %v, %v", m.name, m.unit, data, err)
		}
	}
}

// throttle makes four calls more than there are slots and gives how many were
// turned away.
func throttle(t *testing.T, p place, function string, slots int) (refused float64) {
	t.Helper()
	done := make(chan error, slots+4)
	for i := range cap(done) {
		go func() { // waited for below
			_, err := call(t.Context(), p.Clients, function, i, 3*time.Second)
			done <- err
		}()
	}
	for range cap(done) {
		if err := <-done; code(err) == "TooManyRequestsException" {
			refused++
		} else if err != nil {
			t.Error(err)
		}
	}
	if refused == 0 {
		t.Fatal("nothing was turned away")
	}
	return refused
}

// fleetMetrics looks for what the agents report.
func fleetMetrics(t *testing.T, s *server, function string) {
	t.Helper()
	c := s.cloudwatch()
	for _, prefix := range []string{"CPUUtilization", "MemoryUtilization", "vCPUAvailable", "vCPUAllocated", "MemoryAvailable", "MemoryAllocated"} {
		list, err := c.ListMetrics(t.Context(), &cloudwatch.ListMetricsInput{Namespace: aws.String("AWS/Lambda"), MetricName: &prefix,
			Dimensions: []types.DimensionFilter{{Name: aws.String("CapacityProviderName"), Value: aws.String("main")}, {Name: aws.String("InstanceType")}}})
		if err != nil || len(list.Metrics) == 0 {
			t.Errorf("%s: %v", prefix, err)
		}
	}
	environment := dimensions("CapacityProviderName", "main", "FunctionName", function, "Resource", function+":$LATEST.PUBLISHED")
	for name, want := range map[string]func(float64) bool{
		"ExecutionEnvironmentConcurrency":       func(n float64) bool { return n == 2 },
		"ExecutionEnvironmentConcurrencyLimit":  func(n float64) bool { return n == 2 },
		"ExecutionEnvironmentMemoryUtilization": func(n float64) bool { return n > 0 && n <= 100 },
		"ExecutionEnvironmentCPUUtilization":    func(n float64) bool { return n >= 0 && n <= 100 },
	} {
		if n := total(t, c, name, types.StatisticMaximum, environment); !want(n) {
			t.Errorf("%s: %v", name, n)
		}
	}
}

func prometheus(t *testing.T, s *server, refused float64) {
	t.Helper()
	res, err := http.Get(s.endpoint + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatal(res.Status, err)
	}
	for _, want := range []string{
		`aws_lambda_throttles_total{account="000000000000",region="` + region + `",function_name="counted",resource="counted"} ` + strconv.FormatFloat(refused, 'g', -1, 64),
		`# TYPE aws_lambda_execution_environment_concurrency_limit gauge`,
		`aws_lambda_vcpu_available{`,
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("/metrics lacks %s:\n%s", want, tail(text, 4000))
		}
	}
}

func TestMetricsSurviveAKill(t *testing.T) {
	s := up(t)
	c := s.cloudwatch()
	at := time.Now().Add(-time.Minute)
	for i := range 20 {
		_, err := c.PutMetricData(t.Context(), &cloudwatch.PutMetricDataInput{Namespace: aws.String("Mine"), MetricData: []types.MetricDatum{
			{MetricName: aws.String("orders"), Dimensions: dimensions("shop", "a"), Value: aws.Float64(float64(i)), Unit: types.StandardUnitCount, Timestamp: &at},
			{MetricName: aws.String("sets"), StatisticValues: &types.StatisticSet{SampleCount: aws.Float64(2), Sum: aws.Float64(3), Minimum: aws.Float64(1), Maximum: aws.Float64(2)}},
		}})
		if err != nil {
			t.Fatal(err)
		}
	}
	s.kill()
	s.start()
	c = s.cloudwatch()
	from, to := at.Add(-time.Hour), at.Add(time.Hour)
	stats, err := c.GetMetricStatistics(t.Context(), &cloudwatch.GetMetricStatisticsInput{Namespace: aws.String("Mine"), MetricName: aws.String("orders"),
		Dimensions: dimensions("shop", "a"), StartTime: &from, EndTime: &to, Period: aws.Int32(60), Statistics: []types.Statistic{"Sum", "Average", "Minimum", "Maximum", "SampleCount"}})
	if err != nil || len(stats.Datapoints) != 1 {
		t.Fatal(stats, err)
	}
	if d := stats.Datapoints[0]; *d.Sum != 190 || *d.Average != 9.5 || *d.Minimum != 0 || *d.Maximum != 19 || *d.SampleCount != 20 || d.Unit != types.StandardUnitCount || d.Timestamp.Unix() != at.Unix()-at.Unix()%60 {
		t.Errorf("got %+v", d)
	}
	list, err := c.ListMetrics(t.Context(), &cloudwatch.ListMetricsInput{Namespace: aws.String("Mine"), RecentlyActive: types.RecentlyActivePt3h})
	if err != nil || len(list.Metrics) != 2 {
		t.Errorf("listed %+v, %v", list, err)
	}
}

// TestMetricsByPythonClients reads back what each put, by the clients in use.
func TestMetricsByPythonClients(t *testing.T) {
	if exec.Command("python3", "-c", "import boto3").Run() != nil {
		t.Skip("no boto3 on this machine")
	}
	s := up(t)
	script(t, s, "metrics.py", "python3")
	if _, err := exec.LookPath("aws"); err != nil {
		t.Skip("no AWS CLI on this machine")
	}
	script(t, s, "metrics.sh", "bash")
}
