// Asks the stock service of the caller's shop; the service runs in this file for the example.
package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
)

var service = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	_ = json.NewEncoder(w).Encode(map[string]string{"path": r.URL.Path, "tenant": r.Header.Get("X-Tenant")})
}))

type client struct {
	tenant string
	http   http.Client
}

var stock client

func (c *client) get(path string) (answer map[string]string, err error) {
	time.Sleep(10 * time.Millisecond) // signs the request
	r, err := http.NewRequest(http.MethodGet, service.URL+path, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("X-Tenant", c.tenant)
	res, err := c.http.Do(r)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	err = json.NewDecoder(res.Body).Decode(&answer)
	return answer, err
}

type event struct{ Item, Tenant string }

func handler(e event) (map[string]string, error) {
	// Wrong: the header is the client's, so an overlapping request sends another's tenant.
	stock.tenant = e.Tenant
	return stock.get("/stock/" + e.Item)
}

func main() { lambda.Start(handler) }
