package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/lamina-dev/lamina/examples/setup"
)

// providers is a folder of unpacked Terraform providers: HOST/hashicorp/NAME/VERSION/OS_ARCH.
type providers struct {
	root, host, realAWS string // realAWS is version 5's executable
}

// findProviders looks where machine images keep a provider mirror.
func findProviders(t *testing.T) providers {
	t.Helper()
	if _, err := exec.LookPath("terraform"); err != nil {
		t.Skip("no terraform on this machine")
	}
	if downloads() {
		return providers{}
	}
	platform := runtime.GOOS + "_" + runtime.GOARCH
	for _, pattern := range []string{"/*/*/*", filepath.Join(os.Getenv("HOME"), ".terraform.d", "*", "*")} {
		found, _ := filepath.Glob(filepath.Join(pattern, "hashicorp", "aws", "5.*", platform, "terraform-provider-aws*"))
		if len(found) > 0 {
			host := filepath.Dir(filepath.Dir(filepath.Dir(filepath.Dir(filepath.Dir(found[0])))))
			return providers{root: filepath.Dir(host), host: filepath.Base(host), realAWS: found[0]}
		}
	}
	t.Skip("no mirror of the Terraform AWS provider 5 on this machine")
	return providers{}
}

// downloads says that terraform init may fetch the real providers.
func downloads() bool { return os.Getenv("LAMINA_TEST_TERRAFORM") == "download" }

// tf is a Terraform configuration under test.
type tf struct {
	t   *testing.T
	s   *server
	dir string
	env []string
}

func newTF(t *testing.T, s *server, source, mirror string, env ...string) *tf {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(source)); err != nil {
		t.Fatal(err)
	}
	rc := filepath.Join(dir, "cli.tfrc")
	config := ""
	if mirror != "" {
		config = fmt.Sprintf("provider_installation {\n  filesystem_mirror {\n    path = %q\n  }\n}\n", mirror)
	}
	if err := os.WriteFile(rc, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	env = append(env, "TF_CLI_CONFIG_FILE="+rc, "CHECKPOINT_DISABLE=1", "TF_IN_AUTOMATION=1",
		"AWS_CONFIG_FILE="+os.DevNull, "AWS_SHARED_CREDENTIALS_FILE="+os.DevNull)
	return &tf{t: t, s: s, dir: dir, env: env}
}

// run is `lamina exec -- terraform …`, so that exec is under test as well.
func (f *tf) run(args ...string) (string, int) {
	f.t.Helper()
	start := time.Now()
	cmd := exec.Command(lamina, append([]string{"exec", "--data", f.s.data, "--", "terraform", "-chdir=" + f.dir}, args...)...)
	cmd.Env = append(cleanEnv(), f.env...)
	out, err := cmd.CombinedOutput()
	f.t.Logf("terraform %s: %s", args[0], time.Since(start).Round(100*time.Millisecond))
	if err != nil && cmd.ProcessState == nil {
		f.t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

func (f *tf) must(args ...string) string {
	f.t.Helper()
	out, code := f.run(args...)
	if code != 0 {
		f.t.Fatalf("terraform %s ended with %d:\n%s", strings.Join(args, " "), code, tail([]byte(out), 5000))
	}
	return out
}

// unchanged is a plan that must find nothing to do.
func (f *tf) unchanged(args ...string) {
	f.t.Helper()
	out, code := f.run(append([]string{"plan", "-input=false", "-no-color", "-detailed-exitcode"}, args...)...)
	if code != 0 {
		f.t.Errorf("a second plan wants changes (exit code %d):\n%s", code, tail([]byte(out), 5000))
	}
}

func TestTerraformOrdinaryFunction(t *testing.T) {
	t.Parallel() // Terraform mostly waits
	p := findProviders(t)
	code, err := goCode()
	if err != nil {
		t.Fatal(err)
	}
	zip := filepath.Join(t.TempDir(), "code.zip")
	if err := os.WriteFile(zip, code, 0o600); err != nil {
		t.Fatal(err)
	}
	s := up(t)
	f := newTF(t, s, filepath.Join("testdata", "plain"), p.root, "TF_VAR_zip="+zip)
	f.must("init", "-input=false", "-no-color")
	f.must("apply", "-auto-approve", "-input=false", "-no-color")
	if _, err := call(t.Context(), s.clients(), "plain", 1, time.Millisecond); err != nil {
		t.Errorf("invoke after apply: %v", err)
	}
	f.unchanged()
	changed, err := setup.Zip(map[string][]byte{"bootstrap": []byte("#!/bin/sh\nexit 1\n")})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(zip, changed, 0o600); err != nil {
		t.Fatal(err)
	}
	f.must("apply", "-auto-approve", "-input=false", "-no-color")
	f.unchanged()
	f.must("destroy", "-auto-approve", "-input=false", "-no-color")
}

// TestTerraformQuickstart runs examples/quickstart, written for the provider's
// version 6, with stand-ins for it where the real one can't be had.
func TestTerraformQuickstart(t *testing.T) {
	t.Parallel()
	p := findProviders(t)
	needPython(t)
	mirror := standIns(t, p)
	s := up(t)
	f := newTF(t, s, filepath.Join("..", "..", "examples", "quickstart"), mirror, "REAL_AWS_PROVIDER="+p.realAWS)
	f.must("init", "-input=false", "-no-color")
	f.must("apply", "-auto-approve", "-input=false", "-no-color")
	c := setup.New(s.endpoint, "ap-northeast-1")
	hello := func(want string) {
		t.Helper()
		out, err := invokeJSON(t, c, "quickstart", `{"name":"Lamina"}`)
		if err != nil || !strings.Contains(out, want) {
			t.Errorf("invoke after apply: %s, %v; want %s in it", out, err, want)
		}
	}
	hello("Lamina")
	f.unchanged()
	source := filepath.Join(f.dir, "function", "hello.py")
	if err := os.WriteFile(source, []byte("def handler(event, context):\n    return {'answer': 'second ' + event['name']}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	f.must("apply", "-auto-approve", "-input=false", "-no-color")
	hello("second Lamina")
	f.unchanged()
	for range rounds() { // what apply has created answers at once, every time
		f.must("apply", "-auto-approve", "-input=false", "-no-color", "-replace=aws_lambda_function.hello")
		hello("second Lamina")
	}
	f.must("destroy", "-auto-approve", "-input=false", "-no-color")
}

// rounds is how often "apply, then invoke at once" is repeated: 20 times in the
// slow suite, LAMINA_TEST_SLOW=1.
func rounds() int {
	if os.Getenv("LAMINA_TEST_SLOW") != "" {
		return 20
	}
	return 1
}

// standIns builds the two stand-in providers into a mirror of their own.
func standIns(t *testing.T, p providers) string {
	t.Helper()
	if downloads() {
		return ""
	}
	tools, err := filepath.Abs(filepath.Join("..", "..", "..", "shared", "tools", "terraform-standin"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(tools); err != nil {
		t.Skip("the stand-ins for Terraform's providers are not beside this checkout")
	}
	mirror := t.TempDir()
	for name, version := range map[string]string{"aws": "6.999.0", "archive": "2.999.0"} {
		dir := filepath.Join(mirror, p.host, "hashicorp", name, version, runtime.GOOS+"_"+runtime.GOARCH)
		cmd := exec.Command("go", "build", "-o", filepath.Join(dir, "terraform-provider-"+name+"_v"+version), ".")
		cmd.Dir = filepath.Join(tools, "standin-"+name)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-buildvcs=false")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("building the stand-in for %s: %v\n%s", name, err, out)
		}
	}
	return mirror
}

func invokeJSON(t *testing.T, c *setup.Clients, function, payload string) (string, error) {
	t.Helper()
	out, err := invoke(t.Context(), c, function, []byte(payload))
	if err != nil {
		return "", err
	}
	if !json.Valid(out) {
		return string(out), fmt.Errorf("not JSON: %s", out)
	}
	return string(out), nil
}
