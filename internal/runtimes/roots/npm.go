package roots

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// npm brings Node.js itself, which npm verifies by the registry's checksums. It
// runs on the host's libraries, so it is no root: the interpreters' search finds it.
func (i *Installer) npm(ctx context.Context, runtime string) error {
	if !strings.HasPrefix(runtime, "nodejs") {
		return errors.New("npm has Node.js only")
	}
	tool, err := exec.LookPath("npm")
	if err != nil {
		return errors.New("npm is not installed; get it with: apt-get install npm")
	}
	dir := i.npmDir(runtime)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make the folder of %s: %w", runtime, err)
	}
	cmd := exec.CommandContext(ctx, tool, "install", "--prefix", dir, "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", nodePackage()+"@"+nodeMajor(runtime))
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("npm: %w: %s", err, lastLines(string(out)))
	}
	i.Say("%s: in %s", runtime, dir)
	return nil
}

func (i *Installer) npmDir(runtime string) string { return filepath.Join(i.NPMDir, runtime) }

// Remove takes back what Install brought; was is false where there was nothing.
func (i *Installer) Remove(runtime string) (was bool, err error) {
	if was, err = i.Store.Remove(runtime); err != nil {
		return was, err
	}
	if dir := i.npmDir(runtime); strings.HasPrefix(runtime, "nodejs") && filepath.IsLocal(runtime) {
		if _, err := os.Stat(dir); err == nil {
			if err := os.RemoveAll(dir); err != nil {
				return was, fmt.Errorf("remove runtime %s: %w", runtime, err)
			}
			was = true
		}
	}
	return was, i.Store.Collect()
}
