package server

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/feature/s3/manager"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// devRealm is farhold dev, running in this process.
type devRealm struct {
	t    *testing.T
	p    *Process
	o    DevOptions
	http *http.Client
}

func startDev(t *testing.T, o DevOptions) *devRealm {
	t.Helper()
	if o.Data == "" {
		o.Data = t.TempDir()
	}
	o.Listen, o.Getenv = "127.0.0.1:0", func(string) string { return "" }
	d := &devRealm{t: t, o: o}
	d.start()
	t.Cleanup(d.stop)
	return d
}

func (d *devRealm) start() {
	d.t.Helper()
	p, err := Dev(context.Background(), d.o, Parts{})
	if err != nil {
		d.t.Fatal(err)
	}
	d.p = p
	tr := http.DefaultTransport.(*http.Transport).Clone()
	// Names such as bucket.localhost lead here, as they do where a resolver
	// knows that localhost and what lies below it is this machine.
	tr.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, p.Addresses()[0])
	}
	if p.CAFile != "" {
		pem, err := os.ReadFile(p.CAFile)
		if err != nil {
			d.t.Fatal(err)
		}
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(pem)
		tr.TLSClientConfig = &tls.Config{RootCAs: pool}
	}
	d.http = &http.Client{Transport: tr, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func (d *devRealm) stop() {
	if d.p == nil {
		return
	}
	d.http.CloseIdleConnections()
	ctx, cancel := contextFor(10 * time.Second)
	defer cancel()
	if err := d.p.Close(ctx); err != nil {
		d.t.Error(err)
	}
	d.p = nil
}

func (d *devRealm) config(region string) aws.Config {
	return aws.Config{
		Region:           region,
		HTTPClient:       d.http,
		Credentials:      credentials.NewStaticCredentialsProvider(d.p.Root.AccessKey, d.p.Root.SecretKey, ""),
		BaseEndpoint:     aws.String(d.p.Endpoints()[0]),
		RetryMaxAttempts: 1,
		// As config.LoadDefaultConfig has it.
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenSupported,
		ResponseChecksumValidation: aws.ResponseChecksumValidationWhenSupported,
	}
}

func (d *devRealm) s3(region string) *s3.Client {
	return s3.NewFromConfig(d.config(region), func(o *s3.Options) { o.UsePathStyle = true })
}

// virtual gives a client that names buckets in the host.
func (d *devRealm) virtual(region string) *s3.Client {
	scheme, _, _ := strings.Cut(d.p.Endpoints()[0], "://")
	_, port, _ := net.SplitHostPort(d.p.Addresses()[0])
	return s3.NewFromConfig(d.config(region), func(o *s3.Options) {
		o.BaseEndpoint = aws.String(scheme + "://s3.localhost:" + port)
	})
}

func must[T any](t *testing.T) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func codeOf(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return fmt.Sprint(err)
}

func statusOf(err error) int {
	var res *smithyhttp.ResponseError
	if errors.As(err, &res) {
		return res.HTTPStatusCode()
	}
	return 0
}

func (d *devRealm) bucket(region, name string, lock bool) {
	d.t.Helper()
	in := &s3.CreateBucketInput{Bucket: &name, ObjectLockEnabledForBucket: aws.Bool(lock)}
	if region != "us-east-1" {
		in.CreateBucketConfiguration = &types.CreateBucketConfiguration{LocationConstraint: types.BucketLocationConstraint(region)}
	}
	must[*s3.CreateBucketOutput](d.t)(d.s3(region).CreateBucket(d.t.Context(), in))
}

func (d *devRealm) versioned(region, name string) {
	d.t.Helper()
	d.bucket(region, name, false)
	must[*s3.PutBucketVersioningOutput](d.t)(d.s3(region).PutBucketVersioning(d.t.Context(), &s3.PutBucketVersioningInput{
		Bucket: &name, VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled},
	}))
}

// role makes a role that S3 may assume and that may do everything with S3 and
// KMS, and gives its ARN. A role that is there stays as it is.
func (d *devRealm) role(name string) string {
	d.t.Helper()
	c := iam.NewFromConfig(d.config("us-east-1"))
	_, err := c.CreateRole(d.t.Context(), &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: aws.String(`{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sts:AssumeRole"}]}`)})
	var there *iamtypes.EntityAlreadyExistsException
	if err != nil && !errors.As(err, &there) {
		d.t.Fatal(err)
	}
	must[*iam.PutRolePolicyOutput](d.t)(c.PutRolePolicy(d.t.Context(), &iam.PutRolePolicyInput{
		RoleName: &name, PolicyName: aws.String("everything"), PolicyDocument: aws.String(`{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["s3:*", "kms:*"], "Resource": "*"}]}`),
	}))
	return "arn:aws:iam::" + d.p.Account + ":role/" + name
}

func text2bytes(n int, seed uint64) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	r.Read(b)
	return b
}

func TestWalk(t *testing.T) {
	for _, tls := range []bool{false, true} {
		t.Run(map[bool]string{false: "http", true: "https"}[tls], func(t *testing.T) {
			d := startDev(t, DevOptions{TLS: tls})
			t.Run("replication", d.sub((*devRealm).walkReplication))
			t.Run("multipart", d.sub((*devRealm).walkMultipart))
			t.Run("copy and ranges", d.sub((*devRealm).walkCopyAndRanges))
			t.Run("presigned", d.sub((*devRealm).walkPresigned))
			t.Run("versioning", d.sub((*devRealm).walkVersioning))
			t.Run("locking", d.sub((*devRealm).walkLocking))
			t.Run("listing", d.sub((*devRealm).walkListing))
			t.Run("regions", d.sub((*devRealm).walkRegions))
			t.Run("virtual hosts", d.sub((*devRealm).walkVirtual))
		})
	}
}

func (d *devRealm) sub(f func(*devRealm)) func(*testing.T) {
	return func(t *testing.T) {
		c := *d
		c.t = t
		f(&c)
	}
}

func (d *devRealm) walkReplication() {
	t, ctx := d.t, d.t.Context()
	who := must[*sts.GetCallerIdentityOutput](t)(sts.NewFromConfig(d.config("us-west-2")).GetCallerIdentity(ctx, nil))
	if *who.Account != d.p.Account || *who.Arn != "arn:aws:iam::"+d.p.Account+":root" {
		t.Errorf("identity %s %s", *who.Account, *who.Arn)
	}
	d.versioned("us-east-1", "source")
	d.versioned("us-west-2", "copy")
	d.versioned("eu-west-1", "other")
	rule := func(id, to string, priority int32) types.ReplicationRule {
		return types.ReplicationRule{
			ID: &id, Status: types.ReplicationRuleStatusEnabled, Priority: &priority, Filter: &types.ReplicationRuleFilter{Prefix: aws.String("")},
			DeleteMarkerReplication: &types.DeleteMarkerReplication{Status: types.DeleteMarkerReplicationStatusEnabled},
			Destination:             &types.Destination{Bucket: aws.String("arn:aws:s3:::" + to)},
		}
	}
	must[*s3.PutBucketReplicationOutput](t)(d.s3("us-east-1").PutBucketReplication(ctx, &s3.PutBucketReplicationInput{
		Bucket: aws.String("source"),
		ReplicationConfiguration: &types.ReplicationConfiguration{
			Role:  aws.String(d.role("replication")),
			Rules: []types.ReplicationRule{rule("west", "copy", 1), rule("eu", "other", 2)},
		},
	}))
	source := d.s3("us-east-1")
	bodies := map[string][]byte{"small.txt": []byte("hello"), "mid.bin": text2bytes(200_000, 1), "large.bin": text2bytes(20<<20, 2), "empty": {}}
	versions := map[string]string{}
	for key, body := range bodies {
		put := must[*s3.PutObjectOutput](t)(source.PutObject(ctx, &s3.PutObjectInput{
			Bucket: aws.String("source"), Key: &key, Body: bytes.NewReader(body),
			Metadata: map[string]string{"color": "blue"}, Tagging: aws.String("a=b"), ContentType: aws.String("text/x-test"),
		}))
		versions[key] = *put.VersionId
	}
	for key, body := range bodies {
		v := versions[key]
		d.await("COMPLETED", "us-east-1", "source", key, v)
		at := must[*s3.HeadObjectOutput](t)(source.HeadObject(ctx, &s3.HeadObjectInput{Bucket: aws.String("source"), Key: &key}))
		for region, bucket := range map[string]string{"us-west-2": "copy", "eu-west-1": "other"} {
			got := must[*s3.GetObjectOutput](t)(d.s3(region).GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: &key}))
			b := must[[]byte](t)(io.ReadAll(got.Body))
			if !bytes.Equal(b, body) {
				t.Errorf("%s in %s: %d bytes that differ from the %d put", key, bucket, len(b), len(body))
			}
			if aws.ToString(got.VersionId) != v || aws.ToString(got.ETag) != aws.ToString(at.ETag) || !got.LastModified.Equal(*at.LastModified) ||
				got.Metadata["color"] != "blue" || aws.ToInt32(got.TagCount) != 1 || aws.ToString(got.ContentType) != "text/x-test" ||
				got.ReplicationStatus != types.ReplicationStatusReplica || got.ServerSideEncryption != types.ServerSideEncryptionAes256 {
				t.Errorf("%s in %s: %+v", key, bucket, got)
			}
		}
	}
	del := must[*s3.DeleteObjectOutput](t)(source.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: aws.String("source"), Key: aws.String("small.txt")}))
	d.eventually("the delete marker arrives", func() bool {
		_, err := d.s3("us-west-2").GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String("copy"), Key: aws.String("small.txt")})
		return codeOf(err) == "NoSuchKey"
	})
	list := must[*s3.ListObjectVersionsOutput](t)(d.s3("us-west-2").ListObjectVersions(ctx, &s3.ListObjectVersionsInput{Bucket: aws.String("copy"), Prefix: aws.String("small")}))
	if len(list.DeleteMarkers) != 1 || *list.DeleteMarkers[0].VersionId != *del.VersionId || len(list.Versions) != 1 {
		t.Errorf("versions %+v", list)
	}
}

func (d *devRealm) await(status, region, bucket, key, version string) {
	d.t.Helper()
	last := ""
	d.eventually(key+" is "+status, func() bool {
		h, err := d.s3(region).HeadObject(d.t.Context(), &s3.HeadObjectInput{Bucket: &bucket, Key: &key, VersionId: &version})
		if err != nil {
			d.t.Fatal(err)
		}
		last = string(h.ReplicationStatus)
		return last == status
	})
}

func (d *devRealm) eventually(what string, ok func() bool) {
	d.t.Helper()
	for end := time.Now().Add(30 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			d.t.Fatalf("it did not happen that %s", what)
		}
	}
}

func (d *devRealm) walkMultipart() {
	t, ctx := d.t, d.t.Context()
	d.bucket("us-west-2", "multi", false)
	c := d.s3("us-west-2")
	body := text2bytes(23<<20, 3)
	up := manager.NewUploader(c, func(u *manager.Uploader) { u.PartSize = 8 << 20 })
	must[*manager.UploadOutput](t)(up.Upload(ctx, &s3.PutObjectInput{Bucket: aws.String("multi"), Key: aws.String("big"), Body: bytes.NewReader(body)}))
	buf := manager.NewWriteAtBuffer(nil)
	must[int64](t)(manager.NewDownloader(c).Download(ctx, buf, &s3.GetObjectInput{Bucket: aws.String("multi"), Key: aws.String("big")}))
	if !bytes.Equal(buf.Bytes(), body) {
		t.Error("downloaded bytes differ")
	}
	head := must[*s3.HeadObjectOutput](t)(c.HeadObject(ctx, &s3.HeadObjectInput{Bucket: aws.String("multi"), Key: aws.String("big"), PartNumber: aws.Int32(3)}))
	if *head.PartsCount != 3 || *head.ContentLength != 7<<20 || !strings.HasSuffix(*head.ETag, `-3"`) {
		t.Errorf("head of part 3: %d parts, %d bytes, %s", *head.PartsCount, *head.ContentLength, *head.ETag)
	}
	open := must[*s3.CreateMultipartUploadOutput](t)(c.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: aws.String("multi"), Key: aws.String("never")}))
	must[*s3.UploadPartOutput](t)(c.UploadPart(ctx, &s3.UploadPartInput{Bucket: aws.String("multi"), Key: aws.String("never"), UploadId: open.UploadId, PartNumber: aws.Int32(1), Body: strings.NewReader("x")}))
	must[*s3.AbortMultipartUploadOutput](t)(c.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: aws.String("multi"), Key: aws.String("never"), UploadId: open.UploadId}))
	_, err := c.ListParts(ctx, &s3.ListPartsInput{Bucket: aws.String("multi"), Key: aws.String("never"), UploadId: open.UploadId})
	if codeOf(err) != "NoSuchUpload" {
		t.Errorf("parts of an aborted upload: %v", err)
	}
}

func (d *devRealm) walkCopyAndRanges() {
	t, ctx := d.t, d.t.Context()
	d.bucket("eu-west-1", "ranges", false)
	c := d.s3("eu-west-1")
	body := text2bytes(300_000, 4)
	key := "a b/ü+%2F.bin"
	must[*s3.PutObjectOutput](t)(c.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String("ranges"), Key: &key, Body: bytes.NewReader(body), Metadata: map[string]string{"k": "v"}}))
	src := "ranges/" + strings.ReplaceAll(strings.ReplaceAll(strings.ReplaceAll(strings.ReplaceAll(key, "%", "%25"), " ", "%20"), "+", "%2B"), "ü", "%C3%BC")
	must[*s3.CopyObjectOutput](t)(c.CopyObject(ctx, &s3.CopyObjectInput{Bucket: aws.String("ranges"), Key: aws.String("copied"), CopySource: &src}))
	for _, r := range []struct {
		header   string
		from, to int
	}{{"bytes=0-0", 0, 1}, {"bytes=65530-65550", 65530, 65551}, {"bytes=-7", 299_993, 300_000}, {"bytes=299990-", 299_990, 300_000}, {"bytes=0-", 0, 300_000}} {
		got := must[*s3.GetObjectOutput](t)(c.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String("ranges"), Key: aws.String("copied"), Range: &r.header}))
		if b := must[[]byte](t)(io.ReadAll(got.Body)); !bytes.Equal(b, body[r.from:r.to]) {
			t.Errorf("%s: %d bytes that differ", r.header, len(b))
		}
		if got.Metadata["k"] != "v" {
			t.Errorf("the copy has metadata %v", got.Metadata)
		}
	}
	_, err := c.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String("ranges"), Key: aws.String("copied"), Range: aws.String("bytes=300000-")})
	if codeOf(err) != "InvalidRange" {
		t.Errorf("a range past the end: %v", err)
	}
}

func (d *devRealm) walkPresigned() {
	t, ctx := d.t, d.t.Context()
	d.bucket("us-west-2", "presigned", false)
	pre := s3.NewPresignClient(d.s3("us-west-2"))
	do := func(method, url string, header http.Header, body string) (int, string) {
		t.Helper()
		req := must[*http.Request](t)(http.NewRequestWithContext(ctx, method, url, strings.NewReader(body)))
		for k, v := range header {
			req.Header[k] = v
		}
		res := must[*http.Response](t)(d.http.Do(req))
		defer res.Body.Close()
		return res.StatusCode, string(must[[]byte](t)(io.ReadAll(res.Body)))
	}
	put := must[*v4.PresignedHTTPRequest](t)(pre.PresignPutObject(ctx, &s3.PutObjectInput{Bucket: aws.String("presigned"), Key: aws.String("k")}))
	if status, body := do(put.Method, put.URL, put.SignedHeader, "by url"); status != 200 {
		t.Fatalf("presigned put: %d %s", status, body)
	}
	get := must[*v4.PresignedHTTPRequest](t)(pre.PresignGetObject(ctx, &s3.GetObjectInput{Bucket: aws.String("presigned"), Key: aws.String("k")}))
	if status, body := do(get.Method, get.URL, get.SignedHeader, ""); status != 200 || body != "by url" {
		t.Errorf("presigned get: %d %s", status, body)
	}
	if status, body := do("GET", strings.Replace(get.URL, "/k?", "/l?", 1), get.SignedHeader, ""); status != 403 || !strings.Contains(body, "SignatureDoesNotMatch") {
		t.Errorf("a presigned URL for another key: %d %s", status, body)
	}
	if status, body := do("GET", d.p.Endpoints()[0]+"/presigned/k", nil, ""); status != 403 || !strings.Contains(body, "AccessDenied") {
		t.Errorf("anonymous: %d %s", status, body)
	}
}

func (d *devRealm) walkVersioning() {
	t, ctx := d.t, d.t.Context()
	d.versioned("us-east-1", "versions")
	c := d.s3("us-east-1")
	var ids []string
	for _, s := range []string{"one", "two"} {
		ids = append(ids, *must[*s3.PutObjectOutput](t)(c.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String("versions"), Key: aws.String("k"), Body: strings.NewReader(s)})).VersionId)
	}
	marker := must[*s3.DeleteObjectOutput](t)(c.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: aws.String("versions"), Key: aws.String("k")}))
	if !*marker.DeleteMarker {
		t.Error("no delete marker was made")
	}
	got := must[*s3.GetObjectOutput](t)(c.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String("versions"), Key: aws.String("k"), VersionId: &ids[0]}))
	if b := must[[]byte](t)(io.ReadAll(got.Body)); string(b) != "one" {
		t.Errorf("the first version is %q", b)
	}
	if _, err := c.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: aws.String("versions")}); codeOf(err) != "BucketNotEmpty" {
		t.Errorf("deleting a bucket with versions: %v", err)
	}
	for _, id := range append(ids, *marker.VersionId) {
		must[*s3.DeleteObjectOutput](t)(c.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: aws.String("versions"), Key: aws.String("k"), VersionId: &id}))
	}
	must[*s3.DeleteBucketOutput](t)(c.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: aws.String("versions")}))
	if _, err := c.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: aws.String("versions")}); statusOf(err) != 404 {
		t.Errorf("head of a deleted bucket: %v", err)
	}
}

func (d *devRealm) walkLocking() {
	t, ctx := d.t, d.t.Context()
	d.bucket("us-east-1", "locked", true)
	c := d.s3("us-east-1")
	until := time.Now().Add(time.Hour)
	put := must[*s3.PutObjectOutput](t)(c.PutObject(ctx, &s3.PutObjectInput{
		Bucket: aws.String("locked"), Key: aws.String("k"), Body: strings.NewReader("keep"),
		ObjectLockMode: types.ObjectLockModeGovernance, ObjectLockRetainUntilDate: &until,
	}))
	del := &s3.DeleteObjectInput{Bucket: aws.String("locked"), Key: aws.String("k"), VersionId: put.VersionId}
	if _, err := c.DeleteObject(ctx, del); codeOf(err) != "AccessDenied" {
		t.Errorf("deleting a retained version: %v", err)
	}
	must[*s3.PutObjectLegalHoldOutput](t)(c.PutObjectLegalHold(ctx, &s3.PutObjectLegalHoldInput{
		Bucket: aws.String("locked"), Key: aws.String("k"), LegalHold: &types.ObjectLockLegalHold{Status: types.ObjectLockLegalHoldStatusOn},
	}))
	del.BypassGovernanceRetention = aws.Bool(true)
	if _, err := c.DeleteObject(ctx, del); codeOf(err) != "AccessDenied" {
		t.Errorf("deleting a version on hold: %v", err)
	}
	must[*s3.PutObjectLegalHoldOutput](t)(c.PutObjectLegalHold(ctx, &s3.PutObjectLegalHoldInput{
		Bucket: aws.String("locked"), Key: aws.String("k"), LegalHold: &types.ObjectLockLegalHold{Status: types.ObjectLockLegalHoldStatusOff},
	}))
	must[*s3.DeleteObjectOutput](t)(c.DeleteObject(ctx, del))
}

func (d *devRealm) walkListing() {
	t, ctx := d.t, d.t.Context()
	d.bucket("eu-west-1", "listing", false)
	c := d.s3("eu-west-1")
	var want []string
	for i := range 25 {
		key := fmt.Sprintf("d%d/k%02d", i%3, i)
		want = append(want, key)
		must[*s3.PutObjectOutput](t)(c.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String("listing"), Key: &key, Body: strings.NewReader("x")}))
	}
	slices.Sort(want)
	var got []string
	pages := s3.NewListObjectsV2Paginator(c, &s3.ListObjectsV2Input{Bucket: aws.String("listing"), MaxKeys: aws.Int32(7)})
	for pages.HasMorePages() {
		page := must[*s3.ListObjectsV2Output](t)(pages.NextPage(ctx))
		for _, o := range page.Contents {
			got = append(got, *o.Key)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("listed %v, want %v", got, want)
	}
	page := must[*s3.ListObjectsV2Output](t)(c.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: aws.String("listing"), Delimiter: aws.String("/")}))
	if len(page.CommonPrefixes) != 3 || len(page.Contents) != 0 {
		t.Errorf("by delimiter: %d prefixes, %d keys", len(page.CommonPrefixes), len(page.Contents))
	}
}

func (d *devRealm) walkRegions() {
	t, ctx := d.t, d.t.Context()
	d.bucket("us-west-2", "elsewhere", false)
	east := d.s3("us-east-1")
	_, err := east.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String("elsewhere"), Key: aws.String("k")})
	var res *smithyhttp.ResponseError
	if !errors.As(err, &res) || res.HTTPStatusCode() != 301 || res.Response.Header.Get("X-Amz-Bucket-Region") != "us-west-2" || codeOf(err) != "PermanentRedirect" {
		t.Errorf("through the wrong region: %v", err)
	}
	region := must[string](t)(manager.GetBucketRegion(ctx, east, "elsewhere"))
	if region != "us-west-2" {
		t.Errorf("GetBucketRegion = %q", region)
	}
	in := &s3.CreateBucketInput{Bucket: aws.String("elsewhere")}
	if _, err := east.CreateBucket(ctx, in); codeOf(err) != "BucketAlreadyOwnedByYou" {
		t.Errorf("a name of another region: %v", err)
	}
	all := must[*s3.ListBucketsOutput](t)(d.s3("eu-west-1").ListBuckets(ctx, &s3.ListBucketsInput{Prefix: aws.String("else")}))
	found := false
	for _, b := range all.Buckets {
		found = found || *b.Name == "elsewhere" && *b.BucketRegion == "us-west-2"
	}
	if !found {
		t.Errorf("ListBuckets through another region: %v", all.Buckets)
	}
	for _, c := range []*s3.Client{d.s3("mars-north-1")} {
		if _, err := c.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: aws.String("elsewhere")}); statusOf(err) != 400 {
			t.Errorf("through no region: %v", err)
		}
	}
	must[*s3.DeleteBucketOutput](t)(d.s3("us-west-2").DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: aws.String("elsewhere")}))
	d.bucket("eu-west-1", "elsewhere", false)
}

func (d *devRealm) walkVirtual() {
	t, ctx := d.t, d.t.Context()
	d.bucket("us-east-1", "virtual", false)
	c := d.virtual("us-east-1")
	for _, key := range []string{"k", "-/ready", "-/metrics"} { // Farhold's own paths, were they not in a bucket
		must[*s3.PutObjectOutput](t)(c.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String("virtual"), Key: &key, Body: strings.NewReader("object " + key)}))
		got := must[*s3.GetObjectOutput](t)(c.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String("virtual"), Key: &key}))
		if b := must[[]byte](t)(io.ReadAll(got.Body)); string(b) != "object "+key {
			t.Errorf("%s is %q", key, b)
		}
	}
}

func TestRestart(t *testing.T) {
	d := startDev(t, DevOptions{Regions: []string{"eu-west-1", "us-east-1"}})
	ctx := t.Context()
	d.bucket("us-east-1", "kept", false)
	body := text2bytes(3_000_000, 5)
	must[*s3.PutObjectOutput](t)(d.s3("us-east-1").PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String("kept"), Key: aws.String("k"), Body: bytes.NewReader(body)}))
	account, root := d.p.Account, d.p.Root
	if _, err := Dev(ctx, d.o, Parts{}); err == nil || !strings.Contains(err.Error(), "in use by process") {
		t.Errorf("a second process on the folder: %v", err)
	}
	d.stop()
	d.o.Regions = []string{"us-west-2"} // one more
	d.start()
	if d.p.Account != account || d.p.Root != root {
		t.Error("account or credentials changed")
	}
	got := must[*s3.GetObjectOutput](t)(d.s3("us-east-1").GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String("kept"), Key: aws.String("k")}))
	if b := must[[]byte](t)(io.ReadAll(got.Body)); !bytes.Equal(b, body) {
		t.Error("the object changed")
	}
	d.bucket("us-west-2", "new-region", false)
	all := must[*s3.ListBucketsOutput](t)(d.s3("eu-west-1").ListBuckets(ctx, nil))
	if len(all.Buckets) != 2 {
		t.Errorf("%d buckets after the restart", len(all.Buckets))
	}
}

func TestDevRefuses(t *testing.T) {
	none := func(string) string { return "" }
	for name, tt := range map[string]struct {
		o    DevOptions
		want string
	}{
		"public address without credentials": {DevOptions{Listen: "0.0.0.0:0", TLS: true, Getenv: none}, "FARHOLD_ROOT_ACCESS_KEY"},
		"plain HTTP on a public address": {DevOptions{Listen: ":0", Getenv: func(k string) string {
			return map[string]string{"FARHOLD_ROOT_ACCESS_KEY": "AKIA0123456789ABCDEF", "FARHOLD_ROOT_SECRET_KEY": "0123456789abcdef0123456789abcdef"}[k]
		}}, "insecure-http"},
		"half of the credentials": {DevOptions{Listen: "127.0.0.1:0", Getenv: func(k string) string {
			return map[string]string{"FARHOLD_ROOT_ACCESS_KEY": "AKIA0123456789ABCDEF"}[k]
		}}, "belong together"},
		"no region": {DevOptions{Listen: "127.0.0.1:0", Regions: []string{"Not A Region"}, Getenv: none}, "no name for a region"},
	} {
		tt.o.Data = t.TempDir()
		p, err := Dev(t.Context(), tt.o, Parts{})
		if err == nil {
			p.Close(t.Context())
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want an error with %q", name, err, tt.want)
		}
	}
}
