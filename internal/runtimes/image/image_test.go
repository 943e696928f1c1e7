package image

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

const host = "111122223333.dkr.ecr.us-east-1.amazonaws.com"

// sample is a small image of one file.
func sample(t *testing.T, architecture string) v1.Image {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	if err := w.WriteHeader(&tar.Header{Name: "app", Typeflag: tar.TypeReg, Mode: 0o755, Size: int64(len(architecture))}); err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(w, architecture)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.Bytes())), nil })
	if err != nil {
		t.Fatal(err)
	}
	img, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil {
		t.Fatal(err)
	}
	img, err = mutate.ConfigFile(img, &v1.ConfigFile{OS: "linux", Architecture: architecture, RootFS: v1.RootFS{Type: "layers", DiffIDs: diffs(t, img)},
		Config: v1.Config{Entrypoint: []string{"/app"}, Cmd: []string{"x"}, Env: []string{"A=1"}, WorkingDir: "/w"}})
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func diffs(t *testing.T, img v1.Image) []v1.Hash {
	t.Helper()
	c, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	return c.RootFS.DiffIDs
}

// several is one name for images of two architectures.
func several(t *testing.T) v1.ImageIndex {
	t.Helper()
	var index v1.ImageIndex = empty.Index
	for _, a := range []string{"amd64", "arm64"} {
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: sample(t, a), Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: a}}})
	}
	return index
}

// memory is a registry with some images.
func memory(t *testing.T) (address string) {
	t.Helper()
	s := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(s.Close)
	address = strings.TrimPrefix(s.URL, "http://")
	push := func(tag string, write func(name.Tag) error) {
		ref, err := name.NewTag(address + "/team/app:" + tag)
		if err == nil {
			err = write(ref)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	push("1", func(n name.Tag) error { return remote.Write(n, sample(t, "amd64")) })
	push("arm", func(n name.Tag) error { return remote.Write(n, sample(t, "arm64")) })
	push("all", func(n name.Tag) error { return remote.WriteIndex(n, several(t)) })
	push("zstd", func(n name.Tag) error {
		img, err := mutate.AppendLayers(empty.Image, static.NewLayer([]byte("x"), types.OCILayerZStd))
		return errors.Join(err, remote.Write(n, mutate.MediaType(img, types.OCIManifestSchema1)))
	})
	return address
}

// read pulls an image and gives what its layers are.
func read(i *Image) (sizes []int, err error) {
	err = i.Pull(context.Background(), func(_ context.Context, sha string, layer io.Reader) error {
		data, err := io.ReadAll(layer)
		sizes = append(sizes, len(data))
		if !slices.Contains(i.IDs, sha) {
			err = errors.Join(err, fmt.Errorf("layer %s is none of the image's", sha))
		}
		return err
	})
	return sizes, err
}

func TestPlaces(t *testing.T) {
	address, folder := memory(t), t.TempDir()
	img := sample(t, "amd64")
	digest, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	path, err := layout.Write(filepath.Join(folder, "team/app"), empty.Index)
	if err != nil {
		t.Fatal(err)
	}
	named := layout.WithAnnotations(map[string]string{refName: "1"})
	if err := errors.Join(path.AppendImage(img, named), path.AppendImage(sample(t, "arm64"), layout.WithAnnotations(map[string]string{refName: "arm"})),
		path.AppendIndex(several(t), layout.WithAnnotations(map[string]string{refName: "all"}))); err != nil {
		t.Fatal(err)
	}
	archives := t.TempDir()
	if err := os.MkdirAll(filepath.Join(archives, "team"), 0o755); err != nil {
		t.Fatal(err)
	}
	saved, err := name.NewTag("team/app:1")
	if err != nil {
		t.Fatal(err)
	}
	if err := tarball.WriteToFile(filepath.Join(archives, "team/app.tar"), saved, img); err != nil {
		t.Fatal(err)
	}
	for place, at := range map[string]Registries{
		"registry": {host: address}, "registry by pattern": {"*.amazonaws.com": "http://" + address + "/", "*": "elsewhere"}, "layout": {host: folder}, "archive": {host: archives},
	} {
		t.Run(place, func(t *testing.T) {
			ref, err := Parse(host + "/team/app:1")
			if err != nil {
				t.Fatal(err)
			}
			i, err := at.Find(t.Context(), ref, "")
			if err != nil {
				t.Fatal(err)
			}
			c := i.Config
			if c.Architecture != "x86_64" || !slices.Equal(c.Entrypoint, []string{"/app"}) || !slices.Equal(c.Command, []string{"x"}) || !slices.Equal(c.Env, []string{"A=1"}) || c.WorkDir != "/w" {
				t.Errorf("%+v", c)
			}
			if place != "archive" && i.Digest != digest.Hex || i.Resolved() != host+"/team/app@sha256:"+i.Digest {
				t.Errorf("%s resolved to %s", digest, i.Resolved())
			}
			if sizes, err := read(i); err != nil || len(sizes) != 1 || sizes[0] == 0 {
				t.Errorf("layers %v, %v", sizes, err)
			}
			again, err := Parse(i.Resolved())
			if err != nil {
				t.Fatal(err)
			}
			if j, err := at.Find(t.Context(), again, ""); err != nil || j.Digest != i.Digest {
				t.Errorf("by digest: %v", err)
			}
			for uri, want := range map[string]error{
				"/team/app:2": ErrAbsent, "/team/other:1": ErrAbsent, "/team/app@sha256:" + strings.Repeat("0", 64): ErrAbsent,
			} {
				ref, err := Parse(host + uri)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := at.Find(t.Context(), ref, ""); !errors.Is(err, want) {
					t.Errorf("%s: %v", uri, err)
				}
			}
		})
	}
}

// TestSeveral: Lambda takes no image that is for several platforms; a runtime's root takes its own.
func TestSeveral(t *testing.T) {
	at := Registries{host: memory(t)}
	ref, err := Parse(host + "/team/app:all")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := at.Find(t.Context(), ref, ""); !errors.Is(err, ErrKind) {
		t.Errorf("%v", err)
	}
	if i, err := at.Find(t.Context(), ref, "arm64"); err != nil || i.Config.Architecture != "arm64" {
		t.Errorf("%v", err)
	}
	ref, err = Parse(host + "/team/app:zstd")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := at.Find(t.Context(), ref, ""); !errors.Is(err, ErrKind) {
		t.Errorf("%v", err)
	}
}

func TestParse(t *testing.T) {
	for uri, ok := range map[string]bool{
		host + "/a:1": true, host + "/a/b@sha256:" + strings.Repeat("0", 64): true, "localhost:5000/a:1": true,
		host + "/a": false, "a:1": false, "": false, host + "/../a:1": false, host + "/A:1": false, "http://" + host + "/a:1": false, host + "/a@sha256:0": false,
	} {
		if _, err := Parse(uri); (err == nil) != ok || err != nil && !errors.Is(err, ErrName) {
			t.Errorf("%s: %v", uri, err)
		}
	}
}

// TestDeniedAndBroken: a registry that wants a password, and one that gives other bytes than it says.
func TestDeniedAndBroken(t *testing.T) {
	ref, err := Parse(host + "/team/app:1")
	if err != nil {
		t.Fatal(err)
	}
	denied := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }))
	defer denied.Close()
	if _, err := (Registries{host: denied.URL}).Find(t.Context(), ref, ""); !errors.Is(err, ErrDenied) {
		t.Errorf("%v", err)
	}
	inner := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	lying := false
	broken := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if lying && strings.Contains(r.URL.Path, "/blobs/") && r.Method == http.MethodGet {
			fmt.Fprint(w, "something else")
			return
		}
		inner.ServeHTTP(w, r)
	}))
	defer broken.Close()
	at := Registries{host: broken.URL}
	there, err := moved(broken.URL, ref)
	if err != nil {
		t.Fatal(err)
	}
	img, err := random.Image(1000, 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(there, img); err != nil {
		t.Fatal(err)
	}
	i, err := at.Find(t.Context(), ref, "")
	if err != nil {
		t.Fatal(err)
	}
	lying = true
	if _, err := read(i); err == nil {
		t.Error("took other bytes for the layer")
	}
}
