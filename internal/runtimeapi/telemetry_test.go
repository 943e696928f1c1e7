package runtimeapi

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// batches is a telemetry listener; take blocks each answer until release is closed.
type batches struct {
	t       *testing.T
	l       net.Listener
	release chan struct{}

	mu   sync.Mutex
	got  [][]map[string]any
	size int
}

func listenForBatches(t *testing.T) *batches {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &batches{t: t, l: l, release: make(chan struct{})}
	srv := &http.Server{Handler: b}
	go srv.Serve(l)
	t.Cleanup(func() { srv.Close() })
	return b
}

func (b *batches) uri(host, path string) string {
	_, port, _ := net.SplitHostPort(b.l.Addr().String())
	return "http://" + host + ":" + port + path
}

func (b *batches) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	sum := sha256.Sum256(body)
	if r.Method != "POST" || r.Header.Get("Sequence-Id") != base64.StdEncoding.EncodeToString(sum[:]) || r.Header.Get("Content-Type") != "application/json" {
		b.t.Errorf("%s %v", r.Method, r.Header)
	}
	var events []map[string]any
	if err := json.Unmarshal(body, &events); err != nil {
		b.t.Errorf("%v: %.200s", err, body)
	}
	b.mu.Lock()
	b.got = append(b.got, events)
	b.size = max(b.size, len(body))
	b.mu.Unlock()
	<-b.release
}

// all are the events so far.
func (b *batches) all() (events []map[string]any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, batch := range b.got {
		events = append(events, batch...)
	}
	return events
}

func (w *worker) put(body string, header ...string) answer {
	w.t.Helper()
	w.send("PUT /2022-07-01/telemetry HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n%s\r\n%s", len(body), strings.Join(append(header, ""), "\r\n"), body)
	return w.read()
}

func wants(uri string, types ...string) string {
	b, _ := json.Marshal(map[string]any{"schemaVersion": "2025-01-29", "types": types,
		"destination": map[string]string{"protocol": "HTTP", "URI": uri}, "buffering": map[string]int{"timeoutMs": 25}})
	return string(b)
}

func line(typ, text string) TelemetryEvent {
	return TelemetryEvent{Type: typ, At: time.UnixMilli(1_700_000_000_123), Line: text}
}

// Checklist point 30: what was before is replayed, each gets the types it wants,
// and subscriptions close with init.
func TestPoint30_Telemetry(t *testing.T) {
	told := make(chan string, 2)
	e := serve(t, Config{Function: "f", OnSubscribe: func(name string, types []string) { told <- fmt.Sprint(name, types) }})
	b := listenForBatches(t)
	close(b.release)
	e.Telemetry(TelemetryEvent{Type: TelemetryPlatform, At: time.Now(), Platform: dropped{1, 2, "before"}})
	e.Telemetry(line(TelemetryFunction, "early\t\"line\""))
	id := e.register("x")
	e.worker().put(wants(b.uri("sandbox.localdomain", "/path"), "platform", "function"), identified(id)).expect(t, 200, `"OK"`)
	if got := <-told; got != "x[platform function]" {
		t.Error(got)
	}
	e.Telemetry(line(TelemetryExtension, "not wanted"))
	e.until("replay", func() bool { return len(b.all()) == 2 })
	first := b.all()
	if first[0]["type"] != "platform.logsDropped" || first[0]["record"].(map[string]any)["reason"] != "before" {
		t.Errorf("%v", first[0])
	}
	if first[1]["type"] != "function" || first[1]["record"] != "early\t\"line\"" || first[1]["time"] != "2023-11-14T22:13:20.123Z" {
		t.Errorf("%v", first[1])
	}
	e.nextEvent(id)
	e.parked(1)
	<-e.Ready()
	e.Telemetry(line(TelemetryFunction, "late"))
	e.FlushTelemetry(t.Context())
	if got := b.all(); len(got) != 3 || got[2]["record"] != "late" {
		t.Errorf("%v", got)
	}
	e.worker().put(wants(b.uri("sandbox", ""), "platform"), identified(id)).
		expect(t, 403, `{"errorMessage":"Telemetry API subscription is closed","errorType":"Telemetry.SubscriptionClosed"}`)
}

func TestTelemetryWantedByNobody(t *testing.T) {
	e := serveF(t)
	if !e.TelemetryWanted() {
		t.Error("init's events may be wanted yet")
	}
	e.parked(1)
	<-e.Ready()
	if e.TelemetryWanted() {
		t.Error("nobody can want events any more")
	}
}

func TestTelemetryRefusals(t *testing.T) {
	e := serveF(t)
	id := identified(e.register("x"))
	good := wants("http://sandbox.localdomain:8080", "platform")
	for what, tt := range map[string]struct {
		body, header string
		status       int
		want         string
	}{
		"no identifier": {good, "X: y", 403, "Extension.MissingExtensionIdentifier"},
		"unknown":       {good, identified("01234567-89ab-cdef-0123-456789abcdef"), 403, "Extension.UnknownExtensionIdentifier"},
		"no JSON":       {"{", id, 400, "ValidationError"},
		"old schema":    {strings.Replace(good, "2025-01-29", "2022-12-13", 1), id, 400, "schemaVersion"},
		"no types":      {wants("http://sandbox.localdomain:8080"), id, 400, "types"},
		"odd type":      {wants("http://sandbox.localdomain:8080", "platform", "other"), id, 400, "types"},
		"other host":    {wants("http://169.254.169.254:80", "platform"), id, 400, "destination.URI"},
		"https":         {wants("https://sandbox.localdomain:80", "platform"), id, 400, "destination.URI"},
		"few ms":        {strings.Replace(good, `"timeoutMs":25`, `"timeoutMs":24`, 1), id, 400, "buffering.timeoutMs must be from 25 to 30000"},
		"many items":    {strings.Replace(good, `"timeoutMs":25`, `"maxItems":10001`, 1), id, 400, "buffering.maxItems must be from 1000 to 10000"},
		"few bytes":     {strings.Replace(good, `"timeoutMs":25`, `"maxBytes":262143`, 1), id, 400, "buffering.maxBytes must be from 262144 to 1048576"},
		"UDP":           {strings.Replace(good, `"HTTP"`, `"UDP"`, 1), id, 400, "destination.protocol"},
		"no such port":  {wants("http://sandbox.localdomain:99999", "platform"), id, 400, "destination.URI must have a port from 1 to 65535"},
		"no port":       {strings.Replace(good, `"HTTP"`, `"TCP"`, 1), id, 400, "destination.port"},
	} {
		t.Run(what, func(t *testing.T) {
			a := e.worker().put(tt.body, tt.header)
			a.expect(t, tt.status, tt.want)
			if !strings.Contains(a.body, `"errorType":"`) {
				t.Error(a.body)
			}
		})
	}
	ordinary := serve(t, Config{Function: "f", Ordinary: true})
	id = identified(ordinary.register("x"))
	ordinary.worker().put(strings.Replace(good, "2025-01-29", "2021-03-18", 1), id).expect(t, 400, "schemaVersion must be one of 2022-07-01, 2022-12-13, 2025-01-29")
	for _, version := range []string{"2022-07-01", "2022-12-13", "2025-01-29"} {
		ordinary.worker().put(strings.Replace(good, "2025-01-29", version, 1), id).expect(t, 200, `"OK"`)
	}
}

// Checklist point 30: a subscriber that does not answer costs nobody anything
// but itself, its memory is bounded, and it learns what it missed.
func TestPoint30_SlowSubscriber(t *testing.T) {
	e := serve(t, Config{Function: "f", MaxConcurrency: 4})
	b := listenForBatches(t)
	id := e.register("x")
	e.worker().put(wants(b.uri("sandbox.localdomain", ""), "platform", "function"), identified(id)).expect(t, 200, `"OK"`)
	e.nextEvent(id)
	for range 4 {
		go e.worker().echo()
	}
	<-e.Ready()
	const n, size = 20_000, 1000
	text := strings.Repeat("x", size-eventOverhead)
	start := time.Now()
	for range n {
		e.Telemetry(line(TelemetryFunction, text))
	}
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("%d events took %v while nobody takes them", n, took)
	}
	e.tel.mu.Lock()
	sub := e.tel.subs[0]
	e.tel.mu.Unlock()
	sub.mu.Lock()
	held, events := sub.size, len(sub.batch)
	sub.mu.Unlock()
	if held > defaultBytes+size || events > maxItems {
		t.Errorf("holds %d events of %d bytes", events, held)
	}
	for i := range 20 {
		if r := <-e.start(fmt.Sprint("r", i)); r.err != nil || r.res.Status != StatusOK {
			t.Fatalf("an invocation beside a stuck subscriber: %+v", r)
		}
	}
	close(b.release)
	e.FlushTelemetry(t.Context())
	e.Telemetry(line(TelemetryFunction, "after"))
	e.FlushTelemetry(t.Context())
	lines, lost := 0, 0
	for _, event := range b.all() {
		switch event["type"] {
		case "function":
			lines++
		case "platform.logsDropped":
			rec := event["record"].(map[string]any)
			lost += int(rec["droppedRecords"].(float64))
			if rec["droppedBytes"].(float64) < rec["droppedRecords"].(float64)*size || rec["reason"] != reasonSlow {
				t.Errorf("%v", rec)
			}
		}
	}
	if lines+lost != n+1 || lost == 0 {
		t.Errorf("%d lines arrived, %d are said to be lost, %d were", lines, lost, n)
	}
	if b.size > 2*maxBytes {
		t.Errorf("a batch of %d bytes", b.size)
	}
}

// No batch has more events than its subscriber asked for, the word of what was
// lost included.
func TestTelemetryBatchesStayInBounds(t *testing.T) {
	e := serveF(t)
	b := listenForBatches(t)
	id := e.register("x")
	body := strings.Replace(wants(b.uri("sandbox.localdomain", ""), "platform", "function"), `"timeoutMs":25`, `"timeoutMs":25,"maxItems":1000,"maxBytes":1048576`, 1)
	e.worker().put(body, identified(id)).expect(t, 200, `"OK"`)
	const n = 5000
	for range n {
		e.Telemetry(line(TelemetryFunction, "x"))
	}
	close(b.release)
	e.FlushTelemetry(t.Context())
	total := 0
	for _, event := range b.all() {
		total++
		if event["type"] == "platform.logsDropped" {
			total += int(event["record"].(map[string]any)["droppedRecords"].(float64)) - 1
		}
	}
	if total != n {
		t.Errorf("%d of %d events arrived or are told of as lost", total, n)
	}
	for _, batch := range b.got {
		if len(batch) > 1000 {
			t.Errorf("a batch of %d events", len(batch))
		}
	}
}

// TestTelemetryBurst: a burst that comes faster than anybody runs to send it loses
// nothing as long as one batch beside the first holds it.
func TestTelemetryBurst(t *testing.T) {
	e := serveF(t)
	b := listenForBatches(t)
	close(b.release)
	sub, err := e.newSubscriber("x", must(e.readSubscription([]byte(wants(b.uri("sandbox.localdomain", ""), "platform", "function")))))
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Repeat("x", 100)
	n := 2*defaultBytes/(len(text)+eventOverhead) - 1
	for range n {
		sub.add(line(TelemetryFunction, text))
	}
	e.tel.work.Go(sub.run)
	sub.flush(t.Context())
	if got := b.all(); len(got) != n || got[0]["type"] != "function" {
		t.Errorf("%d of %d events arrived", len(got), n)
	}
}

// Lines are objects where a function's logs are JSON, but for the oldest schema.
func TestTelemetryRecords(t *testing.T) {
	for _, tt := range []struct {
		schema string
		json   bool
		line   string
		object bool
	}{
		{"2025-01-29", true, `{"level":"INFO","n":12345678901234567890}`, true},
		{"2022-12-13", true, `{"level":"INFO","n":12345678901234567890}`, true},
		{"2022-07-01", true, `{"level":"INFO","n":12345678901234567890}`, false},
		{"2025-01-29", false, `{"level":"INFO","n":12345678901234567890}`, false},
		{"2025-01-29", true, `{"level":`, false},
		{"2025-01-29", true, "plain", false},
		{"2025-01-29", true, "12", false},
	} {
		e := serve(t, Config{Function: "f", Ordinary: true, JSONLogs: tt.json})
		var got bytes.Buffer
		sub, err := e.newSubscriber("x", must(e.readSubscription([]byte(strings.Replace(wants("http://sandbox.localdomain:8080", "function"), "2025-01-29", tt.schema, 1)))))
		if err != nil {
			t.Fatal(err)
		}
		sub.send = func(_ context.Context, events [][]byte) error {
			got.Write(bytes.Join(events, nil))
			return nil
		}
		sub.add(line(TelemetryFunction, tt.line))
		sub.ship()
		var event struct{ Record json.RawMessage }
		if err := json.Unmarshal(got.Bytes(), &event); err != nil {
			t.Fatal(err)
		}
		want := tt.line
		if !tt.object {
			quoted, _ := json.Marshal(tt.line)
			want = string(quoted)
		}
		if string(event.Record) != want {
			t.Errorf("%+v: %s", tt, event.Record)
		}
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// A subscriber that refuses learns of what it refused.
func TestTelemetryRefusedBatch(t *testing.T) {
	e := serveF(t)
	refuse := true
	var mu sync.Mutex
	var got []string
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		if refuse {
			refuse = false
			w.WriteHeader(500)
			return
		}
		got = append(got, string(body))
	})}
	go srv.Serve(l)
	t.Cleanup(func() { srv.Close() })
	_, port, _ := net.SplitHostPort(l.Addr().String())
	id := e.register("x")
	e.worker().put(wants("http://sandbox:"+port, "platform", "function"), identified(id)).expect(t, 200, `"OK"`)
	e.Telemetry(line(TelemetryFunction, "refused"))
	e.FlushTelemetry(t.Context())
	e.Telemetry(line(TelemetryFunction, "taken"))
	e.FlushTelemetry(t.Context())
	mu.Lock()
	defer mu.Unlock()
	if len(got) != 1 || !strings.Contains(got[0], "taken") || !strings.Contains(got[0], `"droppedRecords":1,"reason":"could not send events: http request failed with status 500`) {
		t.Errorf("%q", got)
	}
}

// TCP: a line for each event, over one connection, dialed as the environment says.
func TestTelemetryOverTCP(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dialed := make(chan string, 1)
	e := serve(t, Config{Function: "f", Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
		dialed <- network + " " + addr
		return new(net.Dialer).DialContext(ctx, "tcp", l.Addr().String())
	}})
	id := e.register("x")
	body := `{"schemaVersion":"2025-01-29","types":["extension"],"destination":{"protocol":"TCP","port":4242}}`
	e.worker().put(body, identified(id)).expect(t, 200, `"OK"`)
	if got := <-dialed; got != "tcp4 127.0.0.1:4242" {
		t.Error(got)
	}
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	e.Telemetry(line(TelemetryExtension, "one"))
	e.Telemetry(line(TelemetryExtension, "two\nlines"))
	e.FlushTelemetry(t.Context())
	lines := bufio.NewScanner(conn)
	for _, want := range []string{"one", "two\nlines"} {
		var event struct{ Type, Record string }
		if !lines.Scan() {
			t.Fatal(lines.Err())
		}
		if err := json.Unmarshal(lines.Bytes(), &event); err != nil || event.Type != "extension" || event.Record != want {
			t.Errorf("%s %v", lines.Bytes(), err)
		}
	}
}

// FuzzSubscription: whatever an extension sends is answered, and only what keeps
// the limits is accepted.
func FuzzSubscription(f *testing.F) {
	f.Add([]byte(wants("http://sandbox.localdomain:1", "platform")))
	f.Add([]byte(`{"schemaVersion":"2025-01-29","types":["function"],"destination":{"protocol":"TCP","port":70000}}`))
	s := New(Config{})
	f.Fuzz(func(t *testing.T, body []byte) {
		in, err := s.readSubscription(body)
		if err != nil {
			return
		}
		if n := *in.Buffering.MaxItems; n < minItems || n > maxItems || len(in.Types) == 0 || in.SchemaVersion != managedSchema {
			t.Errorf("%+v", in)
		}
		if in.Destination.Protocol == "HTTP" {
			_, _, err := localAddr(in.Destination.URI)
			if err == nil && bytes.Contains([]byte(in.Destination.URI), []byte("169.254")) && !strings.Contains(in.Destination.URI, "sandbox") {
				t.Errorf("%q", in.Destination.URI)
			}
		}
	})
}
