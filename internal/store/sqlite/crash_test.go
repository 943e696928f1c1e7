package sqlite

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/lamina-dev/lamina/internal/store"
)

// crashFolder, when set, makes the test binary the child of TestKill.
const crashFolder = "LAMINA_TEST_CRASH_FOLDER"

// crashChild commits pairs of keys from several goroutines and prints each key
// once it is acknowledged, until it is killed.
func crashChild(folder string) int {
	ctx := context.Background()
	st, err := Open(ctx, folder)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := 0; ; i++ {
				key := fmt.Sprintf("%d/%d/%d", os.Getpid(), g, i)
				value := []byte(strings.Repeat(key, 20))
				if _, err := st.Commit(ctx, store.Batch{Ops: []store.Op{store.Put("a/"+key, value), store.Put("b/"+key, value)}}); err != nil {
					fmt.Fprintln(os.Stderr, err)
					return
				}
				mu.Lock()
				_, err := os.Stdout.WriteString(key + "\n")
				mu.Unlock()
				if err != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	return 1
}

// TestKill kills a writing process again and again, always on the same folder.
// Every acknowledged batch must be there, and none in half.
func TestKill(t *testing.T) {
	t.Parallel()
	rounds := 20
	if testing.Short() {
		rounds = 3
	}
	folder := t.TempDir()
	acked := map[string]bool{}
	for round := range rounds {
		killRound(t, folder, acked)
		st := mustOpen(t, folder)
		kvs, _, err := st.List(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		found := map[string]string{}
		for _, kv := range kvs {
			found[kv.Key] = string(kv.Value)
		}
		for key := range acked {
			if found["a/"+key] == "" || found["b/"+key] != found["a/"+key] {
				t.Fatalf("round %d: acknowledged %s is lost", round, key)
			}
		}
		for key := range found {
			if pair, ok := strings.CutPrefix(key, "a/"); ok && found["b/"+pair] == "" {
				t.Fatalf("round %d: %s is there in half", round, pair)
			}
		}
		if err := st.Close(); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d acknowledged batches over %d kills", len(acked), rounds)
}

func killRound(t *testing.T, folder string, acked map[string]bool) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), crashFolder+"="+folder)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	for until := 1 + rand.IntN(300); until > 0; until-- {
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatalf("the child ended by itself: %v", err)
		}
		acked[strings.TrimSpace(line)] = true
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(lines)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(rest)) {
		if key, whole := strings.CutSuffix(line, "\n"); whole {
			acked[key] = true
		}
	}
	_ = cmd.Wait() // killed, as was meant
}
