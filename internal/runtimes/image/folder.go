package image

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

func isFolder(place string) bool {
	return filepath.IsAbs(place) || strings.HasPrefix(place, "./") || strings.HasPrefix(place, "../")
}

// inFolder finds an image of a repository in FOLDER/REPOSITORY, an OCI layout, or
// in FOLDER/REPOSITORY.tar, what docker save writes.
func inFolder(folder string, ref name.Reference, architecture string) (v1.Image, error) {
	at := filepath.Join(folder, filepath.FromSlash(ref.Context().RepositoryStr())) // Parse refused ..
	if _, err := os.Stat(filepath.Join(at, "oci-layout")); err == nil {
		return inLayout(at, ref, architecture)
	}
	if _, err := os.Stat(at + ".tar"); err == nil {
		return inArchive(at+".tar", ref)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return nil, fmt.Errorf("%w: neither %s (an OCI layout) nor %s.tar (a docker archive) is there", ErrAbsent, at, at)
}

// refName is the annotation by which an OCI layout names an image.
const refName = "org.opencontainers.image.ref.name"

func inLayout(dir string, ref name.Reference, architecture string) (v1.Image, error) {
	index, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		return nil, err
	}
	m, err := index.IndexManifest()
	if err != nil {
		return nil, err
	}
	for _, d := range m.Manifests {
		if !matches(ref, d, len(m.Manifests) == 1) {
			continue
		}
		if d.MediaType.IsImage() {
			return index.Image(d.Digest)
		}
		if !d.MediaType.IsIndex() {
			return nil, ErrKind
		}
		several, err := index.ImageIndex(d.Digest)
		if err != nil {
			return nil, err
		}
		return ofPlatform(several, architecture)
	}
	return nil, fmt.Errorf("%w in %s", ErrAbsent, dir)
}

// matches says whether an entry is what a reference names: by digest, by tag, by
// its whole name; the only one of a layout needs no name.
func matches(ref name.Reference, d v1.Descriptor, only bool) bool {
	if digest, ok := ref.(name.Digest); ok {
		return d.Digest.String() == digest.DigestStr()
	}
	called := d.Annotations[refName]
	return called == ref.Identifier() || called == ref.String() || called == "" && only
}

func inArchive(file string, ref name.Reference) (v1.Image, error) {
	m, err := tarball.LoadManifest(func() (io.ReadCloser, error) { return os.Open(file) })
	if err != nil {
		return nil, err
	}
	tag, err := tagIn(m, ref)
	if err != nil {
		return nil, fmt.Errorf("%w in %s", err, file)
	}
	return tarball.ImageFromPath(file, tag)
}

// tagIn gives the tag under which an archive has an image; nil for its only one.
func tagIn(m tarball.Manifest, ref name.Reference) (*name.Tag, error) {
	_, byDigest := ref.(name.Digest)
	for _, d := range m {
		if len(m) == 1 && (len(d.RepoTags) == 0 || byDigest) {
			return nil, nil
		}
		i := slices.IndexFunc(d.RepoTags, func(t string) bool {
			tag, err := name.NewTag(t)
			return err == nil && tag.TagStr() == ref.Identifier() && path.Base(tag.RepositoryStr()) == path.Base(ref.Context().RepositoryStr())
		})
		if i >= 0 {
			tag, err := name.NewTag(d.RepoTags[i])
			return &tag, err
		}
	}
	return nil, ErrAbsent
}
