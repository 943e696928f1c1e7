package pattern

import (
	"strings"
	"testing"

	"github.com/lamina-dev/lamina"
)

func TestMatch(t *testing.T) {
	const apache = `127.0.0.1 - frank [10/Oct/2000:13:25:15 -0700] "GET /index.html HTTP/1.0" 404 1534`
	const event = `{"level":"ERROR","code":500,"big":9007199254740993,"ok":false,"none":null,"user":{"name":"Ann","tags":["a","b"]},"list":[{"x":1},{"y":2}],"a b":"c d","addr":"10.0.0.7"}`
	for _, c := range []struct {
		pattern, message string
		want             bool
	}{
		{"", "anything", true},
		{`""`, "anything", true},
		{" ", "anything", true},
		{"ERROR", "[ERROR] x", true},
		{"error", "[ERROR] x", false},
		{"ERROR x", "x then ERROR", true},
		{"ERROR y", "x then ERROR", false},
		{`"then ERROR"`, "x then ERROR", true},
		{`"ERROR then"`, "x then ERROR", false},
		{`"say \"hi\""`, `I say "hi"`, true},
		{"?ERROR ?WARN", "WARN: x", true},
		{"?ERROR ?WARN", "INFO: x", false},
		{"INFO ?ERROR", "INFO: x", true}, // optional ones beside others are ignored
		{"-INFO", "WARN", true},
		{"-INFO", "INFO", false},
		{`ERROR -"not me"`, "ERROR me", true},
		{`ERROR -"not me"`, "ERROR not me", false},
		{"%4[0-9]{2}%", "status 404", true},
		{"%4[0-9]{2}%", "status 500", false},
		{"%colou?r%", "color", true},
		{"request-id", "the request-id is", true},

		{`{ $.level = "ERROR" }`, event, true},
		{`{ $.level = ERROR }`, event, true},
		{`{ $.level = "ERR*" }`, event, true},
		{`{ $.level = "*RO*" }`, event, true},
		{`{ $.level = "*X*" }`, event, false},
		{`{ $.level != "ERROR" }`, event, false},
		{`{ $.missing != "ERROR" }`, event, false},
		{`{ $.level = %E.+R% }`, event, true},
		{`{ $.code = 500 }`, event, true},
		{`{ $.code = 5e2 }`, event, true},
		{`{ $.code = "5*" }`, event, true},
		{`{ $.code >= 500 && $.code < 501 }`, event, true},
		{`{ $.code > 500 }`, event, false},
		{`{ $.big = 9007199254740993 }`, event, true},
		{`{ $.big = 9007199254740992 }`, event, false},
		{`{ $.level > 3 }`, event, false},
		{`{ $.ok IS FALSE }`, event, true},
		{`{ $.ok is true }`, event, false},
		{`{ $.none IS NULL }`, event, true},
		{`{ $.missing IS NULL }`, event, false},
		{`{ $.missing NOT EXISTS }`, event, true},
		{`{ $.none NOT EXISTS }`, event, false},
		{`{ $.user IS NULL }`, event, false},
		{`{ $.user = "*" }`, event, true}, // how CDK writes "exists"
		{`{ $.user.name = "Ann" }`, event, true},
		{`{ $.user.tags[1] = "b" }`, event, true},
		{`{ $.user.tags[2] = "b" }`, event, false},
		{`{ $.list[*].y = 2 }`, event, true},
		{`{ $["a b"] = "c d" }`, event, true},
		{`{ $.addr = 10.0.* }`, event, true},
		{`{ $.level = "ERROR" && ($.code > 600 || $.user.name = "A*") }`, event, true},
		{`{ ($.level = "WARN") || ($.code = 500) }`, event, true},
		{`{ $.level = "WARN" || $.code = 500 && $.ok IS TRUE }`, event, false},
		{`{$.level="ERROR"}`, event, true},
		{`{ $.level = "ERROR" }`, "ERROR", false},
		{`{ $.level = "ERROR" }`, event + " trailing", false},
		{`{ $[0].a = 1 }`, `[{"a":1}]`, true},

		{`[ip, id, user, time, request, status, bytes]`, apache, true},
		{`[ip, id, user, time, request, status]`, apache, false},
		{`[ip, id, user, time, request, status = 4*, bytes > 1000]`, apache, true},
		{`[ip, id, user, time, request, status = 4*, bytes > 2000]`, apache, false},
		{`[..., status = 404, bytes]`, apache, true},
		{`[ip = 127.0.0.1, ...]`, apache, true},
		{`[ip, ..., bytes = 1534]`, apache, true},
		{`[ip, , user = frank, ...]`, apache, true},
		{`[w1 = ERROR || w1 = WARN, ...]`, "WARN something", true},
		{`[w1 != ERROR && w1 != WARN, ...]`, "WARN something", false},
		{`[..., request = "*html*", status, bytes]`, apache, true},
		{`[w1 = %^E%, w2]`, "ERR x", true},
		{`[a, b, ...]`, "one", false},
	} {
		p, err := Compile(c.pattern)
		if err != nil {
			t.Errorf("%s: %v", c.pattern, err)
			continue
		}
		if got := p.Match(c.message); got != c.want {
			t.Errorf("%s on %q: %v", c.pattern, c.message, got)
		}
	}
}

func TestInvalid(t *testing.T) {
	for _, pattern := range []string{
		`"open`, `%open`, `%(%`, `?`, `a -`, `foo{`, `foo"bar`,
		`{`, `{}`, `{ $.a }`, `{ $.a = }`, `{ $.a = 1`, `{ a = 1 }`, `{ $.a = 1 } x`, `{ $.a > "x" }`, `{ ($.a = 1 }`,
		`{ $.a = 1 && }`, `{ $..a = 1 }`, `{ $.a[x] = 1 }`, `{ $.a[0 = 1 }`, `{ $x = 1 }`,
		`[a`, `[a, b] c`, `[..., ...]`, `[= 1]`, `[a b]`,
		"{ " + strings.Repeat("(", 500) + "$.a = 1" + strings.Repeat(")", 500) + " }",
	} {
		_, err := Compile(pattern)
		if lamina.ErrorCode(err) != "InvalidParameterException" {
			t.Errorf("%s: %v", pattern, err)
		}
	}
}

func FuzzCompile(f *testing.F) {
	for _, s := range []string{"a ?b -c", `"a b" %c.d%`, `{ $.a.b[0] = "x*" && ($.n > 3 || $.m IS NULL) }`, `[a, ..., b = 4* || b > 3]`, `{ $["x"] NOT EXISTS }`} {
		f.Add(s, `{"a":{"b":["xyz"]},"n":4}`)
		f.Add(s, `a b "c d" [e f] 4`)
	}
	f.Fuzz(func(t *testing.T, pattern, message string) {
		p, err := Compile(pattern)
		if err != nil {
			if lamina.ErrorCode(err) == "" {
				t.Fatalf("%q: %v", pattern, err)
			}
			return
		}
		p.Match(message)
	})
}
