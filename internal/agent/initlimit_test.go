package agent

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lamina-dev/lamina"
	"github.com/lamina-dev/lamina/internal/sandbox"
	"github.com/lamina-dev/lamina/internal/wire"
)

// still is a runtime that does nothing, for time that is not real.
type still struct{ done chan struct{} }

func (s still) PID() int                      { return 1 }
func (s still) Done() <-chan struct{}         { return s.done }
func (s still) Exit() sandbox.Exit            { return sandbox.Exit{} }
func (s still) Signal(os.Signal) error        { return nil }
func (s still) Kill() error                   { return nil }
func (s still) Usage() (sandbox.Usage, error) { return sandbox.Usage{}, nil }

// TestPoint25_InitLimit: a managed function's init may take 130 s, or its timeout
// if that is longer, but no more than 900 s.
func TestPoint25_InitLimit(t *testing.T) {
	for timeout, want := range map[int32]time.Duration{1: 130 * time.Second, 130: 130 * time.Second, 131: 131 * time.Second, 900: 900 * time.Second, 5400: 900 * time.Second} {
		t.Run(fmt.Sprint(timeout), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := lamina.FunctionConfig{TimeoutSec: timeout, Capacity: &lamina.FunctionCapacity{}}
				a := newAgent(Config{Log: slog.New(slog.DiscardHandler)})
				e := newEnvironment(a, wire.EnvironmentSpec{Managed: true, Timeout: time.Duration(timeout) * time.Second, InitTimeout: cfg.InitTimeout()})
				e.proc, e.external = still{make(chan struct{})}, &externals{}
				e.runtime = e.proc
				began := time.Now()
				f := e.initialize(context.Background(), began, phaseInit)
				if took := time.Since(began); f == nil || took != want || f.code != lamina.ReasonInitTimeout || f.errorType != "Sandbox.Timedout" ||
					f.text != fmt.Sprintf("The function's initialization did not finish within %.2f seconds", want.Seconds()) {
					t.Errorf("after %v: %+v", took, f)
				}
			})
		})
	}
}
