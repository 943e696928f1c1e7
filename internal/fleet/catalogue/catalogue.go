// Package catalogue knows the EC2 instance types: their size, architecture and
// price, and which of them managed instances may be.
package catalogue

import (
	_ "embed"
	"encoding/csv"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Type is an EC2 instance type.
type Type struct {
	Name         string // e.g. m7g.xlarge
	Family       string // e.g. m7g
	VCPUs        int32
	MemoryMiB    int64
	Architecture string // x86_64 | arm64
	Current      bool   // of the current generation
	Network      string // as EC2 words it, e.g. Up to 12.5 Gigabit
	GPUs         int32
	GPUMaker     string
	GPUName      string
	GPUMemoryMiB int64
	PriceUSD     float64 // per hour, on demand, us-east-1; 0: unknown
}

//go:embed instance-types.csv
var source string

var load = sync.OnceValue(func() []Type {
	r := csv.NewReader(strings.NewReader(source))
	r.Comment = '#'
	records, err := r.ReadAll()
	if err != nil {
		panic("catalogue: " + err.Error())
	}
	types := make([]Type, 0, len(records)-1)
	for _, record := range records[1:] {
		types = append(types, parse(record))
	}
	slices.SortFunc(types, func(a, b Type) int { return strings.Compare(a.Name, b.Name) })
	return types
})

// parse reads one line: type, vcpus, memory_mib, architecture,
// current_generation, network, gpus, gpu_maker, gpu_name, gpu_memory_mib, usd_hour.
func parse(f []string) Type {
	family, _, _ := strings.Cut(f[0], ".")
	return Type{
		Name: f[0], Family: family,
		VCPUs: int32(number(f[1])), MemoryMiB: int64(number(f[2])), Architecture: f[3],
		Current: f[4] == "1", Network: f[5],
		GPUs: int32(number(f[6])), GPUMaker: f[7], GPUName: f[8], GPUMemoryMiB: int64(number(f[9])),
		PriceUSD: number(f[10]),
	}
}

func number(s string) float64 {
	if s == "" {
		return 0
	}
	n, err := strconv.ParseFloat(s, 64)
	if err != nil {
		panic("catalogue: " + err.Error())
	}
	return n
}

// All lists every type by name. The slice is shared: nobody changes it.
func All() []Type { return load() }

// Find looks a type up by its name.
func Find(name string) (Type, bool) {
	types := load()
	i, ok := slices.BinarySearchFunc(types, name, func(t Type, name string) int { return strings.Compare(t.Name, name) })
	if !ok {
		return Type{}, false
	}
	return types[i], true
}

// Match lists the types whose names fit a pattern in which * stands for any text.
func Match(pattern string) []Type {
	var out []Type
	for _, t := range load() {
		if fits(pattern, t.Name) {
			out = append(out, t)
		}
	}
	return out
}

// fits says whether name is the pattern with each * replaced by some text.
func fits(pattern, name string) bool {
	head, rest, wild := strings.Cut(pattern, "*")
	if !wild {
		return pattern == name
	}
	if !strings.HasPrefix(name, head) {
		return false
	}
	for name = name[len(head):]; ; name = name[1:] {
		if fits(rest, name) {
			return true
		}
		if name == "" {
			return false
		}
	}
}
