package wire

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// Start is all that an agent is told when it is started. A driver on the same
// host writes it as JSON to a pipe, so that the token shows in no process list,
// and an agent whose driver died before it could write ends at once.
type Start struct {
	InstanceID string
	Token      string            // joins with it
	ServerAddr string            // control address: unix:///path or tcp://host:port
	Listen     string            // where invocations arrive; "" means a unix socket in Dir
	Dir        string            // scratch folder of this instance alone
	DataDir    string            // the agent ends itself when this folder is gone; "" means it is not watched
	Orphan     time.Duration     // how long the agent lives without a server; 0: its default
	VCPUCores  float64           // share of a core that one vCPU stands for; 0: 1
	CPUHard    bool              // vCPUs are a quota, not a weight
	FirstCPU   int               // of this host, from which on its environments get theirs; any number
	Cgroup     string            // this instance's group below each hierarchy's mount point; "" means none
	Runtimes   map[string]string // interpreters named by hand: runtime → executable
	Roots      string            // folder of installed runtimes; "" means none are
	Images     string            // folder of unpacked images that instances of this host share; "" means one in Dir
	Codes      string            // folder of unpacked code that they share; "" means one in Dir
	LogLevel   string            // of the agent's own log; "" means info
	Sandbox    string            // plain, runc or runsc; "" means plain
	Network    string            // of environments: host, none or vpc; "" means host
	Address    string            // of the instance in its subnet; "" has none
	IPv6       string            // the instance's other address; "" has none
	Door       string            // unix socket at which the server answers environments; "" none
	Front      uint16            // port at which environments of an own network find it on their loopback; 0: nowhere
}

// ErrNoStart is what ReadStart gives when the starter went away without a word.
var ErrNoStart = errors.New("the starter of this agent went away")

// WriteStart hands st to an agent that waits in ReadStart.
func WriteStart(w io.Writer, st Start) error {
	if err := json.NewEncoder(w).Encode(st); err != nil {
		return fmt.Errorf("hand over the start of an agent: %w", err)
	}
	return nil
}

// ReadStart waits for the start.
func ReadStart(r io.Reader) (Start, error) {
	var st Start
	switch err := json.NewDecoder(r).Decode(&st); {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return st, ErrNoStart
	case err != nil:
		return st, fmt.Errorf("read the start of this agent: %w", err)
	}
	return st, nil
}
