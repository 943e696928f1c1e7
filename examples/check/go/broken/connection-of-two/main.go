// Asks a line-based dictionary server over one connection; the server runs in this file for the example.
package main

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
)

type event struct{ Word string }

var (
	conn   net.Conn
	answer *bufio.Reader
)

func serve(l net.Listener) {
	c, err := l.Accept()
	if err != nil {
		return
	}
	for lines := bufio.NewScanner(c); lines.Scan(); {
		fmt.Fprintf(c, "%s has %d letters\n", lines.Text(), len(lines.Text()))
	}
}

func handler(e event) (map[string]string, error) {
	// Wrong: whoever reads next takes the answer, though it may be that to another request's word.
	if _, err := fmt.Fprintln(conn, e.Word); err != nil {
		return nil, err
	}
	time.Sleep(time.Duration(len(e.Word)) * time.Millisecond) // prepares for what may come
	line, err := answer.ReadString('\n')
	return map[string]string{"asked": e.Word, "answer": strings.TrimSpace(line)}, err
}

func main() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go serve(l)
	if conn, err = net.Dial("tcp", l.Addr().String()); err != nil {
		panic(err)
	}
	answer = bufio.NewReader(conn)
	lambda.Start(handler)
}
