package sqlite

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
)

// headFile remembers the last acknowledged revision outside the database. SQLite
// takes a damaged log for a torn one and silently starts before the damage; the
// head shows it. It is written after the commit is durable and never synced, so
// it may be behind after a power loss, but never ahead.
type headFile struct {
	file     *os.File
	revision int64
}

const headSize = 12 // revision, CRC-32C, both big-endian

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func openHead(path string) (*headFile, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the record of the last revision: %w", err)
	}
	h := &headFile{file: f}
	var raw [headSize]byte
	if _, err := f.ReadAt(raw[:], 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, errors.Join(fmt.Errorf("reading %s: %w", path, err), f.Close())
	}
	// One that a power loss left half written is no evidence of anything.
	if binary.BigEndian.Uint32(raw[8:]) == crc32.Checksum(raw[:8], castagnoli) {
		h.revision = int64(binary.BigEndian.Uint64(raw[:8]))
	}
	return h, nil
}

// note records rev. That it could not be written (a full disk) only weakens a
// later check, so it is no error.
func (h *headFile) note(rev int64) {
	var raw [headSize]byte
	binary.BigEndian.PutUint64(raw[:8], uint64(rev))
	binary.BigEndian.PutUint32(raw[8:], crc32.Checksum(raw[:8], castagnoli))
	_, _ = h.file.WriteAt(raw[:], 0)
}

func (h *headFile) close() error {
	if h == nil {
		return nil
	}
	return h.file.Close()
}
