package lambda

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lamina-dev/lamina"
	"github.com/lamina-dev/lamina/internal/awsproto"
	"github.com/lamina-dev/lamina/internal/router"
	"github.com/lamina-dev/lamina/internal/store/blobs"
	"github.com/lamina-dev/lamina/internal/store/mem"
	"github.com/lamina-dev/lamina/internal/store/tables"
	"github.com/lamina-dev/lamina/internal/store/view"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Where and as whom the tests call.
const (
	account = "111122223333"
	region  = "us-east-1"
	roleARN = "arn:aws:iam::111122223333:role/run"
	opARN   = "arn:aws:iam::111122223333:role/op"
	cpARN   = "arn:aws:lambda:us-east-1:111122223333:capacity-provider:cp1"
	fnARN   = "arn:aws:lambda:us-east-1:111122223333:function:f"

	providersPath = "/2025-11-30/capacity-providers"
	functionsPath = "/2015-03-31/functions"
)

var scope = lamina.Scope{Account: account, Region: region}

// world is the service on a mem store, with what surrounds it played by the test.
type world struct {
	t       *testing.T
	service *Service
	mux     *awsproto.Mux
	tables  tables.Lambda
	view    *view.View

	mu       sync.Mutex
	badRoles map[string]bool
	invoked  []lamina.Invocation
	result   lamina.Answer
	pieces   []string // of a streamed response; nil: it does not stream
	fault    error
	random   float64
}

func (w *world) AssumableByLambda(_ context.Context, roleARN string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.badRoles[roleARN] {
		return lamina.Errorf("NoSuchEntity", "no role %s", roleARN)
	}
	return nil
}

// throttled is the router's answer when no slot is free.
func throttled() error {
	return &lamina.Error{Code: lamina.CodeTooManyRequests, Message: router.TextThrottled, Reason: router.ReasonThrottled}
}

func (w *world) Invoke(_ context.Context, r lamina.Invocation) (lamina.Answer, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.invoked = append(w.invoked, r)
	if r.Sink != nil && w.pieces != nil {
		err := r.Sink.Begin("text/x")
		for _, p := range w.pieces {
			_, failed := io.WriteString(r.Sink, p)
			err = errors.Join(err, failed)
		}
		if err != nil {
			w.t.Error(err)
		}
	}
	return w.result, w.fault
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, view: view.New(), badRoles: map[string]bool{}, result: lamina.Answer{Payload: []byte(`"ok"`)}}
	w.tables = tables.NewLambda(w.view)
	ec2 := tables.NewEC2(w.view)
	st := mem.New()
	if err := w.view.Open(t.Context(), st); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.view.Close(); _ = st.Close() })
	dir, err := blobs.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	w.service = New(Config{
		View: w.view, Tables: w.tables, Subnets: ec2.Subnets, Groups: ec2.Groups, Blobs: dir, Roles: w, Invoker: w,
		AcceptType: func(name string) error {
			if strings.HasPrefix(name, "t3.") {
				return fmt.Errorf("instance type %s is not supported", name)
			}
			return nil
		},
		CodeURL: func(sha string) string { return "http://here/_lamina/code/" + sha },
		Now:     func() time.Time { return time.Date(2026, 11, 24, 4, 0, 0, 0, time.UTC) },
		Random:  func() float64 { return w.random },
	})
	w.mux = awsproto.NewMux(awsproto.Config{
		Authenticate: func(r *http.Request) (awsproto.Proof, error) {
			c := lamina.Caller{Scope: scope, ARN: "arn:aws:iam::" + account + ":root", UserID: account}
			return func([]byte) (context.Context, error) { return lamina.WithCaller(r.Context(), c), nil }, nil
		},
		WithRequestID: lamina.WithRequestID,
	})
	w.service.Register(w.mux)
	for id, vpc := range map[string]string{"subnet-a": "vpc-1", "subnet-b": "vpc-1", "subnet-x": "vpc-2"} {
		put(w, ec2.Subnets, lamina.Key(account, region, id), lamina.Subnet{Scope: scope, ID: id, VPCID: vpc})
	}
	for id, vpc := range map[string]string{"sg-a": "vpc-1", "sg-x": "vpc-2"} {
		put(w, ec2.Groups, lamina.Key(account, region, id), lamina.SecurityGroup{Scope: scope, ID: id, VPCID: vpc})
	}
	return w
}

// put writes a row past the API, as the controller or another service does.
func put[T any](w *world, table *view.Table[T], key string, v T) {
	w.t.Helper()
	_, err := w.view.Update(w.t.Context(), func(tx *view.Tx) error { return tx.Do(table.Put(key, v)) })
	if err != nil {
		w.t.Fatal(err)
	}
}

func remove[T any](w *world, table *view.Table[T], key string) {
	w.t.Helper()
	_, err := w.view.Update(w.t.Context(), func(tx *view.Tx) error { return tx.Do(table.Delete(key)) })
	if err != nil {
		w.t.Fatal(err)
	}
}

// answer is what a call gave.
type answer struct {
	t      *testing.T
	status int
	header http.Header
	raw    string
	body   map[string]any
}

type object = map[string]any

func (w *world) call(method, path string, body any, headers ...string) answer {
	w.t.Helper()
	var raw []byte
	switch b := body.(type) {
	case nil:
	case string:
		raw = []byte(b)
	default:
		var err error
		if raw, err = json.Marshal(b); err != nil {
			w.t.Fatal(err)
		}
	}
	r := httptest.NewRequestWithContext(w.t.Context(), method, "http://localhost"+path, bytes.NewReader(raw))
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=test/20261124/us-east-1/lambda/aws4_request, SignedHeaders=host, Signature=0")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	rec := httptest.NewRecorder()
	w.mux.ServeHTTP(rec, r)
	a := answer{t: w.t, status: rec.Code, header: rec.Header(), raw: rec.Body.String()}
	_ = json.Unmarshal(rec.Body.Bytes(), &a.body) // invocations answer anything
	return a
}

// ok wants a status.
func (a answer) ok(status int) answer {
	a.t.Helper()
	if a.status != status {
		a.t.Fatalf("status %d, want %d: %s", a.status, status, a.raw)
	}
	return a
}

// refused wants an error; the text may be cut at "…".
func (a answer) refused(status int, code, text string) {
	a.t.Helper()
	message, _ := a.body["message"].(string)
	if message == "" {
		message, _ = a.body["Message"].(string)
	}
	got, _, _ := strings.Cut(a.header.Get("X-Amzn-Errortype"), ":")
	begin, cut := strings.CutSuffix(text, "…")
	same := message == text || cut && strings.HasPrefix(message, begin)
	if a.status != status || got != code || !same {
		a.t.Fatalf("%d %s %q, want %d %s %q (%s)", a.status, got, message, status, code, text, a.raw)
	}
}

// at digs into the body: "CapacityProvider.State", "Versions.0.Version".
func (a answer) at(path string) any {
	a.t.Helper()
	var v any = a.body
	for part := range strings.SplitSeq(path, ".") {
		switch c := v.(type) {
		case map[string]any:
			v = c[part]
		case []any:
			var i int
			if _, err := fmt.Sscan(part, &i); err != nil || i >= len(c) {
				return nil
			}
			v = c[i]
		default:
			return nil
		}
	}
	return v
}

// has wants members by path; nil means absent.
func (a answer) has(want object) answer {
	a.t.Helper()
	for path, v := range want {
		if got := a.at(path); fmt.Sprint(got) != fmt.Sprint(v) {
			a.t.Errorf("%s is %v, want %v (%s)", path, got, v, a.raw)
		}
	}
	return a
}

// with is a copy of a request body with members replaced; nil removes one.
func with(base object, changes object) object {
	out := maps.Clone(base)
	for k, v := range changes {
		out[k] = v
		if v == nil {
			delete(out, k)
		}
	}
	return out
}

// zipOf is a package as requests carry it.
func zipOf(t *testing.T, content string) string {
	t.Helper()
	return base64.StdEncoding.EncodeToString(zipBytes(t, content))
}

func zipBytes(t *testing.T, content string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	f, err := z.Create("main.py")
	if err == nil {
		_, err = f.Write([]byte(content))
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func providerBody(name string) object {
	return object{
		"CapacityProviderName": name,
		"VpcConfig":            object{"SubnetIds": []string{"subnet-a", "subnet-b"}, "SecurityGroupIds": []string{"sg-a"}},
		"PermissionsConfig":    object{"CapacityProviderOperatorRoleArn": opARN},
	}
}

// functionBody is an ordinary function.
func functionBody(t *testing.T, name string) object {
	return object{
		"FunctionName": name, "Runtime": "python3.13", "Handler": "main.handler", "Role": roleARN,
		"Code": object{"ZipFile": zipOf(t, "one")},
	}
}

func capacity(arn string, more ...any) object {
	inner := object{"CapacityProviderArn": arn}
	for i := 0; i < len(more); i += 2 {
		inner[more[i].(string)] = more[i+1]
	}
	return object{"LambdaManagedInstancesCapacityProviderConfig": inner}
}

// managedBody is a function on cp1.
func managedBody(t *testing.T, name string) object {
	return with(functionBody(t, name), object{"CapacityProviderConfig": capacity(cpARN)})
}

// managed makes a world with provider cp1 (Active) and function f on it.
func managed(t *testing.T) *world {
	w := newWorld(t)
	w.call("POST", providersPath, providerBody("cp1")).ok(202)
	put(w, w.tables.ProviderStatus, lamina.Key(account, region, "cp1"), lamina.CapacityProviderStatus{State: lamina.StateActive})
	w.call("POST", functionsPath, managedBody(t, "f")).ok(201)
	return w
}

func versionKey(qualifier string) string { return lamina.VersionKey(scope, "f", qualifier) }

// settle plays the controller: the newest generation of a version serves.
func (w *world) settle(qualifier string) {
	w.t.Helper()
	row, ok := w.tables.Versions.Get(versionKey(qualifier))
	if !ok {
		w.t.Fatalf("no version %s", qualifier)
	}
	scaling, _ := w.tables.Scaling.Get(row.Key)
	put(w, w.tables.VersionStatus, row.Key, lamina.VersionStatus{
		State: lamina.StateActive, UpdateStatus: lamina.UpdateSuccessful, Settled: true,
		Generation: row.Value.Generation, Serving: row.Value.Generation, Applied: &scaling.Value,
	})
}

func (w *world) fail(qualifier string) {
	w.t.Helper()
	row, _ := w.tables.Versions.Get(versionKey(qualifier))
	put(w, w.tables.VersionStatus, row.Key, lamina.VersionStatus{
		State: lamina.StateFailed, Reason: lamina.TextVCPULimit, ReasonCode: lamina.ReasonVCPULimit,
		Settled: true, Generation: row.Value.Generation,
	})
}

func (w *world) publish(body object) answer {
	w.t.Helper()
	return w.call("POST", functionsPath+"/f/versions", body)
}

func (w *world) publishLatest() answer {
	w.t.Helper()
	return w.publish(object{"PublishTo": "LATEST_PUBLISHED"})
}

func (w *world) get(qualifier string) answer {
	w.t.Helper()
	path := functionsPath + "/f/configuration"
	if qualifier != "" {
		path += "?Qualifier=" + qualifier
	}
	return w.call("GET", path, nil)
}

func (w *world) invoke(qualifier string, headers ...string) answer {
	w.t.Helper()
	path := functionsPath + "/f/invocations"
	if qualifier != "" {
		path += "?Qualifier=" + qualifier
	}
	return w.call("POST", path, `{"a":1}`, headers...)
}

// The qualifiers as they stand in a query.
const (
	latest          = "%24LATEST"
	latestPublished = "%24LATEST.PUBLISHED"
)
