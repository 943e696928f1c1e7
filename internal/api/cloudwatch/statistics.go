package cloudwatch

import (
	"context"
	"strconv"
	"time"

	"github.com/lamina-dev/lamina"
	model "github.com/lamina-dev/lamina/internal/awsmodel/cloudwatch"
	"github.com/lamina-dev/lamina/internal/telemetry/metric"
)

// mostPoints of one GetMetricStatistics answer, from AWS's reference.
const mostPoints = 1440

func (s *Service) getMetricStatistics(ctx context.Context, in *model.GetMetricStatisticsInput) (*model.GetMetricStatisticsOutput, error) {
	if err := checkStatistics(in); err != nil {
		return nil, err
	}
	period := time.Duration(*in.Period) * time.Second
	q := metric.Query{
		ID:   idOf(scopeOf(ctx), in.Namespace, in.MetricName, in.Dimensions),
		Unit: value(in.Unit), From: floor(*in.StartTime, min(period, time.Minute)), To: ceil(*in.EndTime), Period: period,
	}
	if points := int64(in.EndTime.Sub(*in.StartTime) / period); points > mostPoints {
		return nil, lamina.Errorf(codeInvalidCombination, "You have requested up to %s datapoints, which exceeds the limit of %s. You may reduce the datapoints requested by increasing Period, or decreasing the time range.",
			grouped(points), grouped(mostPoints))
	}
	out := &model.GetMetricStatisticsOutput{Label: in.MetricName, Datapoints: []model.Datapoint{}}
	for _, series := range s.Metrics.Query(q) {
		for _, p := range series.Points {
			out.Datapoints = append(out.Datapoints, datapoint(in, series.Unit, p))
		}
	}
	return out, nil
}

// checkStatistics checks what the model does not say. Texts are chosen, but the
// one of the times.
func checkStatistics(in *model.GetMetricStatisticsInput) error {
	switch {
	case !in.StartTime.Before(*in.EndTime):
		return lamina.Errorf(codeInvalidValue, "The parameter StartTime must be less than the parameter EndTime.")
	case !checkPeriod(*in.Period):
		return lamina.Errorf(codeInvalidValue, "The parameter Period must be 1, 5, 10, 20, 30 or a multiple of 60.")
	case in.Statistics == nil && in.ExtendedStatistics == nil:
		return lamina.Errorf(codeMissing, "At least one of the parameters must be specified: Statistics, ExtendedStatistics.")
	case in.Statistics != nil && in.ExtendedStatistics != nil:
		return lamina.Errorf(codeInvalidCombination, "The parameters Statistics and ExtendedStatistics are mutually exclusive and you have specified both.")
	}
	for _, name := range in.ExtendedStatistics {
		if _, ok := percentile(name); !ok {
			return lamina.Errorf(codeInvalidValue, "The value %s for parameter ExtendedStatistics.member.1 is invalid.", name)
		}
	}
	return nil
}

// grouped writes 2880 as 2,880.
func grouped(n int64) string {
	digits := strconv.FormatInt(n, 10)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

func datapoint(in *model.GetMetricStatisticsInput, unit string, p metric.Point) model.Datapoint {
	d := model.Datapoint{Timestamp: new(p.Time), Unit: new(unit)}
	for _, name := range in.Statistics {
		take, _ := statisticOf(name) // the model lists them
		v, _ := take(p.Stat)
		switch name {
		case model.StatisticSampleCount:
			d.SampleCount = &v
		case model.StatisticAverage:
			d.Average = &v
		case model.StatisticSum:
			d.Sum = &v
		case model.StatisticMinimum:
			d.Minimum = &v
		case model.StatisticMaximum:
			d.Maximum = &v
		}
	}
	for _, name := range in.ExtendedStatistics {
		take, _ := percentile(name) // was checked
		if v, ok := take(p.Stat); ok {
			if d.ExtendedStatistics == nil {
				d.ExtendedStatistics = map[string]float64{}
			}
			d.ExtendedStatistics[name] = v
		}
	}
	return d
}
