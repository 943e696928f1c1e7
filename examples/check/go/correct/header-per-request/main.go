// Asks the stock service of the caller's shop; the service runs in this file for the example.
package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"

	"github.com/aws/aws-lambda-go/lambda"
)

var service = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	_ = json.NewEncoder(w).Encode(map[string]string{"path": r.URL.Path, "tenant": r.Header.Get("X-Tenant")})
}))

// Shared by all requests, which http.Client is made for.
var client = http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}}

type event struct{ Item, Tenant string }

func handler(ctx context.Context, e event) (answer map[string]string, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, service.URL+"/stock/"+e.Item, nil)
	if err != nil {
		return nil, err
	}
	// Right: the header is this one request's.
	r.Header.Set("X-Tenant", e.Tenant)
	res, err := client.Do(r)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		return nil, err
	}
	_, err = io.Copy(io.Discard, res.Body) // read to its end, its connection serves the next one
	return answer, err
}

func main() { lambda.Start(handler) }
