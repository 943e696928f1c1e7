// Command testextension is an external extension for tests. Its file's name says
// how it behaves.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

var (
	name = filepath.Base(os.Args[0])
	api  = "http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API")
)

func main() {
	say("starts")
	switch {
	case strings.HasPrefix(name, "exit"):
		os.Exit(3)
	case strings.HasPrefix(name, "mute"):
		time.Sleep(time.Hour)
	}
	events := []string{}
	if list := os.Getenv("EVENTS"); list != "" && !strings.HasPrefix(name, "deaf") {
		events = strings.Split(list, ",")
	}
	resp, body := call("POST", "/2020-01-01/extension/register", map[string]any{"events": events}, "Lambda-Extension-Name", name)
	id := resp.Header.Get("Lambda-Extension-Identifier")
	say("registered", body)
	if strings.HasPrefix(name, "failing") {
		call("POST", "/2020-01-01/extension/init/error", map[string]string{"errorMessage": "no key"}, "Lambda-Extension-Identifier", id,
			"Lambda-Extension-Function-Error-Type", "Extension.NoKey")
		time.Sleep(time.Hour)
	}
	if strings.HasPrefix(name, "telemetry") {
		listen(id)
	}
	if strings.HasPrefix(name, "crash") {
		go crash()
	}
	say("variables", strings.Join(variables(), " "))
	for {
		_, body := call("GET", "/2020-01-01/extension/event/next", nil, "Lambda-Extension-Identifier", id)
		say("event", body)
		if strings.HasPrefix(name, "slow") {
			time.Sleep(300 * time.Millisecond)
		}
		if strings.HasPrefix(name, "stubborn") {
			time.Sleep(time.Hour)
		}
		if strings.Contains(body, `"SHUTDOWN"`) {
			say("ends")
			return
		}
	}
}

func say(words ...string) { fmt.Println(name+":", strings.Join(words, " ")) }

// variables are the names of all there are.
func variables() (names []string) {
	for _, v := range os.Environ() {
		n, _, _ := strings.Cut(v, "=")
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// crash waits for the function to ask for it.
func crash() {
	for {
		if _, err := os.Stat(filepath.Join(tmp(), "crash")); err == nil {
			os.Exit(3)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func tmp() string {
	if dir := os.Getenv("TMP_FOLDER"); dir != "" {
		return dir
	}
	return "/tmp"
}

// listen subscribes and says what it gets, but for what extensions say.
func listen(id string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		say("can't listen:", err.Error())
		os.Exit(1)
	}
	go http.Serve(l, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var events []struct {
			Type   string
			Record json.RawMessage
		}
		if err := json.NewDecoder(r.Body).Decode(&events); err != nil {
			say("no events:", err.Error())
		}
		for _, e := range events {
			if e.Type != "extension" {
				say("telemetry", e.Type, string(e.Record))
			}
		}
	}))
	_, port, _ := net.SplitHostPort(l.Addr().String())
	_, body := call("PUT", "/2022-07-01/telemetry", map[string]any{
		"schemaVersion": "2025-01-29", "types": []string{"platform", "function", "extension"},
		"destination": map[string]string{"protocol": "HTTP", "URI": "http://sandbox.localdomain:" + port},
		"buffering":   map[string]int{"timeoutMs": 25},
	}, "Lambda-Extension-Identifier", id)
	say("subscribed", body)
}

func call(method, path string, body any, header ...string) (*http.Response, string) {
	raw, err := json.Marshal(body)
	if err == nil {
		var r *http.Request
		if r, err = http.NewRequest(method, api+path, bytes.NewReader(raw)); err == nil {
			for i := 0; i < len(header); i += 2 {
				r.Header.Set(header[i], header[i+1])
			}
			var resp *http.Response
			if resp, err = http.DefaultClient.Do(r); err == nil {
				defer resp.Body.Close()
				text, _ := io.ReadAll(resp.Body)
				return resp, strings.TrimSpace(string(text))
			}
		}
	}
	say("failed:", err.Error())
	os.Exit(1)
	return nil, ""
}
