package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/lamina-dev/lamina/internal/store/sqlite"
)

// What server.json names after a server was killed may be any process by now.
func TestDownLeavesStrangersAlone(t *testing.T) {
	f := folder(t.TempDir())
	stranger := exec.Command("sleep", "60")
	if err := stranger.Start(); err != nil {
		t.Fatal(err)
	}
	defer stranger.Wait()
	defer stranger.Process.Kill()
	if err := os.Mkdir(f.store(), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := f.write(running{PID: stranger.Process.Pid, Endpoint: "http://127.0.0.1:1"}); err != nil {
		t.Fatal(err)
	}
	stopped, release, err := stop(t.Context(), f)
	if err != nil || stopped {
		t.Fatalf("stopped %v, %v", stopped, err)
	}
	defer release()
	var status syscall.WaitStatus
	if pid, err := syscall.Wait4(stranger.Process.Pid, &status, syscall.WNOHANG, nil); err != nil || pid != 0 {
		t.Errorf("a process that is no server was ended: %v, %v", status, err)
	}
	if _, err := sqlite.Lock(f.store()); err == nil {
		t.Error("a server could start while its data is being removed")
	}
}

func TestTheSecretOfACutOffStartIsMadeAnew(t *testing.T) {
	f := folder(t.TempDir())
	if err := os.WriteFile(filepath.Join(string(f), "secret"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	made, err := f.secret()
	again, err2 := f.secret()
	if err := errors.Join(err, err2); err != nil || len(made) != 32 || string(made) != string(again) {
		t.Errorf("%x, then %x: %v", made, again, err)
	}
}
