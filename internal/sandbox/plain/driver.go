package plain

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"github.com/lamina-dev/lamina/internal/sandbox"
	"github.com/lamina-dev/lamina/internal/sandbox/cgroup"
)

// Driver is the plain sandbox. It holds what New found out and no state.
type Driver struct {
	host     host
	networks *sandbox.Networks // nil: the host's
}

// host is what this machine permits this process to do.
type host struct {
	namespaces bool   // own root, mounts and processes
	userNS     bool   // by way of a user namespace, as this process is not privileged
	dropUser   bool   // may become the function's user
	noProc     bool   // /proc can't be mounted inside
	why        string // why not namespaces
	cgroups    cgroup.Host
}

var _ sandbox.Sandbox = (*Driver)(nil)

// errNoHook guards against a binary that would run itself, endlessly, as its own stage.
var errNoHook = errors.New("plain.Main was not called at the start of main")

// New finds out, by trying, what this host permits. Where that is little, the
// driver works with less, and Describe tells.
func New(ctx context.Context) (*Driver, error) {
	if !hooked {
		return nil, errNoHook
	}
	h, err := probe(ctx)
	if err != nil {
		return nil, fmt.Errorf("trying the sandbox: %w", err)
	}
	return &Driver{host: h}, nil
}

// In is the same driver with networks of its environments' own. Without mount
// namespaces their resolver stays the host's.
func (d *Driver) In(n *sandbox.Networks) *Driver { return &Driver{d.host, n} }

// Listen implements sandbox.Sandbox.
func (d *Driver) Listen(ctx context.Context, id string) (net.Listener, error) {
	return d.networks.Listen(ctx, id)
}

// Layout implements sandbox.Sandbox: AWS's paths where mounts are possible,
// else the host's own.
func (d *Driver) Layout(spec sandbox.Spec) sandbox.Layout {
	if d.host.namespaces {
		return sandbox.ServiceLayout
	}
	return sandbox.Layout{
		Task:    spec.TaskDir,
		Runtime: spec.RuntimeDir,
		Lang:    spec.LangDir,
		Opt:     cmp.Or(spec.LayersDir, sandbox.ServiceLayout.Opt),
		Tmp:     filepath.Join(spec.Dir, "tmp"),
	}
}

// Start implements sandbox.Sandbox.
func (d *Driver) Start(ctx context.Context, spec sandbox.Spec) (sandbox.Process, error) {
	if len(spec.Argv) == 0 && !spec.Init {
		return nil, fmt.Errorf("environment %s: no command", spec.ID)
	}
	if spec.RootDir != "" && !d.host.namespaces {
		return nil, fmt.Errorf("environment %s: %w (%s)", spec.ID, sandbox.ErrNoRoot, d.host.why)
	}
	spec.UID, spec.GID = cmp.Or(spec.UID, sandbox.DefaultUID), cmp.Or(spec.GID, sandbox.DefaultGID)
	layout := d.Layout(spec)
	spec.WorkDir = cmp.Or(spec.WorkDir, layout.Task)
	if !d.host.namespaces {
		if err := makeTmp(layout.Tmp, spec, d.host.dropUser); err != nil {
			return nil, fmt.Errorf("environment %s: %w", spec.ID, err)
		}
	}
	p, err := d.launch(ctx, spec)
	if err != nil {
		return nil, fmt.Errorf("starting environment %s: %w", spec.ID, err)
	}
	return p, nil
}

func makeTmp(dir string, spec sandbox.Spec, chown bool) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if chown {
		return os.Chown(dir, spec.UID, spec.GID)
	}
	return nil
}

// Describe implements sandbox.Sandbox.
func (d *Driver) Describe() []sandbox.Guarantee {
	h := d.host
	say := func(aspect string, ok bool, yes, no string) sandbox.Guarantee {
		if ok {
			return sandbox.Guarantee{Aspect: aspect, Isolated: true, Detail: yes}
		}
		return sandbox.Guarantee{Aspect: aspect, Detail: no}
	}
	userYes := "runs as a user of its own (993:990)"
	if h.userNS {
		userYes = "is user 993:990 in a user namespace; on the host it is the user who runs lamina"
	}
	because := ""
	if h.why != "" {
		because = ": " + h.why
	}
	procNo := "a process group only; other processes of the user are visible" + because
	return append(h.cgroups.Describe(),
		say("files", h.namespaces, "own root: host programs and libraries read-only, own /tmp", "sees all files that its user may read"+because),
		say("processes", h.namespaces, "own PID namespace: sees and signals only its own, and all die with the first", procNo),
		say("user", h.userNS || h.dropUser, userYes, "runs as the user who runs lamina"),
		say("network", d.networks != nil, "own namespace: loopback with the Runtime API, and what the VPC lets out", "shares the host's network, loopback included"),
		say("kernel", false, "", "shares the host's kernel, without a system call filter"),
	)
}
