package iam

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/lamina-dev/lamina"
)

var now = time.Date(2026, 11, 24, 10, 30, 0, 0, time.UTC)

func sessions(t *testing.T) *Sessions {
	t.Helper()
	s, err := NewSessions(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func verifier(t *testing.T, loopback bool) *Verifier {
	return &Verifier{
		Sessions: sessions(t), Loopback: loopback, Clock: func() time.Time { return now },
		Keys: map[string]Key{"AKIACONFIGURED": {Secret: "very secret", Account: "111111111111"}},
	}
}

// signed is a request to Lambda with the SDK's signature in its header.
func signed(t *testing.T, key, secret, token string) *http.Request {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, "http://localhost:4566/2015-03-31/functions", nil)
	hash := sha256.Sum256(nil)
	err := v4.NewSigner().SignHTTP(context.Background(), aws.Credentials{AccessKeyID: key, SecretAccessKey: secret, SessionToken: token},
		r, hex.EncodeToString(hash[:]), "lambda", "eu-west-1", now)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// presigned has the signature in its URL.
func presigned(t *testing.T, key, secret, token string) *http.Request {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, "http://localhost:4566/2015-03-31/functions?X-Amz-Expires=60", nil)
	hash := sha256.Sum256(nil)
	url, _, err := v4.NewSigner().PresignHTTP(context.Background(), aws.Credentials{AccessKeyID: key, SecretAccessKey: secret, SessionToken: token},
		r, hex.EncodeToString(hash[:]), "lambda", "eu-west-1", now)
	if err != nil {
		t.Fatal(err)
	}
	return httptest.NewRequest(http.MethodGet, url, nil)
}

func codeOf(err error) string {
	e, ok := errors.AsType[interface {
		error
		AWSError() (string, string, string)
	}](err)
	if !ok {
		return ""
	}
	code, _, _ := e.AWSError()
	return code
}

func TestVerifier(t *testing.T) {
	type request func(t *testing.T, key, secret, token string) *http.Request
	const unknown, wrong = "UnrecognizedClientException", "InvalidSignatureException"
	for name, c := range map[string]struct {
		sign               request
		key, secret, token string
		loopback, outside  string // account, or the refusal's code
	}{
		"test key":              {signed, "test", "test", "", DefaultAccount, unknown},
		"test key, presigned":   {presigned, "test", "test", "", DefaultAccount, unknown},
		"test key, wrong":       {signed, "test", "tset", "", wrong, unknown},
		"test key, left token":  {signed, "test", "test", "FwoGZXIvYXdzE", DefaultAccount, unknown},
		"test, token, wrong":    {signed, "test", "tset", "FwoGZXIvYXdzE", wrong, unknown},
		"account key":           {signed, "123456789012", "test", "", "123456789012", unknown},
		"account key, wrong":    {signed, "123456789012", "no", "", wrong, unknown},
		"unknown key":           {signed, "AKIAREALKEY", "whatever", "", DefaultAccount, unknown},
		"unknown session":       {signed, "ASIAREALKEY", "whatever", "FwoGZXIvYXdzE", DefaultAccount, unknown},
		"unknown, presigned":    {presigned, "AKIAREALKEY", "whatever", "", unknown, unknown},
		"unknown, pre, token":   {presigned, "ASIAREALKEY", "whatever", "FwoGZXIvYXdzE", unknown, unknown},
		"configured":            {signed, "AKIACONFIGURED", "very secret", "", "111111111111", "111111111111"},
		"configured, presigned": {presigned, "AKIACONFIGURED", "very secret", "", "111111111111", "111111111111"},
		"configured, wrong":     {signed, "AKIACONFIGURED", "guess", "", wrong, wrong},
		"ours without token":    {signed, idMark + "AAAAAAAAAA", "guess", "", unknown, unknown},
		"ours, foreign token":   {signed, idMark + "AAAAAAAAAA", "guess", "abc.def", unknown, unknown},
	} {
		for loopback, want := range map[bool]string{true: c.loopback, false: c.outside} {
			caller, err := verifier(t, loopback).Verify(c.sign(t, c.key, c.secret, c.token), nil, "lambda")
			if got := caller.Account + codeOf(err); got != want {
				t.Errorf("%s, loopback %t: got %q (%v), want %q", name, loopback, got, err, want)
			}
			if err == nil && (caller.Region != "eu-west-1" || caller.ARN != "arn:aws:iam::"+want+":root" || caller.UserID != want || caller.AccessKeyID != c.key) {
				t.Errorf("%s: %+v", name, caller)
			}
		}
	}
}

func TestUnsignedIsRefused(t *testing.T) {
	r := httptest.NewRequest(http.MethodGet, "http://localhost:4566/2015-03-31/functions", nil)
	if _, err := verifier(t, true).Authenticate(r); codeOf(err) != "MissingAuthenticationTokenException" {
		t.Errorf("got %v", err)
	}
}

// Everything but the signature is checked for unknown keys, too.
func TestUnknownKeysAreCheckedOtherwise(t *testing.T) {
	v := verifier(t, true)
	if _, err := v.Verify(signed(t, "AKIAREALKEY", "x", ""), nil, "ec2"); codeOf(err) != "InvalidSignatureException" {
		t.Errorf("other service: %v", err)
	}
	r := signed(t, "AKIAREALKEY", "x", "")
	r.Header.Set("X-Amz-Target", "unsigned")
	if _, err := v.Verify(r, nil, "lambda"); codeOf(err) != "InvalidSignatureException" {
		t.Errorf("unsigned header: %v", err)
	}
	v.Clock = func() time.Time { return now.Add(6 * time.Minute) }
	if _, err := v.Verify(signed(t, "AKIAREALKEY", "x", ""), nil, "lambda"); codeOf(err) != "InvalidSignatureException" {
		t.Errorf("old: %v", err)
	}
}

const roleSession = "arn:aws:sts::123456789012:assumed-role/worker/env-1"

func issue(t *testing.T, s *Sessions) Credentials {
	t.Helper()
	c, err := s.Issue("123456789012", roleSession, "AROAX:env-1", now.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestSession(t *testing.T) {
	for _, loopback := range []bool{true, false} {
		v := verifier(t, loopback)
		c := issue(t, sessions(t)) // another process with the same secret
		for _, sign := range []func(*testing.T, string, string, string) *http.Request{signed, presigned} {
			caller, err := v.Verify(sign(t, c.AccessKeyID, c.SecretAccessKey, c.SessionToken), nil, "lambda")
			want := lamina.Caller{Scope: lamina.Scope{Account: "123456789012", Region: "eu-west-1"}, AccessKeyID: c.AccessKeyID, ARN: roleSession, UserID: "AROAX:env-1"}
			if err != nil || caller != want {
				t.Errorf("loopback %t: %+v, %v", loopback, caller, err)
			}
		}
	}
}

func TestSessionTampered(t *testing.T) {
	s := sessions(t)
	a, b := issue(t, s), issue(t, s)
	other, err := NewSessions(bytes.Repeat([]byte{8}, 32))
	if err != nil {
		t.Fatal(err)
	}
	foreign := issue(t, other)
	text, sum, _ := strings.Cut(a.SessionToken, ".")
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	forged := base64.RawURLEncoding.EncodeToString(bytes.Replace(raw, []byte("123456789012"), []byte("999999999999"), 1)) + "." + sum
	for name, c := range map[string]struct{ key, secret, token string }{
		"forged account":       {a.AccessKeyID, a.SecretAccessKey, forged},
		"without its sum":      {a.AccessKeyID, a.SecretAccessKey, text},
		"empty sum":            {a.AccessKeyID, a.SecretAccessKey, text + "."},
		"another's token":      {a.AccessKeyID, a.SecretAccessKey, b.SessionToken},
		"another's secret":     {a.AccessKeyID, b.SecretAccessKey, a.SessionToken},
		"no token":             {a.AccessKeyID, a.SecretAccessKey, ""},
		"another server's":     {foreign.AccessKeyID, foreign.SecretAccessKey, foreign.SessionToken},
		"test secret":          {a.AccessKeyID, testSecret, a.SessionToken},
		"half of its own sum":  {a.AccessKeyID, a.SecretAccessKey, a.SessionToken[:len(a.SessionToken)-20]},
		"sum of other purpose": {a.AccessKeyID, a.SecretAccessKey, text + "." + s.Sign("code", text)},
	} {
		for _, loopback := range []bool{true, false} {
			if caller, err := verifier(t, loopback).Verify(signed(t, c.key, c.secret, c.token), nil, "lambda"); err == nil {
				t.Errorf("%s, loopback %t: let in as %s", name, loopback, caller.ARN)
			}
		}
	}
}

func TestSessionExpires(t *testing.T) {
	v := verifier(t, true)
	s := sessions(t)
	c, err := s.Issue(DefaultAccount, roleSession, "AROAX:e", now)
	if err != nil {
		t.Fatal(err)
	}
	_, err = v.Verify(signed(t, c.AccessKeyID, c.SecretAccessKey, c.SessionToken), nil, "lambda")
	if codeOf(err) != "ExpiredTokenException" {
		t.Errorf("got %v", err)
	}
	if got := codeOf(spelled(err, "sts")); got != "ExpiredToken" {
		t.Errorf("STS: got %s", got)
	}
}

func TestSecretsStayOut(t *testing.T) {
	c := issue(t, sessions(t))
	var b bytes.Buffer
	slog.New(slog.NewJSONHandler(&b, nil)).Info("issued", "credentials", c)
	k := Key{Secret: "very secret", Account: "1"}
	all := b.String() + fmt.Sprintf("%v %+v %#v %v %+v %#v", c, c, c, k, k, k)
	for _, secret := range []string{c.SecretAccessKey, c.SessionToken, k.Secret} {
		if strings.Contains(all, secret) {
			t.Errorf("a secret is in %s", all)
		}
	}
}

func TestSecretIsLongEnough(t *testing.T) {
	if _, err := NewSessions(make([]byte, 31)); err == nil {
		t.Error("31 bytes were taken")
	}
}

func FuzzOpen(f *testing.F) {
	s, err := NewSessions(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		f.Fatal(err)
	}
	f.Add("")
	f.Add("e30.")
	f.Add("e30.AAAA")
	f.Fuzz(func(t *testing.T, token string) {
		if _, ok := s.Open(token); ok {
			t.Errorf("opened %q", token)
		}
	})
}
