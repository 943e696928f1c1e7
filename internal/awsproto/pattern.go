package awsproto

import (
	"regexp"
	"strings"
)

// pattern is a model's regular expression: it must match the whole value, as
// Java's matches() does.
type pattern struct {
	source string
	match  func(string) bool
}

// compilePattern makes a pattern RE2 can run. The few of the model that look
// around are written out as functions.
func compilePattern(source string) *pattern {
	if f, ok := lookaround[source]; ok {
		return &pattern{source: source, match: f}
	}
	re, err := regexp.Compile(`\A(?:` + translate(source) + `)\z`)
	if err != nil {
		// A pattern nobody can run refuses nothing; a test keeps this from
		// happening to any pattern of the tables.
		return &pattern{source: source, match: func(string) bool { return true }}
	}
	return &pattern{source: source, match: re.MatchString}
}

// translate writes Java's \uXXXX as RE2's \x{XXXX}. AWS's \u10000-\u10FFFF
// means the planes above the first, which Java would read otherwise.
func translate(source string) string {
	source = strings.ReplaceAll(source, `\u10000-\u10FFFF`, `\x{10000}-\x{10FFFF}`)
	return javaEscape.ReplaceAllString(source, `\x{$1}`)
}

var javaEscape = regexp.MustCompile(`\\u([0-9A-Fa-f]{4})`)

// The name patterns that refuse what consists of digits only, and the bucket
// names that refuse a dot at the end.
var (
	nameWord  = regexp.MustCompile(`\A[a-zA-Z0-9-_]+\z`)
	digits    = regexp.MustCompile(`\A[0-9]+\z`)
	urlName   = regexp.MustCompile(`\A(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?([a-zA-Z0-9-_]{1,64})(:([0-9a-zA-Z-_]+))?\z`)
	s3Bucket  = regexp.MustCompile(`\A[0-9A-Za-z\.\-_]*\z`)
	aliasName = func(s string) bool { return nameWord.MatchString(s) && !digits.MatchString(s) }
)

var lookaround = map[string]func(string) bool{
	`(?!^[0-9]+$)([a-zA-Z0-9-_]+)`:              aliasName,
	`((?!^\d+$)^[0-9a-zA-Z-_]+$)`:               aliasName,
	`[0-9A-Za-z\.\-_]*(?<!\.)`:                  func(s string) bool { return s3Bucket.MatchString(s) && !strings.HasSuffix(s, ".") },
	`(^(?!(system\x2e)))(^[_a-zA-Z0-9])([^$]*)`: collectionName,
	`(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?([a-zA-Z0-9-_]{1,64})(:((?!\d+$)[0-9a-zA-Z-_]+))?`: functionURLName,
	`^[a-z0-9]([a-z0-9]|-(?!-)){1,61}[a-z0-9]$`: accountAlias,
}

// functionURLName is a function's name or ARN whose qualifier, if any, is not a number.
func functionURLName(s string) bool {
	m := urlName.FindStringSubmatch(s)
	return m != nil && !digits.MatchString(m[len(m)-1])
}

// collectionName is a document database's collection of an event source.
func collectionName(s string) bool {
	if s == "" || strings.HasPrefix(s, "system.") || strings.Contains(s, "$") {
		return false
	}
	c := s[0]
	return c == '_' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

var accountAliasWord = regexp.MustCompile(`\A[a-z0-9][a-z0-9-]{1,61}[a-z0-9]\z`)

// accountAlias is IAM's alias of an account: no two hyphens in a row.
func accountAlias(s string) bool {
	return accountAliasWord.MatchString(s) && !strings.Contains(s, "--")
}
