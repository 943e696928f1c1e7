// Formats a price with settings that a library reads from the environment.
package main

import (
	"fmt"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
)

type event struct {
	Cents           int
	Currency, Label string
}

func formatPrice(cents int) string {
	time.Sleep(10 * time.Millisecond) // loads the currency's rules
	return fmt.Sprintf("%s: %d.%02d %s", os.Getenv("PRICE_LABEL"), cents/100, cents%100, os.Getenv("PRICE_CURRENCY"))
}

func handler(e event) (map[string]string, error) {
	// Wrong: the environment is the process's, not the request's.
	os.Setenv("PRICE_CURRENCY", e.Currency)
	os.Setenv("PRICE_LABEL", e.Label)
	return map[string]string{"price": formatPrice(e.Cents)}, nil
}

func main() { lambda.Start(handler) }
