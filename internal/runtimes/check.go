package runtimes

import (
	"debug/elf"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	goruntime "runtime"
	"strings"
)

// architectureError says that a package holds code for another machine.
type architectureError struct {
	File, Has, Want string
	Host            bool // Want is this host's, not the function's
}

func (e *architectureError) Error() string {
	if e.Host {
		return fmt.Sprintf("%s is built for %s, which this %s host can't run", e.File, e.Has, e.Want)
	}
	return fmt.Sprintf("%s is built for %s, but the function's architecture is %s", e.File, e.Has, e.Want)
}

// Check tells whether the unpacked package can start here: a *MissingError or
// *architectureError (architecture is x86_64 or arm64), or another reason in words.
// optDir holds the merged layers; "" without any.
func Check(in Interpreter, architecture, taskDir, optDir string) error {
	if in.Own {
		return nil
	}
	f, err := lookUp(in.Runtime)
	if err != nil {
		return err
	}
	if f == familyProvided {
		if InLayer(taskDir, optDir) {
			return checkBootstrap(in, architecture, optDir, "/opt/bootstrap")
		}
		return checkBootstrap(in, architecture, taskDir, "/var/task/bootstrap")
	}
	return nil
}

// CheckImage tells an image that is built for another machine in the words in
// which running it fails on AWS: a *architectureError within.
func CheckImage(program, has, architecture string) error {
	err := &architectureError{File: "the image", Has: has, Want: architecture}
	switch {
	case program == "":
		return errors.New("the image has neither ENTRYPOINT nor CMD; set one, or the function's ImageConfig")
	case has == architecture && architecture == hostMachine():
		return nil
	case has == architecture:
		err.Want, err.Host = hostMachine(), true
	}
	return fmt.Errorf("fork/exec %s: exec format error: %w", program, err)
}

// InLayer says that the bootstrap of a provided runtime is a layer's, since the
// package has none: a folder of that name is none (runtime-api.md section 4).
func InLayer(taskDir, optDir string) bool {
	return optDir != "" && !hasBootstrap(taskDir) && hasBootstrap(optDir)
}

func hasBootstrap(dir string) bool {
	st, err := os.Stat(filepath.Join(dir, "bootstrap"))
	return err == nil && !st.IsDir()
}

// checkBootstrap looks for what would else surface as an exec error.
func checkBootstrap(in Interpreter, architecture, dir, shown string) error {
	path := filepath.Join(dir, "bootstrap")
	st, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		// AWS's words and type.
		return errors.New("Runtime.InvalidEntrypoint: Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]")
	case err != nil:
		return fmt.Errorf("looking at the bootstrap: %w", err)
	case !st.Mode().IsRegular():
		return errors.New(shown + " is not a file")
	case st.Mode()&0o111 == 0:
		return errors.New(shown + " is not executable; set its mode before zipping (chmod +x)")
	}
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("reading the bootstrap: %w", err)
	}
	defer f.Close()
	var magic [4]byte
	n, _ := f.ReadAt(magic[:], 0)
	switch head := string(magic[:n]); {
	case head == elf.ELFMAG:
		return checkELF(f, in, architecture, shown)
	case strings.HasPrefix(head, "#!"):
		return nil
	case head == "\xcf\xfa\xed\xfe" || head == "\xca\xfe\xba\xbe":
		return &architectureError{File: "bootstrap", Has: "macOS", Want: "Linux " + architecture}
	case strings.HasPrefix(head, "MZ"):
		return &architectureError{File: "bootstrap", Has: "Windows", Want: "Linux " + architecture}
	default:
		return errors.New(shown + " is neither a Linux program nor a script (it would begin with #! and its interpreter)")
	}
}

// machines names processors as AWS does.
var machines = map[elf.Machine]string{elf.EM_X86_64: "x86_64", elf.EM_AARCH64: "arm64", elf.EM_386: "32-bit x86", elf.EM_ARM: "32-bit ARM"}

func checkELF(f *os.File, in Interpreter, architecture, shown string) error {
	e, err := elf.NewFile(f)
	if err != nil {
		return fmt.Errorf("%s is a damaged program: %w", shown, err)
	}
	has, ok := machines[e.Machine]
	if !ok {
		has = e.Machine.String()
	}
	if has != architecture {
		return &architectureError{File: "bootstrap", Has: has, Want: architecture}
	}
	host := hostMachine()
	if has != host {
		return &architectureError{File: "bootstrap", Has: has, Want: host, Host: true}
	}
	if in.Root != "" {
		return nil // the loader is the root's
	}
	return checkLoader(e, shown)
}

// hostMachine is this host's architecture in AWS's words; a system other than
// Linux is named with it, as it runs no Lambda binaries.
func hostMachine() string {
	name := goruntime.GOARCH
	switch name {
	case "amd64":
		name = "x86_64"
	}
	if goruntime.GOOS != "linux" {
		return goruntime.GOOS + " " + name
	}
	return name
}

// checkLoader finds the dynamic loader that a program asks for: without it
// exec fails with a "not found" that names the program instead.
func checkLoader(e *elf.File, shown string) error {
	for _, p := range e.Progs {
		if p.Type != elf.PT_INTERP {
			continue
		}
		data := make([]byte, min(p.Filesz, 4096))
		if _, err := p.ReadAt(data, 0); err != nil {
			return fmt.Errorf("%s is a damaged program: %w", shown, err)
		}
		loader := strings.TrimRight(string(data), "\x00")
		if _, err := os.Stat(loader); err != nil {
			return fmt.Errorf("bootstrap needs %s, which this host lacks; link it statically", loader)
		}
	}
	return nil
}
