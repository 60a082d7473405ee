package rule

import (
	"fmt"
	"strings"
	"time"

	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/s3"
	"github.com/farhold/farhold/wire/restxml"
	s3shapes "github.com/farhold/farhold/wire/shapes/s3"
)

// What is wrong with a lifecycle configuration.
var (
	ErrLifecycleNotFound   = awserr.New("NoSuchLifecycleConfiguration", 404, "The lifecycle configuration does not exist")
	ErrLifecycleRules      = awserr.ErrInvalidRequest.Text("The number of lifecycle rules must not exceed the allowed limit of 1000 rules.")
	ErrLifecycleIDLong     = awserr.ErrInvalidArgument.Text("ID length should not exceed allowed limit of 255")
	ErrLifecycleIDTwice    = awserr.ErrInvalidArgument.Text("Rule ID must be unique. Found same ID for more than one rule")
	ErrLifecycleMixed      = awserr.ErrInvalidRequest.Text("Filter element can only be used in Lifecycle V2.")
	ErrLifecycleNoAction   = awserr.ErrInvalidRequest.Text("At least one action needs to be specified in a rule")
	ErrLifecycleMidnight   = awserr.ErrInvalidArgument.Text("'Date' must be at midnight GMT")
	ErrLifecycleTagsAbort  = awserr.ErrInvalidRequest.Text("AbortIncompleteMultipartUpload cannot be specified with Tags.")
	ErrLifecycleTagsMarker = awserr.ErrInvalidRequest.Text("ExpiredObjectDeleteMarker cannot be specified with Tags.")
	ErrLifecycleSizes      = awserr.ErrInvalidRequest.Text("'ObjectSizeLessThan' has to be a value greater than 'ObjectSizeGreaterThan'")
)

const (
	lifecycleRulesMax = 1000
	newerVersionsMax  = 100
	infrequentDaysMin = 30

	// minimumSizeHeader is the header beside a lifecycle configuration.
	minimumSizeHeader  = "x-amz-transition-default-minimum-object-size"
	minimumSizeDefault = "all_storage_classes_128K"
)

// storedLifecycle is a lifecycle configuration with the header that came with
// it, which GET answers as a header again.
type storedLifecycle struct {
	XMLName struct{}                 `xml:"http://s3.amazonaws.com/doc/2006-03-01/ LifecycleConfiguration"`
	Minimum string                   `xml:"TransitionDefaultMinimumObjectSize,omitempty"`
	Rules   []s3shapes.LifecycleRule `xml:"Rule"`
}

func answerLifecycle(_ *Context, stored []byte) ([]byte, error) {
	var doc storedLifecycle
	if err := restxml.Decode(stored, &doc); err != nil {
		return nil, err
	}
	return encode(&s3shapes.BucketLifecycleConfiguration{Rules: doc.Rules})
}

func lifecycleHeaders(_ *Context, stored []byte) ([]s3.Header, error) {
	if stored == nil {
		return nil, nil
	}
	var doc storedLifecycle
	if err := restxml.Decode(stored, &doc); err != nil {
		return nil, err
	}
	return []s3.Header{{Name: minimumSizeHeader, Value: doc.Minimum}}, nil
}

func checkLifecycle(ctx *Context, raw []byte) ([]byte, error) {
	var doc s3shapes.BucketLifecycleConfiguration
	if err := restxml.Decode(raw, &doc); err != nil {
		return nil, err
	}
	minimum := ctx.MinimumObjectSize
	switch minimum {
	case "":
		minimum = minimumSizeDefault
	case minimumSizeDefault, "varies_by_storage_class":
	default:
		return nil, invalid("Invalid TransitionDefaultMinimumObjectSize found: %s", minimum)
	}
	if len(doc.Rules) > lifecycleRulesMax {
		return nil, ErrLifecycleRules
	}
	first, second := false, false
	for i := range doc.Rules {
		if err := checkLifecycleSchema(&doc.Rules[i]); err != nil {
			return nil, err
		}
		first = first || doc.Rules[i].Filter == nil
		second = second || doc.Rules[i].Filter != nil
	}
	if first && second {
		return nil, ErrLifecycleMixed
	}
	ids := map[string]bool{}
	for i := range doc.Rules {
		id := value(doc.Rules[i].ID)
		switch {
		case len(id) > ruleIDMax:
			return nil, ErrLifecycleIDLong.With("ArgumentName", "ID").With("ArgumentValue", id)
		case id != "" && ids[id]:
			return nil, ErrLifecycleIDTwice.With("ArgumentName", "ID").With("ArgumentValue", id)
		}
		ids[id] = true
	}
	for i := range doc.Rules {
		r := &doc.Rules[i]
		for n := i; value(r.ID) == ""; n += len(doc.Rules) {
			if id := generatedID(raw, n); !ids[id] {
				ids[id] = true
				r.ID = &id
			}
		}
		if err := checkLifecycleRule(ctx, r); err != nil {
			return nil, err
		}
	}
	return encode(&storedLifecycle{Minimum: minimum, Rules: doc.Rules})
}

// checkLifecycleSchema checks what the tags of the shapes can't say.
func checkLifecycleSchema(r *s3shapes.LifecycleRule) error {
	if (r.Filter == nil) == (r.Prefix == nil) {
		return malformed("a rule has either Filter or Prefix")
	}
	if f := r.Filter; f != nil {
		if count(f.Prefix != nil, f.Tag != nil, f.ObjectSizeGreaterThan != nil, f.ObjectSizeLessThan != nil, f.And != nil) > 1 {
			return malformed("several members of Filter")
		}
		if a := f.And; a != nil && count(a.Prefix != nil, a.ObjectSizeGreaterThan != nil, a.ObjectSizeLessThan != nil)+len(a.Tags) < 2 {
			return malformed("And with fewer than two predicates")
		}
	}
	if e := r.Expiration; e != nil && count(e.Date != nil, e.Days != nil, e.ExpiredObjectDeleteMarker != nil) != 1 {
		return malformed("Expiration has one of Date, Days and ExpiredObjectDeleteMarker")
	}
	for _, t := range r.Transitions {
		if (t.Date == nil) == (t.Days == nil) || t.StorageClass == nil {
			return malformed("Transition has StorageClass and one of Date and Days")
		}
	}
	if e := r.NoncurrentVersionExpiration; e != nil && e.NoncurrentDays == nil {
		return malformed("NoncurrentVersionExpiration without NoncurrentDays")
	}
	for _, t := range r.NoncurrentVersionTransitions {
		if t.NoncurrentDays == nil || t.StorageClass == nil {
			return malformed("NoncurrentVersionTransition without NoncurrentDays or StorageClass")
		}
	}
	if a := r.AbortIncompleteMultipartUpload; a != nil && a.DaysAfterInitiation == nil {
		return malformed("AbortIncompleteMultipartUpload without DaysAfterInitiation")
	}
	return nil
}

// lifecycleFilter is a rule's filter in one form.
type lifecycleFilter struct {
	prefix string
	tags   []s3.Tag
	sized  bool
}

func newLifecycleFilter(r *s3shapes.LifecycleRule) (f lifecycleFilter, err error) {
	f.prefix = value(r.Prefix)
	var above, below *int64
	if d := r.Filter; d != nil {
		f.prefix, above, below = value(d.Prefix), d.ObjectSizeGreaterThan, d.ObjectSizeLessThan
		if d.Tag != nil {
			f.tags = []s3.Tag{s3.Tag(*d.Tag)}
		}
		if a := d.And; a != nil {
			f.prefix, above, below = value(a.Prefix), a.ObjectSizeGreaterThan, a.ObjectSizeLessThan
			for _, t := range a.Tags {
				f.tags = append(f.tags, s3.Tag(t))
			}
		}
	}
	f.sized = above != nil || below != nil
	if above != nil && *above < 0 || below != nil && *below < 1 || above != nil && below != nil && *below <= *above {
		return f, ErrLifecycleSizes
	}
	return f, nil
}

// String describes the filter as AWS's messages do.
func (f lifecycleFilter) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "(prefix=%s", f.prefix)
	for _, t := range f.tags {
		fmt.Fprintf(&b, ", %s=%s", t.Key, t.Value)
	}
	return b.String() + ")"
}

func checkLifecycleRule(ctx *Context, r *s3shapes.LifecycleRule) error {
	if r.Expiration == nil && len(r.Transitions) == 0 && r.NoncurrentVersionExpiration == nil && len(r.NoncurrentVersionTransitions) == 0 &&
		r.AbortIncompleteMultipartUpload == nil {
		return ErrLifecycleNoAction
	}
	f, err := newLifecycleFilter(r)
	if err != nil {
		return err
	}
	if len(f.prefix) > prefixMax {
		return ErrPrefixLong
	}
	if err := checkFilterTags(f.tags); err != nil {
		return err
	}
	if a := r.AbortIncompleteMultipartUpload; a != nil {
		if len(f.tags) > 0 {
			return ErrLifecycleTagsAbort
		}
		if err := positive(*a.DaysAfterInitiation, "DaysAfterInitiation", "AbortIncompleteMultipartUpload"); err != nil {
			return err
		}
	}
	if err := checkExpiration(r.Expiration, f); err != nil {
		return err
	}
	if err := checkTransitions(r, f); err != nil {
		return err
	}
	return checkNoncurrent(ctx, r)
}

func positive(n int32, member, action string) error {
	if n <= 0 {
		return awserr.Argument(member, fmt.Sprint(n), "'%s' for %s action must be a positive integer", member, action)
	}
	return nil
}

func checkMidnight(t time.Time) error {
	if !t.Truncate(day).Equal(t) {
		return ErrLifecycleMidnight.With("ArgumentName", "Date").With("ArgumentValue", t.UTC().Format(restxml.TimeFormat))
	}
	return nil
}

func checkExpiration(e *s3shapes.LifecycleExpiration, f lifecycleFilter) error {
	switch {
	case e == nil:
		return nil
	case e.Days != nil:
		return positive(*e.Days, "Days", "Expiration")
	case e.Date != nil:
		return checkMidnight(*e.Date)
	case len(f.tags) > 0:
		return ErrLifecycleTagsMarker
	}
	return nil
}

func checkTransitions(r *s3shapes.LifecycleRule, f lifecycleFilter) error {
	for _, t := range r.Transitions {
		if e := r.Expiration; e != nil && (e.Date != nil && t.Days != nil || e.Days != nil && t.Date != nil) || (t.Days != nil) != (r.Transitions[0].Days != nil) {
			return invalid("Found mixed 'Date' and 'Days' based Expiration and Transition actions in lifecycle rule for filter '%s'", f)
		}
		if t.Date != nil {
			if err := checkMidnight(*t.Date); err != nil {
				return err
			}
			if e := r.Expiration; e != nil && e.Date != nil && !e.Date.After(*t.Date) {
				return invalid("'Date' in the Expiration action for filter '%s' must be later than 'Date' in the Transition action", f)
			}
			continue
		}
		if *t.Days < 0 {
			return awserr.Argument("Days", fmt.Sprint(*t.Days), "'Days' for Transition action must be nonnegative")
		}
		if err := checkInfrequent("Days", "Transition", *t.Days, *t.StorageClass); err != nil {
			return err
		}
		if e := r.Expiration; e != nil && e.Days != nil && *e.Days <= *t.Days {
			return invalid("'Days' in the Expiration action for filter '%s' must be greater than 'Days' in the Transition action", f)
		}
	}
	return nil
}

// checkInfrequent keeps objects out of the infrequent-access classes for their
// first thirty days.
func checkInfrequent(member, action string, days int32, class string) error {
	if days < infrequentDaysMin && (class == string(s3.StandardIA) || class == string(s3.OneZoneIA)) {
		return awserr.Argument(member, fmt.Sprint(days), "'%s' in %s action must be greater than or equal to %d for storageClass '%s'", member, action, infrequentDaysMin, class)
	}
	return nil
}

// checkNoncurrent checks the actions on versions that are no longer current.
// AWS keeps these, too, out of the infrequent-access classes for thirty days;
// recipes in the wild move them after seven, and that harms no one, so it is
// asked for only where AWS's strictness is.
func checkNoncurrent(ctx *Context, r *s3shapes.LifecycleRule) error {
	newer := func(n *int32) error {
		if n != nil && (*n < 1 || *n > newerVersionsMax) {
			return awserr.Argument("NewerNoncurrentVersions", fmt.Sprint(*n), "'NewerNoncurrentVersions' must be between 1 and %d", newerVersionsMax)
		}
		return nil
	}
	e := r.NoncurrentVersionExpiration
	if e != nil {
		if err := positive(*e.NoncurrentDays, "NoncurrentDays", "NoncurrentVersionExpiration"); err != nil {
			return err
		}
		if err := newer(e.NewerNoncurrentVersions); err != nil {
			return err
		}
	}
	for _, t := range r.NoncurrentVersionTransitions {
		if *t.NoncurrentDays < 0 {
			return awserr.Argument("NoncurrentDays", fmt.Sprint(*t.NoncurrentDays), "'NoncurrentDays' for NoncurrentVersionTransition action must be nonnegative")
		}
		if ctx.AWSStrict {
			if err := checkInfrequent("NoncurrentDays", "NoncurrentVersionTransition", *t.NoncurrentDays, *t.StorageClass); err != nil {
				return err
			}
		}
		if err := newer(t.NewerNoncurrentVersions); err != nil {
			return err
		}
		if e != nil && *e.NoncurrentDays <= *t.NoncurrentDays {
			return invalid("'NoncurrentDays' in the NoncurrentVersionExpiration action must be greater than 'NoncurrentDays' in the NoncurrentVersionTransition action")
		}
	}
	return nil
}
