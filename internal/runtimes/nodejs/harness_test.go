package nodejs_test

import (
	"cmp"
	"testing"

	"github.com/lamina-dev/lamina/internal/runtimes/runtimestest"
)

func TestMain(m *testing.M) { runtimestest.Main(m) }

type (
	options = runtimestest.Options
	fn      = runtimestest.Environment
)

// run starts an environment of a Node.js function.
func run(t testing.TB, code string, o options) *fn {
	t.Helper()
	o.Runtime, o.Handler, o.File, o.Code = cmp.Or(o.Runtime, "nodejs22.x"), cmp.Or(o.Handler, "index.handler"), cmp.Or(o.File, "index.mjs"), code
	return runtimestest.Run(t, o)
}
