package roots

import (
	"cmp"
	"context"
	"fmt"
	"io"
	goruntime "runtime"

	"github.com/lamina-dev/lamina/internal/runtimes/image"
	"github.com/lamina-dev/lamina/internal/runtimes/rootfs"
)

// image fills a root from a container image, whose layers are verified by the
// digests that its manifest has. Its digest is the manifest's.
func (i *Installer) image(ctx context.Context, runtime string, t *rootfs.Tree) (digest, source string, err error) {
	ref, err := image.Parse(cmp.Or(i.Image, Image(runtime)))
	if err != nil {
		return "", "", err
	}
	found, err := i.Images.Find(ctx, ref, architecture())
	if err != nil {
		return "", "", err
	}
	if found.Config.Architecture != architecture() {
		return "", "", fmt.Errorf("image %s is built for %s, this machine is %s", ref, found.Config.Architecture, architecture())
	}
	err = found.Pull(ctx, func(_ context.Context, _ string, layer io.Reader) error { return t.Layer(layer) })
	return found.Digest, found.Resolved(), err
}

// architecture is this machine's in AWS's words.
func architecture() string {
	if goruntime.GOARCH == "amd64" {
		return "x86_64"
	}
	return goruntime.GOARCH
}
