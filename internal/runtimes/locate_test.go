package runtimes

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lamina-dev/lamina/internal/runtimes/roots"
)

// TestLocate: what the operator named comes first, then what was installed.
func TestLocate(t *testing.T) {
	dir := t.TempDir()
	digest := strings.Repeat("a", 64)
	for name, text := range map[string]string{
		"python3.77.json": `{"runtime":"python3.77","digest":"` + digest + `"}`,
		"python3.13.json": `{"runtime":"python3.13","digest":"` + digest + `","program":"/usr/bin/python3.13","version":"3.13.5"}`,
		"dotnet8.json":    `{"runtime":"dotnet8","digest":"` + digest + `","program":"/var/runtime/bootstrap","own":true}`,
		"nodejs22.x.json": `{"runtime":"nodejs22.x","digest":"` + strings.Repeat("b", 64) + `","program":"/usr/bin/node"}`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, digest), 0o755); err != nil {
		t.Fatal(err)
	}
	places := Places{Roots: roots.Open(dir)}
	in, release, err := Locate(t.Context(), "python3.13", places)
	if err != nil || in.Path != "/usr/bin/python3.13" || in.Root != filepath.Join(dir, digest) || in.Prefix != "" {
		t.Fatalf("%+v %v", in, err)
	}
	release()
	argv, env, err := Command("python3.13", in, Function{}, serviceLayout)
	if err != nil || argv[0] != "/usr/bin/python3.13" || !slices.Contains(env, "AWS_EXECUTION_ENV=AWS_Lambda_python3.13") {
		t.Errorf("%q %q %v", argv, env, err)
	}
	in, release, err = Locate(t.Context(), "dotnet8", places)
	if err != nil || !in.Own {
		t.Fatalf("%+v %v", in, err)
	}
	release()
	if argv, env, err := Command("dotnet8", in, Function{}, serviceLayout); err != nil || !slices.Equal(argv, []string{"/var/runtime/bootstrap"}) || env != nil {
		t.Errorf("%q %q %v", argv, env, err)
	}
	if err := Check(in, hostMachine(), t.TempDir(), ""); err != nil {
		t.Error(err)
	}
	for runtime, want := range map[string]string{
		"nodejs22.x": "lamina runtimes install nodejs22.x",   // its files are gone
		"python3.77": "not known to this version",            // a root alone does not make a runtime
		"dotnet10":   "`lamina runtimes install dotnet10`",   // nothing here
		"python3.14": "install it with `lamina runtimes ins", // where no host has it, else nothing is missing
	} {
		_, release, err := Locate(t.Context(), runtime, places)
		if err == nil && runtime == "python3.14" {
			release()
			continue
		}
		if missing, ok := errors.AsType[*MissingError](err); !ok || !strings.Contains(missing.Error(), want) {
			t.Errorf("%s: %v", runtime, err)
		}
	}
	places.Named = map[string]string{"python3.13": filepath.Join(dir, "mine")}
	if _, _, err := Locate(t.Context(), "python3.13", places); err == nil || !strings.Contains(err.Error(), filepath.Join(dir, "mine")) {
		t.Errorf("%v", err)
	}
}
