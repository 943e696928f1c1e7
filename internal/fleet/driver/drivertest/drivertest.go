// Package drivertest is the conformance suite of fleet drivers.
package drivertest
