package e2e

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/lamina-dev/lamina/internal/netns"
)

// inOwnNetwork runs the test again in a network namespace of its own, which
// stands for the host's, and is true there.
func inOwnNetwork(t *testing.T) bool {
	t.Helper()
	if os.Getenv("E2E_NETWORK") != "" {
		return true
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=5m")
	cmd.Env = append(os.Environ(), "E2E_NETWORK=own")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	if os.Geteuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Geteuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}}
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	return false
}

// listenOutside makes a host beyond the machine's only link, which greets and hangs up.
func listenOutside(t *testing.T, addr netip.Addr, port int) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	far, err := netns.New()
	must(err)
	t.Cleanup(far.Close)
	attrs := netlink.NewLinkAttrs()
	attrs.Name = "outside"
	must(netlink.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: "inet", PeerNamespace: netlink.NsFd(far.FD())}))
	up := func(name, cidr string) {
		t.Helper()
		l, err := netlink.LinkByName(name)
		must(err)
		if cidr != "" {
			a, err := netlink.ParseAddr(cidr)
			must(err)
			must(netlink.AddrAdd(l, a))
		}
		must(netlink.LinkSetUp(l))
	}
	up("lo", "")
	up("outside", "198.51.100.1/24")
	must(far.Do(func() error { up("inet", addr.String()+"/24"); return nil }))
	l, err := far.Listen(t.Context(), fmt.Sprintf("%s:%d", addr, port))
	must(err)
	t.Cleanup(func() { l.Close() })
	go greet(l)
}
