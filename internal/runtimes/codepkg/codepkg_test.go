package codepkg

import (
	"archive/zip"
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/lamina-dev/lamina"
)

type file struct {
	name, body string
	mode       fs.FileMode
}

func makeZip(t testing.TB, files ...file) string {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, f := range files {
		h := &zip.FileHeader{Name: f.name, Method: zip.Deflate}
		h.SetMode(f.mode)
		fw, err := w.CreateHeader(h)
		if err != nil {
			t.Fatal(err)
		}
		fw.Write([]byte(f.body))
	}
	w.Close()
	return write(t, b.Bytes())
}

func write(t testing.TB, data []byte) string {
	t.Helper()
	p := filepath.Join(t.TempDir(), "code.zip")
	if err := os.WriteFile(p, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return p
}

func TestExtract(t *testing.T) {
	p := makeZip(t,
		file{"bootstrap", "#!/bin/sh\n", 0o755},
		file{"pkg/", "", fs.ModeDir | 0o700},
		file{"pkg/data.txt", "one", 0o600},
		file{"a/b/c.py", "c", 0o644},
		file{"a/link.py", "b/c.py", fs.ModeSymlink | 0o777},
		file{"pkg/data.txt", "two", 0o600},
	)
	if _, err := Check(p); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := Extract(p, dir); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"bootstrap": "#!/bin/sh\n", "pkg/data.txt": "two", "a/link.py": "c"} {
		if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(got) != want {
			t.Errorf("%s: %q %v", name, got, err)
		}
	}
	for name, want := range map[string]fs.FileMode{"bootstrap": 0o755, "pkg/data.txt": 0o644, "pkg": 0o755 | fs.ModeDir} {
		if st, err := os.Stat(filepath.Join(dir, name)); err != nil || st.Mode() != want {
			t.Errorf("%s: %v %v", name, st.Mode(), err)
		}
	}
}

func TestRefused(t *testing.T) {
	for name, files := range map[string][]file{
		"traversal":        {{"../evil", "x", 0o644}},
		"absolute":         {{"/etc/evil", "x", 0o644}},
		"inner traversal":  {{"a/../../evil", "x", 0o644}},
		"backslashes":      {{`..\evil`, "x", 0o644}},
		"absolute link":    {{"l", "/etc/passwd", fs.ModeSymlink}},
		"link outside":     {{"a/l", "../../x", fs.ModeSymlink}},
		"device":           {{"d", "", fs.ModeDevice | 0o600}},
		"file below file":  {{"a", "x", 0o644}, {"a/b", "y", 0o644}},
		"through dir link": {{"d", ".", fs.ModeSymlink}, {"d/d/../../x", "y", 0o644}},
		"empty":            {},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "in")
			os.Mkdir(dir, 0o755)
			p := makeZip(t, files...)
			err := Extract(p, dir)
			if name == "through dir link" {
				return // only must not escape, below
			}
			if lamina.ErrorCode(err) != lamina.CodeInvalidParameter {
				t.Errorf("%v", err)
			}
			entries, _ := os.ReadDir(filepath.Dir(dir))
			if len(entries) != 1 {
				t.Errorf("something was written outside: %v", entries)
			}
		})
	}
}

func TestNoZip(t *testing.T) {
	for _, data := range []string{"", "PK", "not a zip at all", "PK\x03\x04truncated"} {
		_, err := Check(write(t, []byte(data)))
		if lamina.ErrorCode(err) != lamina.CodeInvalidParameter {
			t.Errorf("%q: %v", data, err)
		}
	}
	if _, err := Check(filepath.Join(t.TempDir(), "absent")); err == nil || lamina.ErrorCode(err) != "" {
		t.Errorf("a missing file is the host's fault, not the caller's: %v", err)
	}
}

func FuzzExtract(f *testing.F) {
	for _, p := range []string{makeZip(f, file{"a/b", "x", 0o755}), makeZip(f, file{"l", "a", fs.ModeSymlink}, file{"l/x", "y", 0o644})} {
		data, _ := os.ReadFile(p)
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		parent := t.TempDir()
		dir := filepath.Join(parent, "in")
		os.Mkdir(dir, 0o755)
		p := write(t, data)
		_, checked := Check(p)
		if err := Extract(p, dir); checked != nil && err == nil {
			t.Errorf("extracted what Check refuses: %v", checked)
		}
		if entries, _ := os.ReadDir(parent); len(entries) != 1 {
			t.Errorf("written outside: %v", entries)
		}
	})
}
