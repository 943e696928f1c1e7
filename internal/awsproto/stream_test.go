package awsproto_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"
	sdklambda "github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/smithy-go"

	"github.com/lamina-dev/lamina"
	"github.com/lamina-dev/lamina/internal/awsmodel/lambda"
	"github.com/lamina-dev/lamina/internal/awsproto"
)

type lambdaStream = awsproto.Stream[lambda.InvokeWithResponseStreamResponse, lambda.InvokeWithResponseStreamResponseEvent]

const streamPath = "/2021-11-15/functions/f/response-streaming-invocations"

func chunk(p string) *lambda.InvokeWithResponseStreamResponseEvent {
	return &lambda.InvokeWithResponseStreamResponseEvent{PayloadChunk: &lambda.InvokeResponseStreamUpdate{Payload: []byte(p)}}
}

func complete(code, details *string) *lambda.InvokeWithResponseStreamResponseEvent {
	return &lambda.InvokeWithResponseStreamResponseEvent{InvokeComplete: &lambda.InvokeWithResponseStreamCompleteEvent{ErrorCode: code, ErrorDetails: details}}
}

// answers serves the operation with a handler that sends these events and then returns fault.
func answers(m *awsproto.Mux, fault error, events ...*lambda.InvokeWithResponseStreamResponseEvent) {
	awsproto.HandleStream(m, lambda.InvokeWithResponseStream, func(_ context.Context, _ *lambda.InvokeWithResponseStreamRequest, s *lambdaStream) error {
		head := &lambda.InvokeWithResponseStreamResponse{ExecutedVersion: new("7")}
		if err := s.Begin(head, time.Now().Add(time.Minute)); err != nil {
			return err
		}
		for _, e := range events {
			if err := s.Send(e); err != nil {
				return err
			}
		}
		return fault
	})
}

// The bytes were checked with the decoder of AWS's SDK, below.
func TestEventFrames(t *testing.T) {
	m := open()
	answers(m, lamina.Errorf(lamina.CodeServiceException, "lost"), chunk("ab"), chunk(""), complete(new("Runtime.Unknown"), new(`{"a":"ü"}`)), complete(nil, nil))
	status, header, body := send(m, post("lambda", streamPath, "{}"))
	if status != 200 || header.Get("Content-Type") != "application/vnd.amazon.eventstream" || header.Get("X-Amz-Executed-Version") != "7" {
		t.Errorf("%d %v", status, header)
	}
	for i, want := range golden {
		size := min(len(want)/2, len(body))
		if got := hex.EncodeToString([]byte(body[:size])); got != want {
			t.Errorf("frame %d:\n got %s\nwant %s", i, got, want)
		}
		body = body[size:]
	}
	if body != "" {
		t.Errorf("%d frames were wanted, %x follows", len(golden), body)
	}
}

func TestEventFramesAsAWSReadsThem(t *testing.T) {
	for i, g := range golden {
		raw, err := hex.DecodeString(g)
		if err != nil {
			t.Fatal(err)
		}
		msg, err := eventstream.NewDecoder().Decode(bytes.NewReader(raw), nil)
		if err != nil {
			t.Fatalf("frame %d: %v", i, err)
		}
		kind := msg.Headers.Get(":message-type").String()
		if want := []string{"event", "event", "event", "event", "error"}[i]; kind != want {
			t.Errorf("frame %d is an %s", i, kind)
		}
	}
}

func TestStreamReachesTheSDK(t *testing.T) {
	m := newMux(t)
	large := strings.Repeat("0123456789abcdef", 1<<18) // 4 MiB: one event
	answers(m, nil, chunk("first"), chunk(large), complete(nil, nil))
	out, err := sdklambda.NewFromConfig(serve(t, m)).InvokeWithResponseStream(t.Context(), &sdklambda.InvokeWithResponseStreamInput{FunctionName: aws.String("f")})
	if err != nil {
		t.Fatal(err)
	}
	defer out.GetStream().Close()
	var got []string
	for e := range out.GetStream().Events() {
		switch e := e.(type) {
		case *lambdatypes.InvokeWithResponseStreamResponseEventMemberPayloadChunk:
			got = append(got, string(e.Value.Payload))
		case *lambdatypes.InvokeWithResponseStreamResponseEventMemberInvokeComplete:
			got = append(got, "complete")
		}
	}
	if err := out.GetStream().Err(); err != nil || out.StatusCode != 200 || *out.ExecutedVersion != "7" {
		t.Errorf("%v: %+v", err, out)
	}
	same(t, got, []string{"first", large, "complete"})
}

func TestStreamErrors(t *testing.T) {
	call := func(t *testing.T, m *awsproto.Mux) error {
		out, err := sdklambda.NewFromConfig(serve(t, m)).InvokeWithResponseStream(t.Context(), &sdklambda.InvokeWithResponseStreamInput{FunctionName: aws.String("f")})
		if err != nil {
			return err
		}
		defer out.GetStream().Close()
		for range out.GetStream().Events() {
		}
		return out.GetStream().Err()
	}
	t.Run("before the first byte", func(t *testing.T) {
		m := newMux(t)
		awsproto.HandleStream(m, lambda.InvokeWithResponseStream, func(context.Context, *lambda.InvokeWithResponseStreamRequest, *lambdaStream) error {
			return &lamina.Error{Code: lamina.CodeTooManyRequests, Message: "Rate Exceeded.", Reason: "R"}
		})
		err := call(t, m)
		if e, ok := errors.AsType[*lambdatypes.TooManyRequestsException](err); !ok || e.Reason != "R" {
			t.Errorf("%v", err)
		}
	})
	t.Run("after it", func(t *testing.T) {
		m := newMux(t)
		answers(m, lamina.Errorf(lamina.CodeServiceException, "lost"), chunk("x"))
		err := call(t, m)
		if e, ok := errors.AsType[smithy.APIError](err); !ok || e.ErrorCode() != "ServiceException" || e.ErrorMessage() != "lost" {
			t.Errorf("%v", err)
		}
	})
	t.Run("an internal fault", func(t *testing.T) {
		m := newMux(t)
		answers(m, errors.New("secret"), chunk("x"))
		if err := call(t, m); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%v", err)
		}
	})
}

func TestStreamMisuse(t *testing.T) {
	m := open()
	awsproto.HandleStream(m, lambda.InvokeWithResponseStream, func(_ context.Context, _ *lambda.InvokeWithResponseStreamRequest, s *lambdaStream) error {
		if s.Send(chunk("x")) == nil {
			t.Error("an event before the head")
		}
		head := &lambda.InvokeWithResponseStreamResponse{StatusCode: new(int32(http.StatusNoContent))}
		if err := s.Begin(head, time.Time{}); err != nil {
			t.Error(err)
		}
		if s.Begin(head, time.Time{}) == nil {
			t.Error("two heads")
		}
		if s.Send(&lambda.InvokeWithResponseStreamResponseEvent{}) == nil {
			t.Error("an event of nothing")
		}
		return nil
	})
	if status, _, body := send(m, post("lambda", streamPath, "{}")); status != http.StatusNoContent || body != "" {
		t.Errorf("%d %q", status, body)
	}
}

// golden are the frames of TestEventFrames, made by a few lines of Python.
var golden = []string{
	"0000006c0000005ab25efdcf0d3a6d6573736167652d747970650700056576656e740b3a6576656e742d7479706507000c5061796c6f61644368756e6b0d3a636f6e74656e742d747970650700186170706c69636174696f6e2f6f637465742d73747265616d616277515a25",
	"0000006a0000005a3d1e086f0d3a6d6573736167652d747970650700056576656e740b3a6576656e742d7479706507000c5061796c6f61644368756e6b0d3a636f6e74656e742d747970650700186170706c69636174696f6e2f6f637465742d73747265616d509ee155",
	"000000a3000000543ea3afc20d3a6d6573736167652d747970650700056576656e740b3a6576656e742d7479706507000e496e766f6b65436f6d706c6574650d3a636f6e74656e742d747970650700106170706c69636174696f6e2f6a736f6e7b224572726f72436f6465223a2252756e74696d652e556e6b6e6f776e222c224572726f7244657461696c73223a227b5c22615c223a5c22c3bc5c227d227decd69479",
	"00000066000000541f56c8690d3a6d6573736167652d747970650700056576656e740b3a6576656e742d7479706507000e496e766f6b65436f6d706c6574650d3a636f6e74656e742d747970650700106170706c69636174696f6e2f6a736f6e7b7dface259a",
	"0000005b0000004bcbefb9ab0d3a6d6573736167652d747970650700056572726f720b3a6572726f722d636f646507001053657276696365457863657074696f6e0e3a6572726f722d6d6573736167650700046c6f7374f5b06067",
}
