// Package load is the benchmark's load generator: it sends one request over
// and over on kept-alive connections and takes the time of every answer.
package load

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lamina-dev/lamina/bench/rawhttp"
)

// Target is what is measured.
type Target struct {
	Addr    string        // host:port
	Request func() []byte // the whole request; asked for before each send
	Answer  []byte        // the body that a right answer has
}

// Counts is what became of requests. None is dropped.
type Counts struct {
	OK, Throttled, Failed int
}

// All is their sum.
func (c Counts) All() int { return c.OK + c.Throttled + c.Failed }

// Result is one measurement.
type Result struct {
	Counts                  // within the measured time
	Warm      Counts        // before it
	Elapsed   time.Duration // the measured time
	Latencies []time.Duration
	Late      []time.Duration // open loop: how late requests left
	Error     string          // the first failure, for people
}

// Throughput is right answers per second.
func (r Result) Throughput() float64 { return float64(r.OK) / r.Elapsed.Seconds() }

// patience bounds one answer; a stuck target is a failure and not a stuck benchmark (chosen).
const patience = 10 * time.Second

// Closed lets every connection send its next request as soon as it has the
// answer to the last one, first for warm, then for length, which is measured.
func Closed(ctx context.Context, t Target, connections int, warm, length time.Duration) Result {
	begin := time.Now().Add(warm)
	end := begin.Add(length)
	return gather(connections, length, func(res *Result) {
		c := conn{target: t}
		defer c.close()
		for ctx.Err() == nil {
			sent := time.Now()
			kind, err := c.exchange()
			now := time.Now()
			switch {
			case now.After(end):
				return
			case now.Before(begin):
				res.Warm.count(kind)
			default:
				res.note(kind, now.Sub(sent), err)
			}
		}
	})
}

// Open sends requests at a fixed rate over so many connections, whether the
// answers come or not, and times each from the moment it was due: a target that
// stalls is charged for all that waited meanwhile. It does so for warm, then for
// length, which is measured.
func Open(ctx context.Context, t Target, connections int, rate float64, warm, length time.Duration) Result {
	ctx, cancel := context.WithTimeout(ctx, 2*(warm+length)+patience)
	defer cancel()
	var unsent atomic.Int64
	start := time.Now().Add(10 * time.Millisecond)
	due := make(chan time.Duration, int(rate*(warm+length).Seconds())+1)
	go pace(ctx, start, rate, warm+length, due) // closes due, which all below wait for
	res := gather(connections, length, func(res *Result) {
		c := conn{target: t}
		defer c.close()
		for at := range due {
			if ctx.Err() != nil {
				unsent.Add(1)
				continue
			}
			late := time.Since(start) - at
			kind, err := c.exchange()
			if at < warm {
				res.Warm.count(kind)
				continue
			}
			res.Late = append(res.Late, late)
			res.note(kind, time.Since(start)-at, err)
		}
	})
	res.Failed += int(unsent.Load())
	return res
}

// pace says when requests are due.
func pace(ctx context.Context, start time.Time, rate float64, length time.Duration, due chan<- time.Duration) {
	defer close(due)
	defer precise()()
	for i := 0; ctx.Err() == nil; i++ {
		at := time.Duration(float64(i) / rate * float64(time.Second))
		if at >= length {
			return
		}
		if wait := time.Until(start.Add(at)); wait > 0 {
			sleep(wait)
		}
		due <- at
	}
}

// gather runs one goroutine per connection and puts their results together.
func gather(connections int, length time.Duration, work func(*Result)) Result {
	parts := make([]Result, connections)
	var all sync.WaitGroup
	for i := range parts {
		all.Go(func() {
			parts[i].Latencies = make([]time.Duration, 0, 1<<14)
			work(&parts[i])
		})
	}
	all.Wait()
	total := Result{Elapsed: length}
	for _, p := range parts {
		total.add(p.Counts)
		total.Warm.add(p.Warm)
		total.Latencies = append(total.Latencies, p.Latencies...)
		total.Late = append(total.Late, p.Late...)
		if total.Error == "" {
			total.Error = p.Error
		}
	}
	slices.Sort(total.Latencies)
	slices.Sort(total.Late)
	return total
}

// outcome is what became of one request.
type outcome int

const (
	ok outcome = iota
	throttled
	failed
)

func (c *Counts) count(o outcome) {
	switch o {
	case ok:
		c.OK++
	case throttled:
		c.Throttled++
	default:
		c.Failed++
	}
}

func (c *Counts) add(o Counts) {
	c.OK += o.OK
	c.Throttled += o.Throttled
	c.Failed += o.Failed
}

func (r *Result) note(o outcome, took time.Duration, err error) {
	r.count(o)
	if o == ok {
		r.Latencies = append(r.Latencies, took)
	}
	if err != nil && r.Error == "" {
		r.Error = err.Error()
	}
}

// conn is one kept-alive connection, dialled again after it broke.
type conn struct {
	target Target
	c      net.Conn
	r      *bufio.Reader
	in     rawhttp.Message
}

func (c *conn) exchange() (outcome, error) {
	if err := c.send(); err != nil {
		c.close()
		return failed, err
	}
	switch status := c.in.Status(); {
	case status == 429:
		return throttled, nil
	case status != 200 || !bytes.Equal(c.in.Body, c.target.Answer):
		return failed, fmt.Errorf("status %d with %d bytes: %.200s", status, len(c.in.Body), c.in.Body)
	}
	return ok, nil
}

func (c *conn) send() error {
	if c.c == nil {
		var err error
		if c.c, err = net.DialTimeout("tcp", c.target.Addr, patience); err != nil {
			time.Sleep(10 * time.Millisecond) // a target that is gone is not to be asked in a tight loop
			return err
		}
		c.r = bufio.NewReaderSize(c.c, 16<<10)
	}
	if err := c.c.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	if _, err := c.c.Write(c.target.Request()); err != nil {
		return err
	}
	return c.in.Read(c.r)
}

func (c *conn) close() {
	if c.c != nil {
		c.c.Close()
		c.c = nil
	}
}
