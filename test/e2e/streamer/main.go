// Command streamer is a function of the tests that streams its response: 8-byte
// numbers counted up from 0. The event says how much, and where it goes wrong.
package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
)

type event struct {
	Size   int64  `json:"size"`   // bytes in all, a multiple of 8
	Wait   int64  `json:"wait"`   // where it waits for the gate or, without one, for ever
	Gate   string `json:"gate"`   // URL that answers when it may go on
	Fail   int64  `json:"fail"`   // where it fails
	Exit   int64  `json:"exit"`   // where its process ends
	Answer string `json:"answer"` // no stream: this text
	URL    bool   `json:"url"`    // with the head of a function URL's answer
}

// numbers is the response as it is made.
type numbers struct {
	e  event
	at int64
}

func (n *numbers) Read(p []byte) (int, error) {
	e := &n.e
	if e.Wait > 0 && n.at >= e.Wait {
		e.Wait = 0
		if err := await(e.Gate); err != nil {
			return 0, err
		}
	}
	if e.Fail > 0 && n.at >= e.Fail {
		return 0, fmt.Errorf("broken at %d", n.at)
	}
	if e.Exit > 0 && n.at >= e.Exit {
		os.Exit(3)
	}
	if n.at >= e.Size {
		return 0, io.EOF
	}
	end := e.Size
	for _, stop := range []int64{e.Wait, e.Fail, e.Exit} {
		if stop > 0 {
			end = min(end, stop)
		}
	}
	p = p[:min(int64(len(p))&^7, end-n.at)]
	for i := 0; i < len(p); i += 8 {
		binary.BigEndian.PutUint64(p[i:], uint64(n.at+int64(i))/8)
	}
	n.at += int64(len(p))
	return len(p), nil
}

func await(gate string) error {
	if gate == "" {
		time.Sleep(time.Hour)
		return errors.New("the test is over")
	}
	res, err := http.Get(gate)
	if err != nil {
		return err
	}
	return res.Body.Close()
}

func handle(_ context.Context, e event) (any, error) {
	switch {
	case e.Answer != "":
		return e.Answer, nil
	case e.URL:
		return &events.LambdaFunctionURLStreamingResponse{StatusCode: 201, Headers: map[string]string{"X-Test": "yes"}, Body: &numbers{e: e}}, nil
	}
	return &numbers{e: e}, nil
}

func main() { lambda.Start(handle) }
