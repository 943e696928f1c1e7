package plain

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/lamina-dev/lamina/internal/sandbox/reaper"
)

// stage is the whole life of the re-executed binary: it waits for its order,
// builds the environment around itself, and becomes the command's reaper or,
// without namespaces, the command.
func stage() int {
	runtime.LockOSThread() // capabilities and no_new_privs belong to a thread, and exec keeps this one
	orders, answer := os.NewFile(3, "order"), os.NewFile(4, "outcome")
	syscall.CloseOnExec(3)
	syscall.CloseOnExec(4)
	_ = unix.CloseRange(initFD, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC) // what whoever started lamina left open; before Linux 5.11 it stays so
	var o order
	if err := json.NewDecoder(orders).Decode(&o); err != nil {
		return 1 // who started us has gone
	}
	out := outcome{NoProc: o.NoProc}
	if err := become(o, &out); err != nil {
		out.Error = err.Error()
	}
	json.NewEncoder(answer).Encode(out)
	if out.Error != "" {
		return 1
	}
	return 0
}

// become returns only on failure, or when all is well with a probe.
func become(o order, out *outcome) error {
	self := -1
	if o.Spec.Init { // found before the host's files are out of sight
		var err error
		if self, err = unix.Open("/proc/self/exe", unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil {
			return fmt.Errorf("finding the environment's init: %w", err)
		}
		o.Spec.WorkDir = "/" // its commands have folders of their own; an image need not have the usual one
	}
	if o.Namespaces {
		b := builder{root: o.Root, spec: o.Spec, noProc: o.NoProc}
		if err := b.build(); err != nil {
			return err
		}
		out.NoProc = b.noProc
	}
	if err := setLimits(o.Spec.NoFile); err != nil {
		return err
	}
	if st, err := os.Stat(o.Spec.WorkDir); err == nil && !st.IsDir() {
		return fmt.Errorf("Runtime.InvalidWorkingDir: %s: %w", o.Spec.WorkDir, syscall.ENOTDIR)
	}
	if err := dropPrivileges(o); err != nil {
		return err
	}
	if err := os.Chdir(o.Spec.WorkDir); err != nil {
		return fmt.Errorf("Runtime.InvalidWorkingDir: %w", err)
	}
	if o.Probe {
		return nil
	}
	if o.Spec.Init {
		return becomeInit(self)
	}
	path, err := lookPath(o.Spec.Argv[0], o.Spec.Env)
	if err != nil {
		return fmt.Errorf("Runtime.InvalidEntrypoint: %w", err)
	}
	syscall.Umask(0o022)
	if o.Namespaces {
		if err := becomeReaper(path, o.Spec); err != nil {
			return err
		}
	}
	err = syscall.Exec(path, o.Spec.Argv, o.Spec.Env)
	return fmt.Errorf("Runtime.InvalidEntrypoint: running %s: %w", path, err)
}

// becomeReaper makes this process the command's reaper, from a file that is in
// memory only. It returns nil where the command has to be the first process itself.
func becomeReaper(path string, spec stageSpec) error {
	program := reaper.Program()
	if program == nil {
		return nil
	}
	fd, err := unix.MemfdCreate("lamina", unix.MFD_CLOEXEC|unix.MFD_EXEC)
	if errors.Is(err, unix.EINVAL) { // before Linux 6.3
		fd, err = unix.MemfdCreate("lamina", unix.MFD_CLOEXEC)
	}
	if err != nil {
		return nil // executing from memory may be forbidden (vm.memfd_noexec)
	}
	if _, err := unix.Write(fd, program); err != nil {
		return fmt.Errorf("writing the environment's first program: %w", err)
	}
	if _, err := unix.FcntlInt(reaper.FD, unix.F_SETFD, 0); err != nil {
		return fmt.Errorf("keeping the outcome's descriptor: %w", err)
	}
	err = execFile(fd, reaper.Argv(path, spec.Argv), spec.Env)
	if errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM) { // that may be forbidden too, by SELinux say
		syscall.CloseOnExec(reaper.FD)
		return nil
	}
	return fmt.Errorf("running the environment's first program: %w", err)
}

// becomeInit runs this binary once more, so that no thread of it keeps what this
// one has just given up.
func becomeInit(self int) error {
	if _, err := unix.FcntlInt(initFD, unix.F_SETFD, 0); err != nil {
		return fmt.Errorf("keeping the init's orders: %w", err)
	}
	err := execFile(self, []string{"lamina", initArg}, []string{"GOMAXPROCS=1"})
	return fmt.Errorf("running lamina as the environment's init, which its user (%d) must be allowed to: %w", os.Getuid(), err)
}

// execFile becomes the program in an open file, to which there need be no path.
func execFile(fd int, argv, env []string) error {
	args, err := syscall.SlicePtrFromStrings(argv)
	if err != nil {
		return err
	}
	vars, err := syscall.SlicePtrFromStrings(env)
	if err != nil {
		return err
	}
	var none [1]byte
	_, _, errno := syscall.RawSyscall6(unix.SYS_EXECVEAT, uintptr(fd), uintptr(unsafe.Pointer(&none[0])),
		uintptr(unsafe.Pointer(&args[0])), uintptr(unsafe.Pointer(&vars[0])), unix.AT_EMPTY_PATH, 0)
	return errno
}

// setLimits sets the descriptors' limit as far as the hard limit permits, and no core files.
func setLimits(noFile uint64) error {
	if err := syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{}); err != nil {
		return fmt.Errorf("forbidding core files: %w", err)
	}
	var now syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &now); err != nil {
		return fmt.Errorf("reading the descriptor limit: %w", err)
	}
	limit := now.Max
	if noFile > 0 {
		limit = min(noFile, now.Max)
	}
	// Set explicitly in any case: Go raises its own soft limit at start.
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: limit, Max: limit}); err != nil {
		return fmt.Errorf("limiting descriptors to %d: %w", limit, err)
	}
	return nil
}

// dropPrivileges makes this thread the function's user, for good.
func dropPrivileges(o order) error {
	dropBounding()
	if o.SetUser {
		if err := syscall.Setgroups(nil); err != nil {
			return fmt.Errorf("dropping groups: %w", err)
		}
		if err := syscall.Setresgid(o.Spec.GID, o.Spec.GID, o.Spec.GID); err != nil {
			return fmt.Errorf("becoming group %d: %w", o.Spec.GID, err)
		}
		if err := syscall.Setresuid(o.Spec.UID, o.Spec.UID, o.Spec.UID); err != nil {
			return fmt.Errorf("becoming user %d: %w", o.Spec.UID, err)
		}
		// In a root of its own, the function's own modes are at fault: chdir tells.
		if err := unix.Access(o.Spec.WorkDir, unix.R_OK|unix.X_OK); errors.Is(err, unix.EACCES) && o.Spec.RootDir == "" {
			return fmt.Errorf("the function's user %d can't read %s", o.Spec.UID, o.Spec.WorkDir)
		}
	}
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil && !errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("clearing ambient capabilities: %w", err)
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	if _, _, errno := syscall.RawSyscall(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&none[0])), 0); errno != 0 {
		return fmt.Errorf("dropping capabilities: %w", errno)
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("setting no_new_privs: %w", err)
	}
	return nil
}

// dropBounding empties the bounding set where permitted; no_new_privs alone
// keeps a program from gaining anything, so a refusal is no harm.
func dropBounding() {
	for c := uintptr(0); c <= unix.CAP_LAST_CAP; c++ {
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0); err != nil {
			return
		}
	}
}
