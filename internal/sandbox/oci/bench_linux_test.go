package oci

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/lamina-dev/lamina/internal/sandbox"
	"github.com/lamina-dev/lamina/internal/sandbox/plain"
	"github.com/lamina-dev/lamina/internal/sandbox/sandboxtest"
)

// BenchmarkFirstPoll compares, round by round, the time from Start to the
// function's first connection with the same of a bare run of the same bundle,
// which has no cgroup of its own, no log and no waiting for the start.
// ratio is their quotient.
func BenchmarkFirstPoll(b *testing.B) {
	for _, kind := range []Kind{Runc, Runsc} {
		b.Run(string(kind), func(b *testing.B) {
			d := benchDriver(b, kind)
			var ours, bare time.Duration
			for b.Loop() {
				ours += firstPoll(b, begin(b, d))
				bare += firstPoll(b, beginBare(b, d))
			}
			n := float64(b.N)
			b.ReportMetric(ours.Seconds()*1000/n, "ms/start")
			b.ReportMetric(bare.Seconds()*1000/n, "ms/bare")
			b.ReportMetric(float64(ours)/float64(bare), "ratio")
		})
	}
}

// BenchmarkCreate makes and ends environments, two at a time, in every sandbox.
func BenchmarkCreate(b *testing.B) {
	box, err := plain.New(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	b.Run("plain", func(b *testing.B) { create(b, box) })
	for _, kind := range []Kind{Runc, Runsc} {
		b.Run(string(kind), func(b *testing.B) { create(b, benchDriver(b, kind)) })
	}
}

func create(b *testing.B, box sandbox.Sandbox) {
	var todo sync.WaitGroup
	slots := make(chan struct{}, 2)
	for b.Loop() {
		slots <- struct{}{}
		todo.Go(func() {
			p, err := box.Start(b.Context(), benchSpec(b, "exit", "0"))
			if err != nil {
				b.Error(err)
			} else {
				<-p.Done()
			}
			<-slots
		})
	}
	todo.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "environments/s")
}

func benchDriver(b *testing.B, kind Kind) *Driver {
	b.Helper()
	if r := Probe(b.Context(), kind, NetworkHost); r.Reason != "" {
		b.Skip(r.Reason)
	}
	d, err := New(Config{Kind: kind, Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	return d
}

var benchCount int

func benchSpec(b *testing.B, args ...string) sandbox.Spec {
	b.Helper()
	benchCount++
	id := fmt.Sprintf("bench-%d-%d", os.Getpid(), benchCount)
	dir, err := os.MkdirTemp(b.TempDir(), id)
	if err != nil {
		b.Fatal(err)
	}
	probe := os.Getenv(sandboxtest.ProbeVariable)
	for d := dir; d != os.TempDir() && d != "/"; d = filepath.Dir(d) {
		os.Chmod(d, 0o755) // the function's user goes this way
	}
	return sandbox.Spec{ID: id, Dir: dir, TaskDir: filepath.Dir(probe), Argv: append([]string{"/var/task/probe", id}, args...)}
}

// firstPoll measures from start's call to the probe's first byte. What prepare
// does is not measured.
func firstPoll(b *testing.B, prepare func(sandbox.Spec) (start func() (end func()))) time.Duration {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	start := prepare(benchSpec(b, "dial", l.Addr().String()))
	begun := time.Now()
	end := start()
	conn, err := l.Accept()
	took := time.Since(begun)
	if err != nil {
		b.Fatal(err)
	}
	conn.Close()
	end()
	return took
}

// begin starts an environment as an agent does.
func begin(b *testing.B, d *Driver) func(sandbox.Spec) func() func() {
	return func(spec sandbox.Spec) func() func() {
		spec.Cgroup, spec.Limits = "lamina-oci-bench-"+spec.ID, sandbox.Limits{MemoryBytes: 2 << 30, Pids: 1024, CPUShares: 1024}
		return func() func() {
			p, err := d.Start(b.Context(), spec)
			if err != nil {
				b.Fatal(err)
			}
			return func() { <-p.Done() }
		}
	}
}

// beginBare starts a ready bundle by the runtime alone.
func beginBare(b *testing.B, d *Driver) func(sandbox.Spec) func() func() {
	return func(spec sandbox.Spec) func() func() {
		bundle := filepath.Join(spec.Dir, "bundle")
		if err := d.check(&spec); err != nil {
			b.Fatal(err)
		}
		if err := writeBundle(bundle, d.bundle(spec)); err != nil {
			b.Fatal(err)
		}
		cmd := d.command.exec("run", "--bundle", bundle, spec.ID)
		return func() func() {
			if err := cmd.Start(); err != nil {
				b.Fatal(err)
			}
			return func() {
				if err := cmd.Wait(); err != nil {
					b.Fatal(err)
				}
			}
		}
	}
}
