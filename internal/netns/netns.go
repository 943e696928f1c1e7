// Package netns makes network namespaces and works inside them.
//
// None is ever pinned to a file: a namespace ends, with all its interfaces,
// when nothing holds it any more, so that a killed process leaves none behind.
package netns

import "sync"

// Namespace is a network namespace. It lives as long as this value is open, a
// socket made inside is, or a process runs inside.
type Namespace struct {
	handle
	once    sync.Once
	release func()
}

// OnClose has f called when the namespace is closed.
func (n *Namespace) OnClose(f func()) { n.release = f }

// Close lets the namespace go.
func (n *Namespace) Close() {
	n.once.Do(func() {
		n.close()
		if n.release != nil {
			n.release()
		}
	})
}
