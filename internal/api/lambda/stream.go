package lambda

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"time"

	"github.com/lamina-dev/lamina"
	model "github.com/lamina-dev/lamina/internal/awsmodel/lambda"
	"github.com/lamina-dev/lamina/internal/awsproto"
)

// streamGrace is how long past the function's timeout a client may take for what
// is still on its way, and how the invocation ended (chosen).
const streamGrace = 5 * time.Second

type answerStream = awsproto.Stream[model.InvokeWithResponseStreamResponse, model.InvokeWithResponseStreamResponseEvent]

// invokeStream serves InvokeWithResponseStream. A function that does not stream
// has its response sent in one piece.
func (s *Service) invokeStream(ctx context.Context, in *model.InvokeWithResponseStreamRequest, to *answerStream) error {
	plain := &model.InvocationRequest{
		FunctionName: in.FunctionName, Qualifier: in.Qualifier, InvocationType: in.InvocationType, LogType: in.LogType,
		ClientContext: in.ClientContext, TenantId: in.TenantId, Payload: in.Payload,
	}
	t, route, err := s.invoked(ctx, plain)
	if err != nil {
		return err
	}
	if dryRun(in.InvocationType) {
		return to.Begin(&model.InvokeWithResponseStreamResponse{StatusCode: new(int32(http.StatusNoContent))}, time.Time{})
	}
	request, err := s.request(ctx, t, plain, route)
	if err != nil {
		return err
	}
	sink := &streamSink{to: to, version: route.version.Qualifier, timeout: request.Timeout}
	request.Sink = sink
	result, err := s.Invoker.Invoke(ctx, request)
	if err != nil {
		return err
	}
	return sink.complete(result, request.Tail)
}

// streamSink sends a response as events.
type streamSink struct {
	to      *answerStream
	version string
	timeout time.Duration
}

// Begin implements lamina.Sink. The events have a content type of their own, and the
// function's is not told (observed in answers shown by users of AWS's SDKs).
func (s *streamSink) Begin(string) error {
	return s.to.Begin(&model.InvokeWithResponseStreamResponse{
		StatusCode: new(int32(http.StatusOK)), ExecutedVersion: &s.version,
	}, time.Now().Add(s.timeout+streamGrace))
}

// Write implements lamina.Sink.
func (s *streamSink) Write(p []byte) (int, error) {
	err := s.to.Send(&model.InvokeWithResponseStreamResponseEvent{PayloadChunk: &model.InvokeResponseStreamUpdate{Payload: p}})
	if err != nil {
		return 0, fmt.Errorf("sending a part of the response: %w", err)
	}
	return len(p), nil
}

// complete sends what is left to say. A client that is gone is nobody's to tell.
func (s *streamSink) complete(r lamina.Answer, tail bool) error {
	if !r.Streamed {
		if err := s.Begin(r.ContentType); err != nil {
			return nil
		}
	}
	end := new(model.InvokeWithResponseStreamCompleteEvent)
	if r.FunctionError {
		// ErrorCode is the error's type, as in Runtime.TruncatedResponse, which
		// AWS's callers see there; that it is so for every error is chosen.
		end.ErrorCode, end.ErrorDetails = new(r.ErrorType), new(string(r.Payload))
	} else if !r.Streamed && len(r.Payload) > 0 {
		if _, err := s.Write(r.Payload); err != nil {
			return nil
		}
	}
	if tail {
		end.LogResult = new(base64.StdEncoding.EncodeToString([]byte(r.LogTail)))
	}
	_ = s.to.Send(&model.InvokeWithResponseStreamResponseEvent{InvokeComplete: end})
	return nil
}
