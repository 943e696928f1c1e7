package sts_test

import (
	"bytes"
	"errors"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"
	"github.com/aws/smithy-go"

	"github.com/lamina-dev/lamina"
	apists "github.com/lamina-dev/lamina/internal/api/sts"
	"github.com/lamina-dev/lamina/internal/awsproto"
	"github.com/lamina-dev/lamina/internal/awsproto/sdktest"
	"github.com/lamina-dev/lamina/internal/iam"
	"github.com/lamina-dev/lamina/internal/store/mem"
	"github.com/lamina-dev/lamina/internal/store/tables"
	"github.com/lamina-dev/lamina/internal/store/view"
)

// world is the STS API behind the real front door. Its clock runs ahead of the
// clients' by skew.
type world struct {
	url  string
	view *view.View
	rows tables.IAM
	skew atomic.Int64
}

func start(t *testing.T, loopback bool) *world {
	t.Helper()
	w := &world{view: view.New()}
	w.rows = tables.NewIAM(w.view)
	if err := w.view.Open(t.Context(), mem.New()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.view.Close() })
	sessions, err := iam.NewSessions(bytes.Repeat([]byte{1}, 32))
	if err != nil {
		t.Fatal(err)
	}
	clock := func() time.Time { return time.Now().Add(time.Duration(w.skew.Load())) }
	verifier := &iam.Verifier{Sessions: sessions, Loopback: loopback, Clock: time.Now,
		Keys: map[string]iam.Key{"AKIAOWN": {Secret: "own", Account: "111111111111"}}}
	mux := awsproto.NewMux(awsproto.Config{Authenticate: verifier.Authenticate, WithRequestID: lamina.WithRequestID})
	(&apists.Service{Tables: w.rows, Sessions: sessions, Clock: clock}).Register(mux)
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	w.url = srv.URL
	return w
}

func (w *world) as(t *testing.T, key, secret, token string) *sts.Client {
	return sts.New(sts.Options{
		Region: "eu-west-1", BaseEndpoint: &w.url, RetryMaxAttempts: 1, HTTPClient: sdktest.Client(t),
		Credentials: credentials.NewStaticCredentialsProvider(key, secret, token),
	})
}

func (w *world) with(t *testing.T, c *types.Credentials) *sts.Client {
	return w.as(t, *c.AccessKeyId, *c.SecretAccessKey, *c.SessionToken)
}

// role stores a role whose trust policy has one statement's principal and condition.
func (w *world) role(t *testing.T, name, rest string) string {
	t.Helper()
	r := lamina.Role{Account: iam.DefaultAccount, Name: name, Path: "/p/", ID: "AROA" + name, MaxSessionSec: 7200,
		TrustPolicy: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole",` + rest + `}]}`}
	if _, err := w.view.Update(t.Context(), func(tx *view.Tx) error { return tx.Do(w.rows.Roles.Put(r.Key(), r)) }); err != nil {
		t.Fatal(err)
	}
	return r.ARN()
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func refused(t *testing.T, err error, code, message string) {
	t.Helper()
	e, is := errors.AsType[smithy.APIError](err)
	if !is || e.ErrorCode() != code || message != "" && e.ErrorMessage() != message {
		t.Errorf("got %v, want %s %q", err, code, message)
	}
}

func identity(t *testing.T, c *sts.Client) string {
	t.Helper()
	out, err := c.GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	ok(t, err)
	return *out.Account + " " + *out.Arn + " " + *out.UserId
}

func TestGetCallerIdentity(t *testing.T) {
	w := start(t, true)
	if got := identity(t, w.as(t, "test", "test", "")); got != "000000000000 arn:aws:iam::000000000000:root 000000000000" {
		t.Error(got)
	}
	if got := identity(t, w.as(t, "222222222222", "test", "")); got != "222222222222 arn:aws:iam::222222222222:root 222222222222" {
		t.Error(got)
	}
	_, err := w.as(t, "test", "wrong", "").GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	refused(t, err, "SignatureDoesNotMatch", "")
}

func TestOffLoopback(t *testing.T) {
	w := start(t, false)
	for _, key := range []string{"test", "222222222222", "AKIAUNKNOWN"} {
		_, err := w.as(t, key, "test", "").GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
		refused(t, err, "InvalidClientTokenId", "The security token included in the request is invalid.")
	}
	if got := identity(t, w.as(t, "AKIAOWN", "own", "")); got != "111111111111 arn:aws:iam::111111111111:root 111111111111" {
		t.Error(got)
	}
}

func assume(t *testing.T, c *sts.Client, in sts.AssumeRoleInput) (*sts.AssumeRoleOutput, error) {
	t.Helper()
	in.RoleSessionName = new("s1")
	return c.AssumeRole(t.Context(), &in)
}

func TestAssumeRole(t *testing.T) {
	w := start(t, true)
	arn := w.role(t, "worker", `"Principal":{"AWS":"000000000000"}`)
	out, err := assume(t, w.as(t, "test", "test", ""), sts.AssumeRoleInput{RoleArn: &arn})
	ok(t, err)
	const session = "arn:aws:sts::000000000000:assumed-role/worker/s1"
	if *out.AssumedRoleUser.Arn != session || *out.AssumedRoleUser.AssumedRoleId != "AROAworker:s1" {
		t.Errorf("%+v", out.AssumedRoleUser)
	}
	if left := time.Until(*out.Credentials.Expiration); left < 59*time.Minute || left > time.Hour {
		t.Errorf("valid for %s", left)
	}
	as := w.with(t, out.Credentials)
	if got := identity(t, as); got != "000000000000 "+session+" AROAworker:s1" {
		t.Error(got)
	}
	_, err = as.GetSessionToken(t.Context(), &sts.GetSessionTokenInput{})
	refused(t, err, "AccessDenied", "Cannot call GetSessionToken with session credentials")

	// From one role to the next, whose trust policy names the first by its path.
	next := w.role(t, "next", `"Principal":{"AWS":"`+arn+`"}`)
	_, err = assume(t, as, sts.AssumeRoleInput{RoleArn: &next})
	ok(t, err)
	_, err = assume(t, as, sts.AssumeRoleInput{RoleArn: &next, DurationSeconds: new(int32(3601))})
	refused(t, err, "ValidationError", "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.")
}

func TestAssumeRoleRefusals(t *testing.T) {
	w := start(t, true)
	c := w.as(t, "test", "test", "")
	open := w.role(t, "open", `"Principal":"*"`)
	for name, arn := range map[string]string{
		"no such role": "arn:aws:iam::000000000000:role/none",
		"wrong path":   "arn:aws:iam::000000000000:role/open",
		"service only": w.role(t, "service", `"Principal":{"Service":"lambda.amazonaws.com"}`),
		"other caller": w.role(t, "other", `"Principal":{"AWS":"arn:aws:iam::000000000000:role/x"}`),
		"external id":  w.role(t, "external", `"Principal":"*","Condition":{"StringEquals":{"sts:ExternalId":"e1"}}`),
	} {
		_, err := assume(t, c, sts.AssumeRoleInput{RoleArn: &arn})
		refused(t, err, "AccessDenied", "User: arn:aws:iam::000000000000:root is not authorized to perform: sts:AssumeRole on resource: "+arn)
		if t.Failed() {
			t.Fatal(name)
		}
	}
	_, err := assume(t, c, sts.AssumeRoleInput{RoleArn: new("arn:aws:iam::000000000000:role/p/external"), ExternalId: new("e1")})
	ok(t, err)
	_, err = assume(t, c, sts.AssumeRoleInput{RoleArn: &open, DurationSeconds: new(int32(7201))})
	refused(t, err, "ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
	_, err = assume(t, c, sts.AssumeRoleInput{RoleArn: &open, Policy: new("{}")})
	refused(t, err, "MalformedPolicyDocument", "")
}

func TestExpiredSession(t *testing.T) {
	w := start(t, true)
	arn := w.role(t, "r", `"Principal":"*"`)
	w.skew.Store(int64(-2 * time.Hour)) // the issuer's clock: the session is over before it is used
	out, err := assume(t, w.as(t, "test", "test", ""), sts.AssumeRoleInput{RoleArn: &arn})
	ok(t, err)
	_, err = w.with(t, out.Credentials).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	refused(t, err, "ExpiredToken", "The security token included in the request is expired")
}

func TestGetSessionToken(t *testing.T) {
	w := start(t, true)
	out, err := w.as(t, "222222222222", "test", "").GetSessionToken(t.Context(), &sts.GetSessionTokenInput{})
	ok(t, err)
	if got := identity(t, w.with(t, out.Credentials)); got != "222222222222 arn:aws:iam::222222222222:root 222222222222" {
		t.Error(got)
	}
}
