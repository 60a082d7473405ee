// Package s3model is S3 as plain maps: the oracle of tests. It knows no
// engine, no transaction and no queue; it says what a bucket holds after each
// thing that happened to it, in as few lines as make that plain.
//
// Stamps are given to it, never made by it: what is checked is what a store
// does with them. The model is written from S3's rules and the rules of
// replication, not from the store, and imports nothing of it.
package s3model

import (
	"slices"

	"github.com/farhold/farhold/s3"
	"github.com/farhold/farhold/stamp"
)

// Versioning is a bucket's state of versioning.
type Versioning string

// States of versioning.
const (
	Off       Versioning = ""
	Enabled   Versioning = "Enabled"
	Suspended Versioning = "Suspended"
)

// Version is a version or delete marker with its bytes.
type Version struct {
	s3.Version
	Body []byte
}

// Stack is the versions of one key, the greatest stamp first.
type Stack []*Version

// Bucket is a bucket of one region.
type Bucket struct {
	Name       string
	UID        s3.UID
	Versioning Versioning
	Lock       bool // Object Lock is on
	Rules      []Rule

	Keys map[string]Stack
	// Purged are the versions that were removed for good: they never come back.
	Purged map[stamp.Stamp]bool
}

// NewBucket gives an empty bucket.
func NewBucket(name string, uid s3.UID, v Versioning, lock bool) *Bucket {
	return &Bucket{Name: name, UID: uid, Versioning: v, Lock: lock, Keys: make(map[string]Stack), Purged: make(map[stamp.Stamp]bool)}
}

// Find gives a version by its stamp, or nil.
func (b *Bucket) Find(key string, id stamp.Stamp) *Version {
	for _, v := range b.Keys[key] {
		if v.ID == id {
			return v
		}
	}
	return nil
}

// Null gives the null version of a key, or nil.
func (b *Bucket) Null(key string) *Version {
	for _, v := range b.Keys[key] {
		if v.Null {
			return v
		}
	}
	return nil
}

// Head gives the current version of a key, a delete marker included, or nil.
func (b *Bucket) Head(key string) *Version {
	if st := b.Keys[key]; len(st) > 0 {
		return st[0]
	}
	return nil
}

// Current gives the object that GET finds, or nil.
func (b *Bucket) Current(key string) *Version {
	if v := b.Head(key); v != nil && !v.Marker {
		return v
	}
	return nil
}

// Write puts a version that was made here into its place. Where versioning is
// not enabled it is the null version, and replaces the one before.
func (b *Bucket) Write(v *Version) {
	v.Null = b.Versioning != Enabled
	if v.Null {
		if old := b.Null(v.Key); old != nil {
			b.take(v.Key, old.ID)
		}
	}
	b.insert(v)
}

func (b *Bucket) insert(v *Version) {
	st := b.Keys[v.Key]
	at, _ := slices.BinarySearchFunc(st, v.ID, func(x *Version, id stamp.Stamp) int { return stamp.Compare(id, x.ID) })
	b.Keys[v.Key] = slices.Insert(st, at, v)
}

func (b *Bucket) take(key string, id stamp.Stamp) {
	st := slices.DeleteFunc(b.Keys[key], func(v *Version) bool { return v.ID == id })
	if b.Keys[key] = st; len(st) == 0 {
		delete(b.Keys, key)
	}
}

// Purge removes a version for good.
func (b *Bucket) Purge(key string, id stamp.Stamp) {
	b.take(key, id)
	b.Purged[id] = true
}

// Names gives the keys that have versions, in order.
func (b *Bucket) Names() []string {
	names := make([]string, 0, len(b.Keys))
	for k := range b.Keys {
		names = append(names, k)
	}
	slices.Sort(names)
	return names
}

// Usage gives the bytes and the number of versions, markers included.
func (b *Bucket) Usage() (bytes, versions int64) {
	for _, st := range b.Keys {
		for _, v := range st {
			bytes += v.Size
			versions++
		}
	}
	return bytes, versions
}
