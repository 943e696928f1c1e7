package e2e

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/lamina-dev/lamina/examples/setup"
)

// layer publishes a layer's version and gives its ARN.
func (p place) layer(t *testing.T, name string, files map[string][]byte) string {
	t.Helper()
	zip, err := setup.Zip(files)
	if err != nil {
		t.Fatal(err)
	}
	out, err := p.Lambda.PublishLayerVersion(t.Context(), &lambda.PublishLayerVersionInput{
		LayerName: &name, Content: &types.LayerVersionContentInput{ZipFile: zip}, CompatibleRuntimes: []types.Runtime{types.RuntimePython313},
	})
	if err != nil {
		t.Fatal(err)
	}
	return *out.LayerVersionArn
}

// answer is what a function says to an empty event.
func (p place) answer(t *testing.T, function string) string {
	t.Helper()
	out, err := p.Lambda.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: &function, Qualifier: new(setup.Latest), Payload: []byte("{}")})
	if err != nil || out.FunctionError != nil {
		t.Fatalf("invoking %s: %v %s", function, err, out.Payload)
	}
	return string(out.Payload)
}

// TestLayers: a Python function imports from two layers, and a new publish of it still does when the versions are deleted.
func TestLayers(t *testing.T) {
	needPython(t)
	s := up(t)
	p := makePlace(t, s)
	first := p.layer(t, "first", map[string][]byte{"python/greeting.py": []byte("word = 'old'"), "python/name.py": []byte("name = 'first'")})
	second := p.layer(t, "second", map[string][]byte{"python/greeting.py": []byte("word = 'hello'")})
	f := p.pythonFunction(t, "layered", "import greeting, name\ndef handler(event, context): return [greeting.word, name.name, greeting.__file__]")
	in := f.Input()
	in.Layers = []string{first, second}
	out, err := p.Lambda.CreateFunction(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	if len(out.Layers) != 2 || *out.Layers[0].Arn != first || out.Layers[1].CodeSize == 0 {
		t.Errorf("the function's layers: %+v", out.Layers)
	}
	want := `["hello", "first", "/opt/python/greeting.py"]`
	check := func() {
		t.Helper()
		if err := p.WaitActive(t.Context(), f.Name, activeLimit); err != nil {
			t.Fatal(err)
		}
		if got := p.answer(t, f.Name); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	check()
	for _, name := range []string{"first", "second"} {
		if _, err := p.Lambda.DeleteLayerVersion(t.Context(), &lambda.DeleteLayerVersionInput{LayerName: &name, VersionNumber: new(int64(1))}); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Publish(t.Context(), f); err != nil { // new code, the same layers
		t.Fatal(err)
	}
	check()
}
