package roots

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// bootstrapper puts a program called mmdebstrap on the PATH, which writes what
// body makes it write; archives lie in the folder that is given back.
func bootstrapper(t *testing.T, body string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "mmdebstrap"), []byte("#!/bin/sh\ncd "+dir+"\n"+body+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":/usr/bin:/bin")
	return dir
}

// archive writes a tar of executable files and gives its digest.
func archive(t *testing.T, path string, files map[string]string) string {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for name, text := range files {
		if err := w.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o755, Size: int64(len(text))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(b.Bytes())
	return hex.EncodeToString(sum[:])
}

func installer(t *testing.T) *Installer {
	t.Helper()
	dir := t.TempDir()
	return &Installer{
		Store: Open(filepath.Join(dir, "roots")), NPMDir: dir, Mirror: "mirror", Files: map[string]string{"etc/passwd": "us"},
		Verify: func(_ context.Context, r Root, _ string) (string, error) { return "1.2 of " + r.Program, nil },
		Say:    t.Logf,
	}
}

// TestInstall: what is unpacked is found, used while it is in use, replaced and removed.
func TestInstall(t *testing.T) {
	i := installer(t)
	dir := bootstrapper(t, `echo "$@" >args; cat root.tar`)
	first := archive(t, filepath.Join(dir, "root.tar"), map[string]string{"usr/bin/python3.13": "one", "usr/bin/python3": "other"})
	if err := i.Install(t.Context(), "python3.13", FromPackages); err != nil {
		t.Fatal(err)
	}
	r, root, release, ok, err := i.Store.Use(t.Context(), "python3.13")
	if err != nil || !ok || r.Digest != first || r.Program != "/usr/bin/python3.13" || r.Own || r.Version != "1.2 of /usr/bin/python3.13" {
		t.Fatalf("%+v %v %v", r, ok, err)
	}
	for name, want := range map[string]string{"usr/bin/python3.13": "one", "etc/passwd": "us", "etc/hosts": ""} {
		if got, err := os.ReadFile(filepath.Join(root, name)); err != nil || string(got) != want {
			t.Errorf("%s: %q %v", name, got, err)
		}
	}
	if args, _ := os.ReadFile(filepath.Join(dir, "args")); !strings.Contains(string(args), "--include=python3.13,python3-boto3,ca-certificates") || !strings.HasSuffix(string(args), "trixie - mirror\n") {
		t.Errorf("called with %s", args)
	}
	second := archive(t, filepath.Join(dir, "root.tar"), map[string]string{"usr/bin/python3.13": "two"})
	if err := i.Install(t.Context(), "python3.13", FromPackages); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(root); err != nil {
		t.Errorf("a root in use went away: %v", err)
	}
	release()
	if err := i.Store.Collect(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(root); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a replaced root stays: %v", err)
	}
	if list, err := i.Store.List(); err != nil || len(list) != 1 || list[0].Digest != second {
		t.Errorf("%+v %v", list, err)
	}
	for _, want := range []bool{true, false} {
		if was, err := i.Remove("python3.13"); was != want || err != nil {
			t.Errorf("removed %v %v", was, err)
		}
	}
	if left, _ := os.ReadDir(i.Store.path); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

func TestInstallFails(t *testing.T) {
	for name, tt := range map[string]struct {
		runtime, body, want string
		verify              error
	}{
		"the tool says why":     {"java21", "echo 'E: no such mirror' >&2; exit 25", "E: no such mirror", nil},
		"in the middle":         {"java21", "head -c 600 root.tar; echo 'E: broken off' >&2; exit 1", "E: broken off", nil},
		"no program":            {"java21", "cat root.tar", "no program that runs java21", nil},
		"it does not run":       {"python3.13", "cat root.tar", "exec format error", errors.New("exec format error")},
		"no packages":           {"dotnet8", "cat root.tar", "has no packages", nil},
		"nothing to be brought": {"cobol", "cat root.tar", "nothing to install", nil},
	} {
		t.Run(name, func(t *testing.T) {
			i := installer(t)
			dir := bootstrapper(t, tt.body)
			archive(t, filepath.Join(dir, "root.tar"), map[string]string{"usr/bin/python3.13": "x"})
			if tt.verify != nil {
				i.Verify = func(context.Context, Root, string) (string, error) { return "", tt.verify }
			}
			way := FromPackages
			if tt.runtime == "cobol" {
				way = ""
			}
			if err := i.Install(t.Context(), tt.runtime, way); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %q", err, tt.want)
			}
			if left, _ := os.ReadDir(i.Store.path); len(left) > 0 {
				t.Errorf("left: %v", left)
			}
		})
	}
}

// TestPrograms: AWS's own bootstrap comes before an interpreter for Lamina's, and links lead nowhere.
func TestPrograms(t *testing.T) {
	for runtime, tt := range map[string]struct {
		files, want string
		own         bool
	}{
		"python3.13":      {"var/runtime/bootstrap var/lang/bin/python3.13", "/var/runtime/bootstrap", true},
		"python3.14":      {"usr/bin/python3.14 var/lang/bin/python3.14", "/var/lang/bin/python3.14", false},
		"java21":          {"usr/bin/java usr/lib/jvm/java-21-openjdk-amd64/bin/java", "/usr/lib/jvm/java-21-openjdk-amd64/bin/java", false},
		"nodejs22.x":      {"usr/local/bin/node", "/usr/local/bin/node", false},
		"provided.al2023": {"var/runtime/bootstrap", "", false},
		"dotnet8":         {"var/runtime/bootstrap", "/var/runtime/bootstrap", true},
	} {
		dir := t.TempDir()
		for _, name := range strings.Fields(tt.files) {
			if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, name), nil, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		r := Root{Runtime: runtime}
		if err := r.find(dir); err != nil || r.Program != tt.want || r.Own != tt.own {
			t.Errorf("%s: %+v %v", runtime, r, err)
		}
	}
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "usr/bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/bin/sh", filepath.Join(dir, "usr/bin/node")); err != nil {
		t.Fatal(err)
	}
	if err := (&Root{Runtime: "nodejs22.x"}).find(dir); err == nil {
		t.Error("found a program of the host")
	}
}

func TestWays(t *testing.T) {
	for runtime, want := range map[string]string{
		"python3.13":      "[image packages] image public.ecr.aws/lambda/python:3.13",
		"nodejs24.x":      "[image npm] image public.ecr.aws/lambda/nodejs:24",
		"java25":          "[image packages] image public.ecr.aws/lambda/java:25",
		"dotnet10":        "[image] image public.ecr.aws/lambda/dotnet:10",
		"provided.al2023": "[image] image public.ecr.aws/lambda/provided:al2023",
	} {
		if got := fmt.Sprint(Ways(runtime), " ", Describe(runtime, FromImage)); got != want {
			t.Errorf("%s: %s", runtime, got)
		}
	}
	if got := Ways("cobol"); len(got) > 0 {
		t.Errorf("%q", got)
	}
}
