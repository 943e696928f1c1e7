package sqlite

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lamina-dev/lamina/internal/store"
)

// rows is how many pairs of keys the fault loops write: batch i sets both keys of
// row i%rows to a value that names i.
const rows = 7

func batch(i int) store.Batch {
	value := []byte(strings.Repeat(fmt.Sprintf("%d,", i), 400))
	return store.Batch{Ops: []store.Op{
		store.Put(fmt.Sprintf("a/%d", i%rows), value), store.Put(fmt.Sprintf("b/%d", i%rows), value),
	}}
}

// work commits the batches from … to-1. It notes the last acknowledged one of each
// row and counts the refused.
func work(t *testing.T, st *Store, from, to int, acked map[int]int) (refused int) {
	for i := from; i < to; i++ {
		if _, err := st.Commit(t.Context(), batch(i)); err == nil {
			acked[i%rows] = i
		} else {
			refused++
		}
	}
	return refused
}

// verify checks that each row is whole and not older than acknowledged. What was
// never acknowledged may be there, as its writer was told nothing.
func verify(t *testing.T, st *Store, acked map[int]int) {
	t.Helper()
	kvs, _, err := st.List(t.Context(), "")
	if err != nil {
		t.Fatalf("list: %v", err)
	}
	found := map[string]int{}
	for _, kv := range kvs {
		first, _, _ := strings.Cut(string(kv.Value), ",")
		i := 0
		if _, err := fmt.Sscan(first, &i); err != nil || !bytes.Equal(kv.Value, batch(i).Ops[0].Value) {
			t.Fatalf("%s at %d holds %d bytes, which are not %.20q", kv.Key, kv.Revision, len(kv.Value), batch(i).Ops[0].Value)
		}
		found[kv.Key] = i
	}
	for row := range rows {
		a, aok := found[fmt.Sprintf("a/%d", row)]
		b, bok := found[fmt.Sprintf("b/%d", row)]
		last, wasAcked := acked[row]
		if aok != bok || a != b {
			t.Fatalf("row %d is half applied: %d and %d", row, a, b)
		}
		if wasAcked && (!aok || a < last) {
			t.Fatalf("row %d: acknowledged %d, found %d (%v)", row, last, a, aok)
		}
	}
}

// leap is 1, the full strength, when LAMINA_TEST_LONG is set, and else leaves
// something out, as every step syncs a real disk.
func leap(normal, short int) int {
	switch {
	case os.Getenv("LAMINA_TEST_LONG") != "":
		return 1
	case testing.Short():
		return short
	default:
		return normal
	}
}

// everyK repeats run with k = 1, 2, … until one run ends before its k-th
// operation on the disk.
func everyK(t *testing.T, run func(k int) (reached bool)) {
	for k := 1; run(k); k += leap(5, 13) {
		if k > 10_000 {
			t.Fatal("no end")
		}
	}
}

// TestFaultAtK lets the k-th operation on the disk fail once, for every k from
// the making of the file to its closing. Reads go on, the next commits work, and
// after reopening nothing acknowledged is missing.
func TestFaultAtK(t *testing.T) {
	t.Parallel()
	for name, hurt := range map[string]fault{"full": full, "error": ioErr, "torn": torn} {
		t.Run(name, func(t *testing.T) {
			everyK(t, func(k int) bool { return faultAt(t, k, hurt) })
		})
	}
}

func faultAt(t *testing.T, k int, hurt fault) (reached bool) {
	fs, folder, acked := newFaultFS(t), t.TempDir(), map[int]int{}
	fs.set(func(i int) fault {
		if i == k {
			reached = true
			return hurt
		}
		return fine
	})
	st, err := openOn(t.Context(), folder, fs.name)
	if err == nil {
		if refused := work(t, st, 0, 10, acked); refused > 1 {
			t.Fatalf("k=%d: one fault, but %d batches refused", k, refused)
		}
		verify(t, st, acked)
		_ = st.Close() // may be what the fault hits
	}
	st = mustOpen(t, folder)
	verify(t, st, acked)
	work(t, st, 10, 13, acked)
	verify(t, st, acked)
	if err := st.Close(); err != nil {
		t.Fatalf("k=%d: close: %v", k, err)
	}
	return reached
}

// TestDeathAtK lets every operation from the k-th on fail, as if the process had
// died there, the k-th one half done.
func TestDeathAtK(t *testing.T) {
	t.Parallel()
	everyK(t, func(k int) (reached bool) {
		fs, folder, acked := newFaultFS(t), t.TempDir(), map[int]int{}
		fs.set(func(i int) fault {
			switch {
			case i < k:
				return fine
			case i == k:
				reached = true
				return torn
			default:
				return ioErr
			}
		})
		st, err := openOn(t.Context(), folder, fs.name)
		if err == nil {
			work(t, st, 0, 10, acked)
			verify(t, st, acked)
			_ = st.Close() // fails as everything does
		}
		st = mustOpen(t, folder)
		verify(t, st, acked)
		if err := st.Close(); err != nil {
			t.Fatalf("k=%d: close: %v", k, err)
		}
		return reached
	})
}

// TestPowerLossAtK cuts the power at the k-th operation: what was not synced is
// lost, reordered or torn.
func TestPowerLossAtK(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3) {
		everyK(t, func(k int) (reached bool) {
			rnd := rand.New(rand.NewPCG(seed, uint64(k)))
			fs, folder, acked := newFaultFS(t), t.TempDir(), map[int]int{}
			fs.set(func(i int) fault {
				reached = reached || i >= k
				if i >= k {
					return ioErr
				}
				return fine
			})
			st, err := openOn(t.Context(), folder, fs.name)
			if err == nil {
				work(t, st, 0, 10, acked)
				_ = st.Close() // fails as everything does
			}
			left := fs.powerLoss(t, folder, rnd)
			st, err = Open(t.Context(), left)
			if err != nil {
				t.Fatalf("seed %d, k=%d: %v", seed, k, err)
			}
			verify(t, st, acked)
			if err := st.Close(); err != nil {
				t.Fatalf("seed %d, k=%d: close: %v", seed, k, err)
			}
			return reached
		})
	}
}

// TestDiskFull fills the disk for a while: commits are refused, reads and
// conflicts go on, and the first commit after it works.
func TestDiskFull(t *testing.T) {
	fs := newFaultFS(t)
	st, err := openOn(t.Context(), t.TempDir(), fs.name)
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	write(t, st, store.Put("k", []byte("before")))
	fs.set(func(int) fault { return full })
	for range 3 {
		_, err := st.Commit(t.Context(), store.Batch{Ops: []store.Op{store.Put("k", []byte("refused"))}})
		if err == nil || errors.Is(err, store.ErrConflict) || !strings.Contains(err.Error(), "full") {
			t.Fatalf("commit on a full disk: %v", err)
		}
		if kv, err := st.Get(t.Context(), "k"); err != nil || string(kv.Value) != "before" {
			t.Fatalf("read on a full disk: %q, %v", kv.Value, err)
		}
	}
	_, err = st.Commit(t.Context(), store.Batch{Guards: []store.Guard{store.Absent("k")}})
	if !errors.Is(err, store.ErrConflict) {
		t.Fatalf("conflict on a full disk: %v", err)
	}
	fs.set(func(int) fault { return fine })
	if rev := write(t, st, store.Put("k", []byte("after"))); rev != 2 {
		t.Errorf("revision %d after refused ones", rev)
	}
}

// TestFlip damages one byte of a store, everywhere in turn. Open must refuse it
// and name the file, or find everything: never start with less.
func TestFlip(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, file string
		killed     bool
	}{
		{"database", FileName, false},
		{"database under a log", FileName, true},
		{"log", FileName + "-wal", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			folder, acked := damaged(t, c.killed)
			whole, err := os.ReadFile(filepath.Join(folder, c.file))
			if err != nil || len(whole) == 0 {
				t.Fatalf("%d bytes, %v", len(whole), err)
			}
			found := 0
			for at := 0; at < len(whole); at += stride(at) {
				bad := bytes.Clone(whole)
				bad[at] ^= 1 << (at % 8)
				if refused(t, folder, c.file, bad, acked) {
					found++
				}
			}
			t.Logf("%d flips refused in %d bytes", found, len(whole))
			if found == 0 {
				t.Error("no flip was found")
			}
		})
	}
}

// TestCut shortens the files of a store to any length, the lost file included.
func TestCut(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		file   string
		killed bool
	}{{FileName, false}, {FileName + "-wal", true}} {
		folder, acked := damaged(t, c.killed)
		whole, err := os.ReadFile(filepath.Join(folder, c.file))
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i*1024 < len(whole); i++ {
			n := max(0, i*1024-i%3) // at the pages' borders and before
			if !refused(t, folder, c.file, whole[:n], acked) {
				t.Errorf("%s cut from %d to %d bytes: nobody noticed", c.file, len(whole), n)
			}
		}
	}
}

// damaged makes a store; a killed one still has its log.
func damaged(t *testing.T, killed bool) (folder string, acked map[int]int) {
	t.Helper()
	folder, acked = t.TempDir(), map[int]int{}
	st := mustOpen(t, folder)
	work(t, st, 0, 10, acked)
	if !killed {
		if err := st.Close(); err != nil {
			t.Fatal(err)
		}
		return folder, acked
	}
	left := t.TempDir()
	for _, name := range []string{FileName, FileName + "-wal", headName} {
		copyFile(t, folder, left, name)
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	return left, acked
}

// stride goes through headers in smaller leaps than through the rest.
func stride(at int) int {
	if at%4096 < 40 && at < 2*4096 {
		return leap(5, 29)
	}
	return leap(499, 997)
}

// refused opens a copy of the folder with one file replaced. What opens must be whole.
func refused(t *testing.T, folder, file string, content []byte, acked map[int]int) bool {
	t.Helper()
	left, err := os.MkdirTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(left)
	for _, name := range []string{FileName, FileName + "-wal", headName} {
		copyFile(t, folder, left, name)
	}
	if err := os.WriteFile(filepath.Join(left, file), content, 0o600); err != nil {
		t.Fatal(err)
	}
	st, err := Open(t.Context(), left)
	if err != nil {
		if !errors.Is(err, store.ErrCorrupt) || !strings.Contains(err.Error(), filepath.Join(left, FileName)) {
			t.Errorf("refused without saying what is damaged: %v", err)
		}
		if now, err := os.ReadFile(filepath.Join(left, file)); err != nil || !bytes.Equal(now, content) {
			t.Errorf("the refused %s was changed", file)
		}
		return true
	}
	verify(t, st, acked)
	if err := st.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	return false
}
