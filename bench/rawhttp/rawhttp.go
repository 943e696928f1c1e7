// Package rawhttp is as much HTTP/1.1 as the benchmark's own processes need:
// messages over kept-alive connections, read into buffers that are used again.
//
// It is there so that the load generator, the lean runtime and the bare path
// cost as little as can be; it is no server for strangers.
package rawhttp

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// Message is one request or response. Its contents are valid until the next Read.
type Message struct {
	head []byte // every line of it, without the empty one
	Body []byte
}

// maxBody bounds a message's body; the benchmark's own are far smaller.
const maxBody = 64 << 20

var (
	errHead  = errors.New("malformed HTTP message")
	errLarge = errors.New("HTTP body over the limit")
)

// Read takes the next message. At the end of the connection the error is io.EOF.
func (m *Message) Read(r *bufio.Reader) error {
	if err := m.readHead(r); err != nil {
		return err
	}
	m.Body = m.Body[:0]
	if bytes.EqualFold(m.Header("Transfer-Encoding"), []byte("chunked")) {
		return m.readChunks(r)
	}
	size := 0
	if v := m.Header("Content-Length"); v != nil {
		n, err := strconv.Atoi(string(v))
		if err != nil || n < 0 {
			return fmt.Errorf("%w: length %q", errHead, v)
		}
		size = n
	}
	return m.readBody(r, size)
}

func (m *Message) readHead(r *bufio.Reader) error {
	m.head = m.head[:0]
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			if len(m.head) == 0 && len(line) == 0 && errors.Is(err, io.EOF) {
				return io.EOF
			}
			return fmt.Errorf("read an HTTP head: %w", err)
		}
		if len(line) <= 2 {
			if len(m.head) == 0 {
				return errHead
			}
			return nil
		}
		m.head = append(m.head, line...)
	}
}

func (m *Message) readBody(r *bufio.Reader, size int) error {
	if size < 0 || size > maxBody-len(m.Body) {
		return errLarge
	}
	at := len(m.Body)
	if need := at + size; need > cap(m.Body) {
		m.Body = append(make([]byte, 0, need), m.Body...)
	}
	m.Body = m.Body[:at+size]
	if _, err := io.ReadFull(r, m.Body[at:]); err != nil {
		return fmt.Errorf("read an HTTP body: %w", err)
	}
	return nil
}

func (m *Message) readChunks(r *bufio.Reader) error {
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return fmt.Errorf("read an HTTP chunk: %w", err)
		}
		size, err := strconv.ParseUint(string(bytes.TrimSpace(line)), 16, 31)
		if err != nil {
			return fmt.Errorf("%w: chunk %q", errHead, line)
		}
		if err := m.readBody(r, int(size)); err != nil {
			return err
		}
		if line, err = r.ReadSlice('\n'); err != nil || len(line) > 2 { // trailers are not known here
			return fmt.Errorf("%w: chunk end %q", errHead, line)
		}
		if size == 0 {
			return nil
		}
	}
}

// Header is the value of the first header of that name; nil when there is none.
func (m *Message) Header(name string) []byte {
	rest := m.head
	for {
		end := bytes.IndexByte(rest, '\n')
		if end < 0 {
			return nil
		}
		line := rest[:end]
		if len(line) > len(name) && line[len(name)] == ':' && bytes.EqualFold(line[:len(name)], []byte(name)) {
			return bytes.TrimSpace(line[len(name)+1:])
		}
		rest = rest[end+1:]
	}
}

// Status is the status of a response; 0 when it is none.
func (m *Message) Status() int {
	if len(m.head) < len("HTTP/1.1 200") || string(m.head[:5]) != "HTTP/" {
		return 0
	}
	status, err := strconv.Atoi(string(m.head[9:12]))
	if err != nil {
		return 0
	}
	return status
}

// Path is the path of a request with its query; nil when it is none.
func (m *Message) Path() []byte {
	_, rest, ok := bytes.Cut(m.head, []byte(" "))
	if !ok {
		return nil
	}
	path, _, _ := bytes.Cut(rest, []byte(" "))
	return path
}

// Get tells a GET from other requests.
func (m *Message) Get() bool { return bytes.HasPrefix(m.head, []byte("GET ")) }

// AppendBody appends the length, the end of the head and the body to a head whose lines are complete.
func AppendBody(head, body []byte) []byte {
	head = append(head, "Content-Length: "...)
	head = strconv.AppendInt(head, int64(len(body)), 10)
	head = append(head, "\r\n\r\n"...)
	return append(head, body...)
}
