package report

import (
	"encoding/xml"
	"fmt"
	"io"

	"github.com/lamina-dev/lamina/internal/check/finding"
)

type junitSuite struct {
	XMLName  xml.Name    `xml:"testsuite"`
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Time     string      `xml:"time,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Name     string         `xml:"name,attr"`
	Class    string         `xml:"classname,attr"`
	Failures []junitFailure `xml:"failure"`
}

type junitFailure struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr"`
	Text    string `xml:",chardata"`
}

// JUnit writes one test case for each kind of finding there is, failed where
// something was found.
func (r Report) JUnit(w io.Writer) error {
	s := junitSuite{Name: "lamina check " + r.Function, Time: fmt.Sprintf("%.3f", r.Took.Seconds())}
	for _, k := range finding.Kinds {
		c := junitCase{Name: string(k), Class: r.Function}
		for _, f := range r.Findings {
			if f.Kind == k {
				c.Failures = append(c.Failures, junitFailure{Message: f.Text, Type: string(k), Text: details(f)})
			}
		}
		s.Tests++
		if len(c.Failures) > 0 {
			s.Failures++
		}
		s.Cases = append(s.Cases, c)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(s); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

// details are a finding's lines below its text.
func details(f finding.Finding) (s string) {
	if p := place(f); p != "" {
		s += string(f.Kind) + p + "\n"
	}
	if f.Expected != "" {
		s += before(f) + ": " + f.Expected + "\n"
	}
	if f.Got != "" {
		s += after(f) + ": " + f.Got + "\n"
	}
	for _, q := range f.Requests {
		s += fmt.Sprintf("request: %s (%s)\n", q.Event, q.ID)
	}
	return s + "to mend: " + f.Remedy
}
