package catalogue

import (
	"strings"
	"testing"

	"github.com/lamina-dev/lamina"
)

func TestFind(t *testing.T) {
	m5, ok := Find("m5.large")
	want := Type{Name: "m5.large", Family: "m5", VCPUs: 2, MemoryMiB: 8192, Architecture: "x86_64", Network: "Up to 10 Gigabit", PriceUSD: 0.096}
	if !ok || m5 != want {
		t.Errorf("m5.large = %+v, %v; want %+v", m5, ok, want)
	}
	if _, ok := Find("m5.nano"); ok {
		t.Error("m5.nano found")
	}
	if g5, _ := Find("g5.xlarge"); g5.GPUs != 1 || g5.GPUName != "A10G" {
		t.Errorf("g5.xlarge = %+v", g5)
	}
}

// An m5.large must hold one 2-GiB environment beside the instance's reserve.
func TestLargeHoldsOneEnvironment(t *testing.T) {
	m5, _ := Find("m5.large")
	if m5.VCPUs*1000-lamina.ReserveMilliVCPU != 1000 || m5.MemoryMiB-lamina.ReserveMiB < 2048 {
		t.Errorf("m5.large leaves %d vCPU, %d MiB", m5.VCPUs-1, m5.MemoryMiB-lamina.ReserveMiB)
	}
}

func TestAccepted(t *testing.T) {
	for name, want := range map[string]string{
		"m5.large": "", "c7g.xlarge": "", "r8g.48xlarge": "", "m5.*": "", "*": "", "c*.large": "",
		"t3.micro":  "C, M and R families",
		"m5.nano":   "smallest supported size is large",
		"g5.xlarge": "GPUs are not supported",
		"m5.huge":   "not a known",
		"mac2.met":  "C, M and R families",
		"x.large":   "C, M and R families",
		"":          "C, M and R families",
		"t3.*":      "matches no instance type",
		"g5.*":      "matches no instance type",
	} {
		err := Accepted(name)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("Accepted(%q) = %v, want %q", name, err, want)
		}
		if err != nil && lamina.ErrorCode(err) != lamina.CodeInvalidParameter {
			t.Errorf("Accepted(%q) has code %q", name, lamina.ErrorCode(err))
		}
	}
}

func TestCandidates(t *testing.T) {
	for _, arch := range []string{"x86_64", "arm64"} {
		all := Candidates(arch, nil, nil)
		if len(all) < 100 {
			t.Fatalf("%s has %d candidates", arch, len(all))
		}
		for i, c := range all {
			if c.Architecture != arch || !c.Current || c.GPUs > 0 {
				t.Errorf("%+v is no candidate", c)
			}
			if i > 0 && c.PriceUSD != 0 && c.PriceUSD < all[i-1].PriceUSD {
				t.Errorf("%s after %s", c.Name, all[i-1].Name)
			}
		}
	}
	if got := Candidates("x86_64", []string{"m5.large"}, nil); len(got) != 1 || got[0].Name != "m5.large" {
		t.Errorf("allowed m5.large gives %v", got)
	}
	if got := Candidates("arm64", []string{"m5.large"}, nil); len(got) != 0 {
		t.Errorf("m5.large on arm64 gives %v", got)
	}
	for _, c := range Candidates("x86_64", nil, []string{"c*", "m*"}) {
		if c.Family[0] != 'r' {
			t.Errorf("%s although excluded", c.Name)
		}
	}
}
