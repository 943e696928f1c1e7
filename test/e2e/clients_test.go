package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"github.com/lamina-dev/lamina/examples/setup"
)

// invoke is one plain invocation.
func invoke(ctx context.Context, c *setup.Clients, function string, payload []byte) ([]byte, error) {
	res, err := c.Lambda.Invoke(ctx, &lambda.InvokeInput{FunctionName: &function, Payload: payload})
	if err != nil {
		return nil, err
	}
	if res.FunctionError != nil {
		return nil, fmt.Errorf("function error %s: %s", *res.FunctionError, res.Payload)
	}
	return res.Payload, nil
}

// script runs a client's script against the server with nothing but the
// endpoint and test keys set.
func script(t *testing.T, s *server, name, interpreter string, env ...string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(interpreter, path)
	cmd.Dir = t.TempDir()
	cmd.Env = append(s.env(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, tail(out, 6000))
	}
	t.Logf("%s:\n%s", name, tail(out, 3000))
	return string(out)
}

// TestAWSCLI is the quickstart by hand: every call an `aws` command.
func TestAWSCLI(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("aws"); err != nil {
		t.Skip("no AWS CLI on this machine")
	}
	needPython(t)
	s := up(t)
	source := filepath.Join(t.TempDir(), "function.zip")
	if err := os.WriteFile(source, pythonCode(t, demoPython(t)), 0o644); err != nil {
		t.Fatal(err)
	}
	out := script(t, s, "cli.sh", "bash", "ZIP="+source)
	for _, want := range []string{`"StatusCode": 200`, `"ExecutedVersion": "$LATEST.PUBLISHED"`, `"n": 7`, "three instances", "platform.report"} {
		if !strings.Contains(out, want) {
			t.Errorf("the script's output lacks %s", want)
		}
	}
}

// TestBoto3 lets boto3's waiters finish and reads the errors it makes of ours.
func TestBoto3(t *testing.T) {
	t.Parallel()
	if exec.Command("python3", "-c", "import boto3").Run() != nil {
		t.Skip("no boto3 on this machine")
	}
	needPython(t)
	script(t, up(t), "boto.py", "python3")
}

// TestEveryOperation lets botocore call everything its models of Lamina's
// services have, and send what nobody would; the script judges the answers.
func TestEveryOperation(t *testing.T) {
	if exec.Command("python3", "-c", "import boto3").Run() != nil {
		t.Skip("no boto3 on this machine")
	}
	page, err := filepath.Abs(filepath.Join("..", "..", "docs", "operations.md"))
	if err != nil {
		t.Fatal(err)
	}
	s := up(t)
	script(t, s, "surface.py", "python3", "OPERATIONS="+page)
	if log, err := os.ReadFile(s.log); err != nil || strings.Contains(string(log), "request failed") || strings.Contains(string(log), "panic") {
		t.Errorf("the server's log tells of faults of its own (%v):\n%s", err, tail(log, 3000))
	}
}
