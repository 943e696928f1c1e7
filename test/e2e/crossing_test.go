package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// How often each way to answer comes up, in thousandths; the rest is answered well.
var answers = []struct {
	do   string
	rate int
}{{"error", 20}, {"twice", 20}, {"stale", 20}, {"cut", 2}, {"large", 10}, {"anew", 20}, {"late", 6}, {"exit", 1}}

// how the event of a number is to be answered.
func how(i int64) string {
	n := int(i * 7919 % 1000)
	for _, a := range answers {
		if n -= a.rate; n < 0 {
			return a.do
		}
	}
	return ""
}

// crossing is what became of all calls.
type crossing struct {
	p                                     place
	function                              string
	good, errors, ended, timeouts, denied atomic.Int64
}

// TestNoAnswerIsAnothers: many callers with distinct payloads over 48 slots, while
// the runtime answers late, twice, for others that are over, half, or exits, and
// environments and an instance are killed. Each caller gets its own answer, its
// own error, or none; 100,000 calls with LAMINA_TEST_SLOW=1.
func TestNoAnswerIsAnothers(t *testing.T) {
	needProcFS(t)
	calls := int64(3000)
	if os.Getenv("LAMINA_TEST_SLOW") != "" {
		calls = 100_000
	}
	s := up(t)
	p := makePlace(t, s)
	x := &crossing{p: p, function: "crossing"}
	x.publish(t)
	var group sync.WaitGroup
	var next atomic.Int64
	for range 48 {
		group.Go(func() {
			for {
				i := next.Add(1)
				if i > calls || t.Failed() {
					return
				}
				x.call(t, i, how(i))
			}
		})
	}
	stop := x.killAlong(t, s, &next, calls)
	group.Wait()
	kills := stop()
	for i := range int64(3) { // with nobody killed any more, who is late has the time to be
		x.call(t, calls+1+i, "late")
	}
	t.Logf("%d calls: %d answers, %d errors of their own, %d timeouts, %d ended with their runtime; %d refusals, %d kills",
		calls, x.good.Load(), x.errors.Load(), x.timeouts.Load(), x.ended.Load(), x.denied.Load(), kills)
	if x.good.Load() < calls*8/10 || x.errors.Load() == 0 || x.timeouts.Load() == 0 || x.ended.Load() == 0 || kills == 0 {
		t.Error("too little of one kind")
	}
}

var rawRuntimeCode = handlerCode("test/e2e/rawruntime")

func (x *crossing) publish(t *testing.T) {
	t.Helper()
	zip, err := rawRuntimeCode()
	if err != nil {
		t.Fatal(err)
	}
	f := x.p.goFunction(t, x.function)
	f.Zip = zip
	in := f.Input()
	in.Timeout = aws.Int32(1)
	if _, err := x.p.Lambda.CreateFunction(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	if err := x.p.WaitActive(t.Context(), x.function, activeLimit); err != nil {
		t.Fatal(err)
	}
}

// call goes on until it is let in.
func (x *crossing) call(t *testing.T, i int64, do string) {
	token := fmt.Sprintf("token-%d-%x", i, rand.Uint64())
	payload := fmt.Appendf(nil, `{"token":%q,"do":%q}`, token, do)
	for limit := time.Now().Add(time.Minute); time.Now().Before(limit); time.Sleep(50 * time.Millisecond) {
		out, err := x.p.Lambda.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: &x.function, Payload: payload})
		if err == nil {
			x.judge(t, token, do, out)
			return
		}
		if broken, ok := errors.AsType[*smithyhttp.ResponseError](err); !ok || broken.HTTPStatusCode() < http.StatusInternalServerError && broken.HTTPStatusCode() != http.StatusTooManyRequests {
			t.Errorf("%s: %v", token, err)
			return
		}
		x.denied.Add(1)
	}
	t.Errorf("%s was refused for a minute", token)
}

// judge finds out whose answer it is.
func (x *crossing) judge(t *testing.T, token, do string, out *lambda.InvokeOutput) {
	var body struct{ Echo, ErrorType, ErrorMessage string }
	if err := json.Unmarshal(out.Payload, &body); err != nil {
		t.Errorf("%s: %v in %.200s", token, err, out.Payload)
	}
	id, _ := awsmiddleware.GetRequestIDMetadata(out.ResultMetadata)
	_, named, hasID := strings.Cut(body.ErrorMessage, "RequestId: ")
	switch {
	case hasID && !strings.HasPrefix(named, id):
		t.Errorf("%s, request %s, got the error of another: %s", token, id, out.Payload)
	case out.FunctionError == nil:
		x.good.Add(1)
		if body.Echo != token || do == "error" {
			t.Errorf("%s (%s) got %.200s", token, do, out.Payload)
		}
	case body.ErrorType == "Own":
		x.errors.Add(1)
		if body.ErrorMessage != token || do != "error" {
			t.Errorf("%s (%s) got the error %.200s", token, do, out.Payload)
		}
	case body.ErrorType == "Sandbox.Timedout":
		x.timeouts.Add(1)
	case body.ErrorType == "Runtime.ExitError":
		x.ended.Add(1)
	case body.ErrorType == "Runtime.TruncatedResponse":
		if do != "cut" {
			t.Errorf("%s (%s) got %.200s", token, do, out.Payload)
		}
	default:
		t.Errorf("%s (%s) got %.200s", token, do, out.Payload)
	}
}

// killAlong kills a runtime now and then, and an instance once half of the calls are made.
func (x *crossing) killAlong(t *testing.T, s *server, next *atomic.Int64, calls int64) (stop func() int) {
	ctx, cancel := context.WithCancel(t.Context())
	kills := make(chan int, 1)
	go func() {
		n, instance := 0, false
		for tick := time.NewTicker(300 * time.Millisecond); ; {
			select {
			case <-ctx.Done():
				tick.Stop()
				kills <- n
				return
			case <-tick.C:
			}
			agents := s.agents()
			if len(agents) == 0 {
				continue
			}
			victim := agents[rand.IntN(len(agents))]
			if next.Load() > calls/2 && !instance {
				instance = true
			} else if victim = runtimeOf(victim); victim == 0 {
				continue
			}
			if syscall.Kill(victim, syscall.SIGKILL) == nil {
				n++
			}
		}
	}()
	return func() int {
		cancel()
		return <-kills
	}
}

// runtimeOf finds a runtime's process of an instance.
func runtimeOf(agent int) int {
	for _, pid := range withDescendants([]int{agent}) {
		if p, ok := readProcess(pid); ok && pid != agent && strings.Contains(p.line, "bootstrap") {
			return pid
		}
	}
	return 0
}
