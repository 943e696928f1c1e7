package awsproto

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"time"
)

// StreamOperation is an operation that answers with a stream of events. Event is
// the union of them: a structure of which one member is set.
type StreamOperation[In, Out, Event any] struct {
	Service *Service
	Name    string
}

// HandleStream registers the handler of a StreamOperation, as Handle does. What
// the handler returns before Begin is answered as any error; afterwards an error
// is the stream's last message.
func HandleStream[In, Out, Event any](m *Mux, op StreamOperation[In, Out, Event], h func(context.Context, *In, *Stream[Out, Event]) error) {
	m.register(&entry{
		service:   op.Service,
		name:      op.Name,
		in:        reflect.TypeFor[In](),
		out:       reflect.TypeFor[Out](),
		event:     reflect.TypeFor[Event](),
		bodyLimit: bodyLimit(op.Service.Name, op.Name),
		stream: func(ctx context.Context, x *exchange, in reflect.Value) error {
			return h(ctx, in.Interface().(*In), &Stream[Out, Event]{x: x})
		},
	})
}

// Stream is the answer of a StreamOperation. One goroutine uses it at a time.
type Stream[Out, Event any] struct{ x *exchange }

// Begin sends the answer's head. From now on the client must have taken what is
// sent by the deadline. A status that forbids a body makes the head all there is.
func (s *Stream[Out, Event]) Begin(out *Out, deadline time.Time) error {
	x := s.x
	if x.begun {
		return errors.New("the answer has begun before")
	}
	x.begun = true
	status := x.head(x.entry.outShape, reflect.ValueOf(out).Elem())
	if status == http.StatusNoContent {
		x.w.WriteHeader(status)
		return nil
	}
	x.w.Header()["Content-Type"] = typeEvents
	conn := http.NewResponseController(x.w)
	_ = conn.SetWriteDeadline(deadline) // a connection that knows no deadlines has none
	x.w.WriteHeader(status)
	return conn.Flush()
}

// Send sends one event and waits until it is on its way to the client. Its error
// means that the client can't be reached any more.
func (s *Stream[Out, Event]) Send(e *Event) error {
	x := s.x
	if !x.begun {
		return errors.New("an event was sent before the answer had begun")
	}
	v := reflect.ValueOf(e).Elem()
	for _, m := range x.entry.eventShape.members {
		if f := v.Field(m.field); !f.IsNil() {
			return x.sendFrame(appendEvent(x.frame[:0], m, f.Elem()))
		}
	}
	return fmt.Errorf("an event of %s without a member", x.entry.name)
}

// sendFrame writes one frame; its memory is used again for the next one.
func (x *exchange) sendFrame(b []byte) error {
	x.frame = b
	if _, err := x.w.Write(b); err != nil {
		return fmt.Errorf("sending an event: %w", err)
	}
	return http.NewResponseController(x.w).Flush()
}

// failStream ends a begun answer with an error.
func (x *exchange) failStream(f failure) {
	b := beginFrame(x.frame[:0])
	b = appendFrameHeader(b, ":message-type", "error")
	b = appendFrameHeader(b, ":error-code", f.code)
	b = appendFrameHeader(b, ":error-message", f.message)
	_ = x.sendFrame(endFrame(headersDone(b))) // a client that went away is nobody's to tell
}
