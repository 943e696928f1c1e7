package sqlite

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/vfs"
)

// faultFS is the real file system with faults, and with a memory of what was
// synced, to make the disk that a power loss would leave.
type faultFS struct {
	vfs.VFS
	name string

	mu     sync.Mutex
	count  int                      // writes, truncations, syncs and deletions so far
	fault  func(k int) (hurt fault) // asked for each of them
	images map[string]*image        // by path
}

// fault is what happens to one operation.
type fault int

const (
	fine  fault = iota
	full        // refused: no space
	ioErr       // refused: input/output error
	torn        // a write does its first half, then fails
)

var fsNumber atomic.Int64

func newFaultFS(t *testing.T) *faultFS {
	fs := &faultFS{
		VFS:    vfs.Find(diskName),
		name:   fmt.Sprintf("fault%d", fsNumber.Add(1)),
		fault:  func(int) fault { return fine },
		images: map[string]*image{},
	}
	vfs.Register(fs.name, fs)
	t.Cleanup(func() { vfs.Unregister(fs.name) })
	return fs
}

// set changes the faults from now on.
func (fs *faultFS) set(f func(k int) fault) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.count, fs.fault = 0, f
}

func (fs *faultFS) step() fault {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.count++
	return fs.fault(fs.count)
}

func (f fault) err() error {
	switch f {
	case fine:
		return nil
	case full:
		return sqlite3.FULL
	default:
		return sqlite3.IOERR
	}
}

func (fs *faultFS) Open(string, vfs.OpenFlag) (vfs.File, vfs.OpenFlag, error) {
	return nil, 0, errors.New("only OpenFilename is called")
}

func (fs *faultFS) OpenFilename(name *vfs.Filename, flags vfs.OpenFlag) (vfs.File, vfs.OpenFlag, error) {
	f, out, err := fs.VFS.(vfs.VFSFilename).OpenFilename(name, flags)
	if err != nil || name == nil {
		return f, out, err
	}
	return &faultFile{File: f, fs: fs, path: name.String()}, out, nil
}

func (fs *faultFS) Delete(name string, syncDir bool) error {
	if err := fs.step().err(); err != nil {
		return err
	}
	fs.mu.Lock()
	delete(fs.images, name)
	fs.mu.Unlock()
	return fs.VFS.Delete(name, syncDir)
}

type faultFile struct {
	vfs.File
	fs   *faultFS
	path string
}

func (f *faultFile) SharedMemory() vfs.SharedMemory {
	return f.File.(vfs.FileSharedMemory).SharedMemory()
}

func (f *faultFile) WriteAt(p []byte, off int64) (int, error) {
	hurt := f.fs.step()
	part := p
	switch hurt {
	case full, ioErr:
		return 0, hurt.err()
	case torn:
		part = p[:len(p)/2]
	}
	f.remember(change{off: off, data: slices.Clone(part)})
	n, err := f.File.WriteAt(part, off)
	return n, errors.Join(hurt.err(), err)
}

func (f *faultFile) Truncate(size int64) error {
	if err := f.fs.step().err(); err != nil {
		return err
	}
	f.remember(change{off: size, cut: true})
	return f.File.Truncate(size)
}

func (f *faultFile) Sync(flags vfs.SyncFlag) error {
	if err := f.fs.step().err(); err != nil {
		return err
	}
	f.fs.mu.Lock()
	if im := f.fs.images[f.path]; im != nil {
		im.synced, im.changes = im.after(func(change) (int, int) { return 0, -1 }), nil
	}
	f.fs.mu.Unlock()
	return f.File.Sync(flags)
}

func (f *faultFile) remember(c change) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if f.fs.images[f.path] == nil {
		f.fs.images[f.path] = &image{}
	}
	im := f.fs.images[f.path]
	im.changes = append(im.changes, c)
}

// image is a file as last synced, and what was done to it since.
type image struct {
	synced  []byte
	changes []change
}

type change struct {
	off  int64
	data []byte
	cut  bool // a truncation to off
}

// after is the file after some of the changes: keep gives the part of each that
// reached the disk, from and to, with -1 for its end.
func (im *image) after(keep func(change) (from, to int)) []byte {
	file := slices.Clone(im.synced)
	for _, c := range im.changes {
		from, to := keep(c)
		if to < 0 {
			to = len(c.data)
		}
		switch {
		case c.cut && to >= from:
			file = append(file[:min(int(c.off), len(file))], make([]byte, max(0, int(c.off)-len(file)))...)
		case to > from:
			if grow := int(c.off) + to - len(file); grow > 0 {
				file = append(file, make([]byte, grow)...)
			}
			copy(file[int(c.off)+from:], c.data[from:to])
		}
	}
	return file
}

// powerLoss makes the folder that a power loss could leave: of what was not
// synced some is lost, some is torn between sectors. Only the file that nobody
// syncs is as it is.
func (fs *faultFS) powerLoss(t *testing.T, folder string, rnd *rand.Rand) string {
	t.Helper()
	const sector = 512
	left := t.TempDir()
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for _, path := range slices.Sorted(maps.Keys(fs.images)) {
		file := fs.images[path].after(func(c change) (int, int) {
			switch rnd.IntN(4) {
			case 0:
				return 0, -1
			case 1:
				return 0, min(len(c.data), sector*rnd.IntN(len(c.data)/sector+1))
			case 2:
				return min(len(c.data), sector*rnd.IntN(len(c.data)/sector+1)), -1
			default:
				return 1, 0
			}
		})
		if err := os.WriteFile(filepath.Join(left, filepath.Base(path)), file, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	copyFile(t, folder, left, headName)
	return left
}

func copyFile(t *testing.T, from, to, name string) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(from, name))
	if errors.Is(err, os.ErrNotExist) {
		return
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(to, name), raw, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}
