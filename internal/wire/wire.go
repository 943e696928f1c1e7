// Package wire is what the server and its agents say to each other.
//
// Two kinds of connection share one address space. On a control session the
// agent dials the server, says Hello and from then on sends reports and log
// batches up while the server sends the full list of desired environments down
// (level-triggered: the newest Assignments replaces all before it). On an invoke
// connection the router dials the agent and hands over invocations in the short
// frames of invoke.go: small ones share a connection, large and streamed ones have
// one of their own, where TCP's back-pressure is the only flow control.
//
// On one host both run over unix sockets; across hosts over TCP with mTLS.
package wire

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/fxamacker/cbor/v2"
)

// ProtocolVersion is raised when a message changes its meaning. A server refuses
// agents of another version, and their instance is replaced.
//
//	1: first version
//	2: invocations ask for their log's tail, answers carry it
//	3: agents say every Heartbeat that they are alive
//	4: responses stream
//	5: environments have layers
//	6: the server tells what a network lets out
//	7: environments have container images
//	8: invocations share connections
const ProtocolVersion = 8

// Heartbeat is how often an agent says that it is alive, by KindAlive if it has
// nothing else to say (chosen; AWS's health checks are not documented).
const Heartbeat = 2 * time.Second

// maxFrame bounds one control frame; the largest is a log batch or a blob chunk.
const maxFrame = 8 << 20

// Kind tells what a control frame carries.
type Kind byte

// Frame kinds. The comment names the payload and the direction.
const (
	KindHello       Kind = iota + 1 // Hello, agent → server, first frame
	KindWelcome                     // Welcome, server → agent, answer to Hello
	KindAssignments                 // Assignments, server → agent
	KindReport                      // Report, agent → server
	KindLogs                        // LogBatch, agent → server
	KindBlobRequest                 // BlobRequest, agent → server, first frame of a blob connection
	KindBlobChunk                   // BlobChunk, server → agent
	KindShutdown                    // Shutdown, server → agent
	KindAlive                       // Alive, agent → server
	KindNetwork                     // Network, server → agent, before the Assignments
	KindInvoke                      // Invoke, router → agent, on an invoke connection as the next two are
	KindAnswer                      // Result and the body's end, agent → router
	KindPart                        // a piece of an answer's body, agent → router
)

// Hello is how an agent joins. Environments lists what already runs, so that a
// restarted server adopts it.
type Hello struct {
	Protocol     int
	InstanceID   string
	Token        string // secret of the instance record
	InvokeAddr   string // where the router reaches this agent: unix:///path or tcp://host:port
	Epoch        int64  // of the newest Assignments applied; 0: none yet
	Environments []EnvironmentStatus
}

// Welcome admits an agent, or refuses it with a reason to stop for.
type Welcome struct {
	Refused string        // not empty: the agent must end itself
	Orphan  time.Duration // how long the agent lives without a server
}

// Assignments is everything an instance should run. Stale epochs and generations are ignored.
type Assignments struct {
	Epoch        int64 // of the deciding server
	Generation   int64 // grows with each list of one epoch
	Environments []EnvironmentSpec
}

// EnvironmentSpec is one desired execution environment.
type EnvironmentSpec struct {
	ID           string // 32 hex digits, unique for ever
	VersionKey   string // store key of the version it serves
	Incarnation  string // of that version; an earlier one of the same name has another
	Generation   int64  // generation of that version
	FunctionARN  string // qualified
	Function     string
	Qualifier    string
	AccountID    string
	Region       string
	Runtime      string
	Handler      string
	CodeSHA256   string   // hex, of the zip or of the image's manifest
	Image        *Image   // nil: a code package
	Layers       []string // SHA-256 of each layer's zip in hex; the later ones win
	Architecture string
	MemoryMB     int32
	MilliVCPU    int64
	TmpMB        int32
	Timeout      time.Duration
	InitTimeout  time.Duration
	Slots        int // concurrency cap, enforced by the agent
	Managed      bool
	Variables    map[string]string // the customer's
	Credentials  Credentials
	LogGroup     string
	LogStream    string
	LogFormat    string // JSON | Text
	AppLogLevel  string
	SysLogLevel  string
	Draining     bool // finish what runs, take nothing new, then end
}

// Image is a container image as an environment runs it.
type Image struct {
	Layers       []string // SHA-256 of each in hex, the lowest first
	Architecture string   // that it says it is built for
	Argv         []string
	Env          []string // the image's own
	WorkDir      string
}

// Credentials are the execution role's keys, valid as long as the environment lives.
type Credentials struct {
	AccessKeyID     string
	SecretAccessKey string
	SessionToken    string
}

// EnvironmentState is where an environment is in its one-way life.
type EnvironmentState string

// Environment states, in order.
const (
	EnvironmentStarting EnvironmentState = "starting"
	EnvironmentReady    EnvironmentState = "ready"
	EnvironmentDraining EnvironmentState = "draining"
	EnvironmentEnded    EnvironmentState = "ended"
)

// EnvironmentStatus is what an agent says of one environment. An ended one is
// reported until the server no longer assigns it.
type EnvironmentStatus struct {
	ID         string
	VersionKey string
	Generation int64
	State      EnvironmentState
	Slots      int
	InFlight   int
	PID        int // of the runtime's first process, as the agent sees it
	StartedAt  time.Time
	ReadyAt    time.Time
	CPUTime    time.Duration    // used since the start
	CPU        float64          // use ÷ share over the last sample, 0..1; 0 when idle
	Memory     int64            // bytes resident now
	ReasonCode string           // state reason code when it ended by itself, e.g. FunctionError.RuntimeInitError
	Reason     string           // text with what to do next
	ErrorType  string           // the runtime's own error type, e.g. Runtime.ImportModuleError; may be empty
	Told       bool             // an ordinary function's invocation was answered with why it could not start
	Spec       *EnvironmentSpec // in Hello only: what it was started from, for re-adoption
}

// Failing says whether it has ended by itself but for its extensions, which have
// their time to shut down.
func (s EnvironmentStatus) Failing() bool {
	return s.State == EnvironmentDraining && s.ReasonCode != ""
}

// Report is an agent's view of itself: all its environments, sent on change and
// about once a second while one is busy.
type Report struct {
	Epoch        int64 // of the newest Assignments applied
	Generation   int64
	Environments []EnvironmentStatus
	HostCPU      float64 // use of the machine under the instance over the last sample, 0..1; 0: not known
}

// Network is what an instance's environments reach in its VPC; the newest
// replaces all before it. Agents whose environments have no network of their own
// ignore it.
type Network struct {
	Rules  string              // for nft, as one transaction
	Names  map[string][]string // addresses that the VPC's name server gives by itself
	Served []string            // addresses behind which the server answers
}

// Alive says nothing but that the agent works.
type Alive struct{}

// LogBatch carries log lines of one environment.
type LogBatch struct {
	EnvironmentID string
	Events        []LogEvent
}

// LogEvent is one line.
type LogEvent struct {
	UnixMilli int64
	Message   string
}

// BlobRequest asks for a code package on a connection of its own.
type BlobRequest struct {
	InstanceID string
	Token      string
	SHA256     string
}

// BlobChunk is a piece of a code package; an empty Data with empty Error ends it.
type BlobChunk struct {
	Data  []byte
	Error string
}

// Shutdown tells an agent to end everything and exit within Grace.
type Shutdown struct {
	Grace time.Duration // running invocations may finish within it
}

// Conn is a control connection: frames of CBOR in both directions. Send may be
// called from several goroutines; Receive from one.
type Conn struct {
	conn net.Conn
	r    *bufio.Reader
	mu   sync.Mutex // guards writes
}

// NewConn wraps a connection.
func NewConn(c net.Conn) *Conn { return &Conn{conn: c, r: bufio.NewReaderSize(c, 32<<10)} }

// sendTimeout ends a session whose peer reads nothing (a stopped process).
const sendTimeout = 10 * time.Second

// encoder keeps times to the nanosecond; the library's default cuts them to seconds.
var encoder = mustEncoder(cbor.EncOptions{Time: cbor.TimeRFC3339NanoUTC})

// decoder takes what a function or its runtime said as it comes: bytes that are
// no UTF-8 must not end the session that brings them.
var decoder = mustDecoder(cbor.DecOptions{UTF8: cbor.UTF8DecodeInvalid})

func mustDecoder(o cbor.DecOptions) cbor.DecMode {
	mode, err := o.DecMode()
	if err != nil {
		panic(err) // the options are constants
	}
	return mode
}

func mustEncoder(o cbor.EncOptions) cbor.EncMode {
	mode, err := o.EncMode()
	if err != nil {
		panic(err) // the options are constants
	}
	return mode
}

// Send writes one frame. An error means the connection is of no further use.
func (c *Conn) Send(kind Kind, payload any) error {
	body, err := encoder.Marshal(payload)
	if err != nil {
		return fmt.Errorf("encode frame %d: %w", kind, err)
	}
	if len(body) > maxFrame {
		return fmt.Errorf("frame %d has %d bytes, the limit is %d", kind, len(body), maxFrame)
	}
	frame := make([]byte, 5, 5+len(body))
	binary.BigEndian.PutUint32(frame, uint32(len(body)))
	frame[4] = byte(kind)
	frame = append(frame, body...)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.conn.SetWriteDeadline(time.Now().Add(sendTimeout)); err != nil {
		return fmt.Errorf("set deadline: %w", err)
	}
	if _, err := c.conn.Write(frame); err != nil {
		return fmt.Errorf("send frame %d: %w", kind, err)
	}
	return nil
}

// Receive reads the next frame; Decode its payload by its kind. At the end of
// the connection the error is io.EOF.
func (c *Conn) Receive() (Kind, []byte, error) {
	var head [5]byte
	if _, err := io.ReadFull(c.r, head[:]); err != nil {
		return 0, nil, err
	}
	n := binary.BigEndian.Uint32(head[:4])
	if n > maxFrame {
		return 0, nil, fmt.Errorf("frame of %d bytes, the limit is %d", n, maxFrame)
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(c.r, body); err != nil {
		return 0, nil, fmt.Errorf("receive frame: %w", err)
	}
	return Kind(head[4]), body, nil
}

// SetReadDeadline bounds the next Receive.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.conn.SetReadDeadline(t) }

// Close ends the connection.
func (c *Conn) Close() error { return c.conn.Close() }

// Decode reads a frame's payload.
func Decode[T any](body []byte) (T, error) {
	var v T
	if err := decoder.Unmarshal(body, &v); err != nil {
		return v, fmt.Errorf("decode %T: %w", v, err)
	}
	return v, nil
}
