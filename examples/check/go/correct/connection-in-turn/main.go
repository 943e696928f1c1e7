// Asks a line-based dictionary server over one connection; the server runs in this file for the example.
package main

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
)

type event struct{ Word string }

var (
	mu     sync.Mutex
	conn   net.Conn
	answer *bufio.Reader
)

func serve(c net.Conn) {
	for lines := bufio.NewScanner(c); lines.Scan(); {
		time.Sleep(2 * time.Millisecond)
		fmt.Fprintf(c, "%s has %d letters\n", lines.Text(), len(lines.Text()))
	}
}

func handler(e event) (map[string]string, error) {
	// Right: question and answer are one step, under the connection's lock.
	mu.Lock()
	defer mu.Unlock()
	if _, err := fmt.Fprintln(conn, e.Word); err != nil {
		return nil, err
	}
	line, err := answer.ReadString('\n')
	return map[string]string{"asked": e.Word, "answer": strings.TrimSpace(line)}, err
}

func main() {
	var server net.Conn
	conn, server = net.Pipe()
	go serve(server)
	answer = bufio.NewReader(conn)
	lambda.Start(handler)
}
