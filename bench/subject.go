package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"

	"github.com/lamina-dev/lamina/bench/load"
)

// subject is one thing that is measured, up and running.
type subject struct {
	key, name string
	target    load.Target
	cpu       func() usage // so far, by role; nil where nobody can tell
	apart     bool         // its processes get sessions of their own
	ends      []func() error
}

// stop ends its processes, the last one first.
func (s *subject) stop() (err error) {
	for _, end := range slices.Backward(s.ends) {
		if e := end(); err == nil {
			err = e
		}
	}
	return err
}

// kind is a subject that can be started.
type kind struct {
	key, name string
	start     func(*bench, *subject) error
}

// kinds are the benchmark's lines, in the order they are printed in.
var kinds = []kind{
	{"direct", "direct handler (net/http)", startDirect},
	{"proxy", "the same behind ReverseProxy", startProxy},
	{"proxy-apart", "  each in a session of its own", startProxyApart},
	{"bare3", "bare 3-step path, lean client", startBare3},
	{"bare4", "bare 4 processes, lean client", bare4{}.start},
	{"bare4-apart", "  each in a session of its own", bare4{apart: true}.start},
	{"bare-spread", "  with an agent and a function for each environment", bare4{spread: true}.start},
	{"bare4-http", "  with net/http at the front", bare4{http: true}.start},
	{"bare-spread-http", "  with both", bare4{http: true, spread: true}.start},
	{"bare-spread-http-apart", "  with both, each in a session of its own", bare4{http: true, spread: true, apart: true}.start},
	{"bare4-official", "bare 4 processes, aws-lambda-go", bare4{official: true}.start},
	{"bare-spread-official", "  with an agent and a function for each environment", bare4{official: true, spread: true}.start},
	{"lamina", "Lamina, lean client", startLamina(false)},
	{"lamina-official", "Lamina, aws-lambda-go", startLamina(true)},
}

// plain is the request for everything but Lamina.
func (s *subject) plain(addr string, payload []byte) {
	request := fmt.Appendf(nil, "POST / HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", addr, len(payload), payload)
	s.target = load.Target{Addr: addr, Request: func() []byte { return request }, Answer: payload}
}

// role starts one process of the subject's and gives the addresses it serves.
func (s *subject) role(pids pids, name string, args ...string) ([]string, error) {
	p, addrs, err := startRole(s.apart, name, args...)
	if err != nil {
		return nil, err
	}
	s.ends = append(s.ends, p.stop)
	pids.add(name, p)
	return addrs, nil
}

func startDirect(b *bench, s *subject) error {
	pids := pids{}
	addrs, err := s.role(pids, "direct")
	if err != nil {
		return err
	}
	s.plain(addrs[0], b.payload)
	s.cpu = usageOf(pids)
	return nil
}

func startProxy(b *bench, s *subject) error {
	pids := pids{}
	addrs, err := s.role(pids, "direct")
	if err != nil {
		return err
	}
	if addrs, err = s.role(pids, "proxy", addrs[0]); err != nil {
		return err
	}
	s.plain(addrs[0], b.payload)
	s.cpu = usageOf(pids)
	return nil
}

// startProxyApart gives both processes what services have, as bare4's apart does.
func startProxyApart(b *bench, s *subject) error {
	s.apart = true
	return startProxy(b, s)
}

func startBare3(b *bench, s *subject) error {
	pids := pids{}
	addrs, err := s.role(pids, "router")
	if err != nil {
		return err
	}
	if err := s.runtime(b, pids, addrs[1], false); err != nil {
		return err
	}
	s.plain(addrs[0], b.payload)
	s.cpu = usageOf(pids)
	return nil
}

// bare4 are the four processes client, server, agent, runtime and nothing else;
// spread: with an agent and a runtime for each of Lamina's environments; apart:
// as services run, in sessions, to each of which Linux gives a share of the CPU.
type bare4 struct{ official, http, spread, apart bool }

func (v bare4) start(b *bench, s *subject) error {
	pids := pids{}
	s.apart = v.apart
	many := 1
	if v.spread {
		many = b.environments
	}
	var agents []string
	for i := range many {
		agent, err := s.role(pids, "agent", filepath.Join(b.dir, s.key+strconv.Itoa(i)+".sock"))
		if err != nil {
			return err
		}
		if err := s.runtime(b, pids, agent[1], v.official); err != nil {
			return err
		}
		agents = append(agents, agent[0])
	}
	name := "server"
	if v.http {
		name = "server-http"
	}
	server, err := s.role(pids, name, agents...)
	if err != nil {
		return err
	}
	s.plain(server[0], b.payload)
	s.cpu = usageOf(pids)
	return nil
}

// runtime starts the function's process on a Runtime API.
func (s *subject) runtime(b *bench, pids pids, api string, official bool) error {
	cmd := exec.Command(b.bootstrap)
	cmd.Env = append(os.Environ(), "AWS_LAMBDA_RUNTIME_API="+api, "AWS_LAMBDA_MAX_CONCURRENCY="+strconv.Itoa(b.slots()))
	if official {
		cmd.Env = append(cmd.Env, officialClient)
	}
	cmd.Stderr = io.Discard // it complains when its Runtime API goes away, which is how it ends
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: s.apart}
	p, err := start(cmd)
	if err != nil {
		return err
	}
	s.ends = append(s.ends, p.kill)
	pids.add("runtime", p)
	return nil
}

// officialClient tells the function to run on aws-lambda-go.
const officialClient = "BENCH_CLIENT=official"
