package iam

import (
	"encoding/xml"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestGuard(t *testing.T) {
	guarded := Guard(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusTeapot) }), []string{"Lamina.Example", "10.0.0.5"})
	for name, c := range map[string]struct {
		host    string
		headers map[string]string
		in      bool
	}{
		"localhost":            {host: "localhost:4566", in: true},
		"upper case, dot":      {host: "LocalHost.:4566", in: true},
		"below localhost":      {host: "abc.lambda-url.localhost:4566", in: true},
		"IPv4":                 {host: "127.0.0.1:4566", in: true},
		"IPv4 of the block":    {host: "127.8.8.8", in: true},
		"IPv6":                 {host: "[::1]:4566", in: true},
		"IPv6, no port":        {host: "[::1]", in: true},
		"mapped":               {host: "[::ffff:127.0.0.1]:80", in: true},
		"configured":           {host: "lamina.example:4566", in: true},
		"configured address":   {host: "10.0.0.5", in: true},
		"other address":        {host: "10.0.0.6"},
		"rebound":              {host: "evil.example:4566"},
		"looks alike":          {host: "localhost.evil.example"},
		"ends alike":           {host: "evillocalhost"},
		"below configured":     {host: "x.lamina.example"},
		"IPv4 in a name":       {host: "127.0.0.1.evil.example"},
		"short IPv4":           {host: "127.1"},
		"none":                 {host: ""},
		"typed in":             {host: "localhost", headers: map[string]string{"Sec-Fetch-Site": "none"}, in: true},
		"own page":             {host: "localhost:4566", headers: map[string]string{"Sec-Fetch-Site": "same-origin", "Origin": "http://localhost:4566"}, in: true},
		"cross-site":           {host: "localhost", headers: map[string]string{"Sec-Fetch-Site": "cross-site"}},
		"same site, other way": {host: "localhost", headers: map[string]string{"Sec-Fetch-Site": "Same-Site"}},
		"foreign origin":       {host: "localhost:4566", headers: map[string]string{"Origin": "https://evil.example"}},
		"other port":           {host: "localhost:4566", headers: map[string]string{"Origin": "http://localhost:8080"}},
		"other local name":     {host: "localhost:4566", headers: map[string]string{"Origin": "http://127.0.0.1:4566"}},
		"opaque origin":        {host: "localhost:4566", headers: map[string]string{"Origin": "null"}},
		"extension":            {host: "localhost:4566", headers: map[string]string{"Origin": "chrome-extension://localhost:4566"}},
	} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			r := httptest.NewRequest(method, "/2015-03-31/functions", nil)
			r.Host = c.host
			for k, v := range c.headers {
				r.Header.Set(k, v)
			}
			w := httptest.NewRecorder()
			guarded.ServeHTTP(w, r)
			if in := w.Code == http.StatusTeapot; in != c.in {
				t.Errorf("%s: %s: status %d", name, method, w.Code)
			}
		}
	}
}

func TestGuardRefusesPreflight(t *testing.T) {
	guarded := Guard(http.NotFoundHandler(), nil)
	r := httptest.NewRequest(http.MethodOptions, "/", nil)
	r.Host = "localhost"
	r.Header.Set("Access-Control-Request-Method", "POST")
	w := httptest.NewRecorder()
	guarded.ServeHTTP(w, r)
	if w.Code != http.StatusForbidden {
		t.Errorf("status %d", w.Code)
	}
	for name := range w.Header() {
		if strings.HasPrefix(name, "Access-Control-") {
			t.Errorf("the answer has %s", name)
		}
	}
}

func TestGuardAnswersAsAWS(t *testing.T) {
	guarded := Guard(http.NotFoundHandler(), nil)
	ask := func(kind string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader("Action=ListRoles"))
		r.Host = `<evil>"`
		r.Header.Set("Content-Type", kind)
		w := httptest.NewRecorder()
		guarded.ServeHTTP(w, r)
		if w.Code != http.StatusForbidden || w.Header().Get("X-Amzn-Requestid") == "" {
			t.Errorf("%s: status %d, headers %v", kind, w.Code, w.Header())
		}
		return w
	}
	var form struct {
		Error struct{ Code, Message string }
	}
	if err := xml.Unmarshal(ask("application/x-www-form-urlencoded; charset=utf-8").Body.Bytes(), &form); err != nil || form.Error.Code != "AccessDenied" {
		t.Errorf("form: %+v, %v", form, err)
	}
	if w := ask("application/json"); w.Header().Get("X-Amzn-Errortype") != "AccessDeniedException" || !strings.Contains(w.Body.String(), `"message"`) {
		t.Errorf("JSON: %v %s", w.Header(), w.Body)
	}
}
