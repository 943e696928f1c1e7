package controller

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lamina-dev/lamina"
	"github.com/lamina-dev/lamina/internal/runtimes/rootfs"
	"github.com/lamina-dev/lamina/internal/runtimes/roots"
	"github.com/lamina-dev/lamina/internal/store/blobs"
	"github.com/lamina-dev/lamina/internal/store/mem"
	"github.com/lamina-dev/lamina/internal/store/tables"
	"github.com/lamina-dev/lamina/internal/store/view"
)

// TestCollect: what a function, a version, what a version ran before or a layer refers to stays, all else goes.
func TestCollect(t *testing.T) {
	v, st, dir := view.New(), mem.New(), t.TempDir()
	rows := tables.NewLambda(v)
	if err := v.Open(t.Context(), st); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = v.Close(); _ = st.Close() })
	packages, err := blobs.Open(filepath.Join(dir, "packages"))
	if err != nil {
		t.Fatal(err)
	}
	images, err := rootfs.OpenDir(filepath.Join(dir, "images"))
	if err != nil {
		t.Fatal(err)
	}
	id := func(name string) string { sum := sha256.Sum256([]byte(name)); return hex.EncodeToString(sum[:]) }
	for _, name := range []string{"function", "version", "previous", "layer", "function's layer", "image layer", "forgotten", "forgotten image layer"} {
		if _, _, err := packages.Put(t.Context(), strings.NewReader(name), 100); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"image", "forgotten image"} {
		_, release, err := images.Use(t.Context(), id(name), func(_ context.Context, dir string) error { return os.WriteFile(filepath.Join(dir, "f"), nil, 0o644) })
		if err != nil {
			t.Fatal(err)
		}
		release()
	}
	code, err := rootfs.OpenCache(filepath.Join(dir, "code"))
	if err != nil {
		t.Fatal(err)
	}
	unpacked := map[string]string{}
	for _, name := range []string{"function", "forgotten"} {
		at, release, err := code.Use(t.Context(), id(name), func(_ context.Context, dir string) error { return os.WriteFile(filepath.Join(dir, "f"), nil, 0o644) })
		if err != nil {
			t.Fatal(err)
		}
		release()
		unpacked[name] = at
	}
	scope := lamina.Scope{Account: "111122223333", Region: "us-east-1"}
	f := lamina.Function{Scope: scope, Name: "f", Config: lamina.FunctionConfig{
		CodeSHA256: id("function"), Layers: []lamina.LayerReference{{LayerContent: lamina.LayerContent{SHA256: id("function's layer")}}},
	}}
	is := lamina.FunctionConfig{CodeSHA256: id("image"), Image: &lamina.FunctionImage{Layers: []string{id("image layer")}}}
	one := lamina.Version{Scope: scope, Function: "f", Qualifier: "1", Config: lamina.FunctionConfig{CodeSHA256: id("version")}, Previous: &lamina.FunctionConfig{CodeSHA256: id("previous")}}
	two := lamina.Version{Scope: scope, Function: "f", Qualifier: "2", Config: is}
	layer := lamina.LayerVersion{Scope: scope, Name: "l", Version: 1, Content: lamina.LayerContent{SHA256: id("layer")}}
	if _, err := v.Update(t.Context(), func(tx *view.Tx) error {
		return tx.Do(rows.Functions.Put(f.Key(), f), rows.Versions.Put(one.Key(), one), rows.Versions.Put(two.Key(), two), rows.LayerVersions.Put(layer.Key(), layer))
	}); err != nil {
		t.Fatal(err)
	}
	c := &Collector{Lambda: rows, Blobs: packages, Images: filepath.Join(dir, "images"), Codes: filepath.Join(dir, "code"), Roots: roots.Open(filepath.Join(dir, "roots")), Log: slog.New(slog.DiscardHandler)}
	if err := c.Collect(); err != nil {
		t.Fatal(err)
	}
	if list, err := packages.List(); err != nil || len(list) != 8 {
		t.Errorf("young packages went: %d left, %v", len(list), err)
	}
	for name, stays := range map[string]bool{"function": true, "forgotten": false} {
		if _, err := os.Stat(unpacked[name]); (err == nil) != stays {
			t.Errorf("unpacked code of %s: %v", name, err)
		}
	}
	c.Age = 1 // nanosecond
	if err := c.Collect(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(unpacked["function"]); err == nil {
		t.Error("unpacked code stays that was not used for long")
	}
	want := []string{id("function"), id("version"), id("previous"), id("layer"), id("function's layer"), id("image layer")}
	slices.Sort(want)
	if list, err := packages.List(); err != nil || !slices.Equal(list, want) {
		t.Errorf("packages %q, want %q, %v", list, want, err)
	}
	for name, stays := range map[string]bool{"image": true, "forgotten image": false} {
		if _, err := os.Stat(filepath.Join(dir, "images", id(name))); (err == nil) != stays {
			t.Errorf("%s: %v", name, err)
		}
	}
}
