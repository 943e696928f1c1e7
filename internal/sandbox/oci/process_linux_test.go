package oci

import (
	"syscall"
	"testing"

	"github.com/lamina-dev/lamina/internal/sandbox"
)

func TestSignalsOfGVisor(t *testing.T) {
	killed, code := sandbox.Exit{Code: -1, Signal: syscall.SIGKILL}, func(n int) sandbox.Exit { return sandbox.Exit{Code: n} }
	for _, c := range []struct {
		kind      Kind
		got, want sandbox.Exit
	}{
		{Runsc, code(137), killed},
		{Runsc, code(139), sandbox.Exit{Code: -1, Signal: syscall.SIGSEGV}},
		{Runsc, killed, killed},
		{Runsc, code(0), code(0)},
		{Runsc, code(1), code(1)},
		{Runsc, code(128), code(128)},
		{Runsc, code(255), code(255)},
		{Runc, code(137), code(137)},
	} {
		if got := c.kind.exit(c.got); got != c.want {
			t.Errorf("%s, %v: %v, want %v", c.kind, c.got, got, c.want)
		}
	}
}
