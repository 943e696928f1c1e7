package agent

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/lamina-dev/lamina/internal/runtimes/rootfs"
	"github.com/lamina-dev/lamina/internal/wire"
)

// imagesDir holds images in the scratch folder, where no other is named.
const imagesDir = "images"

// image gives the folder of a function's unpacked image until release is called.
// The instances of a host unpack each image once.
func (a *agent) image(ctx context.Context, spec wire.EnvironmentSpec) (dir string, release func(), err error) {
	path := a.cfg.Images
	if path == "" {
		path = filepath.Join(a.cfg.Dir, imagesDir)
	}
	images, err := rootfs.OpenDir(path)
	if err != nil {
		return "", nil, err
	}
	return images.Use(ctx, spec.CodeSHA256, func(ctx context.Context, dir string) error {
		return a.unpack(ctx, spec.Image.Layers, dir)
	})
}

// unpack lays an image's layers over each other in dir.
func (a *agent) unpack(ctx context.Context, layers []string, dir string) error {
	t, err := rootfs.OpenTree(dir, rootfs.ImageLimits)
	if err != nil {
		return err
	}
	defer t.Close()
	for _, sha := range layers {
		if err := a.codes.whole(ctx, sha, func(f *os.File) error { return t.Layer(contextReader{ctx, f}) }); err != nil {
			return fmt.Errorf("layer sha256:%s: %w", sha, err)
		}
	}
	return t.Prepare()
}

// contextReader ends an unpacking when the context ends.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c contextReader) Read(p []byte) (int, error) {
	if c.ctx.Err() != nil {
		return 0, context.Cause(c.ctx)
	}
	return c.r.Read(p)
}
