//go:build unix

package bench

import (
	"time"

	"golang.org/x/sys/unix"
)

// selfCPU gives the processor time of this process, user and system.
func selfCPU() time.Duration {
	var r unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &r); err != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
