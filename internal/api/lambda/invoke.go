package lambda

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/lamina-dev/lamina"
	model "github.com/lamina-dev/lamina/internal/awsmodel/lambda"
)

// invoke serves Invoke. It reads nothing but this process's memory, so that it
// works while the store stands still.
func (s *Service) invoke(ctx context.Context, in *model.InvocationRequest) (*model.InvocationResponse, error) {
	t, route, err := s.invoked(ctx, in)
	if err != nil {
		return nil, err
	}
	if dryRun(in.InvocationType) {
		return &model.InvocationResponse{StatusCode: new(int32(http.StatusNoContent))}, nil
	}
	request, err := s.request(ctx, t, in, route)
	if err != nil {
		return nil, err
	}
	result, err := s.Invoker.Invoke(ctx, request)
	if err != nil {
		return nil, err
	}
	out := &model.InvocationResponse{
		StatusCode:      new(int32(http.StatusOK)),
		FunctionError:   given(functionError(result)),
		Payload:         result.Payload,
		ExecutedVersion: new(route.version.Qualifier),
	}
	if request.Tail {
		out.LogResult = new(base64.StdEncoding.EncodeToString([]byte(result.LogTail)))
	}
	return out, nil
}

// functionError is the header's value for an answer.
func functionError(a lamina.Answer) string {
	if a.FunctionError {
		return "Unhandled"
	}
	return ""
}

// invoked finds what an invocation is for and whether it may be asked for so.
func (s *Service) invoked(ctx context.Context, in *model.InvocationRequest) (target, route, error) {
	t, err := parseTarget(ctx, *in.FunctionName, in.Qualifier)
	if err != nil {
		return target{}, route{}, err
	}
	r, err := s.at(s.View).route(t, s.Random)
	if err != nil {
		return target{}, route{}, err
	}
	return t, r, checkInvocation(in, r, wantsTail(in))
}

func wantsTail(in *model.InvocationRequest) bool {
	return in.LogType != nil && *in.LogType == model.LogTypeTail
}

func dryRun(invocationType *string) bool {
	return invocationType != nil && *invocationType == model.InvocationTypeDryRun
}

// checkInvocation refuses what can't be asked of the target.
func checkInvocation(in *model.InvocationRequest, r route, tail bool) error {
	switch {
	case in.InvocationType != nil && *in.InvocationType == model.InvocationTypeEvent:
		return lamina.Errorf(lamina.CodeInvalidParameter, textAsync)
	case tail && r.version.Config.Managed():
		return lamina.Errorf(lamina.CodeInvalidParameter, textTailManaged)
	case in.TenantId != nil:
		return lamina.Errorf(lamina.CodeInvalidParameter, textTenant)
	case in.DurableExecutionName != nil:
		return lamina.Errorf(lamina.CodeInvalidParameter, textDurable)
	}
	return nil
}

// request is the invocation for the router, if the version can run now.
func (s *Service) request(ctx context.Context, t target, in *model.InvocationRequest, r route) (lamina.Invocation, error) {
	if r.standing.state != lamina.StateActive {
		return lamina.Invocation{}, lamina.Errorf(lamina.CodeResourceConflict, textWrongState, r.standing.state)
	}
	payload, err := payloadOf(in.Payload)
	if err != nil {
		return lamina.Invocation{}, err
	}
	client, err := clientContext(in.ClientContext)
	if err != nil {
		return lamina.Invocation{}, err
	}
	account, unreserved := s.shared(r.function)
	return lamina.Invocation{
		VersionKey:    r.version.Key(),
		FunctionKey:   r.function.Key(),
		FunctionARN:   t.arn(),
		RequestID:     lamina.RequestID(ctx),
		Timeout:       time.Duration(min(r.version.Config.TimeoutSec, maxSyncTimeout)) * time.Second,
		ColdStart:     r.version.Config.ColdStart(),
		Payload:       payload,
		ClientContext: client,
		TraceID:       traced(r.version.Config.Tracing, s.TraceID(ctx)),
		ContentType:   "application/json",
		Tail:          wantsTail(in),
		Reserved:      r.function.Reserved,
		Account:       account,
		Unreserved:    unreserved,
	}, nil
}

// payloadOf is the event as JSON; none is the empty object.
func payloadOf(body []byte) ([]byte, error) {
	if len(body) == 0 {
		return []byte("{}"), nil
	}
	if !utf8.Valid(body) {
		return nil, lamina.Errorf(lamina.CodeInvalidRequest, textBadPayload, fmt.Sprintf("Invalid UTF-8 start byte 0x%02x", firstInvalid(body)))
	}
	if json.Valid(body) {
		return body, nil
	}
	var ignored json.RawMessage
	err := json.Unmarshal(body, &ignored)
	return nil, lamina.Errorf(lamina.CodeInvalidRequest, textBadPayload, err)
}

// firstInvalid is the first byte that begins no UTF-8.
func firstInvalid(body []byte) byte {
	for i := 0; i < len(body); {
		r, n := utf8.DecodeRune(body[i:])
		if r == utf8.RuneError && n == 1 {
			return body[i]
		}
		i += n
	}
	return 0
}

// traced is the trace that the function sees. With active tracing its own segment
// becomes the parent (runtime-api.md 1.2).
func traced(mode, id string) string {
	if mode != model.TracingModeActive {
		return id
	}
	fields := map[string]string{"Sampled": "0"}
	for part := range strings.SplitSeq(id, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		fields[name] = value
	}
	if fields["Root"] == "" {
		return ""
	}
	own := fmt.Sprintf("Root=%s;Parent=%016x;Sampled=%s", fields["Root"], rand.Uint64(), fields["Sampled"])
	if lineage := fields["Lineage"]; lineage != "" {
		own += ";Lineage=" + lineage
	}
	return own
}

// clientContext is the decoded JSON.
func clientContext(encoded *string) (string, error) {
	if encoded == nil || *encoded == "" {
		return "", nil
	}
	if len(*encoded) > maxClientContext {
		return "", lamina.Errorf(lamina.CodeInvalidRequest, textLongContext, maxClientContext)
	}
	raw, err := base64.StdEncoding.DecodeString(*encoded)
	if err != nil || !json.Valid(raw) {
		return "", lamina.Errorf(lamina.CodeInvalidRequest, textBadContext)
	}
	return string(raw), nil
}
