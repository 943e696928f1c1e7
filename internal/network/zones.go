package network

import (
	"slices"
	"strconv"
)

// Region is an AWS region.
type Region struct {
	Name  string
	OptIn bool // an account has to ask for it
}

// Zone is an availability zone: its name, as an account sees it, and its id,
// which is the same for everybody.
type Zone struct {
	Region string
	Name   string // e.g. us-east-1a
	ID     string // e.g. use1-az6
}

// layout is a region's zones: letters and, in the same order, the numbers of the
// zone ids. AWS shuffles the pairing per account in older regions; these are one
// account's, as carried by moto 5.2.1.
type layout struct {
	region  string
	prefix  string
	letters string
	numbers []int
	optIn   bool
}

var straight = []int{1, 2, 3, 4, 5, 6}

var layouts = []layout{
	{"af-south-1", "afs1", "abc", straight, true},
	{"ap-east-1", "ape1", "abc", straight, true},
	{"ap-east-2", "ape2", "abc", straight, true},
	{"ap-northeast-1", "apne1", "acd", []int{4, 1, 2}, false},
	{"ap-northeast-2", "apne2", "abcd", straight, false},
	{"ap-northeast-3", "apne3", "abc", straight, false},
	{"ap-south-1", "aps1", "abc", []int{1, 3, 2}, false},
	{"ap-south-2", "aps2", "abc", straight, true},
	{"ap-southeast-1", "apse1", "abc", straight, false},
	{"ap-southeast-2", "apse2", "abc", []int{1, 3, 2}, false},
	{"ap-southeast-3", "apse3", "abc", straight, true},
	{"ap-southeast-4", "apse4", "abc", straight, true},
	{"ap-southeast-5", "apse5", "abc", straight, true},
	{"ap-southeast-6", "apse6", "abc", straight, true},
	{"ap-southeast-7", "apse7", "abc", straight, true},
	{"ca-central-1", "cac1", "abd", []int{1, 2, 4}, false},
	{"ca-west-1", "caw1", "abc", straight, true},
	{"eu-central-1", "euc1", "abc", straight, false},
	{"eu-central-2", "euc2", "abc", straight, true},
	{"eu-north-1", "eun1", "abc", straight, false},
	{"eu-south-1", "eus1", "abc", straight, true},
	{"eu-south-2", "eus2", "abc", straight, true},
	{"eu-west-1", "euw1", "abc", []int{3, 1, 2}, false},
	{"eu-west-2", "euw2", "abc", []int{2, 3, 1}, false},
	{"eu-west-3", "euw3", "abc", straight, false},
	{"il-central-1", "ilc1", "abc", straight, true},
	{"me-central-1", "mec1", "abc", straight, true},
	{"me-south-1", "mes1", "abc", straight, true},
	{"mx-central-1", "mxc1", "abc", straight, true},
	{"sa-east-1", "sae1", "abc", straight, false},
	{"us-east-1", "use1", "abcdef", []int{6, 1, 2, 4, 3, 5}, false},
	{"us-east-2", "use2", "abc", straight, false},
	{"us-west-1", "usw1", "ab", []int{3, 1}, false},
	{"us-west-2", "usw2", "abcd", []int{2, 1, 3, 4}, false},
}

// Regions lists AWS's commercial regions by name.
func Regions() []Region {
	out := make([]Region, len(layouts))
	for i, l := range layouts {
		out[i] = Region{Name: l.region, OptIn: l.optIn}
	}
	return out
}

// Zones lists a region's zones by name. A region that AWS does not have gets
// zones a, b and c, so that any region name works.
func Zones(region string) []Zone {
	i := slices.IndexFunc(layouts, func(l layout) bool { return l.region == region })
	if i < 0 {
		return layout{region: region, prefix: region, letters: "abc", numbers: straight}.zones()
	}
	return layouts[i].zones()
}

// FindZone looks a zone up by its name or its id.
func FindZone(region, nameOrID string) (Zone, bool) {
	for _, z := range Zones(region) {
		if z.Name == nameOrID || z.ID == nameOrID {
			return z, true
		}
	}
	return Zone{}, false
}

func (l layout) zones() []Zone {
	out := make([]Zone, len(l.letters))
	for i, letter := range l.letters {
		out[i] = Zone{
			Region: l.region,
			Name:   l.region + string(letter),
			ID:     l.prefix + "-az" + strconv.Itoa(l.numbers[i]),
		}
	}
	return out
}
