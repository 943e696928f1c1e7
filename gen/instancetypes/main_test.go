package main

import (
	"os"
	"strings"
	"testing"
)

// What EC2 says becomes the catalogue's lines; the catalogue reads them as before.
func TestRun(t *testing.T) {
	var out strings.Builder
	if err := run([]string{"testdata/types.json", "../../internal/fleet/catalogue/instance-types.csv"}, &out); err != nil {
		t.Fatal(err)
	}
	catalogue, err := os.ReadFile("../../internal/fleet/catalogue/instance-types.csv")
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(out.String()) {
		if !strings.Contains(string(catalogue), line) {
			t.Errorf("%q is not what the catalogue has", line)
		}
		if !strings.HasPrefix(line, "#") {
			lines = append(lines, line[:strings.IndexByte(line, ',')])
		}
	}
	if got := strings.Join(lines, " "); got != "type c7g.xlarge g5.xlarge m5.large" {
		t.Errorf("it has %s", got)
	}
	if err := run(nil, &out); err == nil || !strings.Contains(err.Error(), "usage") {
		t.Errorf("without arguments: %v", err)
	}
}
