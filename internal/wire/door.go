package wire

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Doorstep is the first line of a connection to the server's door for
// environments: whose it is and where the environment had sent it. All after it
// is the environment's.
type Doorstep struct {
	InstanceID string
	Token      string
	To         string // address and port
}

// maxDoorstep bounds the line, in bytes (chosen).
const maxDoorstep = 1 << 10

// WriteDoorstep begins a connection.
func WriteDoorstep(w io.Writer, d Doorstep) error {
	line, err := json.Marshal(d)
	if err != nil {
		return fmt.Errorf("encode a connection's first line: %w", err)
	}
	if _, err := w.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("send a connection's first line: %w", err)
	}
	return nil
}

// ReadDoorstep reads no byte further than the line's end, as far as r goes; what
// it buffered beyond belongs to the environment.
func ReadDoorstep(r *bufio.Reader) (Doorstep, error) {
	var d Doorstep
	line, err := r.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) || len(line) > maxDoorstep {
		return d, fmt.Errorf("a connection's first line is longer than %d bytes", maxDoorstep)
	}
	if err != nil {
		return d, fmt.Errorf("read a connection's first line: %w", err)
	}
	if err := json.Unmarshal(line, &d); err != nil {
		return d, fmt.Errorf("decode a connection's first line: %w", err)
	}
	return d, nil
}
