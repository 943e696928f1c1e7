package rootfs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Dir is a folder of unpacked roots, each in a folder named by the SHA-256 (hex)
// of what it was made of. Processes share it: whoever uses a root holds a lock on
// it, whoever makes or removes one holds it alone.
type Dir struct {
	path  string
	cache bool // its roots are good for one boot
}

// OpenDir makes the folder if need be.
func OpenDir(path string) (*Dir, error) {
	if err := os.MkdirAll(path, 0o711); err != nil {
		return nil, fmt.Errorf("make the folder of root file systems: %w", err)
	}
	return &Dir{path: path}, nil
}

const (
	partSuffix = ".part"        // being unpacked
	newPrefix  = "new-"         // being unpacked, of unknown digest so far
	abandoned  = 24 * time.Hour // after which nobody unpacks there any more (chosen)
	lockSuffix = ".lock"
	lockPause  = 10 * time.Millisecond // between tries for a lock that another process holds (chosen)
)

var digestForm = regexp.MustCompile(`^[0-9a-f]{64}$`)

// Use gives the folder of a root until release is called. One that is not there
// is made by fill, once for all who ask meanwhile; a nil fill makes none, and
// the answer is fs.ErrNotExist.
func (d *Dir) Use(ctx context.Context, digest string, fill func(ctx context.Context, dir string) error) (root string, release func(), err error) {
	if !digestForm.MatchString(digest) {
		return "", nil, fmt.Errorf("%q is no SHA-256", digest)
	}
	l, err := d.hold(ctx, digest, fill)
	if err != nil {
		return "", nil, err
	}
	return filepath.Join(d.path, digest), sync.OnceFunc(l.release), nil
}

// hold gives a shared lock on a root that is there, made by fill if need be. It
// asks for the lock alone only while the root is missing: others hold a finished
// one for as long as their environments live.
func (d *Dir) hold(ctx context.Context, digest string, fill func(ctx context.Context, dir string) error) (*lockFile, error) {
	root := filepath.Join(d.path, digest)
	for {
		l, err := d.lock(ctx, digest, unix.LOCK_SH)
		if err != nil {
			return nil, err
		}
		if _, err = os.Stat(root); err == nil {
			d.touch(digest)
			return l, nil
		}
		l.release()
		if !errors.Is(err, fs.ErrNotExist) || fill == nil {
			return nil, fmt.Errorf("use a root file system: %w", err)
		}
		if l, err = d.tryLock(digest, unix.LOCK_EX); err != nil {
			return nil, err
		}
		if l == nil {
			continue
		}
		if _, err = os.Stat(root); err != nil {
			err = d.place(root, func(part string) error { return fill(ctx, part) })
		}
		l.release()
		if err != nil {
			return nil, err
		}
	}
}

// place lets fill make a folder beside, then puts it under its name.
func (d *Dir) place(root string, fill func(part string) error) error {
	part := root + partSuffix
	if err := os.RemoveAll(part); err != nil {
		return fmt.Errorf("clear the way for a root file system: %w", err)
	}
	if err := os.Mkdir(part, 0o755); err != nil {
		return fmt.Errorf("make the folder of a root file system: %w", err)
	}
	err := fill(part)
	if err == nil {
		err = os.Chmod(part, 0o755) // whatever the umask is
	}
	if err == nil && !d.cache {
		err = settle(part)
	}
	if err == nil {
		err = os.Rename(part, root)
	}
	if err != nil {
		return errors.Join(err, os.RemoveAll(part))
	}
	return nil
}

// Make fills a root whose digest is known only afterwards: fill tells it. record
// then notes what refers to it, before anybody may collect it.
func (d *Dir) Make(ctx context.Context, fill func(ctx context.Context, dir string) (digest string, err error), record func() error) (digest string, err error) {
	temp, err := os.MkdirTemp(d.path, newPrefix)
	if err != nil {
		return "", fmt.Errorf("make the folder of a root file system: %w", err)
	}
	defer os.RemoveAll(temp)
	if digest, err = fill(ctx, temp); err != nil {
		return "", err
	}
	l, err := d.hold(ctx, digest, func(_ context.Context, part string) error {
		if err := os.Remove(part); err != nil {
			return err
		}
		return os.Rename(temp, part)
	})
	if err != nil {
		return digest, err
	}
	defer l.release()
	return digest, record()
}

// Collect removes the roots that nobody uses and that keep does not want, and
// what interrupted unpacking left. It tells which are gone.
func (d *Dir) Collect(keep func(digest string) bool) (removed []string, err error) {
	entries, err := os.ReadDir(d.path)
	if err != nil {
		return nil, fmt.Errorf("list root file systems: %w", err)
	}
	errs := []error{d.forgetBoots()}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && strings.HasPrefix(e.Name(), newPrefix) && time.Since(info.ModTime()) > abandoned {
			errs = append(errs, os.RemoveAll(filepath.Join(d.path, e.Name())))
		}
		digest := strings.TrimSuffix(e.Name(), partSuffix)
		if !digestForm.MatchString(digest) || digest == e.Name() && keep(digest) {
			continue
		}
		ok, err := d.drop(digest, e.Name())
		if ok && digest == e.Name() {
			removed = append(removed, digest)
		}
		errs = append(errs, err)
	}
	return removed, errors.Join(errs...)
}

// drop removes one entry unless its root is in use.
func (d *Dir) drop(digest, entry string) (bool, error) {
	l, err := d.tryLock(digest, unix.LOCK_EX)
	if err != nil || l == nil {
		return false, err
	}
	defer l.release()
	path := filepath.Join(d.path, entry)
	// Out of its name first: one that is only half there must not be used.
	if entry == digest {
		if err := os.Rename(path, path+partSuffix); err != nil {
			return false, fmt.Errorf("remove a root file system: %w", err)
		}
		path += partSuffix
	}
	if err := os.RemoveAll(path); err != nil {
		return false, fmt.Errorf("remove a root file system: %w", err)
	}
	return true, os.Remove(filepath.Join(d.path, digest+lockSuffix))
}

// lockFile is a held lock; the kernel lets go of it when its holder dies.
type lockFile struct{ f *os.File }

// release unlocks before it closes: a child that is just being started has the
// file until it runs its own program, and closing alone would leave it the lock.
func (l *lockFile) release() {
	_ = unix.Flock(int(l.f.Fd()), unix.LOCK_UN) // closing does it too, if later
	_ = l.f.Close()                             // nothing was written
}

// lock waits for a lock until ctx ends.
func (d *Dir) lock(ctx context.Context, digest string, how int) (*lockFile, error) {
	for {
		l, err := d.tryLock(digest, how)
		if l != nil || err != nil {
			return l, err
		}
		select {
		case <-time.After(lockPause):
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for a root file system: %w", context.Cause(ctx))
		}
	}
}

// tryLock gives nil where somebody else holds the lock.
func (d *Dir) tryLock(digest string, how int) (*lockFile, error) {
	path := filepath.Join(d.path, digest+lockSuffix)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock a root file system: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), how|unix.LOCK_NB); err != nil {
		_ = f.Close() // nothing was written
		if errors.Is(err, unix.EWOULDBLOCK) || errors.Is(err, unix.EINTR) {
			return nil, nil
		}
		return nil, fmt.Errorf("lock a root file system: %w", err)
	}
	// It may have been removed between opening and locking.
	mine, err := f.Stat()
	if err == nil {
		var there fs.FileInfo
		if there, err = os.Stat(path); err == nil && os.SameFile(mine, there) {
			return &lockFile{f}, nil
		}
	}
	_ = f.Close() // nothing was written
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return nil, fmt.Errorf("lock a root file system: %w", err)
}
