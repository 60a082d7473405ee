package replication_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/farhold/farhold/access"
	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/objectkey"
	"github.com/farhold/farhold/rule"
	"github.com/farhold/farhold/s3"
	"github.com/farhold/farhold/seal"
	"github.com/farhold/farhold/stamp"
	"github.com/farhold/farhold/store"
	kmsshapes "github.com/farhold/farhold/wire/shapes/kms"
	"github.com/farhold/farhold/work/replication"
)

// recipe is the policy of the role in the seeds' recipe.
func recipe(keys ...string) string {
	list := []string{
		allow("arn:aws:s3:::source", "s3:GetReplicationConfiguration", "s3:ListBucket", "s3:GetBucketVersioning"),
		allow("arn:aws:s3:::source/*", "s3:GetObjectVersionForReplication", "s3:GetObjectVersionAcl", "s3:GetObjectVersionTagging"),
		allow("arn:aws:s3:::copy/*", "s3:ReplicateObject", "s3:ReplicateDelete", "s3:ReplicateTags"),
	}
	for _, k := range keys {
		list = append(list, allow(k, "kms:Decrypt", "kms:GenerateDataKey"))
	}
	return document(list...)
}

// unblocked is a public access block that blocks nothing.
const unblocked = `<PublicAccessBlockConfiguration><BlockPublicAcls>false</BlockPublicAcls></PublicAccessBlockConfiguration>`

// without gives a policy without an action.
func without(text string, actions ...string) string {
	for _, a := range actions {
		text = strings.ReplaceAll(text, `"`+a+`"`, `"x:none"`)
	}
	return text
}

// TestTheRecipesRole replicates everything with exactly what the recipe's role
// may.
func TestTheRecipesRole(t *testing.T) {
	w := newWorld(t)
	w.src.bucket("source", ours, "", false)
	w.dst.bucket("copy", ours, "", false)
	from, to := w.src.key(ours), w.dst.key(ours)
	w.tables.identity[role] = recipe(from, to)
	w.rule("copy", kmsRule(to))
	for _, at := range []struct {
		s      *site
		bucket string
	}{{w.src, "source"}, {w.dst, "copy"}} { // work between regions is secure transport
		at.s.policy(at.bucket, `{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":["arn:aws:s3:::`+at.bucket+`","arn:aws:s3:::`+at.bucket+`/*"],"Condition":{"Bool":{"aws:SecureTransport":"false"}}}`)
	}
	cust := customer()
	w.dst.document("copy", "encryption", `<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>aws:kms</SSEAlgorithm></ApplyServerSideEncryptionByDefault><BucketKeyEnabled>false</BucketKeyEnabled><BlockedEncryptionTypes><EncryptionType>NONE</EncryptionType></BlockedEncryptionTypes></Rule></ServerSideEncryptionConfiguration>`)
	tags := []s3.Tag{{Key: "a", Value: "b"}}
	small, large := []byte("plain"), bytes.Repeat([]byte("0123456789abcdef"), (2*store.SegmentSize+100)/16)
	for _, body := range [][]byte{small, large} {
		for _, c := range []struct {
			algorithm, key string
			bucketKey      bool
			customer       *objectkey.Customer
		}{{"AES256", "", false, nil}, {"aws:kms", from, false, nil}, {"aws:kms", from, true, nil}, {"aws:kms:dsse", from, false, nil}, {"", "", false, cust}} {
			key := fmt.Sprintf("%s %v %v %d", c.algorithm, c.bucketKey, c.customer != nil, len(body))
			v := w.put(key, body, func(in *store.PutInput) {
				in.Tags = tags
				if c.algorithm != "AES256" {
					w.sealed(key, c.algorithm, c.key, c.bucketKey, c.customer)(in)
				}
			})
			w.step()
			w.step()
			w.want(key, s3.Completed, "")
			o, got := w.there("copy", key, c.customer)
			if !bytes.Equal(got, body) || o.ETag != v.ETag || !o.Replica || len(o.Tags.Tags) != 1 {
				t.Errorf("%s: %d bytes, ETag %s, %+v", key, len(got), o.ETag, o.Version)
			}
			want := v.SSE
			if c.key != "" {
				want.KeyID = to
			}
			if o.SSE != want {
				t.Errorf("%s: the replica lies under %+v, want %+v", key, o.SSE, want)
			}
		}
	}
	if _, err := w.src.Delete(t.Context(), store.DeleteInput{Bucket: "source", Key: "AES256 false false 5", Owner: ours}); err != nil {
		t.Fatal(err)
	}
	w.step()
	w.absent("copy", "AES256 false false 5")
}

// TestRefusedAndMended takes one thing away that replication needs, sees AWS's
// reason, gives it back, and sees the object arrive.
func TestRefusedAndMended(t *testing.T) {
	type env struct {
		*world
		from, to string // keys
	}
	role1 := func(w *env) string { return recipe(w.from, w.to) }
	lacks := func(actions ...string) func(w *env) func() {
		return func(w *env) func() {
			w.tables.identity[role] = without(role1(w), actions...)
			return func() { w.tables.identity[role] = role1(w) }
		}
	}
	denied := func(s func(w *env) string, resource string, actions ...string) func(w *env) func() {
		return func(w *env) func() {
			at, bucket := w.src, "source"
			if s(w) == "dst" {
				at, bucket = w.dst, "copy"
			}
			at.policy(bucket, deny(resource, actions...))
			return func() { at.document(bucket, "policy", "") }
		}
	}
	source := func(*env) string { return "src" }
	destination := func(*env) string { return "dst" }
	for _, c := range []struct {
		name, reason string
		kms, marker  bool
		tags         bool
		acl, lock    bool
		spoil        func(w *env) (mend func())
	}{
		{name: "no role", reason: "AssumeRoleNotPermitted", spoil: func(w *env) func() {
			delete(w.tables.trust, role)
			return func() { w.tables.trust[role] = trust }
		}},
		{name: "a role that trusts others", reason: "AssumeRoleNotPermitted", spoil: func(w *env) func() {
			w.tables.trust[role] = strings.Replace(trust, "s3.amazonaws.com", "lambda.amazonaws.com", 1)
			return func() { w.tables.trust[role] = trust }
		}},
		{name: "a role that works for another bucket", reason: "AssumeRoleNotPermitted", spoil: func(w *env) func() {
			cond := func(bucket string) string {
				return strings.Replace(trust, `"Action"`, `"Condition":{"ArnLike":{"aws:SourceArn":"arn:aws:s3:::`+bucket+`"},"StringEquals":{"aws:SourceAccount":"`+ours+`"}},"Action"`, 1)
			}
			w.tables.trust[role] = cond("another")
			return func() { w.tables.trust[role] = cond("source") }
		}},
		{name: "no configuration", reason: "SrcBucketReplicationConfigMissing", spoil: func(w *env) func() {
			w.src.document("source", "replication", "")
			return func() { w.rule("copy", kmsRule(w.to)) }
		}},
		{name: "the configuration may not be read", reason: "SrcBucketReplicationConfigMissing", spoil: lacks("s3:GetReplicationConfiguration")},
		{name: "the object may not be read", reason: "SrcGetObjectNotPermitted", spoil: lacks("s3:GetObjectVersionForReplication")},
		{name: "GetObjectVersion is not enough under KMS", reason: "SrcGetObjectNotPermitted", kms: true, spoil: func(w *env) func() {
			w.tables.identity[role] = strings.ReplaceAll(role1(w), "s3:GetObjectVersionForReplication", "s3:GetObjectVersion")
			return func() { w.tables.identity[role] = role1(w) }
		}},
		{name: "the source's policy denies", reason: "SrcGetObjectNotPermitted", spoil: denied(source, "arn:aws:s3:::source/*", "s3:GetObjectVersionForReplication")},
		{name: "an organisation denies", reason: "SrcGetObjectNotPermitted", spoil: func(w *env) func() {
			w.tables.control[ours] = []string{document(`{"Effect":"Allow","Action":"*","Resource":"*"}`, `{"Effect":"Deny","Action":"s3:GetObject*","Resource":"*"}`)}
			return func() { delete(w.tables.control, ours) }
		}},
		{name: "markers need the list", reason: "SrcHeadObjectNotPermitted", marker: true, spoil: lacks("s3:ListBucket")},
		{name: "ACL", reason: "SrcGetAclNotPermitted", acl: true, spoil: lacks("s3:GetObjectVersionAcl")},
		{name: "a public ACL", reason: "DstPutAclNotPermitted", acl: true, spoil: func(w *env) func() {
			w.dst.document("copy", "publicAccessBlock", "")
			return func() { w.dst.document("copy", "publicAccessBlock", unblocked) }
		}},
		{name: "a public ACL, to the account", reason: "DstPutAclNotPermitted", acl: true, spoil: func(w *env) func() {
			w.dst.id.AccountBlock = func(string) rule.PublicAccessBlock { return rule.PublicAccessBlock{BlockPublicACLs: true} }
			return func() { w.dst.id.AccountBlock = nil }
		}},
		{name: "retention", reason: "SrcGetRetentionNotPermitted", lock: true, spoil: func(w *env) func() {
			return func() {
				w.tables.identity[role] = strings.Replace(role1(w), `"s3:GetObjectVersionAcl"`, `"s3:GetObjectVersionAcl","s3:GetObjectRetention","s3:GetObjectLegalHold"`, 1)
			}
		}},
		{name: "decrypt", reason: "SrcGetObjectNotPermitted", kms: true, spoil: func(w *env) func() {
			w.tables.identity[role] = strings.Replace(role1(w), `"kms:Decrypt"`, `"x:none"`, 1)
			w.src.keys.Forget()
			return func() { w.tables.identity[role] = role1(w) }
		}},
		{name: "the source's key is disabled", reason: "SrcKmsKeyInvalidState", kms: true, spoil: func(w *env) func() {
			w.src.disable(w.from)
			return func() { w.src.enable(w.from) }
		}},
		{name: "ReplicateObject", reason: "DstPutObjectNotPermitted", spoil: lacks("s3:ReplicateObject")},
		{name: "the destination's policy denies", reason: "DstPutObjectNotPermitted", spoil: denied(destination, "arn:aws:s3:::copy/*", "s3:ReplicateObject")},
		{name: "ReplicateDelete", reason: "DstDelObjNotPermitted", marker: true, spoil: lacks("s3:ReplicateDelete")},
		{name: "GenerateDataKey", reason: "DstPutObjectNotPermitted", kms: true, spoil: func(w *env) func() {
			w.tables.identity[role] = recipe(w.from)
			return func() { w.tables.identity[role] = role1(w) }
		}},
		{name: "the replica's key is disabled", reason: "DstKmsKeyInvalidState", kms: true, spoil: func(w *env) func() {
			w.dst.disable(w.to)
			return func() { w.dst.enable(w.to) }
		}},
		{name: "the replica's key is to be deleted", reason: "DstKmsKeyInvalidState", kms: true, spoil: func(w *env) func() {
			w.dst.do(ours, "ScheduleKeyDeletion", &kmsshapes.ScheduleKeyDeletionRequest{KeyId: &w.to})
			return func() {
				w.dst.do(ours, "CancelKeyDeletion", &kmsshapes.CancelKeyDeletionRequest{KeyId: &w.to})
				w.dst.enable(w.to)
			}
		}},
		{name: "versioning", reason: "DstBucketUnversioned", spoil: func(w *env) func() {
			w.dst.document("copy", "versioning", "<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>")
			return func() {
				w.dst.document("copy", "versioning", "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>")
			}
		}},
	} {
		for _, size := range []int{5, store.LargeMin} {
			if size > 5 && (c.marker || c.acl || c.lock) {
				continue
			}
			t.Run(fmt.Sprintf("%s/%d", c.name, size), func(t *testing.T) {
				w := &env{world: newWorld(t)}
				w.src.bucket("source", ours, "ObjectWriter", c.lock)
				w.dst.bucket("copy", ours, "ObjectWriter", c.lock)
				w.dst.document("copy", "publicAccessBlock", unblocked)
				w.from, w.to = w.src.key(ours), w.dst.key(ours)
				w.tables.identity[role] = role1(w)
				w.rule("copy", kmsRule(w.to))
				body := bytes.Repeat([]byte("x"), size)
				v := w.put("k", body, func(in *store.PutInput) {
					if c.kms {
						w.sealed("k", "aws:kms", w.from, true, nil)(in)
					}
					if c.acl {
						in.ACL = s3.ACLRegister{Canned: "public-read"}
					}
					if c.lock {
						in.Mode, in.Until = s3.Governance, w.now.Add(24*time.Hour)
					}
				})
				id := v.ID
				if c.marker {
					w.step()
					d, err := w.src.Delete(t.Context(), store.DeleteInput{Bucket: "source", Key: "k", Owner: ours})
					if err != nil {
						t.Fatal(err)
					}
					id = d.Stamp
				}
				status := func() (s3.Status, string) {
					o, err := w.src.OpenTask(t.Context(), &store.Task{UID: w.dir["source"].UID, Key: "k", ID: id})
					if err != nil {
						t.Fatal(err)
					}
					defer o.Close()
					return o.ReplicationStatus(), o.Targets[0].Reason
				}
				w.now = w.now.Add(10 * time.Second) // nothing that was decided before is remembered
				mend := c.spoil(w)
				for range 3 { // it stays so
					w.later()
					if s, reason := status(); s != s3.Failed || reason != c.reason {
						t.Fatalf("%s %q, want FAILED %q", s, reason, c.reason)
					}
					if c.marker {
						if _, got := w.there("copy", "k", nil); !bytes.Equal(got, body) {
							t.Error("the object is gone")
						}
					} else {
						w.absent("copy", "k")
					}
				}
				mend()
				w.src.Kick() // what the source hears; no time passes
				w.now = w.now.Add(2 * time.Second)
				w.step()
				w.step()
				if s, reason := status(); s != s3.Completed || reason != "" {
					t.Fatalf("%s %q, want COMPLETED", s, reason)
				}
				if c.marker {
					w.absent("copy", "k")
				} else if _, got := w.there("copy", "k", nil); !bytes.Equal(got, body) {
					t.Errorf("%d bytes at the destination", len(got))
				}
				if n, _, err := w.src.Backlog(t.Context(), "us-west-2", 10); err != nil || n != 0 {
					t.Errorf("%d tasks are left, %v", n, err)
				}
			})
		}
	}
}

// TestTagsStayBehind takes away the leave to read tags, and denies it to write
// them: the object goes without, a later change is FAILED until it is mended.
func TestTagsStayBehind(t *testing.T) {
	for _, c := range []struct {
		reason      string
		spoil, mend func(w *world)
	}{
		{"SrcGetTaggingNotPermitted", func(w *world) { w.tables.identity[role] = without(recipe(), "s3:GetObjectVersionTagging") }, func(w *world) { w.tables.identity[role] = recipe() }},
		{"DstPutTaggingNotPermitted", func(w *world) { w.dst.policy("copy", deny("arn:aws:s3:::copy/*", "s3:ReplicateTags")) }, func(w *world) { w.dst.document("copy", "policy", "") }},
	} {
		t.Run(c.reason, func(t *testing.T) {
			w := newWorld(t)
			w.src.bucket("source", ours, "", false)
			w.dst.bucket("copy", ours, "", false)
			w.tables.identity[role] = recipe()
			w.rule("copy", "")
			c.spoil(w)
			w.put("k", []byte("x"), func(in *store.PutInput) { in.Tags = []s3.Tag{{Key: "a", Value: "1"}} })
			w.step()
			w.want("k", s3.Completed, "")
			if o, _ := w.there("copy", "k", nil); len(o.Tags.Tags) != 0 {
				t.Errorf("tags %v at the destination", o.Tags.Tags)
			}
			// A change while the version is on its way, and one after it.
			for _, key := range []string{"k", "k2"} {
				if key == "k2" {
					w.put(key, []byte("x"), nil)
				}
				if _, err := w.src.SetTags(t.Context(), "source", key, "", []s3.Tag{{Key: "a", Value: "2"}}); err != nil {
					t.Fatal(err)
				}
				w.step()
				w.step()
				w.want(key, s3.Failed, c.reason)
				if o, _ := w.there("copy", key, nil); len(o.Tags.Tags) != 0 {
					t.Errorf("tags %v at the destination", o.Tags.Tags)
				}
			}
			c.mend(w)
			w.later()
			for _, key := range []string{"k", "k2"} {
				w.want(key, s3.Completed, "")
				if o, _ := w.there("copy", key, nil); len(o.Tags.Tags) != 1 || o.Tags.Tags[0].Value != "2" {
					t.Errorf("tags %v at the destination", o.Tags.Tags)
				}
			}
		})
	}
	// ReplicateTags needs not be allowed: it belongs to ReplicateObject.
	w := newWorld(t)
	w.src.bucket("source", ours, "", false)
	w.dst.bucket("copy", ours, "", false)
	w.tables.identity[role] = without(recipe(), "s3:ReplicateTags")
	w.rule("copy", "")
	w.put("k", []byte("x"), func(in *store.PutInput) { in.Tags = []s3.Tag{{Key: "a", Value: "1"}} })
	w.step()
	if o, _ := w.there("copy", "k", nil); len(o.Tags.Tags) != 1 {
		t.Errorf("tags %v at the destination", o.Tags.Tags)
	}
}

// TestOwners replicates into a bucket of another account.
func TestOwners(t *testing.T) {
	const override = "<Account>" + theirs + "</Account><AccessControlTranslation><Owner>Destination</Owner></AccessControlTranslation>"
	all := []string{"s3:ReplicateObject", "s3:ReplicateDelete"}
	for _, c := range []struct {
		name, ownership, rule string
		granted               []string
		role                  []string // besides the recipe's
		owner, acl            string   // of the replica; no owner: FAILED
		reason                string
	}{
		{name: "no grant", ownership: "ObjectWriter", reason: "DstPutObjectNotPermitted"},
		{name: "the writer's", ownership: "ObjectWriter", granted: all, owner: ours, acl: "public-read"},
		{name: "preferred is not enforced", ownership: "BucketOwnerPreferred", granted: all, owner: ours, acl: "public-read"},
		{name: "enforced", ownership: "", granted: all, owner: theirs},
		{name: "override", ownership: "ObjectWriter", rule: override, granted: append(all, "s3:ObjectOwnerOverrideToBucketOwner"), role: []string{"s3:ObjectOwnerOverrideToBucketOwner"}, owner: theirs},
		{name: "override that the bucket does not grant", ownership: "ObjectWriter", rule: override, granted: all, role: []string{"s3:ObjectOwnerOverrideToBucketOwner"}, reason: "DstPutObjectNotPermitted"},
		{name: "override that the role may not", ownership: "ObjectWriter", rule: override, granted: append(all, "s3:ObjectOwnerOverrideToBucketOwner"), reason: "DstPutObjectNotPermitted"},
		{name: "override to somebody else", ownership: "ObjectWriter", rule: strings.Replace(override, theirs, "999999999999", 1), granted: []string{"s3:*"}, role: []string{"s3:*"}, reason: "DstPutObjectNotPermitted"},
		{name: "override of what is enforced", ownership: "", rule: override, granted: all, owner: theirs},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.src.bucket("source", ours, "ObjectWriter", false)
			w.dst.bucket("copy", theirs, c.ownership, false)
			w.dst.document("copy", "publicAccessBlock", unblocked)
			w.tables.identity[role] = strings.Replace(recipe(), `"s3:ReplicateTags"`, `"`+strings.Join(append(c.role, "s3:ReplicateTags"), `","`)+`"`, 1)
			if c.granted != nil {
				w.dst.policy("copy", grant("arn:aws:s3:::copy/*", c.granted...))
			}
			w.rule("copy", c.rule)
			w.put("k", []byte("x"), func(in *store.PutInput) { in.ACL = s3.ACLRegister{Canned: "public-read"} })
			w.step()
			if c.reason != "" {
				w.want("k", s3.Failed, c.reason)
				w.absent("copy", "k")
				return
			}
			w.want("k", s3.Completed, "")
			o, _ := w.there("copy", "k", nil)
			if o.Owner != c.owner || o.ACL.Canned != c.acl {
				t.Errorf("the replica is %s's with ACL %q, want %s %q", o.Owner, o.ACL.Canned, c.owner, c.acl)
			}
			if _, err := w.src.SetACL(t.Context(), "source", "k", "", s3.ACLRegister{Canned: "authenticated-read"}); err != nil {
				t.Fatal(err)
			}
			w.step()
			w.want("k", s3.Completed, "")
			want := ""
			if c.acl != "" {
				want = "authenticated-read"
			}
			if o, _ := w.there("copy", "k", nil); o.ACL.Canned != want {
				t.Errorf("a later ACL at the destination: %q, want %q", o.ACL.Canned, want)
			}
		})
	}
}

// TestWhatTheBucketOwnerMayNotRead stays: another account wrote it, and gave
// the bucket's owner nothing.
func TestWhatTheBucketOwnerMayNotRead(t *testing.T) {
	w := newWorld(t)
	w.src.bucket("source", ours, "ObjectWriter", false)
	w.dst.bucket("copy", ours, "", false)
	w.tables.identity[role] = recipe()
	w.rule("copy", "")
	for canned, want := range map[string]s3.Status{"": s3.Failed, "public-read": s3.Failed, "bucket-owner-read": s3.Failed, "bucket-owner-full-control": s3.Completed} {
		w.put("k"+canned, []byte("x"), func(in *store.PutInput) { in.Owner, in.ACL = theirs, s3.ACLRegister{Canned: canned} })
		w.step()
		reason := ""
		if want == s3.Failed {
			reason = "SrcGetObjectNotPermitted"
		}
		w.want("k"+canned, want, reason)
	}
}

// TestPublicGrantsThatAreIgnored give the bucket's owner nothing, as they give
// nothing to whoever reads.
func TestPublicGrantsThatAreIgnored(t *testing.T) {
	doc, err := rule.ACL{Owner: access.CanonicalID(theirs), Grants: []rule.Grant{
		{Group: rule.AllUsers, Permission: "READ"}, {Group: rule.AllUsers, Permission: "READ_ACP"},
	}}.Render(nil)
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	w.src.bucket("source", ours, "ObjectWriter", false)
	w.dst.bucket("copy", ours, "", false)
	w.tables.identity[role] = recipe()
	w.rule("copy", "")
	put := func(key string) {
		w.put(key, []byte("x"), func(in *store.PutInput) { in.Owner, in.ACL = theirs, s3.ACLRegister{Document: doc} })
		w.step()
	}
	w.src.document("source", "publicAccessBlock", unblocked)
	put("open")
	w.want("open", s3.Completed, "")
	w.src.document("source", "publicAccessBlock", `<PublicAccessBlockConfiguration><IgnorePublicAcls>true</IgnorePublicAcls></PublicAccessBlockConfiguration>`)
	put("shut")
	w.want("shut", s3.Failed, "SrcGetObjectNotPermitted")
	w.absent("copy", "shut")
}

// TestKeysOfAnotherAccount seals replicas under a key of the bucket's owner.
func TestKeysOfAnotherAccount(t *testing.T) {
	w := newWorld(t)
	w.src.bucket("source", ours, "", false)
	w.dst.bucket("copy", theirs, "", false)
	from, to := w.src.key(ours), w.dst.key(theirs)
	w.tables.identity[role] = recipe(from, to)
	w.dst.policy("copy", grant("arn:aws:s3:::copy/*", "s3:ReplicateObject"))
	w.rule("copy", kmsRule(to))
	w.put("k", []byte("x"), w.sealed("k", "aws:kms", from, false, nil))
	w.step()
	w.want("k", s3.Failed, "DstPutObjectNotPermitted")
	// kms:Encrypt is as good as kms:GenerateDataKey, and needs no more.
	w.tables.identity[role] = strings.ReplaceAll(recipe(from, to), `"kms:GenerateDataKey"`, `"kms:Encrypt"`)
	w.dst.do(theirs, "PutKeyPolicy", &kmsshapes.PutKeyPolicyRequest{KeyId: &to, Policy: ptr(document(
		`{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::`+theirs+`:root"},"Action":"kms:*","Resource":"*"}`,
		`{"Effect":"Allow","Principal":{"AWS":"`+role+`"},"Action":"kms:Encrypt","Resource":"*","Condition":{"StringEquals":{`+
			`"kms:ViaService":"s3.us-west-2.amazonaws.com","kms:EncryptionContext:aws:s3:arn":"arn:aws:s3:::copy/k"}}}`))})
	w.later()
	w.want("k", s3.Completed, "")
	if o, got := w.there("copy", "k", nil); o.SSE.KeyID != to || string(got) != "x" {
		t.Errorf("%+v %q", o.SSE, got)
	}
}

func ptr[T any](v T) *T { return &v }

// TestManagedKeysStayAtHome: a key that AWS manages seals replicas in the role's
// own account. In another account's bucket nobody there could read them.
func TestManagedKeysStayAtHome(t *testing.T) {
	managed := func(account string) string { return "arn:aws:kms:us-west-2:" + account + ":" + objectkey.ManagedKey }
	for _, c := range []struct{ name, owner, action, reason string }{
		{"our bucket", ours, "kms:GenerateDataKey", ""},
		{"our bucket, Encrypt", ours, "kms:Encrypt", ""},
		{"their bucket", theirs, "kms:GenerateDataKey", "DstPutObjectNotPermitted"},
		{"their bucket, Encrypt", theirs, "kms:Encrypt", "DstPutObjectNotPermitted"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.src.bucket("source", ours, "", false)
			w.dst.bucket("copy", c.owner, "", false)
			from := w.src.key(ours)
			w.tables.identity[role] = strings.ReplaceAll(recipe(from, "arn:aws:kms:us-west-2:"+ours+":key/*"), `"kms:GenerateDataKey"`, `"`+c.action+`"`)
			w.dst.policy("copy", grant("arn:aws:s3:::copy/*", "s3:ReplicateObject"))
			// By the alias, and by the key's own ARN.
			arn, err := w.dst.kms.Resolve(t.Context(), ours, objectkey.ManagedKey)
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{managed(theirs), managed(ours), arn} {
				w.rule("copy", kmsRule(name))
				w.put(name, []byte("x"), w.sealed(name, "aws:kms", from, true, nil))
				w.step()
				if c.reason != "" {
					w.want(name, s3.Failed, c.reason)
					w.absent("copy", name)
					continue
				}
				w.want(name, s3.Completed, "")
				if o, _ := w.there("copy", name, nil); o.SSE.KeyID != arn {
					t.Errorf("%s: %+v", name, o.SSE)
				}
			}
		})
	}
}

// TestSuspendedAccounts: nothing leaves a suspended account's bucket, comes into
// one or is sealed under such an account's key, until the account is back.
func TestSuspendedAccounts(t *testing.T) {
	const third = "777788889999"
	for _, c := range []struct{ suspended, reason string }{
		{ours, "AssumeRoleNotPermitted"},
		{theirs, "DstPutObjectNotPermitted"},
		{third, "DstPutObjectNotPermitted"},
	} {
		t.Run(c.suspended, func(t *testing.T) {
			w := newWorld(t)
			w.src.bucket("source", ours, "", false)
			w.dst.bucket("copy", theirs, "", false)
			from, to := w.src.key(ours), w.dst.key(third)
			w.tables.identity[role] = recipe(from, to)
			w.dst.policy("copy", grant("arn:aws:s3:::copy/*", "s3:ReplicateObject", "s3:ReplicateDelete"))
			w.dst.do(third, "PutKeyPolicy", &kmsshapes.PutKeyPolicyRequest{KeyId: &to, Policy: ptr(document(
				`{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::`+third+`:root"},"Action":"kms:*","Resource":"*"}`,
				`{"Effect":"Allow","Principal":{"AWS":"`+role+`"},"Action":"kms:GenerateDataKey","Resource":"*"}`))})
			w.rule("copy", kmsRule(to))
			sealed := w.sealed("k", "aws:kms", from, false, nil)
			w.put("k", []byte("x"), sealed)
			w.tables.suspended = c.suspended
			w.step()
			w.want("k", s3.Failed, c.reason)
			w.absent("copy", "k")
			w.later()
			w.want("k", s3.Failed, c.reason)
			w.absent("copy", "k")
			w.tables.suspended = ""
			w.later()
			w.want("k", s3.Completed, "")
			if o, got := w.there("copy", "k", nil); o.SSE.KeyID != to || string(got) != "x" {
				t.Errorf("%+v %q", o.SSE, got)
			}
		})
	}
}

// TestReplicaKeyNames tries what a rule may name as the key of its replicas.
func TestReplicaKeyNames(t *testing.T) {
	w := newWorld(t)
	w.src.bucket("source", ours, "", false)
	w.dst.bucket("copy", ours, "", false)
	from, to := w.src.key(ours), w.dst.key(ours)
	w.dst.do(ours, "CreateAlias", &kmsshapes.CreateAliasRequest{AliasName: ptr("alias/replicas"), TargetKeyId: &to})
	w.tables.identity[role] = recipe(from, to)
	for i, c := range []struct{ name, reason string }{
		{to, ""},
		{"arn:aws:kms:us-west-2:" + ours + ":alias/replicas", ""},
		{"arn:aws:kms:us-west-2:" + theirs + ":alias/replicas", ""}, // an alias is one of the role's account
		{"arn:aws:kms:us-west-2:" + ours + ":alias/none", "DstKmsKeyNotFound"},
		{"arn:aws:kms:us-west-2:" + ours + ":key/00000000-0000-0000-0000-000000000000", "DstKmsKeyNotFound"},
		{from, "DstKmsKeyNotFound"}, // of another region
	} {
		w.rule("copy", kmsRule(c.name))
		key := fmt.Sprint("k", i)
		w.put(key, []byte("x"), w.sealed(key, "aws:kms", from, true, nil))
		w.step()
		if c.reason != "" {
			w.want(key, s3.Failed, c.reason)
			continue
		}
		w.want(key, s3.Completed, "")
		if o, _ := w.there("copy", key, nil); o.SSE.KeyID != to || !o.SSE.BucketKey {
			t.Errorf("%s: %+v", c.name, o.SSE)
		}
	}
}

// TestSealedObjectsShipSealed replicates an object whose key nobody but its
// customer has.
func TestSealedObjectsShipSealed(t *testing.T) {
	w := newWorld(t)
	w.src.bucket("source", ours, "", false)
	w.dst.bucket("copy", ours, "", false)
	w.tables.identity[role] = recipe()
	w.rule("copy", "")
	cust := customer()
	secret := []byte("nobody on the way may read this")
	w.put("k", secret, w.sealed("k", "", "", false, cust))
	w.step()
	w.want("k", s3.Failed, "DstPutObjectNotPermitted") // blocked, as on AWS
	w.dst.document("copy", "encryption", `<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault><BucketKeyEnabled>false</BucketKeyEnabled><BlockedEncryptionTypes><EncryptionType>NONE</EncryptionType></BlockedEncryptionTypes></Rule></ServerSideEncryptionConfiguration>`)
	w.later()
	w.want("k", s3.Completed, "")
	o, got := w.there("copy", "k", cust)
	if !bytes.Equal(got, secret) || o.SSE.CustomerKeyMD5 != cust.MD5 {
		t.Errorf("%q %+v", got, o.SSE)
	}
	there, err := w.dst.Open(t.Context(), "copy", "k", "")
	if err != nil {
		t.Fatal(err)
	}
	defer there.Close()
	if _, err := there.Body(t.Context(), 0, -1); err == nil {
		t.Error("the region itself could read it")
	}
}

// TestARefusedBodyDoesNotTravelAgain sees that what was refused once is asked
// about before its body is sent, and that it holds up nobody.
func TestARefusedBodyDoesNotTravelAgain(t *testing.T) {
	w := newWorld(t)
	w.src.bucket("source", ours, "", false)
	w.dst.bucket("copy", ours, "", false)
	w.tables.identity[role] = recipe()
	w.dst.policy("copy", deny("arn:aws:s3:::copy/secret/*", "s3:ReplicateObject"))
	w.rule("copy", "")
	body := bytes.Repeat([]byte("x"), 1<<20)
	w.put("secret/k", body, nil)
	w.step()
	w.want("secret/k", s3.Failed, "DstPutObjectNotPermitted")
	w.bodies = 0
	for range 5 {
		w.later()
	}
	if w.bodies > 0 {
		t.Errorf("the body of an object that is refused travelled %d times", w.bodies)
	}
	w.put("public/k", body, nil)
	w.step()
	w.want("public/k", s3.Completed, "")
	w.want("secret/k", s3.Failed, "DstPutObjectNotPermitted")
}

// TestTroubleIsNotRefusal keeps PENDING what nobody could decide.
func TestTroubleIsNotRefusal(t *testing.T) {
	p := newPair(t, false)
	p.srcLaw.away = fmt.Errorf("the tables can't be read")
	p.put("k", []byte("x"))
	p.step()
	p.wantStatus("k", s3.Pending, "")
	p.srcLaw.away, p.dstLaw.away = nil, fmt.Errorf("the tables can't be read")
	p.now = p.now.Add(time.Minute)
	p.step()
	p.wantStatus("k", s3.Pending, "")
	p.wantAbsent("k")
	p.dstLaw.away = nil
	p.now = p.now.Add(time.Minute)
	p.step()
	p.wantStatus("k", s3.Completed, "")
}

// TestWhatKMSSays tries what KMS may answer at either end.
func TestWhatKMSSays(t *testing.T) {
	for _, c := range []struct {
		err      error
		src, dst string // reasons; empty: PENDING
	}{
		{awserr.ErrSlowDown, "", ""},
		{awserr.New("ThrottlingException", 400, ""), "", ""},
		{awserr.New("KMSInternalException", 500, ""), "", ""},
		{awserr.ErrInternal, "", ""},
		{errors.New("the disk is gone"), "", ""},
		{awserr.ErrAccessDenied, "SrcGetObjectNotPermitted", "DstPutObjectNotPermitted"},
		{awserr.New("KMS.NotFoundException", 400, ""), "SrcKmsKeyInvalidState", "DstKmsKeyNotFound"},
		{awserr.New("KMS.DisabledException", 400, ""), "SrcKmsKeyInvalidState", "DstKmsKeyInvalidState"},
		{awserr.New("KMS.KMSInvalidStateException", 400, ""), "SrcKmsKeyInvalidState", "DstKmsKeyInvalidState"},
		{objectkey.ErrNoKMS, "SrcKmsKeyInvalidState", "DstKmsKeyInvalidState"},
	} {
		for end, reason := range map[string]string{"source": c.src, "destination": c.dst} {
			p := newPair(t, false)
			p.document(p.src, "source", "replication", strings.Replace(configuration, "</Bucket>", "</Bucket>"+kmsRule("key"), 1))
			keeper, err := seal.NewRegionKeeper([]byte("0123456789abcdef0123456789abcdef"))
			if err != nil {
				t.Fatal(err)
			}
			src, dst := &locks{Keeper: keeper}, &locks{Keeper: keeper}
			p.from.Keys, p.to.Keys = src, dst
			if end == "source" {
				src.err = c.err
			} else {
				dst.err = c.err
			}
			if _, err := p.src.Put(t.Context(), &store.PutInput{Bucket: "source", Key: "k", Size: 1, SSE: s3.SSE{Algorithm: "aws:kms", KeyID: "key"}}, strings.NewReader("x")); err != nil {
				t.Fatal(err)
			}
			p.step()
			status := s3.Failed
			if reason == "" {
				status = s3.Pending
			}
			p.wantStatus("k", status, reason)
			p.wantAbsent("k")
			src.err, dst.err = nil, nil
			p.now = p.now.Add(time.Minute)
			p.step()
			p.wantStatus("k", s3.Completed, "")
			if t.Failed() {
				t.Fatalf("%v at the %s", c.err, end)
			}
		}
	}
}

// TestADestinationThatNobodyKnows waits until somebody does.
func TestADestinationThatNobodyKnows(t *testing.T) {
	p := newPair(t, false)
	away := errors.New("home is away")
	dir := &sometimes{p.dir, away}
	r := &replication.Resolver{Store: p.src, Directory: dir, Clock: stamp.NewClock("us-east-1", func() time.Time { return p.now }, nil)}
	step := func() {
		t.Helper()
		p.now = p.now.Add(time.Minute)
		if _, err := r.Step(t.Context()); err != nil {
			t.Fatal(err)
		}
		p.step()
	}
	copy := p.dir["copy"]
	delete(p.dir, "copy")
	p.put("k", []byte("x"))
	if _, err := p.src.SetTags(t.Context(), "source", "k", "", []s3.Tag{{Key: "a", Value: "1"}}); err != nil {
		t.Fatal(err)
	}
	step()
	p.wantStatus("k", s3.Pending, "")
	p.dir["copy"] = copy
	dir.err = nil
	step()
	step()
	p.wantStatus("k", s3.Completed, "")
	if v := p.wantThere("k", []byte("x")); len(v.Tags.Tags) != 1 {
		t.Errorf("tags %v at the destination", v.Tags.Tags)
	}
	delete(p.dir, "copy")
	p.put("k2", []byte("x"))
	p.wantStatus("k2", s3.Pending, "")
	step()
	p.wantStatus("k2", s3.Failed, "DstBucketNotFound")
	if n, _, err := p.src.Backlog(t.Context(), "", 10); err != nil || n != 0 {
		t.Errorf("%d tasks are left, %v", n, err)
	}
}

// sometimes is a directory that can't be asked.
type sometimes struct {
	places
	err error
}

// Locate implements store.Directory.
func (s *sometimes) Locate(ctx context.Context, name string) (store.Place, bool, error) {
	if s.err != nil {
		return store.Place{}, false, s.err
	}
	return s.places.Locate(ctx, name)
}

// TestManyThatAreRefused do not hold up what is new, nor each other's mending.
func TestManyThatAreRefused(t *testing.T) {
	p := newPair(t, false)
	p.dstLaw.deny("s3:ReplicateObject", "arn:aws:s3:::copy/secret")
	for i := range 3000 {
		p.put(fmt.Sprint("secret", i), []byte("x"))
	}
	for range 5 {
		p.step()
	}
	p.wantStatus("secret2999", s3.Failed, "DstPutObjectNotPermitted")
	p.now = p.now.Add(time.Minute) // all are due
	p.put("public", []byte("x"))
	p.step()
	p.wantStatus("public", s3.Completed, "")
	for range 5 {
		p.step()
	}
	p.dstLaw.allow("s3:ReplicateObject")
	p.now = p.now.Add(time.Second) // long before the next try is due
	p.src.Kick()
	for range 12 {
		p.step()
	}
	for i := range 3000 {
		p.wantStatus(fmt.Sprint("secret", i), s3.Completed, "")
	}
}

// TestNobodysNameMovesNothing ships nothing without an identity at either end.
func TestNobodysNameMovesNothing(t *testing.T) {
	p := newPair(t, false)
	p.put("k", []byte("x"))
	p.from.Roles = nil
	p.step()
	p.wantStatus("k", s3.Pending, "")
	p.from.Roles, p.to.Decider = p.srcLaw, nil
	p.now = p.now.Add(time.Minute)
	p.step()
	p.wantStatus("k", s3.Pending, "")
	p.wantAbsent("k")
}
