package sandbox

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

// CPUs are those of this host that this process may use.
func CPUs() []int {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return nil
	}
	var all []int
	for cpu := 0; len(all) < set.Count(); cpu++ {
		if set.IsSet(cpu) {
			all = append(all, cpu)
		}
	}
	return all
}

// StayOn moves this whole process to some of the host's CPUs. Where it may not, it
// stays where it is.
func StayOn(cpus []int) {
	var set unix.CPUSet
	for _, cpu := range cpus {
		set.Set(cpu)
	}
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return
	}
	for _, t := range threads { // one that starts meanwhile has its maker's
		if tid, err := strconv.Atoi(t.Name()); err == nil {
			_ = unix.SchedSetaffinity(tid, &set) // it may have ended
		}
	}
}

// StartOn starts cmd with only some of the host's CPUs (Spec.CPUs); none given
// means with all.
func StartOn(cpus []int, cmd *exec.Cmd) error {
	if len(cpus) == 0 {
		return cmd.Start()
	}
	// A child has the affinity of the thread that starts it.
	runtime.LockOSThread()
	var before, mine unix.CPUSet
	for _, cpu := range cpus {
		mine.Set(cpu)
	}
	err := unix.SchedGetaffinity(0, &before)
	if err == nil {
		err = unix.SchedSetaffinity(0, &mine)
	}
	if err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("choosing CPUs %v: %w", cpus, err)
	}
	err = cmd.Start()
	if unix.SchedSetaffinity(0, &before) == nil {
		runtime.UnlockOSThread() // else the thread ends with its goroutine
	}
	return err
}
