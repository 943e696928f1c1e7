package awsproto_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/smithy-go"
	"github.com/fxamacker/cbor/v2"

	"github.com/lamina-dev/lamina"
	model "github.com/lamina-dev/lamina/internal/awsmodel/cloudwatch"
	"github.com/lamina-dev/lamina/internal/awsproto"
)

// rpc is a request in rpc-v2-cbor.
func rpc(t *testing.T, operation string, body any) *http.Request {
	t.Helper()
	raw, err := cbor.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest("POST", "/service/GraniteServiceVersion20100801/operation/"+operation, bytes.NewReader(raw))
	r.Header.Set("Authorization", scope("monitoring"))
	r.Header.Set("Content-Type", "application/cbor")
	r.Header.Set("Smithy-Protocol", "rpc-v2-cbor")
	return r
}

func metricsJSON(operation, body string) *http.Request {
	return post("monitoring", "/", body, "X-Amz-Target", "GraniteServiceVersion20100801."+operation, "Content-Type", "application/x-amz-json-1.0")
}

func metricsForm(body string) *http.Request {
	return post("monitoring", "/", body, "Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
}

// TestMetricsInThreeProtocols wants one operation read and answered the same in each.
func TestMetricsInThreeProtocols(t *testing.T) {
	m := open()
	at := time.UnixMilli(1700000000500).UTC()
	got := capture(m, model.GetMetricStatistics, &model.GetMetricStatisticsOutput{Label: new("m"), Datapoints: []model.Datapoint{
		{Timestamp: &at, Sum: new(1.5), Unit: new("None"), ExtendedStatistics: map[string]float64{"p99": 2}}}}, nil)
	want := &model.GetMetricStatisticsInput{Namespace: new("N"), MetricName: new("m"), StartTime: new(at.Add(-time.Hour)), EndTime: &at, Period: new(int32(60)),
		Statistics: []string{"Sum"}, Dimensions: []model.Dimension{{Name: new("a"), Value: new("ü")}}}
	for name, test := range map[string]struct {
		r          *http.Request
		kind, body string
	}{
		"cbor": {rpc(t, "GetMetricStatistics", map[string]any{"Namespace": "N", "MetricName": "m", "Period": 60, "Statistics": []string{"Sum"}, "Unknown": []any{1, nil},
			"Unit": nil, "Dimensions": []any{map[string]string{"Name": "a", "Value": "ü"}}, "StartTime": cbor.Tag{Number: 1, Content: 1699996400.5}, "EndTime": cbor.Tag{Number: 1, Content: 1700000000.5}}),
			"application/cbor", "a2" + "654c6162656c" + "616d" + "6a44617461706f696e7473" + "81a4" +
				"6954696d657374616d70" + "c1fb41d954fc40200000" + "6353756d" + "fb3ff8000000000000" + "64556e6974" + "644e6f6e65" +
				"72457874656e64656453746174697374696373" + "a1" + "63703939" + "fb4000000000000000"},
		"json": {metricsJSON("GetMetricStatistics", `{"Namespace":"N","MetricName":"m","Period":60,"Statistics":["Sum"],"Dimensions":[{"Name":"a","Value":"ü"}],"StartTime":1699996400.5,"EndTime":1700000000.5}`),
			"application/x-amz-json-1.0", `{"Label":"m","Datapoints":[{"Timestamp":1700000000.5,"Sum":1.5,"Unit":"None","ExtendedStatistics":{"p99":2.0}}]}`},
		"query": {metricsForm("Action=GetMetricStatistics&Version=2010-08-01&Namespace=N&MetricName=m&Period=60&Statistics.member.1=Sum&Dimensions.member.1.Name=a&Dimensions.member.1.Value=%C3%BC&StartTime=2023-11-14T21%3A13%3A20.500Z&EndTime=2023-11-14T22%3A13%3A20.500Z"),
			"text/xml", `<GetMetricStatisticsResponse xmlns="http://monitoring.amazonaws.com/doc/2010-08-01/"><GetMetricStatisticsResult><Label>m</Label><Datapoints><member><Timestamp>2023-11-14T22:13:20Z</Timestamp><Sum>1.5</Sum><Unit>None</Unit><ExtendedStatistics><entry><key>p99</key><value>2.0</value></entry></ExtendedStatistics></member></Datapoints></GetMetricStatisticsResult><ResponseMetadata><RequestId>ID</RequestId></ResponseMetadata></GetMetricStatisticsResponse>`},
	} {
		*got = nil
		code, header, body := send(m, test.r)
		if name == "cbor" {
			body = hex.EncodeToString([]byte(body))
		}
		if code != 200 || body != test.body || header.Get("Content-Type") != test.kind || (header.Get("Smithy-Protocol") != "") != (name == "cbor") {
			t.Errorf("%s: %d %v\n got %s\nwant %s", name, code, header, body, test.body)
		}
		if *got != nil {
			same(t, *got, want)
		}
	}
}

func TestMetricsErrorsInThreeProtocols(t *testing.T) {
	m := open()
	capture[model.ListMetricsInput, model.ListMetricsOutput](m, model.ListMetrics, nil, lamina.Errorf("InvalidParameterValue", "no"))
	capture[model.PutMetricDataInput, awsproto.Empty](m, model.PutMetricData, nil, nil)
	fault := func(kind, message string) string {
		raw, err := cbor.Marshal(map[string]string{"__type": kind})
		if err != nil {
			t.Fatal(err)
		}
		text, _ := cbor.Marshal(message)
		return "\xa2" + string(raw[1:]) + "\x67message" + string(text)
	}
	xml := func(code, message string) string {
		return `<ErrorResponse xmlns="http://monitoring.amazonaws.com/doc/2010-08-01/"><Error><Type>Sender</Type><Code>` + code + `</Code><Message>` + message + `</Message></Error><RequestId>ID</RequestId></ErrorResponse>`
	}
	required := "The parameter MetricData.member.1.MetricName is required."
	for _, test := range []struct {
		r           *http.Request
		code        int
		queryError  string
		body, about string
	}{
		{rpc(t, "ListMetrics", struct{}{}), 400, "InvalidParameterValue;Sender", fault("InvalidParameterValueException", "no"), "modelled"},
		{metricsJSON("ListMetrics", `{}`), 400, "InvalidParameterValue;Sender", `{"__type":"InvalidParameterValueException","message":"no"}`, "modelled"},
		{metricsForm("Action=ListMetrics"), 400, "", xml("InvalidParameterValue", "no"), "modelled"},
		{rpc(t, "PutMetricData", map[string]any{"Namespace": "N", "MetricData": []any{struct{}{}}}), 400, "MissingParameter;Sender", fault("MissingRequiredParameterException", required), "required"},
		{metricsJSON("PutMetricData", `{"Namespace":"N","MetricData":[{}]}`), 400, "MissingParameter;Sender", `{"__type":"MissingRequiredParameterException","message":"` + required + `"}`, "required"},
		{metricsForm("Action=PutMetricData&Namespace=N&MetricData.member.1.Value=1"), 400, "", xml("MissingParameter", required), "required"},
		{rpc(t, "DescribeAlarms", struct{}{}), 404, "UnknownOperationException;Sender", fault("UnknownOperationException", "Lamina does not serve DescribeAlarms of monitoring."), "unknown"},
		{metricsJSON("DescribeAlarms", `{}`), 400, "UnknownOperationException;Sender", `{"__type":"UnknownOperationException","message":"Lamina does not serve DescribeAlarms of monitoring."}`, "unknown"},
		{metricsForm("Action=DescribeAlarms"), 400, "", xml("InvalidAction", "Lamina does not serve DescribeAlarms of monitoring."), "unknown"},
	} {
		code, header, body := send(m, test.r)
		if code != test.code || body != test.body || header.Get("X-Amzn-Query-Error") != test.queryError {
			t.Errorf("%s: %d %v\n got %q\nwant %q", test.about, code, header, body, test.body)
		}
	}
	code, header, body := send(m, rpc(t, "PutMetricData", map[string]any{"Namespace": "N"}))
	if code != 200 || body != "" || header.Get("Content-Type") != "" || header.Get("Smithy-Protocol") != "rpc-v2-cbor" {
		t.Errorf("no output: %d %v %q", code, header, body)
	}
}

// TestMetricsFindTheirService without a credential scope that names it.
func TestMetricsFindTheirService(t *testing.T) {
	m := open()
	got := capture(m, model.ListMetrics, &model.ListMetricsOutput{}, nil)
	for _, r := range []*http.Request{rpc(t, "ListMetrics", map[string]string{"Namespace": "N"}), metricsJSON("ListMetrics", `{"Namespace":"N"}`), metricsForm("Action=ListMetrics&Namespace=N&Version=2010-08-01")} {
		r.Header.Del("Authorization")
		*got = nil
		if code, _, body := send(m, r); code != 200 || *got == nil || *(*got).Namespace != "N" {
			t.Errorf("%s %v: %d %q", r.URL, r.Header, code, body)
		}
	}
}

func TestCBORThatDoesNotFit(t *testing.T) {
	m := open()
	capture[model.PutMetricDataInput, awsproto.Empty](m, model.PutMetricData, nil, nil)
	datum := func(key string, value any) map[string]any {
		return map[string]any{"Namespace": "N", "MetricData": []any{map[string]any{"MetricName": "m", key: value}}}
	}
	for name, test := range map[string]struct {
		body any
		want string
	}{
		"list for structure":   {[]any{}, "Expected structure or null"},
		"text for list":        {map[string]any{"MetricData": "x"}, "Expected list or null"},
		"null in list":         {map[string]any{"MetricData": []any{nil}}, "Null value found in a list"},
		"number for text":      {map[string]any{"Namespace": 1}, "NUMBER_VALUE can not be converted to a String"},
		"text for number":      {datum("Value", "1"), "STRING_VALUE can not be converted to a Double"},
		"fraction for integer": {datum("StorageResolution", 1.5), "SIMPLE_VALUE can not be converted to an Integer"},
		"overflow":             {datum("StorageResolution", int64(1)<<40), "NUMBER_VALUE can not be converted to an Integer"},
		"untagged time":        {datum("Timestamp", 1700000000), "NUMBER_VALUE can not be converted to milliseconds since epoch"},
		"text as time":         {datum("Timestamp", cbor.Tag{Number: 1, Content: "x"}), "Expected structure or null"},
		"truncated":            {cbor.RawMessage("\xa1\x69Namespace"), "Could not parse request body as CBOR: unexpected EOF"},
		"trailing":             {cbor.RawMessage("\xa0\xa0"), "Could not parse request body as CBOR: cbor: 1 bytes of extraneous data starting at index 1"},
		"too deep":             {cbor.RawMessage("\xa1\x61x" + strings.Repeat("\x81", 100) + "\x01"), "Could not parse request body as CBOR: cbor: exceeded max nested level 64"},
	} {
		var r *http.Request
		if raw, ok := test.body.(cbor.RawMessage); ok {
			r = rawRPC(raw)
		} else {
			r = rpc(t, "PutMetricData", test.body)
		}
		code, _, body := send(m, r)
		var fault map[string]string
		if err := cbor.Unmarshal([]byte(body), &fault); err != nil || code != 400 || fault["__type"] != "SerializationException" || fault["message"] != test.want {
			t.Errorf("%s: %d %v %v", name, code, fault, err)
		}
	}
}

func rawRPC(body []byte) *http.Request {
	r := httptest.NewRequest("POST", "/service/GraniteServiceVersion20100801/operation/PutMetricData", bytes.NewReader(body))
	r.Header.Set("Authorization", scope("monitoring"))
	r.Header.Set("Smithy-Protocol", "rpc-v2-cbor")
	return r
}

func TestMetricsByTheSDK(t *testing.T) {
	m := newMux(t)
	put := capture[model.PutMetricDataInput, awsproto.Empty](m, model.PutMetricData, nil, nil)
	at := time.UnixMilli(1700000000123).UTC()
	capture(m, model.GetMetricData, &model.GetMetricDataOutput{MetricDataResults: []model.MetricDataResult{{Id: new("q"), Timestamps: []time.Time{at}, Values: []float64{-0.5}, StatusCode: new("Complete")}}}, nil)
	capture[model.ListMetricsInput, model.ListMetricsOutput](m, model.ListMetrics, nil, lamina.Errorf("InvalidParameterValue", "no"))
	c := sdk.NewFromConfig(serve(t, m))
	if _, err := c.PutMetricData(t.Context(), &sdk.PutMetricDataInput{Namespace: aws.String("N"), MetricData: []types.MetricDatum{
		{MetricName: aws.String("m"), Timestamp: &at, Value: aws.Float64(3), Unit: types.StandardUnitBytesSecond, StorageResolution: aws.Int32(1)}}}); err != nil {
		t.Fatal(err)
	}
	same(t, *put, &model.PutMetricDataInput{Namespace: new("N"), MetricData: []model.MetricDatum{
		{MetricName: new("m"), Timestamp: &at, Value: new(3.0), Unit: new("Bytes/Second"), StorageResolution: new(int32(1))}}})
	data, err := c.GetMetricData(t.Context(), &sdk.GetMetricDataInput{StartTime: &at, EndTime: &at, MetricDataQueries: []types.MetricDataQuery{{Id: aws.String("q")}}})
	if err != nil {
		t.Fatal(err)
	}
	if r := data.MetricDataResults[0]; !r.Timestamps[0].Equal(at) || r.Values[0] != -0.5 || r.StatusCode != types.StatusCodeComplete {
		t.Errorf("got %+v", r)
	}
	_, err = c.ListMetrics(t.Context(), nil)
	if e, ok := errors.AsType[smithy.APIError](err); !ok || e.ErrorCode() != "InvalidParameterValue" && e.ErrorCode() != "InvalidParameterValueException" || e.ErrorMessage() != "no" {
		t.Errorf("got %v", err)
	}
}
