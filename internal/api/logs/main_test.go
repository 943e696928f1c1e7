package logs

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/smithy-go"
	"go.uber.org/goleak"

	"github.com/lamina-dev/lamina"
	"github.com/lamina-dev/lamina/internal/awsproto"
	"github.com/lamina-dev/lamina/internal/awsproto/sdktest"
	"github.com/lamina-dev/lamina/internal/store"
	"github.com/lamina-dev/lamina/internal/store/mem"
	"github.com/lamina-dev/lamina/internal/store/view"
	"github.com/lamina-dev/lamina/internal/telemetry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	epoch = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	scope = lamina.Scope{Account: "000000000000", Region: "us-east-1"}
)

// service is the API with everything under it, and a client before it.
type service struct {
	*API
	*cloudwatchlogs.Client
	ingester *Ingester
	clock    *atomic.Int64 // Unix ms
}

func (s service) ms() int64 { return s.clock.Load() }

func (s service) advance(d time.Duration) { s.clock.Add(d.Milliseconds()) }

// owned runs an owner goroutine until the test ends.
func owned(t *testing.T, run func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func start(t *testing.T) service { return startOn(t, mem.New(), t.TempDir()) }

func startOn(t *testing.T, st store.Store, dir string) service {
	t.Helper()
	var clock atomic.Int64
	clock.Store(epoch.UnixMilli())
	now := func() time.Time { return time.UnixMilli(clock.Load()) }
	quiet := slog.New(slog.DiscardHandler)

	v := view.New()
	groups := view.NewTable[lamina.LogGroup](v, GroupPrefix)
	streams := view.NewTable[lamina.LogStream](v, StreamPrefix)
	if err := v.Open(t.Context(), st); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { v.Close() })
	events, err := telemetry.Open(dir, telemetry.Options{Now: now, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	owned(t, events.Run)
	a := New(v, groups, streams, events, now)
	if err := a.Restore(t.Context()); err != nil {
		t.Fatal(err)
	}
	in := NewIngester(a, quiet)
	owned(t, in.Run)
	return service{API: a, Client: client(t, a), ingester: in, clock: &clock}
}

// client talks to the API through a front door that trusts everybody.
func client(t *testing.T, a *API) *cloudwatchlogs.Client {
	mux := awsproto.NewMux(awsproto.Config{
		Authenticate: func(r *http.Request) (awsproto.Proof, error) {
			ctx := lamina.WithCaller(r.Context(), lamina.Caller{Scope: scope})
			return func([]byte) (context.Context, error) { return ctx, nil }, nil
		},
		WithRequestID: lamina.WithRequestID,
	})
	a.Register(mux)
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	return cloudwatchlogs.New(cloudwatchlogs.Options{
		Region:           scope.Region,
		BaseEndpoint:     &srv.URL,
		Credentials:      credentials.NewStaticCredentialsProvider("test", "test", ""),
		HTTPClient:       sdktest.Client(t),
		RetryMaxAttempts: 1,
	})
}

func must[T any](out T, err error) func(t *testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
}

// wantError checks code and, where given, text.
func wantError(t *testing.T, err error, code, message string) {
	t.Helper()
	var api smithy.APIError
	if !errors.As(err, &api) {
		t.Errorf("got %v, want %s", err, code)
		return
	}
	if api.ErrorCode() != code || message != "" && api.ErrorMessage() != message {
		t.Errorf("got %s %q, want %s %q", api.ErrorCode(), api.ErrorMessage(), code, message)
	}
}

func (s service) newGroup(t *testing.T, name string, streams ...string) {
	t.Helper()
	must(s.CreateLogGroup(t.Context(), &cloudwatchlogs.CreateLogGroupInput{LogGroupName: &name}))(t)
	for _, st := range streams {
		must(s.CreateLogStream(t.Context(), &cloudwatchlogs.CreateLogStreamInput{LogGroupName: &name, LogStreamName: aws.String(st)}))(t)
	}
}
