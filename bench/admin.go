package bench

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// document sends a small XML document to the bucket, as S3's configuration
// calls want it.
func (c *client) document(method, sub, doc string) error {
	r := c.begin(method, nil)
	if sub != "" {
		r.param(sub, "")
	}
	sum := sha256.Sum256([]byte(doc))
	r.hash = hex.AppendEncode(r.hash[:0], sum[:])
	md := md5.Sum([]byte(doc))
	r.fields = []field{{"content-md5", base64.StdEncoding.EncodeToString(md[:])}}
	r.length = int64(len(doc))
	return c.send([][]byte{[]byte(doc)}, c.keepAll)
}

// makeBucket makes the target's bucket unless it's there, and turns versioning
// on when asked to.
func (c *client) makeBucket(versioned bool) error {
	c.begin(http.MethodHead, nil)
	err := c.send(nil, c.keepBad)
	switch {
	case err == nil:
	case absent(err):
		doc := ""
		if c.target.Region != "us-east-1" {
			doc = `<CreateBucketConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><LocationConstraint>` +
				escapeXML(c.target.Region) + `</LocationConstraint></CreateBucketConfiguration>`
		}
		err := c.document(http.MethodPut, "", doc)
		// Somebody else may have made it meanwhile.
		if s, ok := errors.AsType[*StatusError](err); ok && s.Code == "BucketAlreadyOwnedByYou" {
			err = nil
		}
		if err != nil {
			return fmt.Errorf("make bucket %s: %w", c.target.Bucket, err)
		}
	default:
		return fmt.Errorf("look for bucket %s: %w", c.target.Bucket, err)
	}
	if !versioned {
		return nil
	}
	const doc = `<VersioningConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Status>Enabled</Status></VersioningConfiguration>`
	if err := c.document(http.MethodPut, "versioning", doc); err != nil {
		return fmt.Errorf("turn versioning of %s on: %w", c.target.Bucket, err)
	}
	return nil
}

// putReplication gives the bucket one rule: everything goes to destination.
func (c *client) putReplication(role, destination string) error {
	doc := `<ReplicationConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Role>` + escapeXML(role) + `</Role>` +
		`<Rule><ID>bench</ID><Priority>1</Priority><Status>Enabled</Status><Filter><Prefix></Prefix></Filter>` +
		`<DeleteMarkerReplication><Status>Disabled</Status></DeleteMarkerReplication>` +
		`<Destination><Bucket>arn:aws:s3:::` + escapeXML(destination) + `</Bucket></Destination></Rule></ReplicationConfiguration>`
	if err := c.document(http.MethodPut, "replication", doc); err != nil {
		return fmt.Errorf("put the replication rule of %s: %w", c.target.Bucket, err)
	}
	return nil
}

// account asks STS, at the target's first endpoint, whose credentials these are.
func account(ctx context.Context, t *Target) (string, error) {
	doc, err := ask(ctx, t, "sts", url.Values{"Action": {"GetCallerIdentity"}, "Version": {"2011-06-15"}})
	if err != nil {
		return "", fmt.Errorf("ask STS for the account: %w", err)
	}
	id, _ := xmlText(doc, "Account")
	if id == "" {
		return "", errors.New("ask STS for the account: the answer names none")
	}
	return id, nil
}

// The role that replication is measured with: S3 may assume it, and it may do
// everything with S3.
const (
	roleName  = "replication"
	roleTrust = `{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sts:AssumeRole"}]}`
	roleMay   = `{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}`
)

// makeRole makes that role, unless it is there.
func makeRole(ctx context.Context, t *Target) error {
	const version = "2010-05-08"
	_, err := ask(ctx, t, "iam", url.Values{"Action": {"CreateRole"}, "Version": {version}, "RoleName": {roleName}, "AssumeRolePolicyDocument": {roleTrust}})
	var bad *StatusError
	if errors.As(err, &bad) && bad.Code == "EntityAlreadyExists" {
		return nil
	}
	if err == nil {
		_, err = ask(ctx, t, "iam", url.Values{"Action": {"PutRolePolicy"}, "Version": {version}, "RoleName": {roleName}, "PolicyName": {"s3"}, "PolicyDocument": {roleMay}})
	}
	if err != nil {
		return fmt.Errorf("make the role %s: %w", roleName, err)
	}
	return nil
}

// ask sends a request of the Query protocol to a service at the target's first
// endpoint and gives the answer's document.
func ask(ctx context.Context, t *Target, service string, params url.Values) ([]byte, error) {
	c, err := newClient(ctx, t, 0)
	if err != nil {
		return nil, err
	}
	defer c.close()
	c.sign.service = service
	form := params.Encode()
	r := c.begin(http.MethodPost, nil)
	r.path = append(r.path[:0], '/')
	sum := sha256.Sum256([]byte(form))
	r.hash = hex.AppendEncode(r.hash[:0], sum[:])
	r.fields = []field{{"content-type", "application/x-www-form-urlencoded; charset=utf-8"}}
	r.length = int64(len(form))
	if err := c.send([][]byte{[]byte(form)}, c.keepAll); err != nil {
		return nil, err
	}
	return bytes.Clone(c.doc), nil
}

// versionID is one version of one key.
type versionID struct {
	Key       string
	VersionID string `xml:"VersionId"`
}

// versionPage is what clean-up reads of a page of ListObjectVersions.
type versionPage struct {
	IsTruncated         bool
	NextKeyMarker       string
	NextVersionIDMarker string      `xml:"NextVersionIdMarker"`
	Versions            []versionID `xml:"Version"`
	Markers             []versionID `xml:"DeleteMarker"`
}

// versions lists up to 1,000 versions and delete markers under prefix, behind
// those of the page before.
func (c *client) versions(prefix string, before *versionPage) (*versionPage, error) {
	r := c.begin(http.MethodGet, nil)
	if before.NextKeyMarker != "" {
		r.param("key-marker", before.NextKeyMarker)
	}
	r.param("max-keys", "1000").param("prefix", prefix)
	if before.NextVersionIDMarker != "" {
		r.param("version-id-marker", before.NextVersionIDMarker)
	}
	r.param("versions", "")
	if err := c.send(nil, c.keepAll); err != nil {
		return nil, err
	}
	page := new(versionPage)
	if err := xml.Unmarshal(c.doc, page); err != nil {
		return nil, malformed("page of versions: %v", err)
	}
	return page, nil
}

// deleteVersions deletes up to 1,000 versions in one request. Servers that
// can't (501) get one request for each.
func (c *client) deleteVersions(vs []versionID) error {
	var b strings.Builder
	b.WriteString(`<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Quiet>true</Quiet>`)
	for _, v := range vs {
		b.WriteString("<Object><Key>" + escapeXML(v.Key) + "</Key>")
		if v.VersionID != "" {
			b.WriteString("<VersionId>" + escapeXML(v.VersionID) + "</VersionId>")
		}
		b.WriteString("</Object>")
	}
	b.WriteString("</Delete>")
	err := c.document(http.MethodPost, "delete", b.String())
	if s, ok := errors.AsType[*StatusError](err); ok && s.Status == http.StatusNotImplemented {
		for _, v := range vs {
			c.begin(http.MethodDelete, []byte(v.Key)).param("versionId", v.VersionID)
			if err := c.send(nil, c.keepBad); err != nil {
				return err
			}
		}
		return nil
	}
	if err != nil {
		return err
	}
	if code, bad := xmlText(c.doc, "Code"); bad {
		message, _ := xmlText(c.doc, "Message")
		return &StatusError{Status: http.StatusOK, Code: code, Message: message, Request: "DeleteObjects"}
	}
	return nil
}

// sweep deletes every version and marker under prefix, several requests at a
// time, and tells how many there were.
func sweep(g *crew, prefix string, progress *counter) (int64, error) {
	lister := g.clients[0]
	var total int64
	for page := new(versionPage); ; {
		var err error
		if page, err = lister.versions(prefix, page); err != nil {
			return total, fmt.Errorf("list what to delete: %w", err)
		}
		all := append(page.Versions, page.Markers...)
		if len(all) > 0 {
			each := (len(all) + len(g.clients) - 1) / len(g.clients)
			parts := slices.Collect(slices.Chunk(all, each))
			err = g.each(int64(len(parts)), nil, func(c *client, i int64) error { return c.deleteVersions(parts[i]) })
			if err != nil {
				return total, fmt.Errorf("delete: %w", err)
			}
			total += int64(len(all))
			progress.add(int64(len(all)))
		}
		if !page.IsTruncated {
			return total, nil
		}
		if page.NextKeyMarker == "" {
			return total, malformed("truncated page of versions without NextKeyMarker")
		}
	}
}
