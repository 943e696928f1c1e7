package main

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"

	"github.com/lamina-dev/lamina/internal/store/sqlite"
)

// dataFlags name the data folder in every subcommand that needs it.
type dataFlags struct {
	Data string `help:"Data folder (default: lamina in the XDG data folder)." placeholder:"DIR" type:"path"`
}

// folder is the data folder's layout.
type folder string

// ownFolder is where this user's files of Lamina are by default.
func ownFolder() (string, error) {
	dir := os.Getenv("XDG_DATA_HOME")
	if dir == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("find the home folder: %w; name a folder with --data DIR and --roots DIR", err)
		}
		dir = filepath.Join(home, ".local", "share")
	}
	return filepath.Join(dir, "lamina"), nil
}

func (d dataFlags) folder() (folder, error) {
	dir := d.Data
	if dir == "" {
		var err error
		if dir, err = ownFolder(); err != nil {
			return "", err
		}
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("find the data folder: %w", err)
	}
	return folder(abs), nil
}

func (f folder) store() string     { return filepath.Join(string(f), "store") }
func (f folder) packages() string  { return filepath.Join(string(f), "packages") }
func (f folder) images() string    { return filepath.Join(string(f), "images") }
func (f folder) codes() string     { return filepath.Join(string(f), "code") }
func (f folder) telemetry() string { return filepath.Join(string(f), "telemetry") }
func (f folder) metrics() string   { return filepath.Join(string(f), "metrics") }
func (f folder) instances() string { return filepath.Join(string(f), "instances") }
func (f folder) running() string   { return filepath.Join(string(f), "server.json") }
func (f folder) secretKey() string { return filepath.Join(string(f), "secret") }

// used tells whether a server has ever kept something here. Other programs have
// folders called store or images too, and a wrong --data must not empty these.
func (f folder) used() bool {
	_, err := os.Stat(filepath.Join(f.store(), sqlite.FileName))
	return err == nil
}

// maxSocketPath is what sockaddr_un holds on the strictest system (macOS: 104).
const maxSocketPath = 100

// The server's sockets in its data folder.
const (
	controlSocket = "control.sock" // where agents dial
	consoleSocket = "console.sock" // where the operator's commands ask
	doorSocket    = "door.sock"    // where functions call Lamina's services from inside their VPC
)

// socket is the path of one of them; a folder with a long name gets a short one
// below the temporary folder, the same at each start.
func (f folder) socket(name string) (string, error) {
	path := filepath.Join(string(f), name)
	if len(path) <= maxSocketPath {
		return path, nil
	}
	sum := sha256.Sum256([]byte(f))
	dir := filepath.Join(os.TempDir(), fmt.Sprintf("lamina-%d-%x", os.Getuid(), sum[:6]))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("make the socket's folder: %w", err)
	}
	return filepath.Join(dir, name), nil
}

// listen opens a socket for the folder's owner alone.
func (f folder) listen(name string) (net.Listener, error) {
	path, err := f.socket(name)
	if err != nil {
		return nil, err
	}
	if err := os.RemoveAll(path); err != nil { // the store's lock says that nobody else serves it
		return nil, fmt.Errorf("remove the old %s: %w", name, err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", name, err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return nil, fmt.Errorf("keep %s to its owner: %w", name, err)
	}
	return l, nil
}

// secret is the key with which session tokens and links are signed.
func (f folder) secret() ([]byte, error) {
	path := f.secretKey()
	old, err := os.ReadFile(path)
	switch {
	case err == nil && len(old) > 0: // an empty one is left of a start that was cut off
		return hex.DecodeString(string(old))
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("read the server's secret: %w", err)
	}
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails (crypto/rand)
	if err := put(path, []byte(hex.EncodeToString(key))); err != nil {
		return nil, fmt.Errorf("keep the server's secret: %w", err)
	}
	return key, nil
}

// running is what a server leaves for the other subcommands.
type running struct {
	PID      int    `json:"pid"`
	Endpoint string `json:"endpoint"`
	Region   string `json:"region"`
}

func (f folder) write(r running) error {
	b, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encode server.json: %w", err)
	}
	_ = os.Remove(f.running()) // of a killed server; on a full disk its place is needed
	if err := put(f.running(), b); err != nil {
		return fmt.Errorf("say that the server runs: %w; make room in the data folder", err)
	}
	return nil
}

// put writes a file for its owner alone, whole or not at all.
func put(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}

// read gives the server of this data folder; ok is false when none was left there.
func (f folder) read() (r running, ok bool, err error) {
	b, err := os.ReadFile(f.running())
	if errors.Is(err, fs.ErrNotExist) {
		return r, false, nil
	}
	if err != nil {
		return r, false, fmt.Errorf("look for the server: %w", err)
	}
	if err := json.Unmarshal(b, &r); err != nil {
		return r, false, fmt.Errorf("%s is damaged: %w; remove it", f.running(), err)
	}
	return r, true, nil
}
