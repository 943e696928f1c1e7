package sqlite

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/vfs"
)

// diskName is the name under which SQLite knows disk.
const diskName = "lamina"

func init() { vfs.Register(diskName, disk{vfs.Find("os")}) }

// disk is the driver's own file system with three things set right: files are
// private, no space is told from other faults, and a page that is cut short is
// damage (SQLite would fill it up with zeros, and checksums are of whole pages).
type disk struct{ vfs.VFS }

// Open is called for files without a name only.
func (d disk) Open(string, vfs.OpenFlag) (vfs.File, vfs.OpenFlag, error) {
	return d.OpenFilename(nil, 0)
}

// OpenFilename implements vfs.VFSFilename.
func (d disk) OpenFilename(name *vfs.Filename, flags vfs.OpenFlag) (vfs.File, vfs.OpenFlag, error) {
	if name != nil && flags&vfs.OPEN_CREATE != 0 {
		if err := touch(name.String()); err != nil {
			return nil, 0, err
		}
	}
	f, out, err := d.VFS.(vfs.VFSFilename).OpenFilename(name, flags)
	if err != nil {
		return nil, out, err
	}
	return &diskFile{File: f, paged: flags&vfs.OPEN_MAIN_DB != 0}, out, nil
}

// touch makes a missing file, which SQLite would make readable for everybody.
func touch(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return f.Close()
}

type diskFile struct {
	vfs.File
	paged bool
}

func (f *diskFile) ReadAt(p []byte, off int64) (int, error) {
	n, err := f.File.ReadAt(p, off)
	if f.paged && off > 0 && n > 0 && n < len(p) {
		return 0, vfs.SystemError(fmt.Errorf("page at %d is cut to %d bytes", off, n), sqlite3.CORRUPT)
	}
	return n, err
}

func (f *diskFile) WriteAt(p []byte, off int64) (int, error) {
	n, err := f.File.WriteAt(p, off)
	return n, noSpace(err)
}

func (f *diskFile) Truncate(size int64) error { return noSpace(f.File.Truncate(size)) }

func (f *diskFile) Sync(flags vfs.SyncFlag) error { return noSpace(f.File.Sync(flags)) }

// SharedMemory implements vfs.FileSharedMemory.
func (f *diskFile) SharedMemory() vfs.SharedMemory {
	return f.File.(vfs.FileSharedMemory).SharedMemory()
}

func noSpace(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return vfs.SystemError(err, sqlite3.FULL)
	}
	return err
}
