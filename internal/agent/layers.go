package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/lamina-dev/lamina/internal/wire"
)

// content is what an environment is made of, unpacked on this host.
type content struct {
	task    string // the code; "" of an image
	root    string // the image; "" without one
	opt     string // the layers, merged; "" without any
	release func()
}

// content fetches the code and the layers. Each is unpacked once for all
// environments; what several layers make together is a tree of links of the
// environment's own.
func (a *agent) content(ctx context.Context, spec wire.EnvironmentSpec) (c content, err error) {
	var held []func()
	c.release = func() {
		for _, release := range held {
			release()
		}
	}
	defer func() {
		if err != nil {
			c.release()
		}
	}()
	if spec.Image != nil {
		dir, release, err := a.image(ctx, spec)
		if err != nil {
			return c, err
		}
		c.root, held = dir, append(held, release)
		return c, nil
	}
	var dirs []string
	for _, sha := range append([]string{spec.CodeSHA256}, spec.Layers...) {
		dir, release, err := a.codes.get(ctx, sha)
		if err != nil {
			return c, err
		}
		dirs, held = append(dirs, dir), append(held, release)
	}
	c.task = dirs[0]
	switch layers := dirs[1:]; len(layers) {
	case 0:
	case 1:
		c.opt = layers[0]
	default:
		c.opt = filepath.Join(a.cfg.Dir, "opt", spec.ID)
		held = append(held, func() { os.RemoveAll(c.opt) })
		if err := merge(layers, c.opt); err != nil {
			return c, fmt.Errorf("merge the layers: %w", err)
		}
	}
	return c, nil
}

// merge makes dir the union of folders; where two have the same path the later
// one wins, but for folders, which are merged. Files are hard links.
func merge(folders []string, dir string) error {
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, from := range folders {
		err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
			if err != nil || path == from {
				return err
			}
			rel, err := filepath.Rel(from, path)
			if err != nil {
				return err
			}
			return lay(path, filepath.Join(dir, rel), d)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// lay puts one entry of a layer over what earlier ones left at its place. Every
// folder on the way is a real one by then, so no link is followed.
func lay(from, to string, d fs.DirEntry) error {
	there, err := os.Lstat(to)
	switch {
	case err == nil && d.IsDir() && there.IsDir():
		return nil
	case err == nil:
		if err := os.RemoveAll(to); err != nil {
			return err
		}
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	switch {
	case d.IsDir():
		return os.Mkdir(to, 0o755)
	case d.Type()&fs.ModeSymlink != 0:
		target, err := os.Readlink(from)
		if err != nil {
			return err
		}
		return os.Symlink(target, to)
	}
	return os.Link(from, to)
}
