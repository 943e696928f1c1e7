package iam

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/lamina-dev/lamina"
)

// Session is what a session token says. It is signed and self-contained, so
// that a restart verifies it without a write (DESIGN.md 3).
type Session struct {
	AccessKeyID string    `json:"k"`
	Account     string    `json:"a"`
	ARN         string    `json:"r"`
	UserID      string    `json:"u"`
	Expires     time.Time `json:"e"`
}

// Credentials are a session's keys.
type Credentials struct {
	AccessKeyID, SecretAccessKey, SessionToken string
	Expires                                    time.Time
}

// String keeps secret and token out of logs.
func (c Credentials) String() string { return "credentials of " + c.AccessKeyID }

// GoString keeps secret and token out of logs.
func (c Credentials) GoString() string { return c.String() }

// LogValue keeps secret and token out of logs.
func (c Credentials) LogValue() slog.Value { return slog.StringValue(c.String()) }

// Role is the ARN's account and role name of a session of a role; ok is false
// for root's sessions.
func (s Session) Role() (account, name string, ok bool) {
	service, _, account, resource, ok := lamina.SplitARN(s.ARN)
	parts := strings.Split(resource, "/")
	if !ok || service != "sts" || len(parts) < 3 || parts[0] != "assumed-role" {
		return "", "", false
	}
	return account, parts[1], true
}

// Sessions issues and opens session tokens under one secret.
type Sessions struct{ key []byte }

// NewSessions takes the server's secret, at least 32 bytes.
func NewSessions(secret []byte) (*Sessions, error) {
	if len(secret) < 32 {
		return nil, fmt.Errorf("the server's secret has %d bytes, 32 are needed", len(secret))
	}
	return &Sessions{key: secret}, nil
}

// idMark distinguishes our keys from AWS's own temporary ones.
const idMark = "ASIALAMINA"

// Issue makes keys for a session.
func (s *Sessions) Issue(account, arn, userID string, expires time.Time) (Credentials, error) {
	var random [10]byte
	_, _ = rand.Read(random[:]) // never fails (crypto/rand)
	id := idMark + base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(random[:])[:10]
	body, err := json.Marshal(Session{AccessKeyID: id, Account: account, ARN: arn, UserID: userID, Expires: expires.UTC()})
	if err != nil {
		return Credentials{}, fmt.Errorf("encode session: %w", err)
	}
	text := base64.RawURLEncoding.EncodeToString(body)
	token := text + "." + base64.RawURLEncoding.EncodeToString(s.mac("token", text))
	return Credentials{AccessKeyID: id, SecretAccessKey: s.secret(id), SessionToken: token, Expires: expires}, nil
}

// Open reads a token that this server signed. It may have expired.
func (s *Sessions) Open(token string) (Session, bool) {
	text, sum, signed := strings.Cut(token, ".")
	if !signed {
		return Session{}, false // most requests bring none: nothing to compute
	}
	mac, err := base64.RawURLEncoding.DecodeString(sum)
	if err != nil || !hmac.Equal(mac, s.mac("token", text)) {
		return Session{}, false
	}
	body, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return Session{}, false
	}
	var session Session
	if err := json.Unmarshal(body, &session); err != nil {
		return Session{}, false
	}
	return session, true
}

// Issued says whether an access key looks like one of ours.
func (s *Sessions) Issued(accessKeyID string) bool { return strings.HasPrefix(accessKeyID, idMark) }

func (s *Sessions) secret(accessKeyID string) string {
	return base64.RawStdEncoding.EncodeToString(s.mac("secret", accessKeyID))[:40]
}

// Sign proves that a text came from this server, for one purpose only.
func (s *Sessions) Sign(purpose, text string) string {
	return base64.RawURLEncoding.EncodeToString(s.mac(purpose, text))
}

// Proves says whether Sign made the signature.
func (s *Sessions) Proves(purpose, text, signature string) bool {
	return hmac.Equal([]byte(s.Sign(purpose, text)), []byte(signature))
}

func (s *Sessions) mac(purpose, text string) []byte {
	h := hmac.New(sha256.New, s.key)
	h.Write([]byte(purpose + "\x00" + text))
	return h.Sum(nil)
}
