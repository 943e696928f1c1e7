package cloudwatch

import (
	"context"
	"encoding/base64"
	"errors"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/lamina-dev/lamina"
	model "github.com/lamina-dev/lamina/internal/awsmodel/cloudwatch"
	"github.com/lamina-dev/lamina/internal/telemetry/metric"
)

// Limits of GetMetricData, from AWS's reference of the operation.
const (
	mostQueries    = 500
	mostDatapoints = 100_800
)

// queryID is how AWS wants a query's id.
var queryID = regexp.MustCompile(`^[a-z][a-zA-Z0-9_]*$`)

func (s *Service) getMetricData(ctx context.Context, in *model.GetMetricDataInput) (*model.GetMetricDataOutput, error) {
	if err := checkQueries(in); err != nil {
		return nil, err
	}
	from, err := offsetOf(in.NextToken)
	if err != nil {
		return nil, err
	}
	results, err := s.results(scopeOf(ctx), in)
	if err != nil {
		return nil, err
	}
	most := mostDatapoints
	if in.MaxDatapoints != nil && *in.MaxDatapoints > 0 {
		most = min(most, int(*in.MaxDatapoints))
	}
	out := &model.GetMetricDataOutput{MetricDataResults: results, Messages: []model.MessageData{}}
	out.NextToken = page(results, from, most)
	return out, nil
}

// checkQueries checks what the model does not say. Texts are chosen after AWS's.
func checkQueries(in *model.GetMetricDataInput) error {
	switch {
	case !in.StartTime.Before(*in.EndTime):
		return lamina.Errorf(codeValidation, "The parameter EndTime must be greater than StartTime.")
	case len(in.MetricDataQueries) == 0:
		return lamina.Errorf(codeMissing, "The parameter MetricDataQueries is required.")
	case len(in.MetricDataQueries) > mostQueries:
		return lamina.Errorf(codeValidation, "The collection MetricDataQueries must not have a size greater than %d.", mostQueries)
	}
	seen := map[string]bool{}
	for _, q := range in.MetricDataQueries {
		id := *q.Id
		switch {
		case !queryID.MatchString(id):
			return lamina.Errorf(codeValidation, "The value %s is not matching the expected pattern ^[a-z][a-zA-Z0-9_]*$", id)
		case seen[id]:
			return lamina.Errorf(codeValidation, "The values for parameter id in MetricDataQueries are not unique.")
		case (q.MetricStat == nil) == (q.Expression == nil):
			return lamina.Errorf(codeValidation, "Exactly one of the parameters Expression and MetricStat must be specified for the query %s.", id)
		}
		seen[id] = true
		if q.MetricStat == nil {
			continue
		}
		if err := checkStat(q.MetricStat, id); err != nil {
			return err
		}
	}
	return nil
}

func checkStat(m *model.MetricStat, id string) error {
	if _, ok := statisticOf(*m.Stat); !ok {
		return lamina.Errorf(codeValidation, "The value %s for parameter MetricDataQueries.member.%s.MetricStat.Stat is invalid.", *m.Stat, id)
	}
	if !checkPeriod(*m.Period) {
		return lamina.Errorf(codeValidation, "The parameter Period of the query %s must be 1, 5, 10, 20, 30 or a multiple of 60.", id)
	}
	return nil
}

// results are the whole answers, in the order of the queries.
func (s *Service) results(scope lamina.Scope, in *model.GetMetricDataInput) ([]model.MetricDataResult, error) {
	c := &calculation{
		in: in, metric: func(q model.MetricDataQuery) series { return s.metricSeries(scope, in, q) },
		done: map[string]amount{}, begun: map[string]bool{},
	}
	results := make([]model.MetricDataResult, 0, len(in.MetricDataQueries))
	for _, q := range in.MetricDataQueries {
		a, err := c.value(*q.Id)
		switch {
		case err != nil:
			return nil, err
		case q.ReturnData != nil && !*q.ReturnData:
			continue
		case a.series == nil:
			return nil, errExpression(*q.Id, errors.New("its value is a number, where a time series is wanted. Set ReturnData to false where only other expressions need it"))
		}
		for _, l := range a.series {
			results = append(results, resultOf(q, l, a.several, value(in.ScanBy) == model.ScanByTimestampAscending))
		}
	}
	return results, nil
}

// resultOf is one series of a query, the newest point first unless it is to be last.
func resultOf(q model.MetricDataQuery, l series, several, ascending bool) model.MetricDataResult {
	out := model.MetricDataResult{Id: q.Id, Label: new(l.label), Timestamps: append([]time.Time{}, l.times...), Values: append([]float64{}, l.values...), StatusCode: new(model.StatusCodeComplete)}
	switch {
	case several && q.Label != nil:
		out.Label = new(*q.Label + " " + l.label)
	case several:
	case q.Label != nil:
		out.Label = q.Label
	case q.Expression != nil:
		out.Label = q.Id
	}
	if !ascending {
		slices.Reverse(out.Timestamps)
		slices.Reverse(out.Values)
	}
	return out
}

// metricSeries is a metric's.
func (s *Service) metricSeries(scope lamina.Scope, in *model.GetMetricDataInput, q model.MetricDataQuery) series {
	m := q.MetricStat
	out := series{label: *m.Metric.MetricName, period: time.Duration(*m.Period) * time.Second, times: []time.Time{}, values: []float64{}}
	take, _ := statisticOf(*m.Stat) // was checked
	points := s.Metrics.Query(metric.Query{
		ID: idOf(scope, m.Metric.Namespace, m.Metric.MetricName, m.Metric.Dimensions), Unit: value(m.Unit),
		From: floor(*in.StartTime, out.period), To: ceil(*in.EndTime), Period: out.period,
	})
	for _, p := range merged(points) {
		if v, ok := take(p.Stat); ok {
			out.add(p.Time, v)
		}
	}
	return out
}

// merged puts a metric's units together: without one asked for, all count.
func merged(units []metric.Points) []metric.Point {
	if len(units) == 0 {
		return nil
	}
	all := units[0].Points
	for _, u := range units[1:] {
		for _, p := range u.Points {
			i, found := slices.BinarySearchFunc(all, p, func(a, b metric.Point) int { return a.Time.Compare(b.Time) })
			if !found {
				all = slices.Insert(all, i, metric.Point{Time: p.Time})
			}
			all[i].Stat.Merge(p.Stat)
		}
	}
	return all
}

// page cuts the results to the points from one place on, and gives the token of
// the next page where there is more.
func page(results []model.MetricDataResult, from, most int) *string {
	at, end := 0, from+most
	more := false
	for i := range results {
		r := &results[i]
		n := len(r.Values)
		first, last := min(max(from-at, 0), n), min(max(end-at, 0), n)
		if last < n {
			more = true
			r.StatusCode = new(model.StatusCodePartialData)
		}
		r.Timestamps, r.Values = r.Timestamps[first:last], r.Values[first:last]
		at += n
	}
	if !more {
		return nil
	}
	return new(base64.RawURLEncoding.EncodeToString([]byte(strconv.Itoa(end))))
}

func offsetOf(token *string) (int, error) {
	if token == nil {
		return 0, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(*token)
	n, numberErr := strconv.Atoi(string(raw))
	if err != nil || numberErr != nil || n < 0 || n > mostQueries*mostDatapoints {
		return 0, errToken()
	}
	return n, nil
}

func errToken() error { return lamina.Errorf(codeInvalidToken, "The specified nextToken is invalid.") } // text chosen
