// Package bare holds the paths that Lamina is compared with: the function as a
// plain web service, a reverse proxy before it, and the Runtime API's path with
// nothing on it but the exchanges themselves. No authentication, routing,
// accounting, time limits or logs: what is left is the price of the hops.
//
// Each role is a process of its own, as the parts of Lamina are.
package bare

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
)

// Role is what one process does. It takes its arguments, tells its addresses
// and serves until it is ended.
type Role func(ctx context.Context, args []string, ready func(addrs ...string)) error

// Roles are the processes of the bare paths, by name.
var Roles = map[string]Role{
	"direct":      direct,
	"proxy":       proxy,
	"router":      router,
	"agent":       agent,
	"server":      server,
	"server-http": serverHTTP,
}

// direct is the function alone: a net/http handler that echoes.
func direct(_ context.Context, _ []string, ready func(...string)) error {
	return serveHTTP(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := readAll(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		writeJSON(w, body)
	}), ready)
}

// idlePerHost is enough for every connection of the load generator: the
// default of 2 would measure dialling.
const idlePerHost = 1024

// proxy is Go's reverse proxy before the address in args[0].
func proxy(_ context.Context, args []string, ready func(...string)) error {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy, transport.MaxIdleConns, transport.MaxIdleConnsPerHost = nil, idlePerHost, idlePerHost
	transport.DisableCompression = true
	to := &url.URL{Scheme: "http", Host: args[0]}
	return serveHTTP(&httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(to) },
		Transport: transport,
	}, ready)
}

// router is the 3-step path's middle: clients on one side, the runtime on the other.
func router(_ context.Context, _ []string, ready func(...string)) error {
	front, api, p, err := listenBoth("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	ready(front.Addr().String(), api.Addr().String())
	return serveConns(front, func(c net.Conn) { serveClient(c, p.caller()) })
}

// agent is the third of the four processes: frames on the unix socket args[0],
// the runtime on the other side.
func agent(_ context.Context, args []string, ready func(...string)) error {
	front, api, p, err := listenBoth("unix", args[0])
	if err != nil {
		return err
	}
	ready(args[0], api.Addr().String())
	return serveConns(front, func(c net.Conn) { serveFrames(c, p.caller()) })
}

// server is the second of the four processes: clients on one side, the agents'
// sockets args on the other, one connection to each for each client's.
func server(_ context.Context, args []string, ready func(...string)) error {
	front, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	ready(front.Addr().String())
	return serveConns(front, func(c net.Conn) {
		var to spread
		defer to.close()
		for _, addr := range args {
			one, err := dialFrames(addr)
			if err != nil {
				fmt.Fprintln(os.Stderr, "bare server:", err)
				return
			}
			to = append(to, one)
		}
		serveClient(c, to)
	})
}

// serverHTTP is server with net/http at its front, which Lamina's public edge
// keeps: connections to the agents are shared by all clients.
func serverHTTP(_ context.Context, args []string, ready func(...string)) error {
	idle := make([]chan *frames, len(args))
	for i := range idle {
		idle[i] = make(chan *frames, idlePerHost)
	}
	return serveHTTP(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := readAll(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		i := rand.IntN(len(args))
		var to *frames
		select {
		case to = <-idle[i]:
		default:
			if to, err = dialFrames(args[i]); err != nil {
				http.Error(w, err.Error(), http.StatusBadGateway)
				return
			}
		}
		answer, err := to.call(body)
		if err != nil {
			to.Close()
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		writeJSON(w, answer)
		idle[i] <- to
	}), ready)
}

func serveHTTP(h http.Handler, ready func(...string)) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	ready(l.Addr().String())
	return http.Serve(l, h)
}

func readAll(r *http.Request) ([]byte, error) {
	if r.ContentLength < 0 {
		return io.ReadAll(r.Body)
	}
	body := make([]byte, r.ContentLength)
	_, err := io.ReadFull(r.Body, body)
	return body, err
}

func writeJSON(w http.ResponseWriter, body []byte) {
	w.Header()["Content-Type"] = []string{"application/json"}
	_, _ = w.Write(body) // the client may be gone
}

// listenBoth listens for the front and for a runtime, which is served from then on.
func listenBoth(network, addr string) (front, api net.Listener, p *pool, err error) {
	if network == "unix" {
		if err := os.MkdirAll(filepath.Dir(addr), 0o700); err != nil {
			return nil, nil, nil, err
		}
	}
	if front, err = net.Listen(network, addr); err != nil {
		return nil, nil, nil, err
	}
	if api, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return nil, nil, nil, err
	}
	p = new(pool)
	go func() { _ = serveConns(api, p.serveRuntime) }() // ends with the process
	return front, api, p, nil
}

func serveConns(l net.Listener, serve func(net.Conn)) error {
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		go func() { // ends with its connection
			defer c.Close()
			serve(c)
		}()
	}
}
