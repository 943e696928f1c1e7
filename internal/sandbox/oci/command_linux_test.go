package oci

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestARuntimeThatHangsHoldsNobodyUp(t *testing.T) {
	path := filepath.Join(t.TempDir(), "runsc")
	if err := os.WriteFile(path, []byte("#!/bin/sh\nsleep 40 & sleep 40\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	c := command{kind: Runsc, path: path}
	began := time.Now()
	err := c.short(50*time.Millisecond, "delete", "--force", "id")
	if err == nil || !strings.Contains(err.Error(), "runsc delete does not end") || time.Since(began) > 30*time.Second {
		t.Errorf("after %v: %v", time.Since(began), err)
	}
}
