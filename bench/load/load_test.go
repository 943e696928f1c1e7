package load

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// target serves h and asks it with a constant request.
func target(t *testing.T, h http.HandlerFunc) Target {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	request := []byte("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi")
	return Target{Addr: s.Listener.Addr().String(), Request: func() []byte { return request }, Answer: []byte("hi")}
}

func echo(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) }

func TestClosedCountsEveryAnswer(t *testing.T) {
	var asked atomic.Int64
	res := Closed(t.Context(), target(t, func(w http.ResponseWriter, r *http.Request) {
		switch asked.Add(1) % 4 {
		case 0:
			w.WriteHeader(http.StatusTooManyRequests)
		case 1:
			_, _ = io.WriteString(w, "ho")
		default:
			echo(w, r)
		}
	}), 3, 10*time.Millisecond, 100*time.Millisecond)
	if res.OK == 0 || res.Throttled == 0 || res.Failed == 0 || len(res.Latencies) != res.OK || !strings.Contains(res.Error, "ho") {
		t.Errorf("got %+v with %d latencies", res.Counts, len(res.Latencies))
	}
	if seen := int(asked.Load()); seen > res.All()+res.Warm.All()+3 { // the last one of each connection may come after the end
		t.Errorf("%d asked, %d counted", seen, res.All()+res.Warm.All())
	}
}

func TestOpenChargesAStallToAllThatWaited(t *testing.T) {
	var asked atomic.Int64
	const stall = 50 * time.Millisecond
	res := Open(t.Context(), target(t, func(w http.ResponseWriter, r *http.Request) {
		if asked.Add(1) == 1 {
			time.Sleep(stall)
		}
		echo(w, r)
	}), 1, 1000, 0, 100*time.Millisecond)
	if res.OK != 100 || res.Failed != 0 {
		t.Fatalf("got %+v: %s", res.Counts, res.Error)
	}
	// A request every millisecond: those due during the stall waited for its end.
	if waited := Quantile(res.Latencies, 0.7); waited < stall/10 {
		t.Errorf("70 %% of the answers came within %s of their time in spite of the stall", waited)
	}
}

func TestATargetThatIsGoneIsAFailure(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	res := Closed(t.Context(), Target{Addr: l.Addr().String(), Request: func() []byte { return nil }}, 2, 0, 50*time.Millisecond)
	if res.Failed == 0 || res.OK != 0 || res.Error == "" {
		t.Errorf("got %+v, %q", res.Counts, res.Error)
	}
}

func TestQuantileAndSpread(t *testing.T) {
	values := []float64{1, 2, 3, 4}
	for q, want := range map[float64]float64{0: 1, 0.25: 1, 0.5: 2, 0.51: 3, 0.99: 4, 1: 4} {
		if got := Quantile(values, q); got != want {
			t.Errorf("quantile %v is %v, want %v", q, got, want)
		}
	}
	if got := SpreadOf([]float64{4, 1, 3, 2}); got != (Spread{2.5, 1, 4}) {
		t.Errorf("got %+v", got)
	}
	if Quantile([]float64(nil), 0.5) != 0 || SpreadOf(nil) != (Spread{}) {
		t.Error("of nothing something came")
	}
}
