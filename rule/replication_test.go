package rule

import (
	"cmp"
	"encoding/xml"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/farhold/farhold/s3"
)

const testRole = "arn:aws:iam::" + account + ":role/replication"

// conf wraps rules into a configuration.
func conf(rules ...string) string {
	return `<ReplicationConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Role>` + testRole + `</Role>` + strings.Join(rules, "") + `</ReplicationConfiguration>`
}

// v2 is a rule of the second version of the schema: more goes into the rule,
// dest into its destination.
func v2(id string, priority int, filter, more, dest string) string {
	return fmt.Sprintf(`<Rule><ID>%s</ID><Priority>%d</Priority><Status>Enabled</Status>%s<DeleteMarkerReplication><Status>Disabled</Status></DeleteMarkerReplication>%s<Destination><Bucket>arn:aws:s3:::copy</Bucket>%s</Destination></Rule>`, id, priority, filter, more, dest)
}

// v1 is a rule of the first version.
func v1(id, prefix, more, bucket string) string {
	return fmt.Sprintf(`<Rule><ID>%s</ID><Prefix>%s</Prefix><Status>Enabled</Status>%s<Destination><Bucket>arn:aws:s3:::%s</Bucket></Destination></Rule>`, id, prefix, more, bucket)
}

func TestReplicationDocument(t *testing.T) {
	const (
		kmsKey    = `<EncryptionConfiguration><ReplicaKmsKeyID>arn:aws:kms:us-west-2:123456789012:key/k</ReplicaKmsKeyID></EncryptionConfiguration>`
		kmsWanted = `<SourceSelectionCriteria><SseKmsEncryptedObjects><Status>Enabled</Status></SseKmsEncryptedObjects></SourceSelectionCriteria>`
		rtc       = `<ReplicationTime><Status>Enabled</Status><Time><Minutes>15</Minutes></Time></ReplicationTime>`
		rtcOff    = `<ReplicationTime><Status>Disabled</Status><Time><Minutes>15</Minutes></Time></ReplicationTime>`
		metrics   = `<Metrics><Status>Enabled</Status><EventThreshold><Minutes>15</Minutes></EventThreshold></Metrics>`
		guide     = " for this version of Cross Region Replication configuration schema. Please refer to S3 Developer Guide for more information."
	)
	tagFilter := `<Filter><Tag><Key>a</Key><Value>b</Value></Tag></Filter>`
	markersOn := func(rule string) string {
		return strings.Replace(rule, "<DeleteMarkerReplication><Status>Disabled", "<DeleteMarkerReplication><Status>Enabled", 1)
	}
	with := func(old, new string) string {
		return strings.Replace(conf(v2("a", 1, "<Filter/>", "", "")), old, new, 1)
	}
	strict := func(c *Context) { c.AWSStrict = true }
	many := make([]string, 1001)
	for i := range many {
		many[i] = v2(fmt.Sprint(i), i, "<Filter/>", "", "")
	}

	testDocument(t, "replication", []documentCase{
		// §1.3 of the reference, row by row.
		{name: "no rule", body: conf(), want: malformedXML},
		{name: "no role", body: with("<Role>"+testRole+"</Role>", ""), want: malformedXML},
		{name: "not well-formed", body: with("</Rule>", ""), want: malformedXML},
		{name: "unknown status", body: with("<Status>Enabled", "<Status>On"), want: malformedXML},
		{name: "no status", body: with("<Status>Enabled</Status>", ""), want: malformedXML},
		{name: "unknown owner", body: conf(v2("a", 1, "<Filter/>", "", "<Account>123456789012</Account><AccessControlTranslation><Owner>Me</Owner></AccessControlTranslation>")), want: malformedXML},
		{name: "unknown marker status", body: with("<DeleteMarkerReplication><Status>Disabled", "<DeleteMarkerReplication><Status>No"), want: malformedXML},
		{name: "empty marker replication", body: with("<DeleteMarkerReplication><Status>Disabled</Status></DeleteMarkerReplication>", "<DeleteMarkerReplication/>"), want: malformedXML},
		{name: "no destination", body: with("<Destination><Bucket>arn:aws:s3:::copy</Bucket></Destination>", ""), want: malformedXML},
		{name: "no destination bucket", body: with("<Bucket>arn:aws:s3:::copy</Bucket>", ""), want: malformedXML},
		{name: "role is no ARN", body: with(testRole, "replication"), want: "InvalidArgument 400 Invalid Role specified in replication configuration ArgumentName=Role ArgumentValue=replication"},
		{name: "role of another service", body: with(testRole, "arn:aws:s3:::copy"), want: "InvalidArgument 400 Invalid Role specified in replication configuration ArgumentName=Role"},
		{name: "role empty", body: with(testRole, ""), want: "InvalidArgument 400 Invalid Role specified in replication configuration ArgumentName=Role"},
		{name: "role is a user", body: with(":role/", ":user/"), want: "InvalidArgument 400 The relative id should start with role ArgumentName=Role"},
		{name: "role of another account", body: with(testRole, "arn:aws:iam::210987654321:role/r"), want: "AccessDenied 403 "},
		{name: "role with a path", body: with(testRole, "arn:aws:iam::123456789012:role/service-role/r")},
		{name: "source unversioned", ctx: func(c *Context) { c.Versioning = "" }, body: conf(v2("a", 1, "<Filter/>", "", "")), want: "InvalidRequest 400 Versioning must be 'Enabled' on the bucket to apply a replication configuration"},
		{name: "source suspended", ctx: func(c *Context) { c.Versioning = "Suspended" }, body: conf(v2("a", 1, "<Filter/>", "", "")), want: "InvalidRequest 400 Versioning must be 'Enabled' on the bucket to apply a replication configuration"},
		{name: "destination missing", body: with(":::copy", ":::nowhere"), want: "InvalidRequest 400 Destination bucket must exist."},
		{name: "destination unversioned", body: with(":::copy", ":::unversioned"), want: "InvalidRequest 400 Destination bucket must have versioning enabled."},
		{name: "destination unversioned in a disabled rule", body: strings.Replace(with(":::copy", ":::unversioned"), "<Status>Enabled", "<Status>Disabled", 1), want: "InvalidRequest 400 Destination bucket must have versioning enabled."},
		{name: "destination unreachable", body: with(":::copy", ":::unreachable"), want: "SlowDown 503"},
		{name: "destination is the source", body: with(":::copy", ":::source"), want: "InvalidRequest 400 Destination bucket cannot be the same as the source bucket."},
		{name: "destination no ARN", body: with("arn:aws:s3:::copy", "copy"), want: "InvalidArgument 400 Invalid bucket ARN ArgumentName=Bucket ArgumentValue=copy"},
		{name: "destination an object", body: with(":::copy", ":::copy/key"), want: "InvalidArgument 400 Invalid bucket ARN ArgumentName=Bucket"},
		{name: "destination an access point", body: with("arn:aws:s3:::copy", "arn:aws:s3:us-east-1:123456789012:accesspoint/a"), want: "InvalidArgument 400 Invalid bucket ARN ArgumentName=Bucket"},
		{name: "destination in the same region", body: with(":::copy", ":::near")},
		{name: "same ID twice", body: conf(v2("a", 1, "<Filter/>", "", ""), v2("a", 2, "<Filter/>", "", "")), want: "InvalidArgument 400 Rule Id must be unique ArgumentName=ID ArgumentValue=a"},
		{name: "ID of 256", body: conf(v2(strings.Repeat("i", 256), 1, "<Filter/>", "", "")), want: "InvalidArgument 400 Rule Id cannot be greater than 255"},
		{name: "ID of 255", body: conf(v2(strings.Repeat("i", 255), 1, "<Filter/>", "", ""))},
		{name: "ID not ASCII", body: conf(v2("é", 1, "<Filter/>", "", "")), want: "InvalidArgument 400 "},
		{name: "same priority", body: conf(v2("a", 1, "<Filter/>", "", ""), v2("b", 1, "<Filter/>", "", "")), want: "InvalidRequest 400 Found duplicate priority 1."},
		{name: "negative priority", body: conf(v2("a", -1, "<Filter/>", "", "")), want: "InvalidRequest 400 Priority must be between 0 and 2147483647."},
		{name: "priority too large", body: conf(v2("a", 1<<31, "<Filter/>", "", "")), want: malformedXML},
		{name: "filter without priority", body: with("<Priority>1</Priority>", ""), want: "InvalidRequest 400 Priority must be specified" + guide},
		{name: "filter without marker replication", body: with("<DeleteMarkerReplication><Status>Disabled</Status></DeleteMarkerReplication>", ""), want: "InvalidRequest 400 DeleteMarkerReplication must be specified" + guide},
		{name: "V1 with marker replication", body: conf(v1("a", "", "<DeleteMarkerReplication><Status>Disabled</Status></DeleteMarkerReplication>", "copy")), want: "InvalidRequest 400 DeleteMarkerReplication cannot be used" + guide},
		{name: "V1 with priority", body: conf(v1("a", "", "<Priority>1</Priority>", "copy")), want: "InvalidRequest 400 Priority cannot be used" + guide},
		{name: "V1 and V2 mixed", body: conf(v1("a", "", "", "copy"), v2("b", 1, "<Filter/>", "", "")), want: "InvalidRequest 400 DeleteMarkerReplication cannot be used" + guide},
		{name: "prefix beside filter", body: with("<Filter/>", "<Filter/><Prefix>p</Prefix>"), want: malformedXML},
		{name: "neither prefix nor filter", body: with("<Filter/>", ""), want: malformedXML},
		{name: "V1 with two destinations", body: conf(v1("a", "x", "", "copy"), v1("b", "y", "", "copy2")), want: "InvalidRequest 400 Number of distinct destination bucket ARNs cannot exceed 1"},
		{name: "filter with two members", body: with("<Filter/>", "<Filter><Prefix>p</Prefix><Tag><Key>a</Key><Value>b</Value></Tag></Filter>"), want: malformedXML},
		{name: "And of one", body: with("<Filter/>", "<Filter><And><Prefix>p</Prefix></And></Filter>"), want: malformedXML},
		{name: "And of none", body: with("<Filter/>", "<Filter><And/></Filter>"), want: malformedXML},
		{name: "tag key twice", body: with("<Filter/>", "<Filter><And><Tag><Key>a</Key><Value>b</Value></Tag><Tag><Key>a</Key><Value>c</Value></Tag></And></Filter>"), want: "InvalidRequest 400 Duplicate Tag Keys are not allowed."},
		{name: "tag filter with markers, strict", ctx: strict, body: conf(markersOn(v2("a", 1, tagFilter, "", ""))), want: "InvalidRequest 400 Delete marker replication is not supported if any Tag filter is specified. Please refer to S3 Developer Guide for more information."},
		{name: "tag filter with markers", body: conf(markersOn(v2("a", 1, tagFilter, "", "")))},
		{name: "tag filter without markers, strict", ctx: strict, body: conf(v2("a", 1, tagFilter, "", ""))},
		{name: "ExistingObjectReplication", body: conf(v2("a", 1, "<Filter/>", "<ExistingObjectReplication><Status>Enabled</Status></ExistingObjectReplication>", "")), want: malformedXML},
		{name: "empty SourceSelectionCriteria", body: conf(v2("a", 1, "<Filter/>", "<SourceSelectionCriteria/>", "")), want: "InvalidRequest 400 SourceSelectionCriteria cannot be empty."},
		{name: "ReplicaModifications in V1", body: conf(v1("a", "", "<SourceSelectionCriteria><ReplicaModifications><Status>Enabled</Status></ReplicaModifications></SourceSelectionCriteria>", "copy")), want: "InvalidRequest 400 ReplicaModifications cannot be used" + guide},
		{name: "KMS wanted without a key", body: conf(v2("a", 1, "<Filter/>", kmsWanted, "")), want: "InvalidRequest 400 ReplicaKmsKeyID must be specified if SseKmsEncryptedObjects tag is present."},
		{name: "KMS unwanted without a key", body: conf(v2("a", 1, "<Filter/>", strings.Replace(kmsWanted, "Enabled", "Disabled", 1), "")), want: "InvalidRequest 400 ReplicaKmsKeyID must be specified if SseKmsEncryptedObjects tag is present."},
		{name: "a key without KMS wanted, strict", ctx: strict, body: conf(v2("a", 1, "<Filter/>", "", kmsKey)), want: "InvalidRequest 400 SseKmsEncryptedObjects must be specified if EncryptionConfiguration is present."},
		{name: "a key without KMS wanted", body: conf(v2("a", 1, "<Filter/>", "", kmsKey))},
		{name: "a key with other criteria only", body: conf(v2("a", 1, "<Filter/>", "<SourceSelectionCriteria><ReplicaModifications><Status>Enabled</Status></ReplicaModifications></SourceSelectionCriteria>", kmsKey)), want: "InvalidRequest 400 SseKmsEncryptedObjects must be specified if EncryptionConfiguration is present."},
		{name: "a key and KMS wanted, strict", ctx: strict, body: conf(v2("a", 1, "<Filter/>", kmsWanted, kmsKey))},
		{name: "key is an alias", body: conf(v2("a", 1, "<Filter/>", kmsWanted, strings.Replace(kmsKey, "key/k", "alias/k", 1)))},
		{name: "key is no ARN", body: conf(v2("a", 1, "<Filter/>", kmsWanted, strings.Replace(kmsKey, "arn:aws:kms:us-west-2:123456789012:key/", "", 1))), want: "InvalidArgument 400 Invalid ReplicaKmsKeyID ARN. ArgumentName=ReplicaKmsKeyID ArgumentValue=k"},
		{name: "translation without account", body: conf(v2("a", 1, "<Filter/>", "", "<AccessControlTranslation><Owner>Destination</Owner></AccessControlTranslation>")), want: "InvalidRequest 400 Account must be specified if the Owner in AccessControlTranslation has a value"},
		{name: "empty account", body: conf(v2("a", 1, "<Filter/>", "", "<Account/>")), want: "InvalidArgument 400 "},
		{name: "account is not the owner", body: conf(v2("a", 1, "<Filter/>", "", "<Account>210987654321</Account>")), want: "InvalidArgument 400 "},
		{name: "own account with override", body: conf(v2("a", 1, "<Filter/>", "", "<Account>123456789012</Account><AccessControlTranslation><Owner>Destination</Owner></AccessControlTranslation>"))},
		{name: "time without metrics", body: conf(v2("a", 1, "<Filter/>", "", rtc)), want: "InvalidRequest 400 Replication destination must contain both ReplicationTime and Metrics or neither."},
		{name: "metrics without time", body: conf(v2("a", 1, "<Filter/>", "", "<Metrics><Status>Enabled</Status></Metrics>"))},
		{name: "time of 10 minutes", body: conf(v2("a", 1, "<Filter/>", "", strings.Replace(rtc, "15", "10", 1)+metrics)), want: "InvalidArgument 400 Invalid time minute value ArgumentName=ReplicationTime ArgumentValue=10"},
		{name: "time without minutes", body: conf(v2("a", 1, "<Filter/>", "", strings.Replace(rtc, "<Minutes>15</Minutes>", "", 1)+metrics)), want: "InvalidArgument 400 Invalid time minute value ArgumentName=ReplicationTime"},
		{name: "time without threshold", body: conf(v2("a", 1, "<Filter/>", "", rtc+"<Metrics><Status>Enabled</Status></Metrics>")), want: "InvalidArgument 400 ReplicationMetrics must contain an event threshold ArgumentName=ReplicationMetrics"},
		{name: "threshold of 10 minutes", body: conf(v2("a", 1, "<Filter/>", "", rtc+strings.Replace(metrics, "15", "10", 1))), want: "InvalidArgument 400 Invalid event threshold minute value"},
		{name: "threshold without time", body: conf(v2("a", 1, "<Filter/>", "", metrics)), want: "InvalidArgument 400 Metrics cannot contain an event threshold when ReplicationTime is not specified or Disabled ArgumentName=Metrics"},
		{name: "threshold with time disabled", body: conf(v2("a", 1, "<Filter/>", "", rtcOff+metrics)), want: "InvalidArgument 400 Metrics cannot contain an event threshold when ReplicationTime is not specified or Disabled"},
		{name: "time and metrics disagree", body: conf(v2("a", 1, "<Filter/>", "", rtc+strings.Replace(metrics, "Enabled", "Disabled", 1))), want: "InvalidRequest 400 "},
		{name: "time without status", body: conf(v2("a", 1, "<Filter/>", "", strings.Replace(rtc, "<Status>Enabled</Status>", "", 1)+metrics)), want: malformedXML},
		{name: "time control", body: conf(v2("a", 1, "<Filter/>", "", rtc+metrics))},
		{name: "unknown storage class", body: conf(v2("a", 1, "<Filter/>", "", "<StorageClass>COLD</StorageClass>")), want: malformedXML},
		{name: "storage class of another service", body: conf(v2("a", 1, "<Filter/>", "", "<StorageClass>FSX_OPENZFS</StorageClass>")), want: malformedXML},
		{name: "any storage class", body: conf(v2("a", 1, "<Filter/>", "", "<StorageClass>DEEP_ARCHIVE</StorageClass>"))},
		{name: "1001 rules", body: conf(many...), want: "InvalidRequest 400 "},
		{name: "1000 rules", body: conf(many[:1000]...)},
		{name: "prefix of 1025", body: with("<Filter/>", "<Filter><Prefix>"+strings.Repeat("p", 1025)+"</Prefix></Filter>"), want: "InvalidRequest 400 "},

		// What GET gives back.
		{name: "empty filter", body: conf(v2("a", 0, "<Filter/>", "", "")), get: "<Priority>0</Priority><Filter/>"},
		{name: "filter with empty prefix", body: conf(v2("a", 0, "<Filter><Prefix></Prefix></Filter>", "", "")), get: "<Filter><Prefix/></Filter>"},
		{name: "generated ID", body: strings.Replace(conf(v2("", 0, "<Filter/>", "", "")), "<ID></ID>", "", 1), get: "<ID>"},
		{name: "V1", body: conf(v1("a", "p", "", "copy")), get: "<Prefix>p</Prefix>"},
	})
}

func TestReplicationGeneratedIDs(t *testing.T) {
	one := strings.Replace(conf(v2("", 0, "<Filter/>", "", ""), v2("", 1, "<Filter/>", "", "")), "<ID></ID>", "", 2)
	stored, err := Find("replication").Check(world(), []byte(one))
	if err != nil {
		t.Fatal(err)
	}
	r, err := ParseReplication(stored)
	if err != nil || len(r.Rules) != 2 {
		t.Fatal(r, err)
	}
	if a, b := r.Rules[0].ID, r.Rules[1].ID; a == b || len(a) != 48 || len(b) != 48 {
		t.Fatalf("generated IDs %q and %q", a, b)
	}
}

func TestPlan(t *testing.T) {
	// Each rule is "id priority bucket options…".
	parse := func(rules ...string) *Replication {
		t.Helper()
		var b strings.Builder
		for _, r := range rules {
			f := strings.Fields(r)
			status, markers, kms, class, override := "Enabled", "Disabled", "", "", ""
			prefix, tags := "", ""
			for _, o := range f[3:] {
				k, v, _ := strings.Cut(o, "=")
				switch k {
				case "off":
					status = "Disabled"
				case "markers":
					markers = "Enabled"
				case "prefix":
					prefix = v
				case "tag":
					tk, tv, _ := strings.Cut(v, ":")
					tags += "<Tag><Key>" + tk + "</Key><Value>" + tv + "</Value></Tag>"
				case "kms":
					kms = "<EncryptionConfiguration><ReplicaKmsKeyID>" + v + "</ReplicaKmsKeyID></EncryptionConfiguration>"
				case "class":
					class = "<StorageClass>" + v + "</StorageClass>"
				case "owner":
					override = "<Account>" + v + "</Account><AccessControlTranslation><Owner>Destination</Owner></AccessControlTranslation>"
				default:
					t.Fatalf("option %q", o)
				}
			}
			filter := "<Prefix>" + prefix + "</Prefix>"
			if tags != "" {
				filter = "<And>" + filter + tags + "</And>"
			}
			fmt.Fprintf(&b, "<Rule><ID>%s</ID><Priority>%s</Priority><Status>%s</Status><Filter>%s</Filter><DeleteMarkerReplication><Status>%s</Status></DeleteMarkerReplication><Destination><Bucket>arn:aws:s3:::%s</Bucket>%s%s%s</Destination></Rule>", f[0], f[1], status, filter, markers, f[2], class, kms, override)
		}
		r, err := ParseReplication([]byte(conf(b.String())))
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	tagged := func(kv ...string) (tags []s3.Tag) {
		for i := 0; i < len(kv); i += 2 {
			tags = append(tags, s3.Tag{Key: kv[i], Value: kv[i+1]})
		}
		return tags
	}
	const key = "arn:aws:kms:us-west-2:123456789012:key/k"
	kms := s3.SSE{Algorithm: "aws:kms", KeyID: "source-key"}

	for _, c := range []struct {
		name  string
		rules []string
		o     Object
		want  string // rule>bucket, in the order of buckets
	}{
		{"everything", []string{"a 1 copy"}, Object{Key: "k"}, "a>copy"},
		{"prefix", []string{"a 1 copy prefix=star"}, Object{Key: "starship-x"}, "a>copy"},
		{"prefix of bytes, not of folders", []string{"a 1 copy prefix=star/"}, Object{Key: "starship-x"}, ""},
		{"other prefix", []string{"a 1 copy prefix=x"}, Object{Key: "k"}, ""},
		{"tag", []string{"a 1 copy tag=t:1"}, Object{Key: "k", Tags: tagged("u", "2", "t", "1")}, "a>copy"},
		{"tag with another value", []string{"a 1 copy tag=t:1"}, Object{Key: "k", Tags: tagged("t", "2")}, ""},
		{"tag of another case", []string{"a 1 copy tag=t:x"}, Object{Key: "k", Tags: tagged("T", "x")}, ""},
		{"no tags", []string{"a 1 copy tag=t:1"}, Object{Key: "k"}, ""},
		{"all of And", []string{"a 1 copy prefix=k tag=t:1 tag=u:2"}, Object{Key: "k", Tags: tagged("u", "2", "t", "1")}, "a>copy"},
		{"one of And missing", []string{"a 1 copy prefix=k tag=t:1 tag=u:2"}, Object{Key: "k", Tags: tagged("u", "2")}, ""},
		{"And's prefix missing", []string{"a 1 copy prefix=x tag=t:1"}, Object{Key: "k", Tags: tagged("t", "1")}, ""},
		{"highest number wins", []string{"a 1 copy", "b 2 copy"}, Object{Key: "k"}, "b>copy"},
		{"highest that matches wins", []string{"a 1 copy", "b 2 copy prefix=x"}, Object{Key: "k"}, "a>copy"},
		{"priorities are per destination", []string{"a 1 copy", "b 2 other"}, Object{Key: "k"}, "a>copy b>other"},
		{"disabled", []string{"a 1 copy", "b 2 copy off"}, Object{Key: "k"}, "a>copy"},
		{"all disabled", []string{"a 1 copy off"}, Object{Key: "k"}, ""},
		{"replica", []string{"a 1 copy"}, Object{Key: "k", Replica: true}, ""},
		{"GLACIER", []string{"a 1 copy"}, Object{Key: "k", Class: s3.Glacier}, ""},
		{"DEEP_ARCHIVE", []string{"a 1 copy"}, Object{Key: "k", Class: s3.DeepArchive}, ""},
		{"GLACIER_IR", []string{"a 1 copy"}, Object{Key: "k", Class: s3.GlacierIR}, "a>copy"},
		{"into GLACIER", []string{"a 1 copy class=GLACIER"}, Object{Key: "k"}, "a>copy/GLACIER"},
		{"SSE-S3", []string{"a 1 copy"}, Object{Key: "k", SSE: s3.SSE{Algorithm: "AES256"}}, "a>copy"},
		{"SSE-C", []string{"a 1 copy"}, Object{Key: "k", SSE: s3.SSE{Algorithm: "AES256", CustomerKeyMD5: "x"}}, "a>copy"},
		{"SSE-KMS not wanted", []string{"a 1 copy"}, Object{Key: "k", SSE: kms}, ""},
		{"SSE-KMS wanted", []string{"a 1 copy kms=" + key}, Object{Key: "k", SSE: kms}, "a>copy+" + key},
		{"DSSE is KMS", []string{"a 1 copy"}, Object{Key: "k", SSE: s3.SSE{Algorithm: "aws:kms:dsse"}}, ""},
		{"a KMS rule and an SSE-S3 object", []string{"a 1 copy kms=" + key}, Object{Key: "k"}, "a>copy"},
		{"the winner decides about KMS", []string{"a 1 copy kms=" + key, "b 2 copy"}, Object{Key: "k", SSE: kms}, ""},
		{"KMS of another destination", []string{"a 1 copy kms=" + key, "b 2 other"}, Object{Key: "k", SSE: kms}, "a>copy+" + key},
		{"owner override", []string{"a 1 copy owner=123456789012"}, Object{Key: "k"}, "a>copy@123456789012"},
		{"marker not wanted", []string{"a 1 copy"}, Object{Key: "k", Marker: true}, ""},
		{"marker wanted", []string{"a 1 copy markers"}, Object{Key: "k", Marker: true}, "a>copy"},
		{"marker has no class", []string{"a 1 copy markers class=GLACIER"}, Object{Key: "k", Marker: true}, "a>copy"},
		{"marker over an archived version", []string{"a 1 copy markers"}, Object{Key: "k", Marker: true, Hidden: &Object{Key: "k", Class: s3.Glacier}}, "a>copy"},
		{"the winner decides about markers", []string{"a 1 copy markers", "b 2 copy"}, Object{Key: "k", Marker: true}, ""},
		{"marker that is a replica", []string{"a 1 copy markers"}, Object{Key: "k", Marker: true, Replica: true}, ""},
		{"marker by tags of what it hides", []string{"a 1 copy markers tag=t:1"}, Object{Key: "k", Marker: true, Hidden: &Object{Key: "k", Tags: tagged("t", "1")}}, "a>copy"},
		{"marker by tags that do not match", []string{"a 1 copy markers tag=t:1"}, Object{Key: "k", Marker: true, Hidden: &Object{Key: "k", Tags: tagged("t", "2")}}, ""},
		{"marker by tags over nothing", []string{"a 1 copy markers tag=t:1"}, Object{Key: "k", Marker: true}, ""},
		{"marker by tags over a marker", []string{"a 1 copy markers tag=t:1"}, Object{Key: "k", Marker: true, Hidden: &Object{Key: "k", Marker: true, Tags: tagged("t", "1")}}, ""},
		{"its own tags say nothing about a marker", []string{"a 1 copy markers tag=t:1"}, Object{Key: "k", Marker: true, Tags: tagged("t", "1")}, ""},
		{"a rule with tags and without markers is silent about markers", []string{"a 1 copy markers", "b 2 copy tag=t:1"}, Object{Key: "k", Marker: true, Hidden: &Object{Key: "k", Tags: tagged("t", "1")}}, "a>copy"},
		// The recipe of the global company: two destinations for everything, and a
		// third rule of the lowest number that it calls urgent, which never wins.
		{"recipe", []string{"ToSecondary 1 dest1 markers class=STANDARD_IA", "ToTertiary 2 dest2 markers class=STANDARD_IA", "Critical 0 dest1 markers prefix=critical/ tag=Priority:High"},
			Object{Key: "critical/x", Tags: tagged("Priority", "High")}, "ToSecondary>dest1/STANDARD_IA ToTertiary>dest2/STANDARD_IA"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			for _, d := range parse(c.rules...).Plan(c.o) {
				s := d.Rule + ">" + d.Bucket
				if d.Class != "" {
					s += "/" + string(d.Class)
				}
				if d.KMSKey != "" {
					s += "+" + d.KMSKey
				}
				if d.OwnerOverride != "" {
					s += "@" + d.OwnerOverride
				}
				got = append(got, s)
			}
			if g := strings.Join(got, " "); g != c.want {
				t.Fatalf("got %q, want %q", g, c.want)
			}
		})
	}
	if d := (*Replication)(nil).Plan(Object{Key: "k"}); d != nil {
		t.Fatalf("no configuration sends to %v", d)
	}
}

func TestPlanVersion1(t *testing.T) {
	r, err := ParseReplication([]byte(conf(v1("a", "", "", "copy"), v1("b", "logs/", "", "copy"))))
	if err != nil {
		t.Fatal(err)
	}
	if d := r.Plan(Object{Key: "logs/1", Marker: true}); len(d) != 1 || d[0].Rule != "b" {
		t.Fatalf("marker: %+v", d)
	}
	if d := r.Plan(Object{Key: "x"}); len(d) != 1 || d[0].Rule != "a" {
		t.Fatalf("object: %+v", d)
	}
	if d := r.Plan(Object{Key: "x", SSE: s3.SSE{Algorithm: "aws:kms"}}); d != nil {
		t.Fatalf("SSE-KMS: %+v", d)
	}
}

// FuzzPlan makes a configuration and an object out of a seed and holds Plan
// against a reference that does what the documentation says in words.
func FuzzPlan(f *testing.F) {
	for seed := range uint64(20) {
		f.Add(seed, uint8(seed))
	}
	f.Fuzz(func(t *testing.T, seed uint64, n uint8) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		rules := randomRules(rnd, int(n%12))
		o := randomObject(rnd, true)
		plan := planOf(t, rules, o)

		if want := planInWords(rules, o); !reflect.DeepEqual(plan, want) {
			t.Fatalf("%+v\n%+v\ngot  %+v\nwant %+v", rules, o, plan, want)
		}
		met := map[string]bool{}
		for _, d := range plan {
			if met[d.Bucket] {
				t.Fatalf("two winners for %s", d.Bucket)
			}
			met[d.Bucket] = true
		}
		shuffled := slices.Clone(rules)
		rnd.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		if got := planOf(t, shuffled, o); !reflect.DeepEqual(plan, got) {
			t.Fatalf("another order gives %+v, not %+v", got, plan)
		}
		enabled := slices.DeleteFunc(slices.Clone(rules), func(r fuzzRule) bool { return !r.enabled })
		if got := planOf(t, enabled, o); !reflect.DeepEqual(plan, got) {
			t.Fatalf("without disabled rules the plan is %+v, not %+v", got, plan)
		}
		o.Replica = true
		if got := planOf(t, rules, o); got != nil {
			t.Fatalf("a replica goes to %+v", got)
		}
	})
}

type fuzzRule struct {
	id, bucket, prefix, class     string
	priority                      int
	enabled, markers, kms, second bool
	tags                          []s3.Tag
}

func randomRules(rnd *rand.Rand, n int) []fuzzRule {
	first := rnd.IntN(4) == 0
	rules := make([]fuzzRule, n)
	priorities := rnd.Perm(n)
	for i := range rules {
		r := &rules[i]
		r.id, r.priority = fmt.Sprint("rule", i), priorities[i]
		r.bucket = []string{"one", "two", "three"}[rnd.IntN(3)]
		r.prefix = []string{"", "a", "a/", "b"}[rnd.IntN(4)]
		r.class = []string{"", "STANDARD_IA", "GLACIER"}[rnd.IntN(3)]
		r.enabled, r.kms = rnd.IntN(4) > 0, rnd.IntN(2) == 0
		if first {
			r.bucket, r.markers, r.priority = "one", true, 0
			continue
		}
		r.second, r.markers = true, rnd.IntN(2) == 0
		r.tags = randomTags(rnd)
	}
	return rules
}

func randomTags(rnd *rand.Rand) (tags []s3.Tag) {
	for _, k := range []string{"t", "u"} {
		if v := rnd.IntN(4); v < 2 {
			tags = append(tags, s3.Tag{Key: k, Value: fmt.Sprint(v)})
		}
	}
	return tags
}

func randomObject(rnd *rand.Rand, hide bool) Object {
	o := Object{Key: []string{"a", "a/x", "b", "c"}[rnd.IntN(4)], Tags: randomTags(rnd)}
	o.Class = []s3.StorageClass{"", s3.Standard, s3.Glacier, s3.DeepArchive}[rnd.IntN(4)]
	o.SSE.Algorithm = []string{"", "AES256", "aws:kms", "aws:kms:dsse"}[rnd.IntN(4)]
	if o.Marker = rnd.IntN(2) == 0; o.Marker {
		o.Class, o.SSE.Algorithm, o.Tags = "", "", nil
		if hide && rnd.IntN(3) > 0 {
			h := randomObject(rnd, false)
			h.Key = o.Key
			o.Hidden = &h
		}
	}
	return o
}

func planOf(t *testing.T, rules []fuzzRule, o Object) []Decision {
	t.Helper()
	var b strings.Builder
	for _, r := range rules {
		status, markers := "Disabled", "Disabled"
		if r.enabled {
			status = "Enabled"
		}
		if r.markers {
			markers = "Enabled"
		}
		fmt.Fprintf(&b, "<Rule><ID>%s</ID><Status>%s</Status>", r.id, status)
		if r.second {
			fmt.Fprintf(&b, "<Priority>%d</Priority><DeleteMarkerReplication><Status>%s</Status></DeleteMarkerReplication><Filter><And><Prefix>%s</Prefix>", r.priority, markers, r.prefix)
			for _, tag := range r.tags {
				tag, _ := xml.Marshal(tag)
				b.Write(tag)
			}
			b.WriteString("</And></Filter>")
		} else {
			fmt.Fprintf(&b, "<Prefix>%s</Prefix>", r.prefix)
		}
		if r.kms {
			b.WriteString("<SourceSelectionCriteria><SseKmsEncryptedObjects><Status>Enabled</Status></SseKmsEncryptedObjects></SourceSelectionCriteria>")
		}
		fmt.Fprintf(&b, "<Destination><Bucket>arn:aws:s3:::%s</Bucket>", r.bucket)
		if r.class != "" {
			fmt.Fprintf(&b, "<StorageClass>%s</StorageClass>", r.class)
		}
		if r.kms {
			fmt.Fprintf(&b, "<EncryptionConfiguration><ReplicaKmsKeyID>%s</ReplicaKmsKeyID></EncryptionConfiguration>", r.id)
		}
		b.WriteString("</Destination></Rule>")
	}
	if len(rules) == 0 {
		return (&Replication{}).Plan(o)
	}
	r, err := ParseReplication([]byte(conf(b.String())))
	if err != nil {
		t.Fatalf("%v: %s", err, b.String())
	}
	return r.Plan(o)
}

// planInWords decides one destination at a time, with nothing prepared.
func planInWords(rules []fuzzRule, o Object) (plan []Decision) {
	if o.Replica || !o.Marker && (o.Class == s3.Glacier || o.Class == s3.DeepArchive) {
		return nil
	}
	kms := strings.HasPrefix(o.SSE.Algorithm, "aws:kms")
	for _, bucket := range []string{"one", "three", "two"} {
		var winner *fuzzRule
		for i := range rules {
			r := &rules[i]
			if !r.enabled || r.bucket != bucket || !strings.HasPrefix(o.Key, r.prefix) {
				continue
			}
			tags := o.Tags
			if o.Marker && len(r.tags) > 0 {
				if !r.markers || o.Hidden == nil || o.Hidden.Marker {
					continue
				}
				tags = o.Hidden.Tags
			}
			if slices.ContainsFunc(r.tags, func(t s3.Tag) bool { return !slices.Contains(tags, t) }) {
				continue
			}
			if winner == nil || cmp.Or(cmp.Compare(r.priority, winner.priority), cmp.Compare(len(r.prefix), len(winner.prefix)), cmp.Compare(winner.id, r.id)) > 0 {
				winner = r
			}
		}
		if winner == nil || o.Marker && !winner.markers || kms && !winner.kms {
			continue
		}
		d := Decision{Rule: winner.id, Bucket: bucket, Priority: winner.priority}
		if !o.Marker {
			d.Class = s3.StorageClass(winner.class)
		}
		if kms {
			d.KMSKey = winner.id
		}
		plan = append(plan, d)
	}
	return plan
}

func BenchmarkPlan(b *testing.B) {
	rnd := rand.New(rand.NewPCG(1, 1))
	var rules []string
	for i := range 1000 {
		rules = append(rules, v2(fmt.Sprint(i), i, fmt.Sprintf("<Filter><Prefix>folder%d/</Prefix></Filter>", i), "", ""))
	}
	r, err := ParseReplication([]byte(conf(rules...)))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if len(r.Plan(Object{Key: fmt.Sprintf("folder%d/x", rnd.IntN(1000))})) != 1 {
			b.Fatal("no plan")
		}
	}
}
