package awsproto

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"net/http"
)

// Call is what a request asks for, as far as it is known: a form's operation
// only after the request was authenticated.
type Call struct {
	Service   string // as in the credential scope; "" if nobody knows
	Operation string
	RequestID string
	Header    http.Header // of the answer; a handler may add to it
}

type callKey struct{}

func withCall(ctx context.Context, c *Call) context.Context {
	return context.WithValue(ctx, callKey{}, c)
}

// CallFrom gives the call a context belongs to; nil outside of requests.
func CallFrom(ctx context.Context) *Call {
	c, _ := ctx.Value(callKey{}).(*Call)
	return c
}

// newRequestID makes a random UUID.
func newRequestID() string {
	var u [16]byte
	rand.Read(u[:])
	u[6] = u[6]&0x0f | 0x40
	u[8] = u[8]&0x3f | 0x80
	var b [36]byte
	hex.Encode(b[0:], u[0:4])
	hex.Encode(b[9:], u[4:6])
	hex.Encode(b[14:], u[6:8])
	hex.Encode(b[19:], u[8:10])
	hex.Encode(b[24:], u[10:16])
	b[8], b[13], b[18], b[23] = '-', '-', '-', '-'
	return string(b[:])
}
