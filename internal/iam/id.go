package iam

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
)

var idEncoding = base32.StdEncoding.WithPadding(base32.NoPadding)

// NewID makes a unique id with one of IAM's prefixes, e.g. AROA: 21 characters.
func NewID(prefix string) string {
	var b [11]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return prefix + idEncoding.EncodeToString(b[:])[:17]
}

// DerivedID is the same for the same name each time.
func DerivedID(prefix, name string) string {
	sum := sha256.Sum256([]byte(name))
	return prefix + idEncoding.EncodeToString(sum[:])[:17]
}
