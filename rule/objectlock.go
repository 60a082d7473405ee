package rule

import (
	"time"

	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/s3"
	"github.com/farhold/farhold/stamp"
	"github.com/farhold/farhold/wire/restxml"
	s3shapes "github.com/farhold/farhold/wire/shapes/s3"
)

// What Object Lock answers.
var (
	ErrObjectLockNotFound    = awserr.New("ObjectLockConfigurationNotFoundError", 404, "Object Lock configuration does not exist for this bucket")
	ErrObjectLockUnversioned = awserr.New("InvalidBucketState", 409, "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration")
	ErrRetentionPeriod       = awserr.ErrInvalidArgument.Text("Default retention period must be a positive integer value.")
	ErrObjectLockMissing     = awserr.ErrInvalidRequest.Text("Bucket is missing Object Lock Configuration")
	ErrNoObjectLock          = awserr.New("NoSuchObjectLockConfiguration", 404, "The specified object does not have a ObjectLock configuration")
	ErrLocked                = awserr.ErrAccessDenied.Text("Access Denied because object protected by object lock.")
	ErrRetainUntilPast       = awserr.ErrInvalidArgument.Text("The retain until date must be in the future!")
	ErrLockHeaders           = awserr.ErrInvalidArgument.Text("x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied")
	ErrLockMode              = awserr.ErrInvalidArgument.Text("Unknown wormMode directive.")
	ErrBypassUnlocked        = awserr.ErrInvalidArgument.Text("x-amz-bypass-governance-retention is only applicable to Object Lock enabled buckets.").With("ArgumentName", "x-amz-bypass-governance-retention")
)

const (
	retentionDaysMax  = 36500
	retentionYearsMax = 100
	day               = 24 * time.Hour
)

// ObjectLock is a parsed Object Lock configuration.
type ObjectLock struct {
	Mode        s3.RetentionMode // of the default retention; empty for none
	Days, Years int              // one of them, with Mode
}

// ParseObjectLock reads an Object Lock configuration as Check returned it.
func ParseObjectLock(raw []byte) (*ObjectLock, error) {
	var doc s3shapes.ObjectLockConfiguration
	if err := restxml.Decode(raw, &doc); err != nil {
		return nil, err
	}
	return newObjectLock(&doc)
}

func newObjectLock(doc *s3shapes.ObjectLockConfiguration) (*ObjectLock, error) {
	if doc.ObjectLockEnabled == nil {
		return nil, malformed("ObjectLockEnabled is missing")
	}
	if doc.Rule == nil {
		return &ObjectLock{}, nil
	}
	d := doc.Rule.DefaultRetention
	if d == nil || d.Mode == nil || (d.Days == nil) == (d.Years == nil) {
		return nil, malformed("the default retention needs a mode and either days or years")
	}
	if d.DefaultEventHold != nil {
		return nil, awserr.ErrNotImplemented.Text("Event holds are not implemented.")
	}
	l := &ObjectLock{Mode: s3.RetentionMode(*d.Mode), Days: int(value(d.Days)), Years: int(value(d.Years))}
	if l.Days < 0 || l.Years < 0 || l.Days+l.Years == 0 {
		return nil, ErrRetentionPeriod
	}
	if l.Days > retentionDaysMax || l.Years > retentionYearsMax {
		return nil, malformed("the default retention is too long")
	}
	return l, nil
}

// Default gives the retention that a version made now takes when its request
// names none; !ok when the bucket has no default. A year is 365 days. A nil
// ObjectLock has no default.
func (l *ObjectLock) Default(now time.Time) (mode s3.RetentionMode, until time.Time, ok bool) {
	if l == nil || l.Mode == "" {
		return "", time.Time{}, false
	}
	return l.Mode, now.Add(time.Duration(l.Days+365*l.Years) * day), true
}

func checkObjectLock(ctx *Context, raw []byte) ([]byte, error) {
	var doc s3shapes.ObjectLockConfiguration
	if err := restxml.Decode(raw, &doc); err != nil {
		return nil, err
	}
	if _, err := newObjectLock(&doc); err != nil {
		return nil, err
	}
	if ctx.Versioning != "Enabled" {
		return nil, ErrObjectLockUnversioned
	}
	return encode(&doc)
}

// ParseRetention reads the body of PutObjectRetention. An empty mode removes
// the retention. now decides whether the date is in the future.
func ParseRetention(raw []byte, now time.Time) (mode s3.RetentionMode, until time.Time, err error) {
	var doc s3shapes.ObjectLockRetention
	if err := restxml.Decode(raw, &doc); err != nil {
		return "", time.Time{}, err
	}
	if doc.EventHold != nil || doc.EventHoldDuration != nil {
		return "", time.Time{}, awserr.ErrNotImplemented.Text("Event holds are not implemented.")
	}
	if (doc.Mode == nil) != (doc.RetainUntilDate == nil) {
		return "", time.Time{}, malformed("retention needs a mode and a date")
	}
	if doc.Mode == nil {
		return "", time.Time{}, nil
	}
	if !doc.RetainUntilDate.After(now) {
		return "", time.Time{}, retainUntilPast(*doc.RetainUntilDate)
	}
	return s3.RetentionMode(*doc.Mode), *doc.RetainUntilDate, nil
}

func retainUntilPast(until time.Time) error {
	return ErrRetainUntilPast.With("ArgumentName", "RetainUntilDate").With("ArgumentValue", until.UTC().Format("Mon Jan 02 15:04:05 MST 2006"))
}

// RenderRetention writes the answer of GetObjectRetention, or
// ErrNoObjectLock.
func RenderRetention(r s3.RetentionRegister) ([]byte, error) {
	if r.Mode == "" {
		return nil, ErrNoObjectLock
	}
	return encode(&s3shapes.ObjectLockRetention{Mode: pointer(string(r.Mode)), RetainUntilDate: &r.Until})
}

// ParseLegalHold reads the body of PutObjectLegalHold.
func ParseLegalHold(raw []byte) (on bool, err error) {
	var doc s3shapes.ObjectLockLegalHold
	if err := restxml.Decode(raw, &doc); err != nil {
		return false, err
	}
	if doc.Status == nil {
		return false, malformed("legal hold without status")
	}
	return *doc.Status == "ON", nil
}

// RenderLegalHold writes the answer of GetObjectLegalHold, or ErrNoObjectLock.
func RenderLegalHold(h s3.HoldRegister) ([]byte, error) {
	if !h.Set {
		return nil, ErrNoObjectLock
	}
	status := "OFF"
	if h.On {
		status = "ON"
	}
	return encode(&s3shapes.ObjectLockLegalHold{Status: &status})
}

// LockHeaders reads x-amz-object-lock-mode and -retain-until-date of a write.
// Both empty means that the bucket's default applies.
func LockHeaders(mode, until string, now time.Time) (s3.RetentionMode, time.Time, error) {
	if mode == "" && until == "" {
		return "", time.Time{}, nil
	}
	if mode == "" {
		return "", time.Time{}, ErrLockHeaders.With("ArgumentName", "x-amz-object-lock-mode")
	}
	if until == "" {
		return "", time.Time{}, ErrLockHeaders.With("ArgumentName", "x-amz-object-lock-retain-until-date")
	}
	m := s3.RetentionMode(mode)
	if m != s3.Governance && m != s3.Compliance {
		return "", time.Time{}, ErrLockMode.With("ArgumentName", "x-amz-object-lock-mode").With("ArgumentValue", mode)
	}
	t, err := time.Parse(time.RFC3339Nano, until)
	if err != nil {
		return "", time.Time{}, awserr.Argument("x-amz-object-lock-retain-until-date", until, "The retain until date must be provided in ISO 8601 format")
	}
	if !t.After(now) {
		return "", time.Time{}, ErrRetainUntilPast.With("ArgumentName", "x-amz-object-lock-retain-until-date").With("ArgumentValue", until)
	}
	return m, t.UTC(), nil
}

// HoldHeader reads x-amz-object-lock-legal-hold: "", ON or OFF.
func HoldHeader(v string) error {
	if v != "" && v != "ON" && v != "OFF" {
		return awserr.Argument("x-amz-object-lock-legal-hold", v, "Legal Hold must be either of 'ON' or 'OFF'")
	}
	return nil
}

// CheckRetentionChange tells whether a version's retention may become another.
// COMPLIANCE can only be lengthened. GOVERNANCE can be lengthened too; any
// other change of it needs bypass. What has run out binds nobody.
func CheckRetentionChange(now time.Time, old, next s3.RetentionRegister, bypass bool) error {
	if old.Mode == "" || !old.Until.After(now) {
		return nil
	}
	if next.Mode == old.Mode && !next.Until.Before(old.Until) {
		return nil
	}
	if old.Mode == s3.Governance && bypass {
		return nil
	}
	return ErrLocked
}

// CheckDelete tells whether a version may be removed for good. Delete markers
// are never protected.
func CheckDelete(now time.Time, retention s3.RetentionRegister, hold s3.HoldRegister, bypass bool) error {
	if hold.On {
		return ErrLocked
	}
	if retention.Mode == "" || !retention.Until.After(now) {
		return nil
	}
	if retention.Mode == s3.Governance && bypass {
		return nil
	}
	return ErrLocked
}

// MergeRetention joins what two regions hold of a version's retention: the
// later date, and COMPLIANCE if either has it. It is commutative, associative
// and idempotent, and never shortens a period that one of them promised.
func MergeRetention(a, b s3.RetentionRegister) s3.RetentionRegister {
	m := a
	if b.Mode == s3.Compliance || m.Mode == "" {
		m.Mode = b.Mode
	}
	if a.Mode == "" || b.Mode != "" && b.Until.After(a.Until) {
		m.Until = b.Until
	}
	m.At = later(a.At, b.At)
	return m
}

// MergeHold joins what two regions hold of a version's legal hold: one that is
// on wins.
func MergeHold(a, b s3.HoldRegister) s3.HoldRegister {
	return s3.HoldRegister{At: later(a.At, b.At), On: a.On || b.On, Set: a.Set || b.Set}
}

func later(a, b stamp.Stamp) stamp.Stamp {
	if stamp.Compare(a, b) < 0 {
		return b
	}
	return a
}

// objectLockEnabled is what GET answers for a bucket that was made with Object
// Lock and never given a configuration.
func objectLockEnabled() ([]byte, error) {
	return encode(&s3shapes.ObjectLockConfiguration{ObjectLockEnabled: pointer("Enabled")})
}
