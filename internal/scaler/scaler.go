// Package scaler decides how many execution environments a version should have.
// It is pure: what is known of the load, the bounds and the time go in, a number
// with its reason comes out; what it has to remember between two looks is a
// value that the caller keeps.
//
// Managed versions follow CPU use and concurrency, never a single request
// (managed.go). Ordinary functions start an environment per concurrent request
// and keep it warm (ondemand.go).
package scaler
