package controller

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/lamina-dev/lamina"
	"github.com/lamina-dev/lamina/internal/runtimes/rootfs"
	"github.com/lamina-dev/lamina/internal/runtimes/roots"
	"github.com/lamina-dev/lamina/internal/store/blobs"
	"github.com/lamina-dev/lamina/internal/store/tables"
)

// How often what nothing refers to is collected, and how old it must be: a
// request stores its package or image before it commits what refers to it (chosen).
const (
	collectEvery = 10 * time.Minute
	collectAge   = time.Hour
)

// Collector removes code packages, layers and images that no function, version
// or layer version refers to, and root file systems that were replaced.
type Collector struct {
	Lambda tables.Lambda
	Blobs  *blobs.Dir
	Images string        // folder of unpacked images
	Codes  string        // folder of unpacked code
	Roots  *roots.Store  // installed runtimes
	Age    time.Duration // how old a package must be; 0: an hour
	Log    *slog.Logger
}

// Run collects until ctx ends. What a round can't remove, the next one tries again.
func (c *Collector) Run(ctx context.Context) error {
	every := time.NewTicker(collectEvery)
	defer every.Stop()
	for {
		if err := c.Collect(); err != nil {
			c.Log.Warn("not all that is unused could be removed", "err", err)
		}
		select {
		case <-every.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// Collect does one round.
func (c *Collector) Collect() error {
	age := c.Age
	if age == 0 {
		age = collectAge
	}
	stored, unpacked := c.wanted()
	n, bytes, err := c.Blobs.Collect(func(sha string) bool { return stored[sha] }, age)
	if n > 0 {
		c.Log.Info("collected code that nothing refers to", "packages", n, "bytes", bytes)
	}
	images, imagesErr := c.images(unpacked)
	if len(images) > 0 {
		c.Log.Info("collected unpacked images", "images", images)
	}
	return errors.Join(err, imagesErr, c.codes(stored, age), c.Roots.Collect())
}

// codes are unpacked again when they are needed again, so those unused for long go too.
func (c *Collector) codes(stored map[string]bool, age time.Duration) error {
	dir, err := rootfs.OpenCache(c.Codes)
	if err != nil {
		return err
	}
	if _, err := dir.Collect(func(digest string) bool { return stored[digest] && time.Since(dir.Used(digest)) < age }); err != nil {
		return fmt.Errorf("collect unpacked code: %w", err)
	}
	return nil
}

func (c *Collector) images(wanted map[string]bool) (removed []string, err error) {
	dir, err := rootfs.OpenDir(c.Images)
	if err != nil {
		return nil, err
	}
	removed, err = dir.Collect(func(digest string) bool { return wanted[digest] })
	if err != nil {
		return removed, fmt.Errorf("collect images: %w", err)
	}
	return removed, nil
}

// wanted are the blobs and the images that something refers to.
func (c *Collector) wanted() (stored, unpacked map[string]bool) {
	stored, unpacked = map[string]bool{}, map[string]bool{}
	config := func(f lamina.FunctionConfig) {
		stored[f.CodeSHA256] = true
		for _, l := range f.Layers {
			stored[l.SHA256] = true
		}
		if f.Image != nil {
			unpacked[f.CodeSHA256] = true
			for _, sha := range f.Image.Layers {
				stored[sha] = true
			}
		}
	}
	for row := range c.Lambda.Functions.All() {
		config(row.Value.Config)
	}
	for row := range c.Lambda.Versions.All() {
		config(row.Value.Config)
		if row.Value.Previous != nil {
			config(*row.Value.Previous)
		}
	}
	for row := range c.Lambda.LayerVersions.All() {
		stored[row.Value.Content.SHA256] = true
	}
	return stored, unpacked
}
