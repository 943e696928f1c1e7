package chart

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
	"time"
)

func TestChartIsOneReadablePicture(t *testing.T) {
	c := Chart{
		Title: "a < b & c", Notes: []string{"note"}, Times: []time.Duration{0, time.Minute, time.Hour},
		Panels: []Panel{{"calls", []Line{{"offered", []float64{0, 1500, 3000}}, {"<429>", []float64{0, 0, 10}}}}, {"nothing", []Line{{"none", []float64{0, 0, 0}}}}},
	}
	var b bytes.Buffer
	if err := c.Write(&b); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	for d := xml.NewDecoder(strings.NewReader(text)); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{"a &lt; b &amp; c", "&lt;429&gt;", "prefers-color-scheme:dark", "M72.0", "L936.0"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in it", want)
		}
	}
	if strings.Contains(text, "NaN") || strings.Contains(text, "Inf") {
		t.Error("a number is none")
	}
}

func TestTexts(t *testing.T) {
	for at, want := range map[time.Duration]string{0: "0", 10 * time.Second: "10s", time.Minute: "1m", 90 * time.Minute: "1h30m", 2 * time.Hour: "2h", 24 * time.Hour: "24h", 1500 * time.Millisecond: "1.5s", 20 * time.Minute: "20m", 10 * time.Hour: "10h"} {
		if got := clockText(at); got != want {
			t.Errorf("%v is written %s, want %s", at, got, want)
		}
	}
	for v, want := range map[float64]string{0: "0", 0.3: "0.3", 2500: "2500", 15000: "15k", 1.5e6: "1.5M"} {
		if got := figure(v); got != want {
			t.Errorf("%v is written %s, want %s", v, got, want)
		}
	}
	for x, want := range map[float64]float64{0: 0.25, 0.7: 1, 3: 5, 12: 20, 50: 50} {
		if got := nice(x); got != want {
			t.Errorf("next round number from %v is %v, want %v", x, got, want)
		}
	}
}
