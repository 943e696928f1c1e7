package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/lamina-dev/lamina/examples/setup"
)

const (
	callers  = 48 // as many as the first three environments have slots
	tick     = 500 * time.Millisecond
	pause    = 50 * time.Millisecond // of a caller that was not answered
	patience = 10 * time.Second      // a call that takes longer hangs
)

// load counts what became of calls since it was last shown.
type load struct {
	mu                        sync.Mutex
	answered, refused, failed int
	slowest                   time.Duration
	environments              map[string]bool
}

// keepBusy has callers invoke the function one call after the other, and shows
// every half second what became of them.
func keepBusy(ctx context.Context, c *setup.Clients, length time.Duration) error {
	fmt.Printf("%d callers for %s. Meanwhile, elsewhere: kill -9 the process of an instance (pgrep -a lamina)\n\n", callers, length)
	fmt.Println("  time  answered  refused  lost  slowest  environments that answered")
	ctx, cancel := context.WithTimeout(ctx, length)
	defer cancel()
	l := &load{environments: map[string]bool{}}
	var group sync.WaitGroup
	for range callers {
		group.Go(func() {
			for ctx.Err() == nil {
				if !l.call(context.WithoutCancel(ctx), c) {
					time.Sleep(pause)
				}
			}
		})
	}
	start, ticker := time.Now(), time.NewTicker(tick)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			l.show(time.Since(start))
		case <-ctx.Done():
			group.Wait()
			l.show(time.Since(start))
			return nil
		}
	}
}

// call is one invocation without a second try; it tells whether it was answered.
func (l *load) call(ctx context.Context, c *setup.Clients) bool {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var out answer
	start := time.Now()
	err := invoke(ctx, c, 0, &out, func(o *lambda.Options) { o.RetryMaxAttempts = 1 })
	took := time.Since(start)
	_, throttled := errors.AsType[*types.TooManyRequestsException](err)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.slowest = max(l.slowest, took)
	switch {
	case err == nil:
		l.answered++
		l.environments[out.Environment] = true
	case throttled:
		l.refused++
	default:
		l.failed++
	}
	return err == nil
}

func (l *load) show(at time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(l.environments)
	fmt.Printf("%5.1fs  %8d  %7d  %4d  %6dms  %d %s\n", at.Seconds(), l.answered, l.refused, l.failed, l.slowest.Milliseconds(), n, strings.Repeat("#", n))
	l.answered, l.refused, l.failed, l.slowest = 0, 0, 0, 0
	clear(l.environments)
}
