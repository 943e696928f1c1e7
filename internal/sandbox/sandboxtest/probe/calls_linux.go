package main

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// tryCalls makes system calls that take privileges or reach other processes.
func tryCalls() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		fmt.Println(err)
		return
	}
	for name, call := range map[string]func() error{
		"mount":        func() error { return unix.Mount("tmpfs", dir, "tmpfs", 0, "") },
		"chroot":       func() error { return unix.Chroot(dir) },
		"unshare mnt":  func() error { return unix.Unshare(unix.CLONE_NEWNS) },
		"unshare net":  func() error { return unix.Unshare(unix.CLONE_NEWNET) },
		"sethostname":  func() error { return unix.Sethostname([]byte("x")) },
		"settime":      func() error { return unix.Settimeofday(&unix.Timeval{}) },
		"mknod device": func() error { return unix.Mknod(filepath.Join(dir, "sda"), unix.S_IFBLK|0o666, 8<<8) },
		"bpf":          func() error { _, _, e := unix.Syscall(unix.SYS_BPF, 0, 0, 0); return errno(e) },
		"keyctl":       func() error { _, err := unix.KeyctlInt(unix.KEYCTL_GET_KEYRING_ID, -3, 1, 0, 0); return err },
		"io_uring":     func() error { _, _, e := unix.Syscall(unix.SYS_IO_URING_SETUP, 1, 0, 0); return errno(e) },
		"perf":         func() error { _, err := unix.PerfEventOpen(&unix.PerfEventAttr{}, 0, -1, -1, 0); return err },
		"vsock":        func() error { _, err := unix.Socket(unix.AF_VSOCK, unix.SOCK_STREAM, 0); return err },
		"packet":       func() error { _, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0); return err },
		"reboot":       func() error { return unix.Reboot(unix.LINUX_REBOOT_CMD_CAD_OFF) },
	} {
		if call() == nil {
			fmt.Println(name, "allowed")
			continue
		}
		fmt.Println(name, "refused")
	}
}

// errno is nil for 0, unlike the error interface around it.
func errno(e unix.Errno) error {
	if e == 0 {
		return nil
	}
	return e
}
