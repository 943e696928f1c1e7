package rootfs

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// A cache's roots are those of this boot: Collect removes what earlier ones left,
// and tells by Used what to keep.
func TestCache(t *testing.T) {
	if _, err := os.Stat("/proc/sys/kernel/random/boot_id"); err != nil {
		t.Skip("no boot has a name here")
	}
	path := filepath.Join(t.TempDir(), "code")
	earlier := filepath.Join(path, "boot-0", one)
	if err := os.MkdirAll(earlier, 0o755); err != nil {
		t.Fatal(err)
	}
	d, err := OpenCache(path)
	if err != nil {
		t.Fatal(err)
	}
	fills := 0
	use := func() (release func()) {
		t.Helper()
		root, release, err := d.Use(t.Context(), one, func(_ context.Context, dir string) error {
			fills++
			return os.WriteFile(filepath.Join(dir, "f"), nil, 0o644)
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(filepath.Join(root, "f")); err != nil {
			t.Error(err)
		}
		return release
	}
	if !d.Used(one).IsZero() {
		t.Error("used before it was there")
	}
	use()()
	long := time.Now().Add(-time.Hour)
	if err := os.Chtimes(filepath.Join(d.path, one+lockSuffix), long, long); err != nil {
		t.Fatal(err)
	}
	release := use()
	if since := time.Since(d.Used(one)); since > time.Minute {
		t.Errorf("last used %s ago", since)
	}
	if fills != 1 {
		t.Errorf("filled %d times", fills)
	}
	if removed, err := d.Collect(func(string) bool { return false }); err != nil || len(removed) > 0 {
		t.Errorf("%v went while in use, %v", removed, err)
	}
	release()
	if removed, err := d.Collect(func(string) bool { return false }); err != nil || len(removed) != 1 {
		t.Errorf("%v went, %v", removed, err)
	}
	if _, err := os.Stat(filepath.Dir(earlier)); err == nil {
		t.Error("an earlier boot's folder is still there")
	}
}
