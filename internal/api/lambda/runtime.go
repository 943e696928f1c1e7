package lambda

import (
	"slices"
	"strings"

	"github.com/lamina-dev/lamina"
)

// managedRuntimes are those that a capacity provider takes (L; lmi-service.md 3.1).
var managedRuntimes = map[string]bool{
	"nodejs22.x": true, "nodejs24.x": true, "python3.13": true, "python3.14": true, "java21": true, "java25": true,
	"dotnet8": true, "dotnet10": true, "provided.al2023": true,
}

// ManagedRuntime says whether a capacity provider takes functions of a runtime.
func ManagedRuntime(runtime string) bool { return managedRuntimes[runtime] }

// ordinaryRuntimes can be given to new ordinary functions. The first three stand
// where AWS's error text has them; the rest of the order is chosen.
var ordinaryRuntimes = []string{
	"nodejs20.x", "python3.14", "provided.al2023", "python3.13", "python3.12", "python3.11", "python3.10",
	"nodejs24.x", "nodejs22.x", "java25", "java21", "java17", "java11", "java8.al2", "dotnet10", "dotnet8",
	"ruby3.4", "ruby3.3", "ruby3.2", "provided.al2",
}

// imageLanguage stands for the language of an image, which nobody knows.
const imageLanguage = "image"

// slotsPerVCPU is the default concurrency per vCPU by the runtime's family
// (lmi-service.md 3.1; provided.al2023 as for Rust; of images chosen).
var slotsPerVCPU = []struct {
	prefix string
	slots  int32
}{{imageLanguage, 16}, {"nodejs", 64}, {"java", 32}, {"dotnet", 32}, {"python", 16}, {"provided", 8}}

func defaultSlots(runtime string, vcpus int32) int32 {
	for _, family := range slotsPerVCPU {
		if strings.HasPrefix(runtime, family.prefix) {
			return family.slots * vcpus
		}
	}
	return vcpus
}

func checkRuntime(runtime string) error {
	if slices.Contains(ordinaryRuntimes, runtime) {
		return nil
	}
	return lamina.Errorf(lamina.CodeInvalidParameter, textRuntimeEnum, runtime, strings.Join(ordinaryRuntimes, ", "))
}
