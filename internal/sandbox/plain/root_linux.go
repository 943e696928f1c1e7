package plain

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// What an environment sees of the host, all of it read-only. The programs and
// libraries are needed by interpreters that are installed there; of /etc only
// what name resolution, certificates and the dynamic linker need.
var (
	hostDirs = []string{"usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32", "nix/store", "home/linuxbrew/.linuxbrew"}
	hostEtc  = []string{
		"alternatives", "ca-certificates", "crypto-policies", "gai.conf", "host.conf", "ld.so.cache", "ld.so.conf",
		"ld.so.conf.d", "localtime", "mime.types", "nsswitch.conf", "pki", "protocols", "resolv.conf", "services", "ssl",
	}
	hostDev  = []string{"null", "zero", "full", "random", "urandom"}
	devLinks = map[string]string{
		"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2",
	}
)

// defaultTmp is AWS's smallest and default size of /tmp.
const defaultTmp = 512 << 20

// builder makes the root of an environment in its new mount namespace.
type builder struct {
	root   string
	spec   stageSpec
	noProc bool
}

func (b *builder) build() error {
	unix.Umask(0)
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("making mounts private: %w", err)
	}
	if err := unix.Mount("tmpfs", b.root, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=755,size=1m"); err != nil {
		return fmt.Errorf("mounting the root: %w", err)
	}
	for _, step := range []func() error{b.hostFiles, b.etc, b.dev, b.proc, b.folders, b.tmp, b.enter} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// at is a path inside the root that is still outside.
func (b *builder) at(path string) string { return filepath.Join(b.root, path) }

func (b *builder) hostFiles() error {
	for _, name := range hostDirs {
		src := "/" + name
		st, err := os.Lstat(src)
		if err != nil {
			continue // not every host has all of them
		}
		if st.Mode()&fs.ModeSymlink != 0 {
			target, err := os.Readlink(src)
			if err != nil {
				return err
			}
			if err := os.Symlink(target, b.at(name)); err != nil {
				return err
			}
			continue
		}
		if err := b.bind(src, name, true); err != nil {
			return err
		}
	}
	return nil
}

func (b *builder) etc() error {
	for _, name := range hostEtc {
		src, err := filepath.EvalSymlinks("/etc/" + name)
		if err != nil {
			continue
		}
		if err := b.bind(src, "etc/"+name, true); err != nil {
			return err
		}
	}
	for name, text := range map[string]string{
		"passwd": fmt.Sprintf("root:x:0:0:root:/root:/sbin/nologin\nsbx_user1051:x:%d:%d::/home/sbx_user1051:/sbin/nologin\n", b.spec.UID, b.spec.GID),
		"group":  fmt.Sprintf("root:x:0:\nrdsdb:x:%d:\n", b.spec.GID),
		"hosts":  "127.0.0.1 localhost\n127.0.0.1 sandbox.localdomain sandbox\n::1 localhost ip6-localhost\n",
	} {
		if err := os.MkdirAll(b.at("etc"), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(b.at("etc/"+name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func (b *builder) dev() error {
	for _, name := range hostDev {
		if err := b.bind("/dev/"+name, "dev/"+name, false); err != nil {
			return err
		}
	}
	for name, target := range devLinks {
		if err := os.Symlink(target, b.at("dev/"+name)); err != nil {
			return err
		}
	}
	return nil
}

// proc shows the environment its own processes. Some containers forbid the
// mount; then /proc stays empty, since the host's would show too much.
func (b *builder) proc() error {
	if err := os.Mkdir(b.at("proc"), 0o555); err != nil {
		return err
	}
	if b.noProc {
		return nil
	}
	err := unix.Mount("proc", b.at("proc"), "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "")
	if errors.Is(err, unix.EPERM) {
		b.noProc = true
		return nil
	}
	if err != nil {
		return fmt.Errorf("mounting /proc: %w", err)
	}
	return nil
}

func (b *builder) folders() error {
	for _, f := range []struct{ src, dst string }{
		{b.spec.TaskDir, "var/task"},
		{b.spec.RuntimeDir, "var/runtime"},
		{b.spec.LangDir, "var/lang"},
		{b.spec.LayersDir, "opt"},
	} {
		if f.src == "" {
			if err := os.MkdirAll(b.at(f.dst), 0o755); err != nil {
				return err
			}
			continue
		}
		if err := b.bind(f.src, f.dst, true); err != nil {
			return err
		}
	}
	return nil
}

// tmp is memory of the environment, so that it is bounded and leaves nothing behind.
func (b *builder) tmp() error {
	size := b.spec.TmpBytes
	if size <= 0 {
		size = defaultTmp
	}
	if err := os.Mkdir(b.at("tmp"), 0o755); err != nil {
		return err
	}
	if err := unix.Mount("tmpfs", b.at("tmp"), "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, fmt.Sprintf("mode=1777,size=%d", size)); err != nil {
		return fmt.Errorf("mounting /tmp: %w", err)
	}
	return nil
}

// enter makes the root the only one there is, and read-only.
func (b *builder) enter() error {
	if err := os.Chdir(b.root); err != nil {
		return err
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("changing the root: %w", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("leaving the host's root: %w", err)
	}
	if err := os.Chdir("/"); err != nil {
		return err
	}
	if err := unix.Mount("", "/", "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV, ""); err != nil {
		return fmt.Errorf("making the root read-only: %w", err)
	}
	return nil
}

// bind shows the host's src at dst, with what is mounted below.
func (b *builder) bind(src, dst string, readOnly bool) error {
	st, err := os.Stat(src)
	if err != nil {
		return err
	}
	to := b.at(dst)
	if st.IsDir() {
		err = os.MkdirAll(to, 0o755)
	} else if err = os.MkdirAll(filepath.Dir(to), 0o755); err == nil {
		err = os.WriteFile(to, nil, 0o644)
	}
	if err != nil {
		return err
	}
	if err := unix.Mount(src, to, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("binding %s: %w", src, err)
	}
	if !readOnly {
		return nil
	}
	attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV}
	err = unix.MountSetattr(unix.AT_FDCWD, to, unix.AT_RECURSIVE, &attr)
	if errors.Is(err, unix.ENOSYS) { // before Linux 5.12
		err = remountReadOnly(to)
	}
	if err != nil {
		return fmt.Errorf("making %s read-only: %w", src, err)
	}
	return nil
}

// remountReadOnly keeps the flags that a user namespace may not clear.
func remountReadOnly(path string) error {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return err
	}
	keep := uintptr(st.Flags) & (unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC | unix.MS_NOATIME | unix.MS_NODIRATIME | unix.MS_RELATIME)
	return unix.Mount("", path, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV|keep, "")
}
