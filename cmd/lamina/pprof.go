//go:build pprof

package main

import (
	"cmp"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/pprof"
	"syscall"
	"time"
)

// profileLength is how long a signal lets the CPU profile run (chosen).
const profileLength = 10 * time.Second

// In a binary built with -tags pprof, server and agents write a CPU profile
// into the folder LAMINA_PROFILE (default: the temporary one) at each SIGUSR1. Other
// binaries have no way to it, least of all over the network.
func init() {
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGUSR1)
	go func() { // ends with the process
		for range asked {
			if err := profile(); err != nil {
				fmt.Fprintln(os.Stderr, "profile:", err)
			}
		}
	}()
}

func profile() error {
	name := fmt.Sprintf("lamina-%s-%d.pprof", os.Args[min(1, len(os.Args)-1)], time.Now().UnixNano())
	f, err := os.Create(filepath.Join(cmp.Or(os.Getenv("LAMINA_PROFILE"), os.TempDir()), name))
	if err != nil {
		return err
	}
	defer f.Close()
	if err := pprof.StartCPUProfile(f); err != nil {
		return err
	}
	time.Sleep(profileLength)
	pprof.StopCPUProfile()
	return nil
}
