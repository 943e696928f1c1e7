// Package java holds the bootstrap that runs Java functions, compiled, to be
// written to where the function's JVM finds it. The sources are in src (the
// bootstrap) and core (AWS's interfaces, for functions that come without them);
// `go test ./internal/runtimes/java -run Current -update` compiles them.
package java

import (
	_ "embed"
	"os"
	"path/filepath"
	"strconv"
)

//go:embed runtime.jar
var runtimeJar []byte

//go:embed core.jar
var coreJar []byte

// Main is the bootstrap's main class.
const Main = "lamina.Main"

// OptVariable tells the bootstrap where the layers are when not at /opt.
const OptVariable = "LAMINA_OPT"

// Flags are the JVM's. The heap's part of the function's memory, the IPv4 stack
// and, for ordinary functions, the serial collector and the one compiler are
// AWS's (known from the process lists of its environments, in no document). On
// Managed Instances, where environments live for days, the JVM compiles fully
// and chooses its collector by the vCPUs (chosen).
func Flags(memoryMB, vcpus int, managed bool) []string {
	flags := []string{
		"-XX:MaxHeapSize=" + strconv.Itoa(max(memoryMB*1024*85/100, 16<<10)) + "k",
		"-XX:ActiveProcessorCount=" + strconv.Itoa(max(vcpus, 1)),
		"-XX:-UsePerfData", // a file in /tmp, which is the function's
		"-Djava.net.preferIPv4Stack=true", "-Dfile.encoding=UTF-8", "-Djava.awt.headless=true",
	}
	if !managed {
		flags = append(flags, "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
	}
	return flags
}

// ClassPath is the bootstrap's, in the runtime folder as the function sees it.
func ClassPath(runtime string) string { return runtime + "/runtime.jar" }

// Install writes the bootstrap into dir, readable for all.
func Install(dir string) error {
	if err := write(filepath.Join(dir, "runtime.jar"), runtimeJar); err != nil {
		return err
	}
	return write(filepath.Join(dir, "core.jar"), coreJar)
}

func write(path string, data []byte) error {
	tmp := path + ".new"
	if err := os.WriteFile(tmp, data, 0o644); err != nil {
		return err
	}
	if err := os.Chmod(tmp, 0o644); err != nil { // whatever the umask is
		return err
	}
	return os.Rename(tmp, path)
}
