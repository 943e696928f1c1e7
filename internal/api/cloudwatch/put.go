package cloudwatch

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/lamina-dev/lamina"
	model "github.com/lamina-dev/lamina/internal/awsmodel/cloudwatch"
	"github.com/lamina-dev/lamina/internal/awsproto"
	"github.com/lamina-dev/lamina/internal/telemetry/metric"
)

// Limits of PutMetricData, from AWS's reference of the operation.
const (
	mostData   = 1000
	mostValues = 150
	maxAge     = 14 * 24 * time.Hour
	maxAhead   = 2 * time.Hour
	maxExp     = 360 // values lie between -2^360 and 2^360
	reserved   = "AWS/"
)

func (s *Service) putMetricData(ctx context.Context, in *model.PutMetricDataInput) (*awsproto.Empty, error) {
	if strings.HasPrefix(*in.Namespace, reserved) {
		return nil, lamina.Errorf(codeInvalidValue, "The value %s for parameter Namespace is invalid.", *in.Namespace)
	}
	data := in.MetricData
	for _, e := range in.EntityMetricData { // the entity itself is not kept
		data = append(data, e.MetricData...)
	}
	switch {
	case in.MetricData == nil && in.EntityMetricData == nil:
		return nil, lamina.Errorf(codeMissing, "The parameter MetricData is required.")
	case len(data) > mostData:
		return nil, lamina.Errorf(codeInvalidValue, "The collection MetricData must not have a size greater than %d.", mostData)
	}
	samples := make([]metric.Sample, len(data))
	for i, d := range data {
		var err error
		if samples[i], err = s.sample(scopeOf(ctx), in.Namespace, d, fmt.Sprintf("MetricData.member.%d.", i+1)); err != nil {
			return nil, err
		}
	}
	return nil, tooMany(s.Metrics.Put(ctx, samples))
}

// sample checks one datum; path is its name in texts.
func (s *Service) sample(scope lamina.Scope, namespace *string, d model.MetricDatum, path string) (metric.Sample, error) {
	now := s.Now()
	out := metric.Sample{ID: idOf(scope, namespace, d.MetricName, d.Dimensions), Unit: model.StandardUnitNone, Time: now, Resolution: 60}
	if d.Unit != nil {
		out.Unit = *d.Unit
	}
	if d.Timestamp != nil {
		out.Time = *d.Timestamp
	}
	switch {
	case out.Time.Before(now.Add(-maxAge)):
		return out, lamina.Errorf(codeInvalidValue, "The parameter %sTimestamp must specify a time no more than two weeks in the past.", path) // text chosen
	case out.Time.After(now.Add(maxAhead)):
		return out, lamina.Errorf(codeInvalidValue, "The parameter %sTimestamp must specify a time within the next two hours.", path) // text chosen
	}
	switch resolution := value(d.StorageResolution); resolution {
	case 0, 60:
	case 1:
		out.Resolution = 1
	default:
		return out, lamina.Errorf(codeInvalidValue, "The parameter %sStorageResolution must be a value in the set [ 1, 60 ].", path) // text chosen
	}
	var err error
	out.Stat, err = statOf(d, path)
	return out, err
}

// statOf is what a datum says: a value, values with counts, or a statistic set.
func statOf(d model.MetricDatum, path string) (metric.Stat, error) {
	given := map[string]bool{"Value": d.Value != nil, "Values": d.Values != nil, "StatisticValues": d.StatisticValues != nil}
	for _, pair := range [][2]string{{"Value", "StatisticValues"}, {"Value", "Values"}, {"Values", "StatisticValues"}} {
		if given[pair[0]] && given[pair[1]] {
			return metric.Stat{}, lamina.Errorf(codeInvalidCombination, "The parameters %s%s and %[1]s%[3]s are mutually exclusive and you have specified both.", path, pair[0], pair[1])
		}
	}
	switch {
	case d.Value != nil:
		return metric.Of(*d.Value), checkNumber(*d.Value, path+"Value")
	case d.StatisticValues != nil:
		return setOf(d.StatisticValues, path+"StatisticValues.")
	case d.Values != nil:
		return manyOf(d, path)
	}
	return metric.Stat{}, lamina.Errorf(codeMissing, "At least one of the parameters must be specified: %sValue, %[1]sValues, %[1]sStatisticValues.", path) // text chosen
}

func setOf(set *model.StatisticSet, path string) (metric.Stat, error) {
	for _, f := range []struct {
		name  string
		value float64
	}{{"SampleCount", *set.SampleCount}, {"Sum", *set.Sum}, {"Minimum", *set.Minimum}, {"Maximum", *set.Maximum}} {
		if err := checkNumber(f.value, path+f.name); err != nil {
			return metric.Stat{}, err
		}
	}
	if *set.SampleCount <= 0 {
		return metric.Stat{}, lamina.Errorf(codeInvalidValue, "The parameter %sSampleCount must be greater than 0.", path) // text chosen
	}
	if *set.Minimum > *set.Maximum {
		return metric.Stat{}, lamina.Errorf(codeInvalidValue, "The parameter %sMinimum must be less than or equal to %[1]sMaximum.", path) // text chosen
	}
	return metric.Set(*set.SampleCount, *set.Sum, *set.Minimum, *set.Maximum), nil
}

func manyOf(d model.MetricDatum, path string) (s metric.Stat, err error) {
	switch {
	case len(d.Values) == 0:
		return s, lamina.Errorf(codeInvalidValue, "The collection %sValues must not be empty.", path) // text chosen
	case len(d.Values) > mostValues:
		return s, lamina.Errorf(codeInvalidValue, "The collection %sValues must not have a size greater than %d.", path, mostValues)
	case d.Counts != nil && len(d.Counts) != len(d.Values):
		return s, lamina.Errorf(codeInvalidValue, "The parameters %sValues and %[1]sCounts must be of the same size.", path) // text chosen
	}
	for i, v := range d.Values {
		count := 1.0
		if d.Counts != nil {
			count = d.Counts[i]
		}
		if err := checkNumber(v, path+"Values.member."+strconv.Itoa(i+1)); err != nil {
			return s, err
		}
		if err := checkNumber(count, path+"Counts.member."+strconv.Itoa(i+1)); err != nil {
			return s, err
		}
		if count < 0 {
			return s, lamina.Errorf(codeInvalidValue, "The value %v for parameter %sCounts.member.%d is invalid.", count, path, i+1)
		}
		s.Add(v, count)
	}
	return s, nil
}

func checkNumber(v float64, name string) error {
	if math.IsNaN(v) || math.Abs(v) > math.Ldexp(1, maxExp) {
		return lamina.Errorf(codeInvalidValue, "The value %v for parameter %s is invalid.", v, name)
	}
	return nil
}
