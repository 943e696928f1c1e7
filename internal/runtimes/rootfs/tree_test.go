package rootfs

import (
	"archive/tar"
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// e is one entry of a test's archive.
type e struct {
	name, body, link string
	kind             byte // 0: a file
	mode             int64
}

func archive(t testing.TB, entries ...e) *bytes.Buffer {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, x := range entries {
		h := &tar.Header{Name: x.name, Linkname: x.link, Typeflag: x.kind, Mode: x.mode, Size: int64(len(x.body)), ModTime: time.Unix(1e9, 0)}
		if x.kind == 0 {
			h.Typeflag = tar.TypeReg
		}
		if x.mode == 0 {
			h.Mode = 0o644
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(x.body)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return &b
}

// unpack lays archives over each other in a fresh folder, with a file beside it
// that must stay as it is.
func unpack(t testing.TB, layers ...[]e) (dir string, err error) {
	t.Helper()
	outer := t.TempDir()
	dir = filepath.Join(outer, "root")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(outer, "secret"), []byte("host"), 0o600); err != nil {
		t.Fatal(err)
	}
	tree, err := OpenTree(dir, Limits{Bytes: 1 << 20, Entries: 1000})
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	for _, l := range layers {
		if err = tree.Layer(archive(t, l...)); err != nil {
			break
		}
	}
	left, _ := os.ReadDir(outer)
	secret, _ := os.ReadFile(filepath.Join(outer, "secret"))
	if st, err := os.Stat(filepath.Join(outer, "secret")); err != nil || len(left) != 2 || string(secret) != "host" || st.Mode() != 0o600 {
		t.Fatalf("outside of the root: %v %q %v", left, secret, err)
	}
	return dir, err
}

// listing tells all paths below dir with a mark: / of folders, -> of links, the content of files.
func listing(t testing.TB, dir string) (list []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(dir, path)
		switch {
		case err != nil || rel == ".":
			return err
		case d.IsDir():
			list = append(list, rel+"/")
		case d.Type()&fs.ModeSymlink != 0:
			to, _ := os.Readlink(path)
			list = append(list, rel+"->"+to)
		default:
			data, _ := os.ReadFile(path)
			list = append(list, rel+"="+string(data))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestLayers(t *testing.T) {
	dir, link, hard := byte(tar.TypeDir), byte(tar.TypeSymlink), byte(tar.TypeLink)
	for name, tt := range map[string]struct {
		layers [][]e
		want   string
	}{
		"files and folders":              {[][]e{{{name: "./a/", kind: dir}, {name: "./a/b", body: "1"}, {name: "/c", body: "2"}}}, "a/ a/b=1 c=2"},
		"a later layer replaces":         {[][]e{{{name: "a", body: "1"}}, {{name: "a", body: "2"}}}, "a=2"},
		"a folder replaces a file":       {[][]e{{{name: "a", body: "1"}}, {{name: "a", kind: dir}, {name: "a/b", body: "2"}}}, "a/ a/b=2"},
		"a file replaces a folder":       {[][]e{{{name: "a/b", body: "1"}}, {{name: "a", body: "2"}}}, "a=2"},
		"a folder keeps what is in it":   {[][]e{{{name: "a/b", body: "1"}}, {{name: "a", kind: dir}, {name: "a/c", body: "2"}}}, "a/ a/b=1 a/c=2"},
		"whiteout":                       {[][]e{{{name: "a/b", body: "1"}, {name: "a/c/d", body: "2"}}, {{name: "a/.wh.c"}}}, "a/ a/b=1"},
		"whiteout spares its own layer":  {[][]e{{{name: "a", body: "1"}}, {{name: "a", body: "2"}, {name: ".wh.a"}}}, "a=2"},
		"whiteout of nothing":            {[][]e{{{name: "a", body: "1"}}, {{name: ".wh.b"}, {name: ".wh..wh.plnk"}}}, "a=1"},
		"opaque":                         {[][]e{{{name: "a/b/c", body: "1"}, {name: "a/d", body: "2"}}, {{name: "a/b/e", body: "3"}, {name: "a/.wh..wh..opq"}}}, "a/ a/b/ a/b/e=3"},
		"hard link":                      {[][]e{{{name: "a", body: "1"}}, {{name: "b", kind: hard, link: "/a"}}}, "a=1 b=1"},
		"a hard link of a replaced file": {[][]e{{{name: "a", body: "1"}, {name: "b", kind: hard, link: "a"}}, {{name: "a", body: "2"}}}, "a=2 b=1"},
		"links stay what they are":       {[][]e{{{name: "a", kind: link, link: "/etc/passwd"}, {name: "b", kind: link, link: "../../x"}}}, "a->/etc/passwd b->../../x"},
		"below a relative link":          {[][]e{{{name: "usr/bin", kind: dir}, {name: "bin", kind: link, link: "usr/bin"}}, {{name: "bin/sh", body: "1"}}}, "bin->usr/bin usr/ usr/bin/ usr/bin/sh=1"},
		"below an absolute link":         {[][]e{{{name: "var/run", kind: link, link: "/run"}}, {{name: "var/run/pid", body: "1"}}}, "run/ run/pid=1 var/ var/run->/run"},
		"below a link that climbs":       {[][]e{{{name: "a/up", kind: link, link: "../../../secret/.."}}, {{name: "a/up/b", body: "1"}}}, "a/ a/up->../../../secret/.. b=1 secret/"},
		"devices are left out":           {[][]e{{{name: "null", kind: tar.TypeChar}, {name: "sda", kind: tar.TypeBlock}, {name: "pipe", kind: tar.TypeFifo}, {name: "a", body: "1"}}}, "a=1"},
		"a link changes a folder's way":  {[][]e{{{name: "d/x", body: "1"}, {name: "d", kind: link, link: "e"}, {name: "d/y", body: "2"}}}, "d->e e/ e/y=2"},
	} {
		t.Run(name, func(t *testing.T) {
			root, err := unpack(t, tt.layers...)
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(listing(t, root), " "); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// TestHostile: what has no business in a root is refused, and nothing happens outside of it.
func TestHostile(t *testing.T) {
	link, hard := byte(tar.TypeSymlink), byte(tar.TypeLink)
	deep := strings.Repeat("d/", 300) + "f"
	for name, layer := range map[string][]e{
		"climbs":                      {{name: "../secret", body: "x"}},
		"climbs from inside":          {{name: "a/../../secret", body: "x"}},
		"climbs with slashes":         {{name: "/../secret", body: "x"}},
		"whiteout of the parent":      {{name: "a/.wh..."}},
		"whiteout of the folder":      {{name: "a/.wh.."}},
		"whiteout without a name":     {{name: "a/.wh."}},
		"whiteout that climbs":        {{name: "../.wh.secret"}},
		"hard link that climbs":       {{name: "a", kind: hard, link: "../secret"}},
		"hard link through a link":    {{name: "up", kind: link, link: ".."}, {name: "a", kind: hard, link: "up/secret"}},
		"hard link to nothing":        {{name: "a", kind: hard, link: "b"}},
		"hard link to a folder":       {{name: "d/f", body: "x"}, {name: "a", kind: hard, link: "d"}},
		"below a file":                {{name: "a", body: "x"}, {name: "a/b", body: "y"}},
		"links in a circle":           {{name: "a", kind: link, link: "b"}, {name: "b", kind: link, link: "a"}, {name: "a/c", body: "x"}},
		"a link without a target":     {{name: "a", kind: link, link: ""}},
		"too deep":                    {{name: deep, body: "x"}},
		"an unknown kind":             {{name: "a", kind: '9'}},
		"more bytes than are allowed": {{name: "a", body: strings.Repeat("x", 1<<20)}, {name: "b", body: "x"}},
		"too many entries":            slices.Repeat([]e{{name: "a", body: "x"}}, 1001),
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := unpack(t, layer); !errors.Is(err, ErrInvalid) {
				t.Errorf("%v", err)
			}
		})
	}
	t.Run("through a link to the host", func(t *testing.T) {
		outside := t.TempDir()
		root, err := unpack(t, []e{{name: "a", kind: link, link: outside}}, []e{{name: "a/b", body: "x"}})
		if err != nil {
			t.Fatal(err)
		}
		if left, _ := os.ReadDir(outside); len(left) > 0 {
			t.Errorf("written to the host: %v", left)
		}
		if _, err := os.Stat(filepath.Join(root, outside, "b")); err != nil {
			t.Errorf("not in the root: %v", err)
		}
	})
	t.Run("cut off", func(t *testing.T) {
		tree, err := OpenTree(t.TempDir(), ImageLimits)
		if err != nil {
			t.Fatal(err)
		}
		defer tree.Close()
		whole := archive(t, e{name: "a", body: strings.Repeat("x", 4000)}).Bytes()
		if err := tree.Layer(bytes.NewReader(whole[:1000])); !errors.Is(err, ErrInvalid) {
			t.Errorf("%v", err)
		}
	})
}

func TestModesAndTimes(t *testing.T) {
	root, err := unpack(t, []e{
		{name: "d", kind: tar.TypeDir, mode: 0o555}, {name: "d/suid", mode: 0o4755}, {name: "d/secret", mode: 0o600}, {name: "d/run", mode: 0o755},
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]fs.FileMode{"d": fs.ModeDir | 0o755, "d/suid": 0o755, "d/secret": 0o600, "d/run": 0o755} {
		st, err := os.Stat(filepath.Join(root, name))
		if err != nil || st.Mode() != want {
			t.Errorf("%s: %v, want %v (%v)", name, st.Mode(), want, err)
		}
		if !st.IsDir() && !st.ModTime().Equal(time.Unix(1e9, 0)) {
			t.Errorf("%s: time %v", name, st.ModTime())
		}
	}
}

// TestPrepare: mount points are real, whatever the archive put in their places.
func TestPrepare(t *testing.T) {
	host := t.TempDir()
	root, err := unpack(t, []e{
		{name: "proc", kind: tar.TypeSymlink, link: host}, {name: "tmp", body: "a file"}, {name: "etc/hosts", kind: tar.TypeSymlink, link: "/etc/shadow"},
		{name: "etc/resolv.conf", body: "theirs"}, {name: "var", kind: tar.TypeSymlink, link: host}, {name: "opt/x", body: "1"},
	})
	if err != nil {
		t.Fatal(err)
	}
	tree, err := OpenTree(root, ImageLimits)
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	if err := tree.Prepare(RuntimeDirs...); err != nil {
		t.Fatal(err)
	}
	want := "dev/ etc/ etc/hosts= etc/resolv.conf=theirs opt/ opt/x=1 proc/ tmp/ var/ var/rapid/ var/rapid/init= var/rapid/log/ var/runtime/ var/task/"
	if got := strings.Join(listing(t, root), " "); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if st, err := os.Stat(filepath.Join(root, "tmp")); err != nil || st.Mode() != fs.ModeDir|fs.ModeSticky|0o777 {
		t.Errorf("/tmp: %v %v", st.Mode(), err)
	}
}

func FuzzLayer(f *testing.F) {
	f.Add(archive(f, e{name: "a/b", body: "1"}, e{name: "c", kind: tar.TypeSymlink, link: "/a"}, e{name: "c/.wh.b"}, e{name: "d", kind: tar.TypeLink, link: "a/b"}).Bytes())
	f.Add(archive(f, e{name: "../x", body: "1"}).Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		outer := t.TempDir()
		dir := filepath.Join(outer, "root")
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		tree, err := OpenTree(dir, Limits{Bytes: 1 << 20, Entries: 200})
		if err != nil {
			t.Fatal(err)
		}
		defer tree.Close()
		_ = tree.Layer(bytes.NewReader(data)) // refused or not
		if left, err := os.ReadDir(outer); err != nil || len(left) != 1 {
			t.Fatalf("outside of the root: %v %v", left, err)
		}
	})
}
