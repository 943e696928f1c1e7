package agent

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/lamina-dev/lamina/internal/runtimes/codepkg"
	"github.com/lamina-dev/lamina/internal/runtimes/rootfs"
	"github.com/lamina-dev/lamina/internal/wire"
)

// codeDir holds unpacked code in the scratch folder, where no other is named.
const codeDir = "code"

// codes brings code packages and layers. The instances of a host unpack each once
// and share it read-only.
type codes struct {
	dir   string // what is unpacked
	temp  string // packages on their way
	fetch func(ctx context.Context, sha string, w io.Writer) error
	heavy func(func() error) error // runs what computes for long
}

func newCodes(cfg Config, fetch func(context.Context, string, io.Writer) error) *codes {
	c := &codes{dir: cfg.Codes, temp: cfg.Dir, fetch: fetch, heavy: func(f func() error) error { return f() }}
	if c.dir == "" {
		c.dir = filepath.Join(cfg.Dir, codeDir)
	}
	if cfg.threads != nil {
		c.heavy = cfg.threads.work
	}
	return c
}

// get gives the folder of an unpacked package until release is called.
func (c *codes) get(ctx context.Context, sha string) (dir string, release func(), err error) {
	cache, err := rootfs.OpenCache(c.dir)
	if err != nil {
		return "", nil, err
	}
	return cache.Use(ctx, sha, func(ctx context.Context, dir string) error { return c.bring(ctx, sha, dir) })
}

// bring fetches, verifies and unpacks.
func (c *codes) bring(ctx context.Context, sha, dir string) error {
	return c.whole(ctx, sha, func(f *os.File) error {
		return c.heavy(func() error { return codepkg.Extract(f.Name(), dir) })
	})
}

// whole fetches a package or a layer of an image, all of it, before use sees any.
// The file is gone afterwards.
func (c *codes) whole(ctx context.Context, sha string, use func(*os.File) error) error {
	f, err := os.CreateTemp(c.temp, "package-")
	if err != nil {
		return fmt.Errorf("make a file for it: %w", err)
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if err := c.download(ctx, sha, f.Name()); err != nil {
		return err
	}
	return use(f)
}

// refusal is the server's own answer; asking again would not help.
type refusal string

func (r refusal) Error() string { return "fetch the code package: " + string(r) }

// download tries until ctx ends or the server refuses.
func (c *codes) download(ctx context.Context, sha, path string) error {
	pause := firstPause
	for {
		err := c.downloadOnce(ctx, sha, path)
		if _, no := errors.AsType[refusal](err); err == nil || no {
			return err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return fmt.Errorf("fetch the code package: %w", ctx.Err())
		}
		pause = min(2*pause, lastPause)
	}
}

func (c *codes) downloadOnce(ctx context.Context, sha, path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return refusal(err.Error())
	}
	defer f.Close()
	sum := sha256.New()
	if err := c.fetch(ctx, sha, io.MultiWriter(f, sum)); err != nil {
		return err
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != sha {
		return fmt.Errorf("the code package arrived with hash %s instead of %s", got, sha)
	}
	return f.Close()
}

// fetch copies a package from the server, on a connection of its own.
func (a *agent) fetch(ctx context.Context, sha string, w io.Writer) error {
	raw, err := wire.Dial(ctx, a.cfg.ServerAddr)
	if err != nil {
		return fmt.Errorf("dial the server for code: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { raw.Close() })
	defer stop()
	conn := wire.NewConn(raw)
	defer conn.Close()
	if err := conn.Send(wire.KindBlobRequest, wire.BlobRequest{InstanceID: a.cfg.InstanceID, Token: a.cfg.Token, SHA256: sha}); err != nil {
		return err
	}
	for {
		if err := conn.SetReadDeadline(time.Now().Add(chunkTimeout)); err != nil {
			return fmt.Errorf("set deadline: %w", err)
		}
		kind, body, err := conn.Receive()
		if err != nil {
			return fmt.Errorf("receive code: %w", err)
		}
		if kind != wire.KindBlobChunk {
			return fmt.Errorf("receive code: frame of kind %d", kind)
		}
		chunk, err := wire.Decode[wire.BlobChunk](body)
		switch {
		case err != nil:
			return err
		case chunk.Error != "":
			return refusal(chunk.Error)
		case len(chunk.Data) == 0:
			return nil
		}
		if _, err := w.Write(chunk.Data); err != nil {
			return refusal("write it: " + err.Error())
		}
	}
}

// chunkTimeout gives up on a server that stopped in the middle of a package.
const chunkTimeout = 15 * time.Second
