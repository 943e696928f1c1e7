package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// staticcheck is the linter at the version the repository is clean under.
const staticcheck = "honnef.co/go/tools/cmd/staticcheck@v0.8.2"

// modelsFolder holds AWS's API models where a checkout has them beside it.
// They are not part of the repository.
const modelsFolder = "../shared/models"

// errSkip ends a check that cannot run here; its text is the reason.
type errSkip string

func (e errSkip) Error() string { return string(e) }

// check is something other than a Go test that must hold.
type check struct {
	name string
	run  func(context.Context) error
}

func checks() []check {
	list := []check{
		{"gofmt", formatted},
		{"vet", command(nil, "go", "vet", "./...")},
		{"staticcheck", command(nil, "go", "run", staticcheck, "./...")},
		{"generated-code-is-current", generated},
	}
	for _, system := range []string{"linux", "darwin"} {
		for _, arch := range []string{"amd64", "arm64"} {
			env := []string{"CGO_ENABLED=0", "GOOS=" + system, "GOARCH=" + arch}
			list = append(list, check{"build-" + system + "-" + arch, command(env, "go", "build", "-trimpath", "-o", os.DevNull, "./cmd/lamina")})
		}
	}
	return list
}

func runChecks(ctx context.Context, t *tally) {
	for _, c := range checks() {
		start := time.Now()
		err := c.run(ctx)
		skip, skipped := errors.AsType[errSkip](err)
		switch {
		case skipped:
			t.skip("check/"+c.name, string(skip))
		case err != nil:
			t.fail("check/"+c.name, err.Error())
		default:
			t.pass()
			fmt.Fprintf(t.out, "ok   %s (%.1fs)\n", c.name, time.Since(start).Seconds())
		}
	}
}

// command makes a check that holds when the command ends well.
func command(env []string, name string, args ...string) func(context.Context) error {
	return func(ctx context.Context) error {
		cmd := exec.CommandContext(ctx, name, args...)
		cmd.Env = append(os.Environ(), env...)
		out, err := cmd.CombinedOutput()
		if err != nil {
			return fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, out)
		}
		return nil
	}
}

// formatted holds when gofmt would change no file of the repository.
func formatted(ctx context.Context) error {
	out, err := exec.CommandContext(ctx, "gofmt", "-l", ".").CombinedOutput()
	if err != nil {
		return fmt.Errorf("running gofmt: %w\n%s", err, out)
	}
	if len(bytes.TrimSpace(out)) > 0 {
		return fmt.Errorf("gofmt would change:\n%s", out)
	}
	return nil
}

// generated holds when the generator writes exactly what is committed.
func generated(ctx context.Context) error {
	if _, err := os.Stat(modelsFolder); err != nil {
		return errSkip("the API models are not beside this checkout")
	}
	dir, err := os.MkdirTemp("", "lamina-gen-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	code, page := filepath.Join(dir, "awsmodel"), filepath.Join(dir, "operations.md")
	if err := command(nil, "go", "run", "./gen", "-models", modelsFolder, "-out", code, "-page", page)(ctx); err != nil {
		return err
	}
	if err := command(nil, "diff", "-q", filepath.Join("docs", "operations.md"), page)(ctx); err != nil {
		return err
	}
	return command(nil, "diff", "-r", "-q", "-x", "doc.go", "-x", "*_test.go", filepath.Join("internal", "awsmodel"), code)(ctx)
}
