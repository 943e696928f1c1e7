package rootfs

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// bootPrefix names the folder of one boot in that of a cache.
const bootPrefix = "boot-"

// OpenCache makes a folder of roots that are soon made again. They are not synced,
// and so good until the machine goes down: each boot has a folder of its own, and
// Collect removes those of earlier ones.
func OpenCache(path string) (*Dir, error) {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return OpenDir(path) // not Linux
	}
	d, err := OpenDir(filepath.Join(path, bootPrefix+strings.TrimSpace(string(boot))))
	if err != nil {
		return nil, err
	}
	d.cache = true
	return d, nil
}

// Used is when a cache's root was last taken into use; zero when it is not there.
func (d *Dir) Used(digest string) time.Time {
	info, err := os.Stat(filepath.Join(d.path, digest+lockSuffix))
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}

// touch notes that a root is taken into use. Where that fails, it is collected earlier.
func (d *Dir) touch(digest string) {
	if now := time.Now(); d.cache {
		_ = os.Chtimes(filepath.Join(d.path, digest+lockSuffix), now, now)
	}
}

// forgetBoots removes what earlier boots left.
func (d *Dir) forgetBoots() error {
	if !d.cache {
		return nil
	}
	all := filepath.Dir(d.path)
	entries, err := os.ReadDir(all)
	if err != nil {
		return fmt.Errorf("list root file systems: %w", err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), bootPrefix) && e.Name() != filepath.Base(d.path) {
			if err := os.RemoveAll(filepath.Join(all, e.Name())); err != nil {
				return fmt.Errorf("remove an earlier boot's root file systems: %w", err)
			}
		}
	}
	return nil
}
