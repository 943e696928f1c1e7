package java_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lamina-dev/lamina/internal/runtimeapi"
	"github.com/lamina-dev/lamina/internal/runtimes/runtimestest"
)

// facts are what a handler's body leaves behind, each with what the watch says of its second request.
var facts = map[string]struct {
	fields, body string
	want         []string // see WantRecords
}{
	"static field":    {"static String user;", "user = (String) event.get(\"user\");", []string{"class-write shop.Handler.user 0 | bind | anna-1 | anna-2"}},
	"handler's field": {"String user;", "user = (String) event.get(\"user\");", []string{"global-write shop.Handler.user 0 | bind | anna-1 | anna-2"}},
	"cache":           {"static final Map<Object, Object> CACHE = new java.util.HashMap<>();", "CACHE.put(event.get(\"user\"), 1);", []string{"class-write shop.Handler.CACHE 0 | grow | added:[anna-2]: 1"}},
	"element":         {"static final Map<Object, Object> HEADERS = new java.util.HashMap<>();", "HEADERS.put(\"x\", event.get(\"user\"));", []string{"class-write shop.Handler.HEADERS[x] 0 | key | anna-1 | anna-2"}},
	"object":          {"static class Client { String token; }\n static final Client CLIENT = new Client();", "CLIENT.token = (String) event.get(\"user\");", []string{"class-write shop.Handler.CLIENT.token 0 | key | anna-2"}},
	"builder":         {"final StringBuilder label = new StringBuilder();", "label.setLength(0); label.append(event.get(\"user\"));", []string{"global-write shop.Handler.label 0 | anna-1 | anna-2"}},
	"property":        {"", "System.setProperty(\"tenant\", (String) event.get(\"user\"));", []string{"env-write tenant 0 | anna-1 | anna-2"}},
	"locale":          {"", "java.util.Locale.setDefault(new java.util.Locale(event.get(\"user\").equals(\"anna-1\") ? \"de\" : \"fr\"));", []string{"locale default locale 0 | de | fr"}},
	"thread":          {"", "Thread t = new Thread(() -> { try { Thread.sleep(60000); } catch (InterruptedException e) { } }, \"left-\" + event.get(\"user\")); t.setDaemon(true); t.start();", []string{"thread-left left-anna-2 0"}},
	"nothing":         {"static final int[] TABLE = {1, 2};\n static class Lazy { static final Object ONE = new Object(); }", "Object o = Lazy.ONE; String text = event.get(\"user\") + \"\" + TABLE[0];", nil},
}

// TestWatch runs each handler twice and reads what the watch says of the second time.
func TestWatch(t *testing.T) {
	if javacVersion() == "" {
		t.Skip("no JDK to compile functions with")
	}
	for name, fact := range facts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			source := filepath.Join(t.TempDir(), "Handler.java")
			text := "package shop;\nimport java.util.Map;\nimport com.amazonaws.services.lambda.runtime.*;\n" +
				"public class Handler implements RequestHandler<Map<String, Object>, String> {\n" + fact.fields +
				"\npublic String handleRequest(Map<String, Object> event, Context context) {\n" + fact.body + "\nreturn \"done\";\n}\n}\n"
			if err := os.WriteFile(source, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			f := run(t, "", options{Handler: "shop.Handler", Packages: compile(t, release, "core.jar", source), Slots: 2, Watch: `"seed": 1`}).WaitReady()
			for i := 1; i <= 2; i++ {
				if res := f.Call(fmt.Sprintf(`{"user": "anna-%d"}`, i), runtimestest.ID(fmt.Sprintf("r%d", i))); res.Status != runtimeapi.StatusOK {
					t.Errorf("%s", res.Body)
				}
			}
			runtimestest.WantRecords(t, f.Watch.During("r2"), fact.want)
		})
	}
}

// TestWatchPauses checks that a pause comes from seed and request.
func TestWatchPauses(t *testing.T) {
	pauses := func(seed string) string {
		f := run(t, "Echo", options{Slots: 2, Watch: `"seed": ` + seed + `, "pause": 0.1, "pauseMaxMs": 50`}).WaitReady()
		for i := range 8 {
			f.Call(`{}`, runtimestest.ID(fmt.Sprintf("r%d", i)))
		}
		var found []string
		for _, r := range f.Watch.Until(func(r runtimestest.Record) bool { return r.RequestID == "r7" && r.Kind == "end" }) {
			if r.Kind == "pause" {
				found = append(found, fmt.Sprint(r.RequestID, " ", r.Detail["ms"]))
			}
		}
		return strings.Join(found, ", ")
	}
	one, again, other := pauses("1"), pauses("1"), pauses("2")
	if one == "" || one != again || one == other {
		t.Errorf("pauses %q, again %q, with another seed %q", one, again, other)
	}
}
