package agent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/lamina-dev/lamina/internal/wire"
)

// Pauses between attempts to reach the server, and the wait for its first word.
const (
	firstPause     = 50 * time.Millisecond
	lastPause      = time.Second
	dialTimeout    = 5 * time.Second
	welcomeTimeout = 10 * time.Second
)

// errNoSession is given by send while no server is connected.
var errNoSession = errors.New("no session with a server")

// session is the connection to the server, when there is one.
type session struct {
	mu      sync.Mutex
	conn    *wire.Conn
	since   time.Time     // of the last change between connected and not
	orphan  time.Duration // life without a server
	welcome chan struct{} // tells the log shipper of a new connection
}

func (s *session) set(conn *wire.Conn) {
	s.mu.Lock()
	s.conn, s.since = conn, time.Now()
	s.mu.Unlock()
	if conn == nil {
		return
	}
	select {
	case s.welcome <- struct{}{}:
	default:
	}
}

func (s *session) current() *wire.Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conn
}

// send writes a frame if a server is connected. A connection that fails is
// closed, which makes follow dial again.
func (s *session) send(kind wire.Kind, payload any) error {
	conn := s.current()
	if conn == nil {
		return errNoSession
	}
	err := conn.Send(kind, payload)
	if err != nil {
		conn.Close()
	}
	return err
}

// lonely says for how long no server has been connected, and for how long that may last.
func (s *session) lonely() (alone bool, left time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conn == nil, s.orphan - time.Since(s.since)
}

// follow keeps a session with the server until ctx ends.
func (a *agent) follow(ctx context.Context, addr string) error {
	pause := firstPause
	for ctx.Err() == nil {
		began := time.Now()
		joined, err := a.attendServer(ctx, addr)
		if errors.Is(err, errRefused) {
			a.end(err, 0)
			<-ctx.Done()
			return nil
		}
		if joined && time.Since(began) > lastPause {
			pause = firstPause // else there is something that goes wrong each time
		}
		if joined {
			a.log.Info("session ended", "err", err)
		} else {
			a.log.Debug("no session", "err", err)
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
		pause = min(2*pause, lastPause)
	}
	return nil
}

// attendServer is one session, from dialling to its end.
func (a *agent) attendServer(ctx context.Context, addr string) (joined bool, err error) {
	dialing, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	raw, err := wire.Dial(dialing, a.cfg.ServerAddr)
	if err != nil {
		return false, fmt.Errorf("dial the server: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { raw.Close() })
	defer stop()
	conn := wire.NewConn(raw)
	defer conn.Close()
	if err := a.join(conn, addr); err != nil {
		return false, err
	}
	a.session.set(conn)
	defer a.session.set(nil)
	a.log.Info("joined the server")
	a.notify() // what changed since the Hello was made
	for {
		kind, body, err := conn.Receive()
		if err != nil {
			return true, err
		}
		if err := a.heed(kind, body); err != nil {
			return true, err
		}
	}
}

// join says Hello and waits to be admitted.
func (a *agent) join(conn *wire.Conn, addr string) error {
	hello := wire.Hello{
		Protocol:   wire.ProtocolVersion,
		InstanceID: a.cfg.InstanceID,
		Token:      a.cfg.Token,
		InvokeAddr: addr,
	}
	a.mu.Lock()
	hello.Epoch = a.epoch
	a.mu.Unlock()
	for _, e := range a.environments() {
		st := e.snapshot()
		st.Spec = new(e.spec)
		hello.Environments = append(hello.Environments, st)
	}
	if err := conn.Send(wire.KindHello, hello); err != nil {
		return err
	}
	if err := conn.SetReadDeadline(time.Now().Add(welcomeTimeout)); err != nil {
		return fmt.Errorf("set deadline: %w", err)
	}
	kind, body, err := conn.Receive()
	if err != nil {
		return fmt.Errorf("wait to be admitted: %w", err)
	}
	if kind != wire.KindWelcome {
		return fmt.Errorf("wait to be admitted: frame of kind %d", kind)
	}
	welcome, err := wire.Decode[wire.Welcome](body)
	if err != nil {
		return err
	}
	if welcome.Refused != "" {
		return fmt.Errorf("%w: %s", errRefused, welcome.Refused)
	}
	if welcome.Orphan > 0 {
		a.session.mu.Lock()
		a.session.orphan = welcome.Orphan
		a.session.mu.Unlock()
	}
	return conn.SetReadDeadline(time.Time{})
}

// heed does what the server says.
func (a *agent) heed(kind wire.Kind, body []byte) error {
	switch kind {
	case wire.KindAssignments:
		list, err := wire.Decode[wire.Assignments](body)
		if err != nil {
			return err
		}
		a.apply(list)
	case wire.KindNetwork:
		n, err := wire.Decode[wire.Network](body)
		if err != nil {
			return err
		}
		return a.applyNetwork(n)
	case wire.KindShutdown:
		order, err := wire.Decode[wire.Shutdown](body)
		if err != nil {
			return err
		}
		a.end(errShutdown, order.Grace)
	default:
		return fmt.Errorf("unexpected frame of kind %d", kind)
	}
	return nil
}

// watchInterval is how often the data folder is looked at.
const watchInterval = 3 * time.Second

// guard ends an agent that nobody wants any more.
func (a *agent) guard(ctx context.Context) error {
	home, err := statOf(a.cfg.DataDir)
	if err != nil {
		a.end(errNoData, 0)
	}
	for {
		wait := watchInterval
		if alone, left := a.session.lonely(); alone {
			if left <= 0 {
				a.end(errOrphan, orphanGrace)
			}
			wait = max(0, min(left, wait))
			if left <= 0 {
				wait = watchInterval
			}
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil
		}
		if a.cfg.DataDir == "" {
			continue
		}
		// A new folder of the same name belongs to somebody else.
		if now, err := statOf(a.cfg.DataDir); err != nil || !os.SameFile(home, now) {
			a.end(errNoData, 0)
		}
	}
}

func statOf(dir string) (os.FileInfo, error) {
	if dir == "" {
		return nil, nil
	}
	return os.Stat(dir)
}
