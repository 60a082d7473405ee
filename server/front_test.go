package server

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/farhold/farhold/config"
)

func (d *devRealm) do(req *http.Request) (status int, header http.Header, body string) {
	d.t.Helper()
	res, err := d.http.Do(req)
	if err != nil {
		d.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		d.t.Fatal(err)
	}
	return res.StatusCode, res.Header, string(b)
}

func (d *devRealm) request(method, host, path, body string) *http.Request {
	d.t.Helper()
	req, err := http.NewRequest(method, d.p.Endpoints()[0]+path, strings.NewReader(body))
	if err != nil {
		d.t.Fatal(err)
	}
	if host != "" {
		req.Host = host
	}
	return req
}

func (d *devRealm) sign(req *http.Request, body, service, region string) *http.Request {
	d.t.Helper()
	sum := sha256.Sum256([]byte(body))
	hash := hex.EncodeToString(sum[:])
	req.Header.Set("X-Amz-Content-Sha256", hash)
	c := aws.Credentials{AccessKeyID: d.p.Root.AccessKey, SecretAccessKey: d.p.Root.SecretKey}
	if err := v4.NewSigner().SignHTTP(d.t.Context(), c, req, hash, service, region, time.Now()); err != nil {
		d.t.Fatal(err)
	}
	return req
}

func TestOwnPaths(t *testing.T) {
	d := startDev(t, DevOptions{Regions: []string{"us-east-1"}})
	for _, tt := range []struct {
		method, host, path string
		status             int
		body               string
	}{
		{"GET", "", "/-/ready", 200, "ready\n"},
		{"GET", "", "/-/ready?x=y", 200, "ready\n"},
		{"HEAD", "", "/-/ready", 200, ""},
		{"GET", "s3.localhost", "/-/healthy", 200, "healthy\n"},
		{"GET", "s3.us-east-1.amazonaws.com:443", "/-/healthy", 200, "healthy\n"},
		{"GET", "unknown.example", "/-/healthy", 200, "healthy\n"},
		{"GET", "", "/-/nothing", 404, "there is no such page\n"},
		{"POST", "", "/-/ready", 405, "only GET and HEAD are served here\n"},
		{"GET", "", "/%2D/ready", 403, "<Code>AccessDenied"}, // a path is read as it stands
		{"GET", "bucket.localhost", "/-/ready", 404, "<Code>NoSuchBucket"},
		{"GET", "bucket.s3.us-east-1.amazonaws.com", "/-/ready", 404, "<Code>NoSuchBucket"},
	} {
		status, _, body := d.do(d.request(tt.method, tt.host, tt.path, ""))
		if tt.path == "/%2D/ready" && status == 404 { // no bucket "-": that is S3's answer too
			continue
		}
		if status != tt.status || !strings.Contains(body, tt.body) {
			t.Errorf("%s %s%s: %d %s; want %d %s", tt.method, tt.host, tt.path, status, body, tt.status, tt.body)
		}
	}
	d.p.front.Shut()
	if status, _, _ := d.do(d.request("GET", "", "/-/ready", "")); status != 503 {
		t.Errorf("ready while it is stopping: %d", status)
	}
	if status, _, _ := d.do(d.request("GET", "", "/-/healthy", "")); status != 200 {
		t.Errorf("healthy while it is stopping: %d", status)
	}
	if status, _, body := d.do(d.request("GET", "", "/b/k", "")); status != 503 || !strings.Contains(body, "<Code>ServiceUnavailable") {
		t.Errorf("S3 while it is stopping: %d %s", status, body)
	}
}

func TestMetrics(t *testing.T) {
	d := startDev(t, DevOptions{Regions: []string{"us-east-1", "us-west-2"}})
	d.bucket("us-east-1", "bucket", false)
	if _, err := d.s3("us-east-1").PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("bucket"), Key: aws.String("k"), Body: bytes.NewReader(make([]byte, 1000))}); err != nil {
		t.Fatal(err)
	}
	status, header, body := d.do(d.request("GET", "", "/-/metrics", ""))
	if status != 200 || !strings.HasPrefix(header.Get("Content-Type"), "text/plain; version=0.0.4") {
		t.Fatalf("%d %v", status, header)
	}
	for _, want := range []string{
		`farhold_requests_total{region="us-east-1",service="s3",operation="PutObject",status="200"} 1`,
		`farhold_request_bytes_total{region="us-east-1",service="s3",operation="PutObject"} `,
		`farhold_request_seconds_count{region="us-east-1",service="s3",operation="CreateBucket"} 1`,
		`farhold_replication_pending{region="us-east-1",destination="us-west-2"} 0`,
		`farhold_replication_link_down{region="us-west-2",destination="us-east-1"} 0`,
		`farhold_kv_commits_total{region="us-west-2"} `,
		`farhold_realm_sequence{region="us-east-1"} `,
		`farhold_requests_in_flight 1`,
	} {
		if !strings.Contains(body, "\n"+want) {
			t.Errorf("no line %s", want)
		}
	}
	if strings.Contains(body, d.p.Root.AccessKey) || strings.Contains(body, d.p.Root.SecretKey) {
		t.Error("the metrics show credentials")
	}
	forwarded := d.request("GET", "", "/-/metrics", "")
	forwarded.Header.Set("X-Forwarded-For", "192.0.2.1")
	if status, _, _ := d.do(forwarded); status != 401 {
		t.Errorf("through a proxy without a token: %d", status)
	}
}

func TestMetricsToken(t *testing.T) {
	const token = "0123456789abcdef"
	for _, tt := range []struct {
		token, from, auth string
		want              bool
	}{
		{token, "127.0.0.1:1", "", true},
		{token, "[::1]:1", "", true},
		{token, "192.0.2.1:1", "", false},
		{token, "192.0.2.1:1", "Bearer " + token, true},
		{token, "192.0.2.1:1", "Bearer " + token + "x", false},
		{token, "192.0.2.1:1", "Basic " + token, false},
		{"", "192.0.2.1:1", "Bearer ", false},
		{"", "192.0.2.1:1", "", false},
		{"", "nonsense", "", false},
	} {
		r := &http.Request{RemoteAddr: tt.from, Header: http.Header{}}
		if tt.auth != "" {
			r.Header.Set("Authorization", tt.auth)
		}
		f := NewFront(FrontOptions{MetricsToken: tt.token, Limits: config.Limits{}})
		if got := f.mayScrape(r); got != tt.want {
			t.Errorf("%+v: %v", tt, got)
		}
	}
}

func TestDispatch(t *testing.T) {
	d := startDev(t, DevOptions{})
	d.bucket("us-west-2", "west", false)
	// What is not signed goes to the region of its bucket.
	status, header, body := d.do(d.request("GET", "", "/west/k", ""))
	if status != 403 || !strings.Contains(body, "AccessDenied") {
		t.Errorf("anonymous: %d %s", status, body)
	}
	if status, header, _ = d.do(d.request("HEAD", "", "/west", "")); status != 403 || header.Get("X-Amz-Bucket-Region") != "us-west-2" {
		t.Errorf("anonymous HeadBucket: %d, %s", status, header.Get("X-Amz-Bucket-Region"))
	}
	if status, header, _ = d.do(d.request("HEAD", "west.s3.localhost", "/", "")); status != 403 || header.Get("X-Amz-Bucket-Region") != "us-west-2" {
		t.Errorf("anonymous HeadBucket by host: %d, %s", status, header.Get("X-Amz-Bucket-Region"))
	}
	if status, _, body = d.do(d.request("GET", "", "/nowhere/k", "")); status != 404 || !strings.Contains(body, "NoSuchBucket") {
		t.Errorf("no bucket: %d %s", status, body)
	}
	preflight := d.request("OPTIONS", "", "/west/k", "")
	preflight.Header.Set("Origin", "http://example.com")
	preflight.Header.Set("Access-Control-Request-Method", "GET")
	if status, _, body = d.do(preflight); status != 403 || !strings.Contains(body, "CORSResponse: CORS is not enabled for this bucket.") {
		t.Errorf("preflight: %d %s", status, body)
	}
	// A scope of no region of the realm is answered by the bucket's region.
	if status, _, body = d.do(d.sign(d.request("GET", "", "/west/k", ""), "", "s3", "mars-1")); status != 400 || !strings.Contains(body, "expecting 'us-west-2'") {
		t.Errorf("unknown region: %d %s", status, body)
	}
	// Services that are not served, in the form of each protocol.
	jsonReq := d.request("POST", "", "/", "{}")
	jsonReq.Header.Set("X-Amz-Target", "Logs_20140328.DescribeLogGroups")
	jsonReq.Header.Set("Content-Type", "application/x-amz-json-1.1")
	if status, header, body = d.do(d.sign(jsonReq, "{}", "logs", "us-east-1")); status != 400 || !strings.Contains(body, `"__type":"UnknownOperationException"`) || !strings.Contains(body, "logs") {
		t.Errorf("JSON: %d %v %s", status, header, body)
	}
	const form = "Action=ListTopics&Version=2010-03-31"
	query := d.request("POST", "", "/", form)
	query.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	if status, _, body = d.do(d.sign(query, form, "sns", "us-east-1")); status != 501 || !strings.Contains(body, "<ErrorResponse><Error><Type>Sender</Type><Code>NotImplemented</Code>") {
		t.Errorf("Query: %d %s", status, body)
	}
	control := d.request("GET", "", "/v20180820/jobs", "")
	control.Header.Set("X-Amz-Account-Id", d.p.Account)
	if status, _, body = d.do(d.sign(control, "", "s3", "us-east-1")); status != 501 || !strings.Contains(body, "<Code>NotImplemented</Code>") {
		t.Errorf("S3 Control: %d %s", status, body)
	}
	unsigned := d.request("POST", "", "/", "Action=GetCallerIdentity&Version=2011-06-15")
	unsigned.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if status, _, body = d.do(unsigned); status != 403 || !strings.Contains(body, "<Code>MissingAuthenticationToken</Code>") {
		t.Errorf("STS without a signature: %d %s", status, body)
	}
}
