// Package sim is a fleet on a virtual clock: one loop of events, in one
// goroutine, around the very scaler, scheduler and router choice that the server
// runs. Everything random comes from one seed, so a run repeats exactly.
//
// What it models: calls that use CPU and wait, environments that share their
// vCPUs among the calls in them, instances and environments that take time to
// start, agents that report four times a second, a controller that looks when
// something is reported or refused, and faults. What it leaves out: the network,
// the router's own time, and functions that fail.
package sim
