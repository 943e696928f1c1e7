package awsproto_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdklogs "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	logstypes "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	sdkiam "github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	sdklambda "github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	sdksts "github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"github.com/lamina-dev/lamina"
	"github.com/lamina-dev/lamina/internal/awsmodel/iam"
	"github.com/lamina-dev/lamina/internal/awsmodel/lambda"
	"github.com/lamina-dev/lamina/internal/awsmodel/logs"
	"github.com/lamina-dev/lamina/internal/awsmodel/sts"
	"github.com/lamina-dev/lamina/internal/awsproto"
	"github.com/lamina-dev/lamina/internal/awsproto/sdktest"
	"github.com/lamina-dev/lamina/internal/iam/sigv4"
)

// newMux is a front door that checks real signatures of the key test/test.
func newMux(t testing.TB) *awsproto.Mux {
	t.Helper()
	return awsproto.NewMux(awsproto.Config{
		Authenticate: func(r *http.Request) (awsproto.Proof, error) {
			claim, err := sigv4.Read(r, awsproto.CallFrom(r.Context()).Service, time.Now())
			if err != nil {
				return nil, err
			}
			err = claim.Prove(func(id string) (string, string, bool) { return "test", "", id == "test" })
			return func(body []byte) (context.Context, error) { return r.Context(), claim.CheckBody(body) }, err
		},
		Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
}

// serve starts a server and gives the SDK's configuration for it.
func serve(t testing.TB, m http.Handler) aws.Config {
	t.Helper()
	srv := httptest.NewServer(m)
	t.Cleanup(srv.Close)
	return aws.Config{
		Region:       "eu-west-1",
		BaseEndpoint: aws.String(srv.URL),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "test", SecretAccessKey: "test"}, nil
		}),
		RetryMaxAttempts: 1,
		HTTPClient:       sdktest.Client(t),
	}
}

// capture registers a handler that keeps its input and gives out.
func capture[In, Out any](m *awsproto.Mux, op awsproto.Operation[In, Out], out *Out, err error) **In {
	got := new(*In)
	awsproto.Handle(m, op, func(_ context.Context, in *In) (*Out, error) {
		*got = in
		return out, err
	})
	return got
}

func same(t *testing.T, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestLambdaByTheSDK(t *testing.T) {
	m := newMux(t)
	created := capture(m, lambda.CreateFunction, &lambda.FunctionConfiguration{
		FunctionName: new("f"), State: new(lambda.StatePending), MemorySize: new(int32(2048)), Layers: []lambda.Layer{},
		CapacityProviderConfig: &lambda.CapacityProviderConfig{LambdaManagedInstancesCapacityProviderConfig: &lambda.LambdaManagedInstancesCapacityProviderConfig{
			ExecutionEnvironmentMemoryGiBPerVCpu: new(2.0)}},
		Environment: &lambda.EnvironmentResponse{Variables: map[string]string{"ü": "\"\\\n\x01"}},
	}, nil)
	invoked := capture(m, lambda.Invoke, &lambda.InvocationResponse{
		StatusCode: new(int32(200)), ExecutedVersion: new("$LATEST.PUBLISHED"), FunctionError: new("Unhandled"), Payload: []byte(`{"x":1}`),
	}, nil)
	untagged := capture(m, lambda.UntagResource, nil, nil)
	deleted := capture(m, lambda.DeleteFunction, &lambda.DeleteFunctionResponse{StatusCode: new(int32(202))}, nil)
	listed := capture(m, lambda.ListEventSourceMappings, &lambda.ListEventSourceMappingsResponse{
		EventSourceMappings: []lambda.EventSourceMappingConfiguration{{LastModified: new(time.UnixMilli(1700000000123))}}}, nil)
	c := sdklambda.NewFromConfig(serve(t, m))
	ctx := t.Context()

	out, err := c.CreateFunction(ctx, &sdklambda.CreateFunctionInput{
		FunctionName: aws.String("f"), Role: aws.String("arn:aws:iam::000000000000:role/r"), Runtime: lambdatypes.RuntimePython313,
		Code: &lambdatypes.FunctionCode{ZipFile: []byte("PK\x03\x04")}, Publish: true, PublishTo: lambdatypes.FunctionVersionLatestPublishedLatestPublished,
		Environment: &lambdatypes.Environment{Variables: map[string]string{"AB": "b\"ü😀"}},
		CapacityProviderConfig: &lambdatypes.CapacityProviderConfig{LambdaManagedInstancesCapacityProviderConfig: &lambdatypes.LambdaManagedInstancesCapacityProviderConfig{
			CapacityProviderArn: aws.String("arn:aws:lambda:eu-west-1:000000000000:capacity-provider:cp"), ExecutionEnvironmentMemoryGiBPerVCpu: aws.Float64(2)}},
		Layers: []string{},
	})
	if err != nil {
		t.Fatal(err)
	}
	same(t, *created, &lambda.CreateFunctionRequest{
		FunctionName: new("f"), Role: new("arn:aws:iam::000000000000:role/r"), Runtime: new("python3.13"),
		Code: &lambda.FunctionCode{ZipFile: []byte("PK\x03\x04")}, Publish: new(true), PublishTo: new("LATEST_PUBLISHED"),
		Environment: &lambda.Environment{Variables: map[string]string{"AB": "b\"ü😀"}},
		CapacityProviderConfig: &lambda.CapacityProviderConfig{LambdaManagedInstancesCapacityProviderConfig: &lambda.LambdaManagedInstancesCapacityProviderConfig{
			CapacityProviderArn: new("arn:aws:lambda:eu-west-1:000000000000:capacity-provider:cp"), ExecutionEnvironmentMemoryGiBPerVCpu: new(2.0)}},
		Layers: []string{},
	})
	same(t, []any{out.State, *out.MemorySize, out.Layers != nil, out.LoggingConfig == nil, out.Environment.Variables["ü"]},
		[]any{lambdatypes.StatePending, int32(2048), true, true, "\"\\\n\x01"})

	name := "arn:aws:lambda:eu-west-1:000000000000:function:f"
	inv, err := c.Invoke(ctx, &sdklambda.InvokeInput{FunctionName: &name, Qualifier: aws.String("$LATEST.PUBLISHED"), Payload: []byte("[1]"), InvocationType: lambdatypes.InvocationTypeRequestResponse})
	if err != nil {
		t.Fatal(err)
	}
	same(t, *invoked, &lambda.InvocationRequest{FunctionName: &name, Qualifier: new("$LATEST.PUBLISHED"), Payload: []byte("[1]"), InvocationType: new("RequestResponse")})
	same(t, []any{inv.StatusCode, *inv.ExecutedVersion, *inv.FunctionError, string(inv.Payload)}, []any{int32(200), "$LATEST.PUBLISHED", "Unhandled", `{"x":1}`})

	if _, err := c.UntagResource(ctx, &sdklambda.UntagResourceInput{Resource: aws.String(name), TagKeys: []string{"a c", "b"}}); err != nil {
		t.Fatal(err)
	}
	same(t, *untagged, &lambda.UntagResourceRequest{Resource: &name, TagKeys: []string{"a c", "b"}})
	if _, err := c.DeleteFunction(ctx, &sdklambda.DeleteFunctionInput{FunctionName: aws.String("f:v"), Qualifier: aws.String("7")}); err != nil {
		t.Fatal(err)
	}
	same(t, *deleted, &lambda.DeleteFunctionRequest{FunctionName: new("f:v"), Qualifier: new("7")})
	esm, err := c.ListEventSourceMappings(ctx, &sdklambda.ListEventSourceMappingsInput{MaxItems: aws.Int32(7)})
	if err != nil {
		t.Fatal(err)
	}
	same(t, *listed, &lambda.ListEventSourceMappingsRequest{MaxItems: new(int32(7))})
	if at := esm.EventSourceMappings[0].LastModified; at.UnixMilli() != 1700000000123 {
		t.Errorf("got %v", at)
	}
}

func TestLambdaErrorsByTheSDK(t *testing.T) {
	m := newMux(t)
	capture[lambda.GetFunctionRequest, lambda.GetFunctionResponse](m, lambda.GetFunction, nil, lamina.Errorf(lamina.CodeResourceNotFound, "Function not found: %s", "f"))
	capture[lambda.InvocationRequest, lambda.InvocationResponse](m, lambda.Invoke, nil, &lamina.Error{Code: lamina.CodeTooManyRequests, Message: "Rate Exceeded.", Reason: "FunctionInvocationRateLimitExceeded"})
	capture[lambda.DeleteFunctionRequest, lambda.DeleteFunctionResponse](m, lambda.DeleteFunction, nil, errors.New("disk on fire"))
	c := sdklambda.NewFromConfig(serve(t, m))

	_, err := c.GetFunction(t.Context(), &sdklambda.GetFunctionInput{FunctionName: aws.String("f")})
	if e, ok := errors.AsType[*lambdatypes.ResourceNotFoundException](err); !ok || e.ErrorMessage() != "Function not found: f" || *e.Type != "User" {
		t.Errorf("got %v", err)
	}
	_, err = c.Invoke(t.Context(), &sdklambda.InvokeInput{FunctionName: aws.String("f")})
	if e, ok := errors.AsType[*lambdatypes.TooManyRequestsException](err); !ok || e.Reason != "FunctionInvocationRateLimitExceeded" || e.ErrorMessage() != "Rate Exceeded." {
		t.Errorf("got %v", err)
	}
	_, err = c.DeleteFunction(t.Context(), &sdklambda.DeleteFunctionInput{FunctionName: aws.String("f")})
	if e, ok := errors.AsType[*lambdatypes.ServiceException](err); !ok || e.ErrorMessage() == "" {
		t.Errorf("got %v", err)
	}
	_, err = c.ListFunctions(t.Context(), &sdklambda.ListFunctionsInput{})
	if e, ok := errors.AsType[smithy.APIError](err); !ok || e.ErrorCode() != "UnknownOperationException" {
		t.Errorf("got %v", err)
	}
}

func TestIAMByTheSDK(t *testing.T) {
	m := newMux(t)
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	created := capture(m, iam.CreateRole, &iam.CreateRoleResponse{Role: &iam.Role{RoleName: new("r"), Arn: new("a&<b>"), CreateDate: &at,
		Tags: []iam.Tag{{Key: new("k"), Value: new("")}, {Key: new("l"), Value: new("v")}}}}, nil)
	listed := capture(m, iam.ListRoles, &iam.ListRolesResponse{IsTruncated: new(false), Roles: []iam.Role{}}, nil)
	capture[iam.DeleteRoleRequest, awsproto.Empty](m, iam.DeleteRole, nil, nil)
	capture[iam.GetRoleRequest, iam.GetRoleResponse](m, iam.GetRole, nil, lamina.Errorf("NoSuchEntity", "The role with name r cannot be found."))
	c := sdkiam.NewFromConfig(serve(t, m))
	ctx := t.Context()

	doc := `{"Statement": [{"Action": "sts:AssumeRole"}]}`
	out, err := c.CreateRole(ctx, &sdkiam.CreateRoleInput{RoleName: aws.String("r"), AssumeRolePolicyDocument: &doc, MaxSessionDuration: aws.Int32(3600),
		Tags: []iamtypes.Tag{{Key: aws.String("k"), Value: aws.String("")}, {Key: aws.String("l"), Value: aws.String("a b")}}})
	if err != nil {
		t.Fatal(err)
	}
	same(t, *created, &iam.CreateRoleRequest{RoleName: new("r"), AssumeRolePolicyDocument: &doc, MaxSessionDuration: new(int32(3600)),
		Tags: []iam.Tag{{Key: new("k"), Value: new("")}, {Key: new("l"), Value: new("a b")}}})
	same(t, []any{*out.Role.Arn, *out.Role.CreateDate, len(out.Role.Tags), *out.Role.Tags[1].Value}, []any{"a&<b>", at, 2, "v"})
	if roles, err := c.ListRoles(ctx, &sdkiam.ListRolesInput{}); err != nil || roles.Roles == nil || len(roles.Roles) != 0 {
		t.Errorf("%v %v", roles, err)
	}
	same(t, *listed, &iam.ListRolesRequest{})
	if _, err := c.DeleteRole(ctx, &sdkiam.DeleteRoleInput{RoleName: aws.String("r")}); err != nil {
		t.Error(err)
	}
	_, err = c.GetRole(ctx, &sdkiam.GetRoleInput{RoleName: aws.String("r")})
	if e, ok := errors.AsType[*iamtypes.NoSuchEntityException](err); !ok || e.ErrorMessage() != "The role with name r cannot be found." {
		t.Errorf("got %v", err)
	}
	_, err = c.ListUsers(ctx, &sdkiam.ListUsersInput{})
	if e, ok := errors.AsType[smithy.APIError](err); !ok || e.ErrorCode() != "InvalidAction" {
		t.Errorf("got %v", err)
	}
}

func TestSTSByTheSDK(t *testing.T) {
	m := newMux(t)
	capture(m, sts.GetCallerIdentity, &sts.GetCallerIdentityResponse{Account: new("000000000000")}, nil)
	assumed := capture(m, sts.AssumeRole, &sts.AssumeRoleResponse{Credentials: &sts.Credentials{AccessKeyId: new("ASIA"), Expiration: new(time.Unix(1700000000, 0))}}, nil)
	config := serve(t, m)
	c := sdksts.NewFromConfig(config)

	who, err := c.GetCallerIdentity(t.Context(), &sdksts.GetCallerIdentityInput{})
	if err != nil || *who.Account != "000000000000" {
		t.Fatalf("%v %v", who, err)
	}
	got, err := c.AssumeRole(t.Context(), &sdksts.AssumeRoleInput{RoleArn: aws.String("arn:aws:iam::000000000000:role/r"), RoleSessionName: aws.String("me")})
	if err != nil || got.Credentials.Expiration.Unix() != 1700000000 {
		t.Fatalf("%v %v", got, err)
	}
	same(t, *assumed, &sts.AssumeRoleRequest{RoleArn: new("arn:aws:iam::000000000000:role/r"), RoleSessionName: new("me")})

	signed, err := sdksts.NewPresignClient(c).PresignGetCallerIdentity(t.Context(), &sdksts.GetCallerIdentityInput{})
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.Get(signed.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("presigned: %s", resp.Status)
	}
	config.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: "test", SecretAccessKey: "wrong"}, nil
	})
	_, err = sdksts.NewFromConfig(config).GetCallerIdentity(t.Context(), nil)
	if e, ok := errors.AsType[smithy.APIError](err); !ok || e.ErrorCode() != "SignatureDoesNotMatch" {
		t.Errorf("got %v", err)
	}
}

func TestLogsByTheSDK(t *testing.T) {
	m := newMux(t)
	put := capture(m, logs.PutLogEvents, &logs.PutLogEventsResponse{NextSequenceToken: new("t"), RejectedLogEventsInfo: &logs.RejectedLogEventsInfo{TooOldLogEventEndIndex: new(int32(0))}}, nil)
	capture[logs.CreateLogGroupRequest, awsproto.Empty](m, logs.CreateLogGroup, nil, lamina.Errorf("ResourceAlreadyExistsException", "The specified log group already exists"))
	capture[logs.DeleteLogGroupRequest, awsproto.Empty](m, logs.DeleteLogGroup, nil, nil)
	c := sdklogs.NewFromConfig(serve(t, m))
	ctx := t.Context()

	out, err := c.PutLogEvents(ctx, &sdklogs.PutLogEventsInput{LogGroupName: aws.String("/g"), LogStreamName: aws.String("s"),
		LogEvents: []logstypes.InputLogEvent{{Message: aws.String("hi"), Timestamp: aws.Int64(1700000000123)}}})
	if err != nil || *out.NextSequenceToken != "t" || *out.RejectedLogEventsInfo.TooOldLogEventEndIndex != 0 {
		t.Fatalf("%v %v", out, err)
	}
	same(t, *put, &logs.PutLogEventsRequest{LogGroupName: new("/g"), LogStreamName: new("s"),
		LogEvents: []logs.InputLogEvent{{Message: new("hi"), Timestamp: new(int64(1700000000123))}}})
	if _, err := c.DeleteLogGroup(ctx, &sdklogs.DeleteLogGroupInput{LogGroupName: aws.String("/g")}); err != nil {
		t.Error(err)
	}
	_, err = c.CreateLogGroup(ctx, &sdklogs.CreateLogGroupInput{LogGroupName: aws.String("/g")})
	if _, ok := errors.AsType[*logstypes.ResourceAlreadyExistsException](err); !ok {
		t.Errorf("got %v", err)
	}
	_, err = c.CreateLogGroup(ctx, &sdklogs.CreateLogGroupInput{LogGroupName: aws.String("bad name")})
	if e, ok := errors.AsType[*logstypes.InvalidParameterException](err); !ok {
		t.Errorf("got %v", e)
	}
}
