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
	"sync"
	"time"

	"github.com/lamina-dev/lamina/internal/runtimes/codepkg"
	"github.com/lamina-dev/lamina/internal/wire"
)

// keptUnused is how many unpacked packages stay when nobody uses them, for a
// replacement that follows at once (chosen: a function's code with its layers).
const keptUnused = 6

// codes holds unpacked code packages, each fetched once and shared read-only.
type codes struct {
	dir   string
	fetch func(ctx context.Context, sha string, w io.Writer) error
	heavy func(func() error) error // runs what computes for long

	mu      sync.Mutex
	entries map[string]*code
	unused  []*code // oldest first
}

type code struct {
	sha   string
	dir   string
	users int
	ready chan struct{} // closed when dir is there or err is set
	err   error
}

func newCodes(dir string, fetch func(context.Context, string, io.Writer) error) *codes {
	here := func(f func() error) error { return f() }
	return &codes{dir: dir, fetch: fetch, heavy: here, entries: make(map[string]*code)}
}

// get gives the folder of an unpacked package until release is called.
func (c *codes) get(ctx context.Context, sha string) (dir string, release func(), err error) {
	if b, err := hex.DecodeString(sha); err != nil || len(b) != sha256.Size {
		return "", nil, fmt.Errorf("%q is no SHA-256", sha)
	}
	for {
		entry, first := c.use(sha)
		if first {
			entry.err = c.bring(ctx, entry)
			close(entry.ready)
		}
		select {
		case <-entry.ready:
		case <-ctx.Done():
			c.release(entry)
			return "", nil, fmt.Errorf("wait for the code package: %w", ctx.Err())
		}
		if entry.err == nil {
			return entry.dir, sync.OnceFunc(func() { c.release(entry) }), nil
		}
		c.release(entry)
		// Who fetched may have given up for a reason of its own.
		if !errors.Is(entry.err, context.Canceled) || ctx.Err() != nil {
			return "", nil, entry.err
		}
	}
}

// use counts one more user; first tells that this one must bring the package.
func (c *codes) use(sha string) (entry *code, first bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	entry = c.entries[sha]
	if entry == nil {
		entry = &code{sha: sha, dir: filepath.Join(c.dir, sha), ready: make(chan struct{})}
		c.entries[sha] = entry
		first = true
	}
	entry.users++
	for i, u := range c.unused {
		if u == entry {
			c.unused = append(c.unused[:i:i], c.unused[i+1:]...)
			break
		}
	}
	return entry, first
}

func (c *codes) release(entry *code) {
	c.mu.Lock()
	defer c.mu.Unlock()
	entry.users--
	if entry.failed() {
		if c.entries[entry.sha] == entry {
			delete(c.entries, entry.sha) // the next one tries again
		}
		return
	}
	if entry.users > 0 {
		return
	}
	c.unused = append(c.unused, entry)
	if len(c.unused) > keptUnused {
		old := c.unused[0]
		c.unused = c.unused[1:]
		delete(c.entries, old.sha)
		// Under the lock, so that nobody brings it again meanwhile; this is rare.
		_ = os.RemoveAll(old.dir)
	}
}

func (e *code) failed() bool {
	select {
	case <-e.ready:
		return e.err != nil
	default:
		return false
	}
}

// bring fetches, verifies and unpacks.
func (c *codes) bring(ctx context.Context, entry *code) error {
	if err := os.MkdirAll(c.dir, 0o711); err != nil {
		return fmt.Errorf("make the folder for code: %w", err)
	}
	zip := entry.dir + ".zip"
	defer os.Remove(zip)
	if err := c.download(ctx, entry.sha, zip); err != nil {
		return err
	}
	return c.heavy(func() error { return unpack(zip, entry.dir) })
}

// unpack makes dir of a package, or nothing.
func unpack(zip, dir string) error {
	partial := dir + ".part"
	if err := os.RemoveAll(partial); err != nil {
		return fmt.Errorf("clear the way for code: %w", err)
	}
	if err := os.Mkdir(partial, 0o755); err != nil {
		return fmt.Errorf("make the folder for code: %w", err)
	}
	if err := codepkg.Extract(zip, partial); err != nil {
		os.RemoveAll(partial)
		return err
	}
	if err := os.Rename(partial, dir); err != nil {
		return fmt.Errorf("put the code in place: %w", err)
	}
	return nil
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
