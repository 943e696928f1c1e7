package nodejs_test

import (
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"testing"

	"github.com/lamina-dev/lamina/internal/runtimes/runtimestest"
)

// TestPoint34_OfficialClient: AWS's own client serves overlapping invocations on this Runtime API. LAMINA_TEST_RIC
// names a folder into which `npm install aws-lambda-ric@4.0.2` was done with Node.js 22; building its native part
// takes a minute, cmake, autoconf, automake and libtool.
func TestPoint34_OfficialClient(t *testing.T) {
	packages := os.Getenv("LAMINA_TEST_RIC")
	if packages == "" {
		t.Skip("LAMINA_TEST_RIC is not set")
	}
	onBoth(t, func(t *testing.T, runtime string) {
		const slots, calls = 8, 64
		f := run(t, `
export const handler = async (event, context) => {
  await new Promise((resolve) => setTimeout(resolve, 100));
  if (event.fail) throw new TypeError("no " + event.token);
  return [event.token, context.awsRequestId];
};
`, options{
			Runtime: runtime, Slots: slots, Packages: packages, Instead: "official.mjs",
			Files: map[string]string{"official.mjs": `
process.argv[2] = process.env._HANDLER;
await import("./node_modules/aws-lambda-ric/index.mjs");
`},
			// One worker thread for each slot, and as many of libuv's for their polls (runtime-api.md 0.8).
			Env: map[string]string{"AWS_LAMBDA_NODEJS_WORKER_COUNT": fmt.Sprint(slots), "UV_THREADPOOL_SIZE": fmt.Sprint(2 * slots)},
		}).WaitReady().WaitIdle(slots)
		var wg sync.WaitGroup
		for i := range calls / slots {
			for j := range slots {
				wg.Go(func() {
					token, id := fmt.Sprintf("token-%d-%d", i, j), fmt.Sprintf("id-%d-%d", i, j)
					var got []string
					if res := f.Call(`{"token":"`+token+`"}`, runtimestest.ID(id)); json.Unmarshal(res.Body, &got) != nil || len(got) != 2 || got[0] != token || got[1] != id {
						t.Errorf("%s: %s", token, res.Body)
					}
				})
			}
			wg.Wait()
		}
		var failed struct{ ErrorType, ErrorMessage string }
		res := f.Call(`{"fail":true,"token":"more"}`)
		if json.Unmarshal(res.Body, &failed) != nil || failed.ErrorType != "TypeError" || failed.ErrorMessage != "no more" {
			t.Errorf("%s", res.Body)
		}
	})
}
