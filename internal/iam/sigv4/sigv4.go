// Package sigv4 checks AWS Signature Version 4 on requests, in the
// Authorization header and in presigned URLs. It holds the mechanics only: which
// keys there are, and who may do what, is decided elsewhere.
//
// A request's head is checked before its body is there: Read and Claim.Prove
// need no byte of it, Claim.CheckBody the rest.
package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net/http"
	"strings"
	"time"
)

const (
	algorithm  = "AWS4-HMAC-SHA256"
	terminator = "aws4_request"
	dateFormat = "20060102T150405Z"

	// window is how far a signed request's clock may be off, as on AWS.
	window = 5 * time.Minute
	// maxExpires bounds the life of a presigned URL: AWS's week.
	maxExpires = 7 * 24 * time.Hour

	unsignedPayload = "UNSIGNED-PAYLOAD"
	hashHeader      = "X-Amz-Content-Sha256"
)

// Identity is what a valid signature proves.
type Identity struct {
	AccessKeyID  string
	Region       string
	Service      string
	Date         time.Time // of the signature
	SessionToken string
	Presigned    bool
}

// Lookup finds the secret of an access key. A key of a session comes with the
// one token it is valid with; the others with none. Where tokens carry their own
// proof, the lookup has the presented one from Claim.Identity.
type Lookup func(accessKeyID string) (secret, sessionToken string, ok bool)

// Claim is a request's signature whose form, scope, time and headers hold. Who
// made it is proved by Prove, and for what body by CheckBody.
type Claim struct {
	*signature
	r        *http.Request
	declared string // hash of the body as the client gives it; "" for none
	secret   string
	owed     bool // the signature waits for the body's hash
}

// Read checks what the head of a request to a service tells by itself. The
// error, if any, is an *Error.
func Read(r *http.Request, service string, now time.Time) (*Claim, error) {
	s, err := parse(r)
	if err != nil {
		return nil, err
	}
	if err := s.checkScope(service); err != nil {
		return nil, err
	}
	if err := s.checkTime(now); err != nil {
		return nil, err
	}
	if err := s.checkHeaders(r); err != nil {
		return nil, err
	}
	c := &Claim{signature: s, r: r, declared: r.Header.Get(hashHeader)}
	if s.presigned && c.declared == "" {
		c.declared = s.query[hashHeader]
	}
	return c, nil
}

// Identity is who the claim says made it.
func (c *Claim) Identity() Identity {
	return Identity{AccessKeyID: c.key, Region: c.region, Service: c.service, Date: c.date, SessionToken: c.token, Presigned: c.presigned}
}

// Prove holds the claim against its key. Where the client declared its body's
// hash, the signature is checked right here; else once the body is known.
func (c *Claim) Prove(lookup Lookup) error {
	secret, token, ok := lookup(c.key)
	if !ok || subtle.ConstantTimeCompare([]byte(token), []byte(c.token)) != 1 {
		return refuse(UnknownKey, textToken)
	}
	if c.declared == "" {
		c.secret, c.owed = secret, true
		return nil
	}
	if !c.matches(secret, c.stringToSign(c.r, c.declared)) {
		return refuse(Mismatch, textMismatch)
	}
	return nil
}

// CheckBody holds the claim against the body: a hash the client declares has to
// be the real one; only S3 may leave the body out of the signature.
func (c *Claim) CheckBody(body []byte) error {
	if c.declared == unsignedPayload && c.service == "s3" {
		return nil
	}
	hash := sha256.Sum256(body)
	real := hex.EncodeToString(hash[:])
	switch {
	case c.declared != "" && c.declared != real:
		return refuse(Mismatch, textMismatch)
	case c.owed && !c.matches(c.secret, c.stringToSign(c.r, real)):
		return refuse(Mismatch, textMismatch)
	}
	return nil
}

// Verify recomputes the signature of a request to a service over what was
// really received. The error, if any, is an *Error.
func Verify(r *http.Request, body []byte, service string, lookup Lookup, now time.Time) (Identity, error) {
	c, err := Read(r, service, now)
	if err != nil {
		return Identity{}, err
	}
	if err := c.Prove(lookup); err != nil {
		return Identity{}, err
	}
	if err := c.CheckBody(body); err != nil {
		return Identity{}, err
	}
	return c.Identity(), nil
}

// matches compares in constant time. Only a key that proved right is cached, so
// that nobody fills the cache without a secret.
func (s *signature) matches(secret string, toSign []byte) bool {
	scope := keyScope{secret, s.day, s.region, s.service}
	key, cached := keys.get(scope)
	if !cached {
		key = scope.derive()
	}
	want := hex.AppendEncode(nil, sum(key, toSign))
	if !hmac.Equal(want, []byte(s.signature)) {
		return false
	}
	if !cached {
		keys.put(scope, key)
	}
	return true
}

// checkScope holds the credential scope against the addressed service and the
// day of the signature.
func (s *signature) checkScope(service string) error {
	if s.service != service {
		return refuse(Mismatch, "Credential should be scoped to correct service: '%s'.", service)
	}
	if s.terminator != terminator {
		return refuse(Mismatch, "Credential should be scoped with a valid terminator: 'aws4_request', not '%s'.", s.terminator)
	}
	if at := s.dateText; s.day != at[:8] {
		return refuse(Mismatch, "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '%s' != '%s', from '%s'.", s.day, at[:8], at)
	}
	return nil
}

// checkTime keeps a captured request from being used for ever.
func (s *signature) checkTime(now time.Time) error {
	now = now.UTC()
	last, early := s.date.Add(window), s.date.Add(-window)
	if s.presigned {
		last = s.date.Add(s.expires)
	}
	if !now.After(last) && !now.Before(early) {
		return nil
	}
	at := now.Format(dateFormat)
	switch {
	case now.After(last) && s.presigned:
		return refuse(Expired, "Signature expired: %s is now earlier than %s", last.Format(dateFormat), at)
	case now.After(last):
		return refuse(Expired, "Signature expired: %s is now earlier than %s (%s - 5 min.)",
			s.dateText, now.Add(-window).Format(dateFormat), at)
	default:
		return refuse(Expired, "Signature not yet current: %s is still later than %s (%s + 5 min.)",
			s.dateText, now.Add(window).Format(dateFormat), at)
	}
}

// single are headers whose second value could mean something else to somebody.
var single = []string{"Authorization", "X-Amz-Date", "X-Amz-Security-Token", hashHeader}

const amzPrefix = "x-amz-"

// checkHeaders wants the host and everything named x-amz-* under the signature.
func (s *signature) checkHeaders(r *http.Request) error {
	signed := map[string]bool{}
	for _, name := range s.headers {
		if name == "" || name != strings.ToLower(name) || signed[name] {
			return refuse(Incomplete, "SignedHeaders must list lower-case names once each.")
		}
		signed[name] = true
	}
	if !signed["host"] {
		return refuse(Mismatch, "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.")
	}
	for name := range r.Header {
		if len(name) < len(amzPrefix) || !strings.EqualFold(name[:len(amzPrefix)], amzPrefix) {
			continue
		}
		if low := strings.ToLower(name); !signed[low] {
			return refuse(Mismatch, "'%s' must be a 'SignedHeader' in the AWS Authorization.", low)
		}
	}
	for _, name := range single {
		if len(r.Header.Values(name)) > 1 {
			return refuse(Incomplete, "The header %s is given more than once.", name)
		}
	}
	return nil
}
