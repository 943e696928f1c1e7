package runtimeapi

// list is a first-in first-out queue from whose middle elements can leave.
type list[T any] struct {
	first, last *node[T]
	n           int
}

// node is embedded in the element; it is in at most one list.
type node[T any] struct {
	prev, next *node[T]
	in         bool
	value      *T
}

func (l *list[T]) push(n *node[T]) {
	n.in, n.prev, n.next = true, l.last, nil
	if l.last == nil {
		l.first = n
	} else {
		l.last.next = n
	}
	l.last = n
	l.n++
}

func (l *list[T]) pop() *T {
	n := l.first
	if n == nil {
		return nil
	}
	l.remove(n)
	return n.value
}

// remove takes n out and tells whether it was in.
func (l *list[T]) remove(n *node[T]) bool {
	if !n.in {
		return false
	}
	if n.prev == nil {
		l.first = n.next
	} else {
		n.prev.next = n.next
	}
	if n.next == nil {
		l.last = n.prev
	} else {
		n.next.prev = n.prev
	}
	n.in, n.prev, n.next = false, nil, nil
	l.n--
	return true
}
