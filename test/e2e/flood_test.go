package e2e

import (
	"context"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/lamina-dev/lamina/examples/setup"
)

var flooderCode = handlerCode("test/e2e/flooder")

// flood is one thing a function takes all of, and what must come of it.
type flood struct {
	take string
	end  string // in the answer, or in the error where the environment dies of it
	dies bool
	most int64 // of what it may have got
}

// TestFloods: who takes all the memory, processes, threads, descriptors, /tmp or log there is hurts only the
// environment it runs in; the function beside it on the same instances answers every call (targets.md F14-F16).
func TestFloods(t *testing.T) {
	needProcFS(t)
	if os.Getuid() != 0 {
		t.Skip("limits take control groups, and those take root")
	}
	for _, box := range []string{"plain", "runc"} {
		t.Run(box, func(t *testing.T) {
			if box != "plain" {
				needRuntime(t, box)
			}
			floods(t, up(t, "--sandbox", box, "--log-limit", "32"))
		})
	}
}

func floods(t *testing.T, s *server) {
	p := makePlace(t, s)
	code, err := flooderCode()
	if err != nil {
		t.Fatal(err)
	}
	p.publish(t, setup.Function{Name: "flooder", Role: p.execution, Provider: p.provider, Runtime: types.RuntimeProvidedal2023, Handler: "bootstrap", Zip: code, MaxConcurrency: 4})
	p.publish(t, p.goFunction(t, "beside"))
	for _, f := range []flood{
		{take: "memory", end: "Runtime.OutOfMemory", dies: true},
		{take: "processes", end: "resource temporarily unavailable", most: 1100},
		{take: "threads", end: "Runtime.ExitError", dies: true},
		{take: "descriptors", end: "too many open files", most: 4096},
		{take: "tmp", end: "no space left on device", most: 512 << 20},
		{take: "log"},
	} {
		t.Run(f.take, func(t *testing.T) {
			stop := p.watch(t, "beside")
			agents := s.agents()
			p.flood(t, f)
			until(t, 60*time.Second, "the flooder serves again", func() bool {
				_, failed := p.take(t, "")
				return failed == ""
			})
			stop()
			if now := s.agents(); !slices.Equal(agents, now) {
				t.Errorf("instances %v, were %v: the flood took one with it", now, agents)
			}
		})
	}
	checkLogSize(t, s, 2*(32+16)<<20)
}

func (p place) flood(t *testing.T, f flood) {
	a, failed := p.take(t, f.take)
	switch {
	case f.dies && !strings.Contains(failed, f.end):
		t.Errorf("answered %+v %s, want the environment's end by %s", a, failed, f.end)
	case !f.dies && (failed != "" || !strings.Contains(a.End, f.end)):
		t.Errorf("answered %+v %s, want %q", a, failed, f.end)
	case f.most > 0 && (a.Got > f.most || a.Got == 0):
		t.Errorf("got %d, at most %d are allowed", a.Got, f.most)
	}
	t.Logf("%s: %d, then %s%s", f.take, a.Got, a.End, failed)
}

// taken is what the flooder answers.
type taken struct {
	Got int64
	End string
}

// take calls the flooder; failed is the function error or that of the API.
func (p place) take(t *testing.T, what string) (a taken, failed string) {
	t.Helper()
	res, err := p.Lambda.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: new("flooder"), Payload: []byte(`{"take":"` + what + `"}`)})
	if err != nil {
		return a, code(err)
	}
	if res.FunctionError != nil {
		return a, string(res.Payload)
	}
	if err := json.Unmarshal(res.Payload, &a); err != nil {
		t.Fatal(err)
	}
	return a, ""
}

// watch calls a function over and over; stop ends that and fails the test for each call that did not answer.
func (p place) watch(t *testing.T, function string) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	var slowest time.Duration
	calls := 0
	group.Go(func() {
		for n := 0; ctx.Err() == nil; n++ {
			start := time.Now()
			_, err := call(t.Context(), p.Clients, function, n, time.Millisecond)
			if err != nil {
				t.Errorf("%s beside: %v", function, err)
			}
			slowest = max(slowest, time.Since(start))
			calls++
			time.Sleep(5 * time.Millisecond)
		}
	})
	return func() {
		cancel()
		group.Wait()
		t.Logf("%s beside: %d calls, the slowest took %s", function, calls, slowest.Round(time.Millisecond))
	}
}

// checkLogSize looks at what a server's logs take on disk.
func checkLogSize(t *testing.T, s *server, most int64) {
	var size int64
	err := filepath.WalkDir(filepath.Join(s.data, "telemetry"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			size += info.Size()
		}
		return err
	})
	if err != nil || size > most || size == 0 {
		t.Errorf("the logs take %d bytes, at most %d are allowed, %v", size, most, err)
	}
}
