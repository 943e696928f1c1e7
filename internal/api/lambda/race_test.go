package lambda

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/lamina-dev/lamina"
)

// TestOneWins: of many creates of one name, one is acknowledged.
func TestOneWins(t *testing.T) {
	w := managed(t)
	var created, taken atomic.Int32
	var clients sync.WaitGroup
	for range 16 {
		clients.Go(func() {
			switch a := w.call("POST", functionsPath, managedBody(t, "g")); a.status {
			case http.StatusCreated:
				created.Add(1)
			case http.StatusConflict:
				taken.Add(1)
			default:
				t.Error(a.raw)
			}
		})
	}
	clients.Wait()
	if created.Load() != 1 || taken.Load() != 15 {
		t.Errorf("%d created, %d refused", created.Load(), taken.Load())
	}
}

// TestNumbersOnce: concurrent publishes of different code never share a number.
func TestNumbersOnce(t *testing.T) {
	w := managed(t)
	var seen sync.Map
	var clients sync.WaitGroup
	for i := range 16 {
		clients.Go(func() {
			a := w.call("PUT", functionsPath+"/f/code", object{"ZipFile": zipOf(t, fmt.Sprint(i)), "Publish": true}).ok(200)
			if sha, twice := seen.LoadOrStore(a.at("Version"), a.at("CodeSha256")); twice {
				t.Errorf("version %v is %v and %v", a.at("Version"), sha, a.at("CodeSha256"))
			}
		})
	}
	clients.Wait()
}

// TestProviderOrFunction: a provider is never deleted under a new function.
func TestProviderOrFunction(t *testing.T) {
	w := newWorld(t)
	for i := range 30 {
		name := fmt.Sprintf("p%d", i)
		arn := lamina.CapacityProviderARN(scope, name)
		w.call("POST", providersPath, providerBody(name)).ok(202)
		body := with(managedBody(t, name), object{"CapacityProviderConfig": capacity(arn)})
		var function, gone answer
		var both sync.WaitGroup
		both.Go(func() { function = w.call("POST", functionsPath, body) })
		both.Go(func() { gone = w.call("DELETE", providersPath+"/"+name, nil) })
		both.Wait()
		if (function.status == http.StatusCreated) == (gone.status == http.StatusAccepted) {
			t.Fatalf("create: %s\ndelete: %s", function.raw, gone.raw)
		}
	}
}

// TestDiskFault: an upload that can't be stored leaves nothing half done.
func TestDiskFault(t *testing.T) {
	w := managed(t)
	path, err := w.service.Blobs.Path(fmt.Sprintf("%064d", 0))
	if err == nil {
		err = os.RemoveAll(filepath.Dir(path))
	}
	if err != nil {
		t.Fatal(err)
	}
	before := w.get("").at("CodeSha256")
	w.call("POST", functionsPath, managedBody(t, "g")).refused(500, "ServiceException", "…")
	w.call("GET", functionsPath+"/g", nil).refused(404, "ResourceNotFoundException", "…")
	w.call("PUT", functionsPath+"/f/code", object{"ZipFile": zipOf(t, "two")}).refused(500, "ServiceException", "…")
	w.get("").has(object{"CodeSha256": before})
}
