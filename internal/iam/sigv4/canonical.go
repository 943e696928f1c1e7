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
func (s *signature) stringToSign(r *http.Request, payloadHash string) string {
	hash := sha256.Sum256([]byte(s.canonical(r, payloadHash)))
	scope := s.day + "/" + s.region + "/" + s.service + "/" + terminator
	return algorithm + "\n" + s.date.Format(dateFormat) + "\n" + scope + "\n" + hex.EncodeToString(hash[:])
}

func (s *signature) canonical(r *http.Request, payloadHash string) string {
	var b strings.Builder
	b.Grow(1024)
	b.WriteString(r.Method)
	b.WriteByte('\n')
	b.WriteString(s.path(r))
	b.WriteByte('\n')
	b.WriteString(canonicalQuery(r.URL.RawQuery))
	b.WriteByte('\n')
	for _, name := range s.headers {
		b.WriteString(name)
		b.WriteByte(':')
		writeHeader(&b, r, name)
		b.WriteByte('\n')
	}
	b.WriteByte('\n')
	b.WriteString(strings.Join(s.headers, ";"))
	b.WriteByte('\n')
	b.WriteString(payloadHash)
	return b.String()
}

// path is the path as it was sent; all services but S3 escape it once more.
func (s *signature) path(r *http.Request) string {
	sent := r.URL.EscapedPath()
	if sent == "" {
		sent = "/"
	}
	if s.service == "s3" {
		return sent
	}
	return escape(sent, true)
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
	return escape(plain, false)
}

const upperHex = "0123456789ABCDEF"

// escape encodes all but the unreserved characters, and slashes if told so.
func escape(s string, keepSlash bool) string {
	var b strings.Builder
	b.Grow(len(s))
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9',
			c == '-', c == '.', c == '_', c == '~', c == '/' && keepSlash:
			b.WriteByte(c)
		default:
			b.WriteByte('%')
			b.WriteByte(upperHex[c>>4])
			b.WriteByte(upperHex[c&15])
		}
	}
	return b.String()
}

// writeHeader writes a signed header's values, runs of blanks made one.
func writeHeader(b *strings.Builder, r *http.Request, name string) {
	switch name {
	case "host":
		b.WriteString(r.Host)
		return
	case "content-length":
		b.WriteString(strconv.FormatInt(r.ContentLength, 10))
		return
	}
	for i, value := range r.Header[http.CanonicalHeaderKey(name)] {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(squeeze(value))
	}
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
