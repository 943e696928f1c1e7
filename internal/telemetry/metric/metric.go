// Package metric keeps metric series: in memory to be asked, and in one
// append-only file to come back after a restart.
//
// A series is a metric with its dimensions and unit; its data are buckets of a
// few seconds to an hour, each with count, sum, minimum, maximum and a small
// sketch of the values for percentiles. One owner goroutine (Run) does all
// writing: what callers put is written and synced in groups before they are
// answered; what the service records of itself is readable at once and written
// a little later. Where the file has grown far beyond what it stands for, the
// owner writes the memory's content into a new one that takes its place.
package metric

import (
	"cmp"
	"encoding/binary"
	"slices"
	"time"

	"github.com/lamina-dev/lamina"
)

// ID names a metric: series of it differ by unit only.
type ID struct {
	Scope      lamina.Scope
	Namespace  string
	Name       string
	Dimensions []Dimension // sorted by name
}

// Dimension is one name and value.
type Dimension struct{ Name, Value string }

// NewID makes an ID, its dimensions in order.
func NewID(scope lamina.Scope, namespace, name string, dimensions ...Dimension) ID {
	sorted := slices.Clone(dimensions)
	slices.SortFunc(sorted, func(a, b Dimension) int { return cmp.Compare(a.Name, b.Name) })
	return ID{Scope: scope, Namespace: namespace, Name: name, Dimensions: sorted}
}

// Sample is what was measured of a metric at a time.
type Sample struct {
	ID         ID
	Unit       string
	Time       time.Time
	Resolution int // seconds for which its bucket stands while it is young; 1, 10 or 60
	Stat       Stat
}

// Key is the metric as one string: its parts with their lengths.
func (id ID) Key() string {
	b := make([]byte, 0, 128)
	for _, s := range []string{id.Scope.Account, id.Scope.Region, id.Namespace, id.Name} {
		b = appendText(b, s)
	}
	for _, d := range id.Dimensions {
		b = appendText(appendText(b, d.Name), d.Value)
	}
	return string(b)
}

// ParseKey takes a key apart; ok says that it is one.
func ParseKey(key []byte) (id ID, ok bool) {
	r := reader{b: key}
	id.Scope.Account, id.Scope.Region, id.Namespace, id.Name = r.text(), r.text(), r.text(), r.text()
	for len(r.b) > 0 && !r.failed {
		id.Dimensions = append(id.Dimensions, Dimension{r.text(), r.text()})
	}
	return id, !r.failed
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}
