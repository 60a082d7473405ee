package rule

import (
	"cmp"
	"slices"
	"strings"

	"github.com/farhold/farhold/arn"
	"github.com/farhold/farhold/s3"
	"github.com/farhold/farhold/wire/restxml"
	s3shapes "github.com/farhold/farhold/wire/shapes/s3"
)

// Replication is a parsed replication configuration. It is immutable.
type Replication struct {
	Role  string // ARN
	Rules []ReplicationRule
	// byBucket holds the enabled rules of each destination, the strongest first.
	byBucket []destinationRules
}

// destinationRules are the enabled rules of one destination bucket.
type destinationRules struct {
	bucket string
	rules  []*ReplicationRule
}

// ReplicationRule is one rule of a replication configuration.
type ReplicationRule struct {
	ID       string
	Enabled  bool
	Priority int // 0 in version 1 of the schema
	Prefix   string
	Tags     []s3.Tag // all of them must be there
	// Markers tells whether delete markers go too: always in version 1 of the
	// schema, as DeleteMarkerReplication says in version 2.
	Markers bool
	// KMS tells whether objects under SSE-KMS go too.
	KMS bool
	// Modifications is ReplicaModifications: changes of a replica's side data
	// travel back.
	Modifications bool

	Bucket  string          // destination's name
	Class   s3.StorageClass // of replicas; empty means the source's
	KMSKey  string          // ReplicaKmsKeyID
	Account string          // owner of replicas, with AccessControlTranslation; else ""
	Metrics bool            // Metrics is Enabled
	RTC     bool            // ReplicationTime is Enabled
}

// Object is what a decision to replicate looks at.
type Object struct {
	Key     string
	Tags    []s3.Tag // as given when the version was made
	Class   s3.StorageClass
	SSE     s3.SSE
	Marker  bool // a delete marker
	Replica bool // it came from another bucket by replication
	// Hidden is, for a delete marker, the version that it hides: the current one
	// before it. Nil when there was none, or when that was a marker itself.
	Hidden *Object
}

// Decision is one destination that an object goes to.
type Decision struct {
	Rule          string          // ID of the rule that won
	Bucket        string          // destination's name
	Class         s3.StorageClass // of the replica; empty means the source's
	KMSKey        string          // for an object under SSE-KMS: the key of the replica
	OwnerOverride string          // account that shall own the replica; "" means the source's owner
	Priority      int
}

// ParseReplication reads a replication configuration as Check returned it.
func ParseReplication(raw []byte) (*Replication, error) {
	var doc s3shapes.ReplicationConfiguration
	if err := restxml.Decode(raw, &doc); err != nil {
		return nil, err
	}
	return newReplication(&doc), nil
}

func newReplication(doc *s3shapes.ReplicationConfiguration) *Replication {
	r := &Replication{Role: doc.Role, Rules: make([]ReplicationRule, len(doc.Rules))}
	for i := range doc.Rules {
		r.Rules[i] = newReplicationRule(&doc.Rules[i])
	}
	for i := range r.Rules {
		rule := &r.Rules[i]
		if !rule.Enabled {
			continue
		}
		at := slices.IndexFunc(r.byBucket, func(d destinationRules) bool { return d.bucket == rule.Bucket })
		if at < 0 {
			at = len(r.byBucket)
			r.byBucket = append(r.byBucket, destinationRules{bucket: rule.Bucket})
		}
		r.byBucket[at].rules = append(r.byBucket[at].rules, rule)
	}
	slices.SortFunc(r.byBucket, func(a, b destinationRules) int { return strings.Compare(a.bucket, b.bucket) })
	for _, d := range r.byBucket {
		// Priorities differ in version 2. In version 1 there are none: the longest
		// prefix is the most specific rule, and the ID settles the rest, so that
		// the order in the document never matters.
		slices.SortFunc(d.rules, func(a, b *ReplicationRule) int {
			return cmp.Or(cmp.Compare(b.Priority, a.Priority), cmp.Compare(len(b.Prefix), len(a.Prefix)), cmp.Compare(a.ID, b.ID))
		})
	}
	return r
}

func newReplicationRule(d *s3shapes.ReplicationRule) ReplicationRule {
	r := ReplicationRule{
		ID:       value(d.ID),
		Enabled:  d.Status == "Enabled",
		Priority: int(value(d.Priority)),
		Prefix:   value(d.Prefix),
		Class:    s3.StorageClass(value(d.Destination.StorageClass)),
		Metrics:  d.Destination.Metrics != nil && d.Destination.Metrics.Status == "Enabled",
		RTC:      d.Destination.ReplicationTime != nil && d.Destination.ReplicationTime.Status == "Enabled",
	}
	if a, err := arn.Parse(d.Destination.Bucket); err == nil {
		r.Bucket = a.BucketName()
	}
	if f := d.Filter; f != nil {
		r.Prefix += value(f.Prefix)
		if f.Tag != nil {
			r.Tags = append(r.Tags, s3.Tag(*f.Tag))
		}
		if f.And != nil {
			r.Prefix += value(f.And.Prefix)
			for _, t := range f.And.Tags {
				r.Tags = append(r.Tags, s3.Tag(t))
			}
		}
	}
	if d.DeleteMarkerReplication != nil {
		r.Markers = value(d.DeleteMarkerReplication.Status) == "Enabled"
	} else {
		r.Markers = version1(d)
	}
	if e := d.Destination.EncryptionConfiguration; e != nil {
		r.KMSKey = value(e.ReplicaKmsKeyID)
		// A key for the replicas says that there shall be some: without
		// SourceSelectionCriteria it is the wish for SSE-KMS objects.
		r.KMS = d.SourceSelectionCriteria == nil
	}
	if c := d.SourceSelectionCriteria; c != nil {
		r.KMS = c.SseKmsEncryptedObjects != nil && c.SseKmsEncryptedObjects.Status == "Enabled"
		r.Modifications = c.ReplicaModifications != nil && c.ReplicaModifications.Status == "Enabled"
	}
	if d.Destination.AccessControlTranslation != nil {
		r.Account = value(d.Destination.Account)
	}
	return r
}

// version1 tells whether a rule is of the first version of the schema: neither
// Filter nor Replication Time Control, which came with the second.
func version1(d *s3shapes.ReplicationRule) bool {
	return d.Filter == nil && d.Destination.ReplicationTime == nil
}

// Plan decides where a new version goes: for each destination bucket, by the
// enabled rule that matches with the highest priority, alone. Destinations are
// independent of each other. Decisions come in the order of the destinations'
// names; nil means nowhere. A nil Replication sends nothing.
func (r *Replication) Plan(o Object) []Decision {
	if r == nil || o.Replica {
		return nil
	}
	if !o.Marker && (o.Class == s3.Glacier || o.Class == s3.DeepArchive) {
		return nil // archived: to be restored before anything can read it
	}
	kms := strings.HasPrefix(o.SSE.Algorithm, "aws:kms")
	var plan []Decision
	for _, d := range r.byBucket {
		for _, rule := range d.rules {
			if !rule.matches(&o) {
				continue
			}
			// The winner decides, also when it decides against.
			if o.Marker && !rule.Markers || kms && !o.Marker && !rule.KMS {
				break
			}
			decision := Decision{Rule: rule.ID, Bucket: d.bucket, OwnerOverride: rule.Account, Priority: rule.Priority}
			if !o.Marker {
				decision.Class = rule.Class
			}
			if kms && !o.Marker {
				decision.KMSKey = rule.KMSKey
			}
			plan = append(plan, decision)
			break
		}
	}
	return plan
}

// matches tells whether a rule speaks about an object. A delete marker has no
// tags. On AWS a rule with tags never speaks about one; here it does if it
// replicates markers, which AWS refuses to configure, and matched the version
// that the marker hides.
func (r *ReplicationRule) matches(o *Object) bool {
	if !strings.HasPrefix(o.Key, r.Prefix) {
		return false
	}
	if len(r.Tags) == 0 {
		return true
	}
	if !o.Marker {
		return hasTags(o.Tags, r.Tags)
	}
	return r.Markers && o.Hidden != nil && !o.Hidden.Marker && hasTags(o.Hidden.Tags, r.Tags)
}

// hasTags tells whether have holds all of want.
func hasTags(have, want []s3.Tag) bool {
	for _, t := range want {
		if !slices.Contains(have, t) {
			return false
		}
	}
	return true
}
