// Command instancetypes brings the catalogue of instance types up to date: it reads
// what EC2 says of its types and writes the catalogue's lines.
//
//	aws ec2 describe-instance-types --region us-east-1 > types.json
//	go run ./gen/instancetypes types.json internal/fleet/catalogue/instance-types.csv > new.csv
//
// The second file is the catalogue of before: prices, which EC2's descriptions do
// not have, are taken from it. See docs/instance-types.md.
package main

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
)

// described is a type as EC2's DescribeInstanceTypes has it.
type described struct {
	InstanceType      string
	CurrentGeneration bool
	BareMetal         bool
	VCPUInfo          struct{ DefaultVCpus int } `json:"VCpuInfo"`
	MemoryInfo        struct{ SizeInMiB int64 }
	ProcessorInfo     struct{ SupportedArchitectures []string }
	NetworkInfo       struct{ NetworkPerformance string }
	GPUInfo           *struct {
		TotalGpuMemoryInMiB int64
		Gpus                []struct {
			Name, Manufacturer string
			Count              int
		}
	} `json:"GpuInfo"`
}

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string, to io.Writer) error {
	if len(args) != 2 {
		return errors.New("usage: instancetypes TYPES.json OLD.csv > NEW.csv; see docs/instance-types.md")
	}
	raw, err := os.ReadFile(args[0])
	if err != nil {
		return fmt.Errorf("read what EC2 says: %w", err)
	}
	var said struct{ InstanceTypes []described }
	if err := json.Unmarshal(raw, &said); err != nil {
		return fmt.Errorf("read %s: %w", args[0], err)
	}
	head, prices, err := former(args[1])
	if err != nil {
		return err
	}
	var lines [][]string
	for _, d := range said.InstanceTypes {
		if d.wanted() {
			lines = append(lines, d.line(prices[d.InstanceType]))
		}
	}
	if len(lines) == 0 {
		return fmt.Errorf("%s describes no instance type of the C, M, R or GPU families", args[0])
	}
	slices.SortFunc(lines, func(a, b []string) int { return strings.Compare(a[0], b[0]) })
	if _, err := io.WriteString(to, head); err != nil {
		return err
	}
	w := csv.NewWriter(to)
	return w.WriteAll(lines)
}

// wanted are the C, M and R families that managed instances come from
// (lmi-service.md 2.3), and those with GPUs, so that these are refused by name.
func (d described) wanted() bool {
	family, size, _ := strings.Cut(d.InstanceType, ".")
	known := len(family) > 1 && strings.IndexByte("cmr", family[0]) >= 0 && family[1] >= '5' && family[1] <= '9'
	small := slices.Contains([]string{"nano", "micro", "small", "medium"}, size)
	return !d.BareMetal && !small && len(d.ProcessorInfo.SupportedArchitectures) > 0 && (known || d.GPUInfo != nil && d.CurrentGeneration)
}

func (d described) line(price string) []string {
	architecture := d.ProcessorInfo.SupportedArchitectures[0]
	if slices.Contains(d.ProcessorInfo.SupportedArchitectures, "x86_64") { // some know i386 too
		architecture = "x86_64"
	}
	line := []string{
		d.InstanceType, strconv.Itoa(d.VCPUInfo.DefaultVCpus), strconv.FormatInt(d.MemoryInfo.SizeInMiB, 10), architecture,
		"0", d.NetworkInfo.NetworkPerformance, "0", "", "", "0", price,
	}
	if d.CurrentGeneration {
		line[4] = "1"
	}
	if d.GPUInfo != nil && len(d.GPUInfo.Gpus) > 0 {
		g := d.GPUInfo.Gpus[0]
		line[6], line[7], line[8], line[9] = strconv.Itoa(g.Count), g.Manufacturer, g.Name, strconv.FormatInt(d.GPUInfo.TotalGpuMemoryInMiB, 10)
	}
	return line
}

// former is the catalogue of before: its comments and column names, and its prices.
func former(name string) (head string, prices map[string]string, err error) {
	f, err := os.Open(name)
	if err != nil {
		return "", nil, fmt.Errorf("open the catalogue of before: %w", err)
	}
	defer f.Close()
	prices = map[string]string{}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		text := lines.Text()
		if strings.HasPrefix(text, "#") || strings.HasPrefix(text, "type,") {
			head += text + "\n"
			continue
		}
		fields := strings.Split(text, ",")
		prices[fields[0]] = fields[len(fields)-1]
	}
	return head, prices, lines.Err()
}
