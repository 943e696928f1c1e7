// Makes an invoice as CSV and answers with its lines.
package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
)

type event struct {
	Customer string
	Items    map[string]int
}

func handler(e event) (map[string]any, error) {
	// Right: a file of this request's own, gone when it ends.
	f, err := os.CreateTemp("", "invoice-*.csv")
	if err != nil {
		return nil, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	for _, item := range []string{"keyboard", "mouse", "monitor", "cable", "headset"} {
		if price, ok := e.Items[item]; ok {
			fmt.Fprintf(f, "%s,%s,%d\n", e.Customer, item, price)
		}
	}
	time.Sleep(10 * time.Millisecond)
	written, err := os.ReadFile(f.Name())
	if err != nil {
		return nil, err
	}
	return map[string]any{"customer": e.Customer, "lines": strings.Split(strings.TrimSpace(string(written)), "\n")}, nil
}

func main() { lambda.Start(handler) }
