package sigv4

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/farhold/farhold/awserr"
)

// Field is a field of a POST form.
type Field struct{ Name, Value string }

// Form is what a POST form holds before its file, in order. Field names are
// the same in any case; values are not.
type Form []Field

// Get gives the first field of a name, or "".
func (f Form) Get(name string) string {
	for i := range f {
		if strings.EqualFold(f[i].Name, name) {
			return f[i].Value
		}
	}
	return ""
}

// Has tells whether there is a field of a name, which may be empty.
func (f Form) Has(name string) bool { return f.count(name) > 0 }

func (f Form) count(name string) int {
	n := 0
	for i := range f {
		if strings.EqualFold(f[i].Name, name) {
			n++
		}
	}
	return n
}

// Expand replaces ${filename} in all fields but those that prove something by
// the last element of the file's name as the browser sent it. S3 does this
// before it looks at the policy. A file part without a file name leaves the
// fields as they are; don't call Expand then.
func (f Form) Expand(filename string) Form {
	if i := strings.LastIndexAny(filename, `/\`); i >= 0 {
		filename = filename[i+1:]
	}
	out := make(Form, len(f))
	for i, field := range f {
		if !proof(field.Name) {
			field.Value = strings.ReplaceAll(field.Value, "${filename}", filename)
		}
		out[i] = field
	}
	return out
}

// proof tells the fields that carry the policy and its signature.
func proof(name string) bool {
	switch strings.ToLower(name) {
	case "policy", "signature", "awsaccesskeyid", "x-amz-signature", "x-amz-credential", "x-amz-algorithm", "x-amz-date", "x-amz-security-token":
		return true
	}
	return false
}

// VerifyPost proves who made the policy of a POST form, and that the form does
// what the policy allows, its length apart: bucket is the one that the form was
// posted to, and the caller holds the file against Policy.CheckLength. The form
// must be expanded already. A form without credentials is Anonymous with a nil
// policy and no error, as in Verify.
func (v *Verifier) VerifyPost(ctx context.Context, form Form, bucket string) (*Result, *Policy, error) {
	for _, name := range []string{"key", "policy", "signature", "awsaccesskeyid", "x-amz-signature", "x-amz-credential", "x-amz-algorithm", "x-amz-date", "x-amz-security-token"} {
		if form.count(name) > 1 {
			return nil, nil, refuse(awserr.Argument(name, form.Get(name), "POST requires exactly one field named '%s'.", name), Malformed)
		}
	}
	v4 := form.Has("x-amz-signature") || form.Has("x-amz-credential") || form.Has("x-amz-algorithm")
	v2 := form.Has("signature") || form.Has("awsaccesskeyid")
	var res *Result
	var err error
	switch {
	case v4 && v2:
		return nil, nil, refuse(awserr.Argument("Authorization", "", "%s", twoMechanisms), Malformed)
	case v4:
		res, err = v.postV4(ctx, form)
	case v2:
		res, err = v.postV2(ctx, form)
	default:
		return &Result{Kind: Anonymous}, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	policy, err := ParsePolicy(form.Get("policy"))
	if err != nil {
		return nil, nil, err
	}
	if err := policy.Check(form, bucket, v.now()); err != nil {
		return nil, nil, err
	}
	res.Expires = policy.Expires
	return res, policy, nil
}

// missingField is AWS's answer to a form that lacks a field before its file.
func missingField(name string) error {
	return refuse(awserr.Argument(name, "", "Bucket POST must contain a field named '%s'.  If it is specified, please check the order of the fields.", name), Incomplete)
}

func (v *Verifier) postV4(ctx context.Context, form Form) (*Result, error) {
	for _, name := range []string{"X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Signature", "Policy"} {
		if form.Get(name) == "" && (name != "Policy" || !form.Has(name)) {
			return nil, missingField(name)
		}
	}
	switch alg := form.Get("x-amz-algorithm"); alg {
	case algorithm:
	case algorithmA:
		return nil, refuse(awserr.ErrNotImplemented.With("Header", "X-Amz-Algorithm"), Unsupported)
	default:
		return nil, refuse(awserr.Argument("X-Amz-Algorithm", alg, "X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256 and AWS4-ECDSA-P256-SHA256\""), Unsupported)
	}
	text := form.Get("x-amz-credential")
	cred, ok := parseCredential(text)
	if !ok {
		return nil, refuse(awserr.Argument("X-Amz-Credential", text, "the Credential is mal-formed; expecting \"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\"."), Malformed)
	}
	if why, region := v.checkScope(&cred); why != "" {
		e := awserr.Argument("X-Amz-Credential", text, "%s", why)
		if region {
			e = e.With("Region", v.Region)
		}
		return nil, refuse(e, WrongScope)
	}
	dateText := form.Get("x-amz-date")
	date, ok := parseLongDate(dateText)
	if !ok {
		return nil, refuse(awserr.Argument("X-Amz-Date", dateText, "X-Amz-Date must be formated via ISO8601 Long format"), Malformed)
	}
	if dateText[:8] != cred.date {
		return nil, refuse(awserr.Argument("X-Amz-Credential", text, "Invalid credential date %q. This date is not the same as X-Amz-Date: %q.", cred.date, dateText[:8]), WrongScope)
	}
	token := form.Get("x-amz-security-token")
	secret, identity, lookup := v.secret(ctx, cred.accessKey, token)
	if lookup != nil {
		secret = decoySecret
	}
	name := keyName{cred.accessKey, cred.date, cred.region, cred.service}
	if lookup != nil {
		name.accessKey = ""
	}
	key, cached := v.keys.get(name, secret)
	policy, signature := []byte(form.Get("policy")), form.Get("x-amz-signature")
	sum, _ := hmac256(make([]byte, 0, blockSize+len(policy)), key[:], policy)
	same := equalHex(signature, &sum)
	if lookup != nil {
		return nil, lookup
	}
	if !same {
		return nil, postMismatch(cred.accessKey, policy, signature)
	}
	if !cached {
		v.keys.put(name, secret, key)
	}
	return &Result{Kind: Post, AccessKey: cred.accessKey, SessionToken: token, Identity: identity,
		Region: cred.region, Service: cred.service, Signature: signature, Date: date,
		key: key, date: dateText, scope: cred.scope}, nil
}

func (v *Verifier) postV2(ctx context.Context, form Form) (*Result, error) {
	if v.RefuseV2 || !v.serves("s3") {
		return nil, refuse(errMechanism, Unsupported)
	}
	for _, name := range []string{"AWSAccessKeyId", "Signature", "Policy"} {
		if form.Get(name) == "" && (name != "Policy" || !form.Has(name)) {
			return nil, missingField(name)
		}
	}
	accessKey, signature, token := form.Get("awsaccesskeyid"), form.Get("signature"), form.Get("x-amz-security-token")
	policy := []byte(form.Get("policy"))
	secret, identity, lookup := v.secret(ctx, accessKey, token)
	if lookup != nil {
		secret = decoySecret
	}
	same := equalV2(signature, secret, policy)
	if lookup != nil {
		return nil, lookup
	}
	if !same {
		return nil, postMismatch(accessKey, policy, signature)
	}
	return &Result{Kind: PostV2, AccessKey: accessKey, SessionToken: token, Identity: identity, Service: "s3", Signature: signature}, nil
}

func postMismatch(accessKey string, policy []byte, signature string) error {
	return refuse(errMismatch.With("AWSAccessKeyId", accessKey).
		With("StringToSign", string(policy)).
		With("SignatureProvided", signature).
		With("StringToSignBytes", spacedHex(policy)), Mismatch)
}

// FormScope looks at the credential scope of a POST form without verifying
// anything, as Scope does for a request's head.
func FormScope(form Form) (region, service string, ok bool) {
	c, ok := parseCredential(form.Get("x-amz-credential"))
	return c.region, c.service, ok
}

// policyTime reads a policy's expiration: ISO 8601 in UTC, seconds and their
// fractions or not.
func policyTime(s string) (time.Time, error) {
	for _, layout := range []string{"2006-01-02T15:04:05.999999999Z", "2006-01-02T15:04:05Z"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("not a time: %q", s)
}
