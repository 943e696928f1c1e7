package fleet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/lamina-dev/lamina"
	"github.com/lamina-dev/lamina/internal/wire"
)

// helloLimit bounds the time to the first frame of a connection.
const helloLimit = 5 * time.Second

// serve accepts agents until ctx ends and closes the listener then.
func (f *Fleet) serve(ctx context.Context, l net.Listener) error {
	if err := wire.Serve(ctx, l, f.serveConn); err != nil {
		return fmt.Errorf("accept agents: %w", err)
	}
	return nil
}

func (f *Fleet) serveConn(ctx context.Context, c net.Conn) {
	conn := wire.NewConn(c)
	if err := conn.SetReadDeadline(time.Now().Add(helloLimit)); err != nil {
		return
	}
	kind, body, err := conn.Receive()
	if err != nil {
		return
	}
	switch kind {
	case wire.KindHello:
		err = f.session(conn, body)
	case wire.KindBlobRequest:
		err = f.sendPackage(conn, body)
	default:
		err = fmt.Errorf("first frame is of kind %d", kind)
	}
	if err != nil && ctx.Err() == nil && !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) {
		f.cfg.Log.Warn("agent connection ended", "error", err)
	}
}

// session is an agent's connection.
type session struct {
	conn *wire.Conn
	news chan struct{} // the assignments have changed
}

func (s *session) nudge() {
	if s == nil {
		return
	}
	select {
	case s.news <- struct{}{}:
	default:
	}
}

// session follows one agent until its connection ends.
func (f *Fleet) session(conn *wire.Conn, body []byte) error {
	hello, err := wire.Decode[wire.Hello](body)
	if err != nil {
		return err
	}
	s := &session{conn: conn, news: make(chan struct{}, 1)}
	m, refused := f.admit(s, hello)
	if err := conn.Send(wire.KindWelcome, wire.Welcome{Refused: refused, Orphan: f.cfg.Orphan}); err != nil {
		return err
	}
	if refused != "" {
		return fmt.Errorf("agent of instance %s refused: %s", hello.InstanceID, refused)
	}
	defer f.leave(m, s)
	f.changed()
	if err := conn.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	ended := make(chan struct{})
	var teller sync.WaitGroup
	teller.Go(func() { f.tell(m, s, ended) })
	defer teller.Wait()
	defer conn.Close()
	defer close(ended)
	for {
		kind, body, err := conn.Receive()
		if err != nil {
			return err
		}
		if err := f.heard(m, kind, body); err != nil {
			return err
		}
	}
}

// tell sends the newest assignments, once now and then whenever they change,
// until the session has ended. An agent that takes none loses its session and
// dials again.
func (f *Fleet) tell(m *member, s *session, ended <-chan struct{}) {
	var network teller
	for {
		f.mu.Lock()
		told := m.told && m.session == s
		msg := wire.Assignments{Epoch: f.epoch, Generation: m.generation, Environments: m.assigned}
		inst := m.inst
		f.mu.Unlock()
		if err := network.tell(f, s, inst); err != nil {
			s.conn.Close()
			return
		}
		if told {
			if err := s.conn.Send(wire.KindAssignments, msg); err != nil {
				s.conn.Close()
				return
			}
		}
		select {
		case <-s.news:
		case <-ended:
			return
		}
	}
}

// admit checks who dials and takes over what already runs there.
func (f *Fleet) admit(s *session, h wire.Hello) (*member, string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	m := f.members[h.InstanceID]
	switch {
	case m == nil || m.ending:
		return nil, "the instance is not part of this fleet any more"
	case h.Token != m.inst.Token:
		return nil, "wrong token"
	case h.Protocol != wire.ProtocolVersion:
		m.endLocked("its agent is of another version", 0)
		return nil, fmt.Sprintf("the agent speaks protocol %d, the server %d", h.Protocol, wire.ProtocolVersion)
	}
	if m.session != nil {
		m.session.conn.Close()
	}
	if h.Epoch > f.epoch {
		f.epoch = h.Epoch + 1 // the clock was put back since an earlier server; the agent would ignore us
	}
	m.session, m.addr, m.reported, m.silent = s, h.InvokeAddr, f.cfg.Clock(), false
	m.setEnvironments(h.Environments)
	if !m.told {
		var runs []wire.EnvironmentSpec
		for _, e := range h.Environments {
			if e.Spec != nil {
				runs = append(runs, *e.Spec)
			}
		}
		f.assignLocked(m, runs)
	}
	if !m.everJoined {
		m.everJoined = true
		close(m.joined)
	}
	return m, ""
}

func (m *member) setEnvironments(list []wire.EnvironmentStatus) {
	m.envs = make(map[string]wire.EnvironmentStatus, len(list))
	for _, e := range list {
		e.Spec = nil
		m.envs[e.ID] = e
	}
}

// leave keeps the member: the agent may dial again, and only the driver says gone.
func (f *Fleet) leave(m *member, s *session) {
	f.mu.Lock()
	if m.session == s {
		m.session, m.leftAt = nil, f.cfg.Clock()
	}
	f.mu.Unlock()
	f.changed()
}

func (f *Fleet) heard(m *member, kind wire.Kind, body []byte) error {
	switch kind {
	case wire.KindReport:
		report, err := wire.Decode[wire.Report](body)
		if err != nil {
			return err
		}
		f.mu.Lock()
		m.setEnvironments(report.Environments)
		m.hostCPU = report.HostCPU
		f.mu.Unlock()
		f.hear(m)
		f.changed()
	case wire.KindAlive:
		f.hear(m)
	case wire.KindLogs:
		batch, err := wire.Decode[wire.LogBatch](body)
		if err != nil {
			return err
		}
		if inst, e, ok := f.logSource(m, batch.EnvironmentID); ok && (f.cfg.Delivers == nil || f.cfg.Delivers(inst, e.VersionKey)) {
			f.cfg.Logs.Ingest(inst.Scope, e.LogGroup, e.LogStream, batch.Events)
		}
	default:
		return fmt.Errorf("unexpected frame of kind %d", kind)
	}
	return nil
}

// logSource is where lines come from: the instance and what runs there.
func (f *Fleet) logSource(m *member, environment string) (lamina.Instance, wire.EnvironmentSpec, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range m.assigned {
		if e := &m.assigned[i]; e.ID == environment {
			return m.inst, *e, true
		}
	}
	return lamina.Instance{}, wire.EnvironmentSpec{}, false
}

// chunk is how much of a package one frame carries.
const chunk = 1 << 20

func (f *Fleet) sendPackage(conn *wire.Conn, body []byte) error {
	req, err := wire.Decode[wire.BlobRequest](body)
	if err != nil {
		return err
	}
	f.mu.Lock()
	m := f.members[req.InstanceID]
	allowed := m != nil && m.inst.Token == req.Token
	f.mu.Unlock()
	if !allowed {
		return conn.Send(wire.KindBlobChunk, wire.BlobChunk{Error: "the instance is not part of this fleet"})
	}
	file, err := f.cfg.Packages.Package(req.SHA256)
	if err != nil {
		return conn.Send(wire.KindBlobChunk, wire.BlobChunk{Error: err.Error()})
	}
	defer file.Close()
	buf := make([]byte, chunk)
	for {
		n, err := io.ReadFull(file, buf)
		if n > 0 {
			if err := conn.Send(wire.KindBlobChunk, wire.BlobChunk{Data: buf[:n]}); err != nil {
				return err
			}
		}
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return conn.Send(wire.KindBlobChunk, wire.BlobChunk{})
		case err != nil:
			return conn.Send(wire.KindBlobChunk, wire.BlobChunk{Error: err.Error()})
		}
	}
}
