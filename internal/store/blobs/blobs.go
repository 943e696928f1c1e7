// Package blobs keeps code packages as files named by the SHA-256 of their
// content, in one folder that one server owns.
package blobs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/lamina-dev/lamina/internal/fsync"
)

// What a Dir's methods answer besides faults of the disk.
var (
	ErrTooLarge = errors.New("blobs: content over the limit")
	ErrNotFound = errors.New("blobs: no such content")
	ErrName     = errors.New("blobs: not the hexadecimal SHA-256 of anything")
	ErrCorrupt  = errors.New("blobs: content does not match its name")
)

const tempPrefix = "upload-"

var nameForm = regexp.MustCompile(`^[0-9a-f]{64}$`)

// Dir is a folder of blobs. Its methods may be called at once.
type Dir struct {
	path string
	mu   sync.Mutex // so that Collect deletes nothing that was renewed while it looked
}

// Open makes the folder if need be and removes what interrupted uploads left.
// Only the owner of the data folder may do so.
func Open(path string) (*Dir, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("making the folder of code packages: %w", err)
	}
	leftovers, err := filepath.Glob(filepath.Join(path, tempPrefix+"*"))
	if err != nil {
		return nil, fmt.Errorf("looking for interrupted uploads: %w", err)
	}
	for _, f := range leftovers {
		if err := os.Remove(f); err != nil {
			return nil, fmt.Errorf("removing an interrupted upload: %w", err)
		}
	}
	// A new folder must outlive a power loss as well as what is put into it.
	if err := fsync.Dir(filepath.Dir(path)); err != nil {
		return nil, err
	}
	return &Dir{path: path}, nil
}

// Put stores what r gives and returns its name and size, once it is durable.
// More than limit bytes are ErrTooLarge. A failed Put leaves nothing behind.
func (d *Dir) Put(ctx context.Context, r io.Reader, limit int64) (sha string, size int64, err error) {
	f, err := os.CreateTemp(d.path, tempPrefix+"*") // mode 0600
	if err != nil {
		return "", 0, fmt.Errorf("storing a code package: %w", err)
	}
	defer func() {
		if err != nil {
			_ = f.Close() // it may be closed already
			_ = os.Remove(f.Name())
		}
	}()
	sum := sha256.New()
	size, err = copyAtMost(ctx, io.MultiWriter(f, sum), r, limit)
	if err != nil {
		return "", 0, err
	}
	sha = hex.EncodeToString(sum.Sum(nil))
	if err := d.publish(f, sha); err != nil {
		return "", 0, fmt.Errorf("storing code package %s: %w", sha, err)
	}
	return sha, size, nil
}

// copyAtMost reads one byte more than the limit to tell a body at the limit from
// one beyond it.
func copyAtMost(ctx context.Context, w io.Writer, r io.Reader, limit int64) (int64, error) {
	n, err := io.Copy(w, io.LimitReader(contextReader{ctx, r}, limit+1))
	if err != nil {
		return 0, fmt.Errorf("storing a code package: %w", err)
	}
	if n > limit {
		return 0, fmt.Errorf("%w of %d bytes", ErrTooLarge, limit)
	}
	return n, nil
}

// publish makes the file durable under its name. Content that is there already
// is replaced by the same content, which also heals a damaged file.
func (d *Dir) publish(f *os.File, sha string) error {
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	d.mu.Lock()
	err := os.Rename(f.Name(), d.file(sha))
	d.mu.Unlock()
	if err != nil {
		return err
	}
	return fsync.Dir(d.path)
}

// Path is where the blob lies, for a reader that takes a path. It need not exist.
func (d *Dir) Path(sha string) (string, error) {
	if !nameForm.MatchString(sha) {
		return "", fmt.Errorf("%w: %q", ErrName, sha)
	}
	return d.file(sha), nil
}

// Renew says whether a blob is there, and if so makes it as new as one just put.
func (d *Dir) Renew(sha string) (there bool, err error) {
	path, err := d.Path(sha)
	if err != nil {
		return false, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	err = os.Chtimes(path, now, now)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("renewing a code package: %w", err)
	}
	return true, nil
}

// Collect deletes the blobs that are as old as age, or older, and that keep does
// not want. It tells how many and how many bytes they had. Age is the time that
// whoever put a blob has to refer to it.
func (d *Dir) Collect(keep func(sha string) bool, age time.Duration) (blobs int, bytes int64, err error) {
	names, err := d.List()
	if err != nil {
		return 0, 0, err
	}
	var errs []error
	for _, sha := range names {
		size, deleted, err := d.collect(sha, keep, age)
		if err != nil {
			errs = append(errs, err)
		} else if deleted {
			blobs, bytes = blobs+1, bytes+size
		}
	}
	return blobs, bytes, errors.Join(errs...)
}

func (d *Dir) collect(sha string, keep func(sha string) bool, age time.Duration) (size int64, deleted bool, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	info, err := os.Stat(d.file(sha))
	if err != nil || keep(sha) || time.Since(info.ModTime()) < age {
		return 0, false, nil // gone meanwhile, wanted, or too young
	}
	return info.Size(), true, d.Delete(sha)
}

// Open gives the blob's file and size. The content is not verified: use Verify,
// or compare while reading.
func (d *Dir) Open(sha string) (*os.File, int64, error) {
	path, err := d.Path(sha)
	if err != nil {
		return nil, 0, err
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, fmt.Errorf("%w: %s", ErrNotFound, sha)
	}
	if err != nil {
		return nil, 0, fmt.Errorf("opening a code package: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		_ = f.Close() // only read
		return nil, 0, fmt.Errorf("opening a code package: %w", err)
	}
	return f, info.Size(), nil
}

// Verify reads the whole blob and compares it with its name; a difference is
// ErrCorrupt and names the file.
func (d *Dir) Verify(ctx context.Context, sha string) error {
	f, _, err := d.Open(sha)
	if err != nil {
		return err
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, contextReader{ctx, f}); err != nil {
		return fmt.Errorf("verifying a code package: %w", err)
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != sha {
		return fmt.Errorf("%w: %s holds content of SHA-256 %s", ErrCorrupt, f.Name(), got)
	}
	return nil
}

// Delete removes a blob; a missing one is no error.
func (d *Dir) Delete(sha string) error {
	path, err := d.Path(sha)
	if err != nil {
		return err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("deleting a code package: %w", err)
	}
	return fsync.Dir(d.path)
}

// List gives the names of all blobs, sorted.
func (d *Dir) List() ([]string, error) {
	entries, err := os.ReadDir(d.path)
	if err != nil {
		return nil, fmt.Errorf("listing code packages: %w", err)
	}
	var names []string
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), tempPrefix) && nameForm.MatchString(e.Name()) {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

func (d *Dir) file(sha string) string { return filepath.Join(d.path, sha) }

// contextReader ends a long copy when the context ends.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, context.Cause(c.ctx)
	}
	return c.r.Read(p)
}
