// Package fsync makes durable what a file's own Sync does not: its name.
package fsync

import (
	"errors"
	"fmt"
	"os"
)

// Dir makes a folder's entries durable.
func Dir(path string) error {
	f, err := os.Open(path)
	if err == nil {
		err = errors.Join(f.Sync(), f.Close())
	}
	if err != nil {
		return fmt.Errorf("syncing a folder: %w", err)
	}
	return nil
}
