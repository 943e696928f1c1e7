package sim

import (
	"math"
	"strings"
	"testing"
	"time"
)

func TestShapes(t *testing.T) {
	for text, want := range map[string]map[time.Duration]float64{
		"steady:600":         {0: 600, time.Hour: 600},
		"step:600:2400@10m":  {0: 600, 10*time.Minute - 1: 600, 10 * time.Minute: 2400},
		"ramp:100:200@100s":  {0: 100, 50 * time.Second: 150, time.Hour: 200},
		"sine:10:900@24h":    {0: 10, 6 * time.Hour: 455, 12 * time.Hour: 900, 24 * time.Hour: 10},
		"sawtooth:0:100@10s": {0: 0, 5 * time.Second: 50, 10 * time.Second: 0},
	} {
		traffic, err := ParseShape(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		for at, rate := range want {
			if got := traffic(at); math.Abs(got-rate) > 1e-6 {
				t.Errorf("%s at %v: %v, want %v", text, at, got, rate)
			}
		}
	}
	for _, text := range []string{"", "steady", "steady:x", "steady:1:2", "steady:1@5s", "sine:1:2", "sine:1@5s", "wave:1:2@5s", "step:1:-2@5s", "step:1:2@-5s", "steady:NaN", "steady:Inf"} {
		if _, err := ParseShape(text); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

func TestReadRates(t *testing.T) {
	traffic, length, err := ReadRates(strings.NewReader("seconds,rate\n0,10\n10, 20\n# pause\n20,0\n"))
	if err != nil || length != 20*time.Second {
		t.Fatal(length, err)
	}
	for at, want := range map[time.Duration]float64{0: 10, 5 * time.Second: 15, 15 * time.Second: 10, time.Minute: 0, time.Second: 11} {
		if got := traffic(at); math.Abs(got-want) > 1e-9 {
			t.Errorf("at %v: %v, want %v", at, got, want)
		}
	}
	for _, text := range []string{"", "seconds,rate\n", "0,1\n0,2\n", "1,2\nx,3\n", "1,-2\n", "1\n", "-1,3\n", "NaN,3\n0,NaN\n"} {
		if _, _, err := ReadRates(strings.NewReader(text)); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

func TestReadLog(t *testing.T) {
	for name, text := range map[string]string{
		"common log format": "1.2.3.4 - - [10/Oct/2000:13:55:36 -0700] \"GET / HTTP/1.0\" 200 2326\nnonsense\n" +
			"1.2.3.4 - - [10/Oct/2000:13:55:38 -0700] \"GET / HTTP/1.0\" 200 2326\n1.2.3.4 - - [10/Oct/2000:20:55:38 +0000] \"GET / HTTP/1.0\" 200 2326\n",
		"JSON with text":         "{\"time\":\"2026-01-01T00:00:00Z\"}\n{\"time\":\"2026-01-01T00:00:02.5Z\"}\n{}\n{\"time\":\"2026-01-01T01:00:02+01:00\"}\n",
		"JSON with seconds":      "{\"time\":1700000000}\n{\"time\":1700000002.25}\n{\"time\":true}\n{\"time\":1700000002}\n",
		"JSON with milliseconds": "{\"time\":1700000002000}\n{\"time\":1700000000000}\n{\"time\":-1}\n{\"time\":1700000002999}\n",
	} {
		traffic, length, skipped, err := ReadLog(strings.NewReader(text), "time")
		if err != nil || length != 3*time.Second || skipped != 1 {
			t.Errorf("%s: %v, %d skipped, %v", name, length, skipped, err)
			continue
		}
		if traffic(0) != 1 || traffic(time.Second) != 0 || traffic(2*time.Second) != 2 || traffic(time.Minute) != 0 {
			t.Errorf("%s: %v %v %v", name, traffic(0), traffic(time.Second), traffic(2*time.Second))
		}
	}
	for _, text := range []string{"", "nonsense\n", "{\"time\":0}\n{\"time\":90000000000}\n"} {
		if _, _, _, err := ReadLog(strings.NewReader(text), "time"); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

func FuzzReadLog(f *testing.F) {
	f.Add("1.2.3.4 - - [10/Oct/2000:13:55:36 -0700] \"GET / HTTP/1.0\" 200 2326\n{\"time\":1}")
	f.Fuzz(func(t *testing.T, text string) {
		if traffic, length, _, err := ReadLog(strings.NewReader(text), "time"); err == nil && (length <= 0 || traffic(0) < 0) {
			t.Errorf("%q: %v long, %v at first", text, length, traffic(0))
		}
	})
}

func FuzzReadRates(f *testing.F) {
	f.Add("seconds,rate\n0,10\n10, 20\n")
	f.Fuzz(func(t *testing.T, text string) {
		traffic, length, err := ReadRates(strings.NewReader(text))
		if err != nil {
			return
		}
		for _, at := range []time.Duration{0, length / 2, length, 2 * length, length / 3} {
			if r := traffic(at); !(r >= 0) {
				t.Errorf("%q: rate %v at %v", text, r, at)
			}
		}
	})
}

func FuzzParseShape(f *testing.F) {
	f.Add("sine:10:900@24h")
	f.Fuzz(func(t *testing.T, text string) {
		if traffic, err := ParseShape(text); err == nil && !(traffic(time.Second) >= 0) {
			t.Errorf("%q: %v", text, traffic(time.Second))
		}
	})
}
