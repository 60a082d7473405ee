package s3model

import (
	"errors"
	"slices"
	"strings"

	"github.com/farhold/farhold/s3"
	"github.com/farhold/farhold/stamp"
)

// Rule is what of a replication rule decides.
type Rule struct {
	ID       string
	Enabled  bool
	Priority int
	Prefix   string
	Tags     []s3.Tag
	Markers  bool
	KMS      bool            // objects under SSE-KMS go too
	Bucket   string          // destination
	Class    s3.StorageClass // of replicas; empty: the source's
}

// Goes gives the rules by which a version, made now, goes to other buckets:
// for each destination the matching one of the greatest priority, if it does
// not decide against. hidden is the object that a delete marker hides, or nil.
// They come in the order of the destinations' names.
func (b *Bucket) Goes(v, hidden *Version) []Rule {
	if b.Versioning != Enabled || v.Replica {
		return nil
	}
	win := make(map[string]Rule)
	for _, r := range b.Rules {
		if !r.Enabled || !r.matches(v, hidden) {
			continue
		}
		if now, ok := win[r.Bucket]; !ok || r.Priority > now.Priority {
			win[r.Bucket] = r
		}
	}
	var list []Rule
	for _, r := range win {
		if v.Marker && !r.Markers || !v.Marker && v.SSE.KeyID != "" && !r.KMS {
			continue
		}
		if v.Marker {
			r.Class = ""
		}
		list = append(list, r)
	}
	slices.SortFunc(list, func(x, y Rule) int { return strings.Compare(x.Bucket, y.Bucket) })
	return list
}

func (r *Rule) matches(v, hidden *Version) bool {
	if !strings.HasPrefix(v.Key, r.Prefix) {
		return false
	}
	if len(r.Tags) == 0 {
		return true
	}
	of := v
	if v.Marker { // it has no tags; what it hides has
		if hidden == nil || hidden.Marker || !r.Markers {
			return false
		}
		of = hidden
	}
	for _, t := range r.Tags {
		if !slices.Contains(of.Tags.Tags, t) {
			return false
		}
	}
	return true
}

// Why a replica is not taken.
var (
	ErrNoBucket    = errors.New("s3model: no such bucket")
	ErrUnversioned = errors.New("s3model: versioning is not enabled")
	ErrNoLock      = errors.New("s3model: no Object Lock")
	ErrNoVersion   = errors.New("s3model: no such version")
	ErrDifferent   = errors.New("s3model: the version is here with other bytes")
	ErrDigest      = errors.New("s3model: the bytes are not those that were made")
)

// Verdict is what became of an arrival.
type Verdict uint8

// Verdicts.
const (
	Taken     Verdict = iota + 1 // it was new, and is here now
	Already                      // it was here; its side data was merged
	Discarded                    // it was purged here
)

// Receive applies an arrival whose bytes are v.Body. intact tells whether
// those are the bytes that the source has. b may be nil: no such bucket.
func (b *Bucket) Receive(v *Version, intact bool) (Verdict, error) {
	if b == nil {
		return 0, ErrNoBucket
	}
	if b.Purged[v.ID] {
		return Discarded, nil
	}
	if here := b.Find(v.Key, v.ID); here != nil {
		if here.Marker != v.Marker || here.Size != v.Size || here.Digest != v.Digest {
			return 0, ErrDifferent
		}
		return Already, b.ReceiveSide(v)
	}
	if err := b.takes(v); err != nil {
		return 0, err
	}
	if !v.Marker && !intact {
		return 0, ErrDigest
	}
	r := *v
	r.Replica, r.Targets = true, nil
	b.insert(&r)
	return Taken, nil
}

func (b *Bucket) takes(v *Version) error {
	if b.Versioning != Enabled {
		return ErrUnversioned
	}
	if (v.Retention.Mode != "" || v.Hold.On) && !b.Lock {
		return ErrNoLock
	}
	return nil
}

// WouldTake tells whether Receive would take an arrival, short of its bytes.
func (b *Bucket) WouldTake(v *Version) error {
	if b == nil {
		return ErrNoBucket
	}
	if b.Purged[v.ID] {
		return nil
	}
	if here := b.Find(v.Key, v.ID); here != nil {
		if here.Marker != v.Marker || here.Size != v.Size || here.Digest != v.Digest {
			return ErrDifferent
		}
		return nil
	}
	return b.takes(v)
}

// ReceiveSide merges the registers of v into the version that is here.
func (b *Bucket) ReceiveSide(v *Version) error {
	if b == nil {
		return ErrNoBucket
	}
	here := b.Find(v.Key, v.ID)
	switch {
	case here == nil && b.Purged[v.ID]:
		return nil
	case here == nil:
		if err := b.takes(v); err != nil {
			return err
		}
		return ErrNoVersion
	case (v.Retention.Mode != "" || v.Hold.On) && !b.Lock:
		return ErrNoLock
	}
	here.Merge(v)
	return nil
}

// Merge joins the registers of another copy of v into v's: the newer tags and
// ACL win. A retention or hold replaces an older one that the same region made
// alone; what two regions made is joined to the stricter, and stays so.
func (v *Version) Merge(o *Version) {
	if stamp.Compare(o.Tags.At, v.Tags.At) > 0 {
		v.Tags = o.Tags
	}
	if stamp.Compare(o.ACL.At, v.ACL.At) > 0 {
		v.ACL = o.ACL
	}
	v.Retention = mergeRetention(v.Retention, o.Retention)
	v.Hold = mergeHold(v.Hold, o.Hold)
}
