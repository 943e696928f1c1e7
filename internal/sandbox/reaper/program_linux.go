//go:build amd64 || arm64

package reaper

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"runtime"
	"unsafe"
)

// reap is the reaper's code, which runs from a copy only.
func reap()

var _ = reap // nobody calls it

// reapCode is where reap is.
func reapCode() unsafe.Pointer

// The program's file: one segment, the code behind the headers.
const (
	base     = 0x400000 // where it is mapped
	codeSize = 512      // more than the code is long
)

// Program is the reaper as an executable file.
func Program() []byte {
	const start = uint64(unsafe.Sizeof(elf.Header64{}) + unsafe.Sizeof(elf.Prog64{}))
	h := elf.Header64{
		Ident:   [elf.EI_NIDENT]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)},
		Type:    uint16(elf.ET_EXEC),
		Machine: uint16(map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}[runtime.GOARCH]),
		Version: uint32(elf.EV_CURRENT),
		Entry:   base + start,
		Phoff:   uint64(unsafe.Sizeof(elf.Header64{})),
		Ehsize:  uint16(unsafe.Sizeof(elf.Header64{})), Phentsize: uint16(unsafe.Sizeof(elf.Prog64{})), Phnum: 1,
	}
	segment := elf.Prog64{
		Type: uint32(elf.PT_LOAD), Flags: uint32(elf.PF_R | elf.PF_X),
		Vaddr: base, Filesz: start + codeSize, Memsz: start + codeSize, Align: 1 << 16,
	}
	var b bytes.Buffer
	_ = binary.Write(&b, binary.LittleEndian, h) // a buffer takes all
	_ = binary.Write(&b, binary.LittleEndian, segment)
	b.Write(unsafe.Slice((*byte)(reapCode()), codeSize))
	return b.Bytes()
}
