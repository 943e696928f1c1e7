package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"time"

	"github.com/lamina-dev/lamina/internal/fleet/driver/process"
	"github.com/lamina-dev/lamina/internal/store/sqlite"
)

// downLimit is longer than a server takes at most: stopGrace for invocations and
// as much again for instances.
const downLimit = 45 * time.Second

type downCmd struct{ dataFlags }

// Run stops the server of the data folder and waits for its end.
func (c downCmd) Run(ctx context.Context) error {
	f, err := c.folder()
	if err != nil {
		return err
	}
	stopped, release, err := stop(ctx, f)
	if err != nil {
		return err
	}
	defer release()
	if stopped {
		fmt.Println("Lamina is stopped; nothing of it runs.")
	} else {
		fmt.Println("No Lamina server runs on", f)
	}
	return nil
}

// stop ends the server, and the agents that a killed server has left. What it
// leaves is nobody's until release is called.
func stop(ctx context.Context, f folder) (stopped bool, release func(), err error) {
	free, stopped, err := own(ctx, f)
	if err != nil {
		return false, nil, err
	}
	release = func() { _ = free() } // the end of this process frees it too
	left, err := endLeftovers(ctx, f)
	if err != nil {
		release()
		return false, nil, err
	}
	return stopped || left, release, nil
}

// own takes the store's lock, and ends who has it: a server that runs, starts or
// stops. What server.json says may be long ago, and its process id another's.
func own(ctx context.Context, f folder) (release func() error, stopped bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, downLimit)
	defer cancel()
	told := 0
	for {
		release, err := sqlite.Lock(f.store())
		if errors.Is(err, fs.ErrNotExist) {
			return func() error { return nil }, stopped, nil // there never was a server
		}
		held, ok := errors.AsType[*sqlite.InUseError](err)
		if !ok {
			return release, stopped, err
		}
		if held.PID != 0 && held.PID != told {
			if err := syscall.Kill(held.PID, syscall.SIGTERM); err != nil && !errors.Is(err, syscall.ESRCH) {
				return nil, false, fmt.Errorf("stop the server with process id %d: %w", held.PID, err)
			}
			told = held.PID
		}
		stopped = true
		select {
		case <-ctx.Done():
			return nil, false, fmt.Errorf("the server with process id %d still runs after %v; end it with: kill -9 %[1]d", told, downLimit)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func endLeftovers(ctx context.Context, f folder) (bool, error) {
	if _, err := os.Stat(f.instances()); err != nil {
		return false, nil
	}
	d, err := process.New(process.Config{Dir: f.instances(), DataDir: string(f)})
	if err != nil {
		return false, err
	}
	found, err := d.List(ctx)
	if err != nil {
		return false, err
	}
	var errs []error
	for _, one := range found {
		errs = append(errs, d.Terminate(ctx, one.ID, one.Handle))
	}
	return len(found) > 0, errors.Join(errs...)
}

type resetCmd struct{ dataFlags }

// Run stops the server and removes what it kept; only files Lamina made are
// touched, and none in a folder that no server has used.
func (c resetCmd) Run(ctx context.Context) error {
	f, err := c.folder()
	if err != nil {
		return err
	}
	if !f.used() {
		fmt.Println("No Lamina server has used", f, "as its data folder; nothing is removed")
		return nil
	}
	_, release, err := stop(ctx, f)
	if err != nil {
		return err
	}
	defer release()
	made := []string{f.store(), f.packages(), f.images(), f.codes(), f.telemetry(), f.metrics(), f.instances(), f.running(), f.secretKey()}
	for _, name := range []string{controlSocket, consoleSocket, doorSocket} {
		path, err := f.socket(name)
		if err != nil {
			return err
		}
		made = append(made, path)
	}
	for _, path := range made {
		if err := os.RemoveAll(path); err != nil {
			return fmt.Errorf("empty the data folder: %w", err)
		}
	}
	fmt.Println("Emptied", f)
	return nil
}
