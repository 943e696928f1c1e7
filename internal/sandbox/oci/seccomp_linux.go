package oci

import (
	"runtime"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// allowed are the system calls that a function may make, by purpose. What is on
// neither list answers ENOSYS, so that a C library tries an older call.
// Names of other processor architectures are passed over by the runtime.
var allowed = [][]string{
	// files: open, read, write, position
	{"read", "write", "readv", "writev", "pread64", "pwrite64", "preadv", "pwritev", "preadv2", "pwritev2", "open", "openat", "openat2",
		"creat", "close", "close_range", "lseek", "_llseek", "truncate", "ftruncate", "fallocate", "fadvise64", "readahead", "dup", "dup2", "dup3",
		"fcntl", "flock", "sendfile", "splice", "tee", "vmsplice", "copy_file_range", "sync", "fsync", "fdatasync", "syncfs", "sync_file_range"},
	// files: names and attributes
	{"stat", "lstat", "fstat", "newfstatat", "fstatat64", "statx", "statfs", "fstatfs", "access", "faccessat", "faccessat2", "getcwd", "chdir", "fchdir",
		"getdents", "getdents64", "mkdir", "mkdirat", "rmdir", "rename", "renameat", "renameat2", "link", "linkat", "symlink", "symlinkat",
		"readlink", "readlinkat", "unlink", "unlinkat", "chmod", "fchmod", "fchmodat", "fchmodat2", "chown", "fchown", "lchown", "fchownat", "umask",
		"utime", "utimes", "utimensat", "futimesat", "mknod", "mknodat", "name_to_handle_at", "cachestat",
		"getxattr", "lgetxattr", "fgetxattr", "setxattr", "lsetxattr", "fsetxattr", "listxattr", "llistxattr", "flistxattr",
		"removexattr", "lremovexattr", "fremovexattr", "inotify_init", "inotify_init1", "inotify_add_watch", "inotify_rm_watch"},
	// memory
	{"brk", "mmap", "mmap2", "munmap", "mremap", "mprotect", "msync", "madvise", "process_madvise", "mincore", "mlock", "mlock2", "munlock", "mlockall",
		"munlockall", "memfd_create", "memfd_secret", "membarrier", "pkey_alloc", "pkey_free", "pkey_mprotect", "remap_file_pages", "map_shadow_stack", "mseal"},
	// processes and threads
	{"fork", "vfork", "execve", "execveat", "exit", "exit_group", "wait4", "waitid", "set_tid_address", "gettid", "getpid", "getppid", "getpgid",
		"setpgid", "getpgrp", "getsid", "setsid", "arch_prctl", "prctl", "set_robust_list", "get_robust_list", "rseq", "futex", "futex_waitv",
		"futex_wait", "futex_wake", "futex_requeue", "pidfd_open", "pidfd_send_signal", "getcpu", "personality",
		"sched_yield", "sched_getaffinity", "sched_setaffinity", "sched_getparam", "sched_setparam", "sched_getscheduler", "sched_setscheduler",
		"sched_getattr", "sched_setattr", "sched_get_priority_max", "sched_get_priority_min", "sched_rr_get_interval",
		"getpriority", "setpriority", "ioprio_get", "getrlimit", "setrlimit", "prlimit64", "ugetrlimit", "getrusage", "times"},
	// who
	{"getuid", "geteuid", "getgid", "getegid", "getresuid", "getresgid", "getgroups", "setuid", "setgid", "setreuid", "setregid", "setresuid",
		"setresgid", "setgroups", "setfsuid", "setfsgid", "capget", "capset"},
	// signals and time
	{"rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "rt_sigpending", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "rt_sigsuspend", "rt_sigtimedwait",
		"sigaltstack", "kill", "tkill", "tgkill", "pause", "alarm", "signalfd", "signalfd4", "restart_syscall",
		"nanosleep", "clock_nanosleep", "clock_gettime", "clock_getres", "gettimeofday", "time", "getitimer", "setitimer",
		"timer_create", "timer_settime", "timer_gettime", "timer_getoverrun", "timer_delete", "timerfd_create", "timerfd_settime", "timerfd_gettime"},
	// waiting for descriptors, pipes
	{"poll", "ppoll", "select", "_newselect", "pselect6", "epoll_create", "epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait", "epoll_pwait2",
		"eventfd", "eventfd2", "pipe", "pipe2", "io_setup", "io_submit", "io_getevents", "io_pgetevents", "io_cancel", "io_destroy"},
	// sockets; socket itself is ruled below
	{"socketpair", "bind", "listen", "accept", "accept4", "connect", "shutdown", "getsockname", "getpeername", "getsockopt", "setsockopt",
		"send", "recv", "sendto", "recvfrom", "sendmsg", "recvmsg", "sendmmsg", "recvmmsg"},
	// System V and POSIX message passing, within the environment's own IPC namespace
	{"shmget", "shmat", "shmdt", "shmctl", "semget", "semop", "semtimedop", "semctl", "msgget", "msgsnd", "msgrcv", "msgctl",
		"mq_open", "mq_unlink", "mq_timedsend", "mq_timedreceive", "mq_notify", "mq_getsetattr"},
	// the machine, and filters of one's own
	{"uname", "sysinfo", "getrandom", "seccomp", "landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self"},
}

// denied would answer EPERM on AWS as well, since they take privileges; some
// programs stop at any other answer.
var denied = []string{
	"mount", "umount2", "pivot_root", "chroot", "move_mount", "open_tree", "fsopen", "fsmount", "fsconfig", "fspick", "mount_setattr", "swapon", "swapoff",
	"unshare", "setns", "reboot", "sethostname", "setdomainname", "syslog", "acct", "quotactl", "kexec_load", "kexec_file_load",
	"init_module", "finit_module", "delete_module", "iopl", "ioperm", "settimeofday", "clock_settime", "clock_adjtime", "adjtimex",
	"bpf", "perf_event_open", "userfaultfd", "io_uring_setup", "io_uring_enter", "io_uring_register", "ptrace", "process_vm_readv", "process_vm_writev",
	"kcmp", "pidfd_getfd", "keyctl", "add_key", "request_key", "open_by_handle_at", "fanotify_init", "vhangup", "mbind", "set_mempolicy",
	"move_pages", "migrate_pages", "lookup_dcookie", "nfsservctl", "ioprio_set",
}

// namespaceFlags are clone's that make namespaces. clone3 hides them from a
// filter, so it answers ENOSYS and C libraries take clone.
const namespaceFlags = unix.CLONE_NEWNS | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC | unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNET |
	unix.CLONE_NEWCGROUP

// families are the sockets that a function may open.
var families = []uint64{unix.AF_UNIX, unix.AF_INET, unix.AF_INET6, unix.AF_NETLINK}

// architectures in the filter's words; another architecture's calls kill.
var architectures = map[string]specs.Arch{"amd64": specs.ArchX86_64, "arm64": specs.ArchAARCH64}

// seccomp is the filter of every environment: what is not listed is refused.
// nil on an architecture for which it is not tested.
func seccomp() *specs.LinuxSeccomp {
	arch, ok := architectures[runtime.GOARCH]
	if !ok {
		return nil
	}
	enosys, eperm := uint(unix.ENOSYS), uint(unix.EPERM)
	s := &specs.LinuxSeccomp{
		DefaultAction: specs.ActErrno, DefaultErrnoRet: &enosys, Architectures: []specs.Arch{arch},
		Syscalls: []specs.LinuxSyscall{
			{Names: denied, Action: specs.ActErrno, ErrnoRet: &eperm},
			{Names: []string{"clone"}, Action: specs.ActAllow, Args: []specs.LinuxSeccompArg{
				{Index: 0, Value: namespaceFlags, ValueTwo: 0, Op: specs.OpMaskedEqual},
			}},
			// A terminal's input can't be written from inside (TIOCSTI).
			{Names: []string{"ioctl"}, Action: specs.ActAllow, Args: []specs.LinuxSeccompArg{{Index: 1, Value: unix.TIOCSTI, Op: specs.OpNotEqual}}},
		},
	}
	for _, names := range allowed {
		s.Syscalls = append(s.Syscalls, specs.LinuxSyscall{Names: names, Action: specs.ActAllow})
	}
	for _, family := range families {
		s.Syscalls = append(s.Syscalls, specs.LinuxSyscall{Names: []string{"socket"}, Action: specs.ActAllow,
			Args: []specs.LinuxSeccompArg{{Index: 0, Value: family, Op: specs.OpEqualTo}}})
	}
	return s
}
