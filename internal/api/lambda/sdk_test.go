package lambda

import (
	"errors"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/lamina-dev/lamina"
	"github.com/lamina-dev/lamina/internal/awsproto/sdktest"
)

func (w *world) client() *sdk.Client {
	server := httptest.NewServer(w.mux)
	w.t.Cleanup(server.Close)
	return sdk.New(sdk.Options{
		BaseEndpoint: aws.String(server.URL),
		Region:       region,
		Credentials:  credentials.NewStaticCredentialsProvider("test", "test", ""),
		HTTPClient:   sdktest.Client(w.t),
	})
}

// controller settles every version that is published, until the test ends.
func (w *world) controller() {
	nudges, cancel := w.view.Subscribe(w.tables.Versions.Prefix())
	var loop sync.WaitGroup
	loop.Go(func() {
		for {
			select {
			case <-w.t.Context().Done():
				return
			case <-nudges:
			}
			for row := range w.tables.Versions.All() {
				st, ok := w.tables.VersionStatus.Get(row.Key)
				if w.t.Context().Err() == nil && (!ok || st.Value.Generation < row.Value.Generation) {
					w.settle(row.Value.Qualifier)
				}
			}
		}
	})
	w.t.Cleanup(func() { cancel(); loop.Wait() })
}

// TestSDK goes the way of a user with the real client and its waiters.
func TestSDK(t *testing.T) {
	w := newWorld(t)
	c, ctx := w.client(), t.Context()
	w.controller()
	if _, err := c.CreateCapacityProvider(ctx, &sdk.CreateCapacityProviderInput{
		CapacityProviderName: aws.String("cp1"),
		VpcConfig:            &types.CapacityProviderVpcConfig{SubnetIds: []string{"subnet-a", "subnet-b"}, SecurityGroupIds: []string{"sg-a"}},
		PermissionsConfig:    &types.CapacityProviderPermissionsConfig{CapacityProviderOperatorRoleArn: aws.String(opARN)},
	}); err != nil {
		t.Fatal(err)
	}
	created, err := c.CreateFunction(ctx, &sdk.CreateFunctionInput{
		FunctionName: aws.String("f"), Runtime: types.RuntimePython313, Handler: aws.String("main.handler"), Role: aws.String(roleARN),
		Code: &types.FunctionCode{ZipFile: zipBytes(t, "one")}, MemorySize: aws.Int32(2048), Publish: true, PublishTo: types.FunctionVersionLatestPublishedLatestPublished,
		CapacityProviderConfig: &types.CapacityProviderConfig{
			LambdaManagedInstancesCapacityProviderConfig: &types.LambdaManagedInstancesCapacityProviderConfig{CapacityProviderArn: aws.String(cpARN)},
		},
	})
	if err != nil || *created.Version != "$LATEST.PUBLISHED" {
		t.Fatal(created, err)
	}
	published := &sdk.GetFunctionConfigurationInput{FunctionName: aws.String("f"), Qualifier: aws.String("$LATEST.PUBLISHED")}
	if err := sdk.NewPublishedVersionActiveWaiter(c, quickly).Wait(ctx, published, time.Minute); err != nil {
		t.Fatal(err)
	}
	out, err := c.Invoke(ctx, &sdk.InvokeInput{FunctionName: aws.String("f"), Payload: []byte(`{}`)})
	if err != nil || string(out.Payload) != `"ok"` || *out.ExecutedVersion != "$LATEST.PUBLISHED" || out.StatusCode != 200 {
		t.Fatal(out, err)
	}
	if _, err := c.UpdateFunctionConfiguration(ctx, &sdk.UpdateFunctionConfigurationInput{FunctionName: aws.String("f"), Description: aws.String("x")}); err != nil {
		t.Fatal(err)
	}
	updated := sdk.NewFunctionUpdatedV2Waiter(c, func(o *sdk.FunctionUpdatedV2WaiterOptions) {
		o.MinDelay, o.MaxDelay = time.Millisecond, time.Millisecond
	})
	if err := updated.Wait(ctx, &sdk.GetFunctionInput{FunctionName: aws.String("f")}, time.Minute); err != nil {
		t.Fatal(err)
	}
	if out, err := c.DeleteFunction(ctx, &sdk.DeleteFunctionInput{FunctionName: aws.String("f")}); err != nil || out.StatusCode != 202 {
		t.Fatal(out, err)
	}
}

func quickly(o *sdk.PublishedVersionActiveWaiterOptions) {
	o.MinDelay, o.MaxDelay = time.Millisecond, time.Millisecond
}

func TestSDKErrors(t *testing.T) {
	w := managed(t)
	c, ctx := w.client(), t.Context()
	_, err := c.Invoke(ctx, &sdk.InvokeInput{FunctionName: aws.String("f")})
	if _, ok := errors.AsType[*types.NoPublishedVersionException](err); !ok {
		t.Error(err)
	}
	_, err = c.GetCapacityProvider(ctx, &sdk.GetCapacityProviderInput{CapacityProviderName: aws.String("none")})
	if gone, ok := errors.AsType[*types.ResourceNotFoundException](err); !ok || *gone.Type != "User" {
		t.Error(err)
	}
	w.publishLatest().ok(201)
	w.settle(lamina.LatestPublished)
	w.fault = throttled()
	_, err = c.Invoke(ctx, &sdk.InvokeInput{FunctionName: aws.String("f")}, func(o *sdk.Options) { o.RetryMaxAttempts = 1 })
	if full, ok := errors.AsType[*types.TooManyRequestsException](err); !ok || full.Reason != types.ThrottleReasonConcurrentInvocationLimitExceeded {
		t.Error(err)
	}
}
