package blobs

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"
)

func mustOpen(t *testing.T, path string) *Dir {
	t.Helper()
	d, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func name(content string) string {
	sum := sha256.Sum256([]byte(content))
	return hex.EncodeToString(sum[:])
}

func mustPut(t *testing.T, d *Dir, content string) string {
	t.Helper()
	sha, size, err := d.Put(t.Context(), strings.NewReader(content), 100)
	if err != nil || sha != name(content) || size != int64(len(content)) {
		t.Fatalf("put: %s, %d, %v", sha, size, err)
	}
	return sha
}

// files is what really lies in the folder.
func files(t *testing.T, d *Dir) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(d.path)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestRoundTrip(t *testing.T) {
	path := filepath.Join(t.TempDir(), "code", "packages")
	d := mustOpen(t, path)
	want := []string{mustPut(t, d, "one"), mustPut(t, d, ""), mustPut(t, d, strings.Repeat("x", 100))}
	mustPut(t, d, "one")
	slices.Sort(want)
	if got, err := d.List(); err != nil || !slices.Equal(got, want) || !slices.Equal(files(t, d), want) {
		t.Fatalf("list %v, %v, want %v", got, err, want)
	}
	d = mustOpen(t, path)
	f, size, err := d.Open(name("one"))
	if err != nil || size != 3 {
		t.Fatalf("open: %d, %v", size, err)
	}
	defer f.Close()
	if got, err := io.ReadAll(f); err != nil || string(got) != "one" {
		t.Fatalf("read %q, %v", got, err)
	}
	if info, err := f.Stat(); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if err := d.Verify(t.Context(), name("one")); err != nil {
		t.Errorf("verify: %v", err)
	}
	for range 2 {
		if err := d.Delete(name("one")); err != nil {
			t.Errorf("delete: %v", err)
		}
	}
	if _, _, err := d.Open(name("one")); !errors.Is(err, ErrNotFound) {
		t.Errorf("open of a deleted one: %v", err)
	}
	if err := d.Verify(t.Context(), name("one")); !errors.Is(err, ErrNotFound) {
		t.Errorf("verify of a deleted one: %v", err)
	}
}

func TestFailedPutLeavesNothing(t *testing.T) {
	d := mustOpen(t, t.TempDir())
	broken := errors.New("connection lost")
	if _, _, err := d.Put(t.Context(), strings.NewReader(strings.Repeat("x", 101)), 100); !errors.Is(err, ErrTooLarge) {
		t.Errorf("over the limit: %v", err)
	}
	if _, _, err := d.Put(t.Context(), io.MultiReader(strings.NewReader("half"), iotest.ErrReader(broken)), 100); !errors.Is(err, broken) {
		t.Errorf("broken upload: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := d.Put(ctx, strings.NewReader("x"), 100); !errors.Is(err, context.Canceled) {
		t.Errorf("ended context: %v", err)
	}
	if left := files(t, d); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

// The limit is of what is read, not of what is announced: an endless body costs
// no more than the limit.
func TestEndlessBody(t *testing.T) {
	d := mustOpen(t, t.TempDir())
	if _, _, err := d.Put(t.Context(), endless{}, 1<<20); !errors.Is(err, ErrTooLarge) {
		t.Errorf("endless: %v", err)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

func TestInterruptedUploadsAreRemoved(t *testing.T) {
	path := t.TempDir()
	d := mustOpen(t, path)
	sha := mustPut(t, d, "kept")
	if err := os.WriteFile(filepath.Join(path, tempPrefix+"123"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	d = mustOpen(t, path)
	if got := files(t, d); !slices.Equal(got, []string{sha}) {
		t.Errorf("files %v", got)
	}
}

func TestNames(t *testing.T) {
	d := mustOpen(t, t.TempDir())
	for _, bad := range []string{"", "..", "../../etc/passwd", strings.Repeat("A", 64), strings.Repeat("a", 63), strings.Repeat("a", 65), strings.Repeat("a", 64) + "\n", tempPrefix + "1"} {
		_, perr := d.Path(bad)
		_, _, oerr := d.Open(bad)
		for _, err := range []error{perr, oerr, d.Verify(t.Context(), bad), d.Delete(bad)} {
			if !errors.Is(err, ErrName) {
				t.Errorf("%q: %v", bad, err)
			}
		}
	}
}

// Every flipped bit and every cut is found, and the same upload heals the file.
func TestDamageIsFound(t *testing.T) {
	d := mustOpen(t, t.TempDir())
	content := []byte("a small package")
	sha := mustPut(t, d, string(content))
	path, err := d.Path(sha)
	if err != nil {
		t.Fatal(err)
	}
	check := func(what string, damaged []byte) {
		if err := os.WriteFile(path, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := d.Verify(t.Context(), sha); !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", what, err)
		}
	}
	for i := range content {
		damaged := bytes.Clone(content)
		damaged[i] ^= 1
		check("flip", damaged)
		check("cut", content[:i])
	}
	mustPut(t, d, string(content))
	if err := d.Verify(t.Context(), sha); err != nil {
		t.Errorf("after another upload: %v", err)
	}
}

func TestManyAtOnce(t *testing.T) {
	d := mustOpen(t, t.TempDir())
	var wg sync.WaitGroup
	for i := range 32 {
		wg.Go(func() {
			content := strings.Repeat("x", i%4)
			sha, _, err := d.Put(t.Context(), strings.NewReader(content), 100)
			if err != nil {
				t.Errorf("put: %v", err)
			}
			if err := d.Verify(t.Context(), sha); err != nil {
				t.Errorf("verify: %v", err)
			}
		})
	}
	wg.Wait()
	if got := files(t, d); len(got) != 4 {
		t.Errorf("files %v", got)
	}
}

// TestRenewedWhileCollected: a blob that is renewed while old ones are deleted is
// either there afterwards or said to be gone.
func TestRenewedWhileCollected(t *testing.T) {
	d, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	sha, _, err := d.Put(t.Context(), strings.NewReader("p"), 100)
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(20 * time.Millisecond)
	renewed := make(chan bool, 1)
	keep := func(string) bool { // asked when the blob's age is known already
		go func() {
			there, err := d.Renew(sha)
			if err != nil {
				t.Error(err)
			}
			renewed <- there
		}()
		time.Sleep(20 * time.Millisecond)
		return false
	}
	if _, _, err := d.Collect(keep, 10*time.Millisecond); err != nil {
		t.Error(err)
	}
	said := <-renewed
	if there, err := d.Renew(sha); err != nil || there != said {
		t.Errorf("said to be there: %v, there: %v, %v", said, there, err)
	}
}
