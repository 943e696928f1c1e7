package wire

import (
	"bufio"
	"bytes"
	"errors"
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
	roundTrip(t, KindReport, Report{Epoch: 1, Environments: []EnvironmentStatus{{ID: "x", StartedAt: at, ReadyAt: at}}, HostCPU: 0.5})
	roundTrip(t, KindLogs, LogBatch{EnvironmentID: "e", Events: []LogEvent{{1, "one"}, {2, "zwei\x00"}}})
	roundTrip(t, KindLogs, LogBatch{Events: []LogEvent{{1, "no UTF-8: \xff"}}}) // one function's bytes end nobody's session
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
