// Package console is what the operator of a region sees and does beyond AWS's
// API: why things are as they are, and failures on purpose.
//
// It is served on a socket inside the data folder, so that whoever may read the
// folder may use it, and nobody else.
package console

import (
	"encoding/json"
	"net/http"

	"github.com/lamina-dev/lamina"
)

// Report answers "why" for a version, or for a provider with its versions.
type Report struct {
	Name      string           `json:"name"`
	State     lamina.State     `json:"state"`
	Findings  []lamina.Finding `json:"findings,omitempty"`
	VCPUs     int32            `json:"vcpus,omitempty"`    // of a provider's instances
	MaxVCPUs  int32            `json:"maxVcpus,omitempty"` // its cap
	Instances []Instance       `json:"instances,omitempty"`
	Versions  []Report         `json:"versions,omitempty"`
}

// Instance is one managed instance of a provider.
type Instance struct {
	ID           string `json:"id"`
	Type         string `json:"type"`
	Zone         string `json:"zone"`
	State        string `json:"state"`
	Environments int    `json:"environments"`
}

// Outages are the switches of zones and instance types.
type Outages interface {
	Switch(name string, off bool)
	Off() []string
}

// Explainer answers for a version or a provider.
type Explainer interface {
	// Explain takes FUNCTION, FUNCTION:QUALIFIER or the name of a capacity provider.
	Explain(region, name string) (Report, error)
}

// Fleet ends what a lost zone takes with it.
type Fleet interface {
	// LoseZone ends every instance in a zone at once and says how many.
	LoseZone(zone string) int
}

// Console serves both.
type Console struct {
	Explainer Explainer
	Outages   Outages
	Fleet     Fleet
}

// Outage is the wish to switch a zone or type off or on, and its outcome.
type Outage struct {
	Name string   `json:"name"`
	Over bool     `json:"over"`
	Lost int      `json:"lost"` // instances that ended with their zone
	Off  []string `json:"off"`  // everything that is unavailable now
}

// Handler routes the console's requests.
func (c *Console) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /explain", c.explain)
	mux.HandleFunc("GET /outage", func(w http.ResponseWriter, _ *http.Request) { answer(w, Outage{Off: c.Outages.Off()}) })
	mux.HandleFunc("POST /outage", c.outage)
	return mux
}

func (c *Console) explain(w http.ResponseWriter, r *http.Request) {
	report, err := c.Explainer.Explain(r.FormValue("region"), r.FormValue("name"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	answer(w, report)
}

func (c *Console) outage(w http.ResponseWriter, r *http.Request) {
	var o Outage
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<16)).Decode(&o); err != nil || o.Name == "" {
		http.Error(w, "name a zone or an instance type", http.StatusBadRequest)
		return
	}
	c.Outages.Switch(o.Name, !o.Over)
	if !o.Over {
		o.Lost = c.Fleet.LoseZone(o.Name)
	}
	o.Off = c.Outages.Off()
	answer(w, o)
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // the client may be gone
}
