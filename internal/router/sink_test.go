package router

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/lamina-dev/lamina"
	"github.com/lamina-dev/lamina/internal/wire"
)

// kept is a Sink that keeps what it gets and fails after so many writes.
type kept struct {
	bytes.Buffer
	contentType string
	writes      int // left; negative: any number
}

func (k *kept) Begin(contentType string) error {
	k.contentType = contentType
	if k.writes == 0 {
		return errors.New("the client is gone")
	}
	return nil
}

func (k *kept) Write(p []byte) (int, error) {
	if k.writes--; k.writes == -1 {
		return 0, errors.New("the client is gone")
	}
	return k.Buffer.Write(p)
}

// streamer is an agent that streams pieces and ends with a result; cut: it breaks off before.
func streamer(t *testing.T, end wire.Result, body string, cut bool, pieces ...string) string {
	t.Helper()
	return agentOf(t, func(w net.Conn, number uint32, in *wire.Invoke) error {
		if !in.Stream {
			t.Error("a stream that nobody asked for")
		}
		out := wire.NewBatch(w)
		err := out.AddAnswer(false, number, wire.Result{Outcome: wire.OutcomeStream, ContentType: "text/x"}, nil)
		for _, p := range pieces {
			err = errors.Join(err, out.AddPart(number, []byte(p)))
		}
		if cut {
			return errors.New("cut")
		}
		return errors.Join(err, out.AddPart(number, nil), out.AddAnswer(false, number, end, []byte(body)))
	})
}

func TestStreamReachesTheSink(t *testing.T) {
	large := strings.Repeat("x", 1<<20)
	for _, c := range []struct {
		name   string
		end    wire.Result
		body   string
		writes int
		want   string
	}{
		{"whole", wire.Result{Outcome: wire.OutcomeOK}, "", -1, "one" + large + "two"},
		{"failed", wire.Result{Outcome: wire.OutcomeFunctionError, ErrorType: "T", LogTail: "END\n"}, "{}", -1, "one" + large + "two"},
		{"failed with much to say", wire.Result{Outcome: wire.OutcomeFunctionError, ErrorType: "T"}, strings.Repeat("e", 100<<10), -1, "one" + large + "two"},
		{"client gone at once", wire.Result{Outcome: wire.OutcomeOK}, "", 0, ""},
		{"client gone later", wire.Result{Outcome: wire.OutcomeOK}, "", 1, "one"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRouter(t)
			r.Install("v", []lamina.Endpoint{{EnvironmentID: "e", Addr: streamer(t, c.end, c.body, false, "one", large, "two"), Slots: 1}})
			for range 2 { // the second goes over the same connection
				sink := &kept{writes: c.writes}
				res, err := r.Invoke(t.Context(), lamina.Invocation{VersionKey: "v", Timeout: time.Second, Sink: sink})
				if err != nil || !res.Streamed || res.FunctionError != (c.end.ErrorType != "") || res.ErrorType != c.end.ErrorType || string(res.Payload) != c.body || res.LogTail != c.end.LogTail {
					t.Errorf("%.300s, %v", fmt.Sprintf("%+v", res), err)
				}
				if sink.contentType != "text/x" || c.writes != 1 && sink.String() != c.want || c.writes == 1 && !strings.HasPrefix(sink.String(), c.want) {
					t.Errorf("%q: %d bytes of %d", sink.contentType, sink.Len(), len(c.want))
				}
			}
		})
	}
}

func TestBufferedAnswerLeavesTheSinkAlone(t *testing.T) {
	r := newRouter(t)
	r.Install("v", []lamina.Endpoint{{EnvironmentID: "e", Addr: agent(t, echo), Slots: 1}})
	sink := &kept{writes: -1}
	res, err := r.Invoke(t.Context(), lamina.Invocation{VersionKey: "v", Timeout: time.Second, Payload: []byte("{}"), Sink: sink})
	if err != nil || res.Streamed || string(res.Payload) != "{}" || sink.contentType != "" {
		t.Errorf("%+v, %v, %+v", res, err, sink)
	}
}

// slow is a client that takes nothing until it may.
type slow struct {
	kept
	reads chan struct{}
}

func (s *slow) Write(p []byte) (int, error) {
	<-s.reads
	return s.kept.Write(p)
}

// A client that does not read its stream keeps the environment from nobody once
// the function's time is over.
func TestSlowReaderGivesTheSlotBack(t *testing.T) {
	r := newRouter(t)
	r.Install("v", []lamina.Endpoint{{EnvironmentID: "e", Addr: streamer(t, wire.Result{}, "", false, "whole"), Slots: 1}})
	sink := &slow{kept{writes: -1}, make(chan struct{})}
	done := make(chan error, 1)
	go func() {
		_, err := r.Invoke(t.Context(), lamina.Invocation{VersionKey: "v", Timeout: 50 * time.Millisecond, Sink: sink})
		done <- err
	}()
	for seen := false; ; time.Sleep(time.Millisecond) {
		n := r.Load("v").InFlight
		if seen = seen || n == 1; seen && n == 0 {
			break
		}
	}
	close(sink.reads)
	if err := <-done; err != nil || sink.String() != "whole" {
		t.Errorf("%v, %q", err, sink.String())
	}
	if n := r.Load("v").InFlight; n != 0 {
		t.Errorf("%d in flight at the end", n)
	}
}

func TestAgentLostInTheMiddleOfAStream(t *testing.T) {
	r := newRouter(t)
	r.Install("v", []lamina.Endpoint{{EnvironmentID: "e", Addr: streamer(t, wire.Result{}, "", true, "half"), Slots: 1}})
	sink := &kept{writes: -1}
	_, err := r.Invoke(t.Context(), lamina.Invocation{VersionKey: "v", Timeout: time.Second, Sink: sink})
	if e, ok := errors.AsType[*lamina.Error](err); !ok || e.Code != lamina.CodeServiceException || sink.String() != "half" {
		t.Errorf("%v, %q", err, sink.String())
	}
}

// agentOf is an agent that answers with reply.
func agentOf(t *testing.T, reply func(net.Conn, uint32, *wire.Invoke) error) string {
	t.Helper()
	return listen(t, func(c net.Conn) {
		defer c.Close()
		for frames := wire.NewFrames(c, 4<<10, 8<<20); ; {
			number, in, err := next(frames)
			if err != nil || reply(c, number, in) != nil {
				return
			}
		}
	})
}
