package lamina

import "testing"

func TestRuntimeVersion(t *testing.T) {
	for runtime, want := range map[string]string{
		"python3.13": "python:3.13.v1", "nodejs22.x": "nodejs:22.v1", "java21": "java:21.v1", "java8.al2": "java:8.al2.v1",
		"provided.al2023": "provided:al2023.v1", "dotnet8": "dotnet:8.v1", "ruby3.4": "ruby:3.4.v1", "": "",
	} {
		if got := RuntimeVersion(runtime); got != want {
			t.Errorf("%q: %q, want %q", runtime, got, want)
		}
	}
	if RuntimeVersionARN("us-east-1", "") != "" {
		t.Error("none has an ARN")
	}
}
