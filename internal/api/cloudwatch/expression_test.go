package cloudwatch

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/lamina-dev/lamina"
	model "github.com/lamina-dev/lamina/internal/awsmodel/cloudwatch"
	"github.com/lamina-dev/lamina/internal/telemetry/metric"
)

var noon = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

// shop has, by minute from noon on, orders of 10, 20, none, 40 and errors of 1, none, none, 4; nothing of late.
func shop(t *testing.T) *Service {
	t.Helper()
	db, err := metric.Open(t.TempDir(), metric.Options{Now: func() time.Time { return noon.Add(time.Hour) }, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- db.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	for name, values := range map[string][]float64{"orders": {10, 20, 0, 40}, "errors": {1, 0, 0, 4}} {
		for i, v := range values {
			if v > 0 {
				db.Record([]metric.Sample{{ID: metric.NewID(lamina.Scope{}, "Shop", name), Unit: "Count", Time: noon.Add(time.Duration(i) * time.Minute), Resolution: 60, Stat: metric.Of(v)}})
			}
		}
	}
	return &Service{Metrics: db, Now: func() time.Time { return noon.Add(time.Hour) }}
}

// asked asks for an expression beside the hidden metrics m1, orders, m2, errors, and m3, late.
func asked(s *Service, expression string) (string, error) {
	in := &model.GetMetricDataInput{StartTime: new(noon), EndTime: new(noon.Add(4 * time.Minute)), ScanBy: new(model.ScanByTimestampAscending)}
	for i, name := range []string{"orders", "errors", "late"} {
		in.MetricDataQueries = append(in.MetricDataQueries, model.MetricDataQuery{Id: new(fmt.Sprintf("m%d", i+1)), ReturnData: new(false), MetricStat: &model.MetricStat{
			Metric: &model.Metric{Namespace: new("Shop"), MetricName: new(name)}, Period: new(int32(60)), Stat: new("Sum")}})
	}
	in.MetricDataQueries = append(in.MetricDataQueries,
		model.MetricDataQuery{Id: new("rate"), ReturnData: new(false), Expression: new("m2 / m1")},
		model.MetricDataQuery{Id: new("e"), Expression: &expression})
	out, err := s.getMetricData(context.Background(), in)
	if err != nil {
		return "", err
	}
	var lines []string
	for _, r := range out.MetricDataResults {
		text := *r.Label + ":"
		for i, v := range r.Values {
			text += fmt.Sprintf(" %d=%.4g", int(r.Timestamps[i].Sub(noon)/time.Minute), v)
		}
		lines = append(lines, text)
	}
	return strings.Join(lines, "; "), nil
}

func TestExpressions(t *testing.T) {
	s := shop(t)
	for expression, want := range map[string]string{
		"m1":                               "e: 0=10 1=20 3=40",
		"m1 + m2":                          "e: 0=11 3=44",
		"m2 / m1 * 100":                    "e: 0=10 3=10",
		"100 * rate":                       "e: 0=10 3=10",
		"-m2^2 - 1":                        "e: 0=-2 3=-17",
		"2 + 3 * (m2 - 1)":                 "e: 0=2 3=11",
		"1 / (m1 - 10)":                    "e: 1=0.1 3=0.03333",
		"m1 - m3":                          "e:",
		"FILL(m2, 0)":                      "e: 0=1 1=0 2=0 3=4",
		"FILL(m2, REPEAT)":                 "e: 0=1 1=1 2=1 3=4",
		"FILL(m2, LINEAR)":                 "e: 0=1 1=2 2=3 3=4",
		"FILL(m3, REPEAT)":                 "e:",
		"FILL(m3, 7)":                      "e: 0=7 1=7 2=7 3=7",
		"m1 - FILL(m2, 0)":                 "e: 0=9 1=20 3=36",
		"METRICS()":                        "orders: 0=10 1=20 3=40; errors: 0=1 3=4; late:",
		"METRICS('m2') * 2":                "errors: 0=2 3=8",
		"SUM(METRICS())":                   "e: 0=11 1=20 3=44",
		"AVG(METRICS())":                   "e: 0=5.5 1=20 3=22",
		"MAX(METRICS())":                   "e: 0=10 1=20 3=40",
		"MIN(METRICS())":                   "e: 0=1 1=20 3=4",
		"m1 / SUM(m1)":                     "e: 0=0.1429 1=0.2857 3=0.5714",
		"m1 / PERIOD(m1)":                  "e: 0=0.1667 1=0.3333 3=0.6667",
		"CEIL(m1 / 15) + FLOOR(m1 / 15)":   "e: 0=1 1=3 3=5",
		"ABS(0 - m2)":                      "e: 0=1 3=4",
		"METRIC_COUNT(METRICS()) + 0 * m1": "e: 0=3 1=3 3=3",
		"SUM(FILL(METRICS(), 0))":          "e: 0=11 1=20 2=0 3=44",
		" ( ( m1 ) ) ":                     "e: 0=10 1=20 3=40",
	} {
		if got, err := asked(s, expression); err != nil || got != want {
			t.Errorf("%s: got %q, %v, want %q", expression, got, err, want)
		}
	}
}

func TestExpressionsThatAreRefused(t *testing.T) {
	s := shop(t)
	for expression, want := range map[string]string{
		"":                        "a metric, a number or a function is missing",
		"m9":                      "no metric or expression has the id m9",
		"m1 +":                    "a metric, a number or a function is missing",
		"m1 m2":                   `unexpected "m2"`,
		"(m1":                     "a parenthesis is not closed",
		"1 + 1":                   "its value is a number",
		"SUM(m1)":                 "its value is a number",
		"e + 1":                   "e needs its own value",
		"SEARCH('{Shop}', 'Sum')": "SEARCH is no function that Lamina knows",
		"IF(m1 > 1, m1)":          "IF is no function that Lamina knows",
		"SELECT AVG(x) FROM y":    "no metric or expression has the id SELECT",
		"METRICS() + METRICS()":   "can't be calculated",
		"FILL(m1)":                "FILL wants a second value",
		"FILL(m1, m2)":            "FILL fills with",
		"PERIOD(3)":               "PERIOD does not take",
		"METRICS('m":              "a quotation mark is not closed",
		"1.2.3 + m1":              "1.2.3 is no number",
		strings.Repeat("(", 2000): "parentheses in each other",
		"m1 > 2":                  `unexpected "> 2"`,
		strings.Repeat("-", 2000): "is missing",
	} {
		got, err := asked(s, expression)
		if err == nil || !strings.HasPrefix(err.Error(), "ValidationError: Error in expression 'e': ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40s: got %q, %v, want %q", expression, got, err, want)
		}
	}
}

// What an expression may be made to give is bounded.
func TestExpressionsAreBounded(t *testing.T) {
	s := shop(t)
	in := &model.GetMetricDataInput{StartTime: new(noon.AddDate(-1, 0, 0)), EndTime: new(noon), MetricDataQueries: []model.MetricDataQuery{
		{Id: new("m1"), MetricStat: &model.MetricStat{Metric: &model.Metric{Namespace: new("Shop"), MetricName: new("orders")}, Period: new(int32(1)), Stat: new("Sum")}},
		{Id: new("e"), Expression: new("FILL(m1, 0)")},
	}}
	if _, err := s.getMetricData(context.Background(), in); err == nil || !strings.Contains(err.Error(), "longer periods") {
		t.Errorf("a second's points of a year: %v", err)
	}
}

// FuzzExpression: whatever is asked, there is an answer or a refusal.
func FuzzExpression(f *testing.F) {
	for _, e := range []string{"m1", "SUM(METRICS())/2", "FILL(m1,REPEAT)", "-(m1^2)", "METRICS(\"m\")*(1", "1e3*m1", "é"} {
		f.Add(e)
	}
	one := series{label: "m1", period: time.Minute, times: []time.Time{noon}, values: []float64{1}}
	f.Fuzz(func(t *testing.T, text string) {
		in := &model.GetMetricDataInput{StartTime: new(noon), EndTime: new(noon.Add(time.Hour)), MetricDataQueries: []model.MetricDataQuery{
			{Id: new("m1"), MetricStat: &model.MetricStat{}}, {Id: new("e"), Expression: &text},
		}}
		c := &calculation{in: in, metric: func(model.MetricDataQuery) series { return one }, done: map[string]amount{}, begun: map[string]bool{}}
		if a, err := c.value("e"); err == nil && a.series == nil && a.several {
			t.Errorf("%q is %+v", text, a)
		}
	})
}
