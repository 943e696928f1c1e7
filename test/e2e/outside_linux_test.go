package e2e

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

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

// listenOutside makes a host beyond the machine's only link, with an address of each
// IP version, which greets and hangs up at port 443 and serves HTTP at port 80.
func listenOutside(t *testing.T) {
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
	up := func(name string, cidrs ...string) {
		t.Helper()
		l, err := netlink.LinkByName(name)
		must(err)
		for _, cidr := range cidrs {
			a, err := netlink.ParseAddr(cidr)
			must(err)
			a.Flags = unix.IFA_F_NODAD
			must(netlink.AddrAdd(l, a))
		}
		must(netlink.LinkSetUp(l))
	}
	up("lo")
	up("outside", "198.51.100.1/24", "2001:db8:2::1/64")
	must(netlink.RouteAdd(&netlink.Route{Dst: &net.IPNet{IP: net.IPv6zero, Mask: net.CIDRMask(0, 128)}, Gw: net.ParseIP("2001:db8:2::10")}))
	must(far.Do(func() error {
		up("inet", internet+"/24", "2001:db8:2::10/64")
		up("lo", internetIPv6+"/128")
		for at, serve := range map[string]func(net.Listener){":443": greet, ":80": hello} {
			l, err := net.Listen("tcp", at)
			if err != nil {
				return err
			}
			t.Cleanup(func() { l.Close() })
			go serve(l)
		}
		return nil
	}))
}

// hello serves HTTP until the listener is closed.
func hello(l net.Listener) {
	_ = http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "hello") }))
}
