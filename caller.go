package lamina

import "context"

// Caller is who signed a request, as the front door's verifier found it.
type Caller struct {
	Scope              // account of the access key, region of the credential scope
	AccessKeyID string // as sent
	ARN         string // arn:aws:iam::…:root, …:user/…, or arn:aws:sts::…:assumed-role/…
	UserID      string // AIDA…, AROA…:session, or the account id for root
}

type callerKey struct{}
type requestIDKey struct{}

// WithCaller puts the verified caller into a request's context.
func WithCaller(ctx context.Context, c Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// CallerFrom is the verified caller of this request; the zero Caller where none was verified.
func CallerFrom(ctx context.Context) Caller {
	c, _ := ctx.Value(callerKey{}).(Caller)
	return c
}

// WithRequestID puts the x-amzn-RequestId of this request into its context.
func WithRequestID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, requestIDKey{}, id)
}

// RequestID is the id that the answer carries as x-amzn-RequestId.
func RequestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}
