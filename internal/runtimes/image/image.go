// Package image brings container images to this machine: from registries, or
// from OCI layouts and docker archives in a folder, without a daemon.
package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"path"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Why an image can't be had, besides faults of the network and the disk.
var (
	ErrName   = errors.New("not a full image reference: HOST/REPOSITORY:TAG or HOST/REPOSITORY@sha256:DIGEST")
	ErrAbsent = errors.New("there is no such image")
	ErrDenied = errors.New("access to the image was denied")
	ErrKind   = errors.New("not a plain image manifest, config or layer of Docker or OCI 1.0")
	ErrBroken = errors.New("the image's content does not match its digest")
)

// Registries says where images really come from: the host of a reference, which
// may hold *, and the registry (HOST[:PORT][/PREFIX], with http:// where it has
// no TLS) or folder (a path with a slash in front, or ./) that has its images.
type Registries map[string]string

// of gives the place for a host; the more exact pattern wins.
func (r Registries) of(host string) (place string, named bool) {
	if place, ok := r[host]; ok {
		return place, true
	}
	patterns := slices.SortedFunc(maps.Keys(r), func(a, b string) int { return len(b) - len(a) })
	for _, p := range patterns {
		if ok, err := path.Match(p, host); ok && err == nil {
			return r[p], true
		}
	}
	return "", false
}

// Check refuses patterns that match nothing ever.
func (r Registries) Check() error {
	for p, place := range r {
		if _, err := path.Match(p, ""); err != nil || place == "" {
			return fmt.Errorf("registry %s=%s: want HOST=REGISTRY or HOST=FOLDER", p, place)
		}
	}
	return nil
}

// Named says whether the operator said where images of a reference's host are.
func (r Registries) Named(ref name.Reference) bool {
	_, ok := r.of(ref.Context().RegistryStr())
	return ok
}

// Parse reads a full reference.
func Parse(uri string) (name.Reference, error) {
	ref, err := name.ParseReference(uri, name.StrictValidation)
	// The library takes .. for a repository's folder.
	if err != nil || !strings.Contains(uri, "/") || strings.Contains("/"+ref.Context().RepositoryStr(), "/.") {
		return nil, fmt.Errorf("%q: %w", uri, ErrName)
	}
	return ref, nil
}

// Image is one that was found. Its content is read on demand.
type Image struct {
	image  v1.Image
	Ref    name.Reference
	Digest string // SHA-256 of its manifest, hex
	Config Config
	layers []v1.Layer
	IDs    []string // SHA-256 of each layer as it is kept, hex, the lowest first
}

// Config is what an image says about how to run it.
type Config struct {
	Architecture        string // in AWS's words: x86_64, arm64
	Entrypoint, Command []string
	Env                 []string
	WorkDir             string
}

// Find looks an image up. Where a reference names an image for several
// platforms, the one of architecture (x86_64, arm64) is taken; "" refuses it, as
// Lambda does.
func (r Registries) Find(ctx context.Context, ref name.Reference, architecture string) (*Image, error) {
	host := ref.Context().RegistryStr()
	place, _ := r.of(host)
	var found v1.Image
	var err error
	if isFolder(place) {
		found, err = inFolder(place, ref, architecture)
	} else {
		found, err = inRegistry(ctx, place, ref, architecture)
	}
	if err != nil {
		return nil, fmt.Errorf("image %s: %w", ref, err)
	}
	i, err := describe(ref, found)
	if err != nil {
		return nil, fmt.Errorf("image %s: %w", ref, err)
	}
	return i, nil
}

func inRegistry(ctx context.Context, place string, ref name.Reference, architecture string) (v1.Image, error) {
	at, err := moved(place, ref)
	if err != nil {
		return nil, err
	}
	d, err := remote.Get(at, remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain))
	if err != nil {
		return nil, remoteFault(err)
	}
	if !d.MediaType.IsIndex() {
		return d.Image()
	}
	index, err := d.ImageIndex()
	if err != nil {
		return nil, remoteFault(err)
	}
	return ofPlatform(index, architecture)
}

// moved is the reference in the registry that stands for its host.
func moved(place string, ref name.Reference) (name.Reference, error) {
	if place == "" {
		return ref, nil
	}
	var options []name.Option
	address, plain := strings.CutPrefix(place, "http://")
	if plain {
		options = append(options, name.Insecure)
	}
	address = strings.TrimSuffix(strings.TrimPrefix(address, "https://"), "/")
	repository, err := name.NewRepository(address+"/"+ref.Context().RepositoryStr(), options...)
	if err != nil {
		return nil, fmt.Errorf("registry %s: %w", place, err)
	}
	if d, ok := ref.(name.Digest); ok {
		return repository.Digest(d.DigestStr()), nil
	}
	return repository.Tag(ref.Identifier()), nil
}

func remoteFault(err error) error {
	t, ok := errors.AsType[*transport.Error](err)
	switch {
	case ok && t.StatusCode == http.StatusNotFound:
		return fmt.Errorf("%w (%v)", ErrAbsent, err)
	case ok && (t.StatusCode == http.StatusUnauthorized || t.StatusCode == http.StatusForbidden):
		return fmt.Errorf("%w (%v)", ErrDenied, err)
	}
	return err
}

// goArchitectures are AWS's words for what images call their architecture.
var goArchitectures = map[string]string{"x86_64": "amd64", "arm64": "arm64"}

// ofPlatform takes the Linux image of an architecture out of several.
func ofPlatform(index v1.ImageIndex, architecture string) (v1.Image, error) {
	if architecture == "" {
		return nil, ErrKind
	}
	m, err := index.IndexManifest()
	if err != nil {
		return nil, err
	}
	for _, d := range m.Manifests {
		if p := d.Platform; d.MediaType.IsImage() && p != nil && p.OS == "linux" && p.Architecture == goArchitectures[architecture] {
			return index.Image(d.Digest)
		}
	}
	return nil, fmt.Errorf("%w for Linux %s", ErrAbsent, architecture)
}

// layerKinds are the layers that can be unpacked here; Lambda documents Docker's
// manifest V2 schema 2 and OCI 1.0.
var layerKinds = []types.MediaType{types.DockerLayer, types.DockerUncompressedLayer, types.OCILayer, types.OCIUncompressedLayer}

// describe reads what is said about an image.
func describe(ref name.Reference, img v1.Image) (*Image, error) {
	m, err := img.Manifest()
	if err != nil {
		return nil, remoteFault(err)
	}
	kind, err := img.MediaType()
	if err != nil {
		return nil, err
	}
	if !kind.IsImage() || !m.Config.MediaType.IsConfig() {
		return nil, fmt.Errorf("%w: %s with config %s", ErrKind, kind, m.Config.MediaType)
	}
	digest, err := img.Digest()
	if err != nil {
		return nil, err
	}
	if d, ok := ref.(name.Digest); ok && d.DigestStr() != digest.String() {
		return nil, fmt.Errorf("%w under that digest", ErrAbsent)
	}
	i := &Image{image: img, Ref: ref, Digest: digest.Hex}
	for _, l := range m.Layers {
		if !slices.Contains(layerKinds, l.MediaType) || l.Digest.Algorithm != "sha256" {
			return nil, fmt.Errorf("%w: layer %s", ErrKind, l.MediaType)
		}
		i.IDs = append(i.IDs, l.Digest.Hex)
	}
	if i.layers, err = img.Layers(); err != nil {
		return nil, remoteFault(err)
	}
	c, err := img.ConfigFile()
	if err != nil {
		return nil, remoteFault(err)
	}
	i.Config = Config{Architecture: c.Architecture, Entrypoint: c.Config.Entrypoint, Command: c.Config.Cmd, Env: c.Config.Env, WorkDir: c.Config.WorkingDir}
	if c.Architecture == "amd64" {
		i.Config.Architecture = "x86_64"
	}
	return i, nil
}

// Resolved is the reference with the digest that it led to.
func (i *Image) Resolved() string { return i.Ref.Context().Name() + "@sha256:" + i.Digest }

// Pull hands the layers over one by one, each with the SHA-256 that its content has.
func (i *Image) Pull(ctx context.Context, put func(ctx context.Context, sha string, layer io.Reader) error) error {
	for n, l := range i.layers {
		if err := pull(ctx, i.IDs[n], l, put); err != nil {
			return fmt.Errorf("image %s, layer sha256:%s: %w", i.Ref, i.IDs[n], err)
		}
	}
	return nil
}

func pull(ctx context.Context, sha string, l v1.Layer, put func(ctx context.Context, sha string, layer io.Reader) error) error {
	r, err := l.Compressed()
	if err != nil {
		return remoteFault(err)
	}
	defer r.Close()
	return put(ctx, sha, r)
}
