// Package sandboxtest is the conformance suite of the sandbox seam: what every
// driver must do, and what it must do as far as it claims to in Describe.
package sandboxtest

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/lamina-dev/lamina/internal/sandbox"
	"github.com/lamina-dev/lamina/internal/sandbox/reaper"
)

// wait bounds everything that should take milliseconds.
const wait = 20 * time.Second

// suite is one run of the tests against one driver.
type suite struct {
	sb       sandbox.Sandbox
	isolated map[string]bool
	cgroup   string
}

// Run tests a driver. Build must have been called in TestMain. cgroup names a
// parent group for tests of limits; "" skips them.
func Run(t *testing.T, sb sandbox.Sandbox, cgroup string) {
	s := suite{sb: sb, isolated: map[string]bool{}, cgroup: cgroup}
	for _, g := range sb.Describe() {
		t.Logf("%s: isolated %v: %s", g.Aspect, g.Isolated, g.Detail)
		s.isolated[g.Aspect] = g.Isolated
	}
	tests := map[string]func(*testing.T){
		"Environment": s.environment, "Identity": s.identity, "Files": s.files, "Tmp": s.tmp, "Logs": s.logs,
		"ExitCodes": s.exitCodes, "Signal": s.signal, "KillTree": s.killTree, "ExitKillsTree": s.exitKillsTree,
		"StartFaults": s.startFaults, "Memory": s.memory, "Usage": s.usage, "Pids": s.pids, "Listen": s.listen,
		"NothingLeft": s.nothingLeft, "Rounds": s.rounds, "Many": s.many,
		"Names": s.names, "Namespaces": s.namespaces, "System calls": s.systemCalls, "Privileges": s.privileges, "Network": s.network, "CPU": s.cpu,
		"OwnSignals": s.ownSignals, "Orphans": s.orphans, "Descriptors": s.descriptors,
		"Root": s.root, "RootFaults": s.rootFaults,
		"Exec": s.execEnvironment, "ExecEnds": s.execEnds, "ExecFaults": s.execFaults, "ExecEnd": s.execEnd, "ExecOrphans": s.execOrphans,
		"ExecMemory": s.execMemory, "Dial": s.dialIn,
	}
	for name, has := range map[string]bool{
		"Descriptors":  s.isolated["processes"],
		"Files":        s.isolated["files"],
		"Names":        s.isolated["files"],
		"RootFaults":   s.isolated["files"],
		"Namespaces":   s.isolated["processes"],
		"System calls": s.isolated["system calls"],
		"Privileges":   s.isolated["user"],
		"Network":      s.isolated["network"],
		"CPU":          s.isolated["cpu"] && cgroup != "",
		"ExecMemory":   s.isolated["memory"] && cgroup != "",
		"ExecOrphans":  s.isolated["processes"],
		"Orphans":      s.isolated["processes"],
		"Memory":       s.isolated["memory"] && cgroup != "",
		"Pids":         s.isolated["process count"] && cgroup != "",
	} {
		if !has {
			t.Logf("%s: not claimed by this driver here, not tested", name)
			delete(tests, name)
		}
	}
	for name, test := range tests {
		t.Run(name, test)
	}
}

// run is a started environment and its output.
type run struct {
	t    *testing.T
	proc sandbox.Process
	id   string

	mu    sync.Mutex
	lines [2][]string
}

// spec prepares an environment that runs the probe with args.
func (s *suite) spec(t *testing.T, args ...string) sandbox.Spec {
	t.Helper()
	spec := sandbox.Spec{ID: fmt.Sprintf("sbt-%d-%d", os.Getpid(), time.Now().UnixNano()), Dir: openDir(t), TaskDir: openDir(t), RuntimeDir: openDir(t)}
	linkProbe(t, filepath.Join(spec.TaskDir, "bootstrap"))
	spec.Argv = append([]string{filepath.Join(s.sb.Layout(spec).Task, "bootstrap"), spec.ID}, args...)
	return spec
}

// openDir is a temporary folder that the function's user can reach.
func openDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for d := dir; d != os.TempDir() && d != "/" && d != "."; d = filepath.Dir(d) {
		os.Chmod(d, 0o755)
	}
	return dir
}

func (s *suite) start(t *testing.T, spec sandbox.Spec) *run {
	t.Helper()
	r := &run{t: t, id: spec.ID}
	spec.Log = func(stream sandbox.Stream, line []byte) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.lines[stream] = append(r.lines[stream], string(line))
	}
	var err error
	if r.proc, err = s.sb.Start(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		r.proc.Kill()
		r.end()
	})
	return r
}

func (r *run) end() sandbox.Exit {
	r.t.Helper()
	select {
	case <-r.proc.Done():
	case <-time.After(wait):
		r.t.Fatalf("process %d did not end", r.proc.PID())
	}
	return r.proc.Exit()
}

func (r *run) out(stream sandbox.Stream) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.lines[stream])
}

// said waits for a line of stdout.
func (r *run) said(line string) {
	r.t.Helper()
	for end := time.Now().Add(wait); ; time.Sleep(time.Millisecond) {
		if slices.Contains(r.out(sandbox.Stdout), line) {
			return
		}
		if time.Now().After(end) {
			r.t.Fatalf("never said %q: %q %q", line, r.out(sandbox.Stdout), r.out(sandbox.Stderr))
		}
	}
}

// output runs the probe to its end, which must be good.
func (s *suite) output(t *testing.T, spec sandbox.Spec) []string {
	t.Helper()
	r := s.start(t, spec)
	if exit := r.end(); exit != (sandbox.Exit{}) {
		t.Fatalf("probe ended with %v: %q", exit, r.out(sandbox.Stderr))
	}
	return r.out(sandbox.Stdout)
}

func (s *suite) environment(t *testing.T) {
	spec := s.spec(t, "env")
	spec.Env = []string{"A=1", "B=two words", "EMPTY=", "LANG=en_US.UTF-8"}
	got := s.output(t, spec)
	slices.Sort(got) // gVisor keeps no order
	if !slices.Equal(got, spec.Env) {
		t.Errorf("environment %q, want %q", got, spec.Env)
	}
}

func (s *suite) identity(t *testing.T) {
	spec := s.spec(t, "id")
	got := s.output(t, spec)
	want := []string{"cwd " + s.sb.Layout(spec).Task}
	if s.isolated["user"] {
		want = append(want, "uid 993", "gid 990", "capeff 0000000000000000")
	}
	if s.isolated["processes"] && len(reaper.Program()) > 0 {
		want = append(want, "ppid 1")
	}
	if s.isolated["processes"] && !s.isolated["kernel"] { // another kernel tells less of itself
		want = append(want, "nonewprivs 1")
	}
	if s.isolated["privileges"] {
		want = append(want, "capprm 0000000000000000", "capbnd 0000000000000000")
	}
	if s.isolated["system calls"] {
		want = append(want, "seccomp 2")
	}
	for _, line := range want {
		if !slices.Contains(got, line) {
			t.Errorf("no %q in %q", line, got)
		}
	}
	spec = s.spec(t, "id")
	spec.WorkDir = "/"
	if got := s.output(t, spec); !slices.Contains(got, "cwd /") {
		t.Errorf("other work folder: %q", got)
	}
	spec = s.spec(t, "id")
	spec.Limits.NoFile = 512
	if got := s.output(t, spec); s.isolated["processes"] && !slices.Contains(got, "nofile 512") {
		t.Errorf("descriptor limit: %q", got)
	}
}

// descriptors: a function is given its input and output, and nothing of ours.
func (s *suite) descriptors(t *testing.T) {
	if got := s.output(t, s.spec(t, "descriptors")); !slices.Equal(got, []string{"0", "1", "2"}) {
		t.Errorf("%q", got)
	}
}

func (s *suite) files(t *testing.T) {
	spec := s.spec(t, "write", "/var/task/x", "/var/runtime/x", "/opt/x", "/var/lang/x", "/x", "/etc/x", "/usr/x", "/var/x", "/dev/x", "/tmp/x")
	os.WriteFile(filepath.Join(spec.RuntimeDir, "boot"), nil, 0o644)
	spec.LangDir, spec.LayersDir = openDir(t), openDir(t)
	for _, line := range s.output(t, spec) {
		if ok := strings.HasSuffix(line, " ok"); ok != strings.HasPrefix(line, "/tmp/") {
			t.Error(line)
		}
	}
	secret := filepath.Join(openDir(t), "secret")
	os.WriteFile(secret, []byte("x"), 0o644)
	home, _ := os.UserHomeDir()
	spec = s.spec(t, "read", secret, home, "/root", "/etc/shadow", "/sys/fs/cgroup/memory", "/var/task/bootstrap", "/dev/null", "/etc/hosts", "/var/runtime/boot")
	os.WriteFile(filepath.Join(spec.RuntimeDir, "boot"), nil, 0o644)
	for _, line := range s.output(t, spec) {
		name, verdict, _ := strings.Cut(line, " ")
		visible := slices.Contains([]string{"/var/task/bootstrap", "/dev/null", "/etc/hosts", "/var/runtime/boot"}, name)
		if (verdict == "ok") != visible {
			t.Error(line)
		}
	}
}

func (s *suite) tmp(t *testing.T) {
	spec := s.spec(t, "tmp", "")
	tmp := s.sb.Layout(spec).Tmp
	spec.Argv[len(spec.Argv)-1] = tmp
	for range 2 { // the second environment has a /tmp of its own
		if got := s.output(t, spec); !slices.Equal(got, []string{"empty", "written"}) {
			t.Errorf("%q", got)
		}
		spec.Dir = openDir(t)
		spec.Argv[len(spec.Argv)-1] = s.sb.Layout(spec).Tmp
	}
	if !s.isolated["files"] {
		return
	}
	spec = s.spec(t, "fill", tmp)
	spec.Limits.TmpBytes = 1 << 20
	if got := s.output(t, spec); !slices.Equal(got, []string{"no space left on device"}) {
		t.Errorf("over the limit of /tmp: %q", got)
	}
}

func (s *suite) logs(t *testing.T) {
	r := s.start(t, s.spec(t, "lines"))
	r.end()
	out, err := r.out(sandbox.Stdout), r.out(sandbox.Stderr)
	if !slices.Equal(err, []string{"to stderr", "cut off"}) {
		t.Errorf("stderr %q", err)
	}
	if len(out) != 1003 || out[0] != "line 0" || out[999] != "line 999" || len(out[1000]) != sandbox.MaxLine || len(out[1001]) != 10 || out[1002] != "end" {
		t.Errorf("%d lines of stdout", len(out))
	}
}

func (s *suite) exitCodes(t *testing.T) {
	for _, code := range []int{0, 1, 127} { // what gVisor says of 137 is also what it says of a signal
		r := s.start(t, s.spec(t, "exit", fmt.Sprint(code)))
		if exit := r.end(); exit != (sandbox.Exit{Code: code}) {
			t.Errorf("exit %d: %+v", code, exit)
		}
	}
}

func (s *suite) signal(t *testing.T) {
	r := s.start(t, s.spec(t, "term"))
	r.said("ready")
	if err := r.proc.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if exit := r.end(); exit != (sandbox.Exit{Code: 43}) {
		t.Errorf("after SIGTERM: %+v", exit)
	}
	r = s.start(t, s.spec(t, "term"))
	r.said("ready")
	r.proc.Kill()
	if exit := r.end(); exit != (sandbox.Exit{Code: -1, Signal: syscall.SIGKILL}) {
		t.Errorf("after Kill: %+v", exit)
	}
	if err := r.proc.Kill(); err != nil {
		t.Errorf("killing the dead: %v", err)
	}
	if err := r.proc.Signal(syscall.SIGTERM); err != nil {
		t.Errorf("signalling the dead: %v", err)
	}
}

// ownSignals: what a function does to itself ends it, and is told as what it was.
func (s *suite) ownSignals(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM, syscall.SIGABRT} {
		r := s.start(t, s.spec(t, "raise", fmt.Sprint(int(sig))))
		if exit := r.end(); exit != (sandbox.Exit{Code: -1, Signal: sig}) {
			t.Errorf("%v: %+v %q", sig, exit, r.out(sandbox.Stdout))
		}
	}
}

// orphans: those that die are buried.
func (s *suite) orphans(t *testing.T) {
	if got := s.output(t, s.spec(t, "brood")); !slices.Equal(got, []string{"alive 0", "dead 0"}) {
		t.Errorf("%q", got)
	}
}

// killTree: children, grandchildren and, with a PID namespace, those that left the session.
func (s *suite) killTree(t *testing.T) {
	r := s.start(t, s.spec(t, "tree", fmt.Sprint(s.isolated["processes"])))
	r.said("ready")
	least := 4
	if s.isolated["kernel"] {
		least = 1 // the function's processes are not the host's
	}
	if n := living(r.id); n < least {
		t.Fatalf("only %d processes before", n)
	}
	r.proc.Kill()
	r.end()
	if n := living(r.id); n != 0 {
		t.Errorf("%d processes left", n)
	}
}

func (s *suite) exitKillsTree(t *testing.T) {
	r := s.start(t, s.spec(t, "orphans", fmt.Sprint(s.isolated["processes"])))
	r.end()
	for end := time.Now().Add(wait); living(r.id) > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d processes left", living(r.id))
		}
	}
}

func (s *suite) startFaults(t *testing.T) {
	for name, mod := range map[string]func(*sandbox.Spec){
		"no such command":    func(sp *sandbox.Spec) { sp.Argv[0] = "/var/task/absent" },
		"no command":         func(sp *sandbox.Spec) { sp.Argv = nil },
		"not executable":     func(sp *sandbox.Spec) { os.Chmod(filepath.Join(sp.RuntimeDir, "f"), 0o644); sp.Argv[0] = sp.RuntimeDir },
		"no such task":       func(sp *sandbox.Spec) { sp.TaskDir = filepath.Join(sp.TaskDir, "absent") },
		"no such workfolder": func(sp *sandbox.Spec) { sp.WorkDir = "/absent" },
	} {
		spec := s.spec(t, "exit", "0")
		mod(&spec)
		p, err := s.sb.Start(t.Context(), spec)
		if err == nil {
			<-p.Done()
			t.Errorf("%s: started", name)
		}
	}
}

func (s *suite) memory(t *testing.T) {
	spec := s.spec(t, "alloc", "256")
	spec.Cgroup, spec.Limits.MemoryBytes = s.cgroup+"/"+spec.ID, 64<<20
	r := s.start(t, spec)
	if exit := r.end(); !exit.OOM || exit.Signal != syscall.SIGKILL {
		t.Errorf("over the limit: %+v %q", exit, r.out(sandbox.Stdout))
	}
	errorType, _ := r.proc.Exit().Fault()
	if errorType != "Runtime.OutOfMemory" {
		t.Error(errorType)
	}
	spec = s.spec(t, "alloc", "16")
	spec.Cgroup, spec.Limits.MemoryBytes = s.cgroup+"/"+spec.ID, 256<<20
	if got := s.output(t, spec); !slices.Equal(got, []string{"allocated"}) {
		t.Errorf("%q", got)
	}
}

func (s *suite) pids(t *testing.T) {
	spec := s.spec(t, "crowd", "300")
	spec.Cgroup, spec.Limits.Pids = s.cgroup+"/"+spec.ID, 200
	r := s.start(t, spec)
	if exit := r.end(); exit == (sandbox.Exit{}) {
		t.Errorf("a process limit was ignored: %q", r.out(sandbox.Stdout))
	}
	if n := living(r.id); n != 0 {
		t.Errorf("%d processes left", n)
	}
}

// cpu looks at what was set: how the kernel shares is the kernel's affair.
func (s *suite) cpu(t *testing.T) {
	spec := s.spec(t, "sleep")
	spec.Cgroup, spec.Limits.CPUShares, spec.Limits.CPUQuota = s.cgroup+"/"+spec.ID, 512, 0.5
	r := s.start(t, spec)
	r.said("up")
	for file, want := range map[string]string{"cpu.shares": "512", "cpu.cfs_quota_us": "50000", "cpu.weight": "20", "cpu.max": "50000 100000"} {
		paths, _ := filepath.Glob("/sys/fs/cgroup/cpu*/" + spec.Cgroup + "/" + file)
		if _, err := os.Stat("/sys/fs/cgroup/" + spec.Cgroup + "/" + file); err == nil {
			paths = append(paths, "/sys/fs/cgroup/"+spec.Cgroup+"/"+file)
		}
		for _, path := range paths {
			if data, err := os.ReadFile(path); err != nil || strings.TrimSpace(string(data)) != want {
				t.Errorf("%s is %q, want %s (%v)", path, data, want, err)
			}
		}
	}
}

// names: the function's own host and user names resolve.
func (s *suite) names(t *testing.T) {
	want := []string{"sandbox.localdomain 127.0.0.1", "sandbox 127.0.0.1", "localhost 127.0.0.1"}
	if s.isolated["user"] {
		want = append(want, "user sbx_user1051")
	}
	if s.isolated["hostname"] {
		want = append(want, "hostname sandbox")
	}
	got := s.output(t, s.spec(t, "names"))
	for _, line := range want {
		if !slices.Contains(got, line) {
			t.Errorf("no %q in %q", line, got)
		}
	}
}

// namespaces: none of the function's is the host's.
func (s *suite) namespaces(t *testing.T) {
	want := []string{"mnt", "pid", "ipc"}
	for aspect, name := range map[string]string{"hostname": "uts", "network": "net"} {
		if s.isolated[aspect] {
			want = append(want, name)
		}
	}
	got := s.output(t, s.spec(t, append([]string{"namespaces"}, want...)...))
	for i, name := range want {
		// Not /proc/self: the first thread may be one that was left in an environment's network.
		mine, err := os.Readlink("/proc/thread-self/ns/" + name)
		if err != nil {
			t.Fatal(err)
		}
		if got[i] == name+" "+mine {
			t.Errorf("shares the host's %s", mine)
		}
	}
	if n := got[len(want)]; !slices.Contains([]string{"processes 0", "processes 1", "processes 2"}, n) { // 0 without /proc, 2 with a reaper
		t.Errorf("sees %s", n)
	}
}

// systemCalls: what a function has no business with is refused, and its libraries' fallbacks work.
func (s *suite) systemCalls(t *testing.T) {
	for _, line := range s.output(t, s.spec(t, "calls")) {
		if !strings.HasSuffix(line, " refused") {
			t.Error(line)
		}
	}
}

// privileges: what takes root or a capability is refused, also where system calls are not filtered.
func (s *suite) privileges(t *testing.T) {
	got := s.output(t, s.spec(t, "privileges"))
	if len(got) < 20 {
		t.Errorf("only %q was tried", got)
	}
	for _, line := range got {
		harmless := s.isolated["kernel"] && (line == "mknod device allowed" || line == "priority allowed") // of a kernel that has neither
		if !strings.HasSuffix(line, " refused") && !harmless {
			t.Error(line)
		}
	}
}

// network: nothing of the host's, and not another environment's Runtime API.
func (s *suite) network(t *testing.T) {
	host, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer host.Close()
	spec := s.spec(t, "network", host.Addr().String())
	mine, err := s.sb.Listen(t.Context(), spec.ID)
	if err != nil {
		t.Fatal(err)
	}
	defer mine.Close()
	other, err := s.sb.Listen(t.Context(), spec.ID+"-other")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if mine.Addr().String() != other.Addr().String() {
		spec.Argv = append(spec.Argv, other.Addr().String())
	}
	if got := s.output(t, spec); !slices.Equal(got, []string{"interfaces [lo]", "done"}) {
		t.Errorf("%q", got)
	}
}

func (s *suite) usage(t *testing.T) {
	spec := s.spec(t, "spin")
	if s.cgroup != "" {
		spec.Cgroup = s.cgroup + "/" + spec.ID
	}
	r := s.start(t, spec)
	r.said("ready")
	u, err := r.proc.Usage()
	least := 150 * time.Millisecond
	if s.isolated["kernel"] {
		least /= 5 // what another kernel counts for its processes is coarse
	}
	if err != nil || u.CPU < least || u.CPU > 10*time.Second || u.MemoryBytes < 32<<20 || u.MemoryBytes > 2<<30 {
		t.Errorf("%+v %v", u, err)
	}
	r.proc.Kill()
	r.end()
	if _, err := r.proc.Usage(); err == nil {
		t.Error("usage of the dead")
	}
}

// listen: the function reaches the Runtime API's address.
func (s *suite) listen(t *testing.T) {
	spec := s.spec(t, "dial", "")
	l, err := s.sb.Listen(t.Context(), spec.ID)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	spec.Argv[len(spec.Argv)-1] = l.Addr().String()
	r := s.start(t, spec)
	l.(interface{ SetDeadline(time.Time) error }).SetDeadline(time.Now().Add(wait))
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if data, err := io.ReadAll(conn); err != nil || string(data) != "hello" {
		t.Errorf("%q %v", data, err)
	}
	r.end()
}

func (s *suite) nothingLeft(t *testing.T) {
	before := mounts(t)
	spec := s.spec(t, "tree", "false")
	if s.cgroup != "" {
		spec.Cgroup = s.cgroup + "/" + spec.ID
	}
	r := s.start(t, spec)
	r.said("ready")
	if during := mounts(t); !bytes.Equal(before, during) {
		t.Errorf("mounts leak to the host:\n%s", during)
	}
	r.proc.Kill()
	r.end()
	if after := mounts(t); !bytes.Equal(before, after) {
		t.Errorf("mounts left:\n%s", after)
	}
	if left, _ := filepath.Glob("/sys/fs/cgroup/*/" + s.cgroup + "/" + spec.ID); len(left) > 0 {
		t.Errorf("cgroups left: %q", left)
	}
	if err := os.RemoveAll(spec.Dir); err != nil {
		t.Errorf("the scratch folder can't be removed: %v", err)
	}
}

// mounts is the host's mount table, without the line of a temporary folder that
// another test of this machine may add: only ours count.
func mounts(t *testing.T) []byte {
	data, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Skip("no mount table here")
	}
	return data
}

func (s *suite) many(t *testing.T) {
	var wg sync.WaitGroup
	var specs []sandbox.Spec // all of them first: a probe that is just being written can't be run while anything forks
	for range 12 {
		specs = append(specs, s.spec(t, "exit", "7"))
	}
	for _, spec := range specs {
		wg.Go(func() {
			p, err := s.sb.Start(t.Context(), spec)
			if err != nil {
				t.Error(err)
				return
			}
			<-p.Done()
			if p.Exit().Code != 7 {
				t.Errorf("%+v", p.Exit())
			}
		})
	}
	wg.Wait()
}
