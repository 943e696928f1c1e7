package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// startLimit is how long a server may take to answer; chosen, far above what it needs.
const startLimit = 20 * time.Second

// server is the demo's own server.
type server struct{ binary, data, listen string }

func (s server) endpoint() string { return "http://" + s.listen }

// start makes the server run; one that an earlier demo left up is taken as it is.
func (s server) start(ctx context.Context) error {
	if conn, err := net.DialTimeout("tcp", s.listen, time.Second); err == nil {
		conn.Close()
		if s.ours() && s.healthy(ctx) == nil {
			fmt.Printf("the demo's server already runs at %s\n", s.endpoint())
			return nil
		}
		return fmt.Errorf("port %s is taken by something else: stop it (lamina down), or choose another: LAMINA_LISTEN=127.0.0.1:4567 make demo", s.listen)
	}
	return s.launch(ctx)
}

// ours says whether the running server is the one of the demo's data folder.
func (s server) ours() bool {
	left, err := os.ReadFile(filepath.Join(s.data, "server.json"))
	return err == nil && bytes.Contains(left, []byte(s.listen))
}

// launch starts a server that outlives the demo, and waits until it answers.
func (s server) launch(ctx context.Context) error {
	if err := os.MkdirAll(s.data, 0o755); err != nil {
		return err
	}
	logName := s.data + ".log"
	log, err := os.Create(logName)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(s.binary, "up", "--listen", s.listen, "--data", s.data)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // Ctrl-C ends the demo, not the server
	start := time.Now()
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting %s up: %w", s.binary, err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for s.healthy(ctx) != nil {
		select {
		case err := <-ended:
			said, _ := os.ReadFile(logName)
			return fmt.Errorf("lamina up ended: %w\n%s", err, said)
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
		if time.Since(start) > startLimit {
			return fmt.Errorf("lamina up does not answer after %s; see %s", startLimit, logName)
		}
	}
	fmt.Printf("lamina up: answers at %s after %s, log in %s\n", s.endpoint(), time.Since(start).Round(time.Millisecond), logName)
	return nil
}

// healthy asks the server's health address.
func (s server) healthy(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.endpoint()+"/_lamina/health", nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 1<<10))
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK || !bytes.Contains(body, []byte("lamina")) {
		return errors.New("something else answers there")
	}
	return nil
}
