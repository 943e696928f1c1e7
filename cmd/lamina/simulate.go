package main

import (
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"time"

	"github.com/lamina-dev/lamina"
	"github.com/lamina-dev/lamina/internal/sim"
)

type simulateCmd struct {
	Load   string        `required:"" help:"What comes: steady:RATE, step:FROM:TO@AT, ramp:FROM:TO@PERIOD, sine:LOW:HIGH@PERIOD, sawtooth:LOW:HIGH@PERIOD (calls per second), file:PATH (lines of seconds,rate), or log:PATH (access log: common log format or JSON lines)." placeholder:"LOAD"`
	Field  string        `help:"Field of a JSON log line that holds its time." default:"time" name:"time-field"`
	Scale  float64       `help:"Multiply the load by this." default:"1"`
	Length time.Duration `help:"How long to simulate; default: the file's or log's length, else an hour." placeholder:"TIME"`

	CPU    time.Duration `help:"CPU time of one call." default:"5ms"`
	Wait   time.Duration `help:"Time a call waits without CPU." default:"50ms"`
	Jitter float64       `help:"Share by which both vary to either side, 0 to 1." default:"0.2"`
	Memory int32         `help:"Memory of the function, MB." default:"2048"`
	Ratio  float64       `help:"GiB per vCPU, 2 to 8." default:"2"`
	Slots  int32         `help:"Invocations at once in one environment." default:"16"`
	Min    int           `help:"Least environments." default:"3"`
	Max    int           `help:"Most environments; -1: no limit." default:"-1"`

	MaxVCPU      int32         `help:"MaxVCpuCount of the capacity provider." default:"400" name:"max-vcpu"`
	Target       float64       `help:"CPU target in percent; 0: Auto." default:"0"`
	Types        []string      `help:"Allowed instance types; * stands for any text." placeholder:"TYPE"`
	Exclude      []string      `help:"Excluded instance types." placeholder:"TYPE"`
	Architecture string        `help:"x86_64 or arm64." enum:"x86_64,arm64" default:"x86_64"`
	Zones        int           `help:"Availability zones of the provider's subnets." default:"3"`
	Launch       time.Duration `help:"How long an instance takes to launch (AWS: about a minute)." default:"100ms"`
	Start        time.Duration `help:"How long an environment takes to start." default:"150ms"`

	LambdaMemory int32  `help:"Memory of the same function on ordinary Lambda, MB." default:"512" name:"lambda-memory"`
	Seed         uint64 `help:"Same seed, same run." default:"1"`
	Exact        bool   `help:"Play each single call, also above 200 million of them."`
	CSV          string `help:"Write the series to this file." placeholder:"FILE" name:"csv"`
	JSON         string `help:"Write summary and series to this file." placeholder:"FILE" name:"json"`
	SVG          string `help:"Write a chart to this file." placeholder:"FILE" name:"svg"`
}

// exactCalls is up to how many calls each is played by itself (issue 5; about a
// minute on the development machine).
const exactCalls = 200e6

// points is how many the series has at most.
const points = 900

// Run simulates and reports.
func (c simulateCmd) Run() error {
	if err := c.check(); err != nil {
		return err
	}
	traffic, length, err := c.traffic()
	if err != nil {
		return err
	}
	cfg := c.config(traffic, length)
	if err := sim.Fits(cfg.Functions[0].Profile, cfg.Providers[0]); err != nil {
		return err
	}
	if cfg.Aggregate = !c.Exact && traffic.Calls(length) > exactCalls; cfg.Aggregate {
		fmt.Fprintf(os.Stderr, "More than %.0f million calls: simulated as amounts; --exact plays each of them.\n", exactCalls/1e6)
	}
	report := sim.Report{
		Config: cfg, Load: c.Load, Ordinary: sim.Ordinary{MemoryMB: c.LambdaMemory, Architecture: c.Architecture}, Result: sim.Run(cfg),
	}
	for _, v := range report.Result.Violations {
		return fmt.Errorf("the simulation broke a rule of its own, please report it: %s", v)
	}
	for path, write := range map[string]func(io.Writer) error{c.CSV: report.CSV, c.JSON: report.JSON, c.SVG: report.Chart().Write} {
		if err := writeFile(path, write); err != nil {
			return err
		}
	}
	return report.Text(os.Stdout)
}

// check refuses what no function or provider can have.
func (c simulateCmd) check() error {
	for _, rule := range []struct {
		holds bool
		text  string
	}{
		{c.CPU >= 0 && c.Wait >= 0 && c.CPU+c.Wait > 0, "--cpu and --wait: a call takes some time"},
		{c.CPU+c.Wait <= 90*time.Minute, "--cpu and --wait: a call takes 90 minutes at most"},
		{c.Jitter >= 0 && c.Jitter <= 1, "--jitter is a share from 0 to 1"},
		{c.Memory >= 128 && c.Memory <= 32768, "--memory is 128 to 32768 MB"},
		{c.LambdaMemory >= 128 && c.LambdaMemory <= 10240, "--lambda-memory is 128 to 10240 MB"},
		{c.Ratio >= 2 && c.Ratio <= 8, "--ratio is 2 to 8 GiB per vCPU"},
		{c.Slots >= 1 && c.Slots <= 1600, "--slots is 1 to 1600"},
		{c.Min >= 0 && (c.Max < 0 || c.Max >= max(1, c.Min)), "--max is at least 1 and not below --min"},
		{c.MaxVCPU >= 2, "--max-vcpu is at least 2"},
		{c.Target >= 0 && c.Target <= 100, "--target is a percentage"},
		{c.Zones >= 1 && c.Zones <= 16, "--zones is 1 to 16"},
		{c.Launch >= 0 && c.Start >= 0 && c.Length >= 0, "times are not negative"},
		{c.Scale > 0 && !math.IsInf(c.Scale, 0), "--scale is above 0"},
	} {
		if !rule.holds {
			return fmt.Errorf("%s", rule.text)
		}
	}
	return nil
}

// traffic reads the load, and how long it lasts.
func (c simulateCmd) traffic() (sim.Traffic, time.Duration, error) {
	t, length, err := c.load()
	if err != nil {
		return nil, 0, err
	}
	if c.Length > 0 {
		length = c.Length
	}
	if c.Scale == 1 {
		return t, length, nil
	}
	return func(at time.Duration) float64 { return c.Scale * t(at) }, length, nil
}

func (c simulateCmd) load() (sim.Traffic, time.Duration, error) {
	kind, path, _ := strings.Cut(c.Load, ":")
	if kind != "file" && kind != "log" {
		t, err := sim.ParseShape(c.Load)
		return t, time.Hour, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	defer f.Close()
	if kind == "file" {
		t, length, err := sim.ReadRates(f)
		if err == nil && length == 0 {
			length = time.Hour // one line: a steady rate
		}
		if err != nil {
			err = fmt.Errorf("%s: %w", path, err)
		}
		return t, length, err
	}
	t, length, skipped, err := sim.ReadLog(f, c.Field)
	if err != nil {
		return nil, 0, fmt.Errorf("%s: %w", path, err)
	}
	if skipped > 0 {
		fmt.Fprintf(os.Stderr, "%s: %d lines have no time and do not count.\n", path, skipped)
	}
	return t, length, nil
}

func (c simulateCmd) config(t sim.Traffic, length time.Duration) sim.Config {
	p := sim.Profile{
		CPU: c.CPU, Wait: c.Wait, Jitter: c.Jitter, MemoryMB: c.Memory, GiBPerVCPU: c.Ratio, Slots: c.Slots, Min: c.Min, Max: c.Max,
	}
	requirements := &lamina.Requirements{Architectures: []string{c.Architecture}, Allowed: c.Types, Excluded: c.Exclude}
	on := sim.Provider{MaxVCPU: c.MaxVCPU, Target: c.Target / 100, Offers: offers(lamina.CapacityProvider{Requirements: requirements})}
	for i := range c.Zones {
		on.Zones = append(on.Zones, string(rune('a'+i)))
	}
	return sim.Config{
		Seed: c.Seed, Length: length, Every: max(time.Second, (length / points).Round(time.Second)),
		Providers: []sim.Provider{on}, Delays: sim.Delays{Launch: c.Launch, Start: c.Start, Round: sim.Local.Round},
		Functions: []sim.Function{{Profile: p, Traffic: t, Warm: sim.Environments(p, on.Target, t(0))}},
	}
}

// writeFile writes one of the outputs, if it is wanted.
func writeFile(path string, write func(io.Writer) error) error {
	if path == "" {
		return nil
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := write(f); err != nil {
		f.Close()
		return fmt.Errorf("write %s: %w", path, err)
	}
	return f.Close()
}
