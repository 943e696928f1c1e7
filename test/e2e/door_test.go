package e2e

import (
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/lamina-dev/lamina/examples/setup"
)

const emptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

func TestFrontDoor(t *testing.T) {
	s := up(t)
	const list = "/2015-03-31/functions/"
	sign := func(r *http.Request, key, service string, at time.Time) {
		keys := aws.Credentials{AccessKeyID: key, SecretAccessKey: "test"}
		if err := v4.NewSigner().SignHTTP(t.Context(), keys, r, emptyHash, service, region, at); err != nil {
			t.Fatal(err)
		}
	}
	tests := map[string]struct {
		path   string
		change func(r *http.Request)
		status int
		want   string
	}{
		"signed":                                 {list, func(r *http.Request) { sign(r, "test", "lambda", time.Now()) }, 200, `"Functions"`},
		"unknown key in the header, on loopback": {list, func(r *http.Request) { sign(r, "AKIAIOSFODNN7EXAMPLE", "lambda", time.Now()) }, 200, `"Functions"`},
		"unsigned":                               {list, func(*http.Request) {}, 403, "Missing Authentication Token"},
		"expired":                                {list, func(r *http.Request) { sign(r, "test", "lambda", time.Now().Add(-time.Hour)) }, 403, "Signature expired"},
		"another service":                        {list, func(r *http.Request) { sign(r, "test", "s3", time.Now()) }, 403, ""},
		"tampered": {list, func(r *http.Request) {
			sign(r, "test", "lambda", time.Now())
			r.URL.RawQuery = "MaxItems=1"
		}, 403, "does not match"},
		"foreign host": {list, func(r *http.Request) {
			r.Host = "evil.example"
			sign(r, "test", "lambda", time.Now())
		}, 403, "does not serve the host"},
		"page of another origin": {list, func(r *http.Request) {
			r.Header.Set("Origin", "http://evil.example")
			sign(r, "test", "lambda", time.Now())
		}, 403, ""},
		"cross-site fetch": {list, func(r *http.Request) {
			r.Header.Set("Sec-Fetch-Site", "cross-site")
			sign(r, "test", "lambda", time.Now())
		}, 403, ""},
		"signed link with unknown key": {list, func(r *http.Request) {
			presign(t, r, "AKIAIOSFODNN7EXAMPLE")
		}, 403, ""},
		"signed link with the test key": {list, func(r *http.Request) { presign(t, r, "test") }, 200, `"Functions"`},
		"unknown operation":             {"/2015-03-31/nothing", func(r *http.Request) { sign(r, "test", "lambda", time.Now()) }, 404, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.endpoint+tt.path, nil)
			if err != nil {
				t.Fatal(err)
			}
			tt.change(r)
			res, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			body, err := io.ReadAll(res.Body)
			if err != nil {
				t.Fatal(err)
			}
			if res.StatusCode != tt.status || !strings.Contains(string(body), tt.want) || strings.Contains(strings.ToLower(string(body)), "<html") {
				t.Errorf("%d %s; want %d and %q", res.StatusCode, body, tt.status, tt.want)
			}
		})
	}
}

func presign(t *testing.T, r *http.Request, key string) {
	t.Helper()
	q := r.URL.Query()
	q.Set("X-Amz-Expires", "60")
	r.URL.RawQuery = q.Encode()
	link, _, err := v4.NewSigner().PresignHTTP(t.Context(), aws.Credentials{AccessKeyID: key, SecretAccessKey: "test"}, r, emptyHash, "lambda", region, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	again, err := http.NewRequest(http.MethodGet, link, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.URL = again.URL
}

func TestSecondServerIsRefused(t *testing.T) {
	s := up(t)
	out, err := exec.Command(lamina, "up", "--data", s.data, "--listen", "127.0.0.1:0").CombinedOutput()
	if err == nil || !strings.Contains(string(out), fmt.Sprintf("in use by process %d", s.cmd.Process.Pid)) {
		t.Errorf("on one data folder: %v, %s", err, out)
	}
	out, err = exec.Command(lamina, "up", "--data", filepath.Join(t.TempDir(), "d"), "--listen", s.listen).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "--listen") || !strings.Contains(string(out), "(lamina)") {
		t.Errorf("on one port: %v, %s", err, out)
	}
}

// TestNobodyMissesWhatWasAcknowledged: create → get and Active → invoke at once,
// from many clients.
func TestNobodyMissesWhatWasAcknowledged(t *testing.T) {
	const clients = 32
	p := makePlace(t, up(t))
	code, err := goCode()
	if err != nil {
		t.Fatal(err)
	}
	p.publish(t, p.goFunction(t, "shared"))
	var group sync.WaitGroup
	for i := range clients {
		group.Go(func() {
			name := fmt.Sprintf("f%d", i)
			_, err := p.Lambda.CreateFunction(t.Context(), &lambda.CreateFunctionInput{
				FunctionName: &name, Role: &p.execution, Runtime: types.RuntimeProvidedal2023, Handler: aws.String("bootstrap"),
				Code: &types.FunctionCode{ZipFile: code},
			}, patient) // so many uploads may be more than the server takes in at once
			if err != nil {
				t.Errorf("create %s: %v", name, err)
				return
			}
			if _, err := p.Lambda.GetFunction(t.Context(), &lambda.GetFunctionInput{FunctionName: &name}); err != nil {
				t.Errorf("get %s right after its creation: %v", name, err)
			}
		})
	}
	group.Wait()
	for range 3 {
		version, err := p.Lambda.PublishVersion(t.Context(), &lambda.PublishVersionInput{FunctionName: aws.String("shared"), Description: aws.String(time.Now().String())})
		if err != nil {
			t.Fatal(err)
		}
		for range clients {
			group.Go(func() { invokeWhenActive(t, p.Clients, *version.Version) })
		}
		group.Wait()
		if _, err := p.Lambda.UpdateFunctionConfiguration(t.Context(), &lambda.UpdateFunctionConfigurationInput{FunctionName: aws.String("shared"), Description: aws.String(time.Now().String())}); err != nil {
			t.Fatal(err)
		}
	}
}

// patient tries again what the server refuses for now, as all of AWS's clients do.
func patient(o *lambda.Options) {
	o.Retryer = retry.NewStandard(func(s *retry.StandardOptions) { s.MaxAttempts, s.RateLimiter = 20, ratelimit.None })
}

// invokeWhenActive invokes in the moment in which the version is said to be active.
func invokeWhenActive(t *testing.T, c *setup.Clients, version string) {
	name := "shared"
	for end := time.Now().Add(activeLimit); time.Now().Before(end); {
		f, err := c.Lambda.GetFunctionConfiguration(t.Context(), &lambda.GetFunctionConfigurationInput{FunctionName: &name, Qualifier: &version})
		if err != nil {
			t.Error(err)
			return
		}
		if f.State == types.StatePending {
			continue
		}
		if _, err := c.Lambda.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: &name, Qualifier: &version, Payload: []byte(`{"n":1,"sleep":0}`)}); err != nil {
			t.Errorf("version %s is %s: %v", version, f.State, err)
		}
		return
	}
	t.Errorf("version %s is not active", version)
}
