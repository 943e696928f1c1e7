package agent

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/lamina-dev/lamina/internal/runtimes/codepkg"
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
// environments of the host; what several layers make together is a tree of links of the
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
		if err := codepkg.Merge(layers, c.opt); err != nil {
			return c, fmt.Errorf("merge the layers: %w", err)
		}
	}
	return c, nil
}
