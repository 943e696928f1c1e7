package sandboxtest

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lamina-dev/lamina/internal/sandbox"
)

// host is an environment that runs several commands.
type host struct {
	*run
	s    *suite
	spec sandbox.Spec
	exe  sandbox.Executor
}

// startHost starts one that runs nothing yet.
func (s *suite) startHost(t *testing.T, mod ...func(*sandbox.Spec)) *host {
	t.Helper()
	spec := s.spec(t)
	spec.Init, spec.Argv = true, nil
	for _, m := range mod {
		m(&spec)
	}
	r := s.start(t, spec)
	exe, ok := r.proc.(sandbox.Executor)
	if !ok {
		t.Fatal("the environment can't run commands")
	}
	return &host{run: r, s: s, spec: spec, exe: exe}
}

// exec runs the probe beside what runs already.
func (h *host) exec(name string, args ...string) *run {
	h.t.Helper()
	r := &run{t: h.t, id: h.id}
	var err error
	if r.proc, err = h.exe.Exec(h.t.Context(), h.command(r, name, args...)); err != nil {
		h.t.Fatal(err)
	}
	return r
}

func (h *host) command(r *run, name string, args ...string) sandbox.Command {
	return sandbox.Command{
		Name: name,
		Argv: append([]string{filepath.Join(h.s.sb.Layout(h.spec).Task, "bootstrap"), h.id}, args...),
		Log: func(stream sandbox.Stream, line []byte) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.lines[stream] = append(r.lines[stream], string(line))
		},
	}
}

// output is what a command that must end well says.
func (h *host) output(name string, args ...string) []string {
	h.t.Helper()
	r := h.exec(name, args...)
	if exit := r.end(); exit != (sandbox.Exit{}) {
		h.t.Fatalf("%s ended with %v: %q", name, exit, r.out(sandbox.Stderr))
	}
	return r.out(sandbox.Stdout)
}

// execEnvironment: a command sees what the first process of an environment would
// see, and what other commands did.
func (s *suite) execEnvironment(t *testing.T) {
	h := s.startHost(t, func(sp *sandbox.Spec) { sp.Limits.NoFile = 512 })
	r := &run{t: t, id: h.id}
	c := h.command(r, "env", "env")
	c.Env = []string{"A=1", "B=two words", "EMPTY="}
	p, err := h.exe.Exec(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	r.proc = p
	r.end()
	if got := r.out(sandbox.Stdout); !slices.Equal(slices.Sorted(slices.Values(got)), c.Env) {
		t.Errorf("environment %q, want %q", got, c.Env)
	}
	h.identity(h.output("id", "id"))
	tmp := filepath.Join(s.sb.Layout(h.spec).Tmp, "shared")
	h.output("write", "write", tmp)
	if got := h.output("read", "read", tmp); !slices.Equal(got, []string{tmp + " ok"}) {
		t.Errorf("a file of another command: %q", got)
	}
	if s.isolated["system calls"] {
		for _, line := range h.output("calls", "calls") {
			if !strings.HasSuffix(line, " refused") {
				t.Error(line)
			}
		}
	}
}

// identity: who the command is, and that it gains nothing by not being the first.
func (h *host) identity(got []string) {
	h.t.Helper()
	want := []string{"cwd " + h.s.sb.Layout(h.spec).Task}
	if h.s.isolated["user"] {
		want = append(want, "uid 993", "gid 990", "capeff 0000000000000000")
	}
	if h.s.isolated["processes"] {
		want = append(want, "nofile 512")
	}
	if h.s.isolated["processes"] && !h.s.isolated["kernel"] {
		want = append(want, "nonewprivs 1")
	}
	if h.s.isolated["system calls"] {
		want = append(want, "seccomp 2")
	}
	if h.s.isolated["privileges"] {
		want = append(want, "capprm 0000000000000000", "capbnd 0000000000000000")
	}
	for _, line := range want {
		if !slices.Contains(got, line) {
			h.t.Errorf("no %q in %q", line, got)
		}
	}
	if h.s.isolated["processes"] && slices.Contains(got, "pid 1") {
		h.t.Error("the command is the first process")
	}
}

// execEnds: each command ends on its own, and is told apart.
func (s *suite) execEnds(t *testing.T) {
	h := s.startHost(t)
	stays, term := h.exec("stays", "sleep"), h.exec("term", "term")
	stays.said("up")
	term.said("ready")
	if r := h.exec("seven", "exit", "7"); r.end() != (sandbox.Exit{Code: 7}) {
		t.Errorf("%+v", r.proc.Exit())
	}
	if err := term.proc.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if exit := term.end(); exit != (sandbox.Exit{Code: 43}) {
		t.Errorf("after SIGTERM: %+v", exit)
	}
	if err := term.proc.Signal(syscall.SIGTERM); err != nil {
		t.Errorf("signalling the dead: %v", err)
	}
	killed := h.exec("killed", "tree", "false")
	killed.said("ready")
	killed.proc.Kill()
	if exit := killed.end(); exit != (sandbox.Exit{Code: -1, Signal: syscall.SIGKILL}) {
		t.Errorf("after Kill: %+v", exit)
	}
	select {
	case <-stays.proc.Done():
		t.Errorf("another command has ended: %+v", stays.proc.Exit())
	case <-h.proc.Done():
		t.Error("the environment has ended with a command")
	default:
	}
	if out := h.exec("lines", "lines"); out.end() != (sandbox.Exit{}) || len(out.out(sandbox.Stdout)) != 1003 || len(stays.out(sandbox.Stdout)) != 1 {
		t.Errorf("%d lines of its own, %q of another", len(out.out(sandbox.Stdout)), stays.out(sandbox.Stdout))
	}
	stays.proc.Kill()
	stays.end()
}

// execFaults leave the environment as it was.
func (s *suite) execFaults(t *testing.T) {
	h := s.startHost(t)
	for name, mod := range map[string]func(*sandbox.Command){
		"no such command":    func(c *sandbox.Command) { c.Argv[0] = "/var/task/absent" },
		"no command":         func(c *sandbox.Command) { c.Argv = nil },
		"no such workfolder": func(c *sandbox.Command) { c.WorkDir = "/absent" },
	} {
		c := h.command(&run{}, strings.ReplaceAll(name, " ", "-"), "exit", "0")
		mod(&c)
		if p, err := h.exe.Exec(t.Context(), c); err == nil {
			<-p.Done()
			t.Errorf("%s: started", name)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := h.exe.Exec(ended, h.command(&run{}, "late", "exit", "0")); err == nil {
		t.Error("started for nobody")
	}
	if got := h.output("id", "write", s.sb.Layout(h.spec).Tmp+"/x"); len(got) != 1 {
		t.Errorf("%q", got)
	}
	h.proc.Kill()
	h.end()
	if _, err := h.exe.Exec(t.Context(), h.command(&run{}, "dead", "exit", "0")); err == nil {
		t.Error("started in an environment that has ended")
	}
	if _, err := s.start(t, s.spec(t, "exit", "0")).proc.(sandbox.Executor).Exec(t.Context(), h.command(&run{}, "x", "exit", "0")); err == nil {
		t.Error("started beside a first process of the function's own")
	}
}

// execEnd: the end of an environment is that of all its commands.
func (s *suite) execEnd(t *testing.T) {
	before := mounts(t)
	h := s.startHost(t, func(sp *sandbox.Spec) {
		if s.cgroup != "" {
			sp.Cgroup = s.cgroup + "/" + sp.ID
		}
	})
	one, two := h.exec("one", "tree", "false"), h.exec("two", "sleep")
	one.said("ready")
	two.said("up")
	if u, err := h.proc.Usage(); err != nil || u.MemoryBytes == 0 {
		t.Errorf("%+v %v", u, err)
	}
	h.proc.Kill()
	h.end()
	for _, r := range []*run{one, two} {
		select {
		case <-r.proc.Done():
		default:
			t.Error("the environment is done before its commands")
		}
	}
	if n := living(h.id); n != 0 {
		t.Errorf("%d processes left", n)
	}
	if after := mounts(t); !bytes.Equal(before, after) {
		t.Errorf("mounts left:\n%s", after)
	}
	if err := os.RemoveAll(h.spec.Dir); err != nil {
		t.Errorf("the scratch folder can't be removed: %v", err)
	}
}

// execOrphans: somebody buries them.
func (s *suite) execOrphans(t *testing.T) {
	h := s.startHost(t)
	h.output("orphan", "orphan")
	for end := time.Now().Add(wait); ; time.Sleep(20 * time.Millisecond) {
		got := h.output("dead", "dead")
		if slices.Equal(got, []string{"alive 0", "dead 0"}) {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%q", got)
		}
	}
}

// execMemory: commands share the environment's limit.
func (s *suite) execMemory(t *testing.T) {
	h := s.startHost(t, func(sp *sandbox.Spec) {
		sp.Cgroup, sp.Limits.MemoryBytes = s.cgroup+"/"+sp.ID, 128<<20
	})
	r := h.exec("alloc", "alloc", "512")
	if exit := r.end(); s.isolated["kernel"] { // gVisor's memory is one: the whole environment goes
		h.end()
	} else if !exit.OOM || exit.Signal != syscall.SIGKILL {
		t.Errorf("over the limit: %+v %q", exit, r.out(sandbox.Stdout))
	}
}

// dialIn reaches a listener in the environment, and nobody else does if the
// network is its own.
func (s *suite) dialIn(t *testing.T) {
	spec := s.spec(t, "serve")
	l, err := s.sb.Listen(t.Context(), spec.ID) // with it comes the network
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	r := s.start(t, spec)
	var addr string
	for end := time.Now().Add(wait); addr == ""; time.Sleep(time.Millisecond) {
		for _, line := range r.out(sandbox.Stdout) {
			addr, _ = strings.CutPrefix(line, "serving ")
		}
		if time.Now().After(end) {
			t.Fatalf("never served: %q", r.out(sandbox.Stderr))
		}
	}
	dialer, ok := r.proc.(sandbox.Dialer)
	if !ok {
		t.Fatal("the environment can't be dialed")
	}
	conn, err := dialer.Dial(t.Context(), "tcp4", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if data, err := io.ReadAll(conn); err != nil || string(data) != "hello" {
		t.Errorf("%q %v", data, err)
	}
}
