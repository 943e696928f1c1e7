// Package sigv4 checks AWS Signature Version 4 on requests, in the
// Authorization header and in presigned URLs. It holds the mechanics only: which
// keys there are, and who may do what, is decided elsewhere.
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
// proof, the lookup reads the presented one by SessionToken.
type Lookup func(accessKeyID string) (secret, sessionToken string, ok bool)

// Verify recomputes the signature of a request to a service over what was
// really received. The error, if any, is an *Error.
func Verify(r *http.Request, body []byte, service string, lookup Lookup, now time.Time) (Identity, error) {
	s, err := parse(r)
	if err != nil {
		return Identity{}, err
	}
	if err := s.checkScope(service); err != nil {
		return Identity{}, err
	}
	if err := s.checkTime(now); err != nil {
		return Identity{}, err
	}
	if err := s.checkHeaders(r); err != nil {
		return Identity{}, err
	}
	hash, err := s.payloadHash(r, body, service)
	if err != nil {
		return Identity{}, err
	}
	secret, token, ok := lookup(s.key)
	if !ok || subtle.ConstantTimeCompare([]byte(token), []byte(s.token)) != 1 {
		return Identity{}, refuse(UnknownKey, textToken)
	}
	if !s.matches(secret, s.stringToSign(r, hash)) {
		return Identity{}, refuse(Mismatch, textMismatch)
	}
	return Identity{AccessKeyID: s.key, Region: s.region, Service: s.service, Date: s.date,
		SessionToken: s.token, Presigned: s.presigned}, nil
}

// matches compares in constant time. Only a key that proved right is cached, so
// that nobody fills the cache without a secret.
func (s *signature) matches(secret, toSign string) bool {
	scope := keyScope{secret, s.day, s.region, s.service}
	key, cached := keys.get(scope)
	if !cached {
		key = scope.derive()
	}
	want := hex.EncodeToString(sum(key, toSign))
	if !hmac.Equal([]byte(want), []byte(s.signature)) {
		return false
	}
	if !cached {
		keys.put(scope, key)
	}
	return true
}

// payloadHash is the body's hash. A hash the client declares has to be the real
// one; only S3 may leave the body out of the signature.
func (s *signature) payloadHash(r *http.Request, body []byte, service string) (string, error) {
	declared := r.Header.Get(hashHeader)
	if s.presigned && declared == "" {
		declared = s.query[hashHeader]
	}
	if declared == unsignedPayload && service == "s3" {
		return declared, nil
	}
	hash := sha256.Sum256(body)
	real := hex.EncodeToString(hash[:])
	if declared != "" && declared != real {
		return "", refuse(Mismatch, textMismatch)
	}
	return real, nil
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
	if at := s.date.Format(dateFormat); s.day != at[:8] {
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
	at := now.Format(dateFormat)
	switch {
	case now.After(last) && s.presigned:
		return refuse(Expired, "Signature expired: %s is now earlier than %s", last.Format(dateFormat), at)
	case now.After(last):
		return refuse(Expired, "Signature expired: %s is now earlier than %s (%s - 5 min.)",
			s.date.Format(dateFormat), now.Add(-window).Format(dateFormat), at)
	case now.Before(early):
		return refuse(Expired, "Signature not yet current: %s is still later than %s (%s + 5 min.)",
			s.date.Format(dateFormat), now.Add(window).Format(dateFormat), at)
	}
	return nil
}

// single are headers whose second value could mean something else to somebody.
var single = []string{"Authorization", "X-Amz-Date", "X-Amz-Security-Token", hashHeader}

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
		if low := strings.ToLower(name); strings.HasPrefix(low, "x-amz-") && !signed[low] {
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
