package lambda

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	imagerandom "github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/lamina-dev/lamina"
	"github.com/lamina-dev/lamina/internal/runtimes/image"
)

const ecrHost = account + ".dkr.ecr." + region + ".amazonaws.com"

// withImages gives the world a registry with the images app:1 and app:2, and an
// index app:all; it tells their digests by tag.
func withImages(t *testing.T, w *world) map[string]string {
	t.Helper()
	s := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(s.Close)
	w.service.Images = image.Registries{"*.amazonaws.com": s.URL}
	digests := map[string]string{}
	for _, tag := range []string{"1", "2"} {
		img, err := imagerandom.Image(200, 2)
		if err != nil {
			t.Fatal(err)
		}
		c := v1.Config{Entrypoint: []string{"/entry"}, Cmd: []string{"app.handler"}, Env: []string{"A=" + tag}, WorkingDir: "/work"}
		if img, err = mutate.Config(img, c); err != nil {
			t.Fatal(err)
		}
		digest, err := img.Digest()
		if err != nil {
			t.Fatal(err)
		}
		digests[tag] = digest.Hex
		push(t, s.URL, tag, func(n name.Tag) error { return remote.Write(n, img) })
	}
	push(t, s.URL, "all", func(n name.Tag) error { return remote.WriteIndex(n, empty.Index) })
	return digests
}

func push(t *testing.T, url, tag string, write func(name.Tag) error) {
	t.Helper()
	ref, err := name.NewTag(strings.TrimPrefix(url, "http://") + "/app:" + tag)
	if err == nil {
		err = write(ref)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// imageBody is managedBody for an image.
func imageBody(t *testing.T, name, uri string) object {
	t.Helper()
	return with(managedBody(t, name), object{"PackageType": "Image", "Code": object{"ImageUri": uri}, "Runtime": nil, "Handler": nil})
}

func TestImageFunction(t *testing.T) {
	w := managed(t)
	digests := withImages(t, w)
	uri := ecrHost + "/app:1"
	body := with(imageBody(t, "g", uri), object{"ImageConfig": object{"Command": []string{"other.handler"}, "WorkingDirectory": "/else"}})
	got := w.call("POST", functionsPath, body).ok(201).body
	for path, want := range map[string]string{
		"PackageType": "Image", "CodeSha256": digests["1"], "CodeSize": "0", "Runtime": "<nil>", "Handler": "<nil>",
		"ImageConfigResponse": "map[ImageConfig:map[Command:[other.handler] WorkingDirectory:/else]]",
	} {
		if s := fmt.Sprint(got[path]); s != want {
			t.Errorf("%s is %s, want %s", path, s, want)
		}
	}
	code := w.call("GET", functionsPath+"/g", nil).ok(200).body["Code"]
	want := fmt.Sprintf("map[ImageUri:%s RepositoryType:ECR ResolvedImageUri:%s/app@sha256:%s]", uri, ecrHost, digests["1"])
	if s := fmt.Sprint(code); s != want {
		t.Errorf("code %s, want %s", s, want)
	}
	f, _ := w.tables.Functions.Get(lamina.Key(account, region, "g"))
	c := f.Value.Config
	argv, dir := c.ImageCommand()
	if fmt.Sprintf("%v %s %v", argv, dir, c.Image.Env) != "[/entry other.handler] /else [A=1]" || c.Slots() != 16 {
		t.Errorf("runs %q in %s with %q, %d slots", argv, dir, c.Image.Env, c.Slots())
	}
	if kept, err := w.service.Blobs.List(); err != nil || len(kept) < 2 || len(c.Image.Layers) != 2 {
		t.Errorf("kept %q of %q: %v", kept, c.Image.Layers, err)
	}

	settle(t, w, "g")
	out := w.call("PUT", functionsPath+"/g/code", object{"ImageUri": ecrHost + "/app:2"}).ok(200).body
	if out["CodeSha256"] != digests["2"] {
		t.Errorf("after the update: %v", out["CodeSha256"])
	}
	out = w.call("PUT", functionsPath+"/g/configuration", object{"ImageConfig": object{}}).ok(200).body
	if out["ImageConfigResponse"] != nil {
		t.Errorf("an emptied ImageConfig: %v", out["ImageConfigResponse"])
	}
	w.call("PUT", functionsPath+"/g/code", object{"ZipFile": "AAAA"}).refused(400, "InvalidParameterValueException", fmt.Sprintf(textImageWanted, "updating"))
	w.call("PUT", functionsPath+"/g/code", object{"ZipFile": "AAAA", "ImageUri": uri}).refused(400, "InvalidParameterValueException", textImageHasZip)
	w.call("PUT", functionsPath+"/f/code", object{"ImageUri": uri}).refused(400, "InvalidParameterValueException", fmt.Sprintf(textImageUnwanted, "updating"))
	w.call("PUT", functionsPath+"/g/configuration", object{"Handler": "a.b"}).refused(400, "InvalidParameterValueException", textImageHandler)
}

// settle makes a function ready for updates.
func settle(t *testing.T, w *world, name string) {
	t.Helper()
	key := lamina.Key(account, region, name)
	f, ok := w.tables.Functions.Get(key)
	if !ok {
		t.Fatal("no function ", name)
	}
	f.Value.CreatedWith = ""
	put(w, w.tables.Functions, key, f.Value)
}

func TestImageRefusals(t *testing.T) {
	uri := ecrHost + "/app:1"
	invalid := func(uri string) string { return fmt.Sprintf(textImageInvalid, uri) }
	for name, tt := range map[string]struct {
		change object
		text   string
	}{
		"no tag":              {object{"Code": object{"ImageUri": ecrHost + "/app"}}, invalid(ecrHost + "/app")},
		"no host":             {object{"Code": object{"ImageUri": "app:1"}}, invalid("app:1")},
		"a hub's":             {object{"Code": object{"ImageUri": "docker.io/library/app:1"}}, invalid("docker.io/library/app:1")},
		"no such tag":         {object{"Code": object{"ImageUri": ecrHost + "/app:9"}}, fmt.Sprintf(textImageMissing, ecrHost+"/app:9")},
		"no such repository":  {object{"Code": object{"ImageUri": ecrHost + "/other:1"}}, fmt.Sprintf(textImageMissing, ecrHost+"/other:1")},
		"for several":         {object{"Code": object{"ImageUri": ecrHost + "/app:all"}}, fmt.Sprintf(textImageKind, ecrHost+"/app:all")},
		"a zip":               {object{"Code": object{"ZipFile": "AAAA"}}, fmt.Sprintf(textImageWanted, "creating")},
		"an image for a zip":  {object{"PackageType": "Zip", "Runtime": "python3.13", "Handler": "a.b"}, fmt.Sprintf(textImageUnwanted, "creating")},
		"a runtime":           {object{"Runtime": "python3.13"}, textImageHandler},
		"a handler":           {object{"Handler": "a.b"}, textImageHandler},
		"ImageConfig of zips": {object{"PackageType": "Zip", "Runtime": "python3.13", "Handler": "a.b", "ImageConfig": object{"Command": []string{"x"}}}, textImageConfigZip},
	} {
		t.Run(name, func(t *testing.T) {
			w := managed(t)
			withImages(t, w)
			before, _ := w.service.Blobs.List()
			w.call("POST", functionsPath, with(imageBody(t, "g", uri), tt.change)).refused(400, "InvalidParameterValueException", tt.text)
			if after, _ := w.service.Blobs.List(); w.tables.Functions.Len() != 1 || len(after) != len(before) {
				t.Errorf("something was stored: %d functions, %d blobs", w.tables.Functions.Len(), len(after))
			}
		})
	}
	t.Run("unreachable", func(t *testing.T) {
		w := managed(t)
		w.service.Images = image.Registries{ecrHost: "127.0.0.1:1"}
		w.call("POST", functionsPath, imageBody(t, "g", uri)).refused(400, "InvalidParameterValueException", "Source image "+uri+" can't be fetched: …")
	})
	t.Run("another region", func(t *testing.T) {
		w := managed(t)
		w.service.Images = image.Registries{"x": "127.0.0.1:1"}
		other := strings.Replace(uri, region, "eu-west-1", 1)
		w.call("POST", functionsPath, imageBody(t, "g", other)).refused(400, "InvalidParameterValueException", invalid(other))
	})
}

var _ Images = image.Registries(nil)

func TestImageLayersAreKeptOnce(t *testing.T) {
	w := managed(t)
	withImages(t, w)
	w.call("POST", functionsPath, imageBody(t, "g", ecrHost+"/app:1")).ok(201)
	before, _ := json.Marshal(must(w.service.Blobs.List()))
	w.call("POST", functionsPath, imageBody(t, "h", ecrHost+"/app:1")).ok(201)
	if after, _ := json.Marshal(must(w.service.Blobs.List())); string(after) != string(before) {
		t.Errorf("%s, then %s", before, after)
	}
	if err := w.service.storeLayer(context.Background(), strings.Repeat("0", 64), strings.NewReader("other")); err == nil {
		t.Error("took other bytes for the layer")
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
