package main

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// tryPrivileges does what only root, or somebody with a capability, may do.
func tryPrivileges() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		fmt.Println(err)
		return
	}
	write := func(name string) func() error {
		return func() error {
			f, err := os.OpenFile(name, os.O_WRONLY, 0)
			if err == nil {
				f.Close()
			}
			return err
		}
	}
	try(map[string]func() error{
		"mount":         func() error { return unix.Mount("tmpfs", dir, "tmpfs", 0, "") },
		"remount root":  func() error { return unix.Mount("", "/", "", unix.MS_REMOUNT|unix.MS_BIND, "") },
		"unmount":       func() error { return unix.Unmount("/proc", unix.MNT_DETACH) },
		"chroot":        func() error { return unix.Chroot(dir) },
		"pivot_root":    func() error { return unix.PivotRoot(dir, dir) },
		"sethostname":   func() error { return unix.Sethostname([]byte("x")) },
		"settime":       func() error { return unix.Settimeofday(&unix.Timeval{}) },
		"mknod device":  func() error { return unix.Mknod(filepath.Join(dir, "sda"), unix.S_IFBLK|0o666, 8<<8) },
		"reboot":        func() error { return unix.Reboot(unix.LINUX_REBOOT_CMD_CAD_OFF) },
		"packet":        func() error { _, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0); return err },
		"raw":           func() error { _, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_TCP); return err },
		"setuid":        func() error { return unix.Setresuid(0, 0, 0) },
		"setgroups":     func() error { return unix.Setgroups([]int{0}) },
		"priority":      func() error { return unix.Setpriority(unix.PRIO_PROCESS, 0, -10) },
		"module":        func() error { return unix.InitModule([]byte{0}, "") },
		"write sysctl":  write("/proc/sys/kernel/core_pattern"),
		"write sysrq":   write("/proc/sysrq-trigger"),
		"write release": write("/sys/fs/cgroup/release_agent"),
		"write own exe": write("/proc/self/exe"), // the way of CVE-2019-5736
		"write memory":  write("/dev/mem"),
		"write cgroup":  func() error { return os.Mkdir("/sys/fs/cgroup/mine", 0o755) },
	})
}

// try prints what was allowed.
func try(calls map[string]func() error) {
	for name, call := range calls {
		if call() == nil {
			fmt.Println(name, "allowed")
			continue
		}
		fmt.Println(name, "refused")
	}
}

// tryCalls makes system calls that take privileges or reach other processes.
func tryCalls() {
	try(map[string]func() error{
		"unshare mnt": func() error { return unix.Unshare(unix.CLONE_NEWNS) },
		"unshare net": func() error { return unix.Unshare(unix.CLONE_NEWNET) },
		"unshare all": func() error { return unix.Unshare(unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWPID) },
		"bpf":         func() error { _, _, e := unix.Syscall(unix.SYS_BPF, 0, 0, 0); return errno(e) },
		"keyctl":      func() error { _, err := unix.KeyctlInt(unix.KEYCTL_GET_KEYRING_ID, -3, 1, 0, 0); return err },
		"io_uring":    func() error { _, _, e := unix.Syscall(unix.SYS_IO_URING_SETUP, 1, 0, 0); return errno(e) },
		"userfaultfd": func() error { _, _, e := unix.Syscall(unix.SYS_USERFAULTFD, unix.O_CLOEXEC, 0, 0); return errno(e) },
		"perf":        func() error { _, err := unix.PerfEventOpen(&unix.PerfEventAttr{}, 0, -1, -1, 0); return err },
		"vsock":       func() error { _, err := unix.Socket(unix.AF_VSOCK, unix.SOCK_STREAM, 0); return err },
		"by handle": func() error {
			_, err := unix.OpenByHandleAt(unix.AT_FDCWD, unix.NewFileHandle(0, make([]byte, 8)), 0)
			return err
		},
	})
}

// errno is nil for 0, unlike the error interface around it.
func errno(e unix.Errno) error {
	if e == 0 {
		return nil
	}
	return e
}
