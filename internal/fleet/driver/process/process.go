// Package process is the embedded fleet driver: each instance is a `lamina
// agent` child of this host, in a session of its own and, where the kernel
// permits, in PID and mount namespaces and a cgroup of its own.
//
// An agent outlives the server that started it. It is known by its process id
// and start time, kept in the handle file of its scratch folder before the agent
// is let go, so that a server that died in between leaks nothing.
package process

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/lamina-dev/lamina/internal/fleet/driver"
)

// cgroupParent is the instances' group below each hierarchy's mount point.
const cgroupParent = "lamina"

// Config is fixed for the life of a driver.
type Config struct {
	Dir     string // holds one scratch folder for each instance, and logs/
	DataDir string // agents end themselves when it is gone; "" means Dir
	Log     *slog.Logger
}

// Driver starts agents as processes of this host.
type Driver struct {
	cfg  Config
	log  *slog.Logger
	gone chan string
	wake chan struct{} // tells Run of new entries in starting

	binary func() (string, error) // with the agent subcommand

	mu       sync.Mutex
	isolate  int // index into isolations: the strongest that this host has not refused
	watched  map[string]*instance
	starting []*instance // not yet watched by Run
	slots    int         // launches under way
	launched int         // since this server started
}

var _ driver.Driver = (*Driver)(nil)

// instance is one watched agent.
type instance struct {
	id     string
	handle handle
	reap   func() // takes the exit status of a child; nil for adopted ones
}

// New makes a driver over cfg.Dir, which is created.
func New(cfg Config) (*Driver, error) {
	if cfg.Dir == "" {
		return nil, errors.New("the process driver needs a folder")
	}
	dir, err := filepath.Abs(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("find the instances' folder: %w", err)
	}
	cfg.Dir = dir
	if cfg.DataDir == "" {
		cfg.DataDir = dir
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if err := os.MkdirAll(filepath.Join(cfg.Dir, logDir), 0o700); err != nil {
		return nil, fmt.Errorf("make the instances' folder: %w", err)
	}
	return &Driver{
		cfg:     cfg,
		log:     cfg.Log.With("driver", "process"),
		gone:    make(chan string),
		wake:    make(chan struct{}, 1),
		binary:  thisBinary,
		watched: make(map[string]*instance),
	}, nil
}

// Gone implements driver.Driver.
func (d *Driver) Gone() <-chan string { return d.gone }

// Alive implements driver.Driver.
func (d *Driver) Alive(_ context.Context, id, text string) (bool, error) {
	h, err := d.resolve(id, text)
	if err != nil || h.pid == 0 {
		return false, err
	}
	return h.alive(), nil
}

// Adopt implements driver.Driver.
func (d *Driver) Adopt(_ context.Context, id, text string) error {
	h, err := d.resolve(id, text)
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, known := d.watched[id]; !known {
		d.watch(&instance{id: id, handle: h})
	}
	return nil
}

// List implements driver.Driver.
func (d *Driver) List(ctx context.Context) ([]driver.Found, error) {
	entries, err := os.ReadDir(d.cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("list instances: %w", err)
	}
	var found []driver.Found
	for _, e := range entries {
		if !e.IsDir() || e.Name() == logDir {
			continue
		}
		h, err := d.resolve(e.Name(), "")
		if err != nil {
			return nil, err
		}
		found = append(found, driver.Found{ID: e.Name(), Handle: h.String(), Alive: h.alive()})
	}
	return found, ctx.Err()
}

// Files of an instance's scratch folder, and the folder of agents' logs beside it.
const (
	handleFile = "handle"
	logDir     = "logs"
)

func (d *Driver) dir(id string) string { return filepath.Join(d.cfg.Dir, id) }

// resolve reads a handle, from the scratch folder when the caller has none; the
// zero handle means that no agent was ever let go.
func (d *Driver) resolve(id, text string) (handle, error) {
	if id == "" || id == logDir || strings.ContainsAny(id, "/.") {
		return handle{}, fmt.Errorf("%q is no instance id", id)
	}
	if text == "" {
		b, err := os.ReadFile(filepath.Join(d.dir(id), handleFile))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return handle{}, fmt.Errorf("read the handle of %s: %w", id, err)
		}
		text = string(b)
	}
	return parseHandle(text)
}
