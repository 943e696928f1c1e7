package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/lambda"
)

// command runs the binary on the server's data folder.
func (s *server) command(env []string, args ...string) (string, error) {
	cmd := exec.CommandContext(s.t.Context(), lamina, args...)
	cmd.Env = append(append(cleanEnv(), "LAMINA_DATA="+s.data), env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// What keeps a client away from real AWS, as a shell and as a child sees it.
func TestEnvAndExec(t *testing.T) {
	s := up(t)
	hostile := []string{"AWS_PROFILE=production", "AWS_SESSION_TOKEN=secret", "AWS_ENDPOINT_URL_LAMBDA=https://lambda.example.com", "AWS_ACCESS_KEY_ID=AKIAREAL"}
	show := `echo "$AWS_ENDPOINT_URL|$AWS_ACCESS_KEY_ID|$AWS_PROFILE|$AWS_SESSION_TOKEN|$AWS_ENDPOINT_URL_LAMBDA|$AWS_EC2_METADATA_DISABLED|$NO_PROXY|$LAMINA_DATA"`
	want := s.endpoint + "|test||||true|localhost,127.0.0.1,::1|" + s.data + "\n"
	shell := exec.Command("sh", "-c", fmt.Sprintf("eval \"$(%s env --data %s)\"; %s", lamina, s.data, show))
	shell.Env = append(cleanEnv(), hostile...)
	if out, err := shell.CombinedOutput(); err != nil || string(out) != want {
		t.Errorf("lamina env: %v, got %q, want %q", err, out, want)
	}
	if out, err := s.command(hostile, "exec", "--", "sh", "-c", show); err != nil || out != want {
		t.Errorf("lamina exec: %v, got %q, want %q", err, out, want)
	}
	if out, err := s.command(nil, "exec", "--", "sh", "-c", "exit 7"); err == nil || err.Error() != "exit status 7" {
		t.Errorf("lamina exec keeps the command's exit status: %v, %s", err, out)
	}
	s.stop()
	out, err := s.command(nil, "exec", "--", "sh", "-c", "echo ran")
	if err == nil || strings.Contains(out, "ran") || !strings.Contains(out, "lamina up") {
		t.Errorf("lamina exec without a server: %v, %s", err, out)
	}
}

func TestDownAndReset(t *testing.T) {
	s := up(t)
	p := makePlace(t, s)
	p.publish(t, p.goFunction(t, "kept"))
	traces := s.traces()
	if out, err := s.command(nil, "down"); err != nil || !strings.Contains(out, "stopped") {
		t.Errorf("lamina down: %v, %s", err, out)
	}
	<-s.ended
	traces.checkGone(t)
	s.start()
	p.Clients = s.clients()
	p.must(t, "kept") // an active version has its environments when the server answers
	if out, err := s.command(nil, "reset"); err != nil || !strings.Contains(out, "Emptied") {
		t.Errorf("lamina reset: %v, %s", err, out)
	}
	<-s.ended
	s.start()
	_, err := s.clients().Lambda.GetFunction(t.Context(), &lambda.GetFunctionInput{FunctionName: new("kept")})
	if code(err) != "ResourceNotFoundException" {
		t.Errorf("after a reset the function is still there: %v", err)
	}
}

// A wrong --data costs nobody's files.
func TestResetSparesForeignFolders(t *testing.T) {
	dir := t.TempDir()
	mine := filepath.Join(dir, "images", "holiday.jpg")
	if err := os.MkdirAll(filepath.Dir(mine), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(mine, []byte("sea"), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), lamina, "reset", "--data", dir).CombinedOutput()
	if _, gone := os.Stat(mine); err != nil || gone != nil || !strings.Contains(string(out), "nothing is removed") {
		t.Errorf("lamina reset of a folder that is none of Lamina's: %v, %v, %s", err, gone, out)
	}
}

// What a command says when it can't do as it was told: one line of what to do next.
func TestRefusalsOfCommands(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"explain", "f", "--data", dir}, "--data DIR"},
		{[]string{"outage", "us-east-9z", "--data", dir}, "neither a zone"},
		{[]string{"up", "--vcpu-cores=-1", "--data", dir}, "above 0"},
		{[]string{"up", "--nonsense"}, "lamina up --help"},
		{[]string{"nonsense"}, "lamina --help"},
		{[]string{"simulate", "--load", "much"}, "steady:RATE"},
		{[]string{"runtimes", "install", "cobol"}, "lamina runtimes list"},
	} {
		out, err := exec.CommandContext(t.Context(), lamina, c.args...).CombinedOutput()
		if lines := strings.Count(string(out), "\n"); err == nil || !strings.Contains(string(out), c.want) || lines > 4 {
			t.Errorf("lamina %s: %v, %d lines without %q:\n%s", strings.Join(c.args, " "), err, lines, c.want, out)
		}
	}
}

func TestDoctor(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), lamina, "doctor").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{"Runtimes", "python3.13", "provided.al2023", "Sandbox", "Limits", "open files", "Clients", "terraform"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("lamina doctor says nothing of %s:\n%s", want, out)
		}
	}
}

// nobody is a user without rights.
var nobody = &syscall.Credential{Uid: 65534, Gid: 65534}

// The whole of it works for a user without rights as well.
func TestWithoutRoot(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("every test of this run is without root")
	}
	data := dataFolder(t)
	if err := os.Chown(data, int(nobody.Uid), int(nobody.Gid)); err != nil {
		t.Fatal(err)
	}
	p := makePlace(t, begin(t, &server{data: data, user: nobody}))
	p.publish(t, p.goFunction(t, "crowd"))
	allSlotsAtOnce(t, p)
}
