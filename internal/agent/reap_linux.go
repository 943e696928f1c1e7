package agent

import (
	"bytes"
	"context"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

// reapAfter is how long a dead child waits for its own waiter: what is still
// there then was orphaned to this process, the init of its PID namespace.
const reapAfter = 3 * time.Second

// reap takes the orphans' exit statuses without taking those that os/exec waits
// for. It has no timer while no child is dead.
func reap(ctx context.Context) {
	if self, err := os.Readlink("/proc/self"); os.Getpid() != 1 || err != nil || self != "1" {
		return
	}
	died := make(chan os.Signal, 1)
	signal.Notify(died, syscall.SIGCHLD)
	defer signal.Stop(died)
	seen := map[int]time.Time{}
	for {
		var again <-chan time.Time
		if len(seen) > 0 {
			again = time.After(reapAfter)
		}
		select {
		case <-died:
		case <-again:
		case <-ctx.Done():
			return
		}
		now := time.Now()
		dead := zombies()
		for pid := range seen {
			if !dead[pid] {
				delete(seen, pid)
			}
		}
		for pid := range dead {
			if first, known := seen[pid]; !known {
				seen[pid] = now
			} else if now.Sub(first) >= reapAfter {
				_, _ = syscall.Wait4(pid, nil, syscall.WNOHANG, nil)
				delete(seen, pid)
			}
		}
	}
}

// zombies are this process's dead children.
func zombies() map[int]bool {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	dead := map[int]bool{}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		b, err := os.ReadFile("/proc/" + e.Name() + "/stat")
		if err != nil {
			continue
		}
		f := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:])
		if len(f) > 1 && string(f[0]) == "Z" && string(f[1]) == "1" {
			dead[pid] = true
		}
	}
	return dead
}
