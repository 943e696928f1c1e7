# What a user types; called with AWS_ENDPOINT_URL, test keys and ZIP set.
set -euo pipefail
export AWS_PAGER="" AWS_DEFAULT_OUTPUT=json

trust='{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}'
operator=$(aws iam create-role --role-name operator --assume-role-policy-document "$trust" --query Role.Arn --output text)
aws iam attach-role-policy --role-name operator --policy-arn arn:aws:iam::aws:policy/AWSLambdaManagedEC2ResourceOperator
execution=$(aws iam create-role --role-name execution --assume-role-policy-document "$trust" --query Role.Arn --output text)
aws iam attach-role-policy --role-name execution --policy-arn arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole

vpc=$(aws ec2 create-vpc --cidr-block 10.0.0.0/16 --query Vpc.VpcId --output text)
subnets=()
for zone in a b c; do
	subnets+=("$(aws ec2 create-subnet --vpc-id "$vpc" --cidr-block "10.0.${#subnets[@]}.0/24" --availability-zone "us-east-1$zone" --query Subnet.SubnetId --output text)")
done
group=$(aws ec2 create-security-group --group-name lambda --description lambda --vpc-id "$vpc" --query GroupId --output text)

# Without a path to CloudWatch Logs, lines of functions are lost.
aws ec2 modify-vpc-attribute --vpc-id "$vpc" --enable-dns-hostnames
aws ec2 authorize-security-group-ingress --group-id "$group" --protocol tcp --port 443 --source-group "$group" --query Return
endpoint=$(aws ec2 create-vpc-endpoint --vpc-id "$vpc" --vpc-endpoint-type Interface --service-name com.amazonaws.us-east-1.logs \
	--subnet-ids "${subnets[@]}" --security-group-ids "$group" --query VpcEndpoint.VpcEndpointId --output text)

provider=$(aws lambda create-capacity-provider --capacity-provider-name cp \
	--vpc-config "SubnetIds=${subnets[0]},${subnets[1]},${subnets[2]},SecurityGroupIds=$group" \
	--permissions-config "CapacityProviderOperatorRoleArn=$operator" \
	--query CapacityProvider.CapacityProviderArn --output text)
aws lambda create-function --function-name f --runtime python3.13 --handler app.handler --role "$execution" \
	--memory-size 2048 --timeout 30 --zip-file "fileb://$ZIP" --publish --publish-to LATEST_PUBLISHED \
	--capacity-provider-config "LambdaManagedInstancesCapacityProviderConfig={CapacityProviderArn=$provider}"
aws lambda wait published-version-active --function-name f --qualifier '$LATEST.PUBLISHED'
echo '{"n":7,"sleep":0.01}' >event.json
aws lambda invoke --function-name f --payload fileb://event.json answer.json
cat answer.json
echo

hidden=$(aws ec2 describe-instances --query 'length(Reservations[].Instances[])')
shown=$(aws ec2 describe-instances --include-managed-resources --filters Name=instance-state-name,Values=running \
	--query 'length(Reservations[].Instances[])')
[ "$hidden" = 0 ] && [ "$shown" = 3 ] && echo "three instances, hidden by default"
for _ in 1 2 3 4 5 6 7 8 9 10; do
	if aws logs filter-log-events --log-group-name /aws/lambda/f --filter-pattern '"platform.report"' --query 'events[].message' --output text | grep platform.report; then
		break
	fi
done

if aws ec2 delete-subnet --subnet-id "${subnets[0]}" 2>error.txt; then exit 1; fi
grep DependencyViolation error.txt
if aws ec2 delete-security-group --group-id "$group" 2>error.txt; then exit 1; fi
grep DependencyViolation error.txt
if aws lambda delete-capacity-provider --capacity-provider-name cp 2>error.txt; then exit 1; fi
grep "currently in use by 1 functions" error.txt

aws lambda delete-function --function-name f
while aws lambda get-function --function-name f >/dev/null 2>&1; do :; done
aws lambda delete-capacity-provider --capacity-provider-name cp --query CapacityProvider.State
while aws lambda get-capacity-provider --capacity-provider-name cp >/dev/null 2>&1; do :; done
aws ec2 delete-vpc-endpoints --vpc-endpoint-ids "$endpoint"
for subnet in "${subnets[@]}"; do aws ec2 delete-subnet --subnet-id "$subnet"; done
aws ec2 delete-security-group --group-id "$group"
aws ec2 delete-vpc --vpc-id "$vpc"
aws iam detach-role-policy --role-name operator --policy-arn arn:aws:iam::aws:policy/AWSLambdaManagedEC2ResourceOperator
aws iam delete-role --role-name operator
