package iam

import (
	"encoding/json"
	"strings"
	"time"
)

// ManagedPolicy is a policy that AWS keeps in every account.
type ManagedPolicy struct {
	Name       string
	Path       string // "/" or "/service-role/"
	statements []managedStatement
}

type managedStatement struct {
	Effect    string
	Action    []string
	Resource  []string
	Condition map[string]map[string]string `json:"Condition,omitempty"`
}

// ManagedSince stands in for the creation date of AWS's policies (chosen).
var ManagedSince = time.Date(2025, 11, 30, 0, 0, 0, 0, time.UTC)

// ARN is the policy's ARN, the same in every account.
func (p ManagedPolicy) ARN() string { return "arn:aws:iam::aws:policy" + p.Path + p.Name }

// ID is the policy's unique id, derived from its name.
func (p ManagedPolicy) ID() string { return DerivedID("ANPA", p.ARN()) }

// Document is the policy's text.
func (p ManagedPolicy) Document() string {
	b, err := json.Marshal(struct {
		Version   string
		Statement []managedStatement
	}{"2012-10-17", p.statements})
	if err != nil {
		panic(err) // a table of strings always marshals
	}
	return string(b)
}

func allow(actions ...string) []managedStatement {
	return []managedStatement{{Effect: "Allow", Action: actions, Resource: all}}
}

var (
	logActions = []string{"logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"}
	eniActions = []string{"ec2:CreateNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets",
		"ec2:DeleteNetworkInterface", "ec2:AssignPrivateIpAddresses", "ec2:UnassignPrivateIpAddresses"}
	all = []string{"*"}
)

// ec2 are resources of EC2 in every region.
func ec2(resources ...string) []string {
	arns := make([]string, 0, len(resources))
	for _, r := range resources {
		arns = append(arns, "arn:aws:ec2:*:"+r)
	}
	return arns
}

func equal(key, value string) map[string]map[string]string {
	return map[string]map[string]string{"StringEquals": {key: value}}
}

func withLogs(actions ...string) []managedStatement { return allow(append(actions, logActions...)...) }

// Managed are the AWS policies that Lambda users attach; what they allow is
// from the AWS managed policy reference (lmi-service.md 2.8 for the operator's).
var Managed = []ManagedPolicy{
	{"AWSLambdaManagedEC2ResourceOperator", "/", []managedStatement{
		{"Allow", []string{"ec2:RunInstances", "ec2:CreateTags", "ec2:AttachNetworkInterface"}, ec2("*:instance/*", "*:network-interface/*", "*:volume/*"),
			equal("ec2:ManagedResourceOperator", scalerPrincipal)},
		{"Allow", []string{"ec2:DescribeAvailabilityZones", "ec2:DescribeCapacityReservations", "ec2:DescribeInstances", "ec2:DescribeInstanceStatus",
			"ec2:DescribeInstanceTypeOfferings", "ec2:DescribeInstanceTypes", "ec2:DescribeSecurityGroups", "ec2:DescribeSubnets", "ec2:DescribeVpcEncryptionControls"}, all, nil},
		{"Allow", []string{"ec2:RunInstances", "ec2:CreateNetworkInterface"}, ec2("*:subnet/*", "*:security-group/*"), nil},
		{"Allow", []string{"ec2:RunInstances"}, ec2(":image/*"), equal("ec2:Owner", "amazon")},
		{"Allow", logActions, all, nil},
	}},
	{"AWSLambdaServiceRolePolicy", "/aws-service-role/", allow("ec2:TerminateInstances", "ec2:DescribeInstances")},
	{"AWSLambdaBasicExecutionRole", "/service-role/", allow(logActions...)},
	{"AWSLambdaVPCAccessExecutionRole", "/service-role/", withLogs(eniActions...)},
	{"AWSLambdaENIManagementAccess", "/service-role/", allow(eniActions...)},
	{"AWSLambdaSQSQueueExecutionRole", "/service-role/", withLogs("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")},
	{"AWSLambdaKinesisExecutionRole", "/service-role/", withLogs("kinesis:DescribeStream", "kinesis:DescribeStreamSummary", "kinesis:GetRecords",
		"kinesis:GetShardIterator", "kinesis:ListShards", "kinesis:ListStreams", "kinesis:SubscribeToShard")},
	{"AWSLambdaDynamoDBExecutionRole", "/service-role/", withLogs("dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:ListStreams")},
	{"AWSLambdaMSKExecutionRole", "/service-role/", withLogs("kafka:DescribeCluster", "kafka:DescribeClusterV2", "kafka:GetBootstrapBrokers",
		"ec2:CreateNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DescribeVpcs", "ec2:DeleteNetworkInterface", "ec2:DescribeSubnets", "ec2:DescribeSecurityGroups")},
	{"AWSLambdaBasicDurableExecutionRolePolicy", "/service-role/", withLogs("lambda:CheckpointDurableExecution", "lambda:GetDurableExecutionState")},
	{"AWSLambdaRole", "/service-role/", allow("lambda:InvokeFunction")},
	{"AWSLambda_FullAccess", "/", allow("lambda:*", "iam:GetPolicy", "iam:GetPolicyVersion", "iam:GetRole", "iam:GetRolePolicy", "iam:ListAttachedRolePolicies",
		"iam:ListRolePolicies", "iam:ListRoles", "iam:PassRole", "logs:DescribeLogGroups", "ec2:DescribeSecurityGroups", "ec2:DescribeSubnets", "ec2:DescribeVpcs")},
	{"AWSLambda_ReadOnlyAccess", "/", allow("lambda:Get*", "lambda:List*", "iam:GetRole", "iam:ListRoles", "logs:DescribeLogGroups")},
	{"AWSLambdaExecute", "/", allow("logs:*", "s3:GetObject", "s3:PutObject")},
	{"AWSXRayDaemonWriteAccess", "/", allow("xray:PutTraceSegments", "xray:PutTelemetryRecords", "xray:GetSamplingRules", "xray:GetSamplingTargets", "xray:GetSamplingStatisticSummaries")},
	{"CloudWatchLambdaInsightsExecutionRolePolicy", "/", allow(logActions...)},
	{"CloudWatchLogsFullAccess", "/", allow("logs:*", "cloudwatch:GenerateQuery")},
	{"AmazonS3ReadOnlyAccess", "/", allow("s3:Get*", "s3:List*", "s3:Describe*", "s3-object-lambda:Get*", "s3-object-lambda:List*")},
	{"AmazonS3FullAccess", "/", allow("s3:*", "s3-object-lambda:*")},
	{"AmazonSQSFullAccess", "/", allow("sqs:*")},
	{"AmazonDynamoDBFullAccess", "/", allow("dynamodb:*", "dax:*")},
	{"ReadOnlyAccess", "/", allow("lambda:Get*", "lambda:List*", "ec2:Describe*", "ec2:Get*", "iam:Get*", "iam:List*", "logs:Describe*",
		"logs:Get*", "logs:List*", "logs:FilterLogEvents", "cloudwatch:Describe*", "cloudwatch:Get*", "cloudwatch:List*", "s3:Get*", "s3:List*", "sqs:Get*", "sqs:List*", "sts:Get*")},
	{"PowerUserAccess", "/", []managedStatement{{"Allow", []string{"*"}, all, nil}, {"Deny", []string{"iam:*", "organizations:*"}, all, nil}}},
	{"AdministratorAccess", "/", allow("*")},
}

// FindManaged looks an AWS policy up by its ARN.
func FindManaged(arn string) (ManagedPolicy, bool) {
	if !strings.HasPrefix(arn, "arn:aws:iam::aws:policy/") {
		return ManagedPolicy{}, false
	}
	for _, p := range Managed {
		if p.ARN() == arn {
			return p, true
		}
	}
	return ManagedPolicy{}, false
}
