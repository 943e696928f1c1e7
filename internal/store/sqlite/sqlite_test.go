package sqlite

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lamina-dev/lamina/internal/store"
	"github.com/lamina-dev/lamina/internal/store/storetest"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if folder := os.Getenv(crashFolder); folder != "" {
		os.Exit(crashChild(folder))
	}
	goleak.VerifyTestMain(m)
}

func mustOpen(t *testing.T, folder string) *Store {
	t.Helper()
	st, err := Open(t.Context(), folder)
	if err != nil {
		t.Fatal(err)
	}
	return st
}

func write(t *testing.T, st *Store, ops ...store.Op) int64 {
	t.Helper()
	rev, err := st.Commit(t.Context(), store.Batch{Ops: ops})
	if err != nil {
		t.Fatal(err)
	}
	return rev
}

func TestConformance(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store {
		st := mustOpen(t, t.TempDir())
		t.Cleanup(func() {
			if err := st.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		})
		return st
	})
}

func TestDurable(t *testing.T) {
	storetest.RunDurable(t, func(t *testing.T, folder string) store.Store { return mustOpen(t, folder) })
}

func TestSecondOwnerIsRefused(t *testing.T) {
	folder := t.TempDir()
	st := mustOpen(t, folder)
	_, err := Open(t.Context(), folder)
	inUse, ok := errors.AsType[*InUseError](err)
	if !ok || inUse.PID != os.Getpid() || inUse.Folder != folder {
		t.Fatalf("second open: %v", err)
	}
	write(t, st, store.Put("still", []byte("works")))
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	if err := mustOpen(t, folder).Close(); err != nil {
		t.Fatal(err)
	}
}

func TestFilesArePrivate(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "data")
	st := mustOpen(t, folder)
	defer st.Close()
	for name, want := range map[string]os.FileMode{"": 0o700, FileName: 0o600, FileName + "-wal": 0o600, headName: 0o600, lockName: 0o600} {
		info, err := os.Stat(filepath.Join(folder, name))
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%q: %v, %v, want %v", name, info.Mode(), err, want)
		}
	}
}

func TestNewerVersionIsRefused(t *testing.T) {
	folder := t.TempDir()
	if err := mustOpen(t, folder).Close(); err != nil {
		t.Fatal(err)
	}
	db, err := openFile(filepath.Join(folder, FileName), diskName)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Exec(`PRAGMA user_version = 99`), db.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), folder); err == nil || !strings.Contains(err.Error(), "version 99") {
		t.Fatalf("open: %v", err)
	}
}

// A folder's name may hold what means something in a URI.
func TestOddFolder(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "a b?c#d%41é")
	st := mustOpen(t, folder)
	write(t, st, store.Put("k", nil))
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Join(folder, FileName)); err != nil || info.Size() == 0 {
		t.Fatalf("database is elsewhere: %v", err)
	}
}

// Batches that wait together share a transaction, and a refused one does not
// harm its neighbours.
func TestGroup(t *testing.T) {
	st := mustOpen(t, t.TempDir())
	defer st.Close()
	var group []*request
	add := func(ctx context.Context, b store.Batch) {
		group = append(group, &request{ctx: ctx, batch: b, answer: make(chan answer, 1)})
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	create := store.Batch{Guards: []store.Guard{store.Absent("k")}, Ops: []store.Op{store.Put("k", []byte("v"))}}
	add(t.Context(), create)
	add(t.Context(), create)
	add(gone, store.Batch{Ops: []store.Op{store.Put("gone", nil)}})
	add(t.Context(), store.Batch{Guards: []store.Guard{store.AtRevision("k", 1)}, Ops: []store.Op{store.Delete("k")}})
	add(t.Context(), store.Batch{Guards: []store.Guard{store.PrefixUnchanged("k", 1)}})
	add(t.Context(), create)
	answers, events, err := st.writer.transact(group)
	if err != nil || len(events) != 3 {
		t.Fatalf("%d events, %v", len(events), err)
	}
	for i, want := range []struct {
		revision int64
		err      error
	}{{1, nil}, {0, store.ErrConflict}, {0, context.Canceled}, {2, nil}, {0, store.ErrConflict}, {3, nil}} {
		if a := answers[i]; a.revision != want.revision || !errors.Is(a.err, want.err) {
			t.Errorf("batch %d: %d, %v, want %d, %v", i, a.revision, a.err, want.revision, want.err)
		}
	}
}
