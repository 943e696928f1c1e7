package python_test

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

// run starts an environment of a Python function.
func run(t testing.TB, code string, o options) *fn {
	t.Helper()
	o.Runtime, o.Handler, o.File, o.Code = cmp.Or(o.Runtime, "python3.13"), cmp.Or(o.Handler, "app.handler"), cmp.Or(o.File, "app.py"), code
	return runtimestest.Run(t, o)
}
