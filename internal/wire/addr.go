package wire

import (
	"fmt"
	"strings"
)

// SplitAddr turns unix:///path or tcp://host:port into what net.Dial and
// net.Listen take.
func SplitAddr(addr string) (network, address string, err error) {
	network, address, ok := strings.Cut(addr, "://")
	if !ok || address == "" || (network != "unix" && network != "tcp") {
		return "", "", fmt.Errorf("address %q is neither unix:///path nor tcp://host:port", addr)
	}
	return network, address, nil
}
