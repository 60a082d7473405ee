package rule

import (
	"strconv"
	"strings"

	"github.com/farhold/farhold/arn"
	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/s3"
	"github.com/farhold/farhold/wire/restxml"
	s3shapes "github.com/farhold/farhold/wire/shapes/s3"
)

// What is wrong with a replication configuration. Texts that name a value or a
// member are made where they are used.
var (
	ErrReplicationNotFound      = awserr.New("ReplicationConfigurationNotFoundError", 404, "The replication configuration was not found")
	ErrReplicationRole          = awserr.ErrInvalidArgument.Text("Invalid Role specified in replication configuration")
	ErrReplicationRoleID        = awserr.ErrInvalidArgument.Text("The relative id should start with role")
	ErrReplicationRoleForeign   = awserr.ErrAccessDenied.Text("Cross-account pass role is not allowed.")
	ErrReplicationUnversioned   = awserr.ErrInvalidRequest.Text("Versioning must be 'Enabled' on the bucket to apply a replication configuration")
	ErrReplicationRuleIDTwice   = awserr.ErrInvalidArgument.Text("Rule Id must be unique")
	ErrReplicationRuleIDLong    = awserr.ErrInvalidArgument.Text("Rule Id cannot be greater than 255")
	ErrReplicationRuleIDASCII   = awserr.ErrInvalidArgument.Text("Rule Id must contain only ASCII characters")
	ErrReplicationPriorityRange = awserr.ErrInvalidRequest.Text("Priority must be between 0 and 2147483647.")
	ErrReplicationTagTwice      = awserr.ErrInvalidRequest.Text("Duplicate Tag Keys are not allowed.")
	ErrReplicationTagMarkers    = awserr.ErrInvalidRequest.Text("Delete marker replication is not supported if any Tag filter is specified. Please refer to S3 Developer Guide for more information.")
	ErrReplicationSelection     = awserr.ErrInvalidRequest.Text("SourceSelectionCriteria cannot be empty.")
	ErrReplicationKeyMissing    = awserr.ErrInvalidRequest.Text("ReplicaKmsKeyID must be specified if SseKmsEncryptedObjects tag is present.")
	ErrReplicationKeyUnasked    = awserr.ErrInvalidRequest.Text("SseKmsEncryptedObjects must be specified if EncryptionConfiguration is present.")
	ErrReplicationKeyARN        = awserr.ErrInvalidArgument.Text("Invalid ReplicaKmsKeyID ARN.")
	ErrReplicationOwnerAccount  = awserr.ErrInvalidRequest.Text("Account must be specified if the Owner in AccessControlTranslation has a value")
	ErrReplicationAccount       = awserr.ErrInvalidArgument.Text("Account must be the ID of the destination bucket's owner")
	ErrReplicationTimeMetrics   = awserr.ErrInvalidRequest.Text("Replication destination must contain both ReplicationTime and Metrics or neither.")
	ErrReplicationTimeStatus    = awserr.ErrInvalidRequest.Text("ReplicationTime and Metrics must have the same Status.")
	ErrReplicationTimeMinutes   = awserr.ErrInvalidArgument.Text("Invalid time minute value")
	ErrReplicationThreshold     = awserr.ErrInvalidArgument.Text("ReplicationMetrics must contain an event threshold")
	ErrReplicationThresholdMin  = awserr.ErrInvalidArgument.Text("Invalid event threshold minute value")
	ErrReplicationThresholdRTC  = awserr.ErrInvalidArgument.Text("Metrics cannot contain an event threshold when ReplicationTime is not specified or Disabled")
	ErrReplicationBucketARN     = awserr.ErrInvalidArgument.Text("Invalid bucket ARN")
	ErrReplicationSame          = awserr.ErrInvalidRequest.Text("Destination bucket cannot be the same as the source bucket.")
	ErrReplicationNoBucket      = awserr.ErrInvalidRequest.Text("Destination bucket must exist.")
	ErrReplicationNoVersions    = awserr.ErrInvalidRequest.Text("Destination bucket must have versioning enabled.")
	ErrReplicationDestinations  = awserr.ErrInvalidRequest.Text("Number of distinct destination bucket ARNs cannot exceed 1")
	ErrReplicationRules         = awserr.ErrInvalidRequest.Text("The number of replication rules must not exceed the allowed limit of 1000 rules.")
	ErrPrefixLong               = awserr.ErrInvalidRequest.Text("The maximum size of a prefix is 1024.")
)

const (
	replicationRulesMax = 1000
	ruleIDMax           = 255  // characters
	prefixMax           = 1024 // bytes
	rtcMinutes          = 15   // the only threshold that there is
)

// generation is the sentence about members of the other version of the schema.
func generation(member, verdict string) error {
	return invalid("%s %s for this version of Cross Region Replication configuration schema. Please refer to S3 Developer Guide for more information.", member, verdict)
}

// checkReplication checks in AWS's order: schema, role, the source's
// versioning, rules, destinations. Disabled rules are checked like others.
func checkReplication(ctx *Context, raw []byte) ([]byte, error) {
	var doc s3shapes.ReplicationConfiguration
	if err := restxml.Decode(raw, &doc); err != nil {
		return nil, err
	}
	for i := range doc.Rules {
		if err := checkReplicationSchema(&doc.Rules[i]); err != nil {
			return nil, err
		}
	}
	if err := checkReplicationRole(ctx, doc.Role); err != nil {
		return nil, err
	}
	if ctx.Versioning != "Enabled" {
		return nil, ErrReplicationUnversioned
	}
	if len(doc.Rules) > replicationRulesMax {
		return nil, ErrReplicationRules
	}
	if err := checkReplicationIDs(&doc, raw); err != nil {
		return nil, err
	}
	if err := checkReplicationGenerations(&doc); err != nil {
		return nil, err
	}
	for i := range doc.Rules {
		if err := checkReplicationRule(ctx, &doc.Rules[i]); err != nil {
			return nil, err
		}
	}
	if err := checkReplicationDestinations(ctx, &doc); err != nil {
		return nil, err
	}
	return encode(&doc)
}

// checkReplicationSchema checks what the tags of the shapes can't say.
func checkReplicationSchema(r *s3shapes.ReplicationRule) error {
	if r.ExistingObjectReplication != nil {
		return malformed("ExistingObjectReplication is no longer accepted")
	}
	if r.Filter != nil && r.Prefix != nil {
		return malformed("Prefix beside Filter")
	}
	if r.Filter == nil && r.Prefix == nil {
		return malformed("neither Prefix nor Filter")
	}
	if f := r.Filter; f != nil {
		if count(f.Prefix != nil, f.Tag != nil, f.And != nil) > 1 {
			return malformed("several members of Filter")
		}
		if f.And != nil && count(f.And.Prefix != nil)+len(f.And.Tags) < 2 {
			return malformed("And with fewer than two predicates")
		}
	}
	if r.DeleteMarkerReplication != nil && r.DeleteMarkerReplication.Status == nil {
		return malformed("DeleteMarkerReplication without Status")
	}
	if c := r.Destination.StorageClass; c != nil && !s3.StorageClass(*c).Valid() {
		return malformed("storage class %q", *c)
	}
	if e := r.Destination.EncryptionConfiguration; e != nil && e.ReplicaKmsKeyID == nil &&
		(r.SourceSelectionCriteria == nil || r.SourceSelectionCriteria.SseKmsEncryptedObjects == nil) {
		return malformed("EncryptionConfiguration without ReplicaKmsKeyID")
	}
	return nil
}

func count(conditions ...bool) (n int) {
	for _, c := range conditions {
		if c {
			n++
		}
	}
	return n
}

// checkReplicationRole takes any role of the bucket's account, also one that
// does not exist: whether it has rights shows when it is used.
func checkReplicationRole(ctx *Context, role string) error {
	a, err := arn.Parse(role)
	if err != nil || a.Service != "iam" || a.Region != "" || !arn.ValidAccount(a.Account) {
		return ErrReplicationRole.With("ArgumentName", "Role").With("ArgumentValue", role)
	}
	if name, ok := strings.CutPrefix(a.Resource, "role/"); !ok || name == "" {
		return ErrReplicationRoleID.With("ArgumentName", "Role").With("ArgumentValue", role)
	}
	if a.Account != ctx.Owner {
		return ErrReplicationRoleForeign
	}
	return nil
}

// checkReplicationIDs checks the rules' IDs and makes those that are missing.
func checkReplicationIDs(doc *s3shapes.ReplicationConfiguration, raw []byte) error {
	met := map[string]bool{}
	for i := range doc.Rules {
		r := &doc.Rules[i]
		id := value(r.ID)
		if id == "" {
			continue
		}
		at := func(e *awserr.Error) error { return e.With("ArgumentName", "ID").With("ArgumentValue", id) }
		if strings.ContainsFunc(id, func(c rune) bool { return c >= 0x80 }) {
			return at(ErrReplicationRuleIDASCII)
		}
		if len(id) > ruleIDMax {
			return at(ErrReplicationRuleIDLong)
		}
		if met[id] {
			return at(ErrReplicationRuleIDTwice)
		}
		met[id] = true
	}
	for i := range doc.Rules {
		for n := i; value(doc.Rules[i].ID) == ""; n += len(doc.Rules) {
			if id := generatedID(raw, n); !met[id] {
				met[id] = true
				doc.Rules[i].ID = &id
			}
		}
	}
	return nil
}

// checkReplicationGenerations tells version 1 of the schema from version 2 and
// checks what each demands and forbids. One rule of version 1 makes the whole
// document one.
func checkReplicationGenerations(doc *s3shapes.ReplicationConfiguration) error {
	first := false
	for i := range doc.Rules {
		first = first || version1(&doc.Rules[i])
	}
	priorities := map[int32]bool{}
	for i := range doc.Rules {
		r := &doc.Rules[i]
		if first {
			switch {
			case r.DeleteMarkerReplication != nil:
				return generation("DeleteMarkerReplication", "cannot be used")
			case r.Priority != nil:
				return generation("Priority", "cannot be used")
			case r.Filter != nil:
				return generation("Filter", "cannot be used")
			case r.SourceSelectionCriteria != nil && r.SourceSelectionCriteria.ReplicaModifications != nil:
				return generation("ReplicaModifications", "cannot be used")
			}
			continue
		}
		switch {
		case r.Priority == nil:
			return generation("Priority", "must be specified")
		case r.DeleteMarkerReplication == nil:
			return generation("DeleteMarkerReplication", "must be specified")
		case *r.Priority < 0:
			return ErrReplicationPriorityRange
		case priorities[*r.Priority]:
			return invalid("Found duplicate priority %d.", *r.Priority)
		}
		priorities[*r.Priority] = true
	}
	if first {
		for i := range doc.Rules {
			if doc.Rules[i].Destination.Bucket != doc.Rules[0].Destination.Bucket {
				return ErrReplicationDestinations
			}
		}
	}
	return nil
}

// checkReplicationRule checks one rule by itself.
func checkReplicationRule(ctx *Context, r *s3shapes.ReplicationRule) error {
	tagged := newReplicationRule(r)
	if len(tagged.Prefix) > prefixMax {
		return ErrPrefixLong
	}
	if err := checkFilterTags(tagged.Tags); err != nil {
		return err
	}
	if ctx.AWSStrict && len(tagged.Tags) > 0 && tagged.Markers {
		return ErrReplicationTagMarkers
	}
	if err := checkReplicationEncryption(ctx, r); err != nil {
		return err
	}
	return checkReplicationTime(&r.Destination)
}

// checkFilterTags checks the tags of a filter.
func checkFilterTags(tags []s3.Tag) error {
	met := map[string]bool{}
	for _, t := range tags {
		if met[t.Key] {
			return ErrReplicationTagTwice
		}
		met[t.Key] = true
		if err := checkTag(t); err != nil {
			return err
		}
	}
	return nil
}

func checkReplicationEncryption(ctx *Context, r *s3shapes.ReplicationRule) error {
	c, e := r.SourceSelectionCriteria, r.Destination.EncryptionConfiguration
	if c != nil && c.SseKmsEncryptedObjects == nil && c.ReplicaModifications == nil {
		return ErrReplicationSelection
	}
	wanted := c != nil && c.SseKmsEncryptedObjects != nil
	if wanted && (e == nil || value(e.ReplicaKmsKeyID) == "") {
		return ErrReplicationKeyMissing
	}
	if e == nil {
		return nil
	}
	if !wanted && (c != nil || ctx.AWSStrict) {
		return ErrReplicationKeyUnasked
	}
	key := value(e.ReplicaKmsKeyID)
	if !keyARN(key) {
		return ErrReplicationKeyARN.With("ArgumentName", "ReplicaKmsKeyID").With("ArgumentValue", key)
	}
	return nil
}

// keyARN tells whether s is the ARN of a KMS key or of an alias of one.
func keyARN(s string) bool {
	a, err := arn.Parse(s)
	if err != nil || a.Service != "kms" || a.Region == "" || !arn.ValidAccount(a.Account) {
		return false
	}
	key, isKey := strings.CutPrefix(a.Resource, "key/")
	alias, isAlias := strings.CutPrefix(a.Resource, "alias/")
	return isKey && key != "" || isAlias && alias != ""
}

// checkReplicationTime checks Replication Time Control and the metrics that it
// needs.
func checkReplicationTime(d *s3shapes.Destination) error {
	at := func(e *awserr.Error, name string, minutes *int32) error {
		text := ""
		if minutes != nil {
			text = strconv.Itoa(int(*minutes))
		}
		return e.With("ArgumentName", name).With("ArgumentValue", text)
	}
	rtc, metrics := d.ReplicationTime, d.Metrics
	if rtc != nil {
		if metrics == nil {
			return ErrReplicationTimeMetrics
		}
		if value(rtc.Time.Minutes) != rtcMinutes {
			return at(ErrReplicationTimeMinutes, "ReplicationTime", rtc.Time.Minutes)
		}
	}
	if metrics == nil {
		return nil
	}
	threshold := metrics.EventThreshold
	if rtc == nil || rtc.Status != "Enabled" {
		if threshold != nil {
			return at(ErrReplicationThresholdRTC, "Metrics", threshold.Minutes)
		}
	} else {
		if threshold == nil {
			return ErrReplicationThreshold.With("ArgumentName", "ReplicationMetrics").With("ArgumentValue", "")
		}
		if value(threshold.Minutes) != rtcMinutes {
			return at(ErrReplicationThresholdMin, "EventThreshold", threshold.Minutes)
		}
	}
	if rtc != nil && rtc.Status != metrics.Status {
		return ErrReplicationTimeStatus
	}
	return nil
}

// checkReplicationDestinations looks at the buckets that the rules name.
func checkReplicationDestinations(ctx *Context, doc *s3shapes.ReplicationConfiguration) error {
	known := map[string]Destination{}
	for i := range doc.Rules {
		d := &doc.Rules[i].Destination
		name := ""
		if a, err := arn.Parse(d.Bucket); err == nil {
			name = a.BucketName()
		}
		if name == "" {
			return ErrReplicationBucketARN.With("ArgumentName", "Bucket").With("ArgumentValue", d.Bucket)
		}
		if name == ctx.Bucket {
			return ErrReplicationSame
		}
		to, ok := known[name]
		if !ok {
			var err error
			if to, err = ctx.destination(name); err != nil {
				return err
			}
			known[name] = to
		}
		if !to.Exists {
			return ErrReplicationNoBucket
		}
		if !to.Versioned {
			return ErrReplicationNoVersions
		}
		if d.AccessControlTranslation != nil && d.Account == nil {
			return ErrReplicationOwnerAccount
		}
		if d.Account != nil && (!arn.ValidAccount(*d.Account) || *d.Account != to.Owner) {
			return ErrReplicationAccount.With("ArgumentName", "Account").With("ArgumentValue", *d.Account)
		}
	}
	return nil
}
