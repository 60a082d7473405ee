package shape

import (
	"math"
	"strconv"
	"time"
)

// Epoch gives the time so many seconds after 1970, to the millisecond, if it
// is one with four digits in its year.
func Epoch(seconds float64) (time.Time, bool) {
	const first, last = -62135596800, 253402300799 // the years 1 and 9999
	if !(seconds >= first && seconds <= last) {
		return time.Time{}, false
	}
	whole := math.Floor(seconds)
	return time.Unix(int64(whole), int64(math.Round((seconds-whole)*1000))*1e6).UTC(), true
}

// Seconds is the other way: seconds after 1970, to the millisecond.
func Seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

// ParseTime reads the forms of ISO 8601 that clients send.
func ParseTime(s string) (time.Time, bool) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999Z0700", "2006-01-02T15:04:05.999999999", time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), true
		}
	}
	// Query clients may send seconds after 1970.
	if n, err := strconv.ParseFloat(s, 64); err == nil {
		return Epoch(n)
	}
	return time.Time{}, false
}
