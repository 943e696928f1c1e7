package oci

import (
	"fmt"
	"os"
	"syscall"
	"testing"

	"github.com/lamina-dev/lamina/internal/sandbox/plain"
	"github.com/lamina-dev/lamina/internal/sandbox/sandboxtest"
)

func TestMain(m *testing.M) {
	plain.Main() // the benchmark compares with it
	Main()
	sandboxtest.Main(m)
}

// newDriver skips where the runtime can't run.
func newDriver(t *testing.T, kind Kind, network Network) *Driver {
	t.Helper()
	if _, err := Find(kind); err != nil {
		t.Skip(err)
	}
	if r := Probe(t.Context(), kind, network); r.Reason != "" {
		t.Skipf("%s can't run here: %s", kind, r.Reason)
	}
	dir, err := os.MkdirTemp("", "lamina-oci-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	os.Chmod(dir, 0o755)
	d, err := New(Config{Kind: kind, Dir: dir, Network: network})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestConformance(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kind    Kind
		network Network
	}{{Runc, NetworkHost}, {Runc, NetworkNone}, {Runsc, NetworkNone}} {
		t.Run(string(c.kind)+"/"+string(c.network), func(t *testing.T) {
			d := newDriver(t, c.kind, c.network)
			group := ""
			if d.fullUser {
				group = fmt.Sprintf("lamina-oci-test-%d-%s-%s", os.Getpid(), c.kind, c.network)
				sandboxtest.RemoveGroup(t, group)
			}
			sandboxtest.Run(t, d, group)
			if left, _ := os.ReadDir(d.command.state); len(left) > 0 {
				t.Errorf("the runtime still knows %v", left)
			}
		})
	}
}

// The suite as an agent runs it.
func TestInsideAgentNamespaces(t *testing.T) {
	t.Parallel()
	sandboxtest.InsideAgentNamespaces(t, func(t *testing.T, attr *syscall.SysProcAttr) {
		if _, err := Find(Runc); err != nil {
			t.Skip(err)
		}
		kinds := "^runc$"
		if attr.Credential != nil { // gVisor is tried in the user namespace only
			kinds = "^(runc|runsc)$"
		}
		sandboxtest.Rerun(t, attr, "^TestConformance$/"+kinds+"/^none$", "TestConformance/runc/none/KillTree")
	})
}
