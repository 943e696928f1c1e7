package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/lamina-dev/lamina/internal/iam"
	"github.com/lamina-dev/lamina/internal/store/blobs"
)

type traceKey struct{}

const headerTrace = "X-Amzn-Trace-Id"

// withTrace gives an invocation its trace: the caller's, or a new one that nobody
// samples. It is no member of Invoke's input or output.
func withTrace(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "invocations") {
			id := r.Header.Get(headerTrace)
			if !strings.Contains(id, "Root=") {
				id = newTrace()
			}
			w.Header().Set(headerTrace, id)
			r = r.WithContext(context.WithValue(r.Context(), traceKey{}, id))
		}
		next.ServeHTTP(w, r)
	})
}

func traceID(ctx context.Context) string {
	id, _ := ctx.Value(traceKey{}).(string)
	return id
}

func newTrace() string {
	return fmt.Sprintf("Root=1-%08x-%08x%016x;Parent=%016x;Sampled=0", uint32(time.Now().Unix()), rand.Uint32(), rand.Uint64(), rand.Uint64())
}

// codePath is where GetFunction's Code.Location points.
const codePath = ownPath + "code/"

// linkLife is how long such a link works, as on AWS.
const linkLife = 10 * time.Minute

// codeLinks are presigned: the path names the package, the query proves that
// this server gave the link out and when it ends.
type codeLinks struct {
	endpoint string
	sessions *iam.Sessions
	packages *blobs.Dir
}

func (c codeLinks) url(sha string) string {
	expires := strconv.FormatInt(time.Now().Add(linkLife).Unix(), 10)
	return c.endpoint + codePath + sha + "?expires=" + expires + "&signature=" + c.sessions.Sign("code", sha+"\n"+expires)
}

func (c codeLinks) serve(w http.ResponseWriter, r *http.Request) {
	sha, expires := r.PathValue("sha"), r.FormValue("expires")
	until, err := strconv.ParseInt(expires, 10, 64)
	if err != nil || !c.sessions.Proves("code", sha+"\n"+expires, r.FormValue("signature")) || time.Now().Unix() > until {
		http.Error(w, "Request has expired", http.StatusForbidden)
		return
	}
	file, size, err := c.packages.Open(sha)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	defer file.Close()
	w.Header().Set("Content-Type", "application/zip")
	w.Header().Set("Content-Length", strconv.FormatInt(size, 10))
	http.ServeContent(w, r, "", time.Time{}, file)
}
