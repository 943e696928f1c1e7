package wire

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"reflect"
	"strings"
	"testing"
	"time"
)

// pair is two ends of one connection.
func pair(t testing.TB) (a, b *Conn) {
	t.Helper()
	x, y := net.Pipe()
	a, b = NewConn(x), NewConn(y)
	t.Cleanup(func() {
		a.Close()
		b.Close()
	})
	return a, b
}

func roundTrip[T any](t *testing.T, kind Kind, v T) {
	t.Helper()
	a, b := pair(t)
	sent := make(chan error, 1)
	go func() { sent <- a.Send(kind, v) }()
	got, body, err := b.Receive()
	if err = errors.Join(err, <-sent); err != nil {
		t.Fatal(err)
	}
	back, err := Decode[T](body)
	if err != nil || got != kind || !reflect.DeepEqual(back, v) {
		t.Errorf("kind %d, %v: %+v, want kind %d: %+v", got, err, back, kind, v)
	}
}

func TestFrames(t *testing.T) {
	at := time.Unix(1700000000, 123456789).UTC()
	spec := EnvironmentSpec{ID: "e", Slots: 3, Timeout: time.Second, Variables: map[string]string{"A": "b"}, Credentials: Credentials{AccessKeyID: "k"}}
	status := EnvironmentStatus{ID: "e", State: EnvironmentReady, StartedAt: at, ReadyAt: at, CPUTime: time.Minute, Reason: "why", ErrorType: "T", Spec: &spec}
	roundTrip(t, KindHello, Hello{Protocol: ProtocolVersion, InstanceID: "i-1", Token: "t", InvokeAddr: "unix:///s", Environments: []EnvironmentStatus{status}})
	roundTrip(t, KindWelcome, Welcome{Refused: "no", Orphan: time.Minute})
	roundTrip(t, KindAssignments, Assignments{Epoch: 2, Generation: 9, Environments: []EnvironmentSpec{spec}})
	roundTrip(t, KindReport, Report{Epoch: 1, Environments: []EnvironmentStatus{{ID: "x", StartedAt: at, ReadyAt: at}}, Dropped: 4})
	roundTrip(t, KindLogs, LogBatch{EnvironmentID: "e", Events: []LogEvent{{1, "one"}, {2, "zwei\x00"}}})
	roundTrip(t, KindBlobRequest, BlobRequest{InstanceID: "i-1", Token: "t", SHA256: "ff"})
	roundTrip(t, KindBlobChunk, BlobChunk{Data: []byte{0, 1, 2}})
	roundTrip(t, KindShutdown, Shutdown{Grace: time.Hour})
	roundTrip(t, KindAlive, Alive{})
}

func TestFramesOneAfterTheOther(t *testing.T) {
	a, b := pair(t)
	const n, senders = 20, 4
	for range senders {
		go func() {
			for range n {
				if err := a.Send(KindShutdown, Shutdown{Grace: 7}); err != nil {
					t.Error(err)
				}
			}
		}()
	}
	for range n * senders {
		kind, body, err := b.Receive()
		if err != nil || kind != KindShutdown {
			t.Fatal(kind, err)
		}
		if v, err := Decode[Shutdown](body); err != nil || v.Grace != 7 {
			t.Fatal(v, err)
		}
	}
	a.Close()
	if _, _, err := b.Receive(); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
}

func TestFrameTooLarge(t *testing.T) {
	a, b := pair(t)
	if err := a.Send(KindBlobChunk, BlobChunk{Data: make([]byte, maxFrame)}); err == nil {
		t.Error("sent")
	}
	go a.conn.Write([]byte{0xff, 0xff, 0xff, 0xff, byte(KindHello)})
	if _, _, err := b.Receive(); err == nil {
		t.Error("received")
	}
}

func TestStart(t *testing.T) {
	st := Start{InstanceID: "i-1", Token: "t", Dir: "/d", Orphan: time.Minute, VCPUCores: 0.25, Runtimes: map[string]string{"python3.13": "/p"}}
	var b bytes.Buffer
	if err := WriteStart(&b, st); err != nil {
		t.Fatal(err)
	}
	whole := b.String()
	got, err := ReadStart(&b)
	if err != nil || !reflect.DeepEqual(got, st) {
		t.Errorf("%v: %+v", err, got)
	}
	for _, cut := range []int{0, 1, len(whole) / 2} {
		if _, err := ReadStart(strings.NewReader(whole[:cut])); !errors.Is(err, ErrNoStart) {
			t.Errorf("cut at %d: %v", cut, err)
		}
	}
}

func TestSplitAddr(t *testing.T) {
	for addr, want := range map[string]string{
		"unix:///a/b":    "unix /a/b",
		"tcp://[::1]:80": "tcp [::1]:80",
		"http://x":       "",
		"unix://":        "",
		"/a":             "",
	} {
		network, where, err := SplitAddr(addr)
		if got := strings.TrimSpace(network + " " + where); got != want || (err == nil) != (want != "") {
			t.Errorf("%s: %q, %v", addr, got, err)
		}
	}
}

func TestInvokeFraming(t *testing.T) {
	var b bytes.Buffer
	w, r := bufio.NewWriter(&b), bufio.NewReader(&b)
	calls := []*Invoke{
		{EnvironmentID: "e", RequestID: "r", FunctionARN: "a", TraceID: "t", ClientContext: "{}", TenantID: "n", ContentType: "text/plain", Timeout: time.Second, Tail: true, Body: []byte("body")},
		{EnvironmentID: "e", Body: []byte{}},
	}
	for _, in := range calls {
		if err := WriteInvoke(w, in); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range calls {
		if got, err := ReadInvoke(r, 100); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%v: %+v, want %+v", err, got, want)
		}
	}
	if _, err := ReadInvoke(r, 100); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
	if err := WriteInvoke(w, calls[0]); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadInvoke(r, 3); err == nil {
		t.Error("a body over the limit was taken")
	}
	if err := WriteInvoke(w, &Invoke{ClientContext: strings.Repeat("x", maxField+1)}); err == nil {
		t.Error("a field over the limit was sent")
	}
}

func TestAnswerFraming(t *testing.T) {
	for _, c := range []struct {
		chunks  []string
		aborted bool
		cut     int // bytes missing at the end
		want    error
	}{
		{[]string{"one", "", "two"}, false, 0, nil},
		{nil, false, 0, nil},
		{[]string{"half"}, true, 0, ErrAborted},
		{[]string{"whole"}, false, 4, io.ErrUnexpectedEOF},
		{[]string{"whole"}, false, 6, io.ErrUnexpectedEOF},
	} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			var b bytes.Buffer
			w := bufio.NewWriter(&b)
			res := Result{Outcome: OutcomeFunctionError, ErrorType: "T", ContentType: "c", LogTail: "END\n", Process: 42}
			if err := WriteResult(w, res); err != nil {
				t.Fatal(err)
			}
			for _, p := range c.chunks {
				if err := WriteChunk(w, []byte(p)); err != nil {
					t.Fatal(err)
				}
			}
			if err := EndBody(w, c.aborted); err != nil {
				t.Fatal(err)
			}
			b.Truncate(b.Len() - c.cut)
			r := bufio.NewReader(&b)
			if got, err := ReadResult(r); err != nil || got != res {
				t.Fatalf("%v: %+v", err, got)
			}
			body, err := io.ReadAll(NewBody(r))
			if !errors.Is(err, c.want) || (err == nil && string(body) != strings.Join(c.chunks, "")) {
				t.Errorf("%q, %v", body, err)
			}
		})
	}
}

func FuzzReceive(f *testing.F) {
	f.Add([]byte{0, 0, 0, 1, 1, 0xa0})
	f.Add([]byte{0, 0, 0, 3, 3, 0xa1, 0x61, 0x61})
	f.Fuzz(func(t *testing.T, data []byte) {
		c := &Conn{r: bufio.NewReader(bytes.NewReader(data))}
		for {
			_, body, err := c.Receive()
			if err != nil {
				return
			}
			_, _ = Decode[Hello](body)
			_, _ = Decode[Assignments](body)
			_, _ = Decode[Report](body)
			_, _ = Decode[LogBatch](body)
		}
	})
}

func FuzzReadInvoke(f *testing.F) {
	var b bytes.Buffer
	w := bufio.NewWriter(&b)
	if err := WriteInvoke(w, &Invoke{EnvironmentID: "e", RequestID: "r", Body: []byte("x")}); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		in, err := ReadInvoke(bufio.NewReader(bytes.NewReader(data)), 1<<10)
		if err != nil {
			return
		}
		var again bytes.Buffer
		if err := WriteInvoke(bufio.NewWriter(&again), in); err != nil {
			t.Fatal(err)
		}
		if !bytes.HasPrefix(data, again.Bytes()) {
			t.Errorf("%x became %x", data, again.Bytes())
		}
	})
}

func FuzzReadAnswer(f *testing.F) {
	f.Add([]byte{1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 'x', 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		r := bufio.NewReader(bytes.NewReader(data))
		if _, err := ReadResult(r); err == nil {
			_, _ = io.Copy(io.Discard, NewBody(r))
		}
	})
}
