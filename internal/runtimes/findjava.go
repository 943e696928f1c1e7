package runtimes

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

func javaRemedy(runtime, version string) string {
	return fmt.Sprintf("`lamina runtimes install %s`, `apt install openjdk-%s-jre-headless`, `sdk install java %s-tem` or `brew install openjdk@%s`",
		runtime, version, version, version)
}

// javaProperty is a line of what a JVM says of itself.
var javaProperty = regexp.MustCompile(`(?m)^\s+(java\.home|java\.version) = (.+?)\r?$`)

func tryJava(ctx context.Context, path string) (is, error) {
	cmd := exec.CommandContext(ctx, path, "-XX:TieredStopAtLevel=1", "-XshowSettings:properties", "-version")
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { // what they add is not for this
		return strings.HasPrefix(v, "JAVA_TOOL_OPTIONS=") || strings.HasPrefix(v, "_JAVA_OPTIONS=") || strings.HasPrefix(v, "JDK_JAVA_OPTIONS=")
	})
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	if err != nil {
		if line, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n"); line != "" {
			return is{}, errors.New(line)
		}
		return is{}, err
	}
	properties := map[string]string{}
	for _, m := range javaProperty.FindAllSubmatch(out, -1) {
		properties[string(m[1])] = string(m[2])
	}
	home, version := properties["java.home"], properties["java.version"]
	if home == "" || version == "" {
		return is{}, errors.New("not such an interpreter")
	}
	if !strings.Contains(version, ".") {
		version += ".0.0" // a first release is just 25
	}
	return is{Version: version, Prefix: home, Path: filepath.Join(home, "bin", "java"), Implementation: "jvm"}, nil
}

// javaCandidates are the places where JVMs are, best first.
func javaCandidates(version string) []string {
	list := []string{}
	if home := os.Getenv("JAVA_HOME"); home != "" {
		list = append(list, filepath.Join(home, "bin/java"))
	}
	return slices.Concat(list, inHomes(javaHomes(version), "bin/java"), onPath("java"))
}

// javaHomes are the folders of the usual installers, as patterns.
func javaHomes(version string) []string {
	homes := []string{
		"/usr/lib/jvm/java-" + version + "-*", "/usr/lib/jvm/jdk-" + version + "*", "/usr/lib/jvm/*-" + version + "-*", "/usr/lib/jvm/*-" + version,
		"/Library/Java/JavaVirtualMachines/*-" + version + "*/Contents/Home",
		"/opt/homebrew/opt/openjdk@" + version, "/usr/local/opt/openjdk@" + version, "/home/linuxbrew/.linuxbrew/opt/openjdk@" + version,
		"/opt/java/openjdk", "/opt/java" + version, "/opt/jdk-" + version + "*",
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return homes
	}
	data := envOr("XDG_DATA_HOME", filepath.Join(home, ".local/share"))
	return append([]string{
		filepath.Join(envOr("SDKMAN_DIR", filepath.Join(home, ".sdkman")), "candidates/java", version+".*"),
		filepath.Join(home, ".jdks", "*-"+version+"*"),
		filepath.Join(envOr("MISE_DATA_DIR", filepath.Join(data, "mise")), "installs/java", "*"+version+"*"),
		filepath.Join(envOr("ASDF_DATA_DIR", filepath.Join(home, ".asdf")), "installs/java", "*-"+version+".*"),
	}, homes...)
}
