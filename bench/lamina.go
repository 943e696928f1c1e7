package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/lamina-dev/lamina/bench/load"
	"github.com/lamina-dev/lamina/examples/setup"
)

const (
	region   = "us-east-1"
	name     = "bench" // of network, roles and provider
	slotsMax = 64      // per environment, and so many workers in it
	minimum  = 3       // environments a version has unless told otherwise
	// eachLimit bounds how long one more environment may take (chosen, far above what it needs).
	eachLimit = 200 * time.Millisecond
)

// laminaServer is one Lamina with everything a function needs, shared by its subjects.
type laminaServer struct {
	process  *process
	endpoint string
	function setup.Function
	clients  *setup.Clients
	uses     int
}

// startLamina publishes the function on a capacity provider of a whole Lamina.
func startLamina(official bool) func(*bench, *subject) error {
	return func(b *bench, s *subject) error {
		l, err := b.startServer()
		if err != nil {
			return err
		}
		s.ends = append(s.ends, b.stopServer)
		f := l.function
		f.Name = s.key
		if official {
			variable, value, _ := strings.Cut(officialClient, "=")
			f.Variables = map[string]string{variable: value}
		}
		if err := l.clients.Publish(b.ctx, f); err != nil {
			return err
		}
		if err := l.clients.WaitActive(b.ctx, f.Name, startLimit); err != nil {
			return err
		}
		if err := l.scale(b, f.Name); err != nil {
			return err
		}
		signed := &signedRequest{clients: l.clients, host: strings.TrimPrefix(l.endpoint, "http://"), function: f.Name, body: b.payload}
		if err := signed.keepFresh(b.ctx); err != nil {
			return err
		}
		s.target = load.Target{Addr: signed.host, Request: signed.get, Answer: b.payload}
		pid := l.process.pid()
		s.cpu = func() usage { return laminaUsage(pid) }
		return nil
	}
}

// startServer brings Lamina up with network, roles and provider at the first use.
func (b *bench) startServer() (_ *laminaServer, err error) {
	if b.server != nil {
		b.server.uses++
		return b.server, nil
	}
	l := &laminaServer{uses: 1}
	if err := l.up(b); err != nil {
		return nil, err
	}
	b.server = l
	l.clients = setup.New(l.endpoint, region)
	if err := l.landscape(b); err != nil {
		return nil, errors.Join(err, b.stopServer())
	}
	return l, nil
}

// stopServer ends Lamina with its last subject: by SIGTERM, which leaves nothing.
func (b *bench) stopServer() error {
	l := b.server
	if l.uses--; l.uses > 0 {
		return nil
	}
	b.server = nil
	if err := l.process.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("ending lamina up: %w", err)
	}
	return l.process.stop()
}

// up starts the server on a free port with a data folder of its own, all else as it comes.
func (l *laminaServer) up(b *bench) error {
	data := filepath.Join(b.dir, "data")
	if err := os.Mkdir(data, 0o755); err != nil {
		return err
	}
	log, err := os.Create(data + ".log")
	if err != nil {
		return err
	}
	defer log.Close()
	args := append([]string{"up", "--listen", "127.0.0.1:0", "--data", data}, b.up...)
	cmd := exec.Command(b.lamina, args...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for the benchmark, which then ends it properly
	if l.process, err = start(cmd); err != nil {
		return err
	}
	limit := time.Now().Add(startLimit)
	for {
		raw, err := os.ReadFile(filepath.Join(data, "server.json"))
		var facts struct{ Endpoint string }
		if err == nil && json.Unmarshal(raw, &facts) == nil && facts.Endpoint != "" {
			l.endpoint = facts.Endpoint
			return nil
		}
		select {
		case err := <-l.process.ended:
			said, _ := os.ReadFile(log.Name()) // as much as can be had
			return fmt.Errorf("lamina up ended: %v\n%s", err, said)
		case <-time.After(10 * time.Millisecond):
		}
		if time.Now().After(limit) {
			return errors.Join(fmt.Errorf("lamina up does not answer after %s", startLimit), l.process.kill())
		}
	}
}

// landscape makes what the functions stand on, through the public API.
func (l *laminaServer) landscape(b *bench) error {
	network, err := l.clients.Network(b.ctx, name, 3)
	if err != nil {
		return err
	}
	operator, err := l.clients.Role(b.ctx, name+"-operator", setup.OperatorPolicy)
	if err != nil {
		return err
	}
	l.function = setup.Function{Runtime: types.RuntimeProvidedal2023, Handler: "bootstrap", MaxConcurrency: int32(b.slots())}
	if l.function.Role, err = l.clients.Role(b.ctx, name+"-execution", setup.ExecutionPolicy); err != nil {
		return err
	}
	binary, err := os.ReadFile(b.bootstrap)
	if err != nil {
		return err
	}
	if l.function.Zip, err = setup.Zip(map[string][]byte{"bootstrap": binary}); err != nil {
		return err
	}
	l.function.Provider, err = l.clients.Provider(b.ctx, name, network, operator, nil)
	return err
}

// scale gives a function the wanted number of environments, if it is not what it has anyway.
func (l *laminaServer) scale(b *bench, function string) error {
	if b.environments == minimum {
		return nil
	}
	return l.scaleTo(b.ctx, function, b.environments)
}

// scaleTo waits until a function has exactly so many environments.
func (l *laminaServer) scaleTo(ctx context.Context, function string, many int) error {
	n := int32(many)
	ref, qualifier := &function, new(setup.Latest)
	if _, err := l.clients.Lambda.PutFunctionScalingConfig(ctx, &lambda.PutFunctionScalingConfigInput{
		FunctionName: ref, Qualifier: qualifier, FunctionScalingConfig: &types.FunctionScalingConfig{MinExecutionEnvironments: &n, MaxExecutionEnvironments: &n},
	}); err != nil {
		return fmt.Errorf("asking for %d environments of %s: %w", n, function, err)
	}
	limit := time.Now().Add(startLimit + time.Duration(many)*eachLimit)
	for {
		got, err := l.clients.Lambda.GetFunctionScalingConfig(ctx, &lambda.GetFunctionScalingConfigInput{FunctionName: ref, Qualifier: qualifier})
		if err != nil {
			return fmt.Errorf("waiting for %d environments of %s: %w", n, function, err)
		}
		if a := got.AppliedFunctionScalingConfig; a != nil && a.MinExecutionEnvironments != nil && *a.MinExecutionEnvironments == n {
			return nil
		}
		if time.Now().After(limit) {
			return fmt.Errorf("%s has not got its %d environments in time", function, n)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// laminaUsage sums up the server, its agents and the functions' processes.
func laminaUsage(server int) usage {
	u := usage{"server": cpuTime(server)}
	for pid, command := range descendants(server) {
		u[laminaRole(command)] += cpuTime(pid)
	}
	return u
}

// The roles of the processes below a server.
const (
	roleAgent   = "agent"
	roleSandbox = "sandbox"
	roleRuntime = "runtime"
)

// laminaRole tells what a process below a server is for. The function is the
// benchmark's own, whose command line is its bootstrap alone.
func laminaRole(command string) string {
	switch {
	case strings.Contains(command, "lamina agent"):
		return roleAgent
	case strings.HasSuffix(strings.TrimSpace(command), "/bootstrap"):
		return roleRuntime
	default:
		return roleSandbox
	}
}

// signedRequest is an Invoke request under SigV4. Signing takes longer than
// the generator spends on a request, so it is done once a second beside the
// measured loop; Lamina knows nothing of that and verifies every one.
type signedRequest struct {
	clients        *setup.Clients
	host, function string
	body           []byte
	current        atomic.Pointer[[]byte]
}

func (s *signedRequest) get() []byte { return *s.current.Load() }

// keepFresh signs now and every second until ctx ends.
func (s *signedRequest) keepFresh(ctx context.Context) error {
	if err := s.sign(ctx); err != nil {
		return err
	}
	go func() { // ends with ctx, and the benchmark with it
		for tick := time.NewTicker(time.Second); ; {
			select {
			case <-tick.C:
				_ = s.sign(ctx) // the old one is good for minutes
			case <-ctx.Done():
				tick.Stop()
				return
			}
		}
	}()
	return nil
}

func (s *signedRequest) sign(ctx context.Context) error {
	path := "/2015-03-31/functions/" + s.function + "/invocations"
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+s.host+path, nil)
	if err != nil {
		return err
	}
	r.ContentLength = int64(len(s.body))
	keys := aws.Credentials{AccessKeyID: "test", SecretAccessKey: "test"}
	hash := sha256.Sum256(s.body)
	if err := v4.NewSigner().SignHTTP(ctx, keys, r, hex.EncodeToString(hash[:]), "lambda", region, time.Now()); err != nil {
		return err
	}
	out := fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\nX-Amz-Date: %s\r\nAuthorization: %s\r\n\r\n%s",
		path, s.host, len(s.body), r.Header.Get("X-Amz-Date"), r.Header.Get("Authorization"), s.body)
	s.current.Store(&out)
	return nil
}
