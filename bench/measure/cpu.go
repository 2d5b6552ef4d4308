package measure

import (
	"syscall"
	"time"
)

// CPUTime is the time this process has used all cores; 0 if the system does not say.
func CPUTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
