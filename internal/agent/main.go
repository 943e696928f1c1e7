package agent

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/lamina-dev/lamina/internal/sandbox"
	"github.com/lamina-dev/lamina/internal/sandbox/oci"
	"github.com/lamina-dev/lamina/internal/sandbox/plain"
	"github.com/lamina-dev/lamina/internal/wire"
)

// StartFD is the descriptor on which a driver of the same host hands over the wire.Start.
const StartFD = 3

// Main is the `lamina agent` process: it waits for its start on r, sets itself
// apart from the host as far as it may, and runs. The binary must call
// plain.Main first of all.
func Main(ctx context.Context, r io.ReadCloser) error {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	start, err := wire.ReadStart(r)
	if err != nil {
		return err
	}
	r.Close()
	log := newLog(os.Stderr, start.LogLevel)
	if err := settleIn(); err != nil {
		log.Info("instance is not set apart so far", "err", err)
	}
	var reaper sync.WaitGroup
	defer reaper.Wait()
	reaping, cancel := context.WithCancel(context.Background())
	defer cancel()
	reaper.Go(func() { reap(reaping) })
	networks, way, err := newNetworks(start, log)
	if err != nil {
		return fmt.Errorf("instance %s: prepare its network: %w", start.InstanceID, err)
	}
	box, err := newSandbox(ctx, start, networks)
	if err != nil {
		return fmt.Errorf("instance %s: prepare its sandbox: %w", start.InstanceID, err)
	}
	log.Info("agent starts", "instance", start.InstanceID, "pid", os.Getpid(), "server", start.ServerAddr, "sandbox", start.Sandbox, "network", start.Network)
	return Run(ctx, Config{Start: start, Sandbox: box, Gateway: way, Log: log, threads: newThreads(start.VCPUCores)})
}

// newSandbox makes what the server chose; it has found out what this host permits.
func newSandbox(ctx context.Context, start wire.Start, networks *sandbox.Networks) (sandbox.Sandbox, error) {
	switch start.Sandbox {
	case "", "plain":
		box, err := plain.New(ctx)
		if err != nil || networks == nil {
			return box, err
		}
		return box.In(networks), nil
	default:
		return oci.New(oci.Config{Kind: oci.Kind(start.Sandbox), Dir: filepath.Join(start.Dir, ociDir), Network: oci.Network(start.Network), Networks: networks})
	}
}

// ociDir holds what container runtimes keep, in the scratch folder.
const ociDir = "oci"

// newLog writes text to the file that the driver gave.
func newLog(f *os.File, level string) *slog.Logger {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		l = slog.LevelInfo
	}
	return slog.New(slog.NewTextHandler(&boundedFile{f: f}, &slog.HandlerOptions{Level: l}))
}

// maxLog bounds the agent's own log; beyond it, the file starts anew (chosen).
const maxLog = 4 << 20

// boundedFile empties a regular file that has grown too large. slog.TextHandler
// calls Write from one goroutine at a time.
type boundedFile struct {
	f       *os.File
	written int64
}

func (b *boundedFile) Write(p []byte) (int, error) {
	if b.written += int64(len(p)); b.written > maxLog {
		b.written = int64(len(p))
		if info, err := b.f.Stat(); err == nil && info.Mode().IsRegular() {
			_ = b.f.Truncate(0) // opened for appending, so the next write is at its start
		}
	}
	return b.f.Write(p)
}
