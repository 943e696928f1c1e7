// Package sdktest lets AWS's SDK for Go talk to servers that answer at once.
package sdktest

import (
	"bytes"
	"io"
	"net/http"
	"testing"
)

// Client is for the SDK in one test; its idle connections are closed with it.
func Client(t testing.TB) *http.Client {
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: OwnBody{transport}}
}

// OwnBody sends each request with a body of its own. The SDK (smithy-go 1.28.9)
// closes the one it gave when the answer's head is there; a transport that just
// then looks for the body's end takes that for a failed write and hangs up, in
// the middle of the answer. So it goes with servers that answer at once.
type OwnBody struct{ http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (o OwnBody) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil && r.Body != http.NoBody {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		r = r.Clone(r.Context())
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	return o.RoundTripper.RoundTrip(r)
}
