package s3model

import (
	"github.com/farhold/farhold/s3"
	"github.com/farhold/farhold/stamp"
)

// alone tells whether of two changes one replaces the other: one is none at
// all, or one region made both, the newer knowing the older, and the older is
// not what another region's promise was joined into.
func alone(here, there stamp.Stamp, joined bool) bool {
	return here.IsZero() || there.IsZero() || !joined && here.Region() == there.Region()
}

func mergeRetention(here, there s3.RetentionRegister) s3.RetentionRegister {
	if alone(here.At, there.At, here.Joined) {
		if stamp.Compare(there.At, here.At) > 0 {
			return there
		}
		return here
	}
	m := s3.RetentionRegister{At: here.At, Joined: true, Mode: here.Mode, Until: here.Until}
	if stamp.Compare(there.At, m.At) > 0 {
		m.At = there.At
	}
	if m.Mode == "" || there.Mode == s3.Compliance {
		m.Mode = there.Mode
	}
	if there.Mode != "" && (here.Mode == "" || there.Until.After(m.Until)) {
		m.Until = there.Until
	}
	return m
}

func mergeHold(here, there s3.HoldRegister) s3.HoldRegister {
	if alone(here.At, there.At, here.Joined) {
		if stamp.Compare(there.At, here.At) > 0 {
			return there
		}
		return here
	}
	m := s3.HoldRegister{At: here.At, Joined: true, On: here.On || there.On, Set: here.Set || there.Set}
	if stamp.Compare(there.At, m.At) > 0 {
		m.At = there.At
	}
	return m
}
