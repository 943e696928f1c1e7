package agent_test

import (
	"testing"

	"github.com/lamina-dev/lamina/internal/wire"
)

const layeredApp = `
import os, both, first, second
def handler(event, context):
    opt = os.path.dirname(os.path.dirname(first.__file__))
    try:
        open(opt + "/python/new", "w")
        wrote = True
    except OSError:
        wrote = False
    return {"both": both.name, "first": first.name, "second": second.name, "wrote": wrote,
            "swapped": open(opt + "/swapped/inner").read(), "data": os.path.isdir(opt + "/data"), "link": open(opt + "/python/link").read()}
`

// TestLayers: layers are merged in order, the later ones win, whatever the kinds
// of what they have at one path; a layer that other functions use stays as it is.
func TestLayers(t *testing.T) {
	s := newServer(t)
	start(t, s, nil)
	layers := []string{
		s.add(mustZip(t, map[string]string{
			"python/both.py": "name = 'first'", "python/first.py": "name = 'first'", "swapped": "a file", "data": "a file", "python/link": "first"})),
		s.add(mustZip(t, map[string]string{
			"python/both.py": "name = 'second'", "python/lib/python3.13/site-packages/second.py": "name = 'second'", "swapped/inner": "a folder", "data/x": "x"})),
	}
	merged, alone := pythonSpec(t, s, 1, layeredApp), pythonSpec(t, s, 1, "import both\ndef handler(e, c): return both.name")
	merged.Layers, alone.Layers = layers, layers[:1]
	s.assign(merged, alone)
	for id, want := range map[string]string{
		merged.ID: `{"both": "second", "first": "first", "second": "second", "wrote": false, "swapped": "a folder", "data": true, "link": "first"}`,
		alone.ID:  `"first"`,
	} {
		s.waitState(id, wire.EnvironmentReady)
		out, err := s.router().invoke(wire.Invoke{EnvironmentID: id, RequestID: "r", Body: []byte("{}")})
		if err != nil || out.body != want {
			t.Errorf("%v %+v, want %s", err, out, want)
		}
	}
}

// TestLayerBootstrap: a provided function's executable may be a layer's.
func TestLayerBootstrap(t *testing.T) {
	s := newServer(t)
	start(t, s, nil)
	e := goSpec(t, s, 1)
	e.Layers, e.CodeSHA256 = []string{e.CodeSHA256}, s.add(mustZip(t, map[string]string{"data": "x"}))
	s.assign(e)
	s.waitState(e.ID, wire.EnvironmentReady)
}
