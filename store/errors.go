package store

import (
	"errors"

	"github.com/farhold/farhold/awserr"
)

// Errors that the store answers with, as AWS words them.
var (
	ErrNoSuchBucket     = awserr.New("NoSuchBucket", 404, "The specified bucket does not exist")
	ErrBucketExists     = awserr.New("BucketAlreadyOwnedByYou", 409, "Your previous request to create the named bucket succeeded and you already own it.")
	ErrBucketNotEmpty   = awserr.New("BucketNotEmpty", 409, "The bucket you tried to delete is not empty")
	ErrNoSuchKey        = awserr.New("NoSuchKey", 404, "The specified key does not exist.")
	ErrNoSuchVersion    = awserr.New("NoSuchVersion", 404, "The specified version does not exist.")
	ErrInvalidVersion   = awserr.ErrInvalidArgument.Text("Invalid version id specified")
	ErrNoSuchUpload     = awserr.New("NoSuchUpload", 404, "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.")
	ErrInvalidPart      = awserr.New("InvalidPart", 400, "One or more of the specified parts could not be found.  The part may not have been uploaded, or the specified entity tag may not match the part's entity tag.")
	ErrInvalidPartOrder = awserr.New("InvalidPartOrder", 400, "The list of parts was not in ascending order. Parts must be ordered by part number.")
	ErrEntityTooSmall   = awserr.New("EntityTooSmall", 400, "Your proposed upload is smaller than the minimum allowed size")
	ErrPrecondition     = awserr.New("PreconditionFailed", 412, "At least one of the pre-conditions you specified did not hold")
	ErrConflict         = awserr.New("ConditionalRequestConflict", 409, "The conditional request cannot succeed due to a conflicting operation against this resource.")
	ErrLocked           = awserr.New("AccessDenied", 403, "Access Denied because object protected by object lock.")
	ErrLockMissing      = awserr.ErrInvalidRequest.Text("Bucket is missing Object Lock Configuration")
	ErrNoRetention      = awserr.New("NoSuchObjectLockConfiguration", 404, "The specified object does not have a ObjectLock configuration")
	ErrIncompleteBody   = awserr.New("IncompleteBody", 400, "You did not provide the number of bytes specified by the Content-Length HTTP header")
)

// Errors of the peer door, named as AWS names the failure reasons.
var (
	ErrDstBucketNotFound    = errors.New("DstBucketNotFound")
	ErrDstBucketUnversioned = errors.New("DstBucketUnversioned")
	ErrDstObjectLockMissing = errors.New("DstBucketObjectLockConfigMissing")
	ErrDstVersionNotFound   = errors.New("DstVersionNotFound")
	// ErrDifferent is returned when a version arrives that is here already with
	// other bytes. It is never overwritten: someone has to look.
	ErrDifferent = errors.New("the version is here with another digest")
	// ErrDigest is returned when an arriving body is not what its source said.
	ErrDigest = errors.New("the body does not have the digest that its source gave")
)
