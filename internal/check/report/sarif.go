package report

import (
	"encoding/json"
	"io"

	"github.com/lamina-dev/lamina/internal/check/finding"
)

// The part of SARIF 2.1.0 that code scanners read.
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool    sarifTool     `json:"tool"`
		Results []sarifResult `json:"results"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name  string      `json:"name"`
		Rules []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID   string    `json:"id"`
		Help sarifText `json:"help"`
	}
	sarifText struct {
		Text string `json:"text"`
	}
	sarifResult struct {
		RuleID    string          `json:"ruleId"`
		Level     string          `json:"level"`
		Message   sarifText       `json:"message"`
		Locations []sarifLocation `json:"locations,omitempty"`
	}
	sarifLocation struct {
		Physical sarifPhysical `json:"physicalLocation"`
	}
	sarifPhysical struct {
		Artifact sarifArtifact `json:"artifactLocation"`
		Region   *sarifRegion  `json:"region,omitempty"`
	}
	sarifArtifact struct {
		URI string `json:"uri"`
	}
	sarifRegion struct {
		StartLine int `json:"startLine"`
	}
)

// SARIF writes the findings for code scanners. One without a known file is put
// on handlerFile, since scanners drop results without a place.
func (r Report) SARIF(w io.Writer, handlerFile string) error {
	run := sarifRun{Tool: sarifTool{sarifDriver{Name: "lamina check"}}, Results: []sarifResult{}}
	for _, k := range finding.Kinds {
		run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, sarifRule{ID: string(k), Help: sarifText{finding.RemedyFor(k, r.Language)}})
	}
	for _, f := range r.Findings {
		at := sarifPhysical{Artifact: sarifArtifact{handlerFile}}
		if f.File != "" {
			at.Artifact.URI = f.File
		}
		if f.File != "" && f.Line > 0 {
			at.Region = &sarifRegion{f.Line}
		}
		run.Results = append(run.Results, sarifResult{
			RuleID: string(f.Kind), Level: "error", Message: sarifText{f.Text + " To mend it: " + f.Remedy}, Locations: []sarifLocation{{at}},
		})
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(sarifLog{Schema: "https://json.schemastore.org/sarif-2.1.0.json", Version: "2.1.0", Runs: []sarifRun{run}})
}
