package e2e

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/lamina-dev/lamina/examples/setup"
)

// ecr is the registry that functions name; the server is told another place for it.
const ecr = "000000000000.dkr.ecr." + region + ".amazonaws.com"

// images is a registry in memory; its address goes into --registry.
func images(t *testing.T) (address string) {
	t.Helper()
	s := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

// layerOf makes an image's layer of executable files, and of one link.
func layerOf(t *testing.T, files map[string][]byte, link ...string) v1.Layer {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	add := func(h *tar.Header, data []byte) {
		h.Size, h.Mode = int64(len(data)), 0o755
		err := w.WriteHeader(h)
		if err == nil {
			_, err = w.Write(data)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, data := range files {
		add(&tar.Header{Name: name, Typeflag: tar.TypeReg}, data)
	}
	if len(link) == 2 {
		add(&tar.Header{Name: link[0], Typeflag: tar.TypeSymlink, Linkname: link[1]}, nil)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.Bytes())), nil })
	if err != nil {
		t.Fatal(err)
	}
	return layer
}

// pushImage makes an image of layers and gives the reference for functions.
func pushImage(t *testing.T, address, tag, architecture string, c v1.Config, layers ...v1.Layer) string {
	t.Helper()
	img := makeImage(t, architecture, c, layers...)
	ref, err := name.NewTag(address + "/app:" + tag)
	if err == nil {
		err = remote.Write(ref, img)
	}
	if err != nil {
		t.Fatal(err)
	}
	return ecr + "/app:" + tag
}

func makeImage(t *testing.T, architecture string, c v1.Config, layers ...v1.Layer) v1.Image {
	t.Helper()
	img, err := mutate.AppendLayers(empty.Image, layers...)
	if err != nil {
		t.Fatal(err)
	}
	file, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	file.OS, file.Architecture, file.Config = "linux", architecture, c
	if img, err = mutate.ConfigFile(img, file); err != nil {
		t.Fatal(err)
	}
	return img
}

// imageInput is a function of the place with a container image.
func (p place) imageInput(name, uri string) *lambda.CreateFunctionInput {
	in := setup.Function{Name: name, Role: p.execution, Provider: p.provider, MaxConcurrency: 16}.Input()
	in.PackageType, in.Code, in.Runtime, in.Handler = types.PackageTypeImage, &types.FunctionCode{ImageUri: &uri}, "", nil
	return in
}

// demoBinary is the demo's Go handler.
func demoBinary(t *testing.T) []byte {
	t.Helper()
	data, err := goBinary()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestImage: a function of a container image answers 16 calls at once in every sandbox; its image is unpacked once for
// all instances; extensions that an image brings run beside its function; a new image replaces the old one.
func TestImage(t *testing.T) {
	needProcFS(t)
	for _, sandbox := range []string{"plain", "runc", "runsc"} {
		t.Run(sandbox, func(t *testing.T) {
			if sandbox != "plain" {
				needRuntime(t, sandbox)
			}
			address := images(t)
			c := v1.Config{Entrypoint: []string{"handler"}, Env: []string{"PATH=/app", "COLOUR=blue"}, WorkingDir: "/work"}
			program := layerOf(t, map[string][]byte{"srv/app/handler": demoBinary(t), "work/gone": nil}, "app", "/srv/app")
			uri := pushImage(t, address, "1", runtime.GOARCH, c, program, layerOf(t, map[string][]byte{"work/.wh.gone": nil, "work/file": nil}))
			s := up(t, "--sandbox", sandbox, "--registry", "*.dkr.ecr.*.amazonaws.com=http://"+address)
			p := makePlace(t, s)
			p.publishImage(t, p.imageInput("pictured", uri))
			p.crowd(t, "pictured")
			roots, err := filepath.Glob(filepath.Join(s.data, "images", strings.Repeat("?", 64)))
			if err != nil || len(roots) != 1 {
				t.Fatalf("unpacked images: %q %v", roots, err)
			}
			for file, there := range map[string]bool{"work/file": true, "work/gone": false} {
				if _, err := os.Stat(filepath.Join(roots[0], file)); (err == nil) != there {
					t.Errorf("%s: %v", file, err)
				}
			}
			extension := layerOf(t, map[string][]byte{"opt/extensions/telemetry": extensionBinary(t)})
			p.publishImage(t, p.imageInput("extended", pushImage(t, address, "extended", runtime.GOARCH, c, program, extension)))
			p.must(t, "extended")
			p.says(t, "extended", `"telemetry: registered"`)
			p.says(t, "extended", `"telemetry: telemetry platform.report"`)
			if sandbox != "plain" {
				return
			}
			next := pushImage(t, address, "2", runtime.GOARCH, c, program)
			if _, err := p.Lambda.UpdateFunctionCode(t.Context(), &lambda.UpdateFunctionCodeInput{
				FunctionName: new("pictured"), ImageUri: &next, Publish: true, PublishTo: types.FunctionVersionLatestPublishedLatestPublished,
			}); err != nil {
				t.Fatal(err)
			}
			until(t, activeLimit, "the new image serves", func() bool {
				out, err := p.Lambda.GetFunction(t.Context(), &lambda.GetFunctionInput{FunctionName: new("pictured"), Qualifier: new(setup.Latest)})
				return err == nil && out.Configuration.LastUpdateStatus == types.LastUpdateStatusSuccessful && *out.Code.ImageUri == next
			})
			p.must(t, "pictured")
		})
	}
}

// TestImageWithoutRoot: who is not root unpacks and runs images too.
func TestImageWithoutRoot(t *testing.T) {
	needProcFS(t)
	if os.Getuid() != 0 {
		t.Skip("every test of this run is without root")
	}
	address := images(t)
	c := v1.Config{Entrypoint: []string{"/app/handler"}}
	uri := pushImage(t, address, "1", runtime.GOARCH, c, layerOf(t, map[string][]byte{"app/handler": demoBinary(t)}))
	data := dataFolder(t)
	if err := os.Chown(data, int(nobody.Uid), int(nobody.Gid)); err != nil {
		t.Fatal(err)
	}
	s := begin(t, &server{data: data, user: nobody, flags: []string{"--registry", ecr + "=" + address}})
	p := makePlace(t, s)
	p.publishImage(t, p.imageInput("pictured", uri))
	p.crowd(t, "pictured")
}

// TestOrdinaryImage: an ordinary function of an image, here of an OCI layout in a folder, starts on arrival.
func TestOrdinaryImage(t *testing.T) {
	needProcFS(t)
	folder := dataFolder(t)
	path, err := layout.Write(filepath.Join(folder, "team/app"), empty.Index)
	if err != nil {
		t.Fatal(err)
	}
	img := makeImage(t, runtime.GOARCH, v1.Config{Entrypoint: []string{"/app/handler"}}, layerOf(t, map[string][]byte{"app/handler": demoBinary(t)}))
	if err := path.AppendImage(img, layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": "1"})); err != nil {
		t.Fatal(err)
	}
	s := up(t, "--registry", "*.amazonaws.com="+folder)
	p := makeGround(t, s)
	in := p.imageInput("plainly", ecr+"/team/app:1")
	in.CapacityProviderConfig, in.Publish, in.PublishTo = nil, false, ""
	if _, err := p.Lambda.CreateFunction(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	until(t, activeLimit, "it answers", func() bool {
		_, err := call(t.Context(), p.Clients, "plainly", 1, 0)
		return err == nil
	})
}

// TestRuntimeFromImage: an image like AWS's own, with a bootstrap of its own, serves a runtime that nothing here serves.
func TestRuntimeFromImage(t *testing.T) {
	needProcFS(t)
	address, roots := images(t), dataFolder(t)
	uri := pushImage(t, address, "base", runtime.GOARCH, v1.Config{}, layerOf(t, map[string][]byte{"var/runtime/bootstrap": demoBinary(t), "var/task/theirs": nil}))
	flags := []string{"--roots", roots, "--registry", ecr + "=http://" + address}
	install := append([]string{"runtimes", "install", "dotnet8", "--from", "image", "--image", uri}, flags...)
	if out, err := exec.Command(lamina, install...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	list, err := exec.Command(lamina, "runtimes", "list", "--roots", roots).CombinedOutput()
	if err != nil || !strings.Contains(string(list), "installed root: /var/runtime/bootstrap") {
		t.Errorf("%v\n%s", err, list)
	}
	s := up(t, "--roots", roots)
	p := makePlace(t, s)
	f := p.pythonFunction(t, "based", "")
	f.Runtime, f.Handler = types.RuntimeDotnet8, "Assembly::Class::Method"
	p.publish(t, f)
	p.crowd(t, "based")
	f.Name, f.Runtime = "missing", types.RuntimeDotnet10
	if err := p.Publish(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	until(t, activeLimit, "what is missing fails", func() bool {
		got, err := p.Lambda.GetFunctionConfiguration(t.Context(), &lambda.GetFunctionConfigurationInput{FunctionName: &f.Name, Qualifier: new(setup.Latest)})
		return err == nil && got.State == types.StateFailed && string(got.StateReasonCode) == "InvalidRuntime" && strings.Contains(*got.StateReason, "`lamina runtimes install dotnet10`")
	})
}

// publishImage creates the function and waits until it is active.
func (p place) publishImage(t *testing.T, in *lambda.CreateFunctionInput) {
	t.Helper()
	start := time.Now()
	if _, err := p.Lambda.CreateFunction(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	if err := p.WaitActive(t.Context(), *in.FunctionName, activeLimit); err != nil {
		t.Fatal(err)
	}
	t.Logf("%s: from publish to Active %s", *in.FunctionName, time.Since(start).Round(time.Millisecond))
}

// crowd calls a function 16 times at once.
func (p place) crowd(t *testing.T, function string) {
	t.Helper()
	var all sync.WaitGroup
	for n := range 16 {
		all.Go(func() {
			if _, err := call(t.Context(), p.Clients, function, n, 50*time.Millisecond); err != nil {
				t.Errorf("call %d: %v", n, err)
			}
		})
	}
	all.Wait()
}

// TestImageFaults: what is wrong with an image is AWS's reason, and an ImageConfig puts some of it right.
func TestImageFaults(t *testing.T) {
	needProcFS(t)
	address := images(t)
	program := layerOf(t, map[string][]byte{"app/handler": demoBinary(t)})
	whole := v1.Config{Entrypoint: []string{"/app/handler"}}
	foreign := map[string]string{"amd64": "arm64", "arm64": "amd64"}[runtime.GOARCH]
	s := up(t, "--sandbox", "plain", "--registry", ecr+"="+address)
	p := makePlace(t, s)
	for name, tt := range map[string]struct {
		uri, code, text string
	}{
		"absent":  {pushImage(t, address, "absent", runtime.GOARCH, v1.Config{Entrypoint: []string{"/app/none"}}, program), "FunctionError.InvalidEntryPoint", "/app/none"},
		"empty":   {pushImage(t, address, "empty", runtime.GOARCH, v1.Config{}, program), "FunctionError.InvalidEntryPoint", "neither ENTRYPOINT nor CMD"},
		"folder":  {pushImage(t, address, "folder", runtime.GOARCH, v1.Config{Entrypoint: []string{"/app/handler"}, WorkingDir: "/none"}, program), "FunctionError.InvalidWorkingDirectory", "/none"},
		"foreign": {pushImage(t, address, "foreign", foreign, whole, program), "FunctionError.InvalidEntryPoint", "exec format error"},
		"hostile": {pushImage(t, address, "hostile", runtime.GOARCH, whole, program, layerOf(t, map[string][]byte{"../../../tmp/lamina-hostile": nil})), "InvalidImage", "outside of the root"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := p.Lambda.CreateFunction(t.Context(), p.imageInput(name, tt.uri)); err != nil {
				t.Fatal(err)
			}
			var got *lambda.GetFunctionConfigurationOutput
			until(t, activeLimit, "the version fails", func() (failed bool) {
				var err error
				got, err = p.Lambda.GetFunctionConfiguration(t.Context(), &lambda.GetFunctionConfigurationInput{FunctionName: &name, Qualifier: new(setup.Latest)})
				return err == nil && got.State == types.StateFailed
			})
			if string(got.StateReasonCode) != tt.code || !strings.Contains(*got.StateReason, tt.text) {
				t.Errorf("%s: %s", got.StateReasonCode, *got.StateReason)
			}
		})
	}
	in := p.imageInput("mended", ecr+"/app:folder")
	in.ImageConfig = &types.ImageConfig{EntryPoint: []string{"./handler"}, WorkingDirectory: new("/app")}
	p.publishImage(t, in)
	p.must(t, "mended")
	_, err := p.Lambda.CreateFunction(t.Context(), p.imageInput("none", ecr+"/app:none"))
	if code(err) != "InvalidParameterValueException" || !strings.Contains(fmt.Sprint(err), "does not exist. Provide a valid source image.") {
		t.Errorf("%v", err)
	}
}

// TestDebianRoot: a Python function in a root of Debian's packages, in every sandbox; the host's Python is not used.
func TestDebianRoot(t *testing.T) {
	needProcFS(t)
	if os.Getenv("LAMINA_TEST_SLOW") == "" {
		t.Skip("slow: LAMINA_TEST_SLOW is not set")
	}
	if _, err := exec.LookPath("mmdebstrap"); err != nil {
		t.Skip("no mmdebstrap on this machine")
	}
	roots := filepath.Join(scratch, "roots")
	start := time.Now()
	out, err := exec.Command(lamina, "runtimes", "install", "python3.13", "--from", "packages", "--roots", roots).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("installed in %s: %s", time.Since(start).Round(time.Millisecond), out)
	list, err := exec.Command(lamina, "runtimes", "list", "--roots", roots).CombinedOutput()
	if err != nil || !strings.Contains(string(list), "installed root: /usr/bin/python3.13 3.13.") {
		t.Errorf("%v\n%s", err, list)
	}
	source := "import sys, boto3, ssl\ndef handler(event, context): return [sys.executable, sys.version_info[1], open('/etc/os-release').read().count('trixie') > 0]"
	for _, sandbox := range []string{"plain", "runc", "runsc"} {
		t.Run(sandbox, func(t *testing.T) {
			if sandbox != "plain" {
				needRuntime(t, sandbox)
			}
			s := up(t, "--sandbox", sandbox, "--roots", roots)
			p := makePlace(t, s)
			p.publish(t, p.pythonFunction(t, "rooted", source))
			if got := p.answer(t, "rooted"); got != `["/usr/bin/python3.13", 13, true]` {
				t.Error(got)
			}
		})
	}
	if out, err := exec.Command(lamina, "runtimes", "remove", "python3.13", "--roots", roots).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	if left, _ := os.ReadDir(roots); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}
