package ec2_test

import (
	"context"
	"encoding/xml"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/lamina-dev/lamina"
	"github.com/lamina-dev/lamina/internal/api/ec2"
	"github.com/lamina-dev/lamina/internal/awsproto"
	"github.com/lamina-dev/lamina/internal/store/mem"
	"github.com/lamina-dev/lamina/internal/store/tables"
	"github.com/lamina-dev/lamina/internal/store/view"
)

// here is the account and region of every request of the tests.
var here = lamina.Scope{Account: "000000000000", Region: "ap-northeast-1"}

// noon is the time at which tests begin.
var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// world is the service behind the real front door, over the mem store.
type world struct {
	t      testing.TB
	mux    *awsproto.Mux
	view   *view.View
	ec2    tables.EC2
	lambda tables.Lambda
	fleet  tables.Fleet
	now    time.Time
}

func newWorld(t testing.TB) *world {
	t.Helper()
	v := view.New()
	w := &world{t: t, view: v, ec2: tables.NewEC2(v), lambda: tables.NewLambda(v), fleet: tables.NewFleet(v), now: noon}
	st := mem.New()
	if err := v.Open(t.Context(), st); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = v.Close()
		_ = st.Close()
	})
	w.mux = awsproto.NewMux(awsproto.Config{
		Authenticate: func(r *http.Request) (awsproto.Proof, error) {
			ctx := lamina.WithCaller(r.Context(), lamina.Caller{Scope: here})
			return func([]byte) (context.Context, error) { return ctx, nil }, nil
		},
		WithRequestID: lamina.WithRequestID,
	})
	ec2.New(ec2.Deps{
		View: v, Tables: w.ec2, Instances: w.fleet.Instances, Providers: w.lambda.Providers,
		Now: func() time.Time { return w.now },
	}).Register(w.mux)
	return w
}

// post sends one operation with its parameters as "Name=value" and gives the
// status and the XML of the answer.
func (w *world) post(action string, params ...string) (int, string) {
	w.t.Helper()
	form := url.Values{"Action": {action}, "Version": {"2016-11-15"}}
	for _, p := range params {
		name, value, _ := strings.Cut(p, "=")
		form.Set(name, value)
	}
	r := httptest.NewRequestWithContext(w.t.Context(), http.MethodPost, "/", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=test/20261124/"+here.Region+"/ec2/aws4_request, SignedHeaders=host, Signature=0")
	rec := httptest.NewRecorder()
	w.mux.ServeHTTP(rec, r)
	body, err := io.ReadAll(rec.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return rec.Code, string(body)
}

// do sends an operation that succeeds.
func (w *world) do(action string, params ...string) doc {
	w.t.Helper()
	status, body := w.post(action, params...)
	if status != http.StatusOK {
		w.t.Fatalf("%s %v: %d %s", action, params, status, body)
	}
	return w.parse(body)
}

// refused sends an operation that fails with the code, and gives the text.
func (w *world) refused(code, action string, params ...string) string {
	w.t.Helper()
	status, body := w.post(action, params...)
	d := w.parse(body)
	if got := d.at("Errors/Error/Code"); status < 400 || got != code {
		w.t.Errorf("%s %v: %d %s, want %s", action, params, status, body, code)
	}
	return d.at("Errors/Error/Message")
}

// put writes rows as other parts of the server do.
func put[T interface{ Key() string }](w *world, table *view.Table[T], rows ...T) {
	w.t.Helper()
	_, err := w.view.Update(w.t.Context(), func(tx *view.Tx) error {
		for _, row := range rows {
			_ = tx.Do(table.Put(row.Key(), row))
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// doc is an XML answer.
type doc struct {
	XMLName xml.Name
	Text    string `xml:",chardata"`
	Nodes   []doc  `xml:",any"`
}

func (w *world) parse(body string) doc {
	w.t.Helper()
	var d doc
	if err := xml.Unmarshal([]byte(body), &d); err != nil {
		w.t.Fatalf("%v in %q", err, body)
	}
	return d
}

// all is the text of every element at a path of element names, in order.
func (d doc) all(path string) []string {
	var out []string
	for _, n := range d.nodes(path) {
		out = append(out, strings.TrimSpace(n.Text))
	}
	return out
}

// at is the text of the first element at a path, or "" without one.
func (d doc) at(path string) string {
	if texts := d.all(path); len(texts) > 0 {
		return texts[0]
	}
	return ""
}

func (d doc) nodes(path string) []doc {
	name, rest, more := strings.Cut(path, "/")
	var out []doc
	for _, n := range d.Nodes {
		switch {
		case n.XMLName.Local != name:
		case more:
			out = append(out, n.nodes(rest)...)
		default:
			out = append(out, n)
		}
	}
	return out
}
