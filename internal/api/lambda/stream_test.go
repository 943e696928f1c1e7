package lambda

import (
	"encoding/base64"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"

	"github.com/lamina-dev/lamina"
)

const streamPath = "/2021-11-15/functions/f/response-streaming-invocations"

// events are the events of an answer, each its type and payload.
func (a answer) events() (all []string) {
	a.t.Helper()
	dec, r := eventstream.NewDecoder(), strings.NewReader(a.raw)
	for {
		msg, err := dec.Decode(r, nil)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			a.t.Fatal(err)
		}
		kind := msg.Headers.Get(":event-type")
		if kind == nil {
			kind = msg.Headers.Get(":error-code")
		}
		all = append(all, kind.String()+" "+string(msg.Payload))
	}
}

func TestInvokeWithResponseStream(t *testing.T) {
	const details = `{"errorMessage":"m","errorType":"E"}`
	failed := lamina.Answer{FunctionError: true, ErrorType: "Runtime.Unknown", Payload: []byte(details)}
	streamed := func(r lamina.Answer) lamina.Answer { r.Streamed = true; return r }
	completeFailed := `InvokeComplete {"ErrorCode":"Runtime.Unknown","ErrorDetails":"{\"errorMessage\":\"m\",\"errorType\":\"E\"}"}`
	for _, c := range []struct {
		name   string
		pieces []string
		result lamina.Answer
		want   []string
	}{
		{"streamed", []string{"a", "b"}, streamed(lamina.Answer{}), []string{"PayloadChunk a", "PayloadChunk b", "InvokeComplete {}"}},
		{"streamed nothing", []string{}, streamed(lamina.Answer{}), []string{"InvokeComplete {}"}},
		{"failed in the middle", []string{"a"}, streamed(failed), []string{"PayloadChunk a", completeFailed}},
		{"failed at once", nil, failed, []string{completeFailed}},
		{"in one piece", nil, lamina.Answer{Payload: []byte(`"whole"`)}, []string{`PayloadChunk "whole"`, "InvokeComplete {}"}},
		{"empty", nil, lamina.Answer{}, []string{"InvokeComplete {}"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.call("POST", functionsPath, with(functionBody(t, "f"), object{"Timeout": 9})).ok(201)
			w.pieces, w.result = c.pieces, c.result
			a := w.call("POST", streamPath, `{"a":1}`)
			if a.status != 200 || a.header.Get("Content-Type") != "application/vnd.amazon.eventstream" || a.header.Get("X-Amz-Executed-Version") != "$LATEST" {
				t.Errorf("%d %v", a.status, a.header)
			}
			if got := a.events(); !slices.Equal(got, c.want) {
				t.Errorf("%q, want %q", got, c.want)
			}
			if r := w.invoked[0]; r.Sink == nil || r.Timeout.Seconds() != 9 || string(r.Payload) != `{"a":1}` || r.Tail {
				t.Errorf("%+v", r)
			}
		})
	}
}

func TestInvokeWithResponseStreamHeaders(t *testing.T) {
	w := newWorld(t)
	w.call("POST", functionsPath, functionBody(t, "f")).ok(201)
	w.pieces, w.result = []string{"a"}, lamina.Answer{Streamed: true, LogTail: "END\n"}
	context := base64.StdEncoding.EncodeToString([]byte(`{"client":{}}`))
	a := w.call("POST", streamPath, "", "X-Amz-Log-Type", "Tail", "X-Amz-Client-Context", context)
	if got := a.events(); !slices.Equal(got, []string{"PayloadChunk a", `InvokeComplete {"LogResult":"RU5ECg=="}`}) {
		t.Errorf("%q", got)
	}
	if r := w.invoked[0]; !r.Tail || string(r.ClientContext) != `{"client":{}}` || string(r.Payload) != "{}" {
		t.Errorf("%+v", r)
	}
	if a := w.call("POST", streamPath, `{}`, "X-Amz-Invocation-Type", "DryRun").ok(204); a.raw != "" || len(w.invoked) != 1 {
		t.Error(a.raw)
	}
	w.call("POST", streamPath, `{`).refused(400, "InvalidRequestContentException", "Could not parse request body into json: Could not parse payload into json: unexpected end of JSON input")
	w.fault = throttled()
	w.pieces = nil
	w.call("POST", streamPath, `{}`).refused(429, "TooManyRequestsException", "Rate Exceeded.")
	w.call("POST", strings.Replace(streamPath, "/f/", "/none/", 1), `{}`).refused(404, "ResourceNotFoundException", "Function not found: arn:aws:lambda:"+region+":"+account+":function:none")
	w.pieces = []string{"a"} // the environment is lost in the middle
	if got := w.call("POST", streamPath, `{}`).events(); !slices.Equal(got, []string{"PayloadChunk a", "TooManyRequestsException "}) {
		t.Errorf("%q", got)
	}
}
