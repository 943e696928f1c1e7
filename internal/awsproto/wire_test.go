package awsproto_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/lamina-dev/lamina"
	"github.com/lamina-dev/lamina/internal/awsmodel/ec2"
	"github.com/lamina-dev/lamina/internal/awsmodel/iam"
	"github.com/lamina-dev/lamina/internal/awsmodel/lambda"
	"github.com/lamina-dev/lamina/internal/awsmodel/logs"
	"github.com/lamina-dev/lamina/internal/awsproto"
)

// letIn is a verifier that accepts everything.
func letIn(r *http.Request) (awsproto.Proof, error) {
	return func([]byte) (context.Context, error) { return r.Context(), nil }, nil
}

// open is a front door that lets everybody in, for tests of the wire alone.
func open() *awsproto.Mux {
	return awsproto.NewMux(awsproto.Config{
		Authenticate: letIn,
		Log:          slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
}

// scope is an Authorization header that names a service.
func scope(service string) string {
	return "AWS4-HMAC-SHA256 Credential=test/20261124/eu-west-1/" + service + "/aws4_request, SignedHeaders=host, Signature=0"
}

// send gives status, header and body, the request id replaced by ID.
func send(h http.Handler, r *http.Request) (int, http.Header, string) {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	body := w.Body.String()
	if id := w.Header().Get("X-Amzn-Requestid"); id != "" {
		body = strings.ReplaceAll(body, id, "ID")
	}
	return w.Code, w.Header(), body
}

func post(service, target, body string, header ...string) *http.Request {
	r := httptest.NewRequest("POST", target, strings.NewReader(body))
	r.Header.Set("Authorization", scope(service))
	if service == "iam" || service == "ec2" || service == "sts" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return r
}

func TestNobodyWithoutAVerifier(t *testing.T) {
	m := awsproto.NewMux(awsproto.Config{})
	capture(m, lambda.ListFunctions, &lambda.ListFunctionsResponse{}, nil)
	code, _, body := send(m, httptest.NewRequest("GET", "/2015-03-31/functions", nil))
	if code != http.StatusForbidden || body != `{"message":"Missing Authentication Token"}` {
		t.Errorf("%d %s", code, body)
	}
}

func TestEveryRequestMeetsTheVerifier(t *testing.T) {
	asked := 0
	m := awsproto.NewMux(awsproto.Config{Authenticate: func(*http.Request) (awsproto.Proof, error) {
		asked++
		return nil, lamina.Errorf("MissingAuthenticationTokenException", "Missing Authentication Token")
	}})
	capture(m, lambda.ListFunctions, nil, nil)
	capture(m, iam.ListRoles, nil, nil)
	capture(m, ec2.DescribeVpcs, nil, nil)
	capture(m, logs.DescribeLogGroups, nil, nil)
	var requests []*http.Request
	for _, service := range []string{"lambda", "iam", "ec2", "logs", "nothing", ""} {
		for _, target := range []string{"/", "/2015-03-31/functions", "/?Action=ListRoles&Version=2010-05-08", "/health", "/2015-03-31/functions/f/invocations"} {
			for _, method := range []string{"GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS"} {
				r := httptest.NewRequest(method, target, nil)
				if service != "" {
					r.Header.Set("Authorization", scope(service))
				}
				requests = append(requests, r)
			}
		}
	}
	for i, r := range requests {
		code, _, body := send(m, r)
		if code != http.StatusForbidden || asked != i+1 {
			t.Fatalf("%s %s: %d %s", r.Method, r.URL, code, body)
		}
	}
}

func TestUnknownOperations(t *testing.T) {
	m := open()
	capture(m, lambda.ListFunctions, nil, nil)
	capture(m, iam.ListRoles, nil, nil)
	capture(m, ec2.DescribeVpcs, nil, nil)
	capture(m, logs.DescribeLogGroups, nil, nil)
	tests := []struct {
		r    *http.Request
		code int
		kind string
		body string
	}{
		{post("lambda", "/2015-03-31/nothing", ""), 404, "application/json", `{"message":"Lamina does not serve POST /2015-03-31/nothing of lambda."}`},
		{post("lambda", "/2020-04-22/code-signing-configs", "{}"), 404, "application/json", `{"message":"Lamina does not serve CreateCodeSigningConfig of lambda."}`},
		{post("nothing", "/", ""), 404, "application/json", `{"message":"Lamina does not serve nothing, only ec2, iam, lambda, logs."}`},
		{post("sqs", "/", "{}", "X-Amz-Target", "AmazonSQS.CreateQueue"), 400, "application/x-amz-json-1.1", `{"__type":"UnknownOperationException","message":"Lamina does not serve sqs, only ec2, iam, lambda, logs."}`},
		{post("s3", "/bucket/a//b", ""), 501, "application/xml",
			"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>NotImplemented</Code><Message>Lamina does not serve s3, only ec2, iam, lambda, logs.</Message><RequestId>ID</RequestId></Error>"},
		{post("logs", "/", "{}", "X-Amz-Target", "Logs_20140328.Nothing"), 400, "application/x-amz-json-1.1", `{"__type":"UnknownOperationException","message":"Lamina does not serve Nothing of logs."}`},
		{post("iam", "/", "Action=Nothing&Version=2010-05-08"), 400, "text/xml",
			`<ErrorResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><Error><Type>Sender</Type><Code>InvalidAction</Code><Message>Lamina does not serve Nothing of iam.</Message></Error><RequestId>ID</RequestId></ErrorResponse>`},
		{post("iam", "/", "Version=2010-05-08"), 400, "text/xml",
			`<ErrorResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><Error><Type>Sender</Type><Code>MissingAction</Code><Message>The request must contain the parameter Action</Message></Error><RequestId>ID</RequestId></ErrorResponse>`},
		{post("ec2", "/", "Action=Nothing&Version=2016-11-15"), 400, "text/xml;charset=UTF-8",
			"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response><Errors><Error><Code>InvalidAction</Code><Message>Lamina does not serve Nothing of ec2.</Message></Error></Errors><RequestID>ID</RequestID></Response>"},
	}
	for _, test := range tests {
		code, header, body := send(m, test.r)
		if code != test.code || header.Get("Content-Type") != test.kind || body != test.body {
			t.Errorf("got %d %s\n%s\nwant %d %s\n%s", code, header.Get("Content-Type"), body, test.code, test.kind, test.body)
		}
	}
}

const arnPattern = `arn:aws[a-zA-Z-]*:lambda:(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:\d{12}:capacity-provider:[a-zA-Z0-9-_]+`

func TestValidationTexts(t *testing.T) {
	m := open()
	capture(m, lambda.CreateCapacityProvider, nil, nil)
	capture(m, lambda.CreateFunction, nil, nil)
	capture(m, lambda.PublishVersion, nil, nil)
	capture(m, lambda.ListCapacityProviders, nil, nil)
	capture(m, lambda.GetFunctionUrlConfig, nil, nil)
	capture(m, lambda.TagResource, nil, nil)
	provider := `"CapacityProviderName":"p","VpcConfig":{"SubnetIds":["subnet-1"],"SecurityGroupIds":["sg-1"]},"PermissionsConfig":{"CapacityProviderOperatorRoleArn":"arn:aws:iam::000000000000:role/r"}`
	function := `"FunctionName":"f","Role":"arn:aws:iam::000000000000:role/r","Code":{}`
	create, providers := "/2015-03-31/functions", "/2025-11-30/capacity-providers"
	tests := []struct{ target, body, want string }{
		{create, `{` + function + `,"CapacityProviderConfig":{}}`,
			"1 validation error detected: Value null at 'capacityProviderConfig.lambdaManagedInstancesCapacityProviderConfig' failed to satisfy constraint: Member must not be null"},
		{create, `{` + function + `,"CapacityProviderConfig":{"LambdaManagedInstancesCapacityProviderConfig":{}}}`,
			"1 validation error detected: Value null at 'capacityProviderConfig.lambdaManagedInstancesCapacityProviderConfig.capacityProviderArn' failed to satisfy constraint: Member must not be null"},
		{create, `{` + function + `,"CapacityProviderConfig":{"LambdaManagedInstancesCapacityProviderConfig":{"CapacityProviderArn":"bad"}}}`,
			"1 validation error detected: Value 'bad' at 'capacityProviderConfig.lambdaManagedInstancesCapacityProviderConfig.capacityProviderArn' failed to satisfy constraint: Member must satisfy regular expression pattern: " + arnPattern},
		{create, `{` + function + `,"CapacityProviderConfig":{"LambdaManagedInstancesCapacityProviderConfig":{"CapacityProviderArn":"arn:aws:lambda:eu-west-1:000000000000:capacity-provider:p","ExecutionEnvironmentMemoryGiBPerVCpu":1.9,"PerExecutionEnvironmentMaxConcurrency":1601}}}`,
			"2 validation errors detected: Value '1601' at 'capacityProviderConfig.lambdaManagedInstancesCapacityProviderConfig.perExecutionEnvironmentMaxConcurrency' failed to satisfy constraint: Member must have value less than or equal to 1600; " +
				"Value '1.9' at 'capacityProviderConfig.lambdaManagedInstancesCapacityProviderConfig.executionEnvironmentMemoryGiBPerVCpu' failed to satisfy constraint: Member must have value greater than or equal to 2"},
		{create, `{` + function + `,"PublishTo":"x"}`,
			"1 validation error detected: Value 'x' at 'publishTo' failed to satisfy constraint: Member must satisfy enum value set: [LATEST_PUBLISHED]"},
		{create, `{` + function + `,"Environment":{"Variables":{"0secret":"v"}}}`,
			"1 validation error detected: Value at 'environment.variables' failed to satisfy constraint: Map keys must satisfy constraint: [Member must satisfy regular expression pattern: [a-zA-Z]([a-zA-Z0-9_])+, Member must not be null]"},
		{create, `{"FunctionName":"f","Role":"x"}`,
			"2 validation errors detected: Value 'x' at 'role' failed to satisfy constraint: Member must satisfy regular expression pattern: arn:(aws[a-zA-Z-]*)?:iam::\\d{12}:role/?[a-zA-Z_0-9+=,.@\\-_/]+; Value null at 'code' failed to satisfy constraint: Member must not be null"},
		{providers, `{"CapacityProviderName":"p"}`,
			"2 validation errors detected: Value null at 'vpcConfig' failed to satisfy constraint: Member must not be null; Value null at 'permissionsConfig' failed to satisfy constraint: Member must not be null"},
		{providers, `{` + provider + `,"InstanceRequirements":{"Architectures":["X86_64"]}}`,
			"1 validation error detected: Value '[X86_64]' at 'instanceRequirements.architectures' failed to satisfy constraint: Member must satisfy constraint: [Member must satisfy enum value set: [x86_64, arm64], Member must not be null]"},
		{providers, `{` + provider + `,"InstanceRequirements":{"Architectures":["x86_64","arm64"]}}`,
			"1 validation error detected: Value '[x86_64, arm64]' at 'instanceRequirements.architectures' failed to satisfy constraint: Member must have length less than or equal to 1"},
		{providers, `{` + provider + `,"CapacityProviderScalingConfig":{"MaxVCpuCount":1}}`,
			"1 validation error detected: Value '1' at 'capacityProviderScalingConfig.maxVCpuCount' failed to satisfy constraint: Member must have value greater than or equal to 2"},
		{providers, `{` + provider + `,"CapacityProviderScalingConfig":{"ScalingMode":"Manual","ScalingPolicies":[{"PredefinedMetricType":"LambdaCapacityProviderAverageCPUUtilization","TargetValue":101}]}}`,
			"1 validation error detected: Value '101.0' at 'capacityProviderScalingConfig.scalingPolicies.1.member.targetValue' failed to satisfy constraint: Member must have value less than or equal to 100"},
	}
	for _, test := range tests {
		code, header, body := send(m, post("lambda", test.target, test.body))
		want := "{\"message\":" + quote(test.want) + "}"
		if code != 400 || body != want || header.Get("X-Amzn-Errortype") != "ValidationException" {
			t.Errorf("%s\ngot  %d %s\nwant %s", test.body, code, body, want)
		}
	}
	for target, want := range map[string]string{
		providers + "?MaxItems=51":                        "Value '51' at 'maxItems' failed to satisfy constraint: Member must have value less than or equal to 50",
		providers + "?State=active":                       "Value 'active' at 'state' failed to satisfy constraint: Member must satisfy enum value set: [Pending, Active, Failed, Deleting]",
		"/2021-10-31/functions/f/url?Qualifier=12":        `Value '12' at 'qualifier' failed to satisfy constraint: Member must satisfy regular expression pattern: ((?!^\\d+$)^[0-9a-zA-Z-_]+$)`,
		"/2021-10-31/functions/f/url?Qualifier=%24LATEST": `Value '$LATEST' at 'qualifier' failed to satisfy constraint: Member must satisfy regular expression pattern: ((?!^\\d+$)^[0-9a-zA-Z-_]+$)`,
	} {
		r := httptest.NewRequest("GET", target, nil)
		r.Header.Set("Authorization", scope("lambda"))
		if code, _, body := send(m, r); code != 400 || body != `{"message":"1 validation error detected: `+want+`"}` {
			t.Errorf("%s: %d %s", target, code, body)
		}
	}
}

func quote(s string) string { return `"` + strings.ReplaceAll(s, `\`, `\\`) + `"` }

func TestValidationCodesOfOtherServices(t *testing.T) {
	m := open()
	capture(m, iam.CreateRole, nil, nil)
	capture(m, ec2.DeleteVpc, nil, nil)
	capture(m, ec2.DescribeVpcs, nil, nil)
	tests := []struct {
		r    *http.Request
		want string
	}{
		{post("iam", "/", "Action=CreateRole&AssumeRolePolicyDocument=x"),
			"<Code>ValidationError</Code><Message>1 validation error detected: Value null at 'roleName' failed to satisfy constraint: Member must not be null</Message>"},
		{post("iam", "/", "Action=CreateRole&AssumeRolePolicyDocument=x&RoleName=a+b"),
			"<Code>ValidationError</Code><Message>The specified value for roleName is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_-</Message>"},
		{post("iam", "/", "Action=CreateRole&AssumeRolePolicyDocument=x&RoleName=r&MaxSessionDuration=many"),
			"<Code>MalformedInput</Code><Message>STRING_VALUE can not be converted to an Integer</Message>"},
		{post("iam", "/", "Action=CreateRole&AssumeRolePolicyDocument=x&RoleName=r&Tags.member.1.Key=&Tags.member.1.Value=v"),
			"Value '' at 'tags.1.member.key' failed to satisfy constraint: Member must have length greater than or equal to 1"},
		{post("ec2", "/", "Action=DeleteVpc"), "<Code>MissingParameter</Code><Message>The request must contain the parameter VpcId</Message>"},
		{post("ec2", "/", "Action=DescribeVpcs&MaxResults=1"), "<Code>InvalidParameterValue</Code>"},
		{post("ec2", "/", "Action=DescribeVpcs&DryRun=perhaps"), "<Code>InvalidParameterValue</Code>"},
		{post("ec2", "/", "Action=DescribeVpcs&a=%zz"), "<Code>MalformedQueryString</Code>"},
	}
	for _, test := range tests {
		if code, _, body := send(m, test.r); code != 400 || !strings.Contains(body, test.want) {
			t.Errorf("got %d %s\nwant %s", code, body, test.want)
		}
	}
}

func TestSerializationExceptions(t *testing.T) {
	m := open()
	capture(m, lambda.CreateFunction, nil, nil)
	for body, want := range map[string]string{
		`{`:                           "Could not parse request body into json: unexpected text at byte 1",
		`[]`:                          "Start of list found where not expected",
		`"x"`:                         "Expected structure or null",
		`{"FunctionName":1}`:          "NUMBER_VALUE can not be converted to a String",
		`{"FunctionName":true}`:       "TRUE_VALUE can not be converted to a String",
		`{"FunctionName":{}}`:         "Start of structure or map found where not expected.",
		`{"FunctionName":["f"]}`:      "Start of list found where not expected",
		`{"Timeout":"3"}`:             "STRING_VALUE can not be converted to an Integer",
		`{"Timeout":99999999999}`:     "NUMBER_VALUE can not be converted to an Integer",
		`{"Publish":"true"}`:          "STRING_VALUE can not be converted to a Boolean",
		`{"Layers":"x"}`:              "Expected list or null",
		`{"Layers":[null]}`:           "Null value found in a list",
		`{"Tags":[]}`:                 "Start of list found where not expected",
		`{"Code":3}`:                  "Expected structure or null",
		`{"Code":{"ZipFile":"%%%%"}}`: "Unable to decode the value: it is not Base64",
		`{"FunctionName":"f"} {}`:     "Could not parse request body into json: unexpected text at byte 21",
		`{"x":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`: "The request body is nested too deeply",
	} {
		code, header, got := send(m, post("lambda", "/2015-03-31/functions", body))
		if code != 400 || got != `{"message":"`+want+`"}` || header.Get("X-Amzn-Errortype") != "SerializationException" {
			t.Errorf("%s: %d %s", body, code, got)
		}
	}
}

func TestErrorCasing(t *testing.T) {
	for code, want := range map[string]string{
		"ResourceNotFoundException":      `404 {"Type":"User","Message":"m"}`,
		"InvalidParameterValueException": `400 {"Type":"User","message":"m"}`,
		"ResourceConflictException":      `409 {"Type":"User","message":"m"}`,
		"PreconditionFailedException":    `412 {"Type":"User","message":"m"}`,
		"TooManyRequestsException":       `429 {"Reason":"r","Type":"User","message":"m"}`,
		"NoPublishedVersionException":    `400 {"Type":"User","Message":"m"}`,
		"ValidationException":            `400 {"message":"m"}`,
		"AccessDeniedException":          `403 {"Message":"m"}`,
		"RequestTooLargeException":       `413 {"Type":"User","message":"m"}`,
	} {
		m := open()
		capture[lambda.ListFunctionsRequest, lambda.ListFunctionsResponse](m, lambda.ListFunctions, nil, &lamina.Error{Code: code, Message: "m", Reason: "r"})
		r := httptest.NewRequest("GET", "/2015-03-31/functions/", nil)
		r.Header.Set("Authorization", scope("lambda"))
		status, header, body := send(m, r)
		if got := fmt.Sprint(status, " ", body); got != want || header.Get("X-Amzn-Errortype") != code {
			t.Errorf("%s: got %s, want %s", code, got, want)
		}
	}
}

func TestAuthCodesOfFormServices(t *testing.T) {
	for _, test := range []struct{ service, code, message, want string }{
		{"iam", "MissingAuthenticationTokenException", "m", "403 MissingAuthenticationToken m"},
		{"iam", "UnrecognizedClientException", "m", "403 InvalidClientTokenId m"},
		{"iam", "InvalidSignatureException", "Signature expired: x", "403 SignatureDoesNotMatch Signature expired: x"},
		{"iam", "AccessDeniedException", "m", "403 AccessDenied m"},
		{"ec2", "UnrecognizedClientException", "m", "401 AuthFailure AWS was not able to validate the provided access credentials"},
		{"ec2", "InvalidSignatureException", "Signature expired: x", "400 RequestExpired Request has expired."},
		{"ec2", "AccessDeniedException", "m", "403 UnauthorizedOperation m"},
		{"iam", "NoSuchEntity", "m", "404 NoSuchEntity m"},
		{"iam", "EntityAlreadyExists", "m", "409 EntityAlreadyExists m"},
		{"iam", "DeleteConflict", "m", "409 DeleteConflict m"},
		{"ec2", "InvalidVpcID.NotFound", "m", "400 InvalidVpcID.NotFound m"},
		{"ec2", "DryRunOperation", "m", "412 DryRunOperation m"},
	} {
		m := open()
		err := lamina.Errorf(test.code, "%s", test.message)
		capture[iam.ListRolesRequest, iam.ListRolesResponse](m, iam.ListRoles, nil, err)
		capture[ec2.DescribeVpcsRequest, ec2.DescribeVpcsResult](m, ec2.DescribeVpcs, nil, err)
		action := map[string]string{"iam": "ListRoles", "ec2": "DescribeVpcs"}[test.service]
		status, _, body := send(m, post(test.service, "/", "Action="+action))
		_, rest, _ := strings.Cut(body, "<Code>")
		code, rest, _ := strings.Cut(rest, "</Code><Message>")
		message, _, _ := strings.Cut(rest, "</Message>")
		if got := fmt.Sprint(status, " ", code, " ", message); got != test.want {
			t.Errorf("got %s, want %s", got, test.want)
		}
	}
}

func TestEC2Wire(t *testing.T) {
	m := open()
	got := capture(m, ec2.DescribeVpcs, &ec2.DescribeVpcsResult{Vpcs: []ec2.Vpc{{VpcId: new("vpc-1"), IsDefault: new(false),
		Tags: []ec2.Tag{{Key: new("k"), Value: new("<&>")}}, CidrBlockAssociationSet: []ec2.VpcCidrBlockAssociation{}}}}, nil)
	capture[ec2.DeleteVpcRequest, awsproto.Empty](m, ec2.DeleteVpc, nil, nil)
	nat := capture(m, ec2.DescribeNatGateways, &ec2.DescribeNatGatewaysResult{NatGateways: []ec2.NatGateway{{CreateTime: new(time.UnixMilli(1700000000123))}}}, nil)
	run := capture(m, ec2.RunInstances, &ec2.Reservation{}, nil)

	code, _, body := send(m, post("ec2", "/", "Action=DescribeVpcs&Version=2016-11-15&VpcId.1=vpc-1&VpcId.2=vpc-2&Filter.1.Name=state&Filter.1.Value.1=a+b&Filter.1.Value.2=c&DryRun=true&MaxResults=5"))
	want := `<?xml version="1.0" encoding="UTF-8"?>` + "\n" + `<DescribeVpcsResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15"><requestId>ID</requestId><vpcSet><item><cidrBlockAssociationSet/><isDefault>false</isDefault><tagSet><item><key>k</key><value>&lt;&amp;&gt;</value></item></tagSet><vpcId>vpc-1</vpcId></item></vpcSet></DescribeVpcsResponse>`
	if code != 200 || body != want {
		t.Errorf("%d\ngot  %s\nwant %s", code, body, want)
	}
	same(t, *got, &ec2.DescribeVpcsRequest{VpcIds: []string{"vpc-1", "vpc-2"}, DryRun: new(true), MaxResults: new(int32(5)),
		Filters: []ec2.Filter{{Name: new("state"), Values: []string{"a b", "c"}}}})

	_, _, body = send(m, post("ec2", "/", "Action=DeleteVpc&VpcId=vpc-1"))
	if !strings.HasSuffix(body, "<requestId>ID</requestId><return>true</return></DeleteVpcResponse>") {
		t.Error(body)
	}
	_, _, body = send(m, post("ec2", "/", "Action=DescribeNatGateways&NatGatewayId.1=n&Filter.1.Name=x"))
	if !strings.Contains(body, "<createTime>2023-11-14T22:13:20.123Z</createTime>") {
		t.Error(body)
	}
	same(t, *nat, &ec2.DescribeNatGatewaysRequest{NatGatewayIds: []string{"n"}, Filter: []ec2.Filter{{Name: new("x")}}})
	send(m, post("ec2", "/", "Action=RunInstances&MinCount=1&MaxCount=2&NetworkInterface.1.SubnetId=s&NetworkInterface.1.DeviceIndex=0&NetworkInterface.1.SecurityGroupId.1=g&NetworkInterface.1.PrivateIpAddresses.1.PrivateIpAddress=10.0.0.1&TagSpecification.1.ResourceType=instance&TagSpecification.1.Tag.1.Key=k"))
	same(t, *run, &ec2.RunInstancesRequest{MinCount: new(int32(1)), MaxCount: new(int32(2)),
		NetworkInterfaces: []ec2.InstanceNetworkInterfaceSpecification{{SubnetId: new("s"), DeviceIndex: new(int32(0)), Groups: []string{"g"},
			PrivateIpAddresses: []ec2.PrivateIpAddressSpecification{{PrivateIpAddress: new("10.0.0.1")}}}},
		TagSpecifications: []ec2.TagSpecification{{ResourceType: new("instance"), Tags: []ec2.Tag{{Key: new("k")}}}}})
}

func TestQueryWire(t *testing.T) {
	m := open()
	at := time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC)
	capture(m, iam.GetRole, &iam.GetRoleResponse{Role: &iam.Role{RoleName: new("r"), CreateDate: &at, MaxSessionDuration: new(int32(3600)), Tags: []iam.Tag{}}}, nil)
	capture[iam.DeleteRoleRequest, awsproto.Empty](m, iam.DeleteRole, nil, nil)
	tags := capture(m, iam.UntagRole, nil, nil)
	_, _, body := send(m, post("iam", "/", "Action=GetRole&Version=2010-05-08&RoleName=r"))
	want := `<GetRoleResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><GetRoleResult><Role><RoleName>r</RoleName><CreateDate>2026-01-02T03:04:05Z</CreateDate><MaxSessionDuration>3600</MaxSessionDuration><Tags/></Role></GetRoleResult><ResponseMetadata><RequestId>ID</RequestId></ResponseMetadata></GetRoleResponse>`
	if body != want {
		t.Errorf("got  %s\nwant %s", body, want)
	}
	_, _, body = send(m, post("iam", "/", "Action=DeleteRole&RoleName=r"))
	if body != `<DeleteRoleResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><ResponseMetadata><RequestId>ID</RequestId></ResponseMetadata></DeleteRoleResponse>` {
		t.Error(body)
	}
	send(m, post("iam", "/", "Action=UntagRole&RoleName=r&TagKeys.member.10=c&TagKeys.member.9=b"))
	same(t, *tags, &iam.UntagRoleRequest{RoleName: new("r"), TagKeys: []string{"b", "c"}})
	send(m, post("iam", "/", "Action=UntagRole&RoleName=r&TagKeys="))
	same(t, *tags, &iam.UntagRoleRequest{RoleName: new("r"), TagKeys: []string{}})
}

func TestPaths(t *testing.T) {
	m := open()
	got := capture(m, lambda.GetFunction, &lambda.GetFunctionResponse{}, nil)
	capture(m, lambda.GetFunctionEventInvokeConfig, nil, nil)
	capture(m, lambda.ListFunctionEventInvokeConfigs, nil, nil)
	for path, want := range map[string]string{
		"/2015-03-31/functions/f":                                                            "f",
		"/2015-03-31/functions/f/":                                                           "f",
		"/2015-03-31/functions/f:$LATEST.PUBLISHED":                                          "f:$LATEST.PUBLISHED",
		"/2015-03-31/functions/f%3A%24LATEST.PUBLISHED":                                      "f:$LATEST.PUBLISHED",
		"/2015-03-31/functions/arn%3Aaws%3Alambda%3Aeu-west-1%3A000000000000%3Afunction%3Af": "arn:aws:lambda:eu-west-1:000000000000:function:f",
	} {
		r := httptest.NewRequest("GET", path, nil)
		r.Header.Set("Authorization", scope("lambda"))
		*got = nil
		code, _, body := send(m, r)
		if code != 200 || *got == nil || *(*got).FunctionName != want {
			t.Errorf("%s: %d %s", path, code, body)
		}
	}
	for path, want := range map[string]int{
		"/2015-03-31/functions/a%2Fb":                      400, // one segment, refused by the name's pattern
		"/2015-03-31/functions/a/b":                        404,
		"/2015-03-31//functions/a":                         404,
		"/2015-03-31/functions/a/../b":                     404,
		"/2019-09-25/functions/f/event-invoke-config/list": 200,
		"/2019-09-25/functions/f/event-invoke-config":      200,
	} {
		r := httptest.NewRequest("GET", path, nil)
		r.Header.Set("Authorization", scope("lambda"))
		if code, _, body := send(m, r); code != want {
			t.Errorf("%s: %d %s", path, code, body)
		}
	}
}

func TestBodyLimits(t *testing.T) {
	m := open()
	capture(m, lambda.CreateFunction, nil, nil)
	invoked := capture(m, lambda.Invoke, nil, nil)
	invoke := "/2015-03-31/functions/f/invocations"
	tests := []struct {
		target  string
		size    int
		event   bool
		chunked bool
		want    string
	}{
		{invoke, 6291456, false, false, ""},
		{invoke, 6291457, false, false, "RequestTooLargeException 6291457 byte payload is too large for the RequestResponse invocation type (limit 6291456 bytes)"},
		{invoke, 7000000, false, true, "RequestTooLargeException 6291457 byte payload is too large for the RequestResponse invocation type (limit 6291456 bytes)"},
		{invoke, 1048577, true, false, "RequestTooLargeException 1048577 byte payload is too large for the Event invocation type (limit 1048576 bytes)"},
		{"/2015-03-31/functions", 70167212, false, false, "RequestEntityTooLargeException Request must be smaller than 70167211 bytes for the CreateFunction operation"},
	}
	for _, test := range tests {
		*invoked = nil
		r := post("lambda", test.target, "")
		body := &endless{}
		r.Body, r.ContentLength = io.NopCloser(io.LimitReader(body, int64(test.size))), int64(test.size)
		if test.chunked {
			r.ContentLength = -1
		}
		if test.event {
			r.Header.Set("X-Amz-Invocation-Type", "Event")
		}
		code, header, text := send(m, r)
		if test.want == "" {
			if code != 200 || *invoked == nil || len((*invoked).Payload) != test.size {
				t.Errorf("%+v: %d %s", test, code, text)
			}
			continue
		}
		kind, message, _ := strings.Cut(test.want, " ")
		if code != 413 || !strings.Contains(text, message) || header.Get("X-Amzn-Errortype") != kind {
			t.Errorf("%+v: %d %s", test, code, text)
		}
		if body.n > 6291457+bytes.MinRead*2048 || !test.chunked && body.n > 0 {
			t.Errorf("read %d bytes", body.n)
		}
	}
}

// endless counts what is read of it.
type endless struct{ n int }

func (e *endless) Read(p []byte) (int, error) {
	e.n += len(p)
	return len(p), nil
}

func TestGzip(t *testing.T) {
	m := open()
	got := capture(m, logs.CreateLogGroup, nil, nil)
	pack := func(text string) string {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		z.Write([]byte(text))
		z.Close()
		return b.String()
	}
	head := []string{"X-Amz-Target", "Logs_20140328.CreateLogGroup", "Content-Encoding", "gzip"}
	if code, _, body := send(m, post("logs", "/", pack(`{"logGroupName":"g"}`), head...)); code != 200 || body != "" {
		t.Errorf("%d %s", code, body)
	}
	same(t, *got, &logs.CreateLogGroupRequest{LogGroupName: new("g")})
	if code, _, _ := send(m, post("logs", "/", "plain", head...)); code != 400 {
		t.Error(code)
	}
	if code, _, _ := send(m, post("logs", "/", pack(strings.Repeat(" ", 17<<20)), head...)); code != 413 {
		t.Error(code)
	}
}

func TestPanicIsAnInternalFault(t *testing.T) {
	m := open()
	awsproto.Handle(m, iam.ListRoles, func(context.Context, *iam.ListRolesRequest) (*iam.ListRolesResponse, error) { panic("boom") })
	code, _, body := send(m, post("iam", "/", "Action=ListRoles"))
	if code != 500 || !strings.Contains(body, "<Type>Receiver</Type><Code>InternalFailure</Code>") || strings.Contains(body, "boom") {
		t.Errorf("%d %s", code, body)
	}
}

func TestContextCarriesTheCall(t *testing.T) {
	type key struct{}
	m := awsproto.NewMux(awsproto.Config{
		Authenticate:  letIn,
		WithRequestID: func(ctx context.Context, id string) context.Context { return context.WithValue(ctx, key{}, id) },
	})
	awsproto.Handle(m, iam.ListRoles, func(ctx context.Context, _ *iam.ListRolesRequest) (*iam.ListRolesResponse, error) {
		c := awsproto.CallFrom(ctx)
		if c.Service != "iam" || c.Operation != "ListRoles" || c.RequestID == "" || ctx.Value(key{}) != c.RequestID {
			t.Errorf("%+v", c)
		}
		c.Header.Set("X-Extra", "yes")
		return nil, nil
	})
	_, header, _ := send(m, httptest.NewRequest("GET", "/?Action=ListRoles&Version=2010-05-08", nil))
	if header.Get("X-Extra") != "yes" {
		t.Error(header)
	}
}

func BenchmarkInvoke(b *testing.B) {
	m := open()
	awsproto.Handle(m, lambda.Invoke, func(_ context.Context, in *lambda.InvocationRequest) (*lambda.InvocationResponse, error) {
		return &lambda.InvocationResponse{StatusCode: new(int32(200)), ExecutedVersion: new("1"), Payload: in.Payload}, nil
	})
	r := post("lambda", "/2015-03-31/functions/f/invocations?Qualifier=1", "", "X-Amz-Invocation-Type", "RequestResponse")
	body := strings.NewReader(`{"a":1}`)
	b.ReportAllocs()
	for b.Loop() {
		body.Reset(`{"a":1}`)
		r.Body, r.ContentLength = io.NopCloser(body), 7
		m.ServeHTTP(&discard{http.Header{}}, r)
	}
}

// discard is a ResponseWriter that keeps nothing.
type discard struct{ h http.Header }

func (d *discard) Header() http.Header         { return d.h }
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }
func (d *discard) WriteHeader(int)             {}
