//go:build !linux

package main

// tryCalls has nothing to try: no driver filters elsewhere.
func tryCalls() {}

// tryPrivileges likewise.
func tryPrivileges() {}
