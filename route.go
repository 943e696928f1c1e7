package lamina

import "time"

// Endpoint is one environment that serves a version: what the controller
// installs in the router.
type Endpoint struct {
	EnvironmentID string
	Addr          string // of its agent's invoke listener: unix:///path or tcp://host:port
	Slots         int
}

// Load is how busy a version is, as the router sees it.
type Load struct {
	InFlight     int
	Waiting      int   // cold starts that have no environment yet
	Served       int64 // since the last look
	Refused      int64 // since the last look
	Environments map[string]EnvironmentLoad
}

// EnvironmentLoad is how busy one environment is.
type EnvironmentLoad struct {
	InFlight  int
	IdleSince time.Time
	Fresh     bool // nothing has run on it yet
}
