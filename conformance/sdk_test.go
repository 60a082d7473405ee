package conformance

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
)

// client is an HTTP client for which every name leads to one address, as where
// a resolver knows the names of buckets.
type client struct{ *http.Client }

func newClient(t *testing.T, address, ca string) *client {
	t.Helper()
	tr := http.DefaultTransport.(*http.Transport).Clone()
	tr.Proxy = nil
	tr.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}
	if ca != "" {
		pem, err := os.ReadFile(ca)
		if err != nil {
			t.Fatal(err)
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			t.Fatalf("%s holds no certificate", ca)
		}
		tr.TLSClientConfig = &tls.Config{RootCAs: pool}
	}
	t.Cleanup(tr.CloseIdleConnections)
	return &client{&http.Client{Transport: tr, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// do sends a request as it is, and gives the answer with its body.
func (c *client) do(t *testing.T, method, url string, header http.Header, body io.Reader) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range header {
		req.Header[k] = v
	}
	res, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(b)
}

// config has the defaults of config.LoadDefaultConfig, but takes nothing from
// the environment that these tests run in.
func (r *realm) config(region string) aws.Config {
	return aws.Config{
		Region:                     region,
		HTTPClient:                 r.http.Client,
		Credentials:                credentials.NewStaticCredentialsProvider(r.get("AWS_ACCESS_KEY_ID"), r.get("AWS_SECRET_ACCESS_KEY"), ""),
		BaseEndpoint:               aws.String(r.base),
		RetryMaxAttempts:           1,
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenSupported,
		ResponseChecksumValidation: aws.ResponseChecksumValidationWhenSupported,
	}
}

func (r *realm) s3(region string) *s3.Client {
	r.t.Helper()
	return s3.NewFromConfig(r.config(region), func(o *s3.Options) { o.UsePathStyle = true })
}

// virtual gives a client that names buckets in the host.
func (r *realm) virtual(region string) *s3.Client {
	r.t.Helper()
	return s3.NewFromConfig(r.config(region), func(o *s3.Options) {
		o.BaseEndpoint = aws.String(strings.Replace(r.base, "127.0.0.1", "s3.localhost", 1))
	})
}

func (r *realm) account() string {
	r.t.Helper()
	who, err := sts.NewFromConfig(r.config("us-east-1")).GetCallerIdentity(r.t.Context(), nil)
	return *must(r, who, err).Account
}

func must[T any](r *realm, v T, err error) T {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
	return v
}

// refused checks the code of an error, or its status where it has no body.
func (r *realm) refused(what string, err error, code string) {
	r.t.Helper()
	var api smithy.APIError
	if !errors.As(err, &api) || api.ErrorCode() != code {
		r.t.Errorf("%s: %v, want %s", what, err, code)
	}
}

func message(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorMessage()
	}
	return fmt.Sprint(err)
}

// bucket makes a bucket; enabled turns on versioning, which lock brings along.
func (r *realm) bucket(region, name string, options ...string) {
	r.t.Helper()
	in := &s3.CreateBucketInput{Bucket: &name}
	if region != "us-east-1" {
		in.CreateBucketConfiguration = &types.CreateBucketConfiguration{LocationConstraint: types.BucketLocationConstraint(region)}
	}
	for _, o := range options {
		if o == "lock" {
			in.ObjectLockEnabledForBucket = aws.Bool(true)
		}
	}
	out, err := r.s3(region).CreateBucket(r.t.Context(), in)
	must(r, out, err)
	for _, o := range options {
		if o == "enabled" {
			r.versioning(region, name, types.BucketVersioningStatusEnabled)
		}
	}
}

func (r *realm) versioning(region, bucket string, status types.BucketVersioningStatus) {
	r.t.Helper()
	_, err := r.s3(region).PutBucketVersioning(r.t.Context(), &s3.PutBucketVersioningInput{
		Bucket: &bucket, VersioningConfiguration: &types.VersioningConfiguration{Status: status},
	})
	if err != nil {
		r.t.Fatal(err)
	}
}

// put puts an object, and gives its version ID.
func (r *realm) put(region, bucket, key, body string, change ...func(*s3.PutObjectInput)) string {
	r.t.Helper()
	in := &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: strings.NewReader(body)}
	for _, c := range change {
		c(in)
	}
	out, err := r.s3(region).PutObject(r.t.Context(), in)
	return aws.ToString(must(r, out, err).VersionId)
}

func (r *realm) head(region, bucket, key string) (*s3.HeadObjectOutput, error) {
	r.t.Helper()
	return r.s3(region).HeadObject(r.t.Context(), &s3.HeadObjectInput{Bucket: &bucket, Key: &key, ChecksumMode: types.ChecksumModeEnabled})
}

// body gets an object, or fails.
func (r *realm) body(region, bucket, key string, change ...func(*s3.GetObjectInput)) []byte {
	r.t.Helper()
	in := &s3.GetObjectInput{Bucket: &bucket, Key: &key}
	for _, c := range change {
		c(in)
	}
	out, err := r.s3(region).GetObject(r.t.Context(), in)
	must(r, out, err)
	defer out.Body.Close()
	b, err := io.ReadAll(out.Body)
	return must(r, b, err)
}

// await waits until the source of a version shows a status.
func (r *realm) await(region, bucket, key string, status types.ReplicationStatus) *s3.HeadObjectOutput {
	r.t.Helper()
	var h *s3.HeadObjectOutput
	r.eventually(fmt.Sprintf("%s/%s is %s", bucket, key, status), func() bool {
		out, err := r.head(region, bucket, key)
		h = must(r, out, err)
		return h.ReplicationStatus == status
	})
	return h
}

// rule is a rule for every object.
func rule(id, bucket string, priority int32, change ...func(*types.ReplicationRule)) types.ReplicationRule {
	rule := types.ReplicationRule{
		ID: &id, Status: types.ReplicationRuleStatusEnabled, Priority: &priority, Filter: &types.ReplicationRuleFilter{Prefix: aws.String("")},
		DeleteMarkerReplication: &types.DeleteMarkerReplication{Status: types.DeleteMarkerReplicationStatusEnabled},
		Destination:             &types.Destination{Bucket: aws.String("arn:aws:s3:::" + bucket)},
	}
	for _, c := range change {
		c(&rule)
	}
	return rule
}

const (
	trustS3  = `{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sts:AssumeRole"}]}`
	mayAllS3 = `{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["s3:*", "kms:*"], "Resource": "*"}]}`
)

func (r *realm) iam() *iam.Client {
	return iam.NewFromConfig(r.config("us-east-1"))
}

// role makes a role that S3 may assume and that may do everything with S3 and
// KMS, unless it is there, and gives its ARN.
func (r *realm) role(name string) string {
	r.t.Helper()
	_, err := r.iam().CreateRole(r.t.Context(), &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: aws.String(trustS3)})
	var there *iamtypes.EntityAlreadyExistsException
	if err != nil && !errors.As(err, &there) {
		r.t.Fatal(err)
	}
	if err == nil {
		_, err = r.iam().PutRolePolicy(r.t.Context(), &iam.PutRolePolicyInput{RoleName: &name, PolicyName: aws.String("everything"), PolicyDocument: aws.String(mayAllS3)})
		if err != nil {
			r.t.Fatal(err)
		}
	}
	return "arn:aws:iam::" + r.account() + ":role/" + name
}

func (r *realm) replicate(region, bucket string, rules ...types.ReplicationRule) {
	r.t.Helper()
	_, err := r.s3(region).PutBucketReplication(r.t.Context(), &s3.PutBucketReplicationInput{
		Bucket: &bucket, ReplicationConfiguration: &types.ReplicationConfiguration{
			Role: aws.String(r.role("replication")), Rules: rules,
		},
	})
	if err != nil {
		r.t.Fatal(err)
	}
}

func equal(t *testing.T, what string, got, want []byte) {
	t.Helper()
	if !bytes.Equal(got, want) {
		t.Errorf("%s: %d bytes that differ from the %d put", what, len(got), len(want))
	}
}

// TestSDK drives a realm with aws-sdk-go-v2, which is always there.
func TestSDK(t *testing.T) {
	t.Parallel()
	for name, tls := range map[string]bool{"http": false, "https": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := start(t, tls)
			for _, walk := range []struct {
				name string
				f    func(*realm)
			}{
				{"replication", walkReplication},
				{"rules", walkRules},
				{"failed", walkFailed},
				{"parts", walkParts},
				{"checksums", walkChecksums},
				{"copy", walkCopy},
				{"presigned", walkPresigned},
				{"form", walkForm},
				{"versions", walkVersions},
				{"lock", walkLock},
				{"listing", walkListing},
				{"conditions", walkConditions},
				{"cors", walkCORS},
				{"virtual hosts", walkVirtual},
			} {
				t.Run(walk.name, func(t *testing.T) { walk.f(r.in(t)) })
			}
		})
	}
}
