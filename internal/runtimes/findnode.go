package runtimes

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	goruntime "runtime"
	"slices"
)

// nodeRemedy puts npm's into a folder of Lamina's own, since one installed
// globally would replace the machine's node.
func nodeRemedy(runtime, version string) string {
	return fmt.Sprintf("`npm install --prefix ~/.local/share/lamina/%s %s@%s`, `nvm install %s`, `fnm install %s` or `mise install node@%s`",
		runtime, nodePackage(), version, version, version, version)
}

// nodePackage is npm's package with Node.js itself for this machine.
func nodePackage() string {
	arch := goruntime.GOARCH
	if arch == "amd64" {
		arch = "x64"
	}
	return "node-" + goruntime.GOOS + "-" + arch
}

// askNode makes a candidate tell what it is; Bun answers to the name, too.
const askNode = `const p=require("fs").realpathSync(process.execPath),{dirname:d}=require("path")
console.log(JSON.stringify({version:process.versions.node,prefix:d(d(p)),path:p,implementation:process.versions.bun?"bun":process.release.name}))`

func tryNode(ctx context.Context, path string) (is, error) {
	answer, err := ask(ctx, path, "-e", askNode)
	if err == nil && answer.Implementation != "node" {
		err = errors.New("is " + answer.Implementation)
	}
	return answer, err
}

// nodeCandidates are the places where Nodes are, best first.
func nodeCandidates(version string) []string {
	return slices.Concat(
		onPath("node"), onPath("node"+version), onPath("nodejs"),
		inHomes(nodeHomes(version), "bin/node"), inHomes(npmFolders(version), nodePackage()+"/bin/node"),
	)
}

// nodeHomes are the folders of the usual installers, as patterns.
func nodeHomes(version string) []string {
	homes := []string{
		"/opt/homebrew/opt/node@" + version,
		"/usr/local/opt/node@" + version,
		"/home/linuxbrew/.linuxbrew/opt/node@" + version,
		filepath.Join(envOr("N_PREFIX", "/usr/local"), "n/versions/node", version+".*"),
		"/usr/local", "/usr", "/opt/node" + version, "/opt/node-v" + version + ".*", "/opt/nodejs/" + version + "*",
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return homes
	}
	data := envOr("XDG_DATA_HOME", filepath.Join(home, ".local/share"))
	fnm := filepath.Join("node-versions", "v"+version+".*", "installation")
	return append([]string{
		filepath.Join(envOr("NVM_DIR", filepath.Join(home, ".nvm")), "versions/node", "v"+version+".*"),
		filepath.Join(envOr("FNM_DIR", filepath.Join(data, "fnm")), fnm),
		filepath.Join(home, ".fnm", fnm),
		filepath.Join(envOr("VOLTA_HOME", filepath.Join(home, ".volta")), "tools/image/node", version+".*"),
		filepath.Join(envOr("MISE_DATA_DIR", filepath.Join(data, "mise")), "installs/node", version+"*"),
		filepath.Join(envOr("ASDF_DATA_DIR", filepath.Join(home, ".asdf")), "installs/nodejs", version+".*"),
	}, homes...)
}

// npmFolders are where npm puts packages: for the remedy's command and for all users.
func npmFolders(version string) []string {
	folders := []string{"/usr/local/lib/node_modules", "/usr/lib/node_modules"}
	home, err := os.UserHomeDir()
	if err != nil {
		return folders
	}
	data := envOr("XDG_DATA_HOME", filepath.Join(home, ".local/share"))
	return append([]string{
		filepath.Join(data, "lamina", "nodejs"+version+".x", "node_modules"),
		filepath.Join(home, ".local/share/lamina", "nodejs"+version+".x", "node_modules"),
	}, folders...)
}
