package iam_test

import (
	"bytes"
	"context"
	"errors"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/smithy-go"

	"github.com/lamina-dev/lamina"
	apiiam "github.com/lamina-dev/lamina/internal/api/iam"
	"github.com/lamina-dev/lamina/internal/awsproto"
	"github.com/lamina-dev/lamina/internal/awsproto/sdktest"
	core "github.com/lamina-dev/lamina/internal/iam"
	"github.com/lamina-dev/lamina/internal/store"
	"github.com/lamina-dev/lamina/internal/store/mem"
	"github.com/lamina-dev/lamina/internal/store/tables"
	"github.com/lamina-dev/lamina/internal/store/view"
)

// rival is a store that lets something else happen right before the next commit.
type rival struct {
	store.Store
	first atomic.Pointer[func()]
}

func (r *rival) Commit(ctx context.Context, b store.Batch) (int64, error) {
	if f := r.first.Swap(nil); f != nil {
		(*f)()
	}
	return r.Store.Commit(ctx, b)
}

// world is the IAM API behind the real front door.
type world struct {
	*iam.Client
	service *apiiam.Service
	roles   *core.Roles
	store   *rival
	url     string
}

func start(t *testing.T) *world {
	t.Helper()
	v := view.New()
	rows := tables.NewIAM(v)
	st := &rival{Store: mem.New()}
	if err := v.Open(t.Context(), st); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = v.Close() })
	sessions, err := core.NewSessions(bytes.Repeat([]byte{1}, 32))
	if err != nil {
		t.Fatal(err)
	}
	verifier := &core.Verifier{Sessions: sessions, Loopback: true, Clock: time.Now}
	mux := awsproto.NewMux(awsproto.Config{Authenticate: verifier.Authenticate, WithRequestID: lamina.WithRequestID})
	w := &world{
		store:   st,
		service: &apiiam.Service{View: v, Tables: rows, Clock: time.Now},
		roles:   &core.Roles{Tables: rows, Sessions: sessions, Clock: time.Now},
	}
	w.service.Register(mux)
	srv := httptest.NewServer(core.Guard(mux, nil))
	t.Cleanup(srv.Close)
	w.url = srv.URL
	w.Client = w.as(t, "test")
	return w
}

// as is a client with another access key.
func (w *world) as(t *testing.T, key string) *iam.Client {
	return iam.New(iam.Options{
		Region: "eu-west-1", BaseEndpoint: &w.url, RetryMaxAttempts: 1, HTTPClient: sdktest.Client(t),
		Credentials: credentials.NewStaticCredentialsProvider(key, "test", ""),
	})
}

const trustLambda = `{
  "Version": "2012-10-17",
  "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]
}`

const readBucket = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:Get*","Resource":"arn:aws:s3:::a b+c/*"}]}`

func (w *world) role(t *testing.T, name string) {
	t.Helper()
	_, err := w.CreateRole(t.Context(), &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: new(trustLambda)})
	ok(t, err)
}

func (w *world) policy(t *testing.T, name string) string {
	t.Helper()
	out, err := w.CreatePolicy(t.Context(), &iam.CreatePolicyInput{PolicyName: &name, PolicyDocument: new(readBucket)})
	ok(t, err)
	return *out.Policy.Arn
}

func (w *world) attach(ctx context.Context, role, arn string) error {
	_, err := w.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: &role, PolicyArn: &arn})
	return err
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// refused checks code and, where given, text.
func refused(t *testing.T, err error, code, message string) {
	t.Helper()
	e, is := errors.AsType[smithy.APIError](err)
	if !is || e.ErrorCode() != code || message != "" && e.ErrorMessage() != message {
		t.Errorf("got %v, want %s %q", err, code, message)
	}
}

// status is the HTTP status of a refusal.
func status(err error) int {
	e, is := errors.AsType[interface {
		error
		HTTPStatusCode() int
	}](err)
	if !is {
		return 0
	}
	return e.HTTPStatusCode()
}
