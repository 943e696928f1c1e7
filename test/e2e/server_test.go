package e2e

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/lamina-dev/lamina/examples/setup"
	"github.com/lamina-dev/lamina/internal/awsproto/sdktest"
)

const (
	startLimit = 30 * time.Second // for a server to answer, on a busy machine
	stopLimit  = 60 * time.Second // for a server to end with all it started
)

// server is a running `lamina up`.
type server struct {
	t        *testing.T
	data     string
	listen   string
	endpoint string
	flags    []string
	cmd      *exec.Cmd
	ended    chan error
	log      string
	user     *syscall.Credential // nil: the test's own
}

// up starts a server that the test's end stops; nothing may be left of it then.
func up(t *testing.T, flags ...string) *server {
	t.Helper()
	return begin(t, &server{data: dataFolder(t), flags: flags})
}

func dataFolder(t *testing.T) string {
	t.Helper()
	data, err := os.MkdirTemp(scratch, "data-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(data, 0o755); err != nil {
		t.Fatal(err)
	}
	return data
}

// begin starts a server of the test's own making, as up does.
func begin(t *testing.T, s *server) *server {
	t.Helper()
	s.t, s.listen, s.log = t, "127.0.0.1:0", s.data+".log"
	s.start()
	t.Cleanup(func() {
		if s.cmd != nil {
			s.stop()
		}
		if t.Failed() {
			s.printLogs()
		}
	})
	return s
}

// start runs the binary and waits until it answers.
func (s *server) start() {
	s.t.Helper()
	log, err := os.OpenFile(s.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		s.t.Fatal(err)
	}
	defer log.Close()
	_ = os.Remove(filepath.Join(s.data, "server.json"))
	cmd := exec.Command(lamina, append([]string{"up", "--data", s.data, "--listen", s.listen}, s.flags...)...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = cleanEnv()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: s.user}
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.cmd, s.ended = cmd, make(chan error, 1)
	go func() { s.ended <- cmd.Wait() }()
	until(s.t, startLimit, "the server answers", func() bool {
		select {
		case err := <-s.ended:
			s.cmd = nil
			s.printLogs()
			s.t.Fatalf("lamina up ended: %v", err)
		default:
		}
		return s.readEndpoint() && healthy(s.endpoint)
	})
	s.listen = strings.TrimPrefix(s.endpoint, "http://")
}

// readEndpoint takes the address from what the server writes into its data folder.
func (s *server) readEndpoint() bool {
	raw, err := os.ReadFile(filepath.Join(s.data, "server.json"))
	if err != nil {
		return false
	}
	var facts struct{ Endpoint string }
	if json.Unmarshal(raw, &facts) != nil {
		return false
	}
	s.endpoint = facts.Endpoint
	return facts.Endpoint != ""
}

func healthy(endpoint string) bool {
	res, err := http.Get(endpoint + "/_lamina/health")
	if err != nil {
		return false
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, res.Body)
	return res.StatusCode == http.StatusOK
}

// stop ends the server with SIGTERM and checks that nothing is left.
func (s *server) stop() {
	s.t.Helper()
	traces := s.traces()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		s.t.Errorf("SIGTERM: %v", err)
	}
	select {
	case err := <-s.ended:
		if err != nil {
			s.t.Errorf("after SIGTERM lamina up ended with: %v", err)
		}
	case <-time.After(stopLimit):
		s.t.Errorf("lamina up still runs %s after SIGTERM", stopLimit)
		_ = s.cmd.Process.Kill()
		<-s.ended
	}
	s.cmd = nil
	traces.checkGone(s.t)
}

// kill ends the server with SIGKILL, which leaves the agents.
func (s *server) kill() {
	s.t.Helper()
	if err := s.cmd.Process.Kill(); err != nil {
		s.t.Fatal(err)
	}
	<-s.ended
	s.cmd = nil
}

// logged says whether the server has written this to its log.
func (s *server) logged(text string) bool {
	s.t.Helper()
	log, err := os.ReadFile(s.log)
	if err != nil {
		s.t.Fatal(err)
	}
	return strings.Contains(string(log), text)
}

func (s *server) printLogs() {
	logs, _ := filepath.Glob(filepath.Join(s.data, "instances", "*", "*.log"))
	for _, name := range append([]string{s.log}, logs...) {
		if raw, err := os.ReadFile(name); err == nil && len(raw) > 0 {
			s.t.Logf("%s:\n%s", filepath.Base(name), tail(raw, 6000))
		}
	}
}

func tail(b []byte, most int) []byte {
	if len(b) > most {
		return b[len(b)-most:]
	}
	return b
}

// clients are AWS's clients without retries: a test sees each answer as it came.
func (s *server) clients() *setup.Clients {
	return setup.FromConfig(aws.Config{
		Region:       region,
		BaseEndpoint: aws.String(s.endpoint),
		Credentials:  credentials.NewStaticCredentialsProvider("test", "test", ""),
		Retryer:      func() aws.Retryer { return aws.NopRetryer{} },
		HTTPClient:   &http.Client{Transport: sdktest.OwnBody{RoundTripper: &http.Transport{MaxIdleConnsPerHost: 64}}},
	})
}

// env is what the users set, and nothing else of AWS's variables.
func (s *server) env() []string {
	return append(cleanEnv(), "AWS_ENDPOINT_URL="+s.endpoint, "AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test",
		"AWS_DEFAULT_REGION="+region, "AWS_CONFIG_FILE="+os.DevNull, "AWS_SHARED_CREDENTIALS_FILE="+os.DevNull)
}

// cleanEnv is this process's environment without any word about AWS or Lamina.
func cleanEnv() []string {
	var env []string
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "AWS_") && !strings.HasPrefix(e, "LAMINA_") && !strings.HasPrefix(e, "TF_") {
			env = append(env, e)
		}
	}
	return env
}

// until polls until something holds.
func until(t *testing.T, limit time.Duration, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(limit); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("after %s it still is not so that %s", limit, what)
		}
	}
}
