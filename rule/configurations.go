package rule

import (
	"fmt"

	"github.com/farhold/farhold/arn"
	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/s3"
	"github.com/farhold/farhold/wire/restxml"
	s3shapes "github.com/farhold/farhold/wire/shapes/s3"
)

// What is wrong with the documents of which a bucket can have several.
var (
	ErrNoSuchConfiguration      = awserr.New("NoSuchConfiguration", 404, "The specified configuration does not exist.")
	ErrConfigurationID          = awserr.New("InvalidConfigurationId", 400, "The specified configuration ID is invalid.")
	ErrConfigurationMismatch    = awserr.New("IdMismatch", 400, "Document ID does not match the specified configuration ID.")
	ErrConfigurationDestination = awserr.New("InvalidS3DestinationBucket", 400, "Invalid bucket ARN.")
	ErrTooManyConfigurations    = awserr.New("TooManyConfigurations", 400, "You are attempting to create a new configuration but have already reached the 1,000-configuration limit.")
	ErrContinuationToken        = awserr.ErrInvalidArgument.Text("The continuation token provided is incorrect").With("ArgumentName", "continuation-token")
)

const (
	// ConfigurationsMax is how many documents of one kind a bucket can have. The
	// handler, which knows how many there are, answers ErrTooManyConfigurations.
	ConfigurationsMax = 1000
	// ConfigurationsPage is how many a page of their listing has.
	ConfigurationsPage = 100

	configurationIDMax = 64 // characters
)

func checkConfigurationID(ctx *Context) error {
	if ctx.ID == "" || len(ctx.ID) > configurationIDMax {
		return ErrConfigurationID
	}
	for i := range len(ctx.ID) {
		c := ctx.ID[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '.') {
			return ErrConfigurationID
		}
	}
	return nil
}

// configurationList says how a listing of documents looks.
type configurationList struct {
	root, element string
	write         func(w *restxml.Writer, element string, raw []byte) error
}

func listOf[T any](root, element string) configurationList {
	return configurationList{root, element, func(w *restxml.Writer, element string, raw []byte) error {
		doc := new(T)
		if err := restxml.Decode(raw, doc); err != nil {
			return err
		}
		w.Value(element, doc)
		return nil
	}}
}

var (
	analyticsList = listOf[s3shapes.AnalyticsConfiguration]("ListBucketAnalyticsConfigurationResult", "AnalyticsConfiguration")
	inventoryList = listOf[s3shapes.InventoryConfiguration]("ListInventoryConfigurationsResult", "InventoryConfiguration")
	metricsList   = listOf[s3shapes.MetricsConfiguration]("ListMetricsConfigurationsResult", "MetricsConfiguration")
	tieringList   = listOf[s3shapes.IntelligentTieringConfiguration]("ListBucketIntelligentTieringConfigurationsOutput", "IntelligentTieringConfiguration")
)

// RenderList writes a page of the listing of documents by ID: stored are the
// documents of the page in the order of their IDs, token is the continuation
// token that was asked with, next the one of the next page; both may be "".
func (d *Document) RenderList(stored [][]byte, token, next string) ([]byte, error) {
	if d.list == nil {
		return nil, fmt.Errorf("rule: %s has no listing", d.Name)
	}
	w := restxml.NewWriter(nil)
	w.OpenNS(d.list.root, restxml.Namespace)
	w.Optional("ContinuationToken", token)
	for _, raw := range stored {
		if err := d.list.write(w, d.list.element, raw); err != nil {
			return nil, err
		}
	}
	w.Bool("IsTruncated", next != "")
	w.Optional("NextContinuationToken", next)
	w.Close(d.list.root)
	return w.Bytes(), nil
}

// bucketARN checks a destination of reports.
func bucketARN(s string) error {
	if a, err := arn.Parse(s); err != nil || a.BucketName() == "" {
		return ErrConfigurationDestination
	}
	return nil
}

// checkUnion checks a filter of one member: a prefix, a tag, several in And.
func checkUnion(members int, and bool, andMembers int, prefix *string, tags []s3shapes.Tag) error {
	if members != 1 {
		return malformed("a filter has one member")
	}
	if and && andMembers+len(tags) < 2 {
		return malformed("And with fewer than two predicates")
	}
	if len(value(prefix)) > prefixMax {
		return ErrPrefixLong
	}
	list := make([]s3.Tag, len(tags))
	for i, t := range tags {
		list[i] = s3.Tag(t)
	}
	return checkFilterTags(list)
}

// oneTag is the tag of a filter as a list.
func oneTag(t *s3shapes.Tag) []s3shapes.Tag {
	if t == nil {
		return nil
	}
	return []s3shapes.Tag{*t}
}

func checkInventory(ctx *Context, raw []byte) ([]byte, error) {
	var doc s3shapes.InventoryConfiguration
	if err := restxml.Decode(raw, &doc); err != nil {
		return nil, err
	}
	if doc.Id != ctx.ID {
		return nil, ErrConfigurationMismatch
	}
	to := &doc.Destination.S3BucketDestination
	if err := bucketARN(to.Bucket); err != nil {
		return nil, err
	}
	if e := to.Encryption; e != nil && count(e.SSES3 != nil, e.SSEKMS != nil) != 1 {
		return nil, malformed("Encryption has one member")
	}
	return encode(&doc)
}

func checkAnalytics(ctx *Context, raw []byte) ([]byte, error) {
	var doc s3shapes.AnalyticsConfiguration
	if err := restxml.Decode(raw, &doc); err != nil {
		return nil, err
	}
	if doc.Id != ctx.ID {
		return nil, ErrConfigurationMismatch
	}
	if f := doc.Filter; f != nil {
		prefix, tags, inner := f.Prefix, oneTag(f.Tag), 0
		if f.And != nil {
			prefix, tags, inner = f.And.Prefix, f.And.Tags, count(f.And.Prefix != nil)
		}
		if err := checkUnion(count(f.Prefix != nil, f.Tag != nil, f.And != nil), f.And != nil, inner, prefix, tags); err != nil {
			return nil, err
		}
	}
	if e := doc.StorageClassAnalysis.DataExport; e != nil {
		if err := bucketARN(e.Destination.S3BucketDestination.Bucket); err != nil {
			return nil, err
		}
	}
	return encode(&doc)
}

func checkMetrics(ctx *Context, raw []byte) ([]byte, error) {
	var doc s3shapes.MetricsConfiguration
	if err := restxml.Decode(raw, &doc); err != nil {
		return nil, err
	}
	if doc.Id != ctx.ID {
		return nil, ErrConfigurationMismatch
	}
	if f := doc.Filter; f != nil {
		prefix, tags, inner := f.Prefix, oneTag(f.Tag), 0
		if f.And != nil {
			prefix, tags, inner = f.And.Prefix, f.And.Tags, count(f.And.Prefix != nil, f.And.AccessPointArn != nil)
		}
		if err := checkUnion(count(f.Prefix != nil, f.Tag != nil, f.AccessPointArn != nil, f.And != nil), f.And != nil, inner, prefix, tags); err != nil {
			return nil, err
		}
	}
	return encode(&doc)
}

func checkTiering(ctx *Context, raw []byte) ([]byte, error) {
	var doc s3shapes.IntelligentTieringConfiguration
	if err := restxml.Decode(raw, &doc); err != nil {
		return nil, err
	}
	if doc.Id != ctx.ID {
		return nil, ErrConfigurationMismatch
	}
	if f := doc.Filter; f != nil {
		prefix, tags, inner := f.Prefix, oneTag(f.Tag), 0
		if f.And != nil {
			prefix, tags, inner = f.And.Prefix, f.And.Tags, count(f.And.Prefix != nil)
		}
		if err := checkUnion(count(f.Prefix != nil, f.Tag != nil, f.And != nil), f.And != nil, inner, prefix, tags); err != nil {
			return nil, err
		}
	}
	met := map[string]bool{}
	for _, t := range doc.Tierings {
		least := int32(90)
		if t.AccessTier == "DEEP_ARCHIVE_ACCESS" {
			least = 180
		}
		if t.Days < least || t.Days > 730 {
			return nil, awserr.Argument("Days", fmt.Sprint(t.Days), "'Days' for %s must be between %d and 730", t.AccessTier, least)
		}
		if met[t.AccessTier] {
			return nil, malformed("tier %s twice", t.AccessTier)
		}
		met[t.AccessTier] = true
	}
	return encode(&doc)
}
