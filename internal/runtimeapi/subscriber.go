package runtimeapi

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

// sendTimeout is how long a subscriber may take for a batch (chosen).
const sendTimeout = 10 * time.Second

// Reasons of platform.logsDropped, in AWS's words.
const (
	reasonSlow   = "Some logs were dropped because the downstream consumer is slower than the logs production rate"
	reasonBroken = "could not send events: "
)

// subscriber gathers the events that one extension wants and sends them in
// batches. While one is on its way the next grows to its limit; what comes then is
// dropped and counted.
type subscriber struct {
	extension string
	types     []string
	objects   bool // JSON lines are records that are objects, not strings
	items     int  // limits of a batch
	bytes     int
	timeout   time.Duration // from a batch's first event
	send      func(ctx context.Context, events [][]byte) error
	ctx       context.Context
	stop      context.CancelFunc
	wake      chan struct{} // there is a first event, or a batch is due

	mu      sync.Mutex
	batch   []TelemetryEvent
	size    int
	leaving []TelemetryEvent // a full batch that run is about to take
	sending bool             // one is on its way, or leaving
	due     bool             // somebody wants the batch sent as it is
	waiting []chan struct{}  // of flush, until nothing is left
	lost    dropped
}

// dropped is what platform.logsDropped tells.
type dropped struct {
	Bytes   int    `json:"droppedBytes"`
	Records int    `json:"droppedRecords"`
	Reason  string `json:"reason"`
}

// TelemetryType implements PlatformRecord.
func (d dropped) TelemetryType() string { return "platform.logsDropped" }

// TelemetryRecord implements PlatformRecord.
func (d dropped) TelemetryRecord() any { return d }

// add takes an event, if there is room.
func (sub *subscriber) add(e TelemetryEvent) {
	if !slices.Contains(sub.types, e.Type) {
		return
	}
	sub.mu.Lock()
	defer sub.mu.Unlock()
	size := e.size()
	if sub.full() {
		sub.lost.Bytes += size
		sub.lost.Records++
		sub.lost.Reason = cmp.Or(sub.lost.Reason, reasonSlow)
		return
	}
	sub.batch = append(sub.batch, e)
	sub.size += size
	sub.leave()
	if len(sub.batch) == 1 {
		poke(sub.wake)
	}
}

// full says whether the batch takes no more; one that is to tell of lost events
// keeps a place for that. sub.mu is held.
func (sub *subscriber) full() bool {
	items := sub.items
	if sub.lost.Records > 0 {
		items--
	}
	return len(sub.batch) >= items || sub.size >= sub.bytes
}

// leave makes room for the next batch if this one is full and none is on its way:
// run may be long in coming when events come in a burst. sub.mu is held.
func (sub *subscriber) leave() {
	if !sub.sending && sub.full() {
		sub.leaving, sub.batch, sub.size, sub.sending = sub.batch, nil, 0, true
		poke(sub.wake)
	}
}

// owing says whether there is something to send. sub.mu is held.
func (sub *subscriber) owing() bool {
	return len(sub.batch)+len(sub.leaving) > 0 || sub.lost.Records > 0
}

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// run sends until the environment or the subscription ends.
func (sub *subscriber) run() {
	defer sub.release()
	timer := time.NewTimer(0)
	defer timer.Stop()
	<-timer.C
	counting := false
	for {
		due := false
		select {
		case <-sub.wake:
			sub.mu.Lock()
			due = sub.due || sub.leaving != nil
			if first := sub.owing() && !counting; first && !due {
				timer.Reset(sub.timeout)
				counting = true
			}
			sub.mu.Unlock()
		case <-timer.C:
			due = true
		case <-sub.ctx.Done():
			return
		}
		if due {
			timer.Stop()
			counting = false
			sub.ship()
		}
	}
}

// take gives the batch that is to be sent, and what it is to tell of. One that was
// full before events were lost has no place for that: the next one does.
func (sub *subscriber) take() (batch []TelemetryEvent, lost dropped) {
	sub.mu.Lock()
	defer sub.mu.Unlock()
	batch, sub.leaving = sub.leaving, nil
	if batch == nil {
		batch, sub.batch, sub.size, sub.due = sub.batch, nil, 0, false
	}
	sub.sending = true
	if len(batch) < sub.items {
		lost, sub.lost = sub.lost, dropped{}
	}
	return batch, lost
}

// ship sends a batch.
func (sub *subscriber) ship() {
	batch, lost := sub.take()
	err := sub.deliver(batch, lost)
	sub.mu.Lock()
	defer sub.mu.Unlock()
	sub.sending = false
	sub.leave()
	left := sub.owing() // what came meanwhile
	if left {
		poke(sub.wake)
	} else {
		sub.due = false
	}
	if !left || err != nil {
		sub.releaseLocked()
	}
	if err != nil {
		for i := range batch {
			sub.lost.Bytes += batch[i].size()
		}
		sub.lost.Records += len(batch) + lost.Records
		sub.lost.Bytes += lost.Bytes
		sub.lost.Reason = reasonBroken + err.Error()
	}
}

func (sub *subscriber) deliver(batch []TelemetryEvent, lost dropped) error {
	if lost.Records > 0 && slices.Contains(sub.types, TelemetryPlatform) {
		batch = append(batch, TelemetryEvent{Type: TelemetryPlatform, At: time.Now(), Platform: lost})
	}
	if len(batch) == 0 {
		return nil
	}
	events := make([][]byte, 0, len(batch))
	for i := range batch {
		events = append(events, batch[i].appendJSON(nil, sub.objects))
	}
	ctx, cancel := context.WithTimeout(sub.ctx, sendTimeout)
	defer cancel()
	return sub.send(ctx, events)
}

// flush has the batch sent and waits until nothing is left.
func (sub *subscriber) flush(ctx context.Context) {
	sub.mu.Lock()
	if !sub.owing() && !sub.sending || sub.ctx.Err() != nil {
		sub.mu.Unlock()
		return
	}
	sub.due = true
	done := make(chan struct{})
	sub.waiting = append(sub.waiting, done)
	sub.mu.Unlock()
	poke(sub.wake)
	select {
	case <-done:
	case <-ctx.Done():
	}
}

// release lets all who flush go.
func (sub *subscriber) release() {
	sub.mu.Lock()
	defer sub.mu.Unlock()
	sub.releaseLocked()
}

func (sub *subscriber) releaseLocked() {
	for _, done := range sub.waiting {
		close(done)
	}
	sub.waiting = nil
}

// httpDestination posts each batch as a JSON array.
func httpDestination(uri string, dial dialFunc) (func(context.Context, [][]byte) error, error) {
	u, addr, err := localAddr(uri)
	if err != nil {
		return nil, err
	}
	client := &http.Client{
		Transport: &http.Transport{
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx, "tcp4", addr) },
			// An environment's connections end with it; kept ones would outlive it here.
			DisableKeepAlives: true, DisableCompression: true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return func(ctx context.Context, events [][]byte) error {
		body := append(append([]byte{'['}, bytes.Join(events, []byte{','})...), ']')
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), bytes.NewReader(body))
		if err != nil {
			return err
		}
		sum := sha256.Sum256(body)
		r.Header.Set("Content-Type", typeJSON)
		r.Header.Set("Sequence-Id", base64.StdEncoding.EncodeToString(sum[:]))
		resp, err := client.Do(r)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		_, _ = io.CopyN(io.Discard, resp.Body, 64<<10) // nobody reads what it says
		if resp.StatusCode >= http.StatusBadRequest {
			return fmt.Errorf("http request failed with status %s", resp.Status)
		}
		return nil
	}, nil
}

// tcpDestination writes each event as a line to one connection.
func tcpDestination(life context.Context, port int, dial dialFunc) (func(context.Context, [][]byte) error, error) {
	if port < 1 || port > 65535 {
		return nil, fmt.Errorf("destination.port must be from 1 to 65535, not %d", port)
	}
	ctx, cancel := context.WithTimeout(life, dialTimeout)
	defer cancel()
	conn, err := dial(ctx, "tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return nil, fmt.Errorf("destination: %w", err)
	}
	context.AfterFunc(life, func() { conn.Close() })
	return func(ctx context.Context, events [][]byte) error {
		stop := context.AfterFunc(ctx, func() { _ = conn.SetWriteDeadline(time.Unix(1, 0)) })
		defer stop()
		_, err := conn.Write(append(bytes.Join(events, []byte{'\n'}), '\n'))
		return err
	}, nil
}
