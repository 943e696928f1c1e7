package codepkg

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/lamina-dev/lamina"
)

// raw is an entry whose header says what we like.
type raw struct {
	name     string
	says     uint64 // uncompressed size
	data     []byte // deflated
	crc      uint32
	external uint32 // attributes: a Unix mode in the upper half
}

func rawZip(t testing.TB, entries ...raw) string {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, e := range entries {
		h := &zip.FileHeader{Name: e.name, Method: zip.Deflate, CRC32: e.crc, CompressedSize64: uint64(len(e.data)), UncompressedSize64: e.says,
			CreatorVersion: 3 << 8, ExternalAttrs: e.external}
		fw, err := w.CreateRaw(h)
		if err != nil {
			t.Fatal(err)
		}
		fw.Write(e.data)
	}
	w.Close()
	return write(t, b.Bytes())
}

// zeros gives n deflated bytes of zeros and their checksum.
func zeros(t testing.TB, n int) ([]byte, uint32) {
	t.Helper()
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, flate.BestSpeed) // the level is one of its own
	sum := crc32.NewIEEE()
	block := make([]byte, 1<<20)
	for left := n; left > 0; left -= len(block) {
		block = block[:min(left, len(block))]
		w.Write(block)
		sum.Write(block)
	}
	w.Close()
	return b.Bytes(), sum.Sum32()
}

// TestHostile is the corpora S1 and S2: each is refused with AWS's error, with
// nothing outside the folder and no more bytes inside than a package may have.
func TestHostile(t *testing.T) {
	small, smallSum := zeros(t, 1000)
	large, largeSum := zeros(t, 8<<20)
	mode := func(m uint32) uint32 { return m << 16 }
	evil := func(name string) string {
		return rawZip(t, raw{name: name, says: 1000, data: small, crc: smallSum, external: mode(0o100644)})
	}
	for name, tt := range map[string]struct {
		zip  string
		text string
	}{
		"traversal":                 {evil("../evil"), textNoZip},
		"traversal inside":          {evil("a/../../evil"), textNoZip},
		"traversal by backslash":    {evil(`a\..\..\evil`), textNoZip},
		"absolute":                  {evil("/tmp/evil"), textNoZip},
		"absolute by backslash":     {evil(`\evil`), textNoZip},
		"drive":                     {evil("C:/evil"), textNoZip},
		"drive by backslash":        {evil(`C:\evil`), textNoZip},
		"drive and no slash":        {evil("C:evil"), textNoZip},
		"no name":                   {evil(""), textNoZip},
		"NUL in a name":             {evil("a\x00b"), textNoZip},
		"only dots":                 {evil(".."), textNoZip},
		"long name":                 {evil(strings.Repeat("n", 300)), textNoZip},
		"deep name":                 {evil(strings.Repeat("d/", 20000) + "f"), textNoZip},
		"link out, written through": {makeZip(t, file{"l", "..", fs.ModeSymlink}, file{"l/evil", "x", 0o644}), textNoZip},
		"link to root":              {makeZip(t, file{"l", "/", fs.ModeSymlink}, file{"l/tmp/evil", "x", 0o644}), textNoZip},
		"links that climb": {makeZip(t, file{"a/b", "..", fs.ModeSymlink}, file{"a/b/c", "../..", fs.ModeSymlink},
			file{"a/b/c/evil", "x", 0o644}), textNoZip},
		"link in a circle": {makeZip(t, file{"l", "l", fs.ModeSymlink}, file{"l/evil", "x", 0o644}), textNoZip},
		"long link":        {makeZip(t, file{"l", strings.Repeat("a/", 4000), fs.ModeSymlink}), textNoZip},
		"block device":     {rawZip(t, raw{name: "sda", external: mode(0o060666)}), textNoZip},
		"char device":      {rawZip(t, raw{name: "mem", external: mode(0o020666)}), textNoZip},
		"pipe":             {rawZip(t, raw{name: "p", external: mode(0o010666)}), textNoZip},
		"socket":           {rawZip(t, raw{name: "s", external: mode(0o140666)}), textNoZip},
		"says little":      {rawZip(t, raw{name: "f", says: 10, data: large, crc: largeSum}), textNoZip},
		"says nothing":     {rawZip(t, raw{name: "f", says: 0, data: large, crc: largeSum}), textNoZip},
		"says more":        {rawZip(t, raw{name: "f", says: 2000, data: small, crc: smallSum}), textNoZip},
		"wrong checksum":   {rawZip(t, raw{name: "f", says: 1000, data: small, crc: 1}), textNoZip},
		"cut data":         {rawZip(t, raw{name: "f", says: 8 << 20, data: large[:len(large)/2], crc: largeSum}), textNoZip},
		"too big":          {rawZip(t, raw{name: "f", says: MaxUnzipped + 1, data: small, crc: smallSum}), textTooBig},
		"too big together": {rawZip(t, raw{name: "f", says: MaxUnzipped, data: small}, raw{name: "g", says: 1, data: small}), textTooBig},
		"sum overflows":    {rawZip(t, raw{name: "f", says: 1 << 63, data: small}, raw{name: "g", says: 1 << 63, data: small}), textTooBig},
		"overlapping":      {overlapping(t, 40, large, largeSum), textTooBig},
		"crowd":            {crowd(t, MaxEntries+1), textNoZip},
	} {
		t.Run(name, func(t *testing.T) {
			parent := t.TempDir()
			dir := filepath.Join(parent, "in")
			os.Mkdir(dir, 0o755)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			err := Extract(tt.zip, dir)
			runtime.ReadMemStats(&after)
			e, ok := errors.AsType[*lamina.Error](err)
			if !ok || e.Code != lamina.CodeInvalidParameter || e.Message != tt.text {
				t.Errorf("%v", err)
			}
			if used := after.TotalAlloc - before.TotalAlloc; used > 64<<20 {
				t.Errorf("took %d MiB of memory", used>>20)
			}
			if n := bytesBelow(t, parent); n > MaxUnzipped {
				t.Errorf("%d bytes written", n)
			}
			if entries, _ := os.ReadDir(parent); len(entries) != 1 {
				t.Errorf("written outside: %v", entries)
			}
			if _, err := os.Stat("/tmp/evil"); err == nil {
				t.Error("written outside: /tmp/evil")
			}
		})
	}
}

// Entries that look hostile and do no harm are unpacked, without what would.
func TestHarmless(t *testing.T) {
	small, sum := zeros(t, 1000)
	dir := t.TempDir()
	if err := Extract(rawZip(t,
		raw{name: "setuid", says: 1000, data: small, crc: sum, external: 0o106755 << 16},
		raw{name: "File", says: 1000, data: small, crc: sum, external: 0o100600 << 16},
		raw{name: "file", says: 1000, data: small, crc: sum, external: 0o100600 << 16},
		raw{name: "nested.zip", says: 1000, data: small, crc: sum, external: 0o100600 << 16},
	), dir); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]fs.FileMode{"setuid": 0o755, "File": 0o644, "file": 0o644, "nested.zip": 0o644} {
		if st, err := os.Stat(filepath.Join(dir, name)); err != nil || st.Mode() != want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// overlapping is n entries that all have the same data: a zip of 8 KiB for n times 8 MiB.
func overlapping(t *testing.T, n int, data []byte, crc uint32) string {
	t.Helper()
	one, err := os.ReadFile(rawZip(t, raw{name: "f", says: 8 << 20, data: data, crc: crc}))
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.LastIndex(one, []byte(header))
	end := bytes.LastIndex(one, []byte("PK\x05\x06"))
	entry, tail := one[at:end], bytes.Clone(one[end:])
	out := append([]byte{}, one[:at]...)
	for i := range n {
		e := bytes.Clone(entry)
		e[headerSize] = byte('A' + i%26) // its name
		out = append(out, e...)
	}
	binary.LittleEndian.PutUint16(tail[8:], uint16(n))
	binary.LittleEndian.PutUint16(tail[10:], uint16(n))
	binary.LittleEndian.PutUint32(tail[12:], uint32(n*len(entry)))
	return write(t, append(out, tail...))
}

// crowd is a directory of n entries, of which the zip's end mentions one.
func crowd(t *testing.T, n int) string {
	t.Helper()
	one, err := os.ReadFile(rawZip(t, raw{name: "f"}))
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.LastIndex(one, []byte(header))
	end := bytes.LastIndex(one, []byte("PK\x05\x06"))
	out := append([]byte{}, one[:at]...)
	out = append(out, bytes.Repeat(one[at:end], n)...)
	return write(t, append(out, one[end:]...))
}

func bytesBelow(t *testing.T, dir string) (n int64) {
	t.Helper()
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if info, err := d.Info(); err == nil && info.Mode().IsRegular() {
			n += info.Size()
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	return n
}
