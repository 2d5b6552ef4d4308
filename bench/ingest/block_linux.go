package main

import (
	"syscall"
	"time"
)

// block keeps its thread for a while, as a flush does.
func block(d time.Duration) error {
	for left := syscall.NsecToTimespec(int64(d)); ; {
		if err := syscall.Nanosleep(&left, &left); err != syscall.EINTR {
			return err
		}
	}
}
