// Package lean is a runtime client for functions in Go that does nothing but
// what the Runtime API demands: each worker polls, calls, answers, over one
// kept-alive connection of its own.
package lean

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"

	"github.com/lamina-dev/lamina/bench/rawhttp"
)

// Handler answers an event. What it gives back is sent before the next event
// is asked for, so it may be the event itself.
type Handler func(event []byte) []byte

const base = "/2018-06-01/runtime/invocation/"

// Run works with so many workers until ctx ends or the Runtime API at addr goes away.
func Run(ctx context.Context, addr string, workers int, h Handler) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var all sync.WaitGroup
	for range workers {
		all.Go(func() { cancel(work(ctx, addr, h)) })
	}
	all.Wait()
	return context.Cause(ctx)
}

var errRefused = errors.New("the Runtime API refused")

// work is one worker's life.
func work(ctx context.Context, addr string, h Handler) error {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return fmt.Errorf("reach the Runtime API: %w", err)
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.Close() })()
	var (
		r    = bufio.NewReaderSize(c, 16<<10)
		host = "HTTP/1.1\r\nHost: " + addr + "\r\n"
		poll = []byte("GET " + base + "next " + host + "\r\n")
		out  []byte
		m    rawhttp.Message
	)
	for {
		if err := exchange(c, r, poll, &m, 200); err != nil {
			return fmt.Errorf("poll: %w", err)
		}
		out = append(append(append(out[:0], "POST "+base...), m.Header("Lambda-Runtime-Aws-Request-Id")...), "/response "...)
		out = append(append(out, host...), "Content-Type: application/json\r\n"...)
		out = rawhttp.AppendBody(out, h(m.Body))
		if err := exchange(c, r, out, &m, 202); err != nil {
			return fmt.Errorf("answer: %w", err)
		}
	}
}

func exchange(c net.Conn, r *bufio.Reader, out []byte, in *rawhttp.Message, want int) error {
	if _, err := c.Write(out); err != nil {
		return err
	}
	if err := in.Read(r); err != nil {
		return err
	}
	if got := in.Status(); got != want {
		return fmt.Errorf("%w: status %d: %s", errRefused, got, in.Body)
	}
	return nil
}
