// Package cloudwatch serves the CloudWatch metrics operations, and publishes
// what the service measures of itself: through them and for Prometheus.
package cloudwatch

import (
	"context"
	"errors"

	"github.com/lamina-dev/lamina"
	model "github.com/lamina-dev/lamina/internal/awsmodel/cloudwatch"
	"github.com/lamina-dev/lamina/internal/awsproto"
	"github.com/lamina-dev/lamina/internal/telemetry/metric"
)

// Error codes of CloudWatch.
const (
	codeInvalidValue       = "InvalidParameterValue"
	codeInvalidCombination = "InvalidParameterCombination"
	codeMissing            = "MissingParameter"
	codeInvalidToken       = "InvalidNextToken"
	codeLimit              = "LimitExceeded"
	codeValidation         = "ValidationError"
)

// Service is the API.
type Service struct {
	Metrics *metric.DB
	Now     lamina.Clock
}

// Register adds the operations to the front door.
func (s *Service) Register(mux *awsproto.Mux) {
	awsproto.Handle(mux, model.PutMetricData, s.putMetricData)
	awsproto.Handle(mux, model.GetMetricData, s.getMetricData)
	awsproto.Handle(mux, model.GetMetricStatistics, s.getMetricStatistics)
	awsproto.Handle(mux, model.ListMetrics, s.listMetrics)
}

func scopeOf(ctx context.Context) lamina.Scope { return lamina.CallerFrom(ctx).Scope }

func value[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

// idOf names the metric that a request means.
func idOf(scope lamina.Scope, namespace, name *string, dimensions []model.Dimension) metric.ID {
	list := make([]metric.Dimension, len(dimensions))
	for i, d := range dimensions {
		list[i] = metric.Dimension{Name: *d.Name, Value: *d.Value}
	}
	return metric.NewID(scope, value(namespace), value(name), list...)
}

// tooMany words the one refusal that AWS does not have.
func tooMany(err error) error {
	if errors.Is(err, metric.ErrFull) {
		return lamina.Errorf(codeLimit, "Lamina keeps no more metrics than it has. Put fewer different names and dimensions.")
	}
	return err
}
