package paths

import (
	"log/slog"
	"sync"

	"github.com/lamina-dev/lamina"
	"github.com/lamina-dev/lamina/internal/network"
)

// Logs is the service that functions' lines go to.
const Logs = "logs"

// silentLimit bounds how many versions are remembered as silent (chosen); beyond
// it all are forgotten, and the next drop of each is told again.
const silentLimit = 10000

// Delivery decides which functions' lines reach the Logs service: those of
// managed instances by their VPC and their execution role, as on AWS, those of ordinary functions always
// (lmi-service.md 8.1).
type Delivery struct {
	paths   *Paths
	refusal func(versionKey string) *network.Missing
	log     *slog.Logger

	mu     sync.Mutex
	silent map[string]map[string]string // by version and what is missing: the subnet of the instance whose drop was told
}

// NewDelivery tells log of each version whose lines are dropped. refusal says what
// keeps a version's execution role from writing them, nil when nothing does.
func NewDelivery(p *Paths, refusal func(versionKey string) *network.Missing, log *slog.Logger) *Delivery {
	return &Delivery{paths: p, refusal: refusal, log: log, silent: map[string]map[string]string{}}
}

// Delivers says whether a version's lines get from an instance to the Logs
// service. The first time that they don't, the server's log names what is
// missing; once they did again, it would do so anew.
func (d *Delivery) Delivers(i lamina.Instance, versionKey string) bool {
	if i.Hidden || i.SubnetID == "" {
		return true
	}
	missing := d.paths.Service(i, Logs).Missing
	if missing == nil {
		missing = d.refusal(versionKey)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if missing == nil {
		d.deliveredLocked(versionKey, i.SubnetID)
		return true
	}
	if d.firstLocked(versionKey, missing.Code, i.SubnetID) && missing.Code != Gone {
		d.log.Warn("log lines are dropped: they do not reach CloudWatch Logs",
			"version", versionKey, "instance", i.ID, "missing", missing.Text, "remedy", missing.Remedy)
	}
	return false
}

func (d *Delivery) firstLocked(version, code, subnet string) bool {
	told := d.silent[version]
	if _, known := told[code]; known {
		return false
	}
	if told == nil {
		if len(d.silent) >= silentLimit {
			clear(d.silent)
		}
		told = map[string]string{}
		d.silent[version] = told
	}
	told[code] = subnet
	return true
}

// deliveredLocked forgets what was told of this subnet only: a version with good
// and bad subnets would be told of again and again.
func (d *Delivery) deliveredLocked(version, subnet string) {
	told, known := d.silent[version]
	if !known {
		return
	}
	for code, s := range told {
		if s == subnet {
			delete(told, code)
		}
	}
	if len(told) == 0 {
		delete(d.silent, version)
	}
}
