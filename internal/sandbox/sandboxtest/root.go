package sandboxtest

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lamina-dev/lamina/internal/sandbox"
)

// rootDir is a root file system with the probe in it and nothing of the host's.
func rootDir(t *testing.T) string {
	t.Helper()
	root := openDir(t)
	for _, dir := range []string{"proc", "dev", "tmp", "opt", "etc", "usr/bin", "srv/app", "var/task", "var/runtime", "var/rapid/log"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(filepath.Join(root, "tmp"), 0o777|fs.ModeSticky); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"etc/hosts", "etc/resolv.conf", "var/rapid/init", "only-here", "var/task/own", "srv/app/plain"} {
		if err := os.WriteFile(filepath.Join(root, file), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for link, to := range map[string]string{"bin": "usr/bin", "app": "/srv/app", "host": "/bin/cat", "usr/bin/alias": "/usr/bin/probe"} {
		if err := os.Symlink(to, filepath.Join(root, link)); err != nil {
			t.Fatal(err)
		}
	}
	linkProbe(t, filepath.Join(root, "usr/bin/probe"))
	return root
}

// inRoot prepares an environment that has a root of its own instead of the host's programs.
func (s *suite) inRoot(t *testing.T, root string, args ...string) sandbox.Spec {
	t.Helper()
	spec := s.spec(t)
	spec.RootDir, spec.TaskDir, spec.RuntimeDir = root, "", ""
	spec.Env = []string{"PATH=/absent:/bin"}
	spec.Argv = append([]string{"probe", spec.ID}, args...)
	return spec
}

// root: a root file system is all that there is, read-only, but for what is mounted in it.
func (s *suite) root(t *testing.T) {
	root := rootDir(t)
	before := tree(t, root)
	if !s.isolated["files"] {
		if _, err := s.sb.Start(t.Context(), s.inRoot(t, root, "id")); !errors.Is(err, sandbox.ErrNoRoot) {
			t.Errorf("%v", err)
		}
		return
	}
	spec := s.inRoot(t, root, "id")
	spec.WorkDir = "/app"
	if got := s.output(t, spec); !slices.Contains(got, "cwd /srv/app") || s.isolated["user"] && !slices.Contains(got, "uid 993") {
		t.Errorf("%q", got)
	}
	verdicts := map[string]bool{"/only-here": true, "/var/task/own": true, "/dev/null": true, "/etc/hosts": true, "/usr/bin/env": false, "/usr/lib": false, "/host": false}
	s.judge(t, s.inRoot(t, root, append([]string{"read"}, keys(verdicts)...)...), verdicts)
	verdicts = map[string]bool{"/x": false, "/etc/hosts": false, "/only-here": false, "/var/task/x": false, "/dev/x": false, "/tmp/x": true, "/opt/x": false}
	s.judge(t, s.inRoot(t, root, append([]string{"write"}, keys(verdicts)...)...), verdicts)

	verdicts = map[string]bool{"/var/task/own": false, "/var/task/mine": true, "/only-here": true}
	spec = s.inRoot(t, root, append([]string{"read"}, keys(verdicts)...)...)
	spec.TaskDir, spec.RuntimeDir = openDir(t), openDir(t)
	if err := os.WriteFile(filepath.Join(spec.TaskDir, "mine"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	s.judge(t, spec, verdicts)
	if got := s.output(t, s.inRoot(t, root, "names")); !slices.Contains(got, "sandbox.localdomain 127.0.0.1") {
		t.Errorf("%q", got)
	}
	if after := tree(t, root); !slices.Equal(before, after) {
		t.Errorf("the root changed:\n%s", strings.Join(after, "\n"))
	}
}

// rootFaults: the words for an image's faults, with links read in the image's own root.
func (s *suite) rootFaults(t *testing.T) {
	root := rootDir(t)
	for name, tt := range map[string]struct {
		argv, dir, want string
	}{
		"no such command":        {"absent", "/", "Runtime.InvalidEntrypoint"},
		"no such file":           {"/usr/bin/absent", "/", "Runtime.InvalidEntrypoint"},
		"a link to the host's":   {"/host", "/", "Runtime.InvalidEntrypoint"},
		"a file of no program":   {"/only-here", "/", "Runtime.InvalidEntrypoint"},
		"a folder":               {"/srv/app", "/", "Runtime.InvalidEntrypoint"},
		"no such working folder": {"probe", "/absent", "Runtime.InvalidWorkingDir"},
		"no folder":              {"probe", "/only-here", "Runtime.InvalidWorkingDir"},
	} {
		spec := s.inRoot(t, root, "exit", "0")
		spec.Argv[0], spec.WorkDir = tt.argv, tt.dir
		p, err := s.sb.Start(t.Context(), spec)
		if err == nil {
			<-p.Done()
			t.Errorf("%s: started", name)
		} else if !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	spec := s.inRoot(t, root, "exit", "3")
	spec.Argv[0] = "/bin/alias"
	if exit := s.start(t, spec).end(); exit != (sandbox.Exit{Code: 3}) {
		t.Errorf("by way of links: %v", exit)
	}
}

// judge runs a probe that says of each path whether it worked.
func (s *suite) judge(t *testing.T, spec sandbox.Spec, want map[string]bool) {
	t.Helper()
	got := s.output(t, spec)
	for _, line := range got {
		if name, verdict, _ := strings.Cut(line, " "); (verdict == "ok") != want[name] {
			t.Errorf("%s: %s", spec.Argv[2], line)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d verdicts, want %d: %q", len(got), len(want), got)
	}
}

func keys(m map[string]bool) (list []string) {
	for k := range m {
		list = append(list, k)
	}
	return list
}

func tree(t *testing.T, dir string) (list []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		list = append(list, strings.TrimPrefix(path, dir)+" "+info.Mode().String())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}
