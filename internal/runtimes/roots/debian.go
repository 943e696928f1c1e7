package roots

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"

	"github.com/lamina-dev/lamina/internal/runtimes/rootfs"
)

// notNeeded are the paths of packages that no function reads; packages' scripts
// insist on the folders of manual pages.
var notNeeded = []string{"/usr/share/doc/*", "/usr/share/locale/*", "/usr/share/info/*", "/usr/share/lintian/*"}

// debian fills a root from the distribution's packages, whose signatures
// mmdebstrap and apt verify. Its digest is that of the archive they make.
func (i *Installer) debian(ctx context.Context, runtime string, t *rootfs.Tree) (digest, source string, err error) {
	list := packages[runtime]
	if list == nil {
		return "", "", fmt.Errorf("%s has no packages for it", suite)
	}
	tool, err := exec.LookPath("mmdebstrap")
	if err != nil {
		return "", "", errors.New("mmdebstrap is not installed; get it with: apt-get install mmdebstrap")
	}
	list = slices.Concat(list, everywhere)
	args := []string{"--quiet", "--variant=essential", "--format=tar", "--include=" + strings.Join(list, ",")}
	for _, path := range notNeeded {
		args = append(args, "--dpkgopt=path-exclude="+path)
	}
	args = append(args, suite, "-")
	if mirror := i.mirror(ctx); mirror != "" {
		args = append(args, mirror)
	}
	sum := sha256.New()
	if err := pipe(ctx, exec.CommandContext(ctx, tool, args...), func(r io.Reader) error { return t.Layer(io.TeeReader(r, sum)) }); err != nil {
		return "", "", err
	}
	return hex.EncodeToString(sum.Sum(nil)), "Debian " + suite + ": " + strings.Join(list, " "), nil
}

// mirror is the one that the operator named, or that this machine itself uses.
func (i *Installer) mirror(ctx context.Context) string {
	if i.Mirror != "" {
		return i.Mirror
	}
	out, err := exec.CommandContext(ctx, "apt-get", "indextargets", "--format", "$(REPO_URI) $(ORIGIN)", "Created-By: Packages").Output()
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(out)) {
		if uri, origin, _ := strings.Cut(strings.TrimSpace(line), " "); origin == "Debian" && !strings.Contains(uri, "security") {
			return uri
		}
	}
	return ""
}

// pipe lets read take what a command writes, and tells what the command said
// when it fails.
func pipe(ctx context.Context, cmd *exec.Cmd, read func(io.Reader) error) error {
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	readErr := read(out)
	if readErr != nil {
		_ = cmd.Process.Kill() // it would write on for nobody
	}
	err = cmd.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	// A command that failed is why its output is cut off.
	if err != nil && (readErr == nil || errors.Is(readErr, rootfs.ErrInvalid)) {
		return fmt.Errorf("%s: %w: %s", cmd.Path, err, lastLines(said.String()))
	}
	return readErr
}

// lastLines are the last three lines of what a command said.
func lastLines(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-3):], "; ")
}
