//go:build !linux

package sandbox

import (
	"context"
	"net"
)

// DialIn connects; there is one network only.
func DialIn(ctx context.Context, _ int, network, addr string) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, network, addr)
}
