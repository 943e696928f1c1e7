package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// TestSandboxes: a Python function in each container runtime takes 3×16 calls at once, an instance is killed with all
// its containers and replaced, everything is killed and comes back, and the server's end leaves nothing.
func TestSandboxes(t *testing.T) {
	needProcFS(t)
	needPython(t)
	for sandbox, network := range map[string]string{"runc": "none", "runsc": "host"} {
		t.Run(sandbox, func(t *testing.T) {
			needRuntime(t, sandbox)
			s := up(t, "--sandbox", sandbox, "--network", network)
			p := makePlace(t, s)
			p.publish(t, p.pythonFunction(t, "crowd", demoPython(t)))
			p.publish(t, p.goFunction(t, "beside"))
			p.must(t, "beside")
			t.Run("nodejs", func(t *testing.T) {
				needNode(t, "22")
				p.publish(t, p.nodeFunction(t, types.RuntimeNodejs22x, "node", nodeHandler))
				p.must(t, "node")
			})
			allSlotsAtOnce(t, p)
			killContainers(t, s, p)
			killEverything(t, s, &p)
			s.stop()
			checkNoContainers(t, s)
		})
	}
}

// TestSandboxesWithoutRoot: who is not root asks for a container runtime by name.
func TestSandboxesWithoutRoot(t *testing.T) {
	needProcFS(t)
	if os.Getuid() != 0 {
		t.Skip("every test of this run is without root")
	}
	for _, sandbox := range []string{"runc", "runsc"} {
		t.Run(sandbox, func(t *testing.T) {
			needRuntime(t, sandbox)
			data := dataFolder(t)
			if err := os.Chown(data, int(nobody.Uid), int(nobody.Gid)); err != nil {
				t.Fatal(err)
			}
			s := begin(t, &server{data: data, user: nobody, flags: []string{"--sandbox", sandbox}})
			p := makePlace(t, s)
			p.publish(t, p.goFunction(t, "crowd"))
			p.must(t, "crowd")
			s.stop()
			checkNoContainers(t, s)
		})
	}
}

// killEverything kills server and agents; the next start cleans up after them and runs everything again.
func killEverything(t *testing.T, s *server, p *place) {
	tr := s.traces()
	agents := s.agents()
	s.kill()
	for _, pid := range agents {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	s.start()
	p.Clients = s.clients()
	until(t, 60*time.Second, "three environments answer after everything was killed", func() bool { return len(p.names(t, "crowd")) == minimum })
	tr.data = "nothing of what runs now"
	tr.checkGone(t)
}

// killContainers kills an instance's agent: its containers die with it, and another one takes its place.
func killContainers(t *testing.T, s *server, p place) {
	before := p.running(t)
	victim := s.agents()[0]
	family := withDescendants([]int{victim})
	if len(family) < 3 {
		t.Fatalf("the instance's processes are %v; where are its containers?", family)
	}
	groups := cgroupsOf(family[len(family)-1])
	if err := syscall.Kill(victim, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	until(t, 5*time.Second, "the containers died with the agent", func() bool {
		return !slices.ContainsFunc(family, func(pid int) bool { _, alive := readProcess(pid); return alive })
	})
	until(t, 30*time.Second, "another instance took the killed one's place", func() bool {
		now := p.running(t)
		return len(now) == len(before) && len(s.agents()) == len(before) && !sameIDs(before, now)
	})
	until(t, 30*time.Second, "three environments answer again", func() bool { return len(p.names(t, "crowd")) == minimum })
	for _, dir := range groups {
		if strings.Contains(dir, "i-") && isDir(dir) {
			t.Errorf("a killed container's cgroup stays: %s", dir)
		}
	}
}

// checkNoContainers looks for what a container runtime may leave besides processes, cgroups and mounts.
func checkNoContainers(t *testing.T, s *server) {
	left, _ := filepath.Glob(filepath.Join(s.data, "instances", "i-*"))
	for _, pattern := range []string{"/run/runc/*", "/run/runsc/*", "/run/runsc-*", "/tmp/runsc-*"} {
		found, _ := filepath.Glob(pattern)
		left = append(left, found...)
	}
	if len(left) > 0 {
		t.Errorf("runtime state left: %q", left)
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil || strings.Contains(string(mounts), " nsfs ") {
		t.Errorf("a namespace stays mounted, %v:\n%s", err, mounts)
	}
}

func needRuntime(t *testing.T, name string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Skipf("no %s on this machine", name)
	}
}

// A function finds as many CPUs as it has vCPUs, memory by ratio, where this machine
// has more. gVisor tells of all of them.
func TestFunctionsFindTheirVCPUs(t *testing.T) {
	needProcFS(t)
	needPython(t)
	if runtime.NumCPU() < 2 {
		t.Skip("one CPU is all that this machine has")
	}
	const source = "import os\ndef handler(event, context):\n    return {'affinity': len(os.sched_getaffinity(0)), 'usable': os.process_cpu_count()}\n"
	for _, sandbox := range []string{"plain", "runc"} {
		t.Run(sandbox, func(t *testing.T) {
			if sandbox != "plain" {
				needRuntime(t, sandbox)
			}
			p := makePlace(t, up(t, "--sandbox", sandbox))
			f := p.pythonFunction(t, "cpus", source)
			p.publish(t, f)
			out, err := invoke(t.Context(), p.Clients, f.Name, []byte(`{}`))
			if err != nil {
				t.Fatal(err)
			}
			if want := `{"affinity": 1, "usable": 1}`; string(out) != want {
				t.Errorf("a function of one vCPU finds %s, want %s", out, want)
			}
		})
	}
}
