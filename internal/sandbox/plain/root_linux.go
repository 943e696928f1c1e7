package plain

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/lamina-dev/lamina/internal/sandbox"
	"github.com/lamina-dev/lamina/internal/sandbox/hostfs"
)

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
	steps := []func() error{b.ownRoot, b.hostFiles, b.etc, b.dev, b.proc, b.folders, b.tmp, b.enter, b.seal}
	if b.spec.RootDir != "" {
		steps = []func() error{b.givenRoot, b.givenEtc, b.ownDev, b.dev, b.sealDev, b.proc, b.folders, b.tmp, b.enter}
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// ownRoot is a root of mount points and small files, in memory.
func (b *builder) ownRoot() error {
	if err := unix.Mount("tmpfs", b.root, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=755,size=1m"); err != nil {
		return fmt.Errorf("mounting the root: %w", err)
	}
	return nil
}

// givenRoot shows the root file system, which is read-only from now on.
func (b *builder) givenRoot() error { return b.bind(b.spec.RootDir, ".", true) }

// givenEtc replaces the two files of a given root that belong to a machine.
func (b *builder) givenEtc() error {
	if err := b.bind(b.spec.Hosts, "etc/hosts", true); err != nil {
		return err
	}
	if b.spec.Resolver != "" {
		return b.bind(filepath.Join(filepath.Dir(b.spec.Hosts), hostfs.ResolverFile), "etc/resolv.conf", true)
	}
	resolver, err := filepath.EvalSymlinks("/etc/resolv.conf")
	if err != nil {
		return nil // this machine has none
	}
	return b.bind(resolver, "etc/resolv.conf", true)
}

// ownDev is where a given root gets its devices.
func (b *builder) ownDev() error {
	if err := unix.Mount("tmpfs", b.at("dev"), "tmpfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "mode=755,size=64k"); err != nil {
		return fmt.Errorf("mounting /dev: %w", err)
	}
	return nil
}

// sealDev makes /dev read-only, also for a function that has its owner's id.
func (b *builder) sealDev() error {
	if err := unix.Mount("", b.at("dev"), "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("making /dev read-only: %w", err)
	}
	return nil
}

// at is a path inside the root that is still outside.
func (b *builder) at(path string) string { return filepath.Join(b.root, path) }

func (b *builder) hostFiles() error {
	entries, err := hostfs.Entries(b.spec.Resolver)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Source == "" {
			err = os.Symlink(e.Link, b.at(e.Path))
		} else {
			err = b.bind(e.Source, e.Path, true)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (b *builder) etc() error {
	if err := os.MkdirAll(b.at("etc"), 0o755); err != nil {
		return err
	}
	for name, text := range hostfs.Files(b.spec.UID, b.spec.GID, b.spec.Resolver) {
		if err := os.WriteFile(b.at("etc/"+name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func (b *builder) dev() error {
	for _, name := range hostfs.Devices {
		if err := b.bind("/dev/"+name, "dev/"+name, false); err != nil {
			return err
		}
	}
	for name, target := range hostfs.DeviceLinks {
		if err := os.Symlink(target, b.at("dev/"+name)); err != nil {
			return err
		}
	}
	return nil
}

// proc shows the environment its own processes. Some containers forbid the
// mount; then /proc stays empty, since the host's would show too much.
func (b *builder) proc() error {
	if err := os.MkdirAll(b.at("proc"), 0o555); err != nil {
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
	// Who is root outside of a user namespace owns the kernel's settings in it too.
	for _, name := range []string{"sys", "sysrq-trigger", "irq", "bus", "fs"} {
		path := b.at("proc/" + name)
		if _, err := os.Stat(path); err != nil {
			continue // not with this kernel
		}
		if err := unix.Mount(path, path, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("binding /proc/%s: %w", name, err)
		}
		if err := remountReadOnly(path); err != nil {
			return fmt.Errorf("making /proc/%s read-only: %w", name, err)
		}
	}
	return nil
}

func (b *builder) folders() error {
	for _, f := range []struct{ src, dst string }{
		{b.spec.TaskDir, "var/task"},
		{b.spec.RuntimeDir, "var/runtime"},
		{b.spec.LangDir, "var/lang"},
		{b.spec.LayersDir, "opt"},
		{b.spec.SocketDir, "var/rapid/log"},
	} {
		if f.src == "" && b.spec.RootDir != "" {
			continue // as the root has it
		}
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
		size = sandbox.DefaultTmp
	}
	if err := os.MkdirAll(b.at("tmp"), 0o755); err != nil {
		return err
	}
	if err := unix.Mount("tmpfs", b.at("tmp"), "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, fmt.Sprintf("mode=1777,size=%d", size)); err != nil {
		return fmt.Errorf("mounting /tmp: %w", err)
	}
	return nil
}

// enter makes the root the only one there is.
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
	return os.Chdir("/")
}

// seal makes the root of mount points read-only.
func (b *builder) seal() error {
	if err := unix.Mount("", "/", "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV, ""); err != nil {
		return fmt.Errorf("making the root read-only: %w", err)
	}
	return nil
}

// mountPoint makes what something is to be mounted on, unless it is there.
func mountPoint(path string, dir bool) error {
	if st, err := os.Lstat(path); err == nil && st.IsDir() == dir && st.Mode()&fs.ModeSymlink == 0 {
		return nil
	}
	if dir {
		return os.MkdirAll(path, 0o755)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, nil, 0o644)
}

// bind shows the host's src at dst, with what is mounted below.
func (b *builder) bind(src, dst string, readOnly bool) error {
	st, err := os.Stat(src)
	if err != nil {
		return err
	}
	to := b.at(dst)
	if err := mountPoint(to, st.IsDir()); err != nil {
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
