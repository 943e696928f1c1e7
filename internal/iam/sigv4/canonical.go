package sigv4

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// stringToSign puts the request into the one form both sides sign.
func (s *signature) stringToSign(r *http.Request, payloadHash string) []byte {
	hash := sha256.Sum256(s.canonical(r, payloadHash))
	b := make([]byte, 0, 192)
	for _, part := range []string{algorithm, "\n", s.dateText, "\n", s.day, "/", s.region, "/", s.service, "/", terminator, "\n"} {
		b = append(b, part...)
	}
	return hex.AppendEncode(b, hash[:])
}

func (s *signature) canonical(r *http.Request, payloadHash string) []byte {
	b := append(make([]byte, 0, 1024), r.Method...)
	b = append(b, '\n')
	b = s.appendPath(b, r)
	b = append(b, '\n')
	b = append(b, canonicalQuery(r.URL.RawQuery)...)
	b = append(b, '\n')
	for _, name := range s.headers {
		b = append(append(b, name...), ':')
		b = append(appendValues(b, r, name), '\n')
	}
	b = append(b, '\n')
	for i, name := range s.headers {
		if i > 0 {
			b = append(b, ';')
		}
		b = append(b, name...)
	}
	b = append(b, '\n')
	return append(b, payloadHash...)
}

// appendPath appends the path as it was sent; all services but S3 escape it once more.
func (s *signature) appendPath(b []byte, r *http.Request) []byte {
	sent := r.URL.EscapedPath()
	if sent == "" {
		sent = "/"
	}
	if s.service == "s3" {
		return append(b, sent...)
	}
	return appendEscaped(b, sent, true)
}

// canonicalQuery sorts the parameters after encoding them strictly. The
// signature itself is not a part of what is signed.
func canonicalQuery(raw string) string {
	if raw == "" {
		return ""
	}
	var pairs [][2]string
	for pair := range strings.SplitSeq(raw, "&") {
		if pair == "" {
			continue
		}
		key, value, _ := strings.Cut(pair, "=")
		key, value = reencode(key), reencode(value)
		if key != "X-Amz-Signature" {
			pairs = append(pairs, [2]string{key, value})
		}
	}
	slices.SortFunc(pairs, func(a, b [2]string) int {
		if c := strings.Compare(a[0], b[0]); c != 0 {
			return c
		}
		return strings.Compare(a[1], b[1])
	})
	var b strings.Builder
	for i, p := range pairs {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(p[0] + "=" + p[1])
	}
	return b.String()
}

// reencode brings a query word into AWS's encoding; what is no valid encoding
// stays as it is and so can only fail.
func reencode(word string) string {
	plain, err := url.QueryUnescape(word)
	if err != nil {
		return word
	}
	return string(appendEscaped(nil, plain, false))
}

const upperHex = "0123456789ABCDEF"

// appendEscaped encodes all but the unreserved characters, and slashes if told so.
func appendEscaped(b []byte, s string, keepSlash bool) []byte {
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9',
			c == '-', c == '.', c == '_', c == '~', c == '/' && keepSlash:
			b = append(b, c)
		default:
			b = append(b, '%', upperHex[c>>4], upperHex[c&15])
		}
	}
	return b
}

// appendValues appends a signed header's values, runs of blanks made one.
func appendValues(b []byte, r *http.Request, name string) []byte {
	switch name {
	case "host":
		return append(b, r.Host...)
	case "content-length":
		return strconv.AppendInt(b, r.ContentLength, 10)
	}
	for i, value := range r.Header[http.CanonicalHeaderKey(name)] {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, squeeze(value)...)
	}
	return b
}

func squeeze(value string) string {
	value = strings.Trim(value, " \t")
	if !strings.Contains(value, "  ") {
		return value
	}
	var b strings.Builder
	blank := false
	for i := range len(value) {
		if value[i] == ' ' && blank {
			continue
		}
		blank = value[i] == ' '
		b.WriteByte(value[i])
	}
	return b.String()
}
