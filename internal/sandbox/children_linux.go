package sandbox

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// Children are the processes that any thread of a process has started.
func Children(pid int) (list []int) {
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/[0-9]*/children", pid))
	for _, file := range files {
		children, _ := os.ReadFile(file)
		for field := range strings.FieldsSeq(string(children)) {
			if child, err := strconv.Atoi(field); err == nil {
				list = append(list, child)
			}
		}
	}
	return list
}

// Outside gives this process's number of a child that the process first has just
// started and which its own namespace calls inside; 0 when it is gone already.
func Outside(first, inside int) int {
	for _, pid := range Children(first) {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			continue
		}
		_, rest, _ := strings.Cut(string(status), "\nNSpid:")
		line, _, _ := strings.Cut(rest, "\n")
		numbers := strings.Fields(line)
		if len(numbers) > 0 && numbers[len(numbers)-1] == strconv.Itoa(inside) {
			return pid
		}
	}
	return 0
}

// SignalChild reaches nobody once the process first has buried the child: its
// number may be another's.
func SignalChild(first, child int, sig syscall.Signal) error {
	if child == 0 {
		return errors.New("signalling a process that could not be found: its kernel may lack CONFIG_PROC_CHILDREN")
	}
	if !slices.Contains(Children(first), child) {
		return nil
	}
	if err := syscall.Kill(child, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("signalling process %d: %w", child, err)
	}
	return nil
}
