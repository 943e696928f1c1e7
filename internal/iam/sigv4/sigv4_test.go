package sigv4_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/lamina-dev/lamina/internal/iam/sigv4"
)

var now = time.Date(2026, 11, 24, 10, 30, 0, 0, time.UTC)

const (
	key    = "AKIDEXAMPLE"
	secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
	region = "eu-west-1"
)

func lookup(id string) (string, string, bool) {
	switch id {
	case key:
		return secret, "", true
	case "ASIASESSION":
		return "session-secret", "the-token", true
	}
	return "", "", false
}

// request is one to be signed and then seen as a server sees it.
type request struct {
	method, url, body string
	header            map[string]string
	service           string
	presign           bool
	key, secret, tok  string
}

func hashOf(body string) string {
	h := sha256.Sum256([]byte(body))
	return hex.EncodeToString(h[:])
}

// sign lets the SDK sign the request and sends it over a real connection, so
// that the verifier sees what Go's server makes of it.
func sign(t testing.TB, q request) *http.Request {
	t.Helper()
	if q.service == "" {
		q.service = "lambda"
	}
	if q.key == "" {
		q.key, q.secret = key, secret
	}
	r, err := http.NewRequest(q.method, q.url, strings.NewReader(q.body))
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range q.header {
		r.Header.Set(k, v)
	}
	cred := aws.Credentials{AccessKeyID: q.key, SecretAccessKey: q.secret, SessionToken: q.tok}
	signer := v4.NewSigner()
	if q.presign {
		v := r.URL.Query()
		v.Set("X-Amz-Expires", "600")
		r.URL.RawQuery = v.Encode()
		uri, header, err := signer.PresignHTTP(context.Background(), cred, r, hashOf(q.body), q.service, region, now)
		if err != nil {
			t.Fatal(err)
		}
		if r, err = http.NewRequest(q.method, uri, strings.NewReader(q.body)); err != nil {
			t.Fatal(err)
		}
		for k, v := range header {
			if k != "Host" {
				r.Header[k] = v
			}
		}
	} else if err := signer.SignHTTP(context.Background(), cred, r, hashOf(q.body), q.service, region, now); err != nil {
		t.Fatal(err)
	}
	return received(t, r)
}

// received writes a request to the wire and reads it back.
func received(t testing.TB, r *http.Request) *http.Request {
	t.Helper()
	var buf bytes.Buffer
	if err := r.Write(&buf); err != nil {
		t.Fatal(err)
	}
	got, err := readRequest(&buf)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

var oracle = []request{
	{method: "GET", url: "http://localhost:4566/2015-03-31/functions/"},
	{method: "POST", url: "http://localhost:4566/2015-03-31/functions/f/invocations", body: `{"a":1}`},
	{method: "POST", url: "http://localhost:4566/2015-03-31/functions/f/invocations?Qualifier=%24LATEST.PUBLISHED", body: "x", header: map[string]string{"X-Amz-Invocation-Type": "Event"}},
	{method: "GET", url: "http://localhost:4566/2015-03-31/functions/arn:aws:lambda:eu-west-1:000000000000:function:f:$LATEST.PUBLISHED"},
	{method: "GET", url: "http://localhost:4566/2015-03-31/functions/arn%3Aaws%3Alambda%3Aeu-west-1%3A000000000000%3Afunction%3Af%3A%24LATEST.PUBLISHED"},
	{method: "GET", url: "http://localhost:4566/2017-03-31/tags/arn%3Aaws%3Alambda%3A%2Fodd%2F..%2Fname"},
	{method: "GET", url: "http://localhost:4566/a%20b/c+d/%C3%BC/%E6%97%A5%E6%9C%AC"},
	{method: "GET", url: "http://localhost:4566/x?b=2&a=1&a=0&A=3&empty&plus=a+b&pct=a%2Bb&sp=a%20b&tilde=~&slash=/"},
	{method: "GET", url: "http://localhost:4566/x?tagKeys=b&tagKeys=a&a-b=1&a=2&a.b=3"},
	{method: "PUT", url: "http://127.0.0.1:9/x", body: "b", header: map[string]string{"X-Amz-Meta-Odd": "  a   b  ", "Content-Type": "application/json"}},
	{method: "POST", url: "http://localhost/", body: "Action=GetCallerIdentity&Version=2011-06-15", service: "sts", header: map[string]string{"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}},
	{method: "GET", url: "http://localhost:4566/", key: "ASIASESSION", secret: "session-secret", tok: "the-token"},
	{method: "DELETE", url: "http://localhost:4566/2015-03-31/functions/f", header: map[string]string{hash: hashOf("")}},
}

const hash = "X-Amz-Content-Sha256"

func verify(r *http.Request, body, service string) (sigv4.Identity, error) {
	if service == "" {
		service = "lambda"
	}
	return sigv4.Verify(r, []byte(body), service, lookup, now)
}

func TestSDKSignaturesAreAccepted(t *testing.T) {
	for _, q := range oracle {
		for _, presign := range []bool{false, true} {
			q.presign = presign
			t.Run(fmt.Sprintf("%s %s presign=%v", q.method, q.url, presign), func(t *testing.T) {
				r := sign(t, q)
				id, err := verify(r, q.body, q.service)
				if err != nil {
					t.Fatalf("%v\n%v", err, r.Header)
				}
				if id.Region != region || id.Presigned != presign || id.SessionToken != q.tok {
					t.Errorf("got %+v", id)
				}
			})
		}
	}
}

func TestTamperedRequestsAreRefused(t *testing.T) {
	base := request{method: "POST", url: "http://localhost:4566/2015-03-31/functions/f/invocations?Qualifier=1", body: "body",
		header: map[string]string{"X-Amz-Invocation-Type": "Event"}}
	auth := func(old, repl string) func(*http.Request) {
		return func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), old, repl, 1))
		}
	}
	tests := map[string]struct {
		change func(*http.Request)
		kind   sigv4.Kind
	}{
		"no signature":        {func(r *http.Request) { r.Header.Del("Authorization") }, sigv4.Missing},
		"basic auth":          {func(r *http.Request) { r.Header.Set("Authorization", "Basic dGVzdA==") }, sigv4.Missing},
		"other algorithm":     {auth("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA1"), sigv4.Incomplete},
		"method":              {func(r *http.Request) { r.Method = "PUT" }, sigv4.Mismatch},
		"path":                {func(r *http.Request) { r.URL.Path = "/2015-03-31/functions/g/invocations" }, sigv4.Mismatch},
		"query":               {func(r *http.Request) { r.URL.RawQuery = "Qualifier=2" }, sigv4.Mismatch},
		"more query":          {func(r *http.Request) { r.URL.RawQuery += "&x=y" }, sigv4.Mismatch},
		"host":                {func(r *http.Request) { r.Host = "evil.example" }, sigv4.Mismatch},
		"signed header":       {func(r *http.Request) { r.Header.Set("X-Amz-Invocation-Type", "DryRun") }, sigv4.Mismatch},
		"second value":        {func(r *http.Request) { r.Header.Add("X-Amz-Invocation-Type", "DryRun") }, sigv4.Mismatch},
		"unsigned x-amz":      {func(r *http.Request) { r.Header.Set("X-Amz-Log-Type", "Tail") }, sigv4.Mismatch},
		"header not signed":   {auth(";x-amz-invocation-type", ""), sigv4.Mismatch},
		"host not signed":     {auth("host;", ""), sigv4.Mismatch},
		"header named twice":  {auth("host;", "host;host;"), sigv4.Incomplete},
		"upper-case header":   {auth("host;", "Host;"), sigv4.Incomplete},
		"key":                 {auth(key, "AKIDOTHER"), sigv4.UnknownKey},
		"region":              {auth(region, "us-east-1"), sigv4.Mismatch},
		"service":             {auth("/lambda/", "/sts/"), sigv4.Mismatch},
		"terminator":          {auth("aws4_request", "aws5_request"), sigv4.Mismatch},
		"scope day":           {auth("/20261124/", "/20261123/"), sigv4.Mismatch},
		"short credential":    {auth("/20261124/"+region, "/20261124"), sigv4.Incomplete},
		"credential twice":    {auth("Credential=", "Credential=x/20261124/r/lambda/aws4_request, Credential="), sigv4.Incomplete},
		"signature":           {auth("Signature=", "Signature=0"), sigv4.Mismatch},
		"no signature part":   {auth("Signature=", "Sign="), sigv4.Incomplete},
		"date":                {func(r *http.Request) { r.Header.Set("X-Amz-Date", "20261124T103001Z") }, sigv4.Mismatch},
		"date unreadable":     {func(r *http.Request) { r.Header.Set("X-Amz-Date", "yesterday") }, sigv4.Incomplete},
		"date missing":        {func(r *http.Request) { r.Header.Del("X-Amz-Date") }, sigv4.Incomplete},
		"date twice":          {func(r *http.Request) { r.Header.Add("X-Amz-Date", "20261124T103000Z") }, sigv4.Incomplete},
		"token for plain key": {func(r *http.Request) { r.Header.Set("X-Amz-Security-Token", "t") }, sigv4.Mismatch},
		"declared hash":       {func(r *http.Request) { r.Header.Set(hash, hashOf("other")) }, sigv4.Mismatch},
		"unsigned payload":    {func(r *http.Request) { r.Header.Set(hash, "UNSIGNED-PAYLOAD") }, sigv4.Mismatch},
		"streaming payload":   {func(r *http.Request) { r.Header.Set(hash, "STREAMING-AWS4-HMAC-SHA256-PAYLOAD") }, sigv4.Mismatch},
		"query signature too": {func(r *http.Request) { r.URL.RawQuery += "&X-Amz-Signature=0" }, sigv4.Incomplete},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r := sign(t, base)
			test.change(r)
			_, err := verify(r, base.body, "")
			wantKind(t, err, test.kind)
		})
	}
	t.Run("body", func(t *testing.T) {
		_, err := verify(sign(t, base), "bodY", "")
		wantKind(t, err, sigv4.Mismatch)
	})
	t.Run("addressed service", func(t *testing.T) {
		_, err := verify(sign(t, base), base.body, "sts")
		wantKind(t, err, sigv4.Mismatch)
	})
}

func wantKind(t *testing.T, err error, kind sigv4.Kind) {
	t.Helper()
	e, ok := errors.AsType[*sigv4.Error](err)
	if !ok || e.Kind != kind {
		t.Errorf("got %v, want kind %d", err, kind)
	}
}

func TestTamperedURLsAreRefused(t *testing.T) {
	base := request{method: "GET", url: "http://localhost/x?a=1", presign: true}
	change := func(name, value string) func(*http.Request) {
		return func(r *http.Request) {
			q := r.URL.Query()
			q.Set(name, value)
			if value == "" {
				q.Del(name)
			}
			r.URL.RawQuery = q.Encode()
		}
	}
	tests := map[string]struct {
		change func(*http.Request)
		kind   sigv4.Kind
	}{
		"parameter":          {change("a", "2"), sigv4.Mismatch},
		"expires":            {change("X-Amz-Expires", "601"), sigv4.Mismatch},
		"expires long":       {change("X-Amz-Expires", "604801"), sigv4.Incomplete},
		"expires negative":   {change("X-Amz-Expires", "-1"), sigv4.Incomplete},
		"no expires":         {change("X-Amz-Expires", ""), sigv4.Mismatch},
		"no date":            {change("X-Amz-Date", ""), sigv4.Incomplete},
		"no algorithm":       {change("X-Amz-Algorithm", ""), sigv4.Incomplete},
		"no signature":       {change("X-Amz-Signature", ""), sigv4.Incomplete},
		"token":              {change("X-Amz-Security-Token", "t"), sigv4.UnknownKey},
		"parameter twice":    {func(r *http.Request) { r.URL.RawQuery += "&X-Amz-Date=20261124T103000Z" }, sigv4.Incomplete},
		"signature in arg 2": {func(r *http.Request) { r.URL.RawQuery += "&X-Amz-Signature=00" }, sigv4.Incomplete},
		"header":             {func(r *http.Request) { r.Header.Set("X-Amz-Log-Type", "Tail") }, sigv4.Mismatch},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r := sign(t, base)
			test.change(r)
			_, err := verify(r, "", "")
			wantKind(t, err, test.kind)
		})
	}
}

func TestTimeWindow(t *testing.T) {
	tests := []struct {
		presign bool
		after   time.Duration
		ok      bool
	}{
		{false, 5 * time.Minute, true},
		{false, 5*time.Minute + time.Second, false},
		{false, -5 * time.Minute, true},
		{false, -5*time.Minute - time.Second, false},
		{true, 10 * time.Minute, true},
		{true, 10*time.Minute + time.Second, false},
		{true, -6 * time.Minute, false},
	}
	for _, test := range tests {
		r := sign(t, request{method: "GET", url: "http://localhost/x", presign: test.presign})
		_, err := sigv4.Verify(r, nil, "lambda", lookup, now.Add(test.after))
		if (err == nil) != test.ok {
			t.Errorf("%+v: %v", test, err)
		}
		if err != nil {
			wantKind(t, err, sigv4.Expired)
		}
	}
}

func TestSessionTokenMustFit(t *testing.T) {
	q := request{method: "GET", url: "http://localhost/x", key: "ASIASESSION", secret: "session-secret"}
	for _, tok := range []string{"", "other"} {
		q.tok = tok
		_, err := verify(sign(t, q), "", "")
		wantKind(t, err, sigv4.UnknownKey)
	}
}

func TestUnsignedPayloadIsForS3Only(t *testing.T) {
	q := request{method: "PUT", url: "http://localhost/b/k", service: "s3", header: map[string]string{hash: "UNSIGNED-PAYLOAD"}}
	r, _ := http.NewRequest(q.method, q.url, nil)
	r.Header.Set(hash, "UNSIGNED-PAYLOAD")
	err := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true }).SignHTTP(context.Background(),
		aws.Credentials{AccessKeyID: key, SecretAccessKey: secret}, r, "UNSIGNED-PAYLOAD", "s3", region, now)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := verify(received(t, r), "anything", "s3"); err != nil {
		t.Error(err)
	}
}

// TestHeadIsJudgedWithoutTheBody: what the head tells is refused before a byte
// of the body is there, a wrong signature too where the body's hash is declared.
func TestHeadIsJudgedWithoutTheBody(t *testing.T) {
	for _, presign := range []bool{false, true} {
		q := request{method: "POST", url: "http://localhost/x", body: "body", key: "ASIASESSION", secret: "session-secret", tok: "the-token", presign: presign}
		c, err := sigv4.Read(sign(t, q), "lambda", now)
		if err != nil {
			t.Fatal(err)
		}
		if id := c.Identity(); id.AccessKeyID != "ASIASESSION" || id.SessionToken != "the-token" || id.Presigned != presign {
			t.Errorf("%+v", id)
		}
		if err := c.Prove(lookup); err != nil {
			t.Error(err)
		}
		wantKind(t, c.CheckBody([]byte("bodY")), sigv4.Mismatch)
		if err := c.CheckBody([]byte("body")); err != nil {
			t.Error(err)
		}
	}
	declared := request{method: "POST", url: "http://localhost/x", body: "body", header: map[string]string{hash: hashOf("body")}}
	for name, secret := range map[string]string{"right": secret, "wrong": "guess"} {
		c, err := sigv4.Read(sign(t, declared), "lambda", now)
		if err != nil {
			t.Fatal(err)
		}
		err = c.Prove(func(string) (string, string, bool) { return secret, "", true })
		if (err == nil) != (name == "right") {
			t.Errorf("%s secret: %v", name, err)
		}
	}
}

// FuzzAgainstSigner signs with the SDK and expects agreement: accepted as
// signed, refused once a byte of the body differs.
func FuzzAgainstSigner(f *testing.F) {
	f.Add("/a b/ü", "k=v&k=u", "X", "body", false)
	f.Add("/%2F/..", "a+b=c%20d", " a  b ", "", true)
	f.Fuzz(func(t *testing.T, path, query, header, body string, presign bool) {
		u := "http://localhost/" + strings.TrimLeft(path, "/")
		if query != "" {
			u += "?" + query
		}
		probe, err := http.NewRequest("POST", u, nil)
		if err != nil || strings.Contains(query, ";") || strings.Contains(query, "X-Amz") || strings.ContainsAny(header, "\x00\r\n\t\x7f") || probe.URL.Path != "" && strings.Contains(probe.URL.Path, "//") {
			return
		}
		for _, c := range []byte(header) {
			if c < ' ' || c >= 0x7f {
				return
			}
		}
		// The SDK signs the query it could parse; what it drops is not ours to judge.
		if _, err := parseQuery(probe.URL.RawQuery); err != nil {
			return
		}
		if readable(probe) != nil {
			return
		}
		r := sign(t, request{method: "POST", url: u, body: body, header: map[string]string{"X-Amz-Odd": header}, presign: presign})
		if _, err := verify(r, body, ""); err != nil {
			t.Errorf("%v: %s", err, r.URL)
		}
		if _, err := verify(r, body+"x", ""); err == nil {
			t.Error("another body was accepted")
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	r := sign(b, request{method: "POST", url: "http://localhost:4566/2015-03-31/functions/f/invocations", body: "{}"})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := verify(r, "{}", ""); err != nil {
			b.Fatal(err)
		}
	}
}
