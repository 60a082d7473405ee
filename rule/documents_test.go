package rule

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/farhold/farhold/awserr"
)

const account = "123456789012"

// world is a bucket named source in us-east-1 with versioning, beside buckets
// of every other kind.
func world() Context {
	return Context{
		Bucket: "source", Region: "us-east-1", Owner: account, Caller: "arn:aws:iam::" + account + ":root", ID: "x",
		Versioning: "Enabled", Ownership: BucketOwnerEnforced,
		Destination: func(bucket string) (Destination, error) {
			d := Destination{Exists: true, Versioned: true, Region: "us-west-2", Owner: account}
			switch bucket {
			case "copy", "copy2":
			case "near":
				d.Region = "us-east-1"
			case "unversioned":
				d.Versioned = false
			case "theirs":
				d.Owner, d.Region = "210987654321", "us-east-1"
			case "unreachable":
				return d, awserr.ErrSlowDown
			default:
				return Destination{}, nil
			}
			return d, nil
		},
	}
}

// withDocument gives the context a current document.
func withDocument(c Context, name, body string) Context {
	c.Current = func(n string) ([]byte, error) {
		if n == name {
			return []byte(body), nil
		}
		return nil, nil
	}
	return c
}

// documentCase is a body and what PUT says about it. want is AWS's code, with
// its message and its elements behind it as far as the case cares; empty is
// success. get is in what GET answers then.
type documentCase struct {
	name string
	ctx  func(*Context)
	body string
	want string
	get  string
}

func testDocument(t *testing.T, name string, cases []documentCase) {
	t.Helper()
	doc := Find(name)
	if doc == nil {
		t.Fatalf("no document %q", name)
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			ctx := world()
			if c.ctx != nil {
				c.ctx(&ctx)
			}
			stored, err := doc.Check(ctx, []byte(c.body))
			if got := describe(err); !strings.HasPrefix(got, c.want) || (c.want == "") != (err == nil) {
				t.Fatalf("got  %s\nwant %s", got, c.want)
			}
			if err != nil {
				return
			}
			again, err := doc.Check(ctx, []byte(c.body))
			if err != nil || !bytes.Equal(again, stored) {
				t.Fatalf("the second check gives %s, %v; the first %s", again, err, stored)
			}
			body, _, err := doc.Answer(ctx, stored)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(body), c.get) {
				t.Fatalf("GET answers\n%s\nwithout\n%s", body, c.get)
			}
			// What GET answers can be put again and is then the same.
			same, err := doc.Check(ctx, body)
			if err != nil {
				t.Fatalf("what GET answers can't be put: %v\n%s", err, body)
			}
			twice, _, err := doc.Answer(ctx, same)
			if err != nil || !bytes.Equal(body, twice) {
				t.Fatalf("put again, GET answers\n%s\nbefore\n%s", twice, body)
			}
		})
	}
}

// describe shows an error as code, status, message and elements.
func describe(err error) string {
	if err == nil {
		return ""
	}
	e := awserr.From(err)
	if e == nil {
		return "not an AWS error: " + err.Error()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %d %s", e.Code, e.Status, e.Message)
	for _, f := range e.Extra {
		fmt.Fprintf(&b, " %s=%s", f.Name, f.Value)
	}
	return b.String()
}

const malformedXML = "MalformedXML 400 The XML you provided was not well-formed or did not validate against our published schema"

func TestTable(t *testing.T) {
	names := make([]string, len(Documents))
	for i, d := range Documents {
		names[i] = d.Name
		t.Run(d.Name, func(t *testing.T) {
			if Find(d.Name) != &Documents[i] {
				t.Fatal("Find gives another row")
			}
			if d.NotServed != "" {
				_, err := Documents[i].Check(world(), []byte("<x/>"))
				_, _, err2 := Documents[i].Answer(world(), nil)
				_, err3 := Documents[i].Remove()
				for _, err := range []error{err, err2, err3} {
					if !errors.Is(err, awserr.ErrNotImplemented) || awserr.From(err).Status != 501 {
						t.Fatalf("got %v, want NotImplemented", err)
					}
				}
				return
			}
			if d.check == nil || d.MaxBytes == 0 || d.Note == "" || d.Get == "" || d.Put == "" {
				t.Fatal("incomplete row")
			}
			if d.PutStatus != 200 && d.PutStatus != 204 {
				t.Fatalf("PUT answers %d", d.PutStatus)
			}
			if (d.unset == nil) && d.Unset == nil {
				t.Fatal("GET without a document has no answer")
			}
			if d.ByID != (d.List != "") || d.ByID != (d.list != nil) {
				t.Fatal("documents by ID are listed, others are not")
			}
			// Bodies that are no document at all, and one byte too many.
			want := "MalformedXML"
			if d.JSON {
				want = "MalformedPolicy"
			}
			for _, body := range []string{"", " ", "x", "<", "<Other/>", "null", "[]", `<!DOCTYPE x><` + d.Name + `/>`} {
				if _, err := Documents[i].Check(world(), []byte(body)); awserr.From(err) == nil || awserr.From(err).Code != want {
					t.Errorf("%q: %v, want %s", body, err, want)
				}
			}
			if _, err := Documents[i].Check(world(), nil); awserr.From(err) == nil || awserr.From(err).Code != want {
				t.Errorf("no body: %v, want %s", err, want)
			}
			if _, err := Documents[i].Check(world(), make([]byte, d.MaxBytes+1)); !errors.Is(err, ErrMaxMessageLength) {
				t.Errorf("%d bytes: %v", d.MaxBytes+1, err)
			}
		})
	}
	if !slices.IsSorted(names) {
		t.Fatal("the table is not in the order of names")
	}
}

// What GET answers where nothing was ever put.
func TestUnset(t *testing.T) {
	for name, want := range map[string]string{
		"abac":                `<AbacStatus xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Status>Disabled</Status></AbacStatus>`,
		"accelerate":          `<AccelerateConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"/>`,
		"analytics":           "NoSuchConfiguration 404 The specified configuration does not exist.",
		"cors":                "NoSuchCORSConfiguration 404 The CORS configuration does not exist BucketName=source",
		"encryption":          `<ServerSideEncryptionConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault><BucketKeyEnabled>false</BucketKeyEnabled><BlockedEncryptionTypes><EncryptionType>SSE-C</EncryptionType></BlockedEncryptionTypes></Rule></ServerSideEncryptionConfiguration>`,
		"intelligent-tiering": "NoSuchConfiguration 404 The specified configuration does not exist.",
		"inventory":           "NoSuchConfiguration 404 The specified configuration does not exist.",
		"lifecycle":           "NoSuchLifecycleConfiguration 404 The lifecycle configuration does not exist BucketName=source",
		"logging":             `<BucketLoggingStatus xmlns="http://s3.amazonaws.com/doc/2006-03-01/"/>`,
		"metrics":             "NoSuchConfiguration 404 The specified configuration does not exist.",
		"notification":        `<NotificationConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"/>`,
		"object-lock":         "ObjectLockConfigurationNotFoundError 404 Object Lock configuration does not exist for this bucket BucketName=source",
		"ownershipControls":   `<OwnershipControls xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Rule><ObjectOwnership>BucketOwnerEnforced</ObjectOwnership></Rule></OwnershipControls>`,
		"policy":              "NoSuchBucketPolicy 404 The bucket policy does not exist BucketName=source",
		"publicAccessBlock":   `<PublicAccessBlockConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><BlockPublicAcls>true</BlockPublicAcls><IgnorePublicAcls>true</IgnorePublicAcls><BlockPublicPolicy>true</BlockPublicPolicy><RestrictPublicBuckets>true</RestrictPublicBuckets></PublicAccessBlockConfiguration>`,
		"replication":         "ReplicationConfigurationNotFoundError 404 The replication configuration was not found BucketName=source",
		"requestPayment":      `<RequestPaymentConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Payer>BucketOwner</Payer></RequestPaymentConfiguration>`,
		"tagging":             "NoSuchTagSet 404 The TagSet does not exist BucketName=source",
		"versioning":          `<VersioningConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"/>`,
		"website":             "NoSuchWebsiteConfiguration 404 The specified bucket does not have a website configuration BucketName=source",
	} {
		ctx := world()
		ctx.Versioning = ""
		body, _, err := Find(name).Answer(ctx, nil)
		got := describe(err)
		if err == nil {
			got = strings.TrimPrefix(string(body), `<?xml version="1.0" encoding="UTF-8"?>`+"\n")
		}
		if got != want {
			t.Errorf("%s\ngot  %s\nwant %s", name, got, want)
		}
	}
}

// What the bucket's own state says without a document, and what DELETE leaves.
func TestUnsetByState(t *testing.T) {
	ctx := world()
	ctx.ObjectLock = true
	if body, _, err := Find("object-lock").Answer(ctx, nil); err != nil || !strings.Contains(string(body), "<ObjectLockEnabled>Enabled</ObjectLockEnabled></ObjectLockConfiguration>") {
		t.Errorf("object-lock: %s, %v", body, err)
	}
	if body, _, err := Find("versioning").Answer(ctx, nil); err != nil || !strings.Contains(string(body), "<Status>Enabled</Status>") {
		t.Errorf("versioning: %s, %v", body, err)
	}
	ctx.Ownership = ObjectWriter
	if body, _, err := Find("ownershipControls").Answer(ctx, nil); err != nil || !strings.Contains(string(body), "<ObjectOwnership>ObjectWriter<") {
		t.Errorf("ownershipControls: %s, %v", body, err)
	}
	if next, err := Find("ownershipControls").Remove(); next != nil || err != nil {
		t.Errorf("ownershipControls: removal stores %q, %v", next, err)
	}
	ctx.Ownership, _ = ParseOwnership(nil)
	if _, _, err := Find("ownershipControls").Answer(ctx, nil); describe(err) != "OwnershipControlsNotFoundError 404 The bucket ownership controls were not found BucketName=source" {
		t.Errorf("ownershipControls after DELETE: %v", err)
	}

	block := Find("publicAccessBlock")
	left, err := block.Remove()
	if err != nil || left == nil {
		t.Fatal(left, err)
	}
	if _, _, err := block.Answer(ctx, left); describe(err) != "NoSuchPublicAccessBlockConfiguration 404 The public access block configuration was not found BucketName=source" {
		t.Errorf("publicAccessBlock after DELETE: %v", err)
	}
	if b, err := ParsePublicAccessBlock(left); err != nil || b != (PublicAccessBlock{}) {
		t.Errorf("publicAccessBlock after DELETE: %+v, %v", b, err)
	}
	if b, err := ParsePublicAccessBlock(nil); err != nil || b != (PublicAccessBlock{true, true, true, true}) {
		t.Errorf("publicAccessBlock of a new bucket: %+v, %v", b, err)
	}
}

var update = flag.Bool("update", false, "write docs/fidelity/s3-documents.md")

// The page of the documentation says what the table says.
func TestFidelityPage(t *testing.T) {
	var b strings.Builder
	b.WriteString(`# Bucket documents

Every document that S3 keeps for a bucket is parsed strictly, checked as AWS checks it, stored, and returned as AWS returns it. This page says
which of them Farhold also acts on. It is written by ` + "`go test ./rule -run TestFidelityPage -update`" + ` from the table ` + "`rule.Documents`" + `.

| Document | Acts on it | PUT | DELETE | GET when unset | |
|---|---|---|---|---|---|
`)
	for i := range Documents {
		d := &Documents[i]
		if d.NotServed != "" {
			fmt.Fprintf(&b, "| `%s` | not served | NotImplemented | NotImplemented | NotImplemented | %s |\n", d.Name, d.NotServed)
			continue
		}
		acts, remove, unset := "stored only", "–", "a default"
		if d.Enforced {
			acts = "yes"
		}
		if d.Delete != "" {
			remove = "204"
		}
		ctx := world()
		ctx.Versioning = ""
		if _, _, err := d.Answer(ctx, nil); err != nil {
			unset = "`" + awserr.From(err).Code + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %d | %s | %s | %s |\n", d.Name, acts, d.PutStatus, remove, unset, d.Note)
	}
	b.WriteString(`
## Where Farhold takes more than AWS

` + "`--aws-strict`" + ` turns each of these into AWS's error.

- A replication rule with a tag filter may replicate delete markers. It applies where the version that the marker hides matched the rule. A rule with
  tags that does not replicate markers says nothing about them, as on AWS.
- ` + "`EncryptionConfiguration`" + ` without ` + "`SourceSelectionCriteria`" + ` means that objects under SSE-KMS shall be replicated.
- ` + "`NoncurrentVersionTransition`" + ` to STANDARD_IA or ONEZONE_IA may come before the thirtieth day.

## Where AWS's answer is not known

These errors are AWS's by code and status where its documentation says so; their texts are ours: an ` + "`Account`" + ` that is not the destination's owner,
` + "`ReplicationTime`" + ` and ` + "`Metrics`" + ` with different status, more than 1,000 replication rules, non-ASCII rule IDs, FIFO destinations of notifications,
days of Intelligent-Tiering out of range. Equal priorities are refused across a whole replication configuration, also between destinations.
`)
	path := filepath.Join("..", "docs", "fidelity", "s3-documents.md")
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(path)
	if err != nil || string(have) != b.String() {
		t.Fatalf("%s is stale (%v): run go test ./rule -run TestFidelityPage -update", path, err)
	}
}
