package s3api

import "net/http"

// Reasons why operations are not served.
const (
	whyDirectory   = "directory buckets are not served"
	whyMetadata    = "S3 Metadata tables are not served"
	whyAnnotations = "object annotations are not served"
	whyKMS         = "copying an object onto itself changes its encryption"
	whyRestore     = "objects of every storage class are readable at once, so there is nothing to restore"
	whySelect      = "S3 Select is closed to new customers on AWS as well"
	whyTorrent     = "AWS has given BitTorrent up"
)

// unservedRoutes are the operations of the S3 model that are known by their
// request line and not served. They answer NotImplemented to those who would be
// allowed to use them, and never act as their parent would.
func unservedRoutes() []Route {
	rows := []Route{
		{Op: "CreateSession", Method: http.MethodGet, Level: LevelBucket, Sub: "session", Action: "s3express:CreateSession", Why: whyDirectory},
		{Op: "RenameObject", Method: http.MethodPut, Level: LevelObject, Sub: "renameObject", Action: "s3:PutObject", Why: whyDirectory},

		{Op: "CreateBucketMetadataConfiguration", Method: http.MethodPost, Level: LevelBucket, Sub: "metadataConfiguration", Action: "s3:CreateBucketMetadataTableConfiguration", Why: whyMetadata},
		{Op: "GetBucketMetadataConfiguration", Method: http.MethodGet, Level: LevelBucket, Sub: "metadataConfiguration", Action: "s3:GetBucketMetadataTableConfiguration", Why: whyMetadata},
		{Op: "DeleteBucketMetadataConfiguration", Method: http.MethodDelete, Level: LevelBucket, Sub: "metadataConfiguration", Action: "s3:DeleteBucketMetadataTableConfiguration", Why: whyMetadata},
		{Op: "CreateBucketMetadataTableConfiguration", Method: http.MethodPost, Level: LevelBucket, Sub: "metadataTable", Action: "s3:CreateBucketMetadataTableConfiguration", Why: whyMetadata},
		{Op: "GetBucketMetadataTableConfiguration", Method: http.MethodGet, Level: LevelBucket, Sub: "metadataTable", Action: "s3:GetBucketMetadataTableConfiguration", Why: whyMetadata},
		{Op: "DeleteBucketMetadataTableConfiguration", Method: http.MethodDelete, Level: LevelBucket, Sub: "metadataTable", Action: "s3:DeleteBucketMetadataTableConfiguration", Why: whyMetadata},
		{Op: "UpdateBucketMetadataAnnotationTableConfiguration", Method: http.MethodPut, Level: LevelBucket, Sub: "metadataAnnotationTable", Action: "s3:UpdateBucketMetadataAnnotationTableConfiguration", Why: whyMetadata},
		{Op: "UpdateBucketMetadataInventoryTableConfiguration", Method: http.MethodPut, Level: LevelBucket, Sub: "metadataInventoryTable", Action: "s3:UpdateBucketMetadataInventoryTableConfiguration", Why: whyMetadata},
		{Op: "UpdateBucketMetadataJournalTableConfiguration", Method: http.MethodPut, Level: LevelBucket, Sub: "metadataJournalTable", Action: "s3:UpdateBucketMetadataJournalTableConfiguration", Why: whyMetadata},

		{Op: "GetObjectAnnotation", Method: http.MethodGet, Level: LevelObject, Sub: "annotation", Need: []string{"annotationName"}, Action: "s3:GetObjectAnnotation", Why: whyAnnotations},
		{Op: "ListObjectAnnotations", Method: http.MethodGet, Level: LevelObject, Sub: "annotation", Action: "s3:ListObjectAnnotations", Why: whyAnnotations},
		{Op: "PutObjectAnnotation", Method: http.MethodPut, Level: LevelObject, Sub: "annotation", Action: "s3:PutObjectAnnotation", Why: whyAnnotations},
		{Op: "DeleteObjectAnnotation", Method: http.MethodDelete, Level: LevelObject, Sub: "annotation", Action: "s3:DeleteObjectAnnotation", Why: whyAnnotations},

		{Op: "UpdateObjectEncryption", Method: http.MethodPut, Level: LevelObject, Sub: "encryption", Action: "s3:UpdateObjectEncryption", Why: whyKMS},
		{Op: "RestoreObject", Method: http.MethodPost, Level: LevelObject, Sub: "restore", Action: "s3:RestoreObject", Why: whyRestore},
		{Op: "SelectObjectContent", Method: http.MethodPost, Level: LevelObject, Sub: "select", Params: []string{"select-type"}, Action: "s3:GetObject", Why: whySelect},
		{Op: "GetObjectTorrent", Method: http.MethodGet, Level: LevelObject, Sub: "torrent", Action: "s3:GetObjectTorrent", Why: whyTorrent},
	}
	for i := range rows {
		if rows[i].Level == LevelObject {
			rows[i].Params = append(rows[i].Params, "versionId", "annotationName")
		}
	}
	return rows
}

// Unrouted names the operations of the S3 model that no request line tells
// apart from others: their hosts do, and those are not served here.
func Unrouted() map[string]string {
	return map[string]string{
		"ListDirectoryBuckets":   whyDirectory,
		"WriteGetObjectResponse": "Object Lambda is not served",
	}
}
