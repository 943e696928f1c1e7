package view

import (
	"encoding/json"
	"iter"
	"strings"

	"github.com/lamina-dev/lamina/internal/store"
	"github.com/tidwall/btree"
)

// Row is one decoded value. Key is without the table's prefix. Every reader gets
// the same decoded value, so it is immutable: copy what it points to (slices,
// maps, pointers) before changing it.
type Row[T any] struct {
	Key      string
	Value    T
	Revision int64
}

// Table is the decoded values (JSON) of the keys under one prefix.
type Table[T any] struct {
	view   *View
	prefix string
	index  int
}

// NewTable registers a table with a view that is not open yet. The prefixes of a
// view's tables must not contain one another; a clash is a mistake in the
// program and panics.
func NewTable[T any](v *View, prefix string) *Table[T] {
	if v.state.Load() != nil {
		panic("view: table " + prefix + " registered after Open")
	}
	for _, other := range v.tables {
		p := other.keyPrefix()
		if strings.HasPrefix(p, prefix) || strings.HasPrefix(prefix, p) {
			panic("view: table prefixes " + p + " and " + prefix + " overlap")
		}
	}
	t := &Table[T]{view: v, prefix: prefix, index: len(v.tables)}
	v.tables = append(v.tables, t)
	return t
}

// Get reads one row of the newest state.
func (t *Table[T]) Get(key string) (Row[T], bool) { return t.At(t.view).Get(key) }

// List gives the rows of the newest state whose key begins with prefix, sorted.
func (t *Table[T]) List(prefix string) []Row[T] { return t.At(t.view).List(prefix) }

// All walks the rows of the newest state in the order of their keys.
func (t *Table[T]) All() iter.Seq[Row[T]] { return t.At(t.view).Scan("") }

// Len counts the rows of the newest state.
func (t *Table[T]) Len() int { return t.At(t.view).Len() }

// At reads the table as of a snapshot or within a Tx.
func (t *Table[T]) At(src Source) Rows[T] {
	return Rows[T]{tree: src.Snapshot().trees[t.index].(*rowTree[T])}
}

// Prefix is what the store's keys of this table begin with.
func (t *Table[T]) Prefix() string { return t.prefix }

// Put is the operation that stores v under key. Values that JSON cannot hold are
// a mistake in the program and panic.
func (t *Table[T]) Put(key string, v T) store.Op {
	raw, err := json.Marshal(v)
	if err != nil {
		panic("view: encoding " + t.prefix + key + ": " + err.Error())
	}
	return store.Put(t.prefix+key, raw)
}

// Delete is the operation that removes key.
func (t *Table[T]) Delete(key string) store.Op { return store.Delete(t.prefix + key) }

// AtRevision guards that the row is still as it was read.
func (t *Table[T]) AtRevision(row Row[T]) store.Guard {
	return store.AtRevision(t.prefix+row.Key, row.Revision)
}

// Absent guards that there is no such key.
func (t *Table[T]) Absent(key string) store.Guard { return store.Absent(t.prefix + key) }

// PrefixUnchanged guards that nothing under prefix was written or deleted after rev.
func (t *Table[T]) PrefixUnchanged(prefix string, rev int64) store.Guard {
	return store.PrefixUnchanged(t.prefix+prefix, rev)
}

// Rows is a table as of one revision.
type Rows[T any] struct{ tree *rowTree[T] }

// Get reads one row.
func (r Rows[T]) Get(key string) (Row[T], bool) { return r.tree.rows.Get(key) }

// Has reports whether the key exists.
func (r Rows[T]) Has(key string) bool {
	_, ok := r.tree.rows.Get(key)
	return ok
}

// Len counts the rows.
func (r Rows[T]) Len() int { return r.tree.rows.Len() }

// Scan walks the rows whose key begins with prefix in the order of their keys.
func (r Rows[T]) Scan(prefix string) iter.Seq[Row[T]] {
	return func(yield func(Row[T]) bool) {
		r.tree.rows.Ascend(prefix, func(key string, row Row[T]) bool {
			return strings.HasPrefix(key, prefix) && yield(row)
		})
	}
}

// List gives the rows whose key begins with prefix, sorted by key.
func (r Rows[T]) List(prefix string) []Row[T] {
	var rows []Row[T]
	for row := range r.Scan(prefix) {
		rows = append(rows, row)
	}
	return rows
}

// table is a Table[T] for a view that does not know T.
type table interface {
	keyPrefix() string
	empty() tree
	check(op store.Op) error
	apply(into tree, op store.Op, rev int64) error
}

// tree is a rowTree[T] for a view that does not know T. A published tree is
// never written again: fork makes the next one, sharing what stays the same.
type tree interface {
	fork() tree
}

type rowTree[T any] struct{ rows *btree.Map[string, Row[T]] }

func (r *rowTree[T]) fork() tree { return &rowTree[T]{rows: r.rows.Copy()} }

func (t *Table[T]) keyPrefix() string { return t.prefix }

func (t *Table[T]) empty() tree {
	return &rowTree[T]{rows: btree.NewMap[string, Row[T]](0)}
}

func (t *Table[T]) check(op store.Op) error {
	var v T
	return json.Unmarshal(op.Value, &v)
}

func (t *Table[T]) apply(into tree, op store.Op, rev int64) error {
	rows := into.(*rowTree[T]).rows
	key := strings.TrimPrefix(op.Key, t.prefix)
	if op.Delete {
		rows.Delete(key)
		return nil
	}
	row := Row[T]{Key: key, Revision: rev}
	if err := json.Unmarshal(op.Value, &row.Value); err != nil {
		return err
	}
	rows.Set(key, row)
	return nil
}
