//go:build !linux

package load

import "time"

func precise() (end func()) { return func() {} }

func sleep(d time.Duration) { time.Sleep(d) }
