package bare

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"

	"github.com/lamina-dev/lamina/bench/rawhttp"
)

// next is the following hop: it answers one event after the other.
type next interface {
	call(event []byte) ([]byte, error)
}

// serveClient is one connection of the load generator's.
func serveClient(c net.Conn, to next) {
	r := bufio.NewReaderSize(c, 16<<10)
	var m rawhttp.Message
	var out []byte
	for m.Read(r) == nil {
		answer, err := to.call(m.Body)
		if err != nil {
			out = append(out[:0], "HTTP/1.1 502 Bad Gateway\r\n"...)
			answer = []byte(err.Error())
		} else {
			out = append(out[:0], "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"...)
		}
		out = rawhttp.AppendBody(out, answer)
		if _, err := c.Write(out); err != nil {
			return
		}
	}
}

// A frame is a length of four bytes and so many bytes.

// serveFrames is one connection of the server's to the agent.
func serveFrames(c net.Conn, to next) {
	r := bufio.NewReaderSize(c, 16<<10)
	var in, out []byte
	for {
		var err error
		if in, err = readFrame(r, in); err != nil {
			return
		}
		answer, err := to.call(in)
		if err != nil {
			return
		}
		out = appendFrame(out[:0], answer)
		if _, err := c.Write(out); err != nil {
			return
		}
	}
}

// frames is the server's end of such a connection.
type frames struct {
	net.Conn
	r       *bufio.Reader
	in, out []byte
}

func dialFrames(addr string) (*frames, error) {
	c, err := net.Dial("unix", addr)
	if err != nil {
		return nil, err
	}
	return &frames{Conn: c, r: bufio.NewReaderSize(c, 16<<10)}, nil
}

// call sends an event; the answer is valid until the next call.
func (f *frames) call(event []byte) ([]byte, error) {
	f.out = appendFrame(f.out[:0], event)
	if _, err := f.Write(f.out); err != nil {
		return nil, err
	}
	var err error
	f.in, err = readFrame(f.r, f.in)
	return f.in, err
}

// spread sends each event to an agent by chance, as Lamina's router does.
type spread []*frames

func (s spread) call(event []byte) ([]byte, error) {
	return s[rand.IntN(len(s))].call(event)
}

func (s spread) close() {
	for _, f := range s {
		f.Close()
	}
}

func appendFrame(out, body []byte) []byte {
	return append(binary.BigEndian.AppendUint32(out, uint32(len(body))), body...)
}

const maxFrame = 64 << 20

func readFrame(r *bufio.Reader, into []byte) ([]byte, error) {
	head, err := r.Peek(4)
	if err != nil {
		return into, err
	}
	size := int(binary.BigEndian.Uint32(head))
	if _, err := r.Discard(4); err != nil {
		return into, err
	}
	if size > maxFrame {
		return into, fmt.Errorf("frame of %d bytes", size)
	}
	if size > cap(into) {
		into = make([]byte, size)
	}
	_, err = io.ReadFull(r, into[:size])
	return into[:size], err
}
