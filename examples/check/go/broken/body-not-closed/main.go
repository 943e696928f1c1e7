// Asks a price service; it runs in this file for the example.
package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/aws/aws-lambda-go/lambda"
)

var prices = map[string]int{"tea": 450, "coffee": 790, "cocoa": 620, "mate": 540}

var service = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	_ = json.NewEncoder(w).Encode(prices[strings.Trim(r.URL.Path, "/")])
	_, _ = w.Write(make([]byte, 64<<10))
}))

type event struct {
	Order, Good string
	Count       int
}

func handler(e event) (map[string]any, error) {
	res, err := http.Get(service.URL + "/" + e.Good)
	if err != nil {
		return nil, err
	}
	// Wrong: the body is never closed, so its connection is neither used again nor given back.
	var cents int
	if err := json.NewDecoder(res.Body).Decode(&cents); err != nil {
		return nil, err
	}
	return map[string]any{"order": e.Order, "cents": cents * e.Count}, nil
}

func main() { lambda.Start(handler) }
