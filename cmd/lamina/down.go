package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/lamina-dev/lamina/internal/fleet/driver/process"
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
	stopped, err := stop(ctx, f)
	if err != nil {
		return err
	}
	if stopped {
		fmt.Println("Lamina is stopped; nothing of it runs.")
	} else {
		fmt.Println("No Lamina server runs on", f)
	}
	return nil
}

// stop ends the server, and the agents that a killed server has left.
func stop(ctx context.Context, f folder) (bool, error) {
	r, ok, err := f.read()
	if err != nil {
		return false, err
	}
	stopped := false
	if ok && alive(r.PID) {
		if err := syscall.Kill(r.PID, syscall.SIGTERM); err != nil {
			return false, fmt.Errorf("stop the server with process id %d: %w", r.PID, err)
		}
		if err := waitGone(ctx, r.PID); err != nil {
			return false, err
		}
		stopped = true
	}
	left, err := endLeftovers(ctx, f)
	return stopped || left, err
}

func waitGone(ctx context.Context, pid int) error {
	ctx, cancel := context.WithTimeout(ctx, downLimit)
	defer cancel()
	for alive(pid) {
		select {
		case <-ctx.Done():
			return fmt.Errorf("the server with process id %d still runs after %v; end it with: kill -9 %d", pid, downLimit, pid)
		case <-time.After(20 * time.Millisecond):
		}
	}
	return nil
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

func alive(pid int) bool {
	err := syscall.Kill(pid, 0)
	return err == nil || errors.Is(err, syscall.EPERM)
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
	if _, err := stop(ctx, f); err != nil {
		return err
	}
	made := []string{f.store(), f.packages(), f.images(), f.telemetry(), f.metrics(), f.instances(), f.running(), f.secretKey()}
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
