package runtimeapi

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// The three types of telemetry.
const (
	TelemetryPlatform  = "platform"
	TelemetryFunction  = "function"
	TelemetryExtension = "extension"
)

// Limits and defaults of a subscription's buffering (runtime-api.md 1.9).
const (
	minItems, maxItems                     = 1000, 10_000
	minBytes, maxBytes, defaultBytes       = 256 << 10, 1 << 20, 256 << 10
	minTimeoutMs, maxTimeoutMs, defaultTMs = 25, 30_000, 1000
)

const (
	// historyBytes bounds what is kept for subscribers to come, until init ends (chosen).
	historyBytes = 1 << 20
	// eventOverhead is about what an event has besides its record.
	eventOverhead = 80
	// platformBytes is about what a platform event has.
	platformBytes = 300
	// dialTimeout bounds the connection to a TCP destination, for which its extension waits (chosen).
	dialTimeout = 2 * time.Second
)

// PlatformRecord is a platform event, which becomes JSON only for those who want it.
type PlatformRecord interface {
	TelemetryType() string // such as platform.start
	TelemetryRecord() any
}

// TelemetryEvent is one event: a line of a process's output, or one of the platform's.
type TelemetryEvent struct {
	Type     string // TelemetryPlatform, TelemetryFunction or TelemetryExtension
	At       time.Time
	Line     string
	Platform PlatformRecord // of TelemetryPlatform
}

func (e *TelemetryEvent) size() int {
	if e.Platform != nil {
		return platformBytes
	}
	return len(e.Line) + eventOverhead
}

// appendJSON appends the event as subscribers get it; objects says that a line
// which is a JSON object is to be one.
func (e *TelemetryEvent) appendJSON(b []byte, objects bool) []byte {
	typ, record := e.Type, any(e.Line)
	switch {
	case e.Platform != nil:
		typ, record = e.Platform.TelemetryType(), e.Platform.TelemetryRecord()
	case objects && strings.HasPrefix(e.Line, "{") && json.Valid([]byte(e.Line)):
		record = json.RawMessage(e.Line)
	}
	raw, err := json.Marshal(struct {
		Time   string `json:"time"`
		Type   string `json:"type"`
		Record any    `json:"record"`
	}{e.At.UTC().Format("2006-01-02T15:04:05.000Z"), typ, record})
	if err != nil {
		return b // strings and numbers always encode
	}
	return append(b, raw...)
}

// telemetry are the subscriptions of one environment. Nobody who has an event
// ever waits for one who wants it.
type telemetry struct {
	wanted atomic.Bool // somebody wants events, or may yet
	ctx    context.Context
	stop   context.CancelFunc
	work   sync.WaitGroup // one goroutine of each subscriber

	mu      sync.Mutex
	closed  bool // no more subscriptions
	history []TelemetryEvent
	kept    int // bytes of history
	subs    []*subscriber
}

func (t *telemetry) start() {
	t.ctx, t.stop = context.WithCancel(context.Background())
	t.wanted.Store(true)
}

// TelemetryWanted tells whether an event would go anywhere.
func (s *Server) TelemetryWanted() bool { return s.tel.wanted.Load() }

// Telemetry hands an event to all who have subscribed to its type. It never waits.
func (s *Server) Telemetry(e TelemetryEvent) {
	t := &s.tel
	if !t.wanted.Load() {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.closed && t.kept < historyBytes {
		t.history = append(t.history, e)
		t.kept += e.size()
	}
	for _, sub := range t.subs {
		sub.add(e)
	}
}

// FlushTelemetry returns once everything so far has been sent, or ctx ends.
func (s *Server) FlushTelemetry(ctx context.Context) {
	s.tel.mu.Lock()
	subs := s.tel.subs
	s.tel.mu.Unlock()
	for _, sub := range subs {
		sub.flush(ctx)
	}
}

// closeSubscriptions is the end of init.
func (t *telemetry) closeSubscriptions() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed, t.history = true, nil
	t.wanted.Store(len(t.subs) > 0)
}

// end stops all sending and waits for it.
func (t *telemetry) end() {
	t.mu.Lock()
	t.closed, t.history, t.subs = true, nil, nil
	t.wanted.Store(false)
	t.mu.Unlock()
	t.stop()
	t.work.Wait()
}

// add starts a subscriber, which begins with what has happened so far. One of
// the same extension is replaced.
func (t *telemetry) add(sub *subscriber) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return false
	}
	t.subs = slices.DeleteFunc(slices.Clone(t.subs), func(old *subscriber) bool {
		if old.extension == sub.extension {
			old.stop()
		}
		return old.extension == sub.extension
	})
	t.subs = append(t.subs, sub)
	for _, e := range t.history {
		sub.add(e)
	}
	t.work.Go(sub.run)
	return true
}

// subscription is the body of a PUT.
type subscription struct {
	SchemaVersion string   `json:"schemaVersion"`
	Types         []string `json:"types"`
	Destination   struct {
		Protocol string `json:"protocol"`
		URI      string `json:"URI"`
		Port     int    `json:"port"`
	} `json:"destination"`
	Buffering struct {
		MaxItems  *int `json:"maxItems"`
		MaxBytes  *int `json:"maxBytes"`
		TimeoutMs *int `json:"timeoutMs"`
	} `json:"buffering"`
}

// subscribe answers a PUT.
func (s *Server) subscribe(w *conn, r *http.Request) error {
	body, _, err := readBody(r, MaxError)
	if err != nil {
		return err
	}
	s.mu.Lock()
	e, err := s.identify(r)
	s.mu.Unlock()
	if err != nil {
		return err
	}
	s.tel.mu.Lock()
	closed := s.tel.closed
	s.tel.mu.Unlock()
	errClosed := &refusal{"Telemetry.SubscriptionClosed", "Telemetry API subscription is closed"}
	if closed {
		return errClosed
	}
	in, err := s.readSubscription(body)
	if err == nil {
		var sub *subscriber
		if sub, err = s.newSubscriber(e.name, in); err == nil {
			if !s.tel.add(sub) {
				sub.stop()
				return errClosed
			}
			if s.cfg.OnSubscribe != nil {
				s.cfg.OnSubscribe(e.name, in.Types)
			}
			w.answer(http.StatusOK, typeJSON, []byte(`"OK"`))
			return nil
		}
	}
	writeError(w, http.StatusBadRequest, "ValidationError", err.Error())
	return nil
}

// schemas that are known, of ordinary functions older ones too. In the first one
// all lines are strings (AWS: "telemetry-schema-reference").
const (
	stringSchema  = "2022-07-01"
	managedSchema = "2025-01-29"
)

var ordinarySchemas = []string{stringSchema, "2022-12-13", managedSchema}

// readSubscription checks what AWS's schema demands; the texts are ours.
func (s *Server) readSubscription(body []byte) (subscription, error) {
	var in subscription
	if err := json.Unmarshal(body, &in); err != nil {
		return in, fmt.Errorf("failed to parse JSON: %w", err)
	}
	if in.SchemaVersion != managedSchema && (!s.cfg.Ordinary || !slices.Contains(ordinarySchemas, in.SchemaVersion)) {
		known := managedSchema
		if s.cfg.Ordinary {
			known = "one of " + strings.Join(ordinarySchemas, ", ")
		}
		return in, fmt.Errorf("schemaVersion must be %s, not %q", known, in.SchemaVersion)
	}
	if len(in.Types) == 0 {
		return in, fmt.Errorf("types must name at least one of platform, function, extension")
	}
	for _, typ := range in.Types {
		if typ != TelemetryPlatform && typ != TelemetryFunction && typ != TelemetryExtension {
			return in, fmt.Errorf("types must be of platform, function, extension, not %q", typ)
		}
	}
	for _, n := range []struct {
		name     string
		value    **int
		min, max int
		fallback int
	}{
		{"maxItems", &in.Buffering.MaxItems, minItems, maxItems, maxItems},
		{"maxBytes", &in.Buffering.MaxBytes, minBytes, maxBytes, defaultBytes},
		{"timeoutMs", &in.Buffering.TimeoutMs, minTimeoutMs, maxTimeoutMs, defaultTMs},
	} {
		if *n.value == nil {
			*n.value = &n.fallback
		}
		if v := **n.value; v < n.min || v > n.max {
			return in, fmt.Errorf("buffering.%s must be from %d to %d, not %d", n.name, n.min, n.max, v)
		}
	}
	return in, nil
}

// newSubscriber finds the destination, which is always in the environment itself.
func (s *Server) newSubscriber(name string, in subscription) (*subscriber, error) {
	ctx, stop := context.WithCancel(s.tel.ctx)
	sub := &subscriber{
		extension: name, types: in.Types, ctx: ctx, stop: stop,
		items: *in.Buffering.MaxItems, bytes: *in.Buffering.MaxBytes,
		objects: s.cfg.JSONLogs && in.SchemaVersion != stringSchema,
		timeout: time.Duration(*in.Buffering.TimeoutMs) * time.Millisecond,
		wake:    make(chan struct{}, 1),
	}
	dial := s.cfg.Dial
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	var err error
	switch d := in.Destination; d.Protocol {
	case "HTTP":
		sub.send, err = httpDestination(d.URI, dial)
	case "TCP":
		sub.send, err = tcpDestination(ctx, d.Port, dial)
	default:
		err = fmt.Errorf("destination.protocol must be HTTP or TCP, not %q", d.Protocol)
	}
	if err != nil {
		stop()
		return nil, err
	}
	return sub, nil
}

type dialFunc = func(ctx context.Context, network, addr string) (net.Conn, error)

// localAddr gives the address in the environment of a destination.
func localAddr(uri string) (*url.URL, string, error) {
	u, err := url.Parse(uri)
	if err != nil {
		return nil, "", fmt.Errorf("destination.URI: %w", err)
	}
	if host := strings.ToLower(u.Hostname()); u.Scheme != "http" || host != "sandbox.localdomain" && host != "sandbox" {
		return nil, "", fmt.Errorf("destination.URI must be http://sandbox.localdomain:PORT, not %q", uri)
	}
	port := cmp.Or(u.Port(), "80")
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return nil, "", fmt.Errorf("destination.URI must have a port from 1 to 65535, not %s", port)
	}
	return u, net.JoinHostPort("127.0.0.1", port), nil
}
