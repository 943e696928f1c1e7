package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"maps"
	"sync"
	"sync/atomic"
)

// keyScope is what a signing key is derived from.
type keyScope struct{ secret, day, region, service string }

// derive makes the signing key.
func (k keyScope) derive() []byte {
	key := sum([]byte("AWS4"+k.secret), []byte(k.day))
	key = sum(key, []byte(k.region))
	key = sum(key, []byte(k.service))
	return sum(key, []byte(terminator))
}

func sum(key, text []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write(text)
	return h.Sum(nil)
}

// maxKeys bounds the cache of signing keys (chosen); a full cache starts anew.
const maxKeys = 256

// keyCache keeps derived signing keys. Readers take no lock: they are on the
// path of every request.
type keyCache struct {
	current atomic.Pointer[map[keyScope][]byte]
	mu      sync.Mutex // held by writers
}

var keys keyCache

func (c *keyCache) get(k keyScope) ([]byte, bool) {
	m := c.current.Load()
	if m == nil {
		return nil, false
	}
	key, ok := (*m)[k]
	return key, ok
}

func (c *keyCache) put(k keyScope, key []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	next := map[keyScope][]byte{}
	if m := c.current.Load(); m != nil && len(*m) < maxKeys {
		maps.Copy(next, *m)
	}
	next[k] = key
	c.current.Store(&next)
}
