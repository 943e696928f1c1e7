package e2e

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/lamina-dev/lamina/examples/setup"
)

// javaRoots gives the flags for a server that runs a Java runtime: none where the host has a JVM of the
// version; in the slow suite, a root that is installed for the test.
func javaRoots(t *testing.T, runtime string) []string {
	t.Helper()
	out, err := exec.Command(lamina, "runtimes", "list", "--roots", t.TempDir()).Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		if f := strings.Fields(line); len(f) > 2 && f[0] == runtime && f[2] == "yes" {
			return nil
		}
	}
	if os.Getenv("LAMINA_TEST_SLOW") == "" {
		t.Skipf("no JVM for %s on this machine", runtime)
	}
	if _, err := exec.LookPath("mmdebstrap"); err != nil {
		t.Skipf("no JVM for %s on this machine, and no mmdebstrap", runtime)
	}
	roots := dataFolder(t)
	if out, err := exec.Command(lamina, "runtimes", "install", runtime, "--from", "packages", "--roots", roots).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return []string{"--roots", roots}
}

// javaCode compiles a function into a package: classes, and AWS's interfaces as a library beside them.
func javaCode(t *testing.T) []byte {
	t.Helper()
	core := filepath.Join("..", "..", "internal", "runtimes", "java", "core.jar")
	classes := t.TempDir()
	javac := exec.Command("javac", "--release", "17", "-parameters", "-d", classes, "-cp", core, filepath.Join("testdata", "java", "example", "Crowd.java"))
	if _, err := exec.LookPath("javac"); err != nil {
		t.Skip("no JDK to compile functions with")
	}
	if out, err := javac.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	files := map[string][]byte{}
	found, err := filepath.Glob(filepath.Join(classes, "example", "*.class"))
	if err != nil || len(found) == 0 {
		t.Fatalf("%q %v", found, err)
	}
	for _, path := range append(found, core) {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		name := "example/" + filepath.Base(path)
		if path == core {
			name = "lib/core.jar"
		}
		files[name] = data
	}
	code, err := setup.Zip(files)
	if err != nil {
		t.Fatal(err)
	}
	return code
}

func TestJava(t *testing.T) {
	for _, runtime := range []types.Runtime{"java21", "java25"} {
		t.Run(string(runtime), func(t *testing.T) {
			flags := javaRoots(t, string(runtime))
			code := javaCode(t)
			p := makePlace(t, up(t, flags...))
			f := setup.Function{Name: "crowd", Role: p.execution, Provider: p.provider, Runtime: runtime, Handler: "example.Crowd", Zip: code, MaxConcurrency: slots}
			p.publish(t, f)
			allSlotsAtOnce(t, p)
			javaLogs(t, p)
			javaError(t, p, "crowd")
			f.Name, f.Handler = "broken", "example.Nobody::handle"
			failsWith(t, p, f, "Class not found: example.Nobody")
			javaOrdinary(t, p, runtime, code)
		})
	}
}

// javaLogs looks for a call's line under its request id.
func javaLogs(t *testing.T, p place) {
	t.Helper()
	request := p.must(t, "crowd").Request
	until(t, 30*time.Second, "the call's line is in the logs under its request id", func() bool {
		out, err := p.Logs.FilterLogEvents(t.Context(), &cloudwatchlogs.FilterLogEventsInput{LogGroupName: aws.String("/aws/lambda/crowd"), FilterPattern: aws.String(`"` + request + `"`)})
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range out.Events {
			var line struct{ AWSRequestID, Message, Level string }
			if json.Unmarshal([]byte(*e.Message), &line) == nil && line.AWSRequestID == request && line.Message == "call 1" && line.Level == "INFO" {
				return true
			}
		}
		return false
	})
}

func javaError(t *testing.T, p place, function string) {
	t.Helper()
	res, err := p.Lambda.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: &function, Payload: []byte(`{"fail":"on purpose"}`)})
	if err != nil {
		t.Fatal(err)
	}
	want := `{"errorMessage":"on purpose","errorType":"java.lang.IllegalArgumentException","stackTrace":["example.Crowd.handleRequest(Crowd.java:`
	if aws.ToString(res.FunctionError) != "Unhandled" || !strings.HasPrefix(string(res.Payload), want) {
		t.Errorf("%s %s", aws.ToString(res.FunctionError), res.Payload)
	}
}

// failsWith publishes what cannot be loaded: the version fails with the reason.
func failsWith(t *testing.T, p place, f setup.Function, reason string) {
	t.Helper()
	if err := p.Publish(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	err := p.WaitActive(t.Context(), f.Name, activeLimit)
	failed, ok := errors.AsType[*setup.FailedError](err)
	if !ok || failed.Code != types.StateReasonCodeFunctionErrorRuntimeInitError || !strings.Contains(failed.Reason, reason) {
		t.Errorf("published: %v", err)
	}
}

func javaOrdinary(t *testing.T, p place, runtime types.Runtime, code []byte) {
	t.Helper()
	p.ordinary(t, "alone", "", func(in *lambda.CreateFunctionInput) {
		in.Runtime, in.Handler, in.Code, in.Timeout = runtime, aws.String("example.Crowd::handleRequest"), &types.FunctionCode{ZipFile: code}, aws.Int32(20)
	})
	first, second := p.must(t, "alone"), p.must(t, "alone")
	if first.Environment != second.Environment || first.Request == second.Request {
		t.Errorf("%+v, then %+v", first, second)
	}
	javaError(t, p, "alone")
}
