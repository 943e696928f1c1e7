# Metrics by the AWS CLI.
set -euo pipefail
aws cloudwatch put-metric-data --namespace Cli --metric-name jobs --value 3 --unit Count --dimensions queue=a
aws cloudwatch put-metric-data --namespace Cli --metric-data '[{"MetricName":"jobs","Value":5,"Unit":"Count","Dimensions":[{"Name":"queue","Value":"a"}]}]'
start=$(date -u -d '-1 hour' +%FT%TZ) end=$(date -u -d '+5 minutes' +%FT%TZ)
sum=$(aws cloudwatch get-metric-statistics --namespace Cli --metric-name jobs --dimensions Name=queue,Value=a \
	--start-time "$start" --end-time "$end" --period 7200 --statistics Sum --query 'sum(Datapoints[].Sum)' --output text)
test "$sum" = 8.0
aws cloudwatch list-metrics --namespace Cli --dimensions Name=queue | grep '"jobs"'
aws cloudwatch get-metric-data --start-time "$start" --end-time "$end" \
	--metric-data-queries '[{"Id":"a","MetricStat":{"Metric":{"Namespace":"Cli","MetricName":"jobs","Dimensions":[{"Name":"queue","Value":"a"}]},"Period":3600,"Stat":"Average"}}]' \
	--query 'MetricDataResults[0].StatusCode' --output text | grep Complete
if aws cloudwatch describe-alarms 2>error.txt; then exit 1; fi
grep UnknownOperation error.txt
