package plain

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"sync"
	"syscall"
)

// initArg is the hidden first argument of an environment's init, to which its
// stage turns when the environment is to run several commands.
const initArg = "sandbox-init"

// initFD is where the init has its end of the socket.
const initFD = 5

// initOrder asks an init for a process, whose stdout and stderr come with it, or
// for a signal to one.
type initOrder struct {
	ID      int
	Argv    []string `json:",omitempty"`
	Env     []string `json:",omitempty"`
	WorkDir string   `json:",omitempty"`
	Signal  int      `json:",omitempty"`
	Group   bool     `json:",omitempty"` // the signal goes to the whole process group
}

// initReport tells that a process has started, could not, or has ended.
type initReport struct {
	ID     int
	PID    int    `json:",omitempty"` // as the init sees it
	Error  string `json:",omitempty"`
	Ended  bool   `json:",omitempty"`
	Code   int    `json:",omitempty"`
	Signal int    `json:",omitempty"`
}

// initProcess starts commands as it is told and reaps all that dies in its
// environment, orphans too.
type initProcess struct {
	conn *net.UnixConn

	mu       sync.Mutex
	children map[int]int // PID → order's id
	report   *json.Encoder
}

// runInit is the init's whole life. It ends when nobody is left who could give it orders.
func runInit() int {
	syscall.CloseOnExec(initFD)
	file := os.NewFile(initFD, "orders")
	c, err := net.FileConn(file)
	if err != nil {
		fmt.Fprintln(os.Stderr, "the environment's init has no orders:", err)
		return 1
	}
	file.Close()
	conn, ok := c.(*net.UnixConn)
	if !ok {
		return 1
	}
	p := &initProcess{conn: conn, children: map[int]int{}, report: json.NewEncoder(conn)}
	died := make(chan os.Signal, 1)
	signal.Notify(died, syscall.SIGCHLD)
	// What asks the environment to end asks its commands, not what holds them together.
	signal.Ignore(syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	go func() { // ends with the process
		for range died {
			p.reap()
		}
	}()
	for {
		o, files, err := readOrder(conn)
		if err != nil {
			break
		}
		p.follow(o, files)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for pid := range p.children {
		_ = syscall.Kill(-pid, syscall.SIGKILL) // dead already: as good
	}
	return 0
}

func (p *initProcess) follow(o initOrder, files []*os.File) {
	defer func() {
		for _, f := range files {
			f.Close()
		}
	}()
	p.mu.Lock()
	defer p.mu.Unlock()
	if o.Signal != 0 {
		p.signal(o)
		return
	}
	pid, err := spawn(o, files)
	r := initReport{ID: o.ID, PID: pid}
	if err != nil {
		r.Error = err.Error()
	} else {
		p.children[pid] = o.ID
	}
	_ = p.report.Encode(r) // who gave the orders is gone: the next read tells
}

// signal reaches nobody when the process has been reaped; p.mu is held.
func (p *initProcess) signal(o initOrder) {
	for pid, id := range p.children {
		if id != o.ID {
			continue
		}
		if o.Group {
			_ = syscall.Kill(-pid, syscall.Signal(o.Signal))
		}
		_ = syscall.Kill(pid, syscall.Signal(o.Signal))
	}
}

func spawn(o initOrder, files []*os.File) (int, error) {
	if len(files) != 2 || len(o.Argv) == 0 {
		return 0, errors.New("no command")
	}
	if _, err := os.Stat(o.WorkDir); err != nil {
		return 0, fmt.Errorf("Runtime.InvalidWorkingDir: %w", err)
	}
	path, err := lookPath(o.Argv[0], o.Env)
	if err != nil {
		return 0, fmt.Errorf("Runtime.InvalidEntrypoint: %w", err)
	}
	none, err := os.Open(os.DevNull)
	if err != nil {
		return 0, err
	}
	defer none.Close()
	pid, err := syscall.ForkExec(path, o.Argv, &syscall.ProcAttr{
		Dir: o.WorkDir, Env: o.Env, Files: []uintptr{none.Fd(), files[0].Fd(), files[1].Fd()},
		Sys: &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		return 0, fmt.Errorf("Runtime.InvalidEntrypoint: running %s: %w", path, err)
	}
	return pid, nil
}

// reap takes the status of all that is dead.
func (p *initProcess) reap() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		var ws syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &ws, syscall.WNOHANG, nil)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err != nil || pid <= 0 {
			return
		}
		id, ours := p.children[pid]
		if !ours {
			continue // an orphan
		}
		delete(p.children, pid)
		r := initReport{ID: id, Ended: true, Code: ws.ExitStatus()}
		if ws.Signaled() {
			r.Signal = int(ws.Signal())
		}
		_ = p.report.Encode(r)
	}
}

// maxOrder bounds an order: a command's variables are some KiB (chosen).
const maxOrder = 4 << 20

// writeOrder sends the length with the files, then the order.
func writeOrder(conn *net.UnixConn, o initOrder, files ...*os.File) error {
	body, err := json.Marshal(o)
	if err != nil {
		return err
	}
	var rights []byte
	if len(files) > 0 {
		var fds []int
		for _, f := range files {
			fds = append(fds, int(f.Fd()))
		}
		rights = syscall.UnixRights(fds...)
	}
	if _, _, err := conn.WriteMsgUnix(binary.BigEndian.AppendUint32(nil, uint32(len(body))), rights, nil); err != nil {
		return err
	}
	_, err = conn.Write(body)
	return err
}

func readOrder(conn *net.UnixConn) (o initOrder, files []*os.File, err error) {
	var length [4]byte
	oob := make([]byte, syscall.CmsgSpace(2*4))
	n, oobn, _, _, err := conn.ReadMsgUnix(length[:], oob)
	if err != nil {
		return o, nil, err
	}
	files = received(oob[:oobn])
	if _, err := io.ReadFull(conn, length[n:]); err != nil {
		return o, files, err
	}
	size := binary.BigEndian.Uint32(length[:])
	if size > maxOrder {
		return o, files, fmt.Errorf("an order of %d bytes", size)
	}
	body := make([]byte, size)
	if _, err := io.ReadFull(conn, body); err != nil {
		return o, files, err
	}
	return o, files, json.Unmarshal(body, &o)
}

// received takes the files that came with a message.
func received(oob []byte) (files []*os.File) {
	messages, err := syscall.ParseSocketControlMessage(oob)
	if err != nil {
		return nil
	}
	for i := range messages {
		fds, err := syscall.ParseUnixRights(&messages[i])
		if err != nil {
			continue
		}
		for _, fd := range fds {
			syscall.CloseOnExec(fd)
			files = append(files, os.NewFile(uintptr(fd), "output"))
		}
	}
	return files
}
