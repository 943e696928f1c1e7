package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/lamina-dev/lamina/internal/runtimes"
)

type doctorCmd struct {
	rootsFlag
	Runtime map[string]string `help:"Interpreter of a runtime, as for lamina up." placeholder:"NAME=PATH"`
}

// Run prints what this machine offers.
func (c doctorCmd) Run(ctx context.Context) error {
	places, err := c.places(c.Runtime)
	if err != nil {
		return err
	}
	fmt.Println("Runtimes")
	for _, r := range runtimes.Available(ctx, places) {
		if r.Served {
			report(true, r.Runtime, whence(r.Interpreter))
		} else {
			report(false, r.Runtime, problem(r.Problem))
		}
	}
	reportSandboxes(ctx)
	fmt.Println("Limits")
	limits()
	fmt.Println("Clients")
	for _, cl := range clients {
		cl.report(ctx)
	}
	return nil
}

func problem(err error) string {
	if err == nil {
		return "not served"
	}
	return err.Error()
}

func report(ok bool, name, text string) {
	mark := "ok     "
	if !ok {
		mark = "missing"
	}
	fmt.Printf("  %s  %-18s %s\n", mark, name, strings.ReplaceAll(text, "\n", "\n"+strings.Repeat(" ", 30)))
}

// leastFiles lets a few hundred connections and environments be open at once (chosen).
const leastFiles = 4096

func limits() {
	report(true, "cores", strconv.Itoa(runtime.NumCPU()))
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
		report(false, "open files", err.Error())
		return
	}
	text := fmt.Sprintf("%d, at most %d", files.Cur, files.Max)
	if files.Max < leastFiles {
		text += fmt.Sprintf("; raise it to %d or more: ulimit -n, or nofile in limits.conf", leastFiles)
	}
	report(files.Max >= leastFiles, "open files", text)
}

// client is a program people call Lamina with.
type client struct {
	name    string
	args    []string
	version *regexp.Regexp
	least   [3]int // that knows capacity providers
	hint    string
}

var clients = []client{
	// "Launching Lambda Managed Instances" stands in the change logs of these releases;
	// the provider's 6.25.0 brought aws_lambda_capacity_provider.
	{"aws (v1)", []string{"aws", "--version"}, regexp.MustCompile(`aws-cli/(1)\.(\d+)\.(\d+)`), [3]int{1, 43, 6}, "pip install --upgrade awscli"},
	{"aws (v2)", []string{"aws", "--version"}, regexp.MustCompile(`aws-cli/(2)\.(\d+)\.(\d+)`), [3]int{2, 32, 7}, "see the AWS CLI's install guide"},
	{"terraform", []string{"terraform", "version"}, regexp.MustCompile(`Terraform v(\d+)\.(\d+)\.(\d+)`), [3]int{1, 5, 0}, "see Terraform's install guide; capacity providers need provider hashicorp/aws 6.25 or later"},
}

func (c client) report(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, c.args[0], c.args[1:]...).CombinedOutput()
	if errors.Is(err, exec.ErrNotFound) {
		report(false, c.name, "not installed; "+c.hint)
		return
	}
	m := c.version.FindStringSubmatch(string(out))
	if m == nil {
		if err != nil {
			report(false, c.name, strings.TrimSpace(string(out))+": "+err.Error())
		}
		return // the other major version
	}
	var have [3]int
	for i := range have {
		have[i], _ = strconv.Atoi(m[i+1]) // digits only
	}
	text := strings.Join(m[1:4], ".")
	old := compare(have, c.least) < 0
	if old {
		text += fmt.Sprintf(" is older than %d.%d.%d, the first that knows capacity providers; %s", c.least[0], c.least[1], c.least[2], c.hint)
	}
	report(!old, c.name, text)
}

func compare(a, b [3]int) int {
	for i := range a {
		if a[i] != b[i] {
			return a[i] - b[i]
		}
	}
	return 0
}
