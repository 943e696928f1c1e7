package mask

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

var now = time.Date(2026, 11, 26, 15, 4, 5, 0, time.UTC)

func answers(bodies ...string) (list []Answer) {
	for i, b := range bodies {
		list = append(list, Flatten(Sample{Body: []byte(b), RequestID: fmt.Sprintf("req-%d", i), Event: []byte(`{"day":"2026-11-25","n":1795700000}`), At: now}))
	}
	return list
}

func TestCompare(t *testing.T) {
	for name, c := range map[string]struct {
		alone []string
		then  string
		want  string // path want→got of each difference; "" for none
	}{
		"the same":                       {[]string{`{"a":1}`, `{"a":1}`}, `{"a":1}`, ""},
		"members in another order":       {[]string{`{"a":1,"b":2}`}, `{"b":2,"a":1}`, ""},
		"another value":                  {[]string{`{"user":"alice"}`}, `{"user":"bruno"}`, "$.user alice→bruno"},
		"a member more":                  {[]string{`{"a":1}`}, `{"a":1,"b":2}`, "$.b →2"},
		"a member less":                  {[]string{`{"a":1,"b":2}`}, `{"a":1}`, "$.b 2→"},
		"a longer list":                  {[]string{`{"l":["x"]}`}, `{"l":["x","y"]}`, "$.l[1] →y"},
		"another type":                   {[]string{`{"a":1}`}, `{"a":"1x"}`, "$.a 1→1x"},
		"clocks":                         {[]string{`{"t":"2026-11-26T15:04:05Z","n":1795705445,"f":1795705445.25,"ms":1795705445123}`}, `{"t":"2026-11-26T15:05:09.1Z","n":1795705499,"f":1795705499.5,"ms":1795705499999}`, ""},
		"a clock in a text":              {[]string{`"done at 2026-11-26 15:04:05 by bot"`}, `"done at 2026-11-26 15:09:00 by bot"`, ""},
		"a time that is data":            {[]string{`{"n":1795700000}`}, `{"n":1795700009}`, "$.n 1795700000→«time»"},
		"a date long ago":                {[]string{`{"born":"1999-01-02"}`}, `{"born":"1999-01-03"}`, "$.born 1999-01-02→1999-01-03"},
		"a UUID each time":               {[]string{`{"id":"1c2f0b2e-8f3b-4a58-9d8d-111111111111"}`, `{"id":"9a2f0b2e-8f3b-4a58-9d8d-222222222222"}`}, `{"id":"0b2f0b2e-8f3b-4a58-9d8d-333333333333"}`, ""},
		"an id in a text":                {[]string{`"order 77ab12cd for alice"`, `"order 19ff23aa for alice"`}, `"order 00aa11bb for alice"`, ""},
		"the text around an id":          {[]string{`"order 77ab12cd for alice"`, `"order 19ff23aa for alice"`}, `"order 00aa11bb for bruno"`, "$ order 77ab12cd for alice→order 00aa11bb for bruno"},
		"random text of other shape":     {[]string{`"tok-aGVs+bG8/x"`, `"tok-Zm9v/YmFy"`}, `"tok-plain"`, ""},
		"random text with a fixed start": {[]string{`"tok-aGVsbG8"`, `"tok-Zm9vYmFy"`}, `"key-a+b"`, "$ tok-aGVsbG8→key-a+b"},
		"the own request id":             {[]string{`{"id":"req-0"}`}, `{"id":"req-1"}`, ""},
		"a duration by its name":         {[]string{`{"elapsedMs":0}`, `{"elapsedMs":0}`}, `{"elapsedMs":17}`, ""},
		"a number that is no duration":   {[]string{`{"total":0}`, `{"total":0}`}, `{"total":17}`, "$.total 0→17"},
		"JSON within a text":             {[]string{`{"body":"{\"user\":\"alice\",\"t\":\"2026-11-26T15:04:05Z\"}"}`}, `{"body":"{\"user\":\"bruno\",\"t\":\"2026-11-26T15:05:05Z\"}"}`, "$.body→.user alice→bruno"},
		"no JSON":                        {[]string{`<p>alice</p>`}, `<p>bruno</p>`, "$ <p>alice</p>→<p>bruno</p>"},
		"lists of changing length":       {[]string{`{"l":[1,2]}`, `{"l":[1,2,3]}`}, `{"l":[1,2,9,9]}`, ""},
		"nothing and null":               {[]string{`null`}, `{}`, "$ null→{}"},
	} {
		t.Run(name, func(t *testing.T) {
			all := answers(append(slices.Clone(c.alone), c.then)...)
			var got []string
			for _, d := range Learn(all[:len(c.alone)]...).Compare(all[len(c.alone)]) {
				got = append(got, d.Path+" "+d.Want+"→"+d.Got)
			}
			if strings.Join(got, "; ") != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestErrorsAreComparedByTypeAndMessage(t *testing.T) {
	fault := func(text, trace string) Answer {
		return Flatten(Sample{Error: true, At: now, Body: []byte(`{"errorType":"ValueError","errorMessage":"` + text + `","requestId":"x","stackTrace":["` + trace + `"]}`)})
	}
	p := Learn(fault("no user", "a"), fault("no user", "b"))
	if d := p.Compare(fault("no user", "c")); len(d) > 0 {
		t.Errorf("the trace is no difference: %v", d)
	}
	if d := p.Compare(fault("no bruno", "a")); len(d) != 1 || d[0].Path != "$.errorMessage" {
		t.Errorf("another message is one: %v", d)
	}
	if d := p.Compare(answers(`{}`)[0]); len(d) != 1 || d[0].Path != "$" {
		t.Errorf("no error is one: %v", d)
	}
}

func TestUnsettled(t *testing.T) {
	for body, want := range map[string]bool{
		`{"id":"%08x-8f3b-4a58-9d8d-111111111111"}`: false,
		`{"count":%d}`:               true,
		`{"elapsed":%d}`:             false,
		`{"list":"seen %d"}`:         true,
		`{"t":179570544%d}`:          false,
		`{"score":0.12345678901%d}`:  false,
		`{"nothing":"the same%.0d"}`: false,
	} {
		var all []Answer
		for i := range 4 {
			v := fmt.Sprintf(body, i)
			if strings.Contains(body, "nothing") {
				v = body
			}
			all = append(all, answers(v)...)
		}
		if got := Learn(all...).Unsettled(); got != want {
			t.Errorf("%s: unsettled %v, want %v", body, got, want)
		}
	}
}

func TestWords(t *testing.T) {
	alice, bruno := WordsOf([]byte(`{"user":"alice-1001","amount":12345,"kind":"order","ok":1}`)), WordsOf([]byte(`{"user":"bruno-1002","amount":67890,"kind":"order"}`))
	for text, want := range map[string]string{
		"Hello bruno-1002":    "bruno-1002",
		"Hello bruno":         "bruno",
		"Hello brunox":        "",
		"order of alice-1001": "",
		`{"total":67890}`:     "67890",
		"167890":              "",
		"":                    "",
	} {
		if got := bruno.Without(alice).In(text); got != want {
			t.Errorf("%q holds %q of bruno's, want %q", text, got, want)
		}
	}
}

func TestMaskedSaysWhy(t *testing.T) {
	p := Learn(answers(`{"at":"2026-11-26T15:04:05Z","id":"77ab12cd","user":"alice","n":1}`, `{"at":"2026-11-26T15:04:06Z","id":"99ab12cd","user":"alice","n":2,"extra":true}`)...)
	var got []string
	for _, m := range p.Masked() {
		got = append(got, m[0]+" "+m[1])
	}
	want := []string{"$.at time", "$.id an id", "$.n a number that changes", "$.extra not always there"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func FuzzFlatten(f *testing.F) {
	f.Add([]byte(`{"a":[1,"{\"b\":2}"],"t":"2026-11-26T15:04:05Z"}`), "req-1")
	f.Add([]byte("\xff{"), "")
	f.Add([]byte(`"1795705445 x"`), "x")
	f.Fuzz(func(t *testing.T, body []byte, id string) {
		a := Flatten(Sample{Body: body, RequestID: id, At: now})
		if d := Learn(a).Compare(a); len(d) > 0 {
			t.Errorf("an answer differs from itself: %v", d)
		}
		WordsOf(body).In(string(body))
	})
}
