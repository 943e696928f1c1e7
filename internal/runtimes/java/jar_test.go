package java_test

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "compile the bootstrap's jars anew")

// release is the class files' version: that of the oldest JVM that development machines have.
const release = "17"

// TestJarsAreCurrent compares the jars of the tree with their sources: by the digest they carry, and,
// where the JDK they were compiled with is at hand, byte by byte.
func TestJarsAreCurrent(t *testing.T) {
	for jar, sources := range map[string]string{"runtime.jar": "src", "core.jar": "core"} {
		t.Run(jar, func(t *testing.T) {
			digest := digestOf(t, sources)
			if *update {
				if err := os.WriteFile(jar, build(t, sources, digest), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			have, err := os.ReadFile(jar)
			if err != nil {
				t.Fatal(err)
			}
			manifest := manifestOf(t, have)
			if !strings.Contains(manifest, "Sources-SHA-256: "+digest[:32]+"\n "+digest[32:]+"\n") {
				t.Fatalf("%s is not made of these sources; with a JDK: go test ./internal/runtimes/java -run Current -update\n%s", jar, manifest)
			}
			version := javacVersion()
			if version == "" {
				t.Log("no javac: the digest of the sources is as recorded")
				return
			}
			if built := build(t, sources, digest); strings.Contains(manifest, "Javac: "+version+"\n") && !bytes.Equal(have, built) {
				t.Errorf("%s differs from what javac %s makes", jar, version)
			}
		})
	}
}

func sourcesOf(t testing.TB, dir string) (files []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".java") {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(files)
	return files
}

func digestOf(t *testing.T, dir string) string {
	t.Helper()
	h := sha256.New()
	for _, path := range sourcesOf(t, dir) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(h, "%s %d\n%s", filepath.ToSlash(path), len(text), text)
	}
	return hex.EncodeToString(h.Sum(nil))
}

var versionPattern = regexp.MustCompile(`^javac (\S+)`)

// javacVersion is that of the JDK here, if it can compile for the release.
func javacVersion() string {
	out, err := exec.Command("javac", "-version").CombinedOutput()
	m := versionPattern.FindSubmatch(out)
	if err != nil || m == nil || strings.HasPrefix(string(m[1]), "1.") || len(strings.Split(string(m[1]), ".")[0]) < 2 || string(m[1]) < release {
		return ""
	}
	return string(m[1])
}

// build makes a jar whose bytes depend on the sources and the compiler only.
func build(t *testing.T, dir, digest string) []byte {
	t.Helper()
	classes := compile(t, release, "", sourcesOf(t, dir)...)
	manifest := "Manifest-Version: 1.0\nJavac: " + javacVersion() + "\nSources-SHA-256: " + digest[:32] + "\n " + digest[32:] + "\n\n"
	return jarOf(t, classes, manifest)
}

// compile gives the folder of the classes.
func compile(t testing.TB, release, classPath string, sources ...string) string {
	t.Helper()
	dir := t.TempDir()
	args := slices.Concat([]string{"--release", release, "-g:source,lines", "-encoding", "UTF-8", "-Xlint:all,-options", "-Werror", "-d", dir, "-cp", classPath}, sources)
	if out, err := exec.Command("javac", args...).CombinedOutput(); err != nil {
		t.Fatalf("javac: %v\n%s", err, out)
	}
	return dir
}

func jarOf(t testing.TB, dir, manifest string) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	add := func(name string, data []byte) {
		f, err := w.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate})
		if err == nil {
			_, err = f.Write(data)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	add("META-INF/MANIFEST.MF", []byte(manifest))
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error { // in the order of names
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err == nil {
			add(name, data)
		}
		return err
	})
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func manifestOf(t *testing.T, jar []byte) string {
	t.Helper()
	r, err := zip.NewReader(bytes.NewReader(jar), int64(len(jar)))
	if err != nil {
		t.Fatal(err)
	}
	f, err := r.Open("META-INF/MANIFEST.MF")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	text, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
