package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/lamina-dev/lamina/bench/bare"
)

// roleVariable makes this program one process of a bare path.
const roleVariable = "BENCH_ROLE"

// runRole does what the environment says, if it does; the program's main and
// its tests begin with it. It never returns then.
func runRole() {
	name := os.Getenv(roleVariable)
	if name == "" {
		return
	}
	go func() { // the benchmark holds the other end: with it goes this process
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	role := bare.Roles[name]
	if role == nil {
		fmt.Fprintf(os.Stderr, "no role %q\n", name)
		os.Exit(2)
	}
	err := role(context.Background(), os.Args[1:], func(addrs ...string) { fmt.Println(strings.Join(addrs, " ")) })
	fmt.Fprintln(os.Stderr, name+":", err)
	os.Exit(1)
}

// process is a child of the benchmark.
type process struct {
	cmd   *exec.Cmd
	stdin io.Closer // closed, it tells a role to end
	ended chan error
}

// startLimit and stopLimit bound how long a child may take (chosen, far above what it needs).
const (
	startLimit = 30 * time.Second
	stopLimit  = 60 * time.Second
)

// startRole runs a role as a process of its own, apart in a session of its own,
// and gives the addresses it tells.
func startRole(apart bool, name string, args ...string) (*process, []string, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	cmd := exec.Command(self, args...)
	cmd.Env = append(os.Environ(), roleVariable+"="+name)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: apart}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, nil, err
	}
	p, err := start(cmd)
	if err != nil {
		return nil, nil, err
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("the %s told no address: %w", name, err), p.stop())
	}
	return p, strings.Fields(line), nil
}

// start runs a command that ends when its standard input does, or is killed.
func start(cmd *exec.Cmd) (*process, error) {
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if cmd.Stderr == nil {
		cmd.Stderr = os.Stderr
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", cmd.Path, err)
	}
	p := &process{cmd: cmd, stdin: stdin, ended: make(chan error, 1)}
	go func() { p.ended <- cmd.Wait() }() // ends with the child, which stop waits for
	return p, nil
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// stop asks with the end of input, and in the end kills.
func (p *process) stop() error {
	p.stdin.Close()
	select {
	case <-p.ended:
		return nil
	case <-time.After(stopLimit):
		_ = p.cmd.Process.Kill()
		<-p.ended
		return fmt.Errorf("%s had to be killed", p.cmd.Path)
	}
}

// kill is for children that do not look at their input.
func (p *process) kill() error {
	p.stdin.Close()
	_ = p.cmd.Process.Kill()
	<-p.ended
	return nil
}
