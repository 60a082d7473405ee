package iam

import (
	"errors"
	"fmt"

	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/policy"
)

// Errors of IAM. Messages are given where they are returned; those of rules
// that have one text stand here.
var (
	ErrNoSuchEntity   = awserr.New("NoSuchEntity", 404, "The entity cannot be found.")
	ErrExists         = awserr.New("EntityAlreadyExists", 409, "The entity already exists.")
	ErrDeleteConflict = awserr.New("DeleteConflict", 409, "Cannot delete entity, must remove referenced objects first.")
	ErrLimit          = awserr.New("LimitExceeded", 409, "The request was rejected because it attempted to create resources beyond the current AWS account limits.")
	ErrMalformed      = awserr.New("MalformedPolicyDocument", 400, "Syntax errors in policy.")
	ErrValidation     = awserr.New("ValidationError", 400, "The input fails to satisfy the constraints specified by an AWS service.")
	ErrInvalidInput   = awserr.New("InvalidInput", 400, "An invalid or out-of-range value was supplied for an input parameter.")
	ErrUnmodifiable   = awserr.New("UnmodifiableEntity", 400, "Cannot perform the operation on the protected entity.")

	errNeedsUser     = ErrValidation.Text("Must specify userName when calling with non-User credentials")
	errARN           = ErrValidation.Text("Invalid ARN:  Could not be parsed!")
	errMarker        = ErrValidation.Text("Invalid Marker.")
	errDuplicateTags = ErrInvalidInput.Text("Duplicate tag keys found. Please note that Tag keys are case insensitive.")
	errReservedTag   = ErrInvalidInput.Text("Tag keys that start with aws: are reserved for system use.")
	errTags          = ErrLimit.Text("The number of tags has reached the maximum limit.")
	errTrustJSON     = ErrMalformed.Text("This policy contains invalid Json")
	errTrustActions  = ErrMalformed.Text("AssumeRole policy may only specify STS AssumeRole actions.")
	errVersions      = ErrLimit.Text("A managed policy can have up to 5 versions. Before you create a new version, you must delete an existing version.")
	errDefault       = ErrDeleteConflict.Text("Cannot delete the default version of a policy.")
	errAttached      = ErrDeleteConflict.Text("Cannot delete a policy attached to entities.")
	errHasVersions   = ErrDeleteConflict.Text("This policy has more than one version. Before you delete a policy, you must delete the policy's versions. The default version is deleted with the policy.")
	errMustDetach    = ErrDeleteConflict.Text("Cannot delete entity, must detach all policies first.")
	errMustDelete    = ErrDeleteConflict.Text("Cannot delete entity, must delete policies first.")
	errMustRemove    = ErrDeleteConflict.Text("Cannot delete entity, must remove users from group first.")
	errMustKeys      = ErrDeleteConflict.Text("Cannot delete entity, must delete access keys first.")
	errServiceLinked = ErrInvalidInput.Text("The path /aws-service-role/ is reserved for service-linked roles.")

	errSessionToken = awserr.New("InvalidClientTokenId", 403, "The security token included in the request is invalid.")

	// errTooLong is ours: AWS does not say how long white space may make an
	// entity.
	errTooLong = ErrLimit.Text("The policies and tags of the entity are too long to be kept, white space included.")
)

// title is how AWS begins its texts about a kind of entity.
func (k kind) title() string {
	switch k {
	case userKind:
		return "User"
	case groupKind:
		return "Group"
	}
	return "Role"
}

func notFound(k kind, name string) error {
	return ErrNoSuchEntity.Text("The %s with name %s cannot be found.", k, name)
}

func exists(k kind, name string) error {
	return ErrExists.Text("%s with name %s already exists.", k.title(), name)
}

func quota(what string, limit int) error {
	return ErrLimit.Text("Cannot exceed quota for %s: %d", what, limit)
}

func policyNotFound(arn string) error { return ErrNoSuchEntity.Text("Policy %s was not found.", arn) }

func notAttachable(arn string) error {
	return ErrNoSuchEntity.Text("Policy %s does not exist or is not attachable.", arn)
}

func keyNotFound(id string) error {
	return ErrNoSuchEntity.Text("The Access Key with id %s cannot be found.", id)
}

// notYours is what changing a policy of AWS answers.
func notYours(caller, action, arn string) error {
	return awserr.New("AccessDenied", 403, fmt.Sprintf("User: %s is not authorized to perform: %s on resource: policy %s", caller, action, arn))
}

// malformed turns what the parser says into IAM's error.
func malformed(err error, k policy.Kind) error {
	var e *policy.Error
	if !errors.As(err, &e) {
		return err
	}
	if k == policy.Trust && e.Fault == policy.NotJSON {
		return errTrustJSON.Because(err)
	}
	return ErrMalformed.Text("%s", e.Text()).Because(err)
}
