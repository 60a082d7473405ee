package replication

import (
	"errors"

	"github.com/farhold/farhold/store"
)

// Reasons with which replication fails, as AWS names them in events and
// reports.
const (
	AssumeRoleNotPermitted            = "AssumeRoleNotPermitted"
	SrcBucketReplicationConfigMissing = "SrcBucketReplicationConfigMissing"
	SrcGetObjectNotPermitted          = "SrcGetObjectNotPermitted"
	SrcHeadObjectNotPermitted         = "SrcHeadObjectNotPermitted"
	SrcGetTaggingNotPermitted         = "SrcGetTaggingNotPermitted"
	SrcGetACLNotPermitted             = "SrcGetAclNotPermitted"
	SrcGetRetentionNotPermitted       = "SrcGetRetentionNotPermitted"
	SrcGetLegalHoldNotPermitted       = "SrcGetLegalHoldNotPermitted"
	SrcKMSKeyInvalidState             = "SrcKmsKeyInvalidState"
	DstPutObjectNotPermitted          = "DstPutObjectNotPermitted"
	DstDelObjNotPermitted             = "DstDelObjNotPermitted"
	DstPutTaggingNotPermitted         = "DstPutTaggingNotPermitted"
	DstPutACLNotPermitted             = "DstPutAclNotPermitted"
	DstKMSKeyNotFound                 = "DstKmsKeyNotFound"
	DstKMSKeyInvalidState             = "DstKmsKeyInvalidState"
)

// refusals are the reasons that a Refusal can have: all of them can be mended.
var refusals = [...]string{
	AssumeRoleNotPermitted, SrcBucketReplicationConfigMissing, SrcGetObjectNotPermitted, SrcHeadObjectNotPermitted,
	SrcGetTaggingNotPermitted, SrcGetACLNotPermitted, SrcGetRetentionNotPermitted, SrcGetLegalHoldNotPermitted,
	SrcKMSKeyInvalidState, DstPutObjectNotPermitted, DstDelObjNotPermitted, DstPutTaggingNotPermitted,
	DstPutACLNotPermitted, DstKMSKeyNotFound, DstKMSKeyInvalidState,
}

// Refusal says that a policy, a role or a key does not let a version go. Its
// owner can mend that: the target is FAILED with AWS's reason, and tried again.
type Refusal struct {
	Reason string // AWS's
	Cause  error  // for the log; may be nil
}

// Error gives the reason and its cause.
func (r *Refusal) Error() string {
	if r.Cause == nil {
		return r.Reason
	}
	return r.Reason + ": " + r.Cause.Error()
}

// Unwrap gives the cause.
func (r *Refusal) Unwrap() error { return r.Cause }

// fate is what an error makes of a task.
type fate uint8

const (
	again fate = iota // PENDING, tried again: time mends it
	mends             // FAILED, tried again: somebody must mend it
	final             // FAILED for good
)

// answers are the errors that a destination answers with, by the name that
// stands in an answer.
var answers = []struct {
	name string
	err  error
	fate fate
}{
	{"DstBucketNotFound", store.ErrDstBucketNotFound, final}, // its UID never comes back
	{"DstBucketUnversioned", store.ErrDstBucketUnversioned, mends},
	{"DstBucketObjectLockConfigMissing", store.ErrDstObjectLockMissing, mends},
	{"DstVersionNotFound", store.ErrDstVersionNotFound, final},
	{"DstVersionDiffers", store.ErrDifferent, final},
	{"ahead", errAhead, again},
	{"digest", store.ErrDigest, again},
	{"not-staged", store.ErrNotStaged, again},
	{"refused", ErrRefused, again},
}

// ErrRefused is answered to a region that ships what is not its own.
var ErrRefused = errors.New("replication: a region ships only versions that were made there")

// fateOf gives AWS's reason for an error, or the name that Farhold gives it,
// and what it makes of its task. Errors without a name are tried again.
func fateOf(err error) (name string, f fate) {
	var r *Refusal
	if errors.As(err, &r) {
		return r.Reason, mends
	}
	for _, a := range answers {
		if errors.Is(err, a.err) {
			return a.name, a.fate
		}
	}
	return "", again
}

// Name gives the name by which an answer carries an error, and "" for one that
// has none: the answer then carries its text.
func Name(err error) string {
	name, _ := fateOf(err)
	return name
}

// FromName undoes Name, or gives an error of the text.
func FromName(name, text string) error {
	for _, a := range answers {
		if a.name == name {
			return a.err
		}
	}
	for _, r := range refusals {
		if r == name {
			return &Refusal{Reason: r, Cause: errors.New(text)}
		}
	}
	if text == "" {
		text = name
	}
	return errors.New(text)
}
