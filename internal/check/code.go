package check

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/lamina-dev/lamina/internal/runtimes/codepkg"
)

// Event is one that the function gets.
type Event struct {
	Name string // of its file
	Body []byte
}

// maxEvents bounds how many events are used (chosen): each takes part in every run.
const maxEvents = 32

// ReadEvents reads the JSON files of a folder, by name.
func ReadEvents(dir string) (events []Event, err error) {
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil, &NotCheckable{fmt.Sprintf("There are no events: %v.", err), "Put some that the function really gets, as JSON files of different content, into a folder and name it with --events DIR."}
	}
	for _, f := range files {
		if f.IsDir() || !strings.HasSuffix(f.Name(), ".json") {
			continue
		}
		body, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			return nil, fmt.Errorf("read an event: %w", err)
		}
		if !json.Valid(body) {
			return nil, &NotCheckable{fmt.Sprintf("The event %s is no JSON.", filepath.Join(dir, f.Name())), "Each file of the folder is one event."}
		}
		events = append(events, Event{f.Name(), body})
	}
	slices.SortFunc(events, func(a, b Event) int { return strings.Compare(a.Name, b.Name) })
	if len(events) > maxEvents {
		return nil, &NotCheckable{fmt.Sprintf("%s has %d events; at most %d are used.", dir, len(events), maxEvents), "Choose those that differ most."}
	}
	return events, nil
}

// copyCode makes the copy of the code that runs, readable for the function's
// user: of a folder, or of what is in a zip.
func copyCode(from, to string) (string, error) {
	st, err := os.Stat(from)
	if err != nil {
		return "", &NotCheckable{fmt.Sprintf("The code can't be read: %v.", err), "Name its folder or zip file with --code."}
	}
	if err := os.MkdirAll(to, 0o755); err != nil {
		return "", fmt.Errorf("make a folder for the code: %w", err)
	}
	if st.IsDir() {
		err = os.CopyFS(to, os.DirFS(from))
	} else {
		err = codepkg.Extract(from, to)
	}
	if err != nil {
		return "", &NotCheckable{Why: fmt.Sprintf("The code can't be copied: %v.", err)}
	}
	return to, filepath.WalkDir(to, open)
}

// open makes a file or folder readable for all.
func open(path string, d fs.DirEntry, err error) error {
	if err != nil || d.Type()&fs.ModeSymlink != 0 {
		return err
	}
	st, err := d.Info()
	if err != nil {
		return err
	}
	mode := st.Mode().Perm() | 0o444
	if d.IsDir() || mode&0o111 != 0 {
		mode |= 0o111
	}
	return os.Chmod(path, mode)
}
