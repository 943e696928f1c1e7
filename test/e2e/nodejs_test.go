package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/lamina-dev/lamina/examples/setup"
)

// needNode skips where no Node.js of that version runs; Lamina finds interpreters in the same places, and more.
func needNode(t *testing.T, major string) {
	t.Helper()
	candidates := []string{"node", "node" + major}
	if home, err := os.UserHomeDir(); err == nil {
		found, _ := filepath.Glob(filepath.Join(home, ".local/share/lamina", "nodejs"+major+".x", "node_modules", "node-*", "bin", "node"))
		candidates = append(candidates, found...)
	}
	for _, c := range candidates {
		if out, err := exec.Command(c, "--version").Output(); err == nil && strings.HasPrefix(string(out), "v"+major+".") {
			return
		}
	}
	t.Skipf("no Node.js %s on this machine", major)
}

const nodeHandler = `
import { setTimeout as sleep } from "node:timers/promises";
export const handler = async (event, context) => {
  const started = Date.now() / 1000;
  await sleep(event.sleep * 1000);
  console.log("call", event.n);
  return { n: event.n, request: context.awsRequestId, environment: process.env.AWS_LAMBDA_LOG_STREAM_NAME, process: process.pid, started, ended: Date.now() / 1000 };
};
`

// nodeFunction is a Node.js handler as a function of the place.
func (p place) nodeFunction(t *testing.T, runtime types.Runtime, name, source string) setup.Function {
	t.Helper()
	code, err := setup.Zip(map[string][]byte{"index.mjs": []byte(source)})
	if err != nil {
		t.Fatal(err)
	}
	return setup.Function{Name: name, Role: p.execution, Provider: p.provider, Runtime: runtime, Handler: "index.handler", Zip: code, MaxConcurrency: slots}
}

func TestNode(t *testing.T) {
	for runtime, major := range map[types.Runtime]string{types.RuntimeNodejs22x: "22", types.RuntimeNodejs24x: "24"} {
		t.Run(string(runtime), func(t *testing.T) {
			needNode(t, major)
			p := makePlace(t, up(t, "--network", "host"))
			p.publish(t, p.nodeFunction(t, runtime, "crowd", nodeHandler))
			allSlotsAtOnce(t, p)
			requestsInLogs(t, p)
			streamsFromNode(t, p, runtime)
			importErrorFails(t, p, runtime)
		})
	}
}

// requestsInLogs looks for each call's line under its own request id.
func requestsInLogs(t *testing.T, p place) {
	const calls = slots * minimum
	var mu sync.Mutex
	want := map[string]int{} // request id → the call's number
	var group sync.WaitGroup
	for i := range calls {
		group.Go(func() {
			r, err := call(t.Context(), p.Clients, "crowd", 1000+i, 200*time.Millisecond)
			if err != nil {
				t.Errorf("call %d: %v", i, err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			want[r.Request] = r.N
		})
	}
	group.Wait()
	if len(want) != calls {
		t.Fatalf("%d request ids of %d calls", len(want), calls)
	}
	until(t, 20*time.Second, "every call's line is in the logs under its request id", func() bool {
		have, err := p.callLines(t)
		if err != nil {
			t.Fatal(err)
		}
		for id, n := range want {
			if have[id] != fmt.Sprintf("call %d", n) {
				return false
			}
		}
		return true
	})
}

// callLines gives the messages that the function logged, by request id.
func (p place) callLines(t *testing.T) (map[string]string, error) {
	t.Helper()
	lines := map[string]string{}
	pages := cloudwatchlogs.NewFilterLogEventsPaginator(p.Logs, &cloudwatchlogs.FilterLogEventsInput{LogGroupName: new("/aws/lambda/crowd")})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			return nil, err
		}
		for _, e := range page.Events {
			var line struct{ RequestID, Message string }
			if json.Unmarshal([]byte(*e.Message), &line) == nil && line.RequestID != "" {
				lines[line.RequestID] = line.Message
			}
		}
	}
	return lines, nil
}

// importErrorFails publishes code that cannot be loaded: the version fails with AWS's reason.
func importErrorFails(t *testing.T, p place, runtime types.Runtime) {
	f := p.nodeFunction(t, runtime, "broken", `import { createRequire } from "node:module"; createRequire(import.meta.url)("not-in-the-package");`)
	if err := p.Publish(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	err := p.WaitActive(t.Context(), f.Name, activeLimit)
	failed, ok := errors.AsType[*setup.FailedError](err)
	if !ok || failed.Code != types.StateReasonCodeFunctionErrorRuntimeInitError || !strings.Contains(failed.Reason, "Cannot find module 'not-in-the-package'") {
		t.Errorf("published: %v", err)
	}
	res, err := p.Lambda.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: &f.Name})
	if err == nil {
		t.Errorf("invoking a failed version: %s", res.Payload)
	}
}
