// Command dialer is a function of the tests that tells what it reaches.
package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

type event struct {
	Dial    string `json:"dial"`    // address and port of a TCP server that greets; the answer is its greeting
	Get     string `json:"get"`     // URL; the answer is its status
	Hold    string `json:"hold"`    // address and port of an HTTP server; the answer is whether a connection to it stood already
	Whoami  string `json:"whoami"`  // endpoint of STS; the answer is the caller's ARN
	Key     string `json:"key"`     // access key and secret for it; "" is the role's
	Resolve string `json:"resolve"` // name; the answer is its addresses
	Millis  int64  `json:"millis"`  // to wait at most
}

type answer struct {
	OK   bool   `json:"ok"`
	Text string `json:"text"`
}

func main() {
	lambda.Start(func(ctx context.Context, e event) (answer, error) {
		ctx, cancel := context.WithTimeout(ctx, time.Duration(e.Millis)*time.Millisecond)
		defer cancel()
		text, err := try(ctx, e)
		if err != nil {
			return answer{Text: err.Error()}, nil
		}
		return answer{true, text}, nil
	})
}

func try(ctx context.Context, e event) (string, error) {
	switch {
	case e.Dial != "":
		var d net.Dialer
		c, err := d.DialContext(ctx, "tcp", e.Dial)
		if err != nil {
			return "", err
		}
		defer c.Close()
		if until, ok := ctx.Deadline(); ok {
			if err := c.SetDeadline(until); err != nil {
				return "", err
			}
		}
		hello, err := io.ReadAll(c)
		if err == nil && len(hello) == 0 {
			err = io.EOF
		}
		return string(hello), err
	case e.Hold != "":
		return hold(ctx, e.Hold)
	case e.Resolve != "":
		addrs, err := net.DefaultResolver.LookupHost(ctx, e.Resolve)
		return fmt.Sprint(addrs), err
	case e.Get != "":
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, e.Get, nil)
		if err != nil {
			return "", err
		}
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			return "", err
		}
		defer res.Body.Close()
		return res.Status, nil
	}
	key, secret, token := os.Getenv("AWS_ACCESS_KEY_ID"), os.Getenv("AWS_SECRET_ACCESS_KEY"), os.Getenv("AWS_SESSION_TOKEN")
	if e.Key != "" {
		key, secret, token = e.Key, e.Key, ""
	}
	c := sts.NewFromConfig(aws.Config{Region: os.Getenv("AWS_REGION"), BaseEndpoint: &e.Whoami, Retryer: func() aws.Retryer { return aws.NopRetryer{} },
		Credentials: credentials.NewStaticCredentialsProvider(key, secret, token)})
	out, err := c.GetCallerIdentity(ctx, nil)
	if err != nil {
		return "", err
	}
	return aws.ToString(out.Arn), nil
}

// held are connections that outlive invocations, by where they lead.
var held = struct {
	sync.Mutex
	to map[string]net.Conn
}{to: map[string]net.Conn{}}

// hold has a request answered over the connection that stands, or over one it
// makes and leaves standing.
func hold(ctx context.Context, to string) (string, error) {
	held.Lock()
	defer held.Unlock()
	how, c := "standing", held.to[to]
	if c == nil {
		var d net.Dialer
		var err error
		if c, err = d.DialContext(ctx, "tcp", to); err != nil {
			return "", err
		}
		how, held.to[to] = "new", c
	}
	if err := ask(ctx, c); err != nil {
		c.Close()
		delete(held.to, to)
		return "", fmt.Errorf("%s %s: %w", how, os.Getenv("AWS_LAMBDA_LOG_STREAM_NAME"), err)
	}
	return how + " " + os.Getenv("AWS_LAMBDA_LOG_STREAM_NAME"), nil
}

func ask(ctx context.Context, c net.Conn) error {
	until, _ := ctx.Deadline()
	if err := c.SetDeadline(until); err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://localhost/", nil)
	if err != nil {
		return err
	}
	if err := r.Write(c); err != nil {
		return err
	}
	res, err := http.ReadResponse(bufio.NewReader(c), r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, res.Body)
	return err
}
