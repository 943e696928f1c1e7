package e2e

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/lamina-dev/lamina/examples/setup"
)

// TestSecretsStayOut: a function's variables, its credentials and what clients sign with are in no log, no answer
// that did not ask for them and no state reason, whatever goes wrong (targets.md I12).
func TestSecretsStayOut(t *testing.T) {
	needProcFS(t)
	const secret = "canary-b7c1f0a9"
	s := up(t, "-v")
	p := makePlace(t, s)
	f := p.goFunction(t, "keeper")
	f.Variables = map[string]string{"PASSWORD": secret}
	p.publish(t, f)
	p.must(t, "keeper")
	credentials := credentialsOf(t, s, "PASSWORD="+secret)
	if len(credentials) != 2 {
		t.Fatalf("credentials %q", credentials)
	}

	var said bytes.Buffer // what users are told
	publishBroken(t, p, "broken", map[string]string{"PASSWORD": secret}, &said)
	_, err := p.Lambda.CreateFunction(t.Context(), &lambda.CreateFunctionInput{FunctionName: new("refused"), Role: &p.execution, Code: &types.FunctionCode{ZipFile: f.Zip},
		Handler: new("x"), Runtime: "nodejs99.x", Environment: &types.Environment{Variables: map[string]string{"PASSWORD": secret}}})
	said.WriteString(err.Error())
	for _, what := range []string{"keeper", "broken", "main"} {
		out, err := s.command([]string{"AWS_REGION=" + region}, "explain", "--json", what)
		if err != nil {
			t.Errorf("lamina explain %s: %v", what, err)
		}
		said.WriteString(out)
	}
	if err := syscall.Kill(s.agents()[0], syscall.SIGABRT); err != nil { // with a stack, if it prints one
		t.Fatal(err)
	}
	until(t, 60*time.Second, "all three answer again", func() bool { return len(p.names(t, "keeper")) == minimum })
	s.stop()

	secrets := append(credentials, secret)
	for _, canary := range secrets {
		if strings.Contains(said.String(), canary) {
			t.Errorf("%.12s… is in what users are told:\n%s", canary, said.String())
		}
	}
	read, stored := 0, 0
	look := func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := os.ReadFile(path)
		for _, canary := range secrets {
			if !bytes.Contains(raw, []byte(canary)) {
				continue
			}
			if strings.HasPrefix(path, filepath.Join(s.data, "store")) {
				stored++ // where they are meant to be
			} else {
				t.Errorf("%.12s… is in %s", canary, path)
			}
		}
		read++
		return err
	}
	if err := filepath.WalkDir(s.data, look); err != nil {
		t.Error(err)
	}
	if err := filepath.WalkDir(s.log, look); err != nil {
		t.Error(err)
	}
	if stored == 0 {
		t.Error("not even the store has them: this test would find nothing")
	}
	t.Logf("looked for %d secrets in %d files", len(secrets), read)
}

// publishBroken makes a version that fails, and keeps what is said of it.
func publishBroken(t *testing.T, p place, name string, variables map[string]string, said *bytes.Buffer) {
	t.Helper()
	code, err := setup.Zip(map[string][]byte{"bootstrap": []byte("#!/bin/sh\nexit 7\n")})
	if err != nil {
		t.Fatal(err)
	}
	f := p.goFunction(t, name)
	f.Zip, f.Variables = code, variables
	if err := p.Publish(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	err = p.WaitActive(t.Context(), name, activeLimit)
	if err == nil {
		t.Fatal("a version whose runtime ends at once became active")
	}
	said.WriteString(err.Error())
}

// credentialsOf finds a process by a variable and gives the secrets of its credentials.
func credentialsOf(t *testing.T, s *server, variable string) (secrets []string) {
	t.Helper()
	for _, pid := range withDescendants(s.agents()) {
		environ, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "environ"))
		if err != nil || !bytes.Contains(environ, []byte(variable)) {
			continue
		}
		for kv := range strings.SplitSeq(string(environ), "\x00") {
			name, value, _ := strings.Cut(kv, "=")
			if name == "AWS_SECRET_ACCESS_KEY" || name == "AWS_SESSION_TOKEN" {
				secrets = append(secrets, value)
			}
		}
		return secrets
	}
	t.Fatal("no process has the function's variables")
	return nil
}
