package process

import "github.com/lamina-dev/lamina"

// What a host bears. An instance's memory is a limit, not a reservation, and its
// vCPUs are shares, so that many more fit than their types add up to (chosen).
const (
	leastInstances = 16
	mibPerInstance = 256
	mibKeptFree    = 192
)

// admit counts one more launch or explains why this host can't bear it.
func (d *Driver) admit() error {
	total, free := hostMemory()
	limit := max(leastInstances, int(total/mibPerInstance))
	d.mu.Lock()
	defer d.mu.Unlock()
	if n := len(d.watched) + d.slots; n >= limit {
		return lamina.Errorf(lamina.ReasonInsufficient,
			lamina.TextHostFull+"runs %d instances and bears no more (at least %d, or one for each %d MiB of its %d MiB of memory). "+
				"Delete function versions or capacity providers that are no longer needed, or lower MinExecutionEnvironments.",
			n, leastInstances, mibPerInstance, total)
	}
	if free >= 0 && free < mibKeptFree {
		return lamina.Errorf(lamina.ReasonInsufficient,
			lamina.TextHostFull+"has %d MiB of memory left, and an instance is launched only while %d MiB are free. "+
				"Delete function versions that are no longer needed, or end other programs.", free, mibKeptFree)
	}
	d.slots++
	return nil
}

func (d *Driver) release() {
	d.mu.Lock()
	d.slots--
	d.mu.Unlock()
}
