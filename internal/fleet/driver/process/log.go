package process

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// keptLogs is how many agents' logs stay for a post-mortem (chosen).
const keptLogs = 64

// openLog makes the file for an agent's own output. It lies beside the scratch
// folders, so that it is still there when the instance is gone.
func (d *Driver) openLog(id string) (*os.File, error) {
	d.pruneLogs()
	f, err := os.OpenFile(filepath.Join(d.cfg.Dir, logDir, id+".log"), os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the agent's log: %w", err)
	}
	return f, nil
}

// pruneLogs removes the oldest logs of ended instances; a fault here is of no consequence.
func (d *Driver) pruneLogs() {
	entries, err := os.ReadDir(filepath.Join(d.cfg.Dir, logDir))
	if err != nil || len(entries) < keptLogs {
		return
	}
	type aged struct {
		path string
		mod  int64
	}
	var old []aged
	for _, e := range entries {
		name := e.Name()
		if _, err := os.Stat(d.dir(name[:max(0, len(name)-len(".log"))])); err == nil {
			continue // still there
		}
		if info, err := e.Info(); err == nil {
			old = append(old, aged{filepath.Join(d.cfg.Dir, logDir, name), info.ModTime().UnixNano()})
		}
	}
	slices.SortFunc(old, func(a, b aged) int { return int(min(1, max(-1, a.mod-b.mod))) })
	for _, o := range old[:max(0, len(old)-keptLogs+1)] {
		os.Remove(o.path)
	}
}
