package wire

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"
)

var invocations = []*Invoke{
	{EnvironmentID: "e", RequestID: "r", FunctionARN: "a", TraceID: "t", ClientContext: "{}", TenantID: "n", ContentType: "text/plain", Timeout: time.Second, Tail: true, Body: []byte("body")},
	{EnvironmentID: "e", Stream: true, Timeout: -1, Body: []byte{}},
	{ContentType: strings.Repeat("x", 100<<10), Body: bytes.Repeat([]byte("0123456789"), 10<<10)}, // more than the buffer
}

func TestInvocationsArriveAsSent(t *testing.T) {
	var b []byte
	for i, in := range invocations {
		before := len(b)
		b = AppendInvoke(b, uint32(i)<<20, in)
		if len(b)-before != in.Size() {
			t.Errorf("%d bytes, Size is %d", len(b)-before, in.Size())
		}
	}
	frames := NewFrames(bytes.NewReader(b), 4<<10, 1<<20)
	for i, want := range invocations {
		f, err := frames.Next()
		if err != nil || f.Kind != KindInvoke || f.Call != uint32(i)<<20 {
			t.Fatalf("%+v, %v", f, err)
		}
		if got, err := f.Invoke(); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%v: %+v, want %+v", err, got, want)
		}
	}
	if _, err := frames.Next(); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
}

// What was read of a frame is not what the next one writes over.
func TestInvocationsKeepTheirBodies(t *testing.T) {
	one, two := &Invoke{RequestID: "1", Body: []byte("first")}, &Invoke{RequestID: "2", Body: []byte("other")}
	frames := NewFrames(io.MultiReader(bytes.NewReader(AppendInvoke(nil, 1, one)), bytes.NewReader(AppendInvoke(nil, 2, two))), 16, 1<<20)
	small := NewFrames(io.MultiReader(bytes.NewReader(AppendInvoke(nil, 1, one)), bytes.NewReader(AppendInvoke(nil, 2, two))), 4<<10, 1<<20)
	for _, r := range []*Frames{frames, small} {
		f, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		got, err := f.Invoke()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Next(); err != nil {
			t.Fatal(err)
		}
		if string(got.Body) != "first" || got.RequestID != "1" {
			t.Errorf("%+v", got)
		}
	}
}

func TestAnswersArriveAsSent(t *testing.T) {
	res := Result{Outcome: OutcomeFunctionError, ErrorType: "T", ContentType: "c", LogTail: "END\n", Process: 42}
	b := append(AppendPartHead(nil, 7, 5), "piece"...)
	b = AppendAnswer(b, 7, res, []byte("rest"))
	frames := NewFrames(bytes.NewReader(b), 4<<10, 1<<20)
	f, err := frames.Next()
	if err != nil || f.Kind != KindPart || f.Call != 7 || string(f.Part()) != "piece" {
		t.Errorf("%+v, %v", f, err)
	}
	f, err = frames.Next()
	if err != nil || f.Kind != KindAnswer || f.Call != 7 {
		t.Fatalf("%+v, %v", f, err)
	}
	if got, body, err := f.Answer(); err != nil || got != res || string(body) != "rest" {
		t.Errorf("%+v, %q, %v", got, body, err)
	}
}

func TestWhatIsNoFrame(t *testing.T) {
	whole := AppendInvoke(nil, 1, invocations[0])
	for _, c := range []struct {
		name  string
		bytes []byte
		want  string
	}{
		{"nothing", nil, "EOF"},
		{"half a length", whole[:3], "unexpected EOF"},
		{"half a frame", whole[:len(whole)-1], "unexpected EOF"},
		{"half a large frame", AppendInvoke(nil, 1, invocations[2])[:64<<10], "unexpected EOF"},
		{"too short for a head", []byte{0, 0, 0, 4, 0, 0, 0, 1}, "frame of 4 bytes"},
		{"over the limit", []byte{0, 16, 0, 1}, "frame of 1048577 bytes, the limit is 1048576"},
	} {
		if _, err := NewFrames(bytes.NewReader(c.bytes), 4<<10, 1<<20).Next(); err == nil || err.Error() != c.want {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
	}
	for _, c := range []struct {
		name string
		data string
	}{
		{"a string longer than the frame", "\x00\x00\x00\x02e"},
		{"no timeout", strings.Repeat("\x00\x00\x00\x00", 7)},
		{"unknown flags", strings.Repeat("\x00\x00\x00\x00", 7) + strings.Repeat("\x00", 8) + "\x00\x00\x00\x80"},
	} {
		if in, err := (Frame{Kind: KindInvoke, data: []byte(c.data)}).Invoke(); err == nil {
			t.Errorf("%s: %+v", c.name, in)
		}
	}
	if res, _, err := (Frame{Kind: KindAnswer}).Answer(); !errors.Is(err, errShort) {
		t.Errorf("%+v, %v", res, err)
	}
}

// A deadline in the middle of a frame, small or large, loses nothing.
func TestReadingGoesOnAfterADeadline(t *testing.T) {
	for _, want := range []*Invoke{invocations[0], invocations[2]} {
		here, there := net.Pipe()
		defer here.Close()
		defer there.Close()
		frames, b := NewFrames(here, 4<<10, 1<<20), AppendInvoke(nil, 1, want)
		go func() { // ends when all is read or the pipe closed
			for _, p := range [][]byte{b[:2], b[2:50], b[50 : len(b)-1], b[len(b)-1:]} {
				_, _ = there.Write(p)
				time.Sleep(30 * time.Millisecond)
			}
		}()
		late := 0
		for {
			if err := here.SetReadDeadline(time.Now().Add(10 * time.Millisecond)); err != nil {
				t.Fatal(err)
			}
			f, err := frames.Next()
			if errors.Is(err, os.ErrDeadlineExceeded) {
				late++
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			if got, err := f.Invoke(); err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("%+v, %v", got, err)
			}
			break
		}
		if late == 0 {
			t.Error("no deadline passed")
		}
	}
}

func FuzzFrames(f *testing.F) {
	f.Add(AppendInvoke(nil, 1, invocations[0]))
	f.Add(AppendAnswer(append(AppendPartHead(nil, 7, 5), "piece"...), 7, Result{Outcome: OutcomeOK, LogTail: "x"}, []byte("rest")))
	f.Fuzz(func(t *testing.T, data []byte) {
		var again []byte
		for frames := NewFrames(bytes.NewReader(data), 32, 1<<10); ; {
			f, err := frames.Next()
			if err != nil {
				return
			}
			switch f.Kind {
			case KindInvoke:
				in, err := f.Invoke()
				if err != nil {
					return
				}
				again = AppendInvoke(again, f.Call, in)
			case KindAnswer:
				res, body, err := f.Answer()
				if err != nil {
					return
				}
				again = AppendAnswer(again, f.Call, res, body)
			case KindPart:
				again = append(AppendPartHead(again, f.Call, len(f.Part())), f.Part()...)
			default:
				return
			}
			if !bytes.HasPrefix(data, again) {
				t.Fatalf("%x became %x", data, again)
			}
		}
	})
}
