// Package storetest is the suite that every implementation of store.Store passes.
//
// Run checks the contract; RunDurable what a store that outlives its process
// promises besides.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/lamina-dev/lamina/internal/store"
)

// wait bounds everything that a test waits for.
const wait = 30 * time.Second

// Run runs the suite. open makes a new, empty store and closes it in a cleanup.
func Run(t *testing.T, open func(t *testing.T) store.Store) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, st store.Store)
	}{
		{"GetAndList", testGetAndList},
		{"Guards", testGuards},
		{"PrefixGuardSeesDeletion", testPrefixGuardSeesDeletion},
		{"Atomicity", testAtomicity},
		{"Bounds", testBounds},
		{"Revisions", testRevisions},
		{"EmptyBatch", testEmptyBatch},
		{"ValuesAreKept", testValuesAreKept},
		{"EndedContext", testEndedContext},
		{"Closed", testClosed},
		{"Watch", testWatch},
		{"WatchUnderLoad", testWatchUnderLoad},
		{"WatchFuture", testWatchFuture},
		{"Compaction", testCompaction},
		{"WatcherEnds", testWatcherEnds},
		{"Lease", testLease},
		{"LeaseExpiry", testLeaseExpiry},
		{"LeaseGuard", testLeaseGuard},
		{"Counters", testCounters},
		{"SnapshotReads", testSnapshotReads},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, open(t)) })
	}
}

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), wait)
	t.Cleanup(cancel)
	return ctx
}

func put(key, value string) store.Op { return store.Put(key, []byte(value)) }

func commit(t *testing.T, st store.Store, b store.Batch) int64 {
	t.Helper()
	rev, err := st.Commit(within(t), b)
	if err != nil {
		t.Fatalf("commit: %v", err)
	}
	return rev
}

func write(t *testing.T, st store.Store, ops ...store.Op) int64 {
	t.Helper()
	return commit(t, st, store.Batch{Ops: ops})
}

// value reads a key; a missing one is "-".
func value(t *testing.T, st store.Store, key string) string {
	t.Helper()
	kv, err := st.Get(within(t), key)
	if errors.Is(err, store.ErrNotFound) {
		return "-"
	}
	if err != nil {
		t.Fatalf("get %q: %v", key, err)
	}
	return string(kv.Value)
}

// dump lists a prefix as "key=value@revision".
func dump(t *testing.T, st store.Store, prefix string) []string {
	t.Helper()
	kvs, _, err := st.List(within(t), prefix)
	if err != nil {
		t.Fatalf("list %q: %v", prefix, err)
	}
	var rows []string
	for _, kv := range kvs {
		rows = append(rows, fmt.Sprintf("%s=%s@%d", kv.Key, kv.Value, kv.Revision))
	}
	return rows
}

func wantIs(t *testing.T, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Fatalf("error %v, want %v", err, target)
	}
}
