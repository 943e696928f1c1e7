package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"text/tabwriter"
	"time"

	apilambda "github.com/lamina-dev/lamina/internal/api/lambda"
	"github.com/lamina-dev/lamina/internal/runtimes"
	"github.com/lamina-dev/lamina/internal/runtimes/roots"
	"github.com/lamina-dev/lamina/internal/sandbox"
	"github.com/lamina-dev/lamina/internal/sandbox/hostfs"
	"github.com/lamina-dev/lamina/internal/sandbox/plain"
)

// rootsFlag names the folder of installed runtimes in every subcommand that needs it.
type rootsFlag struct {
	Roots string `help:"Folder of installed runtimes (default: roots in lamina's folder in the XDG data folder)." placeholder:"DIR" type:"path"`
}

func (f rootsFlag) rootsFolder() (string, error) {
	if f.Roots != "" {
		return filepath.Abs(f.Roots)
	}
	dir, err := ownFolder()
	return filepath.Join(dir, "roots"), err
}

func (f rootsFlag) places(named map[string]string) (runtimes.Places, error) {
	dir, err := f.rootsFolder()
	return runtimes.Places{Named: named, Roots: roots.Open(dir)}, err
}

// runtimesCmd is about the runtimes of this machine.
type runtimesCmd struct {
	List    runtimesListCmd    `cmd:"" default:"withargs" help:"Every runtime: whether it runs here, by what, and where it would come from."`
	Install runtimesInstallCmd `cmd:"" help:"Bring runtimes: from container images, Debian's packages or npm."`
	Remove  runtimesRemoveCmd  `cmd:"" help:"Remove installed runtimes."`
}

type runtimesListCmd struct {
	rootsFlag
	Runtime map[string]string `help:"Interpreter of a runtime, as for lamina up." placeholder:"NAME=PATH"`
}

// Run prints a line for each runtime.
func (c runtimesListCmd) Run(ctx context.Context) error {
	places, err := c.places(c.Runtime)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "RUNTIME\tMANAGED INSTANCES\tHERE\tBY\tCAN BE INSTALLED FROM")
	for _, r := range runtimes.Available(ctx, places) {
		here, by := "no", "-"
		if r.Served {
			here, by = "yes", whence(r.Interpreter)
		} else if m, ok := errors.AsType[*runtimes.MissingError](r.Problem); ok {
			by, _, _ = strings.Cut(m.Reason, ": tried ") // doctor tells what
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", r.Runtime, yesNo(apilambda.ManagedRuntime(r.Runtime)), here, by, sources(r.Runtime))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err = fmt.Println("lamina runtimes install RUNTIME brings one; lamina doctor says more of what is missing.")
	return err
}

func yesNo(yes bool) string {
	if yes {
		return "yes"
	}
	return "no"
}

func sources(runtime string) string {
	var list []string
	for _, way := range roots.Ways(runtime) {
		list = append(list, roots.Describe(runtime, way))
	}
	return cmp.Or(strings.Join(list, "; "), "-")
}

// whence says what runs a runtime.
func whence(in runtimes.Interpreter) string {
	switch {
	case in.Root != "" && in.Path == "":
		return "installed root"
	case in.Root != "":
		return strings.TrimSpace("installed root: " + in.Path + " " + in.Version)
	case in.Path == "":
		return "this host's programs and libraries"
	default:
		return strings.TrimSpace("this host: " + in.Path + " " + in.Version)
	}
}

type runtimesInstallCmd struct {
	rootsFlag
	registryFlag
	From     string   `help:"How: ${enum} (default: the first that works)." enum:",image,packages,npm" default:""`
	Image    string   `help:"Image to take instead of AWS's own." placeholder:"REFERENCE"`
	Mirror   string   `help:"Debian mirror for packages (default: the one this machine uses)." placeholder:"URL"`
	Runtimes []string `arg:"" name:"runtime" help:"Such as python3.13, java21 or nodejs24.x."`
}

// Run installs one runtime after the other.
func (c runtimesInstallCmd) Run(ctx context.Context) error {
	i, err := newInstaller(ctx, c.rootsFlag)
	if err != nil {
		return err
	}
	i.Mirror, i.Image = c.Mirror, c.Image
	if i.Images, err = c.registries(); err != nil {
		return err
	}
	for _, r := range c.Runtimes {
		if err := i.Install(ctx, r, c.From); err != nil {
			return err
		}
	}
	return nil
}

type runtimesRemoveCmd struct {
	rootsFlag
	Runtimes []string `arg:"" name:"runtime" help:"Runtimes that were installed."`
}

// Run removes one runtime after the other; running functions keep theirs until they end.
func (c runtimesRemoveCmd) Run(ctx context.Context) error {
	i, err := newInstaller(ctx, c.rootsFlag)
	if err != nil {
		return err
	}
	for _, r := range c.Runtimes {
		was, err := i.Remove(r)
		if err != nil {
			return err
		}
		if !was {
			return fmt.Errorf("runtime %s is not installed; lamina runtimes list tells which are", r)
		}
		fmt.Printf("%s: removed\n", r)
	}
	return nil
}

func newInstaller(ctx context.Context, f rootsFlag) (*roots.Installer, error) {
	dir, err := f.rootsFolder()
	if err != nil {
		return nil, err
	}
	own, err := ownFolder()
	if err != nil {
		return nil, err
	}
	i := &roots.Installer{
		Store: roots.Open(dir), NPMDir: own, Files: map[string]string{},
		Say: func(format string, args ...any) { fmt.Printf(format+"\n", args...) },
	}
	for name, text := range hostfs.Files(sandbox.DefaultUID, sandbox.DefaultGID, "") {
		i.Files["etc/"+name] = text
	}
	if box, err := plain.New(ctx); err == nil {
		i.Verify = func(ctx context.Context, r roots.Root, dir string) (string, error) {
			return askVersion(ctx, box, r, dir)
		}
	}
	return i, nil
}

var versionForm = regexp.MustCompile(`\d+(\.\d+)+`)

// askLimit bounds how long an interpreter may take to tell its version (chosen).
const askLimit = time.Minute

// askVersion runs a root's interpreter in a sandbox.
func askVersion(ctx context.Context, box sandbox.Sandbox, r roots.Root, root string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	dir, err := os.MkdirTemp("", "lamina-version-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	flag := "--version"
	if strings.HasPrefix(r.Runtime, "java") {
		flag = "-version"
	}
	lines := make(chan string, 64)
	p, err := box.Start(ctx, sandbox.Spec{
		ID: "version", Dir: dir, RootDir: root, WorkDir: "/", Argv: []string{r.Program, flag}, Env: []string{"PATH=/usr/local/bin:/usr/bin:/bin"},
		Log: func(_ sandbox.Stream, line []byte) {
			select {
			case lines <- string(line):
			default: // more than is asked for
			}
		},
	})
	if errors.Is(err, sandbox.ErrNoRoot) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	stop := context.AfterFunc(ctx, func() { _ = p.Kill() }) // Done follows
	defer stop()
	<-p.Done()
	close(lines)
	var said []string
	for line := range lines {
		said = append(said, line)
	}
	text := strings.Join(said, "; ")
	if exit := p.Exit(); exit != (sandbox.Exit{}) {
		return "", fmt.Errorf("%s: %s", exit, text)
	}
	return versionForm.FindString(text), nil
}
