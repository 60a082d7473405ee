//go:build !unix

package bench

import "time"

// selfCPU isn't known here and shows as 0.
func selfCPU() time.Duration { return 0 }
