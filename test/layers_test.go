// Package test holds the tests of the repository as a whole.
package test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/lamina-dev/lamina"

// layers says how high each part of the tree stands. A package may import
// what stands lower, and never its own level: there the caller declares a
// one-method interface and cmd supplies it. Parts of one part are free among
// themselves.
var layers = map[string]int{
	"cmd": 5,

	"internal/api": 4, "internal/console": 4, "internal/sim": 4, "internal/check": 4,

	"internal/router": 3, "internal/controller": 3, "internal/agent": 3,

	"internal/fleet": 2, "internal/queue": 2, "internal/iam": 2, "internal/sandbox": 2, "internal/network": 2,
	"internal/runtimeapi": 2, "internal/runtimes": 2, "internal/scheduler": 2, "internal/scaler": 2,

	"internal/store": 1, "internal/telemetry": 1, "internal/wire": 1, "internal/rawconn": 1, "internal/netns": 1, "internal/awsmodel": 1,

	"": 0, "internal/awsproto": 0, "internal/fsync": 0,
}

// outside are folders of programs and tests, which nothing may import.
var outside = []string{"gen", "bench", "examples", "test"}

// pureParts decide and never do: they see the vocabulary only.
var pureParts = []string{"internal/scaler", "internal/scheduler"}

// impure are the standard packages that a part which only decides must not know.
var impure = []string{"net", "os", "os/exec", "io", "log", "log/slog", "sync", "math/rand", "math/rand/v2", "crypto/rand", "database/sql"}

// exceptions are the imports of an own level that stand until they are moved, each with its reason.
var exceptions = map[string]string{}

// goPackage is what `go list -json` says of one package.
type goPackage struct {
	ImportPath, Doc, Name              string
	Imports, TestImports, XTestImports []string
	GoFiles, TestGoFiles, XTestGoFiles []string
}

func listPackages(t *testing.T) []goPackage {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Doc,Name,Imports,TestImports,XTestImports,GoFiles,TestGoFiles,XTestGoFiles", "./...")
	cmd.Dir = ".."
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.Bytes())
	}
	var all []goPackage
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p goPackage
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

// partOf gives the part of the tree an import path of ours belongs to: "internal/store" for internal/store/sqlite.
func partOf(importPath string) (part string, ours bool) {
	rest, ok := strings.CutPrefix(importPath, module)
	if !ok {
		return "", false
	}
	rest = strings.TrimPrefix(rest, "/")
	elements := strings.Split(rest, "/")
	if elements[0] == "internal" && len(elements) > 1 {
		return path.Join(elements[:2]...), true
	}
	return elements[0], true
}

// isTestSupport tells packages that hold what several tests share. Only tests import them, so they may import as
// tests do: from everywhere.
func isTestSupport(importPath string) bool { return strings.HasSuffix(importPath, "test") }

func TestArrowsPointDown(t *testing.T) {
	for _, p := range listPackages(t) {
		from, _ := partOf(p.ImportPath)
		if slices.Contains(outside, from) {
			continue
		}
		height, known := layers[from]
		if !known {
			t.Errorf("%s: the part %q has no layer; DESIGN says which, layers_test.go keeps it", p.ImportPath, from)
			continue
		}
		for _, imported := range p.Imports {
			to, ours := partOf(imported)
			if ours && isTestSupport(imported) && !isTestSupport(p.ImportPath) {
				t.Errorf("%s imports %s, which is for tests", p.ImportPath, imported)
			}
			if !ours || to == from || isTestSupport(p.ImportPath) || exceptions[p.ImportPath+" "+imported] != "" {
				continue
			}
			if lower, known := layers[to]; !known || lower >= height {
				t.Errorf("%s (layer %d) imports %s (layer %d)", p.ImportPath, height, imported, lower)
			}
		}
	}
}

func TestDecidingPartsAreAlone(t *testing.T) {
	for _, p := range listPackages(t) {
		from, _ := partOf(p.ImportPath)
		if !slices.Contains(pureParts, from) {
			continue
		}
		for _, imported := range p.Imports {
			if to, ours := partOf(imported); ours && to != "" && to != from {
				t.Errorf("%s imports %s; it may know the root package only", p.ImportPath, imported)
			}
			if slices.Contains(impure, imported) {
				t.Errorf("%s imports %s: it decides, it does not do", p.ImportPath, imported)
			}
		}
	}
}

func TestRootImportsTheStandardLibraryOnly(t *testing.T) {
	for _, p := range listPackages(t) {
		if p.ImportPath != module {
			continue
		}
		for _, imported := range p.Imports {
			if strings.Contains(strings.Split(imported, "/")[0], ".") {
				t.Errorf("the root package imports %s", imported)
			}
		}
	}
}

// The instance's side must run on a machine that knows nothing of the control plane.
func TestAgentHoldsNoControlPlane(t *testing.T) {
	control := []string{"internal/store", "internal/fleet", "internal/iam", "internal/queue", "internal/scheduler", "internal/scaler", "internal/controller", "internal/router", "internal/api", "internal/awsmodel"}
	for _, p := range listPackages(t) {
		from, _ := partOf(p.ImportPath)
		if !slices.Contains([]string{"internal/agent", "internal/sandbox", "internal/runtimeapi"}, from) {
			continue
		}
		for _, imported := range p.Imports {
			if to, ours := partOf(imported); ours && slices.Contains(control, to) {
				t.Errorf("%s imports %s", p.ImportPath, imported)
			}
		}
	}
}

// AWS's shapes stay at the edge; the domain has its own words.
func TestOnlyTheEdgeKnowsAWSShapes(t *testing.T) {
	for _, p := range listPackages(t) {
		from, _ := partOf(p.ImportPath)
		if from == "internal/api" || from == "internal/awsmodel" || from == "cmd" || from == "internal/iam" || slices.Contains(outside, from) {
			continue
		}
		for _, imported := range p.Imports {
			if to, _ := partOf(imported); to == "internal/awsmodel" {
				t.Errorf("%s imports %s", p.ImportPath, imported)
			}
		}
	}
}

// Test-only modules stay out of the binary: a test fails when one slips in.
func TestBinaryHoldsNoTestModules(t *testing.T) {
	cmd := exec.Command("go", "list", "-deps", "./cmd/lamina")
	cmd.Dir = ".."
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list -deps: %v", err)
	}
	testOnly := []string{"github.com/aws/aws-sdk-go-v2/service", "github.com/aws/aws-sdk-go-v2/config", "github.com/google/go-cmp", "go.uber.org/goleak", "github.com/rogpeppe/go-internal/testscript", "testing"}
	for dep := range strings.FieldsSeq(string(out)) {
		for _, banned := range testOnly {
			if dep == banned || strings.HasPrefix(dep, banned+"/") && banned != "testing" {
				t.Errorf("the binary holds %s", dep)
			}
		}
	}
}

func TestEveryPackageSaysWhatItIs(t *testing.T) {
	for _, p := range listPackages(t) {
		if len(p.GoFiles) > 0 && p.Doc == "" {
			t.Errorf("%s has no package comment", p.ImportPath)
		}
	}
}

func TestPackagesAreNouns(t *testing.T) {
	vague := []string{"util", "utils", "common", "helper", "helpers", "types", "manager", "misc", "shared", "base"}
	for _, p := range listPackages(t) {
		if slices.Contains(vague, p.Name) || slices.Contains(vague, path.Base(p.ImportPath)) {
			t.Errorf("%s: the name says nothing about what it holds", p.ImportPath)
		}
	}
}
