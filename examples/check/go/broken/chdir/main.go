// Packs the parts of a delivery note by names relative to its folder.
package main

import (
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
)

type event struct{ Delivery, Address string }

func handler(e event) (map[string]string, error) {
	folder, err := os.MkdirTemp("", "delivery-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(folder)
	// Wrong: the working folder is the process's; an overlapping request moves it meanwhile.
	if err := os.Chdir(folder); err != nil {
		return nil, err
	}
	if err := os.WriteFile("address.txt", []byte(e.Address), 0o600); err != nil {
		return nil, err
	}
	time.Sleep(10 * time.Millisecond)
	address, err := os.ReadFile("address.txt")
	if err != nil {
		return nil, err
	}
	return map[string]string{"delivery": e.Delivery, "address": string(address)}, nil
}

func main() { lambda.Start(handler) }
