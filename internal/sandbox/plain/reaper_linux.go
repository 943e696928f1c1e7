//go:build amd64 || arm64

package plain

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// An environment's first process is the kernel's to treat otherwise than any: no
// signal of its own reaches it, abort ends it as a segmentation fault, and orphans
// become its children. So it is none of the function's, as on AWS, but a reaper: a
// program of a few dozen bytes that buries the dead and, when the function's
// process has ended, leaves its status on the outcome's descriptor and ends, with
// which the kernel kills who is left. It has two pages of memory (decision 0032).

// reap is the reaper's code, which runs from a copy only.
func reap()

// reapCode is where reap is.
func reapCode() unsafe.Pointer

// What the reaper's code relies on.
const (
	reaperBase = 0x400000 // where its file is mapped
	reaperPID  = 12       // where in it the PID of the function's process is: bytes of the identification that mean nothing
	reaperCode = 128      // more than its code is long
	statusFD   = 4        // where it writes the wait status: the stage's answer
)

// reaperProgram is the reaper as an executable file of one segment.
func reaperProgram(pid int) []byte {
	const start = uint64(unsafe.Sizeof(elf.Header64{}) + unsafe.Sizeof(elf.Prog64{}))
	h := elf.Header64{
		Ident:   [elf.EI_NIDENT]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)},
		Type:    uint16(elf.ET_EXEC),
		Machine: uint16(map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}[runtime.GOARCH]),
		Version: uint32(elf.EV_CURRENT),
		Entry:   reaperBase + start,
		Phoff:   uint64(unsafe.Sizeof(elf.Header64{})),
		Ehsize:  uint16(unsafe.Sizeof(elf.Header64{})), Phentsize: uint16(unsafe.Sizeof(elf.Prog64{})), Phnum: 1,
	}
	binary.LittleEndian.PutUint32(h.Ident[reaperPID:], uint32(pid))
	segment := elf.Prog64{
		Type: uint32(elf.PT_LOAD), Flags: uint32(elf.PF_R | elf.PF_X),
		Vaddr: reaperBase, Filesz: start + reaperCode, Memsz: start + reaperCode, Align: 1 << 16,
	}
	var b bytes.Buffer
	_ = binary.Write(&b, binary.LittleEndian, h) // a buffer takes all
	_ = binary.Write(&b, binary.LittleEndian, segment)
	b.Write(unsafe.Slice((*byte)(reapCode()), reaperCode))
	return b.Bytes()
}

// runReaped starts the function's process, tells its PID and makes this process
// its reaper. It returns only on failure; errNoReaper leaves all as it was.
func runReaped(path string, spec stageSpec, tell func(pid int) error) error {
	program, err := reaperFile()
	if err != nil {
		return err
	}
	pid, err := syscall.ForkExec(path, spec.Argv, &syscall.ProcAttr{Env: spec.Env, Files: []uintptr{0, 1, 2}, Sys: &syscall.SysProcAttr{Setsid: true}})
	if err != nil {
		return fmt.Errorf("Runtime.InvalidEntrypoint: running %s: %w", path, err)
	}
	if _, err := program.Write(reaperProgram(pid)); err != nil {
		return fmt.Errorf("writing the environment's first program: %w", err)
	}
	if err := tell(pid); err != nil {
		return err
	}
	if _, err := unix.FcntlInt(statusFD, unix.F_SETFD, 0); err != nil {
		return fmt.Errorf("keeping the outcome's descriptor: %w", err)
	}
	return fmt.Errorf("running the environment's first program: %w", execFile(int(program.Fd()), []string{"lamina"}, nil))
}

// reaperFile makes the file that becomes the reaper, which is in memory only.
func reaperFile() (*os.File, error) {
	fd, err := unix.MemfdCreate("lamina", unix.MFD_CLOEXEC|unix.MFD_EXEC)
	if errors.Is(err, unix.EINVAL) { // before Linux 6.3
		fd, err = unix.MemfdCreate("lamina", unix.MFD_CLOEXEC)
	}
	if err != nil {
		return nil, errNoReaper // executing from memory may be forbidden (vm.memfd_noexec)
	}
	return os.NewFile(uintptr(fd), "reaper"), nil
}
