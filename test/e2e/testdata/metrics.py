"""Metrics by boto3: values, sets, percentiles, paging and errors."""
import datetime
import json

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

cw = boto3.client("cloudwatch", config=Config(retries={"max_attempts": 0}))
now = datetime.datetime.now(datetime.timezone.utc)
start, end = now - datetime.timedelta(hours=1), now + datetime.timedelta(minutes=5)
shop = [{"Name": "shop", "Value": "ü & b"}]

cw.put_metric_data(Namespace="Py", MetricData=[
    {"MetricName": "latency", "Dimensions": shop, "Values": [float(v) for v in range(1, 101)], "Unit": "Milliseconds", "Timestamp": now}])
got = cw.get_metric_statistics(Namespace="Py", MetricName="latency", Dimensions=shop, StartTime=start, EndTime=end, Period=60,
                               Statistics=["Sum", "SampleCount"])
assert got["Label"] == "latency" and len(got["Datapoints"]) == 1, got
assert got["Datapoints"][0]["Sum"] == 5050 and got["Datapoints"][0]["SampleCount"] == 100, got
assert got["Datapoints"][0]["Timestamp"] == now.replace(second=0, microsecond=0), got

percentiles = cw.get_metric_statistics(Namespace="Py", MetricName="latency", Dimensions=shop, StartTime=start, EndTime=end, Period=3600,
                                       ExtendedStatistics=["p50", "p90", "p99"])["Datapoints"][0]["ExtendedStatistics"]
for name, want in {"p50": 50, "p90": 90, "p99": 99}.items():
    assert abs(percentiles[name] - want) <= 0.011 * want, percentiles


def query(stat="Maximum", **more):
    metric = {"Namespace": "Py", "MetricName": "latency", "Dimensions": shop}
    return {"Id": "q1", "MetricStat": {"Metric": metric, "Period": 60, "Stat": stat}, **more}


pages = cw.get_paginator("get_metric_data").paginate(MetricDataQueries=[query(Label="slowest")], StartTime=start, EndTime=end)
result = pages.build_full_result()["MetricDataResults"][0]
assert (result["Label"], result["Values"], result["StatusCode"]) == ("slowest", [100.0], "Complete"), result

calculated = cw.get_metric_data(MetricDataQueries=[query(ReturnData=False), {"Id": "half", "Expression": "SUM(METRICS()) / 2"}], **{"StartTime": start, "EndTime": end})
assert [(r["Id"], r["Label"], r["Values"]) for r in calculated["MetricDataResults"]] == [("half", "half", [50.0])], calculated

for i in range(6):
    cw.put_metric_data(Namespace="Many", MetricData=[{"MetricName": f"m{i}-{n}", "Value": 1} for n in range(100)])
names = [m["MetricName"] for p in cw.get_paginator("list_metrics").paginate(Namespace="Many") for m in p["Metrics"]]
assert len(names) == 600 and len(set(names)) == 600, len(names)


def refused(code, call, **arguments):
    try:
        call(**arguments)
    except ClientError as e:
        assert e.response["Error"]["Code"] == code, e
        print(code, "-", e.response["Error"]["Message"])
        return
    raise AssertionError(f"{code} expected")


span = {"StartTime": start, "EndTime": end}
refused("InvalidParameterValue", cw.put_metric_data, Namespace="AWS/Lambda", MetricData=[{"MetricName": "m", "Value": 1}])
refused("InvalidParameterCombination", cw.put_metric_data, Namespace="N", MetricData=[{"MetricName": "m", "Value": 1, "Values": [1]}])
refused("MissingParameter", cw.put_metric_data, Namespace="N", MetricData=[{"MetricName": "m"}])
refused("InvalidNextToken", cw.list_metrics, NextToken="nonsense")
refused("InvalidParameterCombination", cw.get_metric_statistics, Namespace="N", MetricName="m", StartTime=start - datetime.timedelta(days=2),
        EndTime=end, Period=60, Statistics=["Sum"])
refused("ValidationError", cw.get_metric_data, MetricDataQueries=[query("tm99")], **span)
refused("ValidationError", cw.get_metric_data, MetricDataQueries=[{"Id": "e1", "Expression": "SEARCH('x', 'Sum')"}], **span)
refused("ValidationError", cw.put_metric_data, Namespace="N", MetricData=[{"MetricName": "m", "Value": 1, "Unit": "Bananas"}])
print(json.dumps({"ok": True}))
