package sigv4_test

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"net/url"
)

// readRequest reads a request as a server does.
func readRequest(r io.Reader) (*http.Request, error) { return http.ReadRequest(bufio.NewReader(r)) }

func parseQuery(raw string) (url.Values, error) { return url.ParseQuery(raw) }

// readable tells whether a request survives the wire at all.
func readable(r *http.Request) error {
	var buf bytes.Buffer
	if err := r.Write(&buf); err != nil {
		return err
	}
	_, err := readRequest(&buf)
	return err
}
