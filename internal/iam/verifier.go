// Package iam answers who signed a request, and whether a role may do a thing.
//
// Every request passes one Verifier; the default is to deny. Roles are the
// service's own checks: may Lambda assume a role, may an operator role launch
// instances (DESIGN.md 18–20).
package iam

import (
	"context"
	"net/http"
	"regexp"
	"time"

	"github.com/lamina-dev/lamina"
	"github.com/lamina-dev/lamina/internal/awsproto"
	"github.com/lamina-dev/lamina/internal/iam/sigv4"
)

const (
	// DefaultAccount is the account of the key `test` and, on loopback, of every unknown key.
	DefaultAccount = "000000000000"
	testKey        = "test"
	testSecret     = "test"
)

// accountKey is an access key that names its account, the convention of the
// ecosystem's local tools; its secret is `test`.
var accountKey = regexp.MustCompile(`^\d{12}$`)

// Verifier is the one place where requests are let in.
type Verifier struct {
	Sessions *Sessions
	Loopback bool // the server listens on loopback only: test keys and unknown keys are welcome
	Clock    lamina.Clock
}

// Authenticate is awsproto's hook.
func (v *Verifier) Authenticate(r *http.Request, body []byte) (context.Context, error) {
	service := ""
	if call := awsproto.CallFrom(r.Context()); call != nil {
		service = call.Service
	}
	caller, err := v.Verify(r, body, service)
	if err != nil {
		return nil, err
	}
	return lamina.WithCaller(r.Context(), caller), nil
}

// Verify recomputes the signature and says who made it.
func (v *Verifier) Verify(r *http.Request, body []byte, service string) (lamina.Caller, error) {
	key, token := sigv4.AccessKeyID(r), sigv4.SessionToken(r)
	var session Session
	lookup := func(id string) (secret, sessionToken string, ok bool) {
		if token != "" {
			session, ok = v.Sessions.Open(token)
			return v.Sessions.secret(id), token, ok && session.AccessKeyID == id
		}
		return testSecret, "", v.Loopback && (id == testKey || accountKey.MatchString(id))
	}
	id, err := sigv4.Verify(r, body, service, lookup, v.Clock())
	if isUnknown(err) && v.welcome(r, key) {
		return v.caller(DefaultAccount, scopeRegion(r), key), nil
	}
	if err != nil {
		return lamina.Caller{}, err
	}
	if session.AccessKeyID != "" {
		return v.sessionCaller(session, id)
	}
	account := DefaultAccount
	if accountKey.MatchString(id.AccessKeyID) {
		account = id.AccessKeyID
	}
	return v.caller(account, id.Region, id.AccessKeyID), nil
}

func isUnknown(err error) bool {
	e, ok := err.(*sigv4.Error)
	return ok && e.Kind == sigv4.UnknownKey
}

// welcome lets keys we know nothing of in on loopback, as engineers have real
// ones in their shells; a URL anyone can make a browser open is no such proof.
// Tokens claim to be ours or AWS's, and are refused when they are not ours and
// look like ours.
func (v *Verifier) welcome(r *http.Request, key string) bool {
	return v.Loopback && key != "" && r.Header.Get("Authorization") != "" && !v.Sessions.Issued(key)
}

func (v *Verifier) caller(account, region, key string) lamina.Caller {
	return lamina.Caller{
		Scope: lamina.Scope{Account: account, Region: region}, AccessKeyID: key,
		ARN: "arn:aws:iam::" + account + ":root", UserID: account,
	}
}

func (v *Verifier) sessionCaller(s Session, id sigv4.Identity) (lamina.Caller, error) {
	if v.Clock().After(s.Expires) {
		return lamina.Caller{}, lamina.Errorf("ExpiredTokenException", "The security token included in the request is expired")
	}
	return lamina.Caller{
		Scope: lamina.Scope{Account: s.Account, Region: id.Region}, AccessKeyID: id.AccessKeyID,
		ARN: s.ARN, UserID: s.UserID,
	}, nil
}

var credentialScope = regexp.MustCompile(`Credential=[^/\s,]+/\d{8}/([a-z0-9-]+)/`)

// scopeRegion reads the region of a header whose key is unknown.
func scopeRegion(r *http.Request) string {
	if m := credentialScope.FindStringSubmatch(r.Header.Get("Authorization")); m != nil {
		return m[1]
	}
	return ""
}

// SessionLimit bounds a session's life (STS: 12 hours); environments' keys live longer.
const SessionLimit = 12 * time.Hour
