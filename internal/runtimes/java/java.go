// Package java holds the bootstrap that runs Java functions, compiled, to be
// written to where the function's JVM finds it. The sources are in src (the
// bootstrap) and core (AWS's interfaces, for functions that come without them);
// `go test ./internal/runtimes/java -run Current -update` compiles them.
package java

import (
	"embed"
	"strconv"

	"github.com/lamina-dev/lamina/internal/runtimes/bootstrap"
)

//go:embed runtime.jar core.jar
var files embed.FS

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

// Install writes the bootstrap into dir.
func Install(dir string) error { return bootstrap.Install(files, dir) }
