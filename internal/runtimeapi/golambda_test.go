package runtimeapi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

var buildHandler = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "testhandler")
	if err != nil {
		return "", err
	}
	bin := filepath.Join(dir, "bootstrap")
	cmd := exec.Command("go", "build", "-o", bin, "./testhandler")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the handler: %w\n%s", err, out)
	}
	return bin, nil
})

// startGo runs the real aws-lambda-go handler against e.
func startGo(t *testing.T, e *env, slots int) *exec.Cmd {
	t.Helper()
	bin, err := buildHandler()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(bin)
	cmd.Env = []string{"AWS_LAMBDA_RUNTIME_API=" + e.addr, fmt.Sprintf("AWS_LAMBDA_MAX_CONCURRENCY=%d", slots)}
	cmd.Stderr = new(bytes.Buffer)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	select {
	case <-e.Ready():
	case <-time.After(20 * time.Second):
		t.Fatal("the handler never polled")
	}
	return cmd
}

func TestPoint34_GoHandler(t *testing.T) {
	for _, slots := range []int{1, 8, 64} {
		t.Run(fmt.Sprint(slots), func(t *testing.T) {
			e := serve(t, Config{MaxConcurrency: slots, FunctionARN: "arn:f"})
			startGo(t, e, slots)
			var wg sync.WaitGroup
			for i := range slots {
				wg.Go(func() {
					for j := range 20 {
						id := fmt.Sprintf("r-%d-%d", i, j)
						e.invokeGo(t, id, fmt.Sprintf(`{"token":%q}`, id))
					}
				})
			}
			wg.Wait()
			if n := e.InFlight(); n != 0 {
				t.Errorf("in flight at the end: %d", n)
			}
		})
	}
}

func (e *env) invokeGo(t *testing.T, id, event string) {
	res, err := e.Invoke(context.Background(), &Invocation{RequestID: id, Body: []byte(event)})
	if err != nil || res.Status != StatusOK {
		t.Errorf("%s: %v %+v", id, err, res)
		return
	}
	var r struct {
		Token, RequestID, ARN string
		LeftMs                int64
	}
	if err := json.Unmarshal(res.Body, &r); err != nil {
		t.Error(err)
	}
	if r.Token != id || r.RequestID != id || r.ARN != "arn:f" || r.LeftMs < 8000 || r.LeftMs > 10000 {
		t.Errorf("%s got %+v", id, r)
	}
}

func TestPoint34_GoHandlerOverlapsAndFails(t *testing.T) {
	const slots = 16
	e := serve(t, Config{MaxConcurrency: slots, FunctionARN: "arn:f"})
	startGo(t, e, slots)
	var calls []<-chan ended
	for i := range slots {
		calls = append(calls, e.start(fmt.Sprint("s", i), func(inv *Invocation) { inv.Body = fmt.Appendf(nil, `{"meet":%d}`, slots) }))
	}
	for _, c := range calls {
		if r := <-c; r.err != nil || r.res.Status != StatusOK {
			t.Errorf("%+v", r)
		}
	}
	r := <-e.start("f", func(inv *Invocation) { inv.Body = []byte(`{"fail":"broke"}`) })
	if r.res.Status != StatusFunctionError || !strings.Contains(string(r.res.Body), `"errorMessage":"broke"`) {
		t.Errorf("%+v %s", r, r.res.Body)
	}
}

// The client ends its process on a 410; the default policy must spare it that.
func TestPoint15_GoHandlerSurvivesALateAnswer(t *testing.T) {
	e := serve(t, Config{MaxConcurrency: 2, FunctionARN: "arn:f"})
	startGo(t, e, 2)
	r := <-e.start("slow", within(50*time.Millisecond), func(inv *Invocation) { inv.Body = []byte(`{"sleepMs":200}`) })
	if r.res.Status != StatusTimeout {
		t.Fatalf("%+v", r)
	}
	e.until("late answer", func() bool { return e.InFlight() == 0 })
	for i := range 4 {
		id := fmt.Sprint("after", i)
		e.invokeGo(t, id, fmt.Sprintf(`{"token":%q}`, id))
	}
}
