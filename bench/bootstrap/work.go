package main

import (
	"encoding/json"
	"runtime"
	"time"
)

// task is the density mode's event, µs.
type task struct {
	CPU  int64 `json:"cpu"`
	Wait int64 `json:"wait"`
}

// work uses CPU time, waits, and answers with the event.
func work(event []byte) []byte {
	var t task
	if json.Unmarshal(event, &t) == nil {
		burn(time.Duration(t.CPU) * time.Microsecond)
		time.Sleep(time.Duration(t.Wait) * time.Microsecond)
	}
	return event
}

// burn takes so much CPU time of one thread.
func burn(d time.Duration) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for end := threadTime() + d; threadTime() < end; {
	}
}
