package roots

import (
	"fmt"
	goruntime "runtime"
	"slices"
	"strings"
)

// suite is the Debian release whose packages make roots.
const suite = "trixie"

// packages are what of it makes a runtime; AWS's Python comes with its SDK.
var packages = map[string][]string{
	"python3.13": {"python3.13", "python3-boto3"},
	"java21":     {"openjdk-21-jre-headless"},
	"java25":     {"openjdk-25-jre-headless"},
}

// everywhere is in every root of packages.
var everywhere = []string{"ca-certificates", "tzdata"}

// imageRepository is where AWS publishes the images of its runtimes.
const imageRepository = "public.ecr.aws/lambda/"

// Image names AWS's own image of a runtime; "" for those that have none.
func Image(runtime string) string {
	for _, language := range []string{"python", "nodejs", "java", "dotnet", "ruby"} {
		if version, ok := strings.CutPrefix(runtime, language); ok {
			return imageRepository + language + ":" + strings.TrimSuffix(version, ".x")
		}
	}
	if version, ok := strings.CutPrefix(runtime, "provided."); ok {
		return imageRepository + "provided:" + version
	}
	return ""
}

// nodePackage is npm's package with Node.js itself for this machine.
func nodePackage() string {
	arch := goruntime.GOARCH
	if arch == "amd64" {
		arch = "x64"
	}
	return "node-" + goruntime.GOOS + "-" + arch
}

// The ways in which a runtime comes to this machine.
const (
	FromImage    = "image"
	FromPackages = "packages"
	FromNPM      = "npm"
)

// Ways lists how a runtime can be installed, best first: AWS's image is what the
// service itself runs.
func Ways(runtime string) (ways []string) {
	if Image(runtime) != "" {
		ways = append(ways, FromImage)
	}
	if packages[runtime] != nil {
		ways = append(ways, FromPackages)
	}
	if strings.HasPrefix(runtime, "nodejs") {
		ways = append(ways, FromNPM)
	}
	return ways
}

// Describe says what a way brings, for a list.
func Describe(runtime, way string) string {
	switch way {
	case FromImage:
		return "image " + Image(runtime)
	case FromPackages:
		return "Debian " + suite + " packages " + strings.Join(packages[runtime], ", ") + " (mmdebstrap)"
	case FromNPM:
		return fmt.Sprintf("npm package %s@%s", nodePackage(), nodeMajor(runtime))
	}
	return way
}

func nodeMajor(runtime string) string {
	return strings.TrimSuffix(strings.TrimPrefix(runtime, "nodejs"), ".x")
}

// ownBootstrap is where AWS's images have the program that runs functions.
const ownBootstrap = "var/runtime/bootstrap"

// programs are the places of a runtime's interpreter in a root, as patterns.
func programs(runtime string) []string {
	name, version := runtime, ""
	for _, language := range []string{"python", "nodejs", "java"} {
		if v, ok := strings.CutPrefix(runtime, language); ok {
			name, version = language, strings.TrimSuffix(v, ".x")
		}
	}
	below := func(program string, dirs ...string) (list []string) {
		for _, dir := range slices.Concat([]string{"var/lang/bin"}, dirs, []string{"usr/local/bin", "usr/bin"}) {
			list = append(list, dir+"/"+program)
		}
		return list
	}
	switch name {
	case "python":
		return below("python" + version)
	case "nodejs":
		return below("node")
	case "java":
		return below("java", "usr/lib/jvm/java-"+version+"-*/bin", "opt/java/openjdk/bin")
	}
	return nil
}
