package s3api

import (
	"crypto/tls"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/farhold/farhold/access"
	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/policy"
	"github.com/farhold/farhold/rule"
	"github.com/farhold/farhold/s3"
	"github.com/farhold/farhold/wire/restxml"
	"github.com/farhold/farhold/wire/sigv4"
)

// conditions gives the condition keys of a question: S3's, and those that any
// request has. Nothing is computed before a policy asks for it. What goes wrong
// then is kept in err, and no Allow counts that came about beside it.
type conditions struct {
	rq      *Request
	ask     *ask
	request policy.Context // made when it is first asked for
	created policy.Values  // see ofNewBucket; likewise
	err     error
}

// Err tells what kept a condition from being known. Whoever decides looks here
// before an Allow is believed.
func (c *conditions) Err() error { return c.err }

// Value implements policy.Context.
func (c *conditions) Value(key string) ([]string, bool) {
	name, ok := strings.CutPrefix(key, "s3:")
	if !ok {
		if c.rq.Op == opCreateBucket && (key == "aws:tagkeys" || strings.HasPrefix(key, "aws:requesttag/")) {
			return c.ofNewBucket(key)
		}
		if c.request == nil {
			c.request = c.rq.context()
		}
		return c.request.Value(key)
	}
	if header := conditionHeader(name); header != "" {
		if c.ask.header == nil {
			return nil, false
		}
		return values(c.ask.header[header])
	}
	switch name {
	case "authtype":
		return present(authType(c.rq.Auth.Kind))
	case "signatureversion":
		return present(signatureVersion(c.rq.Auth.Kind))
	case "signatureage":
		return c.signatureAge()
	case "tlsversion":
		return present(tlsVersion(c.rq.R.TLS))
	case "versionid":
		return present(c.ask.version)
	case "prefix":
		if c.ask.role == absence {
			return []string{c.ask.absent}, true
		}
		return c.parameter("prefix")
	case "delimiter":
		return c.parameter("delimiter")
	case "max-keys":
		return c.parameter("max-keys")
	case "locationconstraint":
		return c.location()
	case "x-amz-copy-source":
		return c.copySource()
	case "requestobjecttagkeys":
		return c.requestTagKeys()
	case "object-lock-mode", "object-lock-retain-until-date", "object-lock-remaining-retention-days", "object-lock-legal-hold":
		return c.lock(name)
	}
	if tag, ok := strings.CutPrefix(name, "existingobjecttag/"); ok {
		return c.existingTag(tag)
	}
	if tag, ok := strings.CutPrefix(name, "requestobjecttag/"); ok {
		return c.requestTag(tag)
	}
	return nil, false
}

// conditionHeader gives the header, in canonical form, whose value a condition
// key has; "" for keys that are no headers.
func conditionHeader(name string) string {
	switch name {
	case "x-amz-acl":
		return "X-Amz-Acl"
	case "x-amz-grant-read":
		return "X-Amz-Grant-Read"
	case "x-amz-grant-write":
		return "X-Amz-Grant-Write"
	case "x-amz-grant-read-acp":
		return "X-Amz-Grant-Read-Acp"
	case "x-amz-grant-write-acp":
		return "X-Amz-Grant-Write-Acp"
	case "x-amz-grant-full-control":
		return "X-Amz-Grant-Full-Control"
	case "x-amz-metadata-directive":
		return "X-Amz-Metadata-Directive"
	case "x-amz-server-side-encryption":
		return "X-Amz-Server-Side-Encryption"
	case "x-amz-server-side-encryption-aws-kms-key-id":
		return "X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id"
	case "x-amz-server-side-encryption-customer-algorithm":
		return "X-Amz-Server-Side-Encryption-Customer-Algorithm"
	case "x-amz-storage-class":
		return "X-Amz-Storage-Class"
	case "x-amz-website-redirect-location":
		return "X-Amz-Website-Redirect-Location"
	case "x-amz-content-sha256":
		return "X-Amz-Content-Sha256"
	case "x-amz-object-ownership":
		return "X-Amz-Object-Ownership"
	case "if-match":
		return "If-Match"
	case "if-none-match":
		return "If-None-Match"
	}
	return ""
}

// values are those of a header: several of one name are one value with commas.
func values(list []string) ([]string, bool) {
	switch len(list) {
	case 0:
		return nil, false
	case 1:
		return list, true
	}
	return []string{strings.Join(list, ",")}, true
}

func present(s string) ([]string, bool) {
	if s == "" {
		return nil, false
	}
	return []string{s}, true
}

// fail remembers what kept a condition from being known.
func (c *conditions) fail(err error) ([]string, bool) {
	if c.err == nil {
		c.err = err
	}
	return nil, false
}

// parameter gives a query parameter of the request line's own question.
func (c *conditions) parameter(name string) ([]string, bool) {
	if c.ask.role != subject {
		return nil, false
	}
	v, ok := c.rq.Query.Lookup(name)
	if !ok {
		return nil, false
	}
	return []string{v}, true
}

// copySource gives the source of a copy as AWS's examples have it: unescaped
// and without a slash in front.
func (c *conditions) copySource() ([]string, bool) {
	v, ok := one(c.ask.header, "X-Amz-Copy-Source")
	if !ok {
		return nil, false
	}
	src, err := parseCopySource(v)
	if err != nil {
		return c.fail(err)
	}
	return []string{src.bucket + "/" + src.key}, true
}

// existingTag gives a tag of the object as it is. AWS knows the key for what is
// done with an object that is there, and not for writes and deletes.
func (c *conditions) existingTag(name string) ([]string, bool) {
	if c.ask.key == "" || c.ask.role == creating || ofBucket(c.ask.action) {
		return nil, false
	}
	if c.ask.bucket == nil {
		return c.fail(awserr.ErrAccessDenied) // of another region: nobody here knows
	}
	o, err := c.rq.peek(c.ask.name, c.ask.key, c.ask.version)
	if err != nil {
		if awserr.From(err) == nil {
			return c.fail(err)
		}
		return nil, false // there is none
	}
	return tagValue(o.Tags.Tags, name)
}

func tagValue(tags []s3.Tag, name string) ([]string, bool) {
	for i := range tags {
		if tags[i].Key == name {
			return []string{tags[i].Value}, true
		}
	}
	return nil, false
}

// requestTags gives the tags that the request brings, in its header or as its
// document.
func (c *conditions) requestTags() (tags []s3.Tag, err error) {
	if c.rq.Op == "PutObjectTagging" && c.ask.role == subject {
		body, err := c.rq.earlyDocument(taggingDocMax)
		if err != nil {
			return nil, err
		}
		return rule.ParseObjectTagging(body)
	}
	v, ok := one(c.ask.header, "X-Amz-Tagging")
	if !ok {
		return nil, nil
	}
	return rule.ParseTagHeader(v)
}

func (c *conditions) requestTag(name string) ([]string, bool) {
	tags, err := c.requestTags()
	if err != nil {
		return c.fail(err)
	}
	return tagValue(tags, name)
}

func (c *conditions) requestTagKeys() ([]string, bool) {
	tags, err := c.requestTags()
	if err != nil {
		return c.fail(err)
	}
	keys := make([]string, len(tags))
	for i := range tags {
		keys[i] = tags[i].Key
	}
	return keys, len(keys) > 0
}

// location gives the region that a bucket to be made is constrained to.
func (c *conditions) location() ([]string, bool) {
	switch here := c.rq.Door.opt.Region; {
	case c.rq.Op != opCreateBucket:
		return nil, false
	case here != usEast1:
		// Any other constraint than the region's own is refused.
		return []string{here}, true
	}
	return c.ofNewBucket(keyLocation)
}

const keyLocation = "s3:locationconstraint"

// ofNewBucket gives the value of a key that the document of CreateBucket has:
// the tags that a bucket is to be made with, which aws:RequestTag names without
// regard to case (S3's own keys about objects' tags go by the letter), and the
// region that it is constrained to.
func (c *conditions) ofNewBucket(key string) ([]string, bool) {
	if c.created == nil {
		body, err := c.rq.earlyDocument(bucketDocumentMax)
		if err != nil {
			return c.fail(err)
		}
		conf, err := decodeConfiguration(body)
		if err != nil {
			return c.fail(err)
		}
		c.created = policy.Values{}
		for _, t := range conf.Tags {
			c.created.RequestTag(t.Key, t.Value)
		}
		if region := constrainedTo(conf.LocationConstraint); region != "" {
			c.created[keyLocation] = []string{region}
		}
	}
	return c.created.Value(key)
}

// lock gives what a request says about Object Lock, in its headers or as its
// document.
func (c *conditions) lock(name string) ([]string, bool) {
	h := c.ask.header
	mode, _ := one(h, "X-Amz-Object-Lock-Mode")
	until, _ := one(h, "X-Amz-Object-Lock-Retain-Until-Date")
	hold, _ := one(h, "X-Amz-Object-Lock-Legal-Hold")
	now := c.rq.Door.opt.Now()
	var ends time.Time
	switch c.rq.Op {
	case "PutObjectRetention":
		body, err := c.rq.earlyDocument(lockDocMax)
		if err != nil {
			return c.fail(err)
		}
		m, t, err := rule.ParseRetention(body, now)
		if err != nil {
			return c.fail(err)
		}
		mode, until, ends = string(m), "", t
		if !t.IsZero() {
			until = t.UTC().Format(restxml.TimeFormat)
		}
	case "PutObjectLegalHold":
		body, err := c.rq.earlyDocument(lockDocMax)
		if err != nil {
			return c.fail(err)
		}
		on, err := rule.ParseLegalHold(body)
		if err != nil {
			return c.fail(err)
		}
		hold = holdStatus(on)
	}
	switch name {
	case "object-lock-mode":
		return present(mode)
	case "object-lock-legal-hold":
		return present(hold)
	case "object-lock-retain-until-date":
		return present(until)
	}
	if ends.IsZero() && until != "" {
		var err error
		if _, ends, err = rule.LockHeaders(mode, until, now); err != nil {
			return c.fail(err)
		}
	}
	if ends.IsZero() {
		return nil, false
	}
	days := math.Ceil(ends.Sub(now).Hours() / 24)
	return []string{strconv.FormatFloat(days, 'f', 0, 64)}, true
}

// signatureAge is how old the signature of a presigned request is, in
// milliseconds.
func (c *conditions) signatureAge() ([]string, bool) {
	if c.rq.Auth.Date.IsZero() || c.rq.Auth.Kind != sigv4.Presigned {
		return nil, false
	}
	age := max(c.rq.Door.opt.Now().Sub(c.rq.Auth.Date).Milliseconds(), 0)
	return []string{strconv.FormatInt(age, 10)}, true
}

func authType(k sigv4.Kind) string {
	switch k {
	case sigv4.Header, sigv4.HeaderV2:
		return "REST-HEADER"
	case sigv4.Presigned, sigv4.PresignedV2:
		return "REST-QUERY-STRING"
	case sigv4.Post, sigv4.PostV2:
		return "POST"
	}
	return ""
}

func signatureVersion(k sigv4.Kind) string {
	switch {
	case k == sigv4.Anonymous:
		return ""
	case k.V2():
		return "AWS"
	}
	return "AWS4-HMAC-SHA256"
}

func tlsVersion(s *tls.ConnectionState) string {
	if s == nil {
		return ""
	}
	switch s.Version {
	case tls.VersionTLS10:
		return "1.0"
	case tls.VersionTLS11:
		return "1.1"
	case tls.VersionTLS12:
		return "1.2"
	case tls.VersionTLS13:
		return "1.3"
	}
	return ""
}

// context gives the condition keys that follow from the request alone.
func (rq *Request) context() policy.Context {
	o := &rq.Door.opt
	return access.RequestContext(rq.R, o.Now(), o.Region, o.Proxies.Secure(rq.R), o.Proxies.ClientIP)
}

// Actor is the caller in the middle of this request, as S3 names it to the
// services that it asks on the caller's behalf: KMS for keys, IAM for roles.
func (rq *Request) Actor() access.Actor {
	return access.Actor{Caller: rq.Caller, Context: rq.context()}
}

// earlyDocument gives the request's document for a decision, which may come
// before it is the handler's turn to read it, or after. Both get the same bytes.
func (rq *Request) earlyDocument(limit int64) ([]byte, error) {
	if rq.early == nil {
		if err := rq.Door.unwrap(rq); err != nil {
			return nil, err
		}
		if _, err := rq.Document(limit); err != nil {
			return nil, err
		}
	}
	return rq.early, nil
}
