package awsproto

import (
	"bytes"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"
)

// FuzzFrame: whatever names, values and payload are, AWS's decoder reads them
// back, and nothing is left.
func FuzzFrame(f *testing.F) {
	f.Add("event", "text", []byte("payload"))
	f.Add("", "\x00\r\n", []byte{})
	f.Fuzz(func(t *testing.T, name, value string, payload []byte) {
		if len(name) == 0 || len(name) > 255 {
			return // ours are constants
		}
		b := headersDone(appendFrameHeader(appendFrameHeader(beginFrame(nil), ":first", "1"), name, value))
		frame := endFrame(append(b, payload...))
		r := bytes.NewReader(frame)
		msg, err := eventstream.NewDecoder().Decode(r, nil)
		if err != nil || r.Len() != 0 {
			t.Fatalf("%v, %d bytes left of %x", err, r.Len(), frame)
		}
		if !bytes.Equal(msg.Payload, payload) || len(msg.Headers) != 2 || msg.Headers[1].Name != name {
			t.Errorf("%+v", msg)
		}
		if got := msg.Headers[1].Value.String(); got != value[:min(len(value), 1<<15-1)] {
			t.Errorf("%q is read as %q", value, got)
		}
	})
}
