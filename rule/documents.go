package rule

import (
	"fmt"

	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/s3"
)

// Document is a row of the table of bucket documents: everything that the one
// handler behind them must know about it.
type Document struct {
	// Name is the sub-resource, as in PUT /bucket?name, and the store's name.
	Name string
	// ByID says that a bucket can have several, told apart by ?id=.
	ByID bool
	// JSON says that the document is JSON and not XML.
	JSON bool
	// IAM actions of the operations; "" where there is no such operation.
	Get, Put, Delete, List string
	// PutStatus is the HTTP status of a successful PUT; DELETE answers 204.
	PutStatus int
	// MaxBytes is the longest body of a PUT.
	MaxBytes int64
	// Unset is the error of GET when there is no document and no default.
	Unset *awserr.Error
	// Enforced says that Farhold acts as the document says. What is not enforced
	// is stored and returned alone. Note says more.
	Enforced bool
	Note     string
	// NotServed says why all operations answer NotImplemented; "" when served.
	NotServed string

	check   func(ctx *Context, raw []byte) ([]byte, error)
	unset   func(ctx *Context) ([]byte, error)                // the default of GET
	answer  func(ctx *Context, stored []byte) ([]byte, error) // GET, where it differs from what is stored
	remove  func() ([]byte, error)                            // what DELETE stores, where that is something
	headers func(ctx *Context, stored []byte) ([]s3.Header, error)
	list    *configurationList
}

const (
	kib = 1 << 10
	mib = 1 << 20
)

// Documents is the table of all bucket documents of the S3 model, by name.
// bucket ACLs, which come by header too, have functions of their own; location
// and policyStatus are answers without a document. It is not to be changed.
var Documents = []Document{
	{Name: "abac", Get: "s3:GetBucketAbac", Put: "s3:PutBucketAbac", PutStatus: 200, MaxBytes: 64 * kib,
		Note:  "Tags of the bucket are not used in access decisions.",
		check: checkABAC, unset: defaultABAC},
	{Name: "accelerate", Get: "s3:GetAccelerateConfiguration", Put: "s3:PutAccelerateConfiguration", PutStatus: 200, MaxBytes: 64 * kib,
		Note:  "There is no acceleration endpoint.",
		check: checkAccelerate, unset: defaultAccelerate},
	{Name: "analytics", ByID: true, Get: "s3:GetAnalyticsConfiguration", Put: "s3:PutAnalyticsConfiguration", Delete: "s3:PutAnalyticsConfiguration",
		List: "s3:GetAnalyticsConfiguration", PutStatus: 204, MaxBytes: 64 * kib, Unset: ErrNoSuchConfiguration,
		Note:  "No analysis is made or exported.",
		check: checkAnalytics, list: &analyticsList},
	{Name: "cors", Get: "s3:GetBucketCORS", Put: "s3:PutBucketCORS", Delete: "s3:PutBucketCORS", PutStatus: 200, MaxBytes: 64 * kib,
		Unset: ErrCORSNotFound, Enforced: true,
		Note:  "Preflight requests and the headers of actual ones.",
		check: checkCORS},
	{Name: "encryption", Get: "s3:GetEncryptionConfiguration", Put: "s3:PutEncryptionConfiguration", Delete: "s3:PutEncryptionConfiguration",
		PutStatus: 200, MaxBytes: 64 * kib, Enforced: true,
		Note:  "SSE-C is blocked until BlockedEncryptionTypes says NONE; what a document leaves out stays as it was.",
		check: checkEncryption, unset: defaultEncryption},
	{Name: "intelligent-tiering", ByID: true, Get: "s3:GetIntelligentTieringConfiguration", Put: "s3:PutIntelligentTieringConfiguration",
		Delete: "s3:PutIntelligentTieringConfiguration", List: "s3:GetIntelligentTieringConfiguration", PutStatus: 204, MaxBytes: 64 * kib,
		Unset: ErrNoSuchConfiguration,
		Note:  "Objects stay in the frequent tier.",
		check: checkTiering, list: &tieringList},
	{Name: "inventory", ByID: true, Get: "s3:GetInventoryConfiguration", Put: "s3:PutInventoryConfiguration", Delete: "s3:PutInventoryConfiguration",
		List: "s3:GetInventoryConfiguration", PutStatus: 204, MaxBytes: 64 * kib, Unset: ErrNoSuchConfiguration,
		Note:  "No inventory is written.",
		check: checkInventory, list: &inventoryList},
	{Name: "lifecycle", Get: "s3:GetLifecycleConfiguration", Put: "s3:PutLifecycleConfiguration", Delete: "s3:PutLifecycleConfiguration",
		PutStatus: 200, MaxBytes: 2 * mib, Unset: ErrLifecycleNotFound,
		Note:  "Nothing expires, moves or is aborted; x-amz-expiration is not sent.",
		check: checkLifecycle, answer: answerLifecycle, headers: lifecycleHeaders},
	{Name: "logging", Get: "s3:GetBucketLogging", Put: "s3:PutBucketLogging", PutStatus: 200, MaxBytes: 64 * kib,
		Note:  "No access log is delivered.",
		check: checkLogging, unset: defaultLogging},
	{Name: "metadataAnnotationTable", Put: "s3:UpdateBucketMetadataAnnotationTableConfiguration", NotServed: noMetadata},
	{Name: "metadataConfiguration", Get: "s3:GetBucketMetadataTableConfiguration", Put: "s3:CreateBucketMetadataTableConfiguration",
		Delete: "s3:DeleteBucketMetadataTableConfiguration", NotServed: noMetadata},
	{Name: "metadataInventoryTable", Put: "s3:UpdateBucketMetadataInventoryTableConfiguration", NotServed: noMetadata},
	{Name: "metadataJournalTable", Put: "s3:UpdateBucketMetadataJournalTableConfiguration", NotServed: noMetadata},
	{Name: "metadataTable", Get: "s3:GetBucketMetadataTableConfiguration", Put: "s3:CreateBucketMetadataTableConfiguration",
		Delete: "s3:DeleteBucketMetadataTableConfiguration", NotServed: noMetadata},
	{Name: "metrics", ByID: true, Get: "s3:GetMetricsConfiguration", Put: "s3:PutMetricsConfiguration", Delete: "s3:PutMetricsConfiguration",
		List: "s3:GetMetricsConfiguration", PutStatus: 204, MaxBytes: 64 * kib, Unset: ErrNoSuchConfiguration,
		Note:  "No request metrics are published.",
		check: checkMetrics, list: &metricsList},
	{Name: "notification", Get: "s3:GetBucketNotification", Put: "s3:PutBucketNotification", PutStatus: 200, MaxBytes: 1 * mib,
		Note:  "No event is delivered, and no test message is sent to the destinations.",
		check: checkNotification, unset: defaultNotification},
	{Name: "object-lock", Get: "s3:GetBucketObjectLockConfiguration", Put: "s3:PutBucketObjectLockConfiguration", PutStatus: 200, MaxBytes: 64 * kib,
		Unset: ErrObjectLockNotFound, Enforced: true,
		Note:  "Default retention, retention and legal holds; event holds answer NotImplemented.",
		check: checkObjectLock, unset: objectLockNow},
	{Name: "ownershipControls", Get: "s3:GetBucketOwnershipControls", Put: "s3:PutBucketOwnershipControls", Delete: "s3:PutBucketOwnershipControls",
		PutStatus: 200, MaxBytes: 64 * kib, Unset: ErrOwnershipNotFound, Enforced: true,
		Note:  "Whether ACLs count, and whose an object is that another account wrote.",
		check: checkOwnership, unset: ownershipNow},
	{Name: "policy", JSON: true, Get: "s3:GetBucketPolicy", Put: "s3:PutBucketPolicy", Delete: "s3:DeleteBucketPolicy", PutStatus: 204,
		MaxBytes: 64 * kib, Unset: ErrPolicyNotFound, Enforced: true,
		Note:  "Weighed with every request for the bucket and its objects.",
		check: checkPolicy, answer: answerPolicy},
	{Name: "publicAccessBlock", Get: "s3:GetBucketPublicAccessBlock", Put: "s3:PutBucketPublicAccessBlock", Delete: "s3:PutBucketPublicAccessBlock",
		PutStatus: 200, MaxBytes: 64 * kib, Unset: ErrPublicAccessBlockNotFound, Enforced: true,
		Note:  "All four settings, together with those of the account.",
		check: checkPublicAccessBlock, unset: defaultPublicAccessBlock, answer: answerPublicAccessBlock, remove: removePublicAccessBlock},
	{Name: "replication", Get: "s3:GetReplicationConfiguration", Put: "s3:PutReplicationConfiguration", Delete: "s3:PutReplicationConfiguration",
		PutStatus: 200, MaxBytes: 2 * mib, Unset: ErrReplicationNotFound, Enforced: true,
		Note:  "Metrics, time control and ReplicaModifications are stored alone.",
		check: checkReplication},
	{Name: "requestPayment", Get: "s3:GetBucketRequestPayment", Put: "s3:PutBucketRequestPayment", PutStatus: 200, MaxBytes: 64 * kib,
		Note:  "Nobody is charged; x-amz-request-payer is not demanded.",
		check: checkRequestPayment, unset: defaultRequestPayment},
	{Name: "tagging", Get: "s3:GetBucketTagging", Put: "s3:PutBucketTagging", Delete: "s3:PutBucketTagging", PutStatus: 204, MaxBytes: 64 * kib,
		Unset: ErrNoSuchTagSet, Enforced: true,
		Note:  "Tags of a bucket have no effect beyond being there.",
		check: checkBucketTagging, answer: answerBucketTagging},
	{Name: "versioning", Get: "s3:GetBucketVersioning", Put: "s3:PutBucketVersioning", PutStatus: 200, MaxBytes: 64 * kib, Enforced: true,
		Note:  "MFA delete answers NotImplemented.",
		check: checkVersioning, unset: versioningNow},
	{Name: "website", Get: "s3:GetBucketWebsite", Put: "s3:PutBucketWebsite", Delete: "s3:DeleteBucketWebsite", PutStatus: 200, MaxBytes: 256 * kib,
		Unset: ErrWebsiteNotFound,
		Note:  "There is no website endpoint.",
		check: checkWebsite},
}

const noMetadata = "S3 Metadata tables live in Amazon S3 Tables, which is another service."

// Find gives the row of a sub-resource, or nil.
func Find(name string) *Document {
	for i := range Documents {
		if Documents[i].Name == name {
			return &Documents[i]
		}
	}
	return nil
}

// Check parses the body of a PUT strictly, checks it as AWS does and gives
// what is to be stored, or AWS's error.
func (d *Document) Check(ctx Context, raw []byte) (canonical []byte, err error) {
	if err := d.served(); err != nil {
		return nil, err
	}
	if d.ByID {
		if err := checkConfigurationID(&ctx); err != nil {
			return nil, err
		}
	}
	if int64(len(raw)) > d.MaxBytes {
		return nil, ErrMaxMessageLength.With("MaxMessageLengthBytes", fmt.Sprint(d.MaxBytes))
	}
	if raw == nil {
		raw = []byte{}
	}
	return d.check(&ctx, raw)
}

// ErrMaxMessageLength is answered to a body that is longer than MaxBytes.
var ErrMaxMessageLength = awserr.New("MaxMessageLengthExceeded", 400, "Your request was too large.")

// Answer gives the body of GET for what is stored, which is nil when nothing
// is, and the headers that go with it.
func (d *Document) Answer(ctx Context, stored []byte) (body []byte, headers []s3.Header, err error) {
	if err := d.served(); err != nil {
		return nil, nil, err
	}
	switch {
	case stored == nil && d.unset != nil:
		body, err = d.unset(&ctx)
	case stored == nil:
		err = d.Unset
	case d.answer != nil:
		body, err = d.answer(&ctx, stored)
	default:
		body = stored
	}
	if err != nil {
		if e := awserr.From(err); e != nil && d.Unset != nil && e.Code == d.Unset.Code && !d.ByID {
			err = e.With("BucketName", ctx.Bucket)
		}
		return nil, nil, err
	}
	headers, err = d.Headers(ctx, stored)
	return body, headers, err
}

// Headers gives the headers that the answers to PUT and GET carry for what is
// stored.
func (d *Document) Headers(ctx Context, stored []byte) ([]s3.Header, error) {
	if d.headers == nil {
		return nil, nil
	}
	return d.headers(&ctx, stored)
}

// Remove gives what is to be stored after DELETE: nil for nothing, which is so
// for all documents but those whose absence after a DELETE differs from never
// having been there.
func (d *Document) Remove() (next []byte, err error) {
	if err := d.served(); err != nil {
		return nil, err
	}
	if d.remove == nil {
		return nil, nil
	}
	return d.remove()
}

func (d *Document) served() error {
	if d.NotServed != "" {
		return awserr.ErrNotImplemented.Text("%s", d.NotServed)
	}
	return nil
}

func objectLockNow(ctx *Context) ([]byte, error) {
	if !ctx.ObjectLock {
		return nil, ErrObjectLockNotFound
	}
	return objectLockEnabled()
}

func defaultPublicAccessBlock(*Context) ([]byte, error) {
	return PublicAccessBlock{true, true, true, true}.document()
}
