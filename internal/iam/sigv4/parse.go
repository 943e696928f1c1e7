package sigv4

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// signature is what a request says of its own signature.
type signature struct {
	key, day, region, service, terminator string

	date      time.Time
	dateText  string // date in dateFormat
	headers   []string
	signature string
	token     string
	presigned bool
	expires   time.Duration
	query     map[string]string // of a presigned request
}

func hasQuery(r *http.Request) bool {
	return strings.Contains(r.URL.RawQuery, "X-Amz-")
}

// parse reads the signature's parts. Two signatures on one request are refused:
// one of them would go unchecked.
func parse(r *http.Request) (*signature, error) {
	auth := r.Header.Get("Authorization")
	var q url.Values
	if hasQuery(r) {
		var err error
		if q, err = url.ParseQuery(r.URL.RawQuery); err != nil {
			return nil, refuse(Incomplete, "The query string could not be read.")
		}
	}
	inQuery := q.Has("X-Amz-Algorithm") || q.Has("X-Amz-Signature") || q.Has("X-Amz-Credential")
	switch {
	case auth != "" && inQuery:
		return nil, refuse(Incomplete, "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter or the Authorization header should be specified.")
	case auth != "":
		return parseHeader(r, auth)
	case inQuery:
		return parseQuery(q)
	}
	return nil, refuse(Missing, textMissing)
}

func parseHeader(r *http.Request, auth string) (*signature, error) {
	rest, ok := strings.CutPrefix(auth, algorithm+" ")
	if !ok {
		if strings.HasPrefix(auth, "AWS4-") {
			return nil, refuse(Incomplete, "Unsupported AWS 'algorithm': '%s'.", strings.SplitN(auth, " ", 2)[0])
		}
		return nil, refuse(Missing, textMissing)
	}
	parts := map[string]string{}
	for field := range strings.SplitSeq(rest, ",") {
		key, value, _ := strings.Cut(strings.TrimSpace(field), "=")
		if _, twice := parts[key]; twice {
			return nil, refuse(Incomplete, "Authorization header names '%s' more than once.", key)
		}
		parts[key] = value
	}
	for _, key := range []string{"Credential", "SignedHeaders", "Signature"} {
		if parts[key] == "" {
			return nil, refuse(Incomplete, "Authorization header requires '%s' parameter.", key)
		}
	}
	s := &signature{token: r.Header.Get("X-Amz-Security-Token")}
	return s, s.fill(parts["Credential"], parts["SignedHeaders"], parts["Signature"], r.Header.Get("X-Amz-Date"))
}

func parseQuery(q url.Values) (*signature, error) {
	s := &signature{presigned: true, query: map[string]string{}}
	for name, values := range q {
		if strings.HasPrefix(name, "X-Amz-") && len(values) > 1 {
			return nil, refuse(Incomplete, "The query parameter %s is given more than once.", name)
		}
		s.query[name] = values[0]
	}
	if a := s.query["X-Amz-Algorithm"]; a != algorithm {
		return nil, refuse(Incomplete, "Unsupported AWS 'algorithm': '%s'.", a)
	}
	for _, name := range []string{"X-Amz-Credential", "X-Amz-SignedHeaders", "X-Amz-Signature", "X-Amz-Date"} {
		if s.query[name] == "" {
			return nil, refuse(Incomplete, "AWS query-string parameters must include '%s'.", name)
		}
	}
	if err := s.readExpires(); err != nil {
		return nil, err
	}
	s.token = s.query["X-Amz-Security-Token"]
	return s, s.fill(s.query["X-Amz-Credential"], s.query["X-Amz-SignedHeaders"], s.query["X-Amz-Signature"], s.query["X-Amz-Date"])
}

// readExpires reads a presigned URL's life. aws-sdk-go-v2 gives none for STS
// unless told to; then the URL lives as long as a signed header.
func (s *signature) readExpires() error {
	given, ok := s.query["X-Amz-Expires"]
	if !ok {
		s.expires = window
		return nil
	}
	n, err := strconv.Atoi(given)
	if err != nil || n < 0 {
		return refuse(Incomplete, "X-Amz-Expires must be a non-negative number of seconds.")
	}
	if n > int(maxExpires/time.Second) {
		return refuse(Incomplete, "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds")
	}
	s.expires = time.Duration(n) * time.Second
	return nil
}

// fill takes the parts that header and query have in common. A date that can't
// be read refuses the request.
func (s *signature) fill(credential, headers, sig, date string) error {
	parts := strings.Split(credential, "/")
	if len(parts) < 5 || parts[0] == "" {
		return refuse(Incomplete, "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got '%s'", credential)
	}
	n := len(parts)
	s.key = strings.Join(parts[:n-4], "/")
	s.day, s.region, s.service, s.terminator = parts[n-4], parts[n-3], parts[n-2], parts[n-1]
	s.headers, s.signature = strings.Split(headers, ";"), sig
	at, err := time.Parse(dateFormat, date)
	if err != nil {
		return refuse(Incomplete, "Date must be in ISO-8601 'basic format'. Got '%s'. See http://en.wikipedia.org/wiki/ISO_8601", date)
	}
	s.date, s.dateText = at, at.Format(dateFormat)
	return nil
}
