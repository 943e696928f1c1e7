// Package codepkg checks and unpacks a function's code package, a zip file
// that nobody trusts.
package codepkg

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/lamina-dev/lamina"
)

// Limits of a package.
const (
	MaxUnzipped = 262_144_000 // bytes really written (lambda-api.md)
	MaxEntries  = 200_000     // chosen: bounds the inodes that a tiny zip can claim
	maxLink     = 4096        // bytes of a symbolic link's target (PATH_MAX)
	maxName     = 4000        // bytes of an entry's path (chosen: PATH_MAX below /var/task)
	maxDepth    = 255         // folders of an entry's path (chosen: removing a tree takes a descriptor for each)
)

// AWS's texts.
const (
	textNoZip  = "Could not unzip uploaded file. Please check your file, then try to upload again."
	textTooBig = "Unzipped size must be smaller than 262144000 bytes"
)

// Check tells whether the file at path is a zip that Extract would take, and how
// many bytes it says its files have, without unpacking it. Its errors are
// *lamina.Error with AWS's texts.
func Check(path string) (unpacked int64, err error) {
	z, err := open(path)
	if err != nil {
		return 0, err
	}
	for _, f := range z.File {
		unpacked += int64(f.UncompressedSize64) // at most MaxUnzipped, open has seen to it
	}
	return unpacked, z.Close()
}

// Extract unpacks the zip at path into dir, which must exist and be empty.
// Whatever the zip says, nothing outside of dir is touched and at most
// MaxUnzipped bytes are written.
func Extract(path, dir string) error {
	z, err := open(path)
	if err != nil {
		return err
	}
	defer z.Close()
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("opening the folder for the code: %w", err)
	}
	defer root.Close()
	x := extraction{root: root, left: MaxUnzipped}
	for _, f := range z.File {
		if err := x.entry(f); err != nil {
			return err
		}
	}
	return nil
}

// open reads the zip's directory and refuses what it alone shows to be wrong.
func open(path string) (*zip.ReadCloser, error) {
	if err := checkHeaders(path); err != nil {
		return nil, err
	}
	z, err := zip.OpenReader(path)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return nil, fmt.Errorf("opening a code package: %w", err)
	}
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) {
		return nil, noZip(err)
	}
	if err := checkEntries(z.File); err != nil {
		z.Close()
		return nil, err
	}
	return z, nil
}

// header begins each entry of a zip's directory, which has at least headerSize bytes.
const (
	header     = "PK\x01\x02"
	headerSize = 46
)

// checkHeaders refuses a directory of too many entries before memory is spent
// on them. It counts what looks like one, wherever it lies: the zip itself may lie.
func checkHeaders(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("opening a code package: %w", err)
	}
	defer f.Close()
	if st, err := f.Stat(); err == nil && st.Size() < MaxEntries*headerSize {
		return nil
	}
	n, err := count(f, []byte(header))
	if err != nil {
		return fmt.Errorf("reading a code package: %w", err)
	}
	if n > MaxEntries {
		return noZip(fmt.Errorf("%d entries, at most %d", n, MaxEntries))
	}
	return nil
}

// count tells how often word occurs in r.
func count(r io.Reader, word []byte) (n int, err error) {
	buf := make([]byte, 64<<10)
	kept := 0 // bytes of the last part in which a word may begin
	for {
		got, err := r.Read(buf[kept:])
		part := buf[:kept+got]
		n += bytes.Count(part, word)
		if errors.Is(err, io.EOF) {
			return n, nil
		}
		if err != nil {
			return n, err
		}
		kept = copy(buf, part[max(0, len(part)-len(word)+1):])
	}
}

func checkEntries(files []*zip.File) error {
	if len(files) == 0 {
		return lamina.Errorf(lamina.CodeInvalidParameter, "Uploaded file must be a non-empty zip")
	}
	if len(files) > MaxEntries {
		return noZip(fmt.Errorf("%d entries, at most %d", len(files), MaxEntries))
	}
	var total uint64
	for _, f := range files {
		if _, err := entryName(f); err != nil {
			return noZip(err)
		}
		if f.Flags&1 != 0 {
			return noZip(fmt.Errorf("entry %q is encrypted", f.Name))
		}
		if total += f.UncompressedSize64; total > MaxUnzipped || f.UncompressedSize64 > MaxUnzipped {
			return tooBig()
		}
	}
	return nil
}

func noZip(cause error) error {
	return &lamina.Error{Code: lamina.CodeInvalidParameter, Message: textNoZip, Cause: cause}
}

func tooBig() error { return lamina.Errorf(lamina.CodeInvalidParameter, textTooBig) }

// entryName is the entry's path inside the package; "." for its root.
func entryName(f *zip.File) (string, error) {
	name := strings.ReplaceAll(f.Name, `\`, "/") // some Windows tools write these
	clean := path.Clean(name)
	drive := len(name) > 1 && name[1] == ':'
	if name == "" || drive || strings.ContainsRune(name, 0) || !filepath.IsLocal(filepath.FromSlash(clean)) {
		return "", fmt.Errorf("entry %q is outside of the package", f.Name)
	}
	if len(clean) > maxName || strings.Count(clean, "/") > maxDepth {
		return "", fmt.Errorf("an entry's path has %d bytes and %d folders, at most %d and %d", len(clean), strings.Count(clean, "/"), maxName, maxDepth)
	}
	return clean, nil
}

// extraction is a package being written.
type extraction struct {
	root *os.Root
	left int64 // bytes that may still be written
}

func (x *extraction) entry(f *zip.File) error {
	name, err := entryName(f)
	if err != nil {
		return noZip(err)
	}
	mode := f.Mode()
	switch {
	case strings.HasSuffix(f.Name, "/") || mode.IsDir():
		return x.dir(name)
	case mode&fs.ModeSymlink != 0:
		return x.link(f, name)
	case !mode.IsRegular():
		return noZip(fmt.Errorf("entry %q is neither file, folder nor link", f.Name))
	default:
		return x.file(f, name)
	}
}

func (x *extraction) dir(name string) error {
	if name == "." {
		return nil
	}
	if err := x.root.MkdirAll(name, 0o755); err != nil {
		return x.fault("making a folder of the code", err)
	}
	return nil
}

// file writes one file. It is made readable for all and keeps whether it can
// be executed.
func (x *extraction) file(f *zip.File, name string) error {
	mode := f.Mode().Perm()&0o111 | 0o644
	if mode&0o111 != 0 {
		mode |= 0o111
	}
	if err := x.clear(name); err != nil {
		return err
	}
	src, err := f.Open()
	if err != nil {
		return noZip(err)
	}
	defer src.Close()
	dst, err := x.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return x.fault("creating a file of the code", err)
	}
	err = x.copy(dst, src, int64(f.UncompressedSize64))
	if err == nil {
		err = dst.Chmod(mode) // whatever the umask is
	}
	return errors.Join(err, dst.Close())
}

// clear makes room for name: its folders exist and nothing else has its place.
func (x *extraction) clear(name string) error {
	if err := x.dir(path.Dir(name)); err != nil {
		return err
	}
	if err := x.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return x.fault("replacing an entry of the code", err)
	}
	return nil
}

// copy writes at most one byte more than the entry says it has, which
// checkEntries has seen; that the zip lies is known then.
func (x *extraction) copy(dst io.Writer, src io.Reader, size int64) error {
	r := &sourceReader{r: src}
	n, err := io.Copy(dst, io.LimitReader(r, min(size, x.left)+1))
	if x.left -= n; x.left < 0 {
		return tooBig()
	}
	if n > size {
		return noZip(fmt.Errorf("an entry has more than the %d bytes it says", size))
	}
	if r.err != nil {
		return noZip(r.err)
	}
	if err != nil {
		return fmt.Errorf("writing a file of the code: %w", err)
	}
	return nil
}

// sourceReader tells a broken zip from a full disk.
type sourceReader struct {
	r   io.Reader
	err error
}

func (s *sourceReader) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

// link makes a symbolic link if it stays inside the package.
func (x *extraction) link(f *zip.File, name string) error {
	src, err := f.Open()
	if err != nil {
		return noZip(err)
	}
	defer src.Close()
	target, err := io.ReadAll(io.LimitReader(src, maxLink+1))
	if err != nil {
		return noZip(err)
	}
	to := string(target)
	if len(to) > maxLink || path.IsAbs(to) || !filepath.IsLocal(path.Join(path.Dir(name), to)) {
		return noZip(fmt.Errorf("link %q leads outside of the package", f.Name))
	}
	if err := x.clear(name); err != nil {
		return err
	}
	if err := x.root.Symlink(to, name); err != nil {
		return x.fault("linking a file of the code", err)
	}
	return nil
}

// fault blames the zip for paths that contradict each other, else the host.
func (x *extraction) fault(what string, err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) && isPathConflict(pe.Err) {
		return noZip(err)
	}
	return fmt.Errorf("%s: %w", what, err)
}
