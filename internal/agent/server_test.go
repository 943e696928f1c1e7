package agent_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lamina-dev/lamina/internal/wire"
)

// server is a control plane that does nothing by itself.
type server struct {
	t     testing.TB
	path  string
	conns sync.WaitGroup
	end   context.CancelFunc // of listening

	mu       sync.Mutex
	refuse   string
	epoch    int64
	gen      int64
	specs    []wire.EnvironmentSpec
	packages map[string][]byte
	fetched  int
	hellos   []wire.Hello
	agent    *wire.Conn
	report   wire.Report
	reports  int
	lines    map[string][]string
	changed  chan struct{} // closed and replaced on each change
}

func newServer(t testing.TB) *server {
	t.Helper()
	dir, err := os.MkdirTemp("", "srv")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{
		t: t, path: filepath.Join(dir, "c"), epoch: 1,
		packages: map[string][]byte{}, lines: map[string][]string{}, changed: make(chan struct{}),
	}
	s.up()
	t.Cleanup(func() {
		s.down()
		os.RemoveAll(dir)
	})
	return s
}

func (s *server) addr() string { return "unix://" + s.path }

// up listens as a new server process would, of the next epoch.
func (s *server) up() {
	s.t.Helper()
	l, err := net.Listen("unix", s.path)
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, end := context.WithCancel(context.Background())
	s.end = end
	s.conns.Go(func() {
		_ = wire.Serve(ctx, l, func(_ context.Context, c net.Conn) { s.serve(wire.NewConn(c)) }) // a failed one is seen by the test
	})
}

func (s *server) down() {
	s.end()
	s.mu.Lock()
	s.agent = nil
	s.mu.Unlock()
	s.conns.Wait()
}

func (s *server) serve(conn *wire.Conn) {
	kind, body, err := conn.Receive()
	if err != nil {
		return
	}
	if kind == wire.KindBlobRequest {
		s.sendPackage(conn, body)
		return
	}
	hello, err := wire.Decode[wire.Hello](body)
	if err != nil {
		s.t.Error(err)
		return
	}
	s.mu.Lock()
	s.hellos = append(s.hellos, hello)
	refuse := s.refuse
	s.mu.Unlock()
	if conn.Send(wire.KindWelcome, wire.Welcome{Refused: refuse}) != nil || refuse != "" {
		s.tell()
		return
	}
	s.mu.Lock()
	s.agent = conn
	s.mu.Unlock()
	s.assignTo(conn)
	for {
		kind, body, err := conn.Receive()
		if err != nil {
			return
		}
		s.hear(kind, body)
	}
}

func (s *server) hear(kind wire.Kind, body []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch kind {
	case wire.KindAlive:
	case wire.KindReport:
		r, err := wire.Decode[wire.Report](body)
		if err != nil {
			s.t.Error(err)
		}
		s.report = r
		s.reports++
	case wire.KindLogs:
		b, err := wire.Decode[wire.LogBatch](body)
		if err != nil {
			s.t.Error(err)
		}
		for _, e := range b.Events {
			s.lines[b.EnvironmentID] = append(s.lines[b.EnvironmentID], e.Message)
		}
	default:
		s.t.Errorf("frame of kind %d", kind)
	}
	s.tellLocked()
}

func (s *server) tell() {
	s.mu.Lock()
	s.tellLocked()
	s.mu.Unlock()
}

func (s *server) tellLocked() {
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *server) sendPackage(conn *wire.Conn, body []byte) {
	req, err := wire.Decode[wire.BlobRequest](body)
	if err != nil {
		s.t.Error(err)
		return
	}
	s.mu.Lock()
	data, ok := s.packages[req.SHA256]
	s.fetched++
	s.mu.Unlock()
	if !ok {
		conn.Send(wire.KindBlobChunk, wire.BlobChunk{Error: "no such package"})
		return
	}
	for part := range slices.Chunk(data, 100_000) {
		if conn.Send(wire.KindBlobChunk, wire.BlobChunk{Data: part}) != nil {
			return
		}
	}
	conn.Send(wire.KindBlobChunk, wire.BlobChunk{})
}

// add keeps a package and gives its hash.
func (s *server) add(pkg []byte) string {
	sum := sha256.Sum256(pkg)
	sha := hex.EncodeToString(sum[:])
	s.mu.Lock()
	s.packages[sha] = pkg
	s.mu.Unlock()
	return sha
}

// assign replaces what the agent shall run.
func (s *server) assign(specs ...wire.EnvironmentSpec) {
	s.mu.Lock()
	s.gen++
	s.specs = specs
	conn := s.agent
	s.mu.Unlock()
	if conn != nil {
		s.assignTo(conn)
	}
}

func (s *server) assignTo(conn *wire.Conn) {
	s.mu.Lock()
	list := wire.Assignments{Epoch: s.epoch, Generation: s.gen, Environments: s.specs}
	s.mu.Unlock()
	if err := conn.Send(wire.KindAssignments, list); err != nil {
		s.t.Log(err)
	}
}

func (s *server) shutdown(grace time.Duration) {
	s.mu.Lock()
	conn := s.agent
	s.mu.Unlock()
	if err := conn.Send(wire.KindShutdown, wire.Shutdown{Grace: grace}); err != nil {
		s.t.Error(err)
	}
}

// wait returns once ok, which is called under the lock, is true.
func (s *server) wait(what string, ok func() bool) {
	s.t.Helper()
	limit := time.After(40 * time.Second)
	for {
		s.mu.Lock()
		done, changed := ok(), s.changed
		s.mu.Unlock()
		if done {
			return
		}
		select {
		case <-changed:
		case <-limit:
			s.mu.Lock()
			defer s.mu.Unlock()
			s.t.Fatalf("waited in vain for: %s; last report %+v; logs %v", what, s.report, s.lines)
		}
	}
}

// status is the environment's last report; the lock is held.
func (s *server) status(id string) wire.EnvironmentStatus {
	for _, e := range s.report.Environments {
		if e.ID == id {
			return e
		}
	}
	return wire.EnvironmentStatus{}
}

func (s *server) waitState(id string, want wire.EnvironmentState) wire.EnvironmentStatus {
	s.t.Helper()
	var st wire.EnvironmentStatus
	s.wait(id+" to be "+string(want), func() bool {
		st = s.status(id)
		if st.State == wire.EnvironmentEnded && want != wire.EnvironmentEnded {
			s.t.Fatalf("ended: %s %s %s; logs %v", st.ReasonCode, st.ErrorType, st.Reason, s.lines[id])
		}
		return st.State == want
	})
	return st
}

func (s *server) waitLine(id string, parts ...string) string {
	s.t.Helper()
	var found string
	s.wait("a line with "+strings.Join(parts, " and "), func() bool {
		for _, l := range s.lines[id] {
			if !slices.ContainsFunc(parts, func(p string) bool { return !strings.Contains(l, p) }) {
				found = l
				return true
			}
		}
		return false
	})
	return found
}

func (s *server) invokeAddr() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.hellos[len(s.hellos)-1].InvokeAddr
}

// router is one invoke connection, with one invocation at a time.
type router struct {
	t      testing.TB
	conn   net.Conn
	frames *wire.Frames
	number uint32
}

func (s *server) router() *router {
	s.t.Helper()
	c, err := wire.Dial(s.t.Context(), s.invokeAddr())
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { c.Close() })
	return &router{s.t, c, wire.NewFrames(c, 4<<10, 8<<20), 0}
}

type reply struct {
	wire.Result
	body string
}

func (r *router) send(in wire.Invoke) error {
	r.number++
	_, err := r.conn.Write(wire.AppendInvoke(nil, r.number, &in))
	return err
}

func (r *router) receive() (reply, error) {
	var body []byte
	for {
		f, err := r.frames.Next()
		switch {
		case err != nil:
			return reply{}, err
		case f.Call != r.number:
			return reply{}, fmt.Errorf("answer to %d, not %d", f.Call, r.number)
		case f.Kind == wire.KindPart:
			body = append(body, f.Part()...)
		default:
			res, rest, err := f.Answer()
			return reply{res, string(append(body, rest...))}, err
		}
	}
}

func (r *router) invoke(in wire.Invoke) (reply, error) {
	if in.Timeout == 0 {
		in.Timeout = 20 * time.Second
	}
	return func() (reply, error) {
		err := r.send(in)
		out, err2 := r.receive()
		return out, errors.Join(err, err2)
	}()
}
