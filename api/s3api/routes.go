package s3api

import (
	"net/http"
)

// Level is what a route's path names.
type Level uint8

// Levels.
const (
	LevelService Level = iota // /
	LevelBucket               // /bucket
	LevelObject               // /bucket/key
)

// String gives the level as AWS's ResourceType has it.
func (l Level) String() string {
	switch l {
	case LevelService:
		return "SERVICE"
	case LevelBucket:
		return "BUCKET"
	}
	return "OBJECT"
}

// bodyKind says what a route expects behind its headers.
type bodyKind uint8

const (
	bodyNone     bodyKind = iota // nothing; what comes is dropped
	bodyDocument                 // a bounded document: Request.Document reads it
	bodyStream                   // an object's bytes: Request.Body
)

type handler func(d *Door, rq *Request) error

// Route is a row of the table: which requests it takes, what it is called and
// what it asks of the caller.
type Route struct {
	Op     string // the operation's name in the S3 model
	Method string
	Level  Level
	Sub    string   // the sub-resource: a query parameter that must be there; "" for none
	Need   []string // query parameters that must be there besides
	Header string   // a request header that must be there, in canonical form
	Params []string // further query parameters that the operation knows
	Action string   // the IAM action that a caller needs
	// Versioned is the action instead where the request names a version; empty
	// where it is the same.
	Versioned string
	// Also is a further action that is needed, and AlsoVersioned the one that
	// is instead where the request names a version.
	Also, AlsoVersioned string
	Body                bodyKind
	// Form says that a browser's form may carry the credentials in its body.
	// Until the handler has read them, the caller is nobody.
	Form bool
	// Handler serves the route. It is nil for operations that are known and
	// not served: they answer NotImplemented, and Why says why.
	Handler handler
	Why     string
}

// action is what a caller needs for a request with this query.
func (r *Route) action(q Query) string {
	if r.Versioned != "" && q.Has("versionId") {
		return r.Versioned
	}
	return r.Action
}

func (r *Route) also(q Query) string {
	if r.AlsoVersioned != "" && q.Has("versionId") {
		return r.AlsoVersioned
	}
	return r.Also
}

// routes is the table, in the order in which rows of the same method, level
// and sub-resource are tried.
func routes() []Route {
	const (
		get  = http.MethodGet
		head = http.MethodHead
		put  = http.MethodPut
		post = http.MethodPost
		del  = http.MethodDelete
	)
	responses := []string{"versionId", "partNumber", "response-cache-control", "response-content-disposition", "response-content-encoding",
		"response-content-language", "response-content-type", "response-expires"}
	listing := []string{"prefix", "delimiter", "marker", "max-keys", "encoding-type"}
	listingV2 := []string{"prefix", "delimiter", "start-after", "continuation-token", "max-keys", "encoding-type", "fetch-owner"}
	versions := []string{"prefix", "delimiter", "key-marker", "version-id-marker", "max-keys", "encoding-type"}
	uploads := []string{"prefix", "delimiter", "key-marker", "upload-id-marker", "max-uploads", "encoding-type"}
	version := []string{"versionId"}

	rows := []Route{
		// Objects. GetObject and PutObject stand first: they are asked most.
		{Op: "GetObject", Method: get, Level: LevelObject, Params: responses, Action: "s3:GetObject", Versioned: "s3:GetObjectVersion", Handler: getObject},
		{Op: "HeadObject", Method: head, Level: LevelObject, Params: responses, Action: "s3:GetObject", Versioned: "s3:GetObjectVersion", Handler: headObject},
		{Op: "CopyObject", Method: put, Level: LevelObject, Header: "X-Amz-Copy-Source", Action: "s3:PutObject", Handler: copyObject},
		{Op: "PutObject", Method: put, Level: LevelObject, Action: "s3:PutObject", Body: bodyStream, Handler: putObject},
		{Op: "DeleteObject", Method: del, Level: LevelObject, Params: version, Action: "s3:DeleteObject", Versioned: "s3:DeleteObjectVersion", Handler: deleteObject},
		{Op: "GetObjectAttributes", Method: get, Level: LevelObject, Sub: "attributes", Params: version, Action: "s3:GetObject", Versioned: "s3:GetObjectVersion",
			Also: "s3:GetObjectAttributes", AlsoVersioned: "s3:GetObjectVersionAttributes", Handler: getObjectAttributes},
		{Op: "GetObjectTagging", Method: get, Level: LevelObject, Sub: "tagging", Params: version, Action: "s3:GetObjectTagging", Versioned: "s3:GetObjectVersionTagging", Handler: getObjectTagging},
		{Op: "PutObjectTagging", Method: put, Level: LevelObject, Sub: "tagging", Params: version, Action: "s3:PutObjectTagging", Versioned: "s3:PutObjectVersionTagging", Body: bodyDocument, Handler: putObjectTagging},
		{Op: "DeleteObjectTagging", Method: del, Level: LevelObject, Sub: "tagging", Params: version, Action: "s3:DeleteObjectTagging", Versioned: "s3:DeleteObjectVersionTagging", Handler: deleteObjectTagging},
		{Op: "GetObjectRetention", Method: get, Level: LevelObject, Sub: "retention", Params: version, Action: "s3:GetObjectRetention", Handler: getObjectRetention},
		{Op: "PutObjectRetention", Method: put, Level: LevelObject, Sub: "retention", Params: version, Action: "s3:PutObjectRetention", Body: bodyDocument, Handler: putObjectRetention},
		{Op: "GetObjectLegalHold", Method: get, Level: LevelObject, Sub: "legal-hold", Params: version, Action: "s3:GetObjectLegalHold", Handler: getObjectLegalHold},
		{Op: "PutObjectLegalHold", Method: put, Level: LevelObject, Sub: "legal-hold", Params: version, Action: "s3:PutObjectLegalHold", Body: bodyDocument, Handler: putObjectLegalHold},
		{Op: "GetObjectAcl", Method: get, Level: LevelObject, Sub: "acl", Params: version, Action: "s3:GetObjectAcl", Versioned: "s3:GetObjectVersionAcl", Handler: getObjectACL},
		{Op: "PutObjectAcl", Method: put, Level: LevelObject, Sub: "acl", Params: version, Action: "s3:PutObjectAcl", Versioned: "s3:PutObjectVersionAcl", Body: bodyDocument, Handler: putObjectACL},

		// Multipart uploads.
		{Op: "CreateMultipartUpload", Method: post, Level: LevelObject, Sub: "uploads", Action: "s3:PutObject", Handler: createMultipartUpload},
		{Op: "UploadPartCopy", Method: put, Level: LevelObject, Sub: "uploadId", Need: []string{"partNumber"}, Header: "X-Amz-Copy-Source", Action: "s3:PutObject", Handler: uploadPartCopy},
		{Op: "UploadPart", Method: put, Level: LevelObject, Sub: "uploadId", Need: []string{"partNumber"}, Action: "s3:PutObject", Body: bodyStream, Handler: uploadPart},
		{Op: "ListParts", Method: get, Level: LevelObject, Sub: "uploadId", Params: []string{"max-parts", "part-number-marker", "encoding-type"}, Action: "s3:ListMultipartUploadParts", Handler: listParts},
		{Op: "CompleteMultipartUpload", Method: post, Level: LevelObject, Sub: "uploadId", Action: "s3:PutObject", Body: bodyDocument, Handler: completeMultipartUpload},
		{Op: "AbortMultipartUpload", Method: del, Level: LevelObject, Sub: "uploadId", Action: "s3:AbortMultipartUpload", Handler: abortMultipartUpload},

		// Listings of a bucket.
		{Op: "ListObjects", Method: get, Level: LevelBucket, Params: listing, Action: "s3:ListBucket", Handler: listObjects},
		{Op: "ListObjectsV2", Method: get, Level: LevelBucket, Sub: "list-type", Params: listingV2, Action: "s3:ListBucket", Handler: listObjectsV2},
		{Op: "ListObjectVersions", Method: get, Level: LevelBucket, Sub: "versions", Params: versions, Action: "s3:ListBucketVersions", Handler: listObjectVersions},
		{Op: "ListMultipartUploads", Method: get, Level: LevelBucket, Sub: "uploads", Params: uploads, Action: "s3:ListBucketMultipartUploads", Handler: listMultipartUploads},
		{Op: "DeleteObjects", Method: post, Level: LevelBucket, Sub: "delete", Action: "s3:DeleteObject", Body: bodyDocument, Handler: deleteObjects},

		// Buckets.
		{Op: "ListBuckets", Method: get, Level: LevelService, Params: []string{"max-buckets", "continuation-token", "prefix", "bucket-region"}, Action: "s3:ListAllMyBuckets", Handler: listBuckets},
		{Op: opCreateBucket, Method: put, Level: LevelBucket, Action: "s3:CreateBucket", Body: bodyDocument, Handler: createBucket},
		{Op: "HeadBucket", Method: head, Level: LevelBucket, Action: "s3:ListBucket", Handler: headBucket},
		{Op: "DeleteBucket", Method: del, Level: LevelBucket, Action: "s3:DeleteBucket", Handler: deleteBucket},
		{Op: opBucketLocation, Method: get, Level: LevelBucket, Sub: "location", Action: "s3:GetBucketLocation", Handler: getBucketLocation},
		{Op: "GetBucketAcl", Method: get, Level: LevelBucket, Sub: "acl", Action: "s3:GetBucketAcl", Handler: getBucketACL},
		{Op: "PutBucketAcl", Method: put, Level: LevelBucket, Sub: "acl", Action: "s3:PutBucketAcl", Body: bodyDocument, Handler: putBucketACL},
		{Op: "GetBucketPolicyStatus", Method: get, Level: LevelBucket, Sub: "policyStatus", Action: "s3:GetBucketPolicyStatus", Handler: getBucketPolicyStatus},
		{Op: "PostObject", Method: post, Level: LevelBucket, Action: "s3:PutObject", Body: bodyStream, Form: true, Handler: postObject},
	}
	rows = append(rows, documentRoutes()...)
	return append(rows, unservedRoutes()...)
}
