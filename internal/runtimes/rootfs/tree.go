// Package rootfs unpacks root file systems from the tar archives that container
// images and bootstrapped distributions come in, and keeps them by digest in a
// folder that many processes share.
package rootfs

import (
	"archive/tar"
	"bufio"
	"compress/flate"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// ErrInvalid says that an archive itself is at fault, not this machine.
var ErrInvalid = errors.New("not a usable root file system")

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrInvalid, fmt.Sprintf(format, args...))
}

// Limits bound what one root may take.
type Limits struct {
	Bytes   int64 // of all files that are written
	Entries int   // files, folders and links
}

// ImageLimits: AWS's quota is 10 GB for an unpacked image; the number of entries
// is chosen, and bounds the inodes that a small archive can claim.
var ImageLimits = Limits{Bytes: 10 << 30, Entries: 1_000_000}

const (
	maxLink  = 4096 // bytes of a link's target (PATH_MAX)
	maxName  = 4000 // bytes of an entry's path (chosen: PATH_MAX below a folder)
	maxDepth = 255  // folders of an entry's path (chosen: removing a tree takes a descriptor for each)
	maxHops  = 40   // links on the way to an entry (Linux)
)

// Tree is a root file system being unpacked, layer over layer. Whatever the
// archives say, nothing outside of its folder is touched: every operation goes
// through os.Root, and links are followed as the environment would follow them.
type Tree struct {
	root         *os.Root
	limits, left Limits
	mine         map[string]bool // paths of the present layer, which its own whiteouts do not concern

	lastDir, lastReal string // the folder resolved last; archives are sorted by folder
}

// OpenTree starts with the empty folder dir.
func OpenTree(dir string, limits Limits) (*Tree, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open the folder of a root file system: %w", err)
	}
	return &Tree{root: root, limits: limits, left: limits}, nil
}

// Close releases the folder, which stays.
func (t *Tree) Close() error { return t.root.Close() }

// Layer lays an archive, compressed by gzip or not, over what is there. Its whiteouts (names with .wh.)
// remove what earlier layers brought. Devices and pipes are left out, owners too:
// all belongs to who unpacks, as functions run as a user of no file anyway.
func (t *Tree) Layer(r io.Reader) error {
	t.mine = map[string]bool{}
	t.forget()
	plain, err := decompressed(r)
	if err != nil {
		return err
	}
	for archive := tar.NewReader(plain); ; {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			// What follows the archive's end belongs to its digest.
			_, err := io.Copy(io.Discard, plain)
			return readFault(err)
		}
		if errors.Is(err, tar.ErrInsecurePath) {
			err = nil // judged below
		}
		if err != nil {
			return readFault(err)
		}
		if err := t.entry(h, archive); err != nil {
			return err
		}
	}
}

// decompressed undoes the compression of an archive that has one.
func decompressed(r io.Reader) (io.Reader, error) {
	b := bufio.NewReaderSize(r, 64<<10)
	if magic, err := b.Peek(2); err != nil || magic[0] != 0x1f || magic[1] != 0x8b {
		return b, nil
	}
	z, err := gzip.NewReader(b)
	if err != nil {
		return nil, readFault(err)
	}
	return z, nil
}

// readFault tells a broken archive from a source that failed.
func readFault(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[flate.CorruptInputError](err); ok || errors.Is(err, gzip.ErrChecksum) || errors.Is(err, gzip.ErrHeader) {
		return invalid("decompressing the archive: %v", err)
	}
	if errors.Is(err, tar.ErrHeader) || errors.Is(err, tar.ErrFieldTooLong) || errors.Is(err, tar.ErrWriteTooLong) || errors.Is(err, io.ErrUnexpectedEOF) {
		return invalid("reading the archive: %v", err)
	}
	return fmt.Errorf("read a layer: %w", err)
}

// entryName is the path below the root; "." for the root itself.
func entryName(h *tar.Header) (string, error) {
	name := path.Clean(strings.TrimLeft(h.Name, "/"))
	switch {
	case strings.ContainsRune(name, 0) || !filepath.IsLocal(name):
		return "", invalid("entry %q lies outside of the root", h.Name)
	case len(name) > maxName || strings.Count(name, "/") > maxDepth:
		return "", invalid("an entry's path has %d bytes and %d folders, at most %d and %d", len(name), strings.Count(name, "/"), maxName, maxDepth)
	}
	return name, nil
}

func (t *Tree) entry(h *tar.Header, body io.Reader) error {
	name, err := entryName(h)
	if err != nil {
		return err
	}
	if t.left.Entries--; t.left.Entries < 0 {
		return invalid("too many entries")
	}
	if name == "." {
		return nil
	}
	if base := path.Base(name); strings.HasPrefix(base, whiteout) {
		return t.white(path.Dir(name), base)
	}
	dir, err := t.real(path.Dir(name))
	if err != nil {
		return err
	}
	at := path.Join(dir, path.Base(name))
	t.mark(at)
	switch h.Typeflag {
	case tar.TypeDir:
		return t.dir(at, h)
	case tar.TypeReg:
		return t.file(at, h, body)
	case tar.TypeSymlink:
		return t.symlink(at, h)
	case tar.TypeLink:
		return t.link(at, h)
	case tar.TypeChar, tar.TypeBlock, tar.TypeFifo, tar.TypeXGlobalHeader:
		return nil // /dev is the sandbox's own
	default:
		return invalid("entry %q is of unknown kind %q", h.Name, h.Typeflag)
	}
}

// Names of whiteouts, OCI image specification "Whiteouts"; what else begins with
// whiteout twice is bookkeeping of the file system that made the layer.
const (
	whiteout = ".wh."
	opaque   = ".wh..wh..opq"
)

func (t *Tree) white(dir, base string) error {
	dir, err := t.real(dir)
	if err != nil {
		return err
	}
	if base == opaque {
		return t.clearBelow(dir)
	}
	name := strings.TrimPrefix(base, whiteout)
	switch {
	case strings.HasPrefix(name, whiteout):
		return nil
	case name == "" || name == "." || name == "..":
		return invalid("whiteout %q names nothing", base)
	}
	at := path.Join(dir, name)
	if t.mine[at] {
		return nil
	}
	return t.remove(at)
}

// clearBelow removes what earlier layers brought into a folder.
func (t *Tree) clearBelow(dir string) error {
	names, err := t.names(dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if at := path.Join(dir, name); !t.mine[at] {
			if err := t.remove(at); err != nil {
				return err
			}
		} else if st, err := t.root.Lstat(at); err == nil && st.IsDir() {
			if err := t.clearBelow(at); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t *Tree) names(dir string) ([]string, error) {
	f, err := t.root.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("look into a folder of the root: %w", err)
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	if err != nil {
		return nil, fmt.Errorf("look into a folder of the root: %w", err)
	}
	return names, nil
}

// mark notes that a path, and so the folders above it, are of the present layer.
func (t *Tree) mark(at string) {
	for ; at != "." && !t.mine[at]; at = path.Dir(at) {
		t.mine[at] = true
	}
}

func (t *Tree) forget() { t.lastDir, t.lastReal = ".", "." }

// real gives the place of a folder, following links within the root, and makes
// what is missing of it.
func (t *Tree) real(name string) (string, error) {
	if name == t.lastDir {
		return t.lastReal, nil
	}
	at, rest, hops := ".", strings.Split(name, "/"), 0
	for len(rest) > 0 {
		var first string
		first, rest = rest[0], rest[1:]
		if first == "" || first == "." || first == ".." {
			if first == ".." {
				at = path.Dir(at) // of "." this is "."
			}
			continue
		}
		next := path.Join(at, first)
		st, err := t.root.Lstat(next)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			if err := t.root.Mkdir(next, 0o755); err != nil {
				return "", t.fault("make a folder", err)
			}
			at = next
		case err != nil:
			return "", t.fault("look at an entry", err)
		case st.IsDir():
			at = next
		case st.Mode()&fs.ModeSymlink == 0:
			return "", invalid("%s is no folder, but has entries", next)
		default:
			if hops++; hops > maxHops {
				return "", invalid("%s leads in circles", name)
			}
			to, err := t.root.Readlink(next)
			if err != nil {
				return "", t.fault("read a link", err)
			}
			if path.IsAbs(to) {
				at = "."
			}
			rest = append(strings.Split(to, "/"), rest...)
		}
		if len(at) > maxName {
			return "", invalid("%.100s… is too long a path", at)
		}
	}
	t.lastDir, t.lastReal = name, at
	return at, nil
}

// remove makes room at a path, whatever is there.
func (t *Tree) remove(at string) error {
	st, err := t.root.Lstat(at)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return t.fault("look at an entry", err)
	}
	if st.IsDir() || st.Mode()&fs.ModeSymlink != 0 {
		t.forget()
	}
	if err := t.root.RemoveAll(at); err != nil {
		return t.fault("remove an entry", err)
	}
	return nil
}

// dir makes a folder, or gives the one that is there its mode. Its owner may
// always write, or could not remove it later without being root.
func (t *Tree) dir(at string, h *tar.Header) error {
	mode := fs.FileMode(h.Mode)&0o777 | 0o700
	if st, err := t.root.Lstat(at); err != nil || !st.IsDir() {
		if err := t.remove(at); err != nil {
			return err
		}
		if err := t.root.Mkdir(at, mode); err != nil {
			return t.fault("make a folder", err)
		}
	}
	if err := t.root.Chmod(at, mode); err != nil { // whatever the umask is
		return t.fault("set a folder's mode", err)
	}
	return nil
}

// file writes one file. It keeps its permissions, not what would give others'
// powers, and its time, by which Python knows its compiled files.
func (t *Tree) file(at string, h *tar.Header, body io.Reader) error {
	if h.Size > t.left.Bytes {
		return invalid("more than the allowed bytes")
	}
	if err := t.remove(at); err != nil {
		return err
	}
	f, err := t.root.OpenFile(at, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return t.fault("create a file", err)
	}
	n, err := io.Copy(f, body) // the archive's reader ends at h.Size
	t.left.Bytes -= n
	if err == nil {
		err = f.Chmod(fs.FileMode(h.Mode) & 0o777)
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return readFault(err)
	}
	if err := t.root.Chtimes(at, h.ModTime, h.ModTime); err != nil {
		return t.fault("set a file's time", err)
	}
	return nil
}

// symlink makes a link to anywhere: only the environment follows it, in its root.
func (t *Tree) symlink(at string, h *tar.Header) error {
	if h.Linkname == "" || len(h.Linkname) > maxLink || strings.ContainsRune(h.Linkname, 0) {
		return invalid("link %q has no usable target", h.Name)
	}
	if err := t.remove(at); err != nil {
		return err
	}
	t.forget()
	if err := t.root.Symlink(h.Linkname, at); err != nil {
		return t.fault("make a link", err)
	}
	return nil
}

// link makes another name of a file of the root.
func (t *Tree) link(at string, h *tar.Header) error {
	name, err := entryName(&tar.Header{Name: h.Linkname})
	if err != nil {
		return err
	}
	dir, err := t.real(path.Dir(name))
	if err != nil {
		return err
	}
	from := path.Join(dir, path.Base(name))
	if from == at {
		return nil
	}
	if st, err := t.root.Lstat(from); err != nil || st.IsDir() {
		return invalid("%q is a hard link to %q, which is no file of the root", h.Name, h.Linkname)
	}
	if err := t.remove(at); err != nil {
		return err
	}
	if err := t.root.Link(from, at); err != nil {
		return t.fault("make a hard link", err)
	}
	return nil
}

// fault blames the archive for paths that contradict each other, else the host.
func (t *Tree) fault(what string, err error) error {
	if isPathConflict(err) {
		return invalid("%s: %v", what, err)
	}
	return fmt.Errorf("%s of the root file system: %w", what, err)
}

// Written is how many bytes of files were written so far.
func (t *Tree) Written() int64 { return t.limits.Bytes - t.left.Bytes }
