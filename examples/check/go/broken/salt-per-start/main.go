// Gives a customer an anonymous number for statistics.
package main

import (
	"fmt"
	"hash/maphash"

	"github.com/aws/aws-lambda-go/lambda"
)

// Wrong: a new seed at each start, so the same customer gets another number in each environment.
var seed = maphash.MakeSeed()

type event struct{ Customer string }

func handler(e event) (map[string]string, error) {
	return map[string]string{"customer": e.Customer, "number": fmt.Sprintf("%016x", maphash.String(seed, e.Customer))}, nil
}

func main() { lambda.Start(handler) }
