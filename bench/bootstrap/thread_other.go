//go:build !linux

package main

import "time"

var began = time.Now()

// threadTime is the clock's where the system tells no thread's.
func threadTime() time.Duration { return time.Since(began) }
