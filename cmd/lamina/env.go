package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"
)

const (
	defaultListen = "127.0.0.1:4566" // where the ecosystem's local wrappers look (DESIGN.md 21)
	defaultRegion = "us-east-1"
	ownPath       = "/_lamina/" // of all that is no operation of AWS
	healthPath    = ownPath + "health"
)

// targetFlags say which server a client command means.
type targetFlags struct {
	dataFlags
	Endpoint string `help:"Endpoint of the server (default: the one of the data folder)." placeholder:"URL"`
	Region   string `help:"Region to use (default: AWS_REGION, else us-east-1)."`
}

// clientEnv is the environment for clients of this server: with the data folder
// where it is not the usual one, so that lamina's own commands find it as well.
func (t targetFlags) clientEnv(endpoint string) (set [][2]string, unset []string, err error) {
	set, unset = clientEnv(endpoint, t.region())
	if t.Data == "" {
		return set, unset, nil
	}
	f, err := t.folder()
	return append(set, [2]string{"LAMINA_DATA", string(f)}), unset, err
}

func (t targetFlags) endpoint() (string, error) {
	if t.Endpoint != "" {
		return t.Endpoint, nil
	}
	f, err := t.folder()
	if err != nil {
		return "", err
	}
	r, ok, err := f.read()
	if err != nil {
		return "", err
	}
	if ok {
		return r.Endpoint, nil
	}
	return "http://" + defaultListen, nil
}

func (t targetFlags) region() string {
	for _, r := range []string{t.Region, os.Getenv("AWS_REGION"), os.Getenv("AWS_DEFAULT_REGION")} {
		if r != "" {
			return r
		}
	}
	return defaultRegion
}

// clientEnv is exactly what a client needs, and what it must not have.
func clientEnv(endpoint, region string) (set [][2]string, unset []string) {
	host := strings.TrimPrefix(strings.TrimPrefix(endpoint, "http://"), "https://")
	host, _, _ = strings.Cut(host, "/")
	if i := strings.LastIndex(host, ":"); i >= 0 {
		host = host[:i]
	}
	noProxy := "localhost,127.0.0.1,::1"
	if !slices.Contains(strings.Split(noProxy, ","), strings.Trim(host, "[]")) {
		noProxy += "," + host
	}
	set = [][2]string{
		{"AWS_ENDPOINT_URL", endpoint},
		{"AWS_ACCESS_KEY_ID", "test"},
		{"AWS_SECRET_ACCESS_KEY", "test"},
		{"AWS_REGION", region},
		{"AWS_DEFAULT_REGION", region},
		{"AWS_EC2_METADATA_DISABLED", "true"},
		{"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "false"},
		{"NO_PROXY", noProxy},
		{"no_proxy", noProxy},
	}
	unset = []string{"AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN", "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE",
		"AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"}
	for _, e := range os.Environ() {
		name, _, _ := strings.Cut(e, "=")
		if strings.HasPrefix(name, "AWS_ENDPOINT_URL_") {
			unset = append(unset, name) // one service's own endpoint would win over ours
		}
	}
	return set, unset
}

type envCmd struct{ targetFlags }

// Run prints shell commands.
func (c envCmd) Run(ctx context.Context) error {
	endpoint, err := c.endpoint()
	if err != nil {
		return err
	}
	set, unset, err := c.clientEnv(endpoint)
	if err != nil {
		return err
	}
	if health(ctx, endpoint) != nil { // what is printed is right for one that starts later
		fmt.Fprintf(os.Stderr, "lamina: no Lamina server answers at %s yet; start one with: lamina up\n", endpoint)
	}
	for _, kv := range set {
		fmt.Printf("export %s=%s\n", kv[0], shellQuote(kv[1]))
	}
	fmt.Println("unset " + strings.Join(unset, " "))
	return nil
}

func shellQuote(s string) string {
	if strings.IndexFunc(s, func(r rune) bool {
		return !strings.ContainsRune("-_./:,", r) && (r < '0' || r > 'z' || (r > '9' && r < 'A') || (r > 'Z' && r < 'a'))
	}) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

type execCmd struct {
	targetFlags
	Command []string `arg:"" passthrough:"" help:"The command and its arguments, after --."`
}

// Run replaces this process by the command, after the server has answered.
func (c execCmd) Run(ctx context.Context) error {
	command := c.Command
	if len(command) > 0 && command[0] == "--" {
		command = command[1:]
	}
	if len(command) == 0 {
		return errors.New("name a command: lamina exec -- terraform apply")
	}
	endpoint, err := c.endpoint()
	if err != nil {
		return err
	}
	if err := health(ctx, endpoint); err != nil {
		return fmt.Errorf("no Lamina server answers at %s (%w); start one with: lamina up", endpoint, cmp.Or(errors.Unwrap(err), err))
	}
	path, err := exec.LookPath(command[0])
	if err != nil {
		return fmt.Errorf("find the command %s: %w", command[0], cmp.Or(errors.Unwrap(err), err))
	}
	set, unset, err := c.clientEnv(endpoint)
	if err != nil {
		return err
	}
	return syscall.Exec(path, command, mergeEnv(os.Environ(), set, unset))
}

func mergeEnv(env []string, set [][2]string, unset []string) []string {
	drop := map[string]bool{}
	for _, name := range unset {
		drop[name] = true
	}
	for _, kv := range set {
		drop[kv[0]] = true
	}
	out := slices.DeleteFunc(env, func(e string) bool {
		name, _, _ := strings.Cut(e, "=")
		return drop[name]
	})
	for _, kv := range set {
		out = append(out, kv[0]+"="+kv[1])
	}
	return out
}

// health asks whether a Lamina server answers at the endpoint.
func health(ctx context.Context, endpoint string) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, endpoint+healthPath, nil)
	if err != nil {
		return err
	}
	client := http.Client{Transport: &http.Transport{Proxy: nil}}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 1<<10))
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK || !strings.Contains(string(body), `"lamina"`) {
		return fmt.Errorf("something else answers there, with status %d", res.StatusCode)
	}
	return nil
}
