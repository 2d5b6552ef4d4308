//go:build !linux

package main

import "time"

// block waits, though not with a thread of its own as a flush does.
func block(d time.Duration) error {
	time.Sleep(d)
	return nil
}
