package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// smallDisk is a file system of its own, in bytes.
func smallDisk(t *testing.T, size int) string {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("a small file system can only be mounted by root on Linux")
	}
	dir := dataFolder(t)
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d,mode=0755", size)); err != nil {
		t.Skip("a small file system can only be mounted by root on Linux")
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Errorf("unmount the small disk: %v", err)
		}
	})
	return dir
}

// A full disk refuses what needs it, does nothing by halves, and all else goes on.
func TestFullDisk(t *testing.T) {
	disk := smallDisk(t, 96<<20)
	s := begin(t, &server{data: filepath.Join(disk, "data")})
	p := makePlace(t, s)
	p.publish(t, p.goFunction(t, "before"))
	filler := filepath.Join(disk, "filler")
	fill(t, filler)
	zip := pythonCode(t, demoPython(t))
	create := func(ctx context.Context) error {
		_, err := p.Lambda.CreateFunction(ctx, &lambda.CreateFunctionInput{
			FunctionName: new("after"), Role: &p.execution, Runtime: types.RuntimePython313, Handler: new("app.handler"), Code: &types.FunctionCode{ZipFile: zip},
		})
		return err
	}
	if err := create(t.Context()); code(err) != "ServiceException" {
		t.Errorf("with a full disk: %v, want ServiceException", err)
	}
	if _, err := p.Lambda.GetFunction(t.Context(), &lambda.GetFunctionInput{FunctionName: new("after")}); code(err) != "ResourceNotFoundException" {
		t.Errorf("the refused function exists: %v", err)
	}
	p.must(t, "before")
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	until(t, 10*time.Second, "space is taken again", func() bool { return create(t.Context()) == nil })
	if err := p.WaitActive(t.Context(), "before", time.Second); err != nil {
		t.Error(err)
	}
	p.must(t, "before")
}

// fill takes all the space that is left.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, piece := range []int{1 << 20, 4 << 10, 1} {
		for {
			if _, err := f.Write(make([]byte, piece)); err != nil {
				break
			}
		}
	}
}
