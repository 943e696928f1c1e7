package cloudwatch

import (
	"context"
	"encoding/base64"
	"slices"
	"time"

	model "github.com/lamina-dev/lamina/internal/awsmodel/cloudwatch"
	"github.com/lamina-dev/lamina/internal/telemetry/metric"
)

// From AWS's reference of ListMetrics.
const (
	listPage     = 500
	listedFor    = 14 * 24 * time.Hour // without new data
	listedRecent = 3 * time.Hour
)

func (s *Service) listMetrics(ctx context.Context, in *model.ListMetricsInput) (*model.ListMetricsOutput, error) {
	scope := scopeOf(ctx)
	var after metric.ID
	if in.NextToken != nil {
		raw, err := base64.RawURLEncoding.DecodeString(*in.NextToken)
		id, ok := metric.ParseKey(raw)
		if err != nil || !ok {
			return nil, errToken()
		}
		after = id
	}
	out := &model.ListMetricsOutput{Metrics: []model.Metric{}}
	if in.OwningAccount != nil && *in.OwningAccount != scope.Account {
		return out, nil
	}
	age := listedFor
	if in.RecentlyActive != nil {
		age = listedRecent
	}
	since, last := s.Now().Add(-age), metric.ID{}
	for _, l := range s.Metrics.List(scope) {
		if l.Last.Before(since) || !wanted(in, l.ID) || in.NextToken != nil && metric.Compare(l.ID, after) <= 0 {
			continue
		}
		if len(out.Metrics) == listPage {
			out.NextToken = new(base64.RawURLEncoding.EncodeToString([]byte(last.Key())))
			break
		}
		out.Metrics, last = append(out.Metrics, modelOf(l.ID)), l.ID
	}
	if value(in.IncludeLinkedAccounts) {
		out.OwningAccounts = slices.Repeat([]string{scope.Account}, len(out.Metrics))
	}
	return out, nil
}

// wanted says whether a metric has what the filters ask for.
func wanted(in *model.ListMetricsInput, id metric.ID) bool {
	if in.Namespace != nil && *in.Namespace != id.Namespace || in.MetricName != nil && *in.MetricName != id.Name {
		return false
	}
	for _, f := range in.Dimensions {
		if !slices.ContainsFunc(id.Dimensions, func(d metric.Dimension) bool { return d.Name == *f.Name && (f.Value == nil || *f.Value == d.Value) }) {
			return false
		}
	}
	return true
}

func modelOf(id metric.ID) model.Metric {
	m := model.Metric{Namespace: &id.Namespace, MetricName: &id.Name, Dimensions: []model.Dimension{}}
	for _, d := range id.Dimensions {
		m.Dimensions = append(m.Dimensions, model.Dimension{Name: new(d.Name), Value: new(d.Value)})
	}
	return m
}
