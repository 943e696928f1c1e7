package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/lamina-dev/lamina/internal/check"
	"github.com/lamina-dev/lamina/internal/check/bed"
	checkreport "github.com/lamina-dev/lamina/internal/check/report"
	"github.com/lamina-dev/lamina/internal/sandbox/plain"
)

type checkCmd struct {
	targetFlags
	rootsFlag
	Function string `arg:"" optional:"" help:"FUNCTION or FUNCTION:QUALIFIER of a running server; or give --code."`

	Code    string            `help:"Folder or zip file of the code; no server is needed." placeholder:"DIR"`
	Handler string            `help:"Handler, as in the function's configuration."`
	Runtime string            `help:"Runtime, for example python3.13, nodejs22.x or provided.al2023."`
	Events  string            `help:"Folder of JSON files, one event each (default: the folder events in that of --code)." placeholder:"DIR"`
	Slots   int               `help:"Most requests at once (default: the function's configuration, else 16)."`
	Time    time.Duration     `help:"How long to look." default:"60s"`
	Seed    uint64            `help:"Same seed, same plan of requests; 0: a new one." default:"0"`
	Timeout time.Duration     `help:"Timeout of the function (default: its configuration, else 3s)."`
	Memory  int               `help:"Memory of the function, MB (default: its configuration, else 2048)."`
	Env     map[string]string `help:"Environment variables of the function, NAME=VALUE." placeholder:"NAME=VALUE" mapsep:"none"`
	Using   map[string]string `help:"Interpreters by name, RUNTIME=PATH." placeholder:"RUNTIME=PATH" name:"interpreter" mapsep:"none"`

	JSON  string `help:"Write the report as JSON to this file; - is standard output." placeholder:"FILE" name:"json"`
	JUnit string `help:"Write it as JUnit XML." placeholder:"FILE" name:"junit"`
	SARIF string `help:"Write it as SARIF." placeholder:"FILE" name:"sarif"`
	SVG   string `help:"Draw the run that shows the first finding; those of further ones get numbers." placeholder:"FILE" name:"svg"`
	Quiet bool   `help:"Do not tell what is being done."`
}

// The exit statuses of lamina check; 0 says that nothing was found.
const (
	exitFindings = exitError(1)
	exitNoCheck  = exitError(2)
)

// Run checks and reports.
func (c checkCmd) Run(ctx context.Context) error {
	r, err := c.run(ctx)
	if err != nil {
		fmt.Fprintln(os.Stderr, "lamina check: "+err.Error())
		fmt.Fprintln(os.Stderr, "No verdict.")
		return exitNoCheck
	}
	if err := c.write(r); err != nil {
		fmt.Fprintln(os.Stderr, "lamina check: "+err.Error())
		return exitNoCheck
	}
	if len(r.Findings) > 0 {
		return exitFindings
	}
	return nil
}

func (c checkCmd) run(ctx context.Context) (checkreport.Report, error) {
	if c.Time < time.Second {
		return checkreport.Report{}, errors.New("--time is at least 1s; a first look takes some 5s, a thorough one a minute")
	}
	if c.Slots != 0 && (c.Slots < 2 || c.Slots > 1600) {
		return checkreport.Report{}, errors.New("--slots is 2 to 1600")
	}
	dir, err := os.MkdirTemp("", "lamina-check-code-")
	if err != nil {
		return checkreport.Report{}, fmt.Errorf("make a folder for the code: %w", err)
	}
	defer os.RemoveAll(dir)
	cfg, err := c.config(ctx, dir)
	if err != nil {
		return checkreport.Report{}, err
	}
	if cfg.Sandbox, err = plain.New(ctx); err != nil {
		return checkreport.Report{}, err
	}
	if cfg.Progress != nil {
		cfg.Progress("preparing the code; Go is built here")
	}
	if cfg.Go, err = check.BuildGo(ctx, cfg.Function, dir); err != nil {
		return checkreport.Report{}, err
	}
	if cfg.Go != nil {
		cfg.Function.TaskDir = cfg.Go.Dir
	}
	return check.Run(ctx, cfg)
}

// config says what to check: the flags, over what a server says of the function.
func (c checkCmd) config(ctx context.Context, dir string) (check.Config, error) {
	cfg := check.Config{MaxSlots: c.Slots, Time: c.Time, Seed: c.Seed, Progress: c.progress()}
	if cfg.Seed == 0 {
		cfg.Seed = rand.Uint64N(1<<32-1) + 1
	}
	var err error
	if cfg.Runtimes, err = c.places(c.Using); err != nil {
		return cfg, err
	}
	switch {
	case c.Function != "" && c.Code != "":
		err = errors.New("give either FUNCTION, which a server has, or --code, not both")
	case c.Function != "":
		cfg.Function, cfg.MaxSlots, err = c.fetch(ctx, dir)
	case c.Code == "":
		err = errors.New("say what to check: FUNCTION of a running server, or --code DIR --handler HANDLER --runtime RUNTIME")
	default:
		cfg.Function, err = c.local()
	}
	if err != nil {
		return cfg, err
	}
	c.override(&cfg)
	events := c.Events
	if events == "" && c.Code != "" {
		events = filepath.Join(c.Code, "events")
	}
	if events == "" {
		return cfg, &check.NotCheckable{Why: "There are no events to run.", Provide: "Put some that the function really gets, as JSON files of different content, into a folder and name it with --events DIR."}
	}
	cfg.Events, err = check.ReadEvents(events)
	return cfg, err
}

func (c checkCmd) local() (bed.Function, error) {
	if c.Runtime == "" || c.Handler == "" && !strings.HasPrefix(c.Runtime, "provided") {
		return bed.Function{}, errors.New("--code takes --handler and --runtime as well, for example --handler app.handler --runtime python3.13")
	}
	path, err := filepath.Abs(c.Code)
	if err != nil {
		return bed.Function{}, err
	}
	if info, err := os.Stat(path); err != nil || !info.IsDir() && filepath.Ext(path) != ".zip" {
		return bed.Function{}, fmt.Errorf("--code %s is neither a folder nor a zip file: name the folder that the handler's file is in", c.Code)
	}
	name := strings.TrimSuffix(filepath.Base(path), ".zip")
	return bed.Function{Name: name, TaskDir: path, Architecture: hostArchitecture(), Region: c.region()}, nil
}

// override lets flags have the last word.
func (c checkCmd) override(cfg *check.Config) {
	f := &cfg.Function
	if c.Runtime != "" {
		f.Runtime = c.Runtime
	}
	if c.Handler != "" {
		f.Handler = c.Handler
	}
	if c.Slots != 0 {
		cfg.MaxSlots = c.Slots
	}
	if c.Timeout != 0 {
		f.Timeout = c.Timeout
	}
	if c.Memory != 0 {
		f.MemoryMB = c.Memory
	}
	if f.Timeout == 0 {
		f.Timeout = 3 * time.Second
	}
	if f.MemoryMB == 0 {
		f.MemoryMB = 2048
	}
	f.VCPUs = max(1, f.VCPUs)
	variables := map[string]string{}
	for _, set := range []map[string]string{f.Variables, c.Env} {
		for name, value := range set {
			variables[name] = value
		}
	}
	f.Variables = variables
}

func hostArchitecture() string {
	if runtime.GOARCH == "arm64" {
		return "arm64"
	}
	return "x86_64"
}

// progress tells on standard error what is being done.
func (c checkCmd) progress() func(string) {
	if c.Quiet {
		return nil
	}
	began := time.Now()
	return func(text string) {
		fmt.Fprintf(os.Stderr, "%5.1f s  %s\n", time.Since(began).Seconds(), text)
	}
}

// write writes the report in all the forms that are wanted.
func (c checkCmd) write(r checkreport.Report) error {
	toStdout := false
	for _, form := range []struct {
		path  string
		write func(io.Writer) error
	}{
		{c.JSON, r.JSON}, {c.JUnit, r.JUnit},
		{c.SARIF, func(w io.Writer) error { return r.SARIF(w, handlerFile(c.Code, r.Handler)) }},
	} {
		if form.path == "-" {
			toStdout = true
			if err := form.write(os.Stdout); err != nil {
				return err
			}
		} else if err := writeFile(form.path, form.write); err != nil {
			return err
		}
	}
	if err := c.pictures(r); err != nil || toStdout {
		return err
	}
	return r.Text(os.Stdout)
}

// pictures draws a file for each finding that has a run to show.
func (c checkCmd) pictures(r checkreport.Report) error {
	if c.SVG == "" {
		return nil
	}
	ext := filepath.Ext(c.SVG)
	drawn := 0
	for _, t := range r.Timelines {
		if len(t.Bars) == 0 {
			continue
		}
		path := c.SVG
		if drawn++; drawn > 1 {
			path = fmt.Sprintf("%s-%d%s", strings.TrimSuffix(c.SVG, ext), drawn, ext)
		}
		if err := writeFile(path, t.SVG); err != nil {
			return err
		}
	}
	return nil
}

// handlerFile guesses the file that a handler is in, for findings without one.
func handlerFile(code, handler string) string {
	module := handler
	if i := strings.LastIndex(handler, "."); i > 0 {
		module = strings.ReplaceAll(handler[:i], ".", "/")
	}
	for _, ext := range []string{".py", ".mjs", ".js", ".cjs", ".java"} {
		if _, err := os.Stat(filepath.Join(code, module+ext)); err == nil {
			return module + ext
		}
	}
	return module
}
