// Makes an invoice as CSV and answers with its lines.
package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
)

// Wrong: all requests of an environment write the same file.
const path = "/tmp/invoice.csv"

type event struct {
	Customer string
	Items    map[string]int
}

func handler(e event) (map[string]any, error) {
	var b strings.Builder
	for _, item := range []string{"keyboard", "mouse", "monitor", "cable", "headset"} {
		if price, ok := e.Items[item]; ok {
			fmt.Fprintf(&b, "%s,%s,%d\n", e.Customer, item, price)
		}
	}
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		return nil, err
	}
	time.Sleep(10 * time.Millisecond) // the printer's driver looks at it
	written, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return map[string]any{"customer": e.Customer, "lines": strings.Split(strings.TrimSpace(string(written)), "\n")}, nil
}

func main() { lambda.Start(handler) }
