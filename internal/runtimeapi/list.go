package runtimeapi

// list is a queue from whose middle elements can leave.
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

// insert puts n behind the last element that after holds for.
func (l *list[T]) insert(n *node[T], after func(*T) bool) {
	at := l.last
	for at != nil && !after(at.value) {
		at = at.prev
	}
	if at == l.last {
		l.push(n)
		return
	}
	n.in, n.prev = true, at
	if at == nil {
		n.next, l.first = l.first, n
	} else {
		n.next, at.next = at.next, n
	}
	n.next.prev = n
	l.n++
}

func (l *list[T]) popLast() *T {
	n := l.last
	if n == nil {
		return nil
	}
	l.remove(n)
	return n.value
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
