package e2e

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/lamina-dev/lamina/examples/setup"
)

// streamerCode is the code package of the streaming Go handler, built once.
var streamerCode = handlerCode("test/e2e/streamer")

// streamer publishes the streaming Go handler with so many slots per environment.
func (p place) streamer(t *testing.T, name string, slots int32) {
	t.Helper()
	code, err := streamerCode()
	if err != nil {
		t.Fatal(err)
	}
	p.publish(t, setup.Function{Name: name, Role: p.execution, Provider: p.provider, Runtime: types.RuntimeProvidedal2023,
		Handler: "bootstrap", Zip: code, MaxConcurrency: slots})
}

// gate holds handlers until it is opened.
type gate struct {
	*httptest.Server
	open func()
}

func newGate(t *testing.T) gate {
	opened := make(chan struct{})
	g := gate{open: sync.OnceFunc(func() { close(opened) })}
	g.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-opened:
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(func() { g.open(); g.Close() })
	return g
}

// streaming is an answer that is being read.
type streaming struct {
	*lambda.InvokeWithResponseStreamOutput
	t    *testing.T
	read int64 // bytes that came so far, all of them as they should be
}

func (p place) stream(t *testing.T, function, event string) *streaming {
	t.Helper()
	out, err := p.Lambda.InvokeWithResponseStream(t.Context(), &lambda.InvokeWithResponseStreamInput{FunctionName: &function, Payload: []byte(event)})
	if err != nil {
		t.Fatalf("streaming %s: %v", event, err)
	}
	t.Cleanup(func() { out.GetStream().Close() })
	return &streaming{out, t, 0}
}

// next gives the next event; a chunk's numbers go on where the last one's ended.
func (s *streaming) next() types.InvokeWithResponseStreamResponseEvent {
	s.t.Helper()
	e, more := <-s.GetStream().Events()
	if !more {
		s.t.Fatalf("the stream ended after %d bytes without completion: %v", s.read, s.GetStream().Err())
	}
	return e
}

// numbers reads chunks until so many bytes have come.
func (s *streaming) numbers(size int64) {
	s.t.Helper()
	for s.read < size {
		chunk, ok := s.next().(*types.InvokeWithResponseStreamResponseEventMemberPayloadChunk)
		if !ok {
			s.t.Fatalf("after %d of %d bytes the stream completed", s.read, size)
		}
		s.check(chunk.Value.Payload)
	}
}

func (s *streaming) check(p []byte) {
	s.t.Helper()
	var want [8]byte
	for i := range p {
		at := s.read + int64(i)
		if i == 0 || at%8 == 0 {
			binary.BigEndian.PutUint64(want[:], uint64(at/8))
		}
		if p[i] != want[at%8] {
			s.t.Fatalf("byte %d of the response is %d, want %d", at, p[i], want[at%8])
		}
	}
	s.read += int64(len(p))
}

// complete reads the rest up to the last event.
func (s *streaming) complete() types.InvokeWithResponseStreamCompleteEvent {
	s.t.Helper()
	for {
		switch e := s.next().(type) {
		case *types.InvokeWithResponseStreamResponseEventMemberPayloadChunk:
			s.check(e.Value.Payload)
		case *types.InvokeWithResponseStreamResponseEventMemberInvokeComplete:
			if after, more := <-s.GetStream().Events(); more || s.GetStream().Err() != nil {
				s.t.Errorf("after completion came %v, %v", after, s.GetStream().Err())
			}
			return e.Value
		}
	}
}

// failed reads the rest and checks how the invocation failed.
func (s *streaming) failed(code, text string) {
	s.t.Helper()
	end := s.complete()
	var details struct{ ErrorMessage, ErrorType string }
	if err := json.Unmarshal([]byte(aws.ToString(end.ErrorDetails)), &details); err != nil {
		s.t.Errorf("details %q: %v", aws.ToString(end.ErrorDetails), err)
	}
	if aws.ToString(end.ErrorCode) != code || !strings.Contains(details.ErrorMessage, text) {
		s.t.Errorf("completed with %q %+v, want %s and %q in the message", aws.ToString(end.ErrorCode), details, code, text)
	}
}

func TestResponseStream(t *testing.T) {
	s := up(t, "--network", "host")
	p := makePlace(t, s)
	p.streamer(t, "flow", 16)
	t.Run("a chunk arrives while the handler waits", func(t *testing.T) { chunksArriveEarly(t, p) })
	t.Run("order, content and flat memory", func(t *testing.T) { flatMemory(t, s, p) })
	t.Run("function URL's head", func(t *testing.T) { urlHead(t, p) })
	t.Run("all slots stream at once", func(t *testing.T) { allSlotsStream(t, p) })
	t.Run("timeout", func(t *testing.T) { streamTimeouts(t, p) })
	t.Run("boto3", func(t *testing.T) { streamByBoto(t, s) })
	// The rest ends environments: aws-lambda-go dies of an answer that is refused as too large.
	t.Run("errors", func(t *testing.T) { streamErrors(t, p) })
	t.Run("buffered", func(t *testing.T) { bufferedBothWays(t, p) })
	t.Run("the runtime ends", func(t *testing.T) {
		p.stream(t, "flow", `{"size":800000,"exit":400000}`).failed("Runtime.ExitError", "exit status 3")
	})
}

func chunksArriveEarly(t *testing.T, p place) {
	g := newGate(t)
	a := p.stream(t, "flow", `{"size":1600,"wait":800,"gate":"`+g.URL+`"}`)
	if a.StatusCode != 200 || aws.ToString(a.ExecutedVersion) != setup.Latest || aws.ToString(a.ResponseStreamContentType) != "application/vnd.amazon.eventstream" {
		t.Errorf("head: %d %q %q", a.StatusCode, aws.ToString(a.ExecutedVersion), aws.ToString(a.ResponseStreamContentType))
	}
	a.numbers(800)
	g.open()
	if end := a.complete(); end.ErrorCode != nil || end.LogResult != nil || a.read != 1600 {
		t.Errorf("after %d bytes: %+v", a.read, end)
	}
}

// flatMemory streams far more than the processes may grow by.
func flatMemory(t *testing.T, s *server, p place) {
	needProcFS(t)
	const size, most = 128 << 20, 48 << 20
	p.stream(t, "flow", `{"size":8000000}`).complete() // all that is made once is there now
	pids := append(s.agents(), s.cmd.Process.Pid)
	before, peak := resident(t, pids), map[int]int64{}
	a := p.stream(t, "flow", fmt.Sprintf(`{"size":%d}`, size))
	for at := int64(0); at < size; at += 4 << 20 {
		a.numbers(at)
		for pid, now := range resident(t, pids) {
			peak[pid] = max(peak[pid], now-before[pid])
		}
	}
	if a.complete(); a.read != size {
		t.Errorf("%d of %d bytes came", a.read, size)
	}
	for pid, grown := range peak {
		if grown > most {
			t.Errorf("process %d grew by %d MiB over a stream of %d MiB", pid, grown>>20, size>>20)
		}
	}
	t.Logf("growth per process, server last %v: %v", pids, peak)
}

// resident is the memory in use of processes, in bytes.
func resident(t *testing.T, pids []int) map[int]int64 {
	t.Helper()
	all := map[int]int64{}
	for _, pid := range pids {
		raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
		if err != nil {
			t.Fatal(err)
		}
		pages, err := strconv.ParseInt(strings.Fields(string(raw))[1], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		all[pid] = pages * int64(os.Getpagesize())
	}
	return all
}

func streamErrors(t *testing.T, p place) {
	p.stream(t, "flow", `{"size":800000,"fail":400000}`).failed("Runtime.Unknown", "broken at 400000")
	p.stream(t, "flow", `{"size":[]}`).failed("Runtime.Unknown", "cannot unmarshal")
	_, err := p.Lambda.InvokeWithResponseStream(t.Context(), &lambda.InvokeWithResponseStreamInput{FunctionName: aws.String("none")})
	if code(err) != "ResourceNotFoundException" {
		t.Errorf("unknown function: %v", err)
	}
	_, err = p.Lambda.InvokeWithResponseStream(t.Context(), &lambda.InvokeWithResponseStreamInput{FunctionName: aws.String("flow"), LogType: types.LogTypeTail})
	if code(err) != "InvalidParameterValueException" {
		t.Errorf("tail on managed instances: %v", err)
	}
	_, err = p.Lambda.InvokeWithResponseStream(t.Context(), &lambda.InvokeWithResponseStreamInput{FunctionName: aws.String("flow"), Payload: []byte("{")})
	if code(err) != "InvalidRequestContentException" {
		t.Errorf("an event that is no JSON: %v", err)
	}
	a := p.stream(t, "flow", fmt.Sprintf(`{"size":%d}`, 200<<20+8))
	a.failed("Function.ResponseSizeTooLarge", "exceeded maximum allowed payload size (209715200 bytes)")
	if a.read < 199<<20 || a.read > 200<<20 {
		t.Errorf("%d bytes came before the limit", a.read)
	}
}

func bufferedBothWays(t *testing.T, p place) {
	got, err := invoke(t.Context(), p.Clients, "flow", []byte(`{"size":4000000}`))
	if err != nil || len(got) != 4000000 {
		t.Errorf("the streamed response, collected: %d bytes, %v", len(got), err)
	}
	_, err = invoke(t.Context(), p.Clients, "flow", []byte(`{"size":8000000}`))
	if err == nil || !strings.Contains(err.Error(), "Function.ResponseSizeTooLarge") {
		t.Errorf("8 MB, collected: %v", err)
	}
	a := p.stream(t, "flow", `{"answer":"whole"}`)
	first := a.next()
	// aws-lambda-go ends after the refusal above, and may take this call with it.
	if end, ok := first.(*types.InvokeWithResponseStreamResponseEventMemberInvokeComplete); ok && aws.ToString(end.Value.ErrorCode) == "Runtime.ExitError" {
		a = p.stream(t, "flow", `{"answer":"whole"}`)
		first = a.next()
	}
	if chunk, ok := first.(*types.InvokeWithResponseStreamResponseEventMemberPayloadChunk); !ok || string(chunk.Value.Payload) != `"whole"` {
		t.Errorf("a response that is no stream came as %+v", first)
	}
	if end := a.complete(); end.ErrorCode != nil {
		t.Errorf("%+v", end)
	}
}

// urlHead sees that the head of a function URL's response comes through as it was written.
func urlHead(t *testing.T, p place) {
	a := p.stream(t, "flow", `{"url":true,"size":16}`)
	var got bytes.Buffer
	for {
		chunk, ok := a.next().(*types.InvokeWithResponseStreamResponseEventMemberPayloadChunk)
		if !ok {
			break
		}
		got.Write(chunk.Value.Payload)
	}
	head, body, ok := bytes.Cut(got.Bytes(), make([]byte, 8))
	if !ok || !json.Valid(head) || !bytes.Contains(head, []byte(`"statusCode":201`)) || len(body) != 16 {
		t.Errorf("%q", got.Bytes())
	}
}

// allSlotsStream holds every slot with a stream; clients that leave give them back.
func allSlotsStream(t *testing.T, p place) {
	const slots = 3 * 16
	g := newGate(t)
	event := `{"size":1600,"wait":800,"gate":"` + g.URL + `"}`
	var open []*streaming
	for range slots {
		a := p.stream(t, "flow", event)
		a.numbers(800)
		open = append(open, a)
	}
	_, err := p.Lambda.InvokeWithResponseStream(t.Context(), &lambda.InvokeWithResponseStreamInput{FunctionName: aws.String("flow"), Payload: []byte(event)})
	if tooMany, ok := errors.AsType[*types.TooManyRequestsException](err); !ok {
		t.Errorf("one stream more than slots: %v, %v", tooMany, err)
	}
	for _, a := range open[:slots/2] {
		a.GetStream().Close()
	}
	g.open()
	for _, a := range open[slots/2:] {
		if end := a.complete(); end.ErrorCode != nil || a.read != 1600 {
			t.Errorf("after %d bytes: %+v", a.read, end)
		}
	}
	until(t, 10*time.Second, "all slots are free again", func() bool {
		var group sync.WaitGroup
		var failed sync.Map
		for i := range slots {
			group.Go(func() {
				if _, err := invoke(t.Context(), p.Clients, "flow", []byte(`{"size":8}`)); err != nil {
					failed.Store(i, err)
				}
			})
		}
		group.Wait()
		for range failed.Range {
			return false
		}
		return true
	})
}

// streamTimeouts sees the timeout in a stream, and that clients who do not read
// hold their slots no longer than that.
func streamTimeouts(t *testing.T, p place) {
	code, err := streamerCode()
	if err != nil {
		t.Fatal(err)
	}
	in := setup.Function{Name: "brief", Role: p.execution, Provider: p.provider, Runtime: types.RuntimeProvidedal2023, Handler: "bootstrap", Zip: code, MaxConcurrency: 4}.Input()
	in.Timeout = aws.Int32(2)
	if _, err := p.Lambda.CreateFunction(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	if err := p.WaitActive(t.Context(), "brief", activeLimit); err != nil {
		t.Fatal(err)
	}
	g := newGate(t)
	a := p.stream(t, "brief", `{"size":1600,"wait":800,"gate":"`+g.URL+`"}`)
	a.failed("Sandbox.Timedout", "Task timed out after 2.00 seconds")
	if a.read != 800 {
		t.Errorf("%d bytes came before the timeout", a.read)
	}
	g.open()
	const slots = 3 * 4
	for range slots - 1 {
		p.stream(t, "brief", `{"size":100000000}`) // nobody reads these
	}
	if got, err := invoke(t.Context(), p.Clients, "brief", []byte(`{"size":800}`)); err != nil || len(got) != 800 {
		t.Errorf("beside clients who do not read: %d bytes, %v", len(got), err)
	}
	p.stream(t, "brief", `{"size":100000000}`)
	until(t, 20*time.Second, "the slots are free again", func() bool {
		got, err := invoke(t.Context(), p.Clients, "brief", []byte(`{"size":800}`))
		return err == nil && len(got) == 800
	})
}

func streamByBoto(t *testing.T, s *server) {
	if exec.Command("python3", "-c", "import boto3").Run() != nil {
		t.Skip("no boto3 on this machine")
	}
	out := script(t, s, "stream.py", "python3")
	if !strings.Contains(out, "streams by boto3") {
		t.Error(out)
	}
}

const nodeStreamer = `
export const handler = awslambda.streamifyResponse(async (event, stream) => {
  stream.setContentType("text/plain");
  for (let at = 0; at < event.size; at += 80000) {
    if (event.fail && at >= event.fail) throw new TypeError("broken at " + at);
    if (event.wait && at >= event.wait) await fetch(event.gate);
    const piece = Buffer.alloc(Math.min(80000, event.size - at));
    for (let i = 0; i < piece.length; i += 8) piece.writeBigUInt64BE(BigInt((at + i) / 8), i);
    if (!stream.write(piece)) await new Promise((go) => stream.once("drain", go));
  }
  stream.end();
});
`

func streamsFromNode(t *testing.T, p place, runtime types.Runtime) {
	p.publish(t, p.nodeFunction(t, runtime, "river", nodeStreamer))
	g := newGate(t)
	a := p.stream(t, "river", `{"size":160000,"wait":80000,"gate":"`+g.URL+`"}`)
	a.numbers(80000)
	g.open()
	if end := a.complete(); end.ErrorCode != nil || a.read != 160000 {
		t.Errorf("after %d bytes: %+v", a.read, end)
	}
	a = p.stream(t, "river", `{"size":16000000}`)
	if end := a.complete(); end.ErrorCode != nil || a.read != 16000000 {
		t.Errorf("after %d bytes: %+v", a.read, end)
	}
	p.stream(t, "river", `{"size":800000,"fail":400000}`).failed("Runtime.Unknown", "broken at 400000")
	if got, err := invoke(t.Context(), p.Clients, "river", []byte(`{"size":4000000}`)); err != nil || len(got) != 4000000 {
		t.Errorf("the streamed response, collected: %d bytes, %v", len(got), err)
	}
}

// TestOrdinaryFunctionStreams sees the cold start, the tail of the log and the timeout.
func TestOrdinaryFunctionStreams(t *testing.T) {
	p := makeGround(t, up(t))
	code, err := streamerCode()
	if err != nil {
		t.Fatal(err)
	}
	p.ordinary(t, "single", "", func(in *lambda.CreateFunctionInput) {
		in.Runtime, in.Handler, in.Code = types.RuntimeProvidedal2023, aws.String("bootstrap"), &types.FunctionCode{ZipFile: code}
	})
	tail := func(event string) *streaming {
		out, err := p.Lambda.InvokeWithResponseStream(t.Context(), &lambda.InvokeWithResponseStreamInput{
			FunctionName: aws.String("single"), LogType: types.LogTypeTail, Payload: []byte(event)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { out.GetStream().Close() })
		return &streaming{out, t, 0}
	}
	a := tail(`{"size":8000000}`)
	end := a.complete()
	log, err := base64.StdEncoding.DecodeString(aws.ToString(end.LogResult))
	if err != nil || a.read != 8000000 || end.ErrorCode != nil || !bytes.Contains(log, []byte("REPORT RequestId: ")) {
		t.Errorf("%d bytes, %+v, %v: %s", a.read, end, err, log)
	}
	tail(`{"size":1600,"wait":800}`).failed("Sandbox.Timedout", "Error: Task timed out after 2.00 seconds")
	if end := tail(`{"size":8}`).complete(); end.ErrorCode != nil {
		t.Errorf("after a timeout: %+v", end)
	}
}
