//go:build !linux

package rawconn

import "net"

// socket is not to be had here: other systems want their library between a
// program and the kernel.
type socket struct{}

func newSocket(net.Conn) (*socket, bool) { return nil, false }

func (*socket) read([]byte) (int, error)  { return 0, net.ErrClosed }
func (*socket) write([]byte) (int, error) { return 0, net.ErrClosed }
func (*socket) alive() bool               { return true }

func (*socket) writeNow([]byte) (int, error) { return 0, net.ErrClosed }
