package roots

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/lamina-dev/lamina/internal/runtimes/image"
	"github.com/lamina-dev/lamina/internal/runtimes/rootfs"
)

// Installer brings runtimes to this machine.
type Installer struct {
	Store  *Store
	Mirror string           // of Debian; "" means the one this machine uses, if it is Debian, else Debian's own
	Images image.Registries // where images come from
	Image  string           // "" means AWS's own of the runtime
	NPMDir string           // below which npm's packages go, a folder for each runtime
	// Files are written into every root, by their path below it.
	Files map[string]string
	// Verify runs a root's interpreter and tells its version; nil or "" where it
	// can't be tried.
	Verify func(ctx context.Context, r Root, dir string) (version string, err error)
	// Say tells the operator about progress.
	Say func(format string, args ...any)
}

// Install brings a runtime by one way ("" tries them in turn). What it replaces is
// collected once nobody uses it.
func (i *Installer) Install(ctx context.Context, runtime, way string) error {
	ways := Ways(runtime)
	if way != "" {
		ways = []string{way}
	}
	if len(ways) == 0 {
		return fmt.Errorf("runtime %s: there is nothing to install; lamina runtimes list tells which runtimes have something", runtime)
	}
	var failed []error
	for _, w := range ways {
		err := i.by(ctx, runtime, w)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		failed = append(failed, fmt.Errorf("%s: %w", Describe(runtime, w), err))
		if len(ways) > len(failed) {
			i.Say("%s: %v", runtime, failed[len(failed)-1])
		}
	}
	return fmt.Errorf("runtime %s: %w", runtime, errors.Join(failed...))
}

func (i *Installer) by(ctx context.Context, runtime, way string) error {
	if way == FromImage && i.Image != "" {
		i.Say("%s: from image %s …", runtime, i.Image)
	} else {
		i.Say("%s: from %s …", runtime, Describe(runtime, way))
	}
	switch way {
	case FromImage:
		return i.root(ctx, runtime, i.image)
	case FromPackages:
		return i.root(ctx, runtime, i.debian)
	case FromNPM:
		return i.npm(ctx, runtime)
	default:
		return errors.New("no such way")
	}
}

// root unpacks a root by fill, tries it and records it.
func (i *Installer) root(ctx context.Context, runtime string, fill func(ctx context.Context, runtime string, t *rootfs.Tree) (digest, source string, err error)) error {
	dirs, err := rootfs.OpenDir(i.Store.path)
	if err != nil {
		return err
	}
	r := Root{Runtime: runtime, Installed: time.Now().UTC()}
	_, err = dirs.Make(ctx, func(ctx context.Context, dir string) (string, error) {
		if err := i.unpack(ctx, &r, dir, fill); err != nil {
			return "", err
		}
		if i.Verify != nil && r.Program != "" && !r.Own {
			if r.Version, err = i.Verify(ctx, r, dir); err != nil {
				return "", fmt.Errorf("the interpreter does not run: %w", err)
			}
		}
		return r.Digest, nil
	}, func() error { return i.Store.put(r) })
	if err != nil {
		return err
	}
	i.Say("%s: %s %s, %d MiB, sha256:%s", runtime, cmp.Or(r.Program, "no interpreter"), r.Version, r.Bytes>>20, r.Digest)
	return i.Store.Collect()
}

// unpack fills one root and finds its program.
func (i *Installer) unpack(ctx context.Context, r *Root, dir string, fill func(ctx context.Context, runtime string, t *rootfs.Tree) (digest, source string, err error)) error {
	if err := os.Chmod(dir, 0o755); err != nil {
		return err
	}
	t, err := rootfs.OpenTree(dir, rootfs.ImageLimits)
	if err != nil {
		return err
	}
	defer t.Close()
	if r.Digest, r.Source, err = fill(ctx, r.Runtime, t); err != nil {
		return err
	}
	if err := t.Prepare(rootfs.RuntimeDirs...); err != nil {
		return err
	}
	for name, text := range i.Files {
		if err := t.Write(name, text); err != nil {
			return err
		}
	}
	r.Bytes = t.Written()
	return r.find(dir)
}

// find looks for what runs functions: the root's own bootstrap, else an
// interpreter for Lamina's.
func (r *Root) find(dir string) error {
	if strings.HasPrefix(r.Runtime, "provided") {
		return nil
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	for _, pattern := range append([]string{ownBootstrap}, programs(r.Runtime)...) {
		matches, err := fs.Glob(root.FS(), pattern)
		if err != nil {
			return err
		}
		for _, m := range matches {
			if st, err := root.Stat(m); err == nil && st.Mode().IsRegular() && st.Mode()&0o111 != 0 {
				r.Program, r.Own = "/"+filepath.ToSlash(m), m == ownBootstrap
				return nil
			}
		}
	}
	return fmt.Errorf("there is no program that runs %s in it", r.Runtime)
}
