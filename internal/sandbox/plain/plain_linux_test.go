package plain

import (
	"os"
	"syscall"
	"testing"

	"github.com/lamina-dev/lamina/internal/sandbox"
	"github.com/lamina-dev/lamina/internal/sandbox/sandboxtest"
)

func TestMain(m *testing.M) {
	Main()
	sandboxtest.Main(m)
}

func newDriver(t *testing.T) *Driver {
	t.Helper()
	d, err := New(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestConformance(t *testing.T) {
	group := ""
	if os.Geteuid() == 0 {
		group = "lamina-sandbox-test"
		sandboxtest.RemoveGroup(t, group)
	}
	sandboxtest.Run(t, newDriver(t), group)
}

// With networks of their own environments reach nothing but their Runtime API.
func TestOwnNetworks(t *testing.T) {
	n := sandbox.Loopback()
	l, err := n.Listen(t.Context(), "probe")
	if err != nil {
		t.Skipf("no network namespaces here: %v", err)
	}
	l.Close()
	sandboxtest.Run(t, newDriver(t).In(n), "")
}

// What remains where the kernel refuses namespaces.
func TestProcessGroup(t *testing.T) {
	sandboxtest.Run(t, &Driver{host: host{why: "for the test"}}, "")
}

// The user namespace way must work for privileged processes too, whose agent
// may live in one.
func TestUserNamespace(t *testing.T) {
	h := host{namespaces: true, userNS: true}
	noProc, err := tryHost(t.Context(), h)
	if err != nil {
		t.Skip("no user namespaces here: ", err)
	}
	h.noProc = noProc
	sandboxtest.Run(t, &Driver{host: h}, "")
}

// TestRootless runs the conformance suite as an unprivileged user.
func TestRootless(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("is rootless already")
	}
	rerun(t, &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}})
}

// The suite as an agent runs it.
func TestInsideAgentNamespaces(t *testing.T) {
	t.Parallel()
	sandboxtest.InsideAgentNamespaces(t, rerun)
}

// rerun runs TestConformance of this binary in a process with attr.
func rerun(t *testing.T, attr *syscall.SysProcAttr) {
	sandboxtest.Rerun(t, attr, "^TestConformance$", "TestConformance/KillTree")
}
