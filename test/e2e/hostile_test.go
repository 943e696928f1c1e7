package e2e

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// invokeHead is the head of an Invoke as a stranger signs it: an unknown key,
// which loopback lets in, and a signature nobody can check.
func invokeHead(lines ...string) string {
	now := time.Now().UTC()
	b := "POST /2015-03-31/functions/f/invocations HTTP/1.1\r\nHost: localhost\r\nX-Amz-Date: " + now.Format("20060102T150405Z") +
		"\r\nAuthorization: AWS4-HMAC-SHA256 Credential=AKIASTRANGER/" + now.Format("20060102") + "/" + region +
		"/lambda/aws4_request, SignedHeaders=host;x-amz-date, Signature=00\r\n"
	for _, line := range lines {
		b += line + "\r\n"
	}
	return b + "\r\n"
}

func dial(t *testing.T, s *server) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", s.listen)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// ask sends bytes as they are and gives the answer's status and body.
func ask(t *testing.T, s *server, request string) (int, string) {
	t.Helper()
	c := dial(t, s)
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatalf("after %.60q: %v", request, err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

func TestHostileRequests(t *testing.T) {
	s := up(t)
	for name, tt := range map[string]struct {
		request string
		status  int
		want    string
	}{
		"stranger":             {invokeHead("Content-Length: 2") + "{}", 404, "Function not found"},
		"10,000 headers":       {invokeHead(append(numbered(10_000), "Content-Length: 2")...) + "{}", 431, ""},
		"1,000 headers":        {invokeHead(append(numbered(1000), "Content-Length: 2")...) + "{}", 404, "Function not found"},
		"huge header":          {invokeHead("X-A: "+strings.Repeat("a", 1<<20), "Content-Length: 2") + "{}", 431, ""},
		"unsigned, announced":  {"POST /2015-03-31/functions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 70000000\r\n\r\n", 403, "Missing Authentication Token"},
		"foreign host":         {"POST / HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 70000000\r\n\r\n", 403, "does not serve the host"},
		"foreign page":         {"POST / HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil.example\r\nContent-Length: 70000000\r\n\r\n", 403, "another origin"},
		"announces too much":   {invokeHead("Content-Length: 6291457"), 413, "6291457 byte payload is too large for the RequestResponse invocation type (limit 6291456 bytes)"},
		"two lengths":          {invokeHead("Content-Length: 2", "Content-Length: 3") + "{} ", 400, ""},
		"no host":              {"GET / HTTP/1.1\r\n\r\n", 400, ""},
		"HTTP/2 without a bye": {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 403, ""},
	} {
		status, body := ask(t, s, tt.request)
		if status != tt.status || !strings.Contains(body, tt.want) || strings.Contains(strings.ToLower(body), "<html") {
			t.Errorf("%s: %d %.200s; want %d and %q", name, status, body, tt.status, tt.want)
		}
	}
}

func numbered(n int) []string {
	lines := make([]string, n)
	for i := range lines {
		lines[i] = "X-" + strconv.Itoa(i) + ": 1"
	}
	return lines
}

// TestManyOversizeBodies: 256 clients whose bodies never say how long they are
// make the server hold its budget and no more, and honest ones are served.
func TestManyOversizeBodies(t *testing.T) {
	needProcFS(t)
	const clients, part, parts = 256, 64 << 10, 97
	s := up(t)
	payload := fmt.Sprintf("%x\r\n%s\r\n", part, strings.Repeat("1", part))
	var group sync.WaitGroup
	var mu sync.Mutex
	statuses := map[int]int{}
	for range clients {
		c := dial(t, s)
		group.Go(func() { // ends when the server stops reading
			_, err := io.WriteString(c, invokeHead("Transfer-Encoding: chunked"))
			for n := 0; err == nil && n < parts; n++ {
				_, err = io.WriteString(c, payload)
			}
		})
		group.Go(func() {
			status := 0 // a connection cut while its client still writes
			if res, err := http.ReadResponse(bufio.NewReader(c), nil); err == nil {
				status = res.StatusCode
				res.Body.Close()
			} else if errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error(err)
			}
			mu.Lock()
			statuses[status]++
			mu.Unlock()
		})
	}
	if status, body := ask(t, s, invokeHead("Content-Length: 2")+"{}"); status != http.StatusNotFound {
		t.Errorf("an honest call among them: %d %s", status, body)
	}
	group.Wait()
	peak := peakMemory(t, s.cmd.Process.Pid)
	t.Logf("answers %v, peak memory %d MiB", statuses, peak>>20)
	for status := range statuses {
		if status != 0 && status != http.StatusRequestEntityTooLarge && status != http.StatusTooManyRequests {
			t.Errorf("answers %v", statuses)
		}
	}
	// The budget is 256 MiB; as much again may wait for the garbage collector.
	if peak > 700<<20 {
		t.Errorf("the server took %d MiB", peak>>20)
	}
}

// peakMemory is the most a process ever had in memory, in bytes.
func peakMemory(t *testing.T, pid int) int64 {
	t.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(raw), "VmHWM:")
	kib, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return kib << 10
}
