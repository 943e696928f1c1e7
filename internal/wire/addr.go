package wire

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
)

// SplitAddr cuts unix:///path or tcp://host:port into what net.Dial takes.
func SplitAddr(addr string) (network, where string, err error) {
	network, where, ok := strings.Cut(addr, "://")
	if !ok || where == "" || (network != "unix" && network != "tcp") {
		return "", "", fmt.Errorf("%q is neither unix:///path nor tcp://host:port", addr)
	}
	return network, where, nil
}

// Dial connects to an address of either form.
func Dial(ctx context.Context, addr string) (net.Conn, error) {
	network, where, err := SplitAddr(addr)
	if err != nil {
		return nil, err
	}
	var d net.Dialer
	return d.DialContext(ctx, network, where)
}

// FallbackSocket is where an agent listens whose scratch folder has too long a
// path for a socket; its driver removes it with the instance.
func FallbackSocket(instanceID string) string {
	return filepath.Join(os.TempDir(), "lamina-"+instanceID+".s")
}
