// Command rawruntime is a runtime for tests that speaks the Runtime API by hand,
// well and badly: each event says how it is to be answered.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// former are ids of events that are over, with their deliveries.
var former struct {
	sync.Mutex
	ids []string
}

func main() {
	workers, _ := strconv.Atoi(os.Getenv("AWS_LAMBDA_MAX_CONCURRENCY"))
	for range max(workers, 1) - 1 {
		go work()
	}
	work()
}

// worker is one connection.
type worker struct {
	conn net.Conn
	r    *bufio.Reader
}

func dial() *worker {
	for {
		conn, err := net.Dial("tcp", os.Getenv("AWS_LAMBDA_RUNTIME_API"))
		if err == nil {
			return &worker{conn, bufio.NewReader(conn)}
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func work() {
	for {
		w := dial()
		for w.one() {
		}
		w.conn.Close()
	}
}

type event struct{ Token, Do string }

// one takes an event and answers it; false ends the connection.
func (w *worker) one() bool {
	fmt.Fprint(w.conn, "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\n\r\n")
	resp, body, ok := w.read()
	if !ok || resp.StatusCode != http.StatusOK {
		return false
	}
	id, delivery := resp.Header.Get("Lambda-Runtime-Aws-Request-Id"), resp.Header.Get("Lambda-Runtime-Invocation-Id")
	var e event
	if err := json.Unmarshal(body, &e); err != nil {
		return w.post(id+"/error", `{"errorMessage":"unreadable"}`)
	}
	defer remember(id + " " + delivery)
	good := fmt.Sprintf(`{"echo":%q}`, e.Token)
	const wrong = `{"echo":"of another request"}`
	switch e.Do {
	case "late":
		time.Sleep(1500 * time.Millisecond)
	case "exit":
		os.Exit(3)
	case "error":
		return w.post(id+"/error", fmt.Sprintf(`{"errorMessage":%q,"errorType":"Own"}`, e.Token), "Lambda-Runtime-Function-Error-Type: Function.Own")
	case "twice":
		return w.post(id+"/response", good) && w.post(id+"/response", wrong) && w.post(id+"/error", wrong)
	case "stale":
		for _, old := range recall() {
			oldID, oldDelivery, _ := strings.Cut(old, " ")
			if !w.post(oldID+"/response", wrong) || !w.post(id+"/response", wrong, "Lambda-Runtime-Invocation-Id: "+oldDelivery) {
				return false
			}
		}
	case "cut":
		fmt.Fprintf(w.conn, "POST /2018-06-01/runtime/invocation/%s/response HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{", id)
		return false
	case "large":
		good = fmt.Sprintf(`{"echo":%q,"pad":%q}`, e.Token, strings.Repeat("x", 100_000))
	case "anew":
		other := dial()
		defer other.conn.Close()
		other.post(id+"/response", good, "Lambda-Runtime-Invocation-Id: "+delivery)
		return false
	}
	return w.post(id+"/response", good)
}

func remember(id string) {
	former.Lock()
	defer former.Unlock()
	if former.ids = append(former.ids, id); len(former.ids) > 50 {
		former.ids = former.ids[10:]
	}
}

func recall() []string {
	former.Lock()
	defer former.Unlock()
	return append([]string{}, former.ids[max(0, len(former.ids)-5):]...)
}

func (w *worker) post(path, body string, header ...string) bool {
	fmt.Fprintf(w.conn, "POST /2018-06-01/runtime/invocation/%s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n%s\r\n%s",
		path, len(body), strings.Join(append(header, ""), "\r\n"), body)
	_, _, ok := w.read()
	return ok
}

func (w *worker) read() (*http.Response, []byte, bool) {
	resp, err := http.ReadResponse(w.r, nil)
	if err != nil {
		return nil, nil, false
	}
	body, err := io.ReadAll(resp.Body)
	return resp, body, err == nil
}
