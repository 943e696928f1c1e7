// Command dialer is a function of the tests that tells what it reaches.
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

type event struct {
	Dial    string `json:"dial"`    // address and port of a TCP server that greets; the answer is its greeting
	Get     string `json:"get"`     // URL; the answer is its status
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
