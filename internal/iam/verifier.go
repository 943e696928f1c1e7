// Package iam answers who signed a request, and whether a role may do a thing.
//
// Every request passes one Verifier; the default is to deny. Roles are the
// service's own checks: may Lambda assume a role, may an operator role launch
// instances (DESIGN.md 18–20).
//
// Whom an access key stands for:
//
//   - a session of ours (AssumeRole, GetSessionToken, execution environments):
//     the identity inside its signed token, on every listener;
//   - a configured key: root of its account, on every listener;
//   - "test" with the secret "test": root of account 000000000000, only where
//     the server listens on loopback;
//   - twelve digits with the secret "test": root of that account, likewise;
//   - any other key: root of account 000000000000, likewise, and only in the
//     Authorization header. Its signature can't be checked, which is why Guard
//     keeps browsers out.
//
// Secrets and tokens never appear in an error or a log line.
package iam

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"strings"

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

// Key is a configured access key.
type Key struct {
	Secret  string
	Account string
}

// String keeps the secret out of logs.
func (k Key) String() string { return "key of account " + k.Account }

// GoString keeps the secret out of logs.
func (k Key) GoString() string { return k.String() }

// Verifier is the one place where requests are let in.
type Verifier struct {
	Sessions *Sessions
	Loopback bool           // the server listens on loopback only: test keys and unknown keys are welcome
	Keys     map[string]Key // configured keys by their id
	Clock    lamina.Clock
}

// Authenticate is awsproto's hook: it judges a request's head, and the proof it
// gives judges the rest once the body is there.
func (v *Verifier) Authenticate(r *http.Request) (awsproto.Proof, error) {
	service := ""
	if call := awsproto.CallFrom(r.Context()); call != nil {
		service = call.Service
	}
	unserved := service == ""
	if unserved {
		// Nobody serves what the request is scoped to; its signature is still
		// checked, so that only callers who may come in learn that.
		service = ScopeService(r)
	}
	c, err := v.open(r, service)
	if err != nil {
		return nil, spelled(err, service)
	}
	return func(body []byte) (context.Context, error) {
		if err := c.CheckBody(body); err != nil {
			return nil, err
		}
		if unserved && isForm(r) {
			// awsproto would go on to place the form by its API version.
			return nil, lamina.Errorf("InvalidAction", "Lamina does not serve %s.", service)
		}
		return lamina.WithCaller(r.Context(), c.caller), nil
	}, nil
}

// spelled gives STS's clients the code of an expired token that AWS gives them:
// STS has an error of the other name with another meaning.
func spelled(err error, service string) error {
	if e, ok := errors.AsType[*lamina.Error](err); ok && service == "sts" && e.Code == codeExpiredToken {
		return lamina.Errorf("ExpiredToken", "%s", e.Message)
	}
	return err
}

// Verify recomputes the signature and says who made it.
func (v *Verifier) Verify(r *http.Request, body []byte, service string) (lamina.Caller, error) {
	c, err := v.open(r, service)
	if err != nil {
		return lamina.Caller{}, err
	}
	if err := c.CheckBody(body); err != nil {
		return lamina.Caller{}, err
	}
	return c.caller, nil
}

// claimed is a request whose head holds, and whom it comes from if its body
// does as well.
type claimed struct {
	*sigv4.Claim
	caller lamina.Caller
}

// open checks all of a request that needs no body.
func (v *Verifier) open(r *http.Request, service string) (claimed, error) {
	claim, err := sigv4.Read(r, service, v.Clock())
	if err != nil {
		return claimed{}, err
	}
	id := claim.Identity()
	k := keyring{v: v, token: id.SessionToken}
	if err := claim.Prove(k.find); err != nil {
		if k.welcome(r, err) {
			return claimed{claim, root(DefaultAccount, id.Region, id.AccessKeyID)}, nil
		}
		return claimed{}, err
	}
	if k.session == nil {
		return claimed{claim, root(k.account, id.Region, id.AccessKeyID)}, nil
	}
	if !v.Clock().Before(k.session.Expires) {
		return claimed{}, lamina.Errorf(codeExpiredToken, "The security token included in the request is expired")
	}
	return claimed{claim, lamina.Caller{
		Scope: lamina.Scope{Account: k.session.Account, Region: id.Region}, AccessKeyID: id.AccessKeyID,
		ARN: k.session.ARN, UserID: k.session.UserID,
	}}, nil
}

const codeExpiredToken = "ExpiredTokenException"

// keyring looks for the one key of a request.
type keyring struct {
	v       *Verifier
	token   string
	session *Session // when the token is a session's of ours
	account string   // of a key that stands for an account
	known   bool     // the key is or looks like one of ours
}

// find gives the secret of a key, and the token it is valid with. A token that
// is not ours is a leftover of the client's environment when the key is known
// without one.
func (k *keyring) find(id string) (secret, token string, ok bool) {
	if s, ok := k.v.Sessions.Open(k.token); ok {
		k.known = k.v.Sessions.Issued(id)
		if s.AccessKeyID != id {
			return "", "", false
		}
		k.session = &s
		return k.v.Sessions.secret(id), k.token, true
	}
	if key, ok := k.v.Keys[id]; ok {
		k.known, k.account = true, key.Account
		return key.Secret, k.token, true
	}
	if k.v.Loopback && (id == testKey || accountKey.MatchString(id)) {
		k.known, k.account = true, id
		if id == testKey {
			k.account = DefaultAccount
		}
		return testSecret, k.token, true
	}
	k.known = k.v.Sessions.Issued(id)
	return "", "", false
}

// welcome lets keys we know nothing of in on loopback, as engineers have real
// ones in their shells; a URL anyone can make a browser open is no such proof.
// All of its head but the signature was right, and its body still has to be the
// one it declares.
func (k *keyring) welcome(r *http.Request, err error) bool {
	refused, ok := errors.AsType[*sigv4.Error](err)
	return ok && refused.Kind == sigv4.UnknownKey && k.v.Loopback && !k.known && r.Header.Get("Authorization") != ""
}

func root(account, region, key string) lamina.Caller {
	return lamina.Caller{
		Scope: lamina.Scope{Account: account, Region: region}, AccessKeyID: key,
		ARN: "arn:aws:iam::" + account + ":root", UserID: account,
	}
}

// isForm tells whether awsproto could place a request by what its form says.
func isForm(r *http.Request) bool {
	return strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") || r.URL.Query().Has("Action")
}

// ScopeService is the service of a request's credential scope, which is not yet
// verified: key/date/region/service/terminator.
func ScopeService(r *http.Request) string {
	credential := r.URL.Query().Get("X-Amz-Credential")
	if auth := r.Header.Get("Authorization"); auth != "" {
		_, rest, _ := strings.Cut(auth, "Credential=")
		credential, _, _ = strings.Cut(rest, ",")
	}
	parts := strings.Split(strings.TrimSpace(credential), "/")
	if len(parts) < 5 {
		return ""
	}
	return parts[len(parts)-2]
}
