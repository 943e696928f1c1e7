package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/lamina-dev/lamina/internal/check/bed"
	"github.com/lamina-dev/lamina/internal/runtimes/codepkg"
)

// fetched is the part of GetFunction's answer that a check needs.
type fetched struct {
	Code          struct{ Location string }
	Configuration struct {
		FunctionName, Runtime, Handler, PackageType string
		Architectures                               []string
		MemorySize, Timeout                         int
		Environment                                 struct{ Variables map[string]string }
		Layers                                      []struct{ Arn string }
		LoggingConfig                               struct{ LogFormat, ApplicationLogLevel string }
		CapacityProviderConfig                      struct {
			LambdaManagedInstancesCapacityProviderConfig struct {
				PerExecutionEnvironmentMaxConcurrency int
				ExecutionEnvironmentMemoryGiBPerVCpu  float64
			}
		}
	}
}

// fetch takes a function's code and configuration from a server, by AWS's own
// GetFunction, and unpacks the code into dir.
func (c checkCmd) fetch(ctx context.Context, dir string) (f bed.Function, slots int, err error) {
	endpoint := c.Endpoint
	if endpoint == "" {
		endpoint = os.Getenv("AWS_ENDPOINT_URL")
	}
	if endpoint == "" {
		if endpoint, err = c.endpoint(); err != nil {
			return f, 0, err
		}
	}
	var got fetched
	if err := c.getFunction(ctx, endpoint, &got); err != nil {
		return f, 0, err
	}
	g := got.Configuration
	managed := g.CapacityProviderConfig.LambdaManagedInstancesCapacityProviderConfig
	f = bed.Function{
		Name: g.FunctionName, Runtime: g.Runtime, Handler: g.Handler, Architecture: hostArchitecture(), MemoryMB: g.MemorySize,
		Timeout: time.Duration(g.Timeout) * time.Second, Region: c.region(), LogFormat: g.LoggingConfig.LogFormat, LogLevel: g.LoggingConfig.ApplicationLogLevel,
		Variables: g.Environment.Variables, TaskDir: filepath.Join(dir, "task"),
	}
	if len(g.Architectures) > 0 {
		f.Architecture = g.Architectures[0]
	}
	if managed.ExecutionEnvironmentMemoryGiBPerVCpu > 0 {
		f.VCPUs = int(float64(g.MemorySize) / 1024 / managed.ExecutionEnvironmentMemoryGiBPerVCpu)
	}
	if got.Code.Location == "" {
		return f, 0, fmt.Errorf("function %s is a container image, which lamina check does not run yet; put its code into a folder and use --code", g.FunctionName)
	}
	if err := unpack(ctx, got.Code.Location, f.TaskDir); err != nil {
		return f, 0, err
	}
	f.OptDir, err = c.layers(ctx, endpoint, got, dir)
	return f, min(managed.PerExecutionEnvironmentMaxConcurrency, mostSlots), err
}

// layers fetches a function's layers and lays them over each other, as /opt has
// them; "" for none.
func (c checkCmd) layers(ctx context.Context, endpoint string, of fetched, dir string) (opt string, err error) {
	var folders []string
	for i, l := range of.Configuration.Layers {
		var got struct{ Content struct{ Location string } }
		if err := c.get(ctx, endpoint, "GetLayerVersionByArn", "/2018-10-31/layers?find=LayerVersion&Arn="+url.QueryEscape(l.Arn), &got); err != nil {
			return "", err
		}
		to := filepath.Join(dir, fmt.Sprintf("layer-%d", i))
		if err := unpack(ctx, got.Content.Location, to); err != nil {
			return "", fmt.Errorf("layer %s: %w", l.Arn, err)
		}
		folders = append(folders, to)
	}
	if len(folders) == 0 {
		return "", nil
	}
	opt = filepath.Join(dir, "opt")
	return opt, codepkg.Merge(folders, opt)
}

// unpack fetches a package into a new folder.
func unpack(ctx context.Context, from, to string) error {
	zip := to + ".zip"
	if err := download(ctx, from, zip); err != nil {
		return err
	}
	if err := os.Mkdir(to, 0o755); err != nil {
		return err
	}
	return codepkg.Extract(zip, to)
}

// mostSlots bounds the slots of a check that a configuration asks for (chosen):
// more of them find no more, and every one of Python's is a process.
const mostSlots = 64

func (c checkCmd) getFunction(ctx context.Context, endpoint string, into *fetched) error {
	name, qualifier := c.Function, ""
	if i := lastColon(name); i > 0 {
		name, qualifier = name[:i], name[i+1:]
	}
	path := "/2015-03-31/functions/" + url.PathEscape(name)
	if qualifier != "" {
		path += "?Qualifier=" + url.QueryEscape(qualifier)
	}
	return c.get(ctx, endpoint, "GetFunction", path, into)
}

// get asks a server by a signed GET.
func (c checkCmd) get(ctx context.Context, endpoint, operation, path string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, endpoint+path, nil)
	if err != nil {
		return err
	}
	who := aws.Credentials{
		AccessKeyID: cmp.Or(os.Getenv("AWS_ACCESS_KEY_ID"), "test"), SecretAccessKey: cmp.Or(os.Getenv("AWS_SECRET_ACCESS_KEY"), "test"), SessionToken: os.Getenv("AWS_SESSION_TOKEN"),
	}
	nothing := sha256.Sum256(nil)
	if err := v4.NewSigner().SignHTTP(ctx, who, req, hex.EncodeToString(nothing[:]), "lambda", c.region(), time.Now()); err != nil {
		return fmt.Errorf("sign the request: %w", err)
	}
	client := http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{Proxy: nil}}
	res, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("no server answers at %s (%w); start one with: lamina up, or check a folder with --code", endpoint, err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 4<<20))
	if err != nil {
		return fmt.Errorf("read the server's answer: %w", err)
	}
	if res.StatusCode != http.StatusOK {
		var fault struct{ Message string }
		_ = json.Unmarshal(body, &fault) // else the status must do
		return fmt.Errorf("the server answers %s to %s: %s (region %s; --region names another)", res.Status, operation, fault.Message, c.region())
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("read the server's answer: %w", err)
	}
	return nil
}

// lastColon is where a qualifier begins; an ARN's own colons are none.
func lastColon(name string) int {
	at, colons := -1, 0
	for i, r := range name {
		if r == ':' {
			at = i
			colons++
		}
	}
	if colons == 1 || colons == 7 {
		return at
	}
	return -1
}

// download gets the package from where GetFunction says.
func download(ctx context.Context, from, to string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
	if err != nil {
		return err
	}
	client := http.Client{Timeout: 2 * time.Minute, Transport: &http.Transport{Proxy: nil}}
	res, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("fetch the code: %w", err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("fetch the code: %s", res.Status)
	}
	f, err := os.Create(to)
	if err != nil {
		return err
	}
	if _, err := io.Copy(f, res.Body); err != nil {
		f.Close()
		return fmt.Errorf("fetch the code: %w", err)
	}
	return f.Close()
}
