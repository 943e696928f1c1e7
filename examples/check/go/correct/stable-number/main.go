// Gives a customer an anonymous number for statistics.
package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"

	"github.com/aws/aws-lambda-go/lambda"
)

type event struct{ Customer string }

func handler(e event) (map[string]string, error) {
	// Right: the key is part of the release, so every environment gives the same number.
	mac := hmac.New(sha256.New, []byte("statistics of 2026"))
	mac.Write([]byte(e.Customer))
	return map[string]string{"customer": e.Customer, "number": hex.EncodeToString(mac.Sum(nil))[:12]}, nil
}

func main() { lambda.Start(handler) }
