package e2e

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// herdWeight is how much memory a server may take for each of many callers (chosen:
// net/http's buffers, a goroutine or two and the request), and herdBase besides.
const (
	herdWeight = 128 << 10
	herdBase   = 128 << 20
)

// Many connections at one time, a call on each (F19 in targets.md): every one gets
// its answer or 429, the server's memory stays within bounds, and then it serves as
// before. A thousand here; the slow suite has ten thousand.
func TestThunderingHerd(t *testing.T) {
	needProcFS(t)
	herd := 1000
	if os.Getenv("LAMINA_TEST_SLOW") != "" {
		herd = 10_000
	}
	s := up(t)
	p := makePlace(t, s)
	p.publish(t, p.goFunction(t, "crowd"))
	p.bound(t, "crowd", minimum, minimum)
	p.must(t, "crowd")
	pid := s.cmd.Process.Pid
	request, before := signedCall(t, s), resident(t, []int{pid})[pid]
	var mu sync.Mutex
	answers := map[string]int{}
	var group sync.WaitGroup
	for range herd {
		group.Go(func() {
			status := callRaw(s.listen, request)
			mu.Lock()
			defer mu.Unlock()
			answers[status]++
		})
	}
	group.Wait()
	after := resident(t, []int{pid})[pid]
	t.Logf("%d callers: %v; the server's memory went from %d to %d MiB", herd, answers, before>>20, after>>20)
	if answers["200"] < minimum*slots || answers["200"]+answers["429"] != herd {
		t.Errorf("answers %v, want 200 or 429 for each of %d", answers, herd)
	}
	if after > before+int64(herd)*herdWeight+herdBase {
		t.Errorf("the server's memory went from %d to %d MiB", before>>20, after>>20)
	}
	p.must(t, "crowd")
}

// signedCall is one request as bytes; it may be sent as often as wanted for some minutes.
func signedCall(t *testing.T, s *server) []byte {
	t.Helper()
	body := []byte(`{"n":1,"sleep":0.3}`)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.endpoint+"/2015-03-31/functions/crowd/invocations", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	hash := sha256.Sum256(body)
	keys := aws.Credentials{AccessKeyID: "test", SecretAccessKey: "test"}
	if err := v4.NewSigner().SignHTTP(t.Context(), keys, r, hex.EncodeToString(hash[:]), "lambda", region, time.Now()); err != nil {
		t.Fatal(err)
	}
	var raw bytes.Buffer
	if err := r.Write(&raw); err != nil {
		t.Fatal(err)
	}
	return raw.Bytes()
}

// callRaw sends a request on a connection of its own and gives the answer's status.
func callRaw(addr string, request []byte) string {
	c, err := net.DialTimeout("tcp", addr, callLimit)
	if err != nil {
		return err.Error()
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(callLimit)); err != nil {
		return err.Error()
	}
	if _, err := c.Write(request); err != nil {
		return err.Error()
	}
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return err.Error()
	}
	res.Body.Close()
	return fmt.Sprint(res.StatusCode)
}
