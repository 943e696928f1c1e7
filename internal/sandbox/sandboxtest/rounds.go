package sandboxtest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/lamina-dev/lamina/internal/sandbox"
)

// Rounds of creation and destruction: a few in every run, all of them in the
// slow one (LAMINA_TEST_SLOW), as the issue of isolation asks for.
const (
	fewRounds = 40
	allRounds = 1000
	atOnce    = 4
)

// rounds starts environments of every kind and kills them at random moments,
// from within their start to long after they are up. Nothing may be left.
func (s *suite) rounds(t *testing.T) {
	n := fewRounds
	if os.Getenv("LAMINA_TEST_SLOW") != "" {
		n = allRounds
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	task := s.spec(t).TaskDir
	s.round(t, rand.New(rand.NewPCG(seed, 0)), task, 0) // the first opens what is kept
	before, beforeFiles := mounts(t), openFiles(t)
	var wg sync.WaitGroup
	for worker := range atOnce {
		random := rand.New(rand.NewPCG(seed, uint64(worker)+1))
		wg.Go(func() {
			for i := range n / atOnce {
				s.round(t, random, task, worker*n+i+1)
			}
		})
	}
	wg.Wait()
	if after := mounts(t); !bytes.Equal(before, after) {
		t.Errorf("mounts left:\n%s", after)
	}
	if after := openFiles(t); after > beforeFiles+2 {
		t.Errorf("%d files are open, %d were before", after, beforeFiles)
	}
	if left, _ := filepath.Glob("/sys/fs/cgroup/*/" + s.cgroup + "/round-*"); s.cgroup != "" && len(left) > 0 {
		t.Errorf("%d cgroups left: %q", len(left), left[0])
	}
}

// round is one environment's life, which ends by itself or by Kill.
func (s *suite) round(t *testing.T, random *rand.Rand, task string, n int) {
	what := [][]string{{"exit", "0"}, {"sleep"}, {"tree", fmt.Sprint(s.isolated["processes"])}, {"orphans", "false"}, {"lines"}}
	id := fmt.Sprintf("round-%d-%06d", os.Getpid(), n) // of one length: runsc takes the beginning of an id for the id
	spec := sandbox.Spec{ID: id, Dir: openDir(t), TaskDir: task, RuntimeDir: openDir(t)}
	spec.Argv = append([]string{filepath.Join(s.sb.Layout(spec).Task, "bootstrap"), id}, what[random.IntN(len(what))]...)
	if s.cgroup != "" {
		spec.Cgroup = s.cgroup + "/" + spec.ID
	}
	l, err := s.sb.Listen(t.Context(), spec.ID)
	if err != nil {
		t.Error(err)
		return
	}
	defer l.Close()
	p, err := s.sb.Start(t.Context(), spec)
	if err != nil {
		t.Errorf("round %d: %v", n, err)
		return
	}
	time.Sleep(time.Duration(random.IntN(30)) * time.Millisecond)
	p.Kill()
	if random.IntN(2) == 0 {
		p.Kill() // nobody minds
	}
	select {
	case <-p.Done():
	case <-time.After(wait):
		t.Errorf("round %d did not end", n)
		return
	}
	for end := time.Now().Add(wait); living(spec.ID) > 0; time.Sleep(time.Millisecond) {
		if s.isolated["processes"] || time.Now().After(end) { // the members of a mere process group may still be dying
			t.Errorf("round %d: processes left", n)
			return
		}
	}
	if err := os.RemoveAll(spec.Dir); err != nil {
		t.Errorf("round %d: the scratch folder can't be removed: %v", n, err)
	}
}

// openFiles is how many descriptors this process has.
func openFiles(t *testing.T) int {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("no list of open files here")
	}
	return len(entries)
}
