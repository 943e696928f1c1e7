package rootfs

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var one, two = strings.Repeat("1", 64), strings.Repeat("2", 64)

func openDir(t *testing.T) *Dir {
	t.Helper()
	d, err := OpenDir(filepath.Join(t.TempDir(), "roots"))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func filled(_ context.Context, dir string) error {
	return os.WriteFile(filepath.Join(dir, "file"), []byte("x"), 0o644)
}

// TestUnpackedOnce: many want a root, through separate handles as processes have, and keep it, as environments do; one
// makes it and none waits for another to let go.
func TestUnpackedOnce(t *testing.T) {
	first := openDir(t)
	var fills atomic.Int32
	var all, have sync.WaitGroup
	for range 8 {
		have.Add(1)
		all.Go(func() {
			d := &Dir{path: first.path}
			root, release, err := d.Use(t.Context(), one, func(ctx context.Context, dir string) error {
				fills.Add(1)
				time.Sleep(2 * lockPause) // while the others ask
				return filled(ctx, dir)
			})
			have.Done()
			if err != nil {
				t.Error(err)
				return
			}
			defer release()
			if _, err := os.Stat(filepath.Join(root, "file")); err != nil {
				t.Error(err)
			}
			have.Wait()
		})
	}
	all.Wait()
	if n := fills.Load(); n != 1 {
		t.Errorf("filled %d times", n)
	}
}

func TestAFailedFillLeavesNothing(t *testing.T) {
	d := openDir(t)
	broken := errors.New("broken")
	_, _, err := d.Use(t.Context(), one, func(context.Context, string) error { return broken })
	if !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
	if _, _, err := d.Use(t.Context(), one, nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
	_, release, err := d.Use(t.Context(), one, filled)
	if err != nil {
		t.Fatal(err)
	}
	release()
	if _, _, err := d.Use(t.Context(), "../x", filled); err == nil {
		t.Error("a name that is none")
	}
}

// TestCollect: what is kept or used stays; what was left half-way goes.
func TestCollect(t *testing.T) {
	d := openDir(t)
	three := strings.Repeat("3", 64)
	_, used, err := d.Use(t.Context(), one, filled)
	if err != nil {
		t.Fatal(err)
	}
	for _, digest := range []string{two, three} {
		_, release, err := d.Use(t.Context(), digest, filled)
		if err != nil {
			t.Fatal(err)
		}
		release()
	}
	half := filepath.Join(d.path, strings.Repeat("4", 64)+partSuffix)
	if err := os.Mkdir(half, 0o755); err != nil {
		t.Fatal(err)
	}
	other := &Dir{path: d.path} // as another process
	removed, err := other.Collect(func(digest string) bool { return digest == two })
	if err != nil || len(removed) != 1 || removed[0] != three {
		t.Fatalf("%q %v", removed, err)
	}
	if _, err := os.Stat(half); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("half a root stays: %v", err)
	}
	used()
	used() // once is enough
	removed, err = other.Collect(func(string) bool { return false })
	if err != nil || len(removed) != 2 {
		t.Fatalf("%q %v", removed, err)
	}
	if left, _ := os.ReadDir(d.path); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

func TestMake(t *testing.T) {
	d := openDir(t)
	recorded := 0
	record := func() error {
		recorded++
		if removed, err := (&Dir{path: d.path}).Collect(func(string) bool { return false }); err != nil || len(removed) > 0 {
			t.Errorf("collected before anything could refer to it: %q %v", removed, err)
		}
		return nil
	}
	for range 2 { // the second one finds it there
		digest, err := d.Make(t.Context(), func(ctx context.Context, dir string) (string, error) { return one, filled(ctx, dir) }, record)
		if err != nil || digest != one {
			t.Fatalf("%q %v", digest, err)
		}
	}
	if recorded != 2 {
		t.Errorf("recorded %d times", recorded)
	}
	root, release, err := d.Use(t.Context(), one, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	if got := strings.Join(listing(t, root), " "); got != "file=x" {
		t.Error(got)
	}
	if left, _ := filepath.Glob(filepath.Join(d.path, "new-*")); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
}
