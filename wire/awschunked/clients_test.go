package awschunked

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/farhold/farhold/wire/sigv4"
)

const (
	accessKey = "AKIAIOSFODNN7EXAMPLE"
	secretKey = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
)

type oneKey struct{}

func (oneKey) Secret(_ context.Context, key, _ string) (string, any, error) {
	if key != accessKey {
		return "", nil, sigv4.ErrUnknownKey
	}
	return secretKey, nil, nil
}

// door is a server that verifies and decodes, and remembers what it got.
type door struct {
	mu       sync.Mutex
	hashes   []string
	bodies   [][]byte
	trailers []http.Header
	errs     []error
}

func (d *door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v := &sigv4.Verifier{Credentials: oneKey{}, Region: "us-east-1", Services: []string{"s3"}}
	var body []byte
	var trailers http.Header
	res, err := v.Verify(r)
	if err == nil {
		var framed *Reader
		if framed, err = ForRequest(r, res); framed != nil {
			body, err = io.ReadAll(framed)
			trailers = framed.Trailers()
		} else if err == nil {
			body, err = io.ReadAll(r.Body)
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if res != nil {
		d.hashes = append(d.hashes, res.PayloadHash)
	}
	d.bodies, d.trailers, d.errs = append(d.bodies, body), append(d.trailers, trailers), append(d.errs, err)
	if err != nil {
		w.WriteHeader(400)
	}
}

// check demands that the last body was framed and arrived whole.
func (d *door) check(t *testing.T, what string, hash string, body []byte, trailer string) {
	t.Helper()
	i := len(d.bodies) - 1
	if i < 0 || d.errs[i] != nil {
		t.Fatalf("%s: %v", what, d.errs)
	}
	if d.hashes[i] != hash || !bytes.Equal(d.bodies[i], body) {
		t.Errorf("%s: %s with %d bytes, want %s with %d", what, d.hashes[i], len(d.bodies[i]), hash, len(body))
	}
	if d.trailers[i].Get(trailer) == "" {
		t.Errorf("%s: no %s in %v", what, trailer, d.trailers[i])
	}
}

func TestAWSSDK(t *testing.T) {
	d := &door{}
	srv := httptest.NewTLSServer(d)
	defer srv.Close()
	client := s3.New(s3.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(srv.URL), UsePathStyle: true, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(accessKey, secretKey, ""), HTTPClient: srv.Client(),
	})
	for _, size := range []int{1, 8191, 8192, 100_000, 3 << 20} { // it does not frame what is empty
		body := bytes.Repeat([]byte("x"), size)
		for _, alg := range []types.ChecksumAlgorithm{types.ChecksumAlgorithmCrc32, types.ChecksumAlgorithmSha256, types.ChecksumAlgorithmCrc64nvme} {
			_, err := client.PutObject(context.Background(), &s3.PutObjectInput{Bucket: aws.String("b"), Key: aws.String("k ü"), Body: bytes.NewReader(body), ChecksumAlgorithm: alg})
			if err != nil {
				t.Fatalf("%d bytes, %s: %v, %v", size, alg, err, d.errs[len(d.errs)-1])
			}
			d.check(t, fmt.Sprint(size, " bytes, ", alg), sigv4.StreamingUnsignedTrailer, body, "x-amz-checksum-"+strings.ToLower(string(alg)))
		}
	}
}

const botoScript = `
import io, sys, boto3, urllib3
urllib3.disable_warnings()
from botocore.config import Config
c = boto3.client('s3', endpoint_url=sys.argv[1], region_name='us-east-1', aws_access_key_id=sys.argv[2], aws_secret_access_key=sys.argv[3],
                 verify=False, config=Config(s3={'addressing_style': 'path'}, retries={'total_max_attempts': 1}))
for size in (0, 1, 5, 8192, 100000, 3 << 20):
    c.put_object(Bucket='b', Key='k \u00fc', Body=io.BytesIO(b'x' * size))
    c.upload_part(Bucket='b', Key='k', PartNumber=1, UploadId='u', Body=b'x' * size, ChecksumAlgorithm='SHA256')
`

func TestBoto3(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("python3 is not installed: boto3's framing is not tried")
	}
	if err := exec.Command(python, "-c", "import boto3").Run(); err != nil {
		t.Skip("python3 has no boto3: its framing is not tried")
	}
	d := &door{}
	srv := httptest.NewTLSServer(d)
	defer srv.Close()
	out, err := exec.Command(python, "-c", botoScript, srv.URL, accessKey, secretKey).CombinedOutput()
	if err != nil {
		t.Fatalf("%v, %v\n%s", err, d.errs, out)
	}
	if len(d.bodies) != 12 {
		t.Fatalf("%d requests", len(d.bodies))
	}
	for i := range d.bodies {
		size := []int{0, 1, 5, 8192, 100000, 3 << 20}[i/2]
		if d.hashes[i] != sigv4.StreamingUnsignedTrailer || len(d.bodies[i]) != size || len(d.trailers[i]) != 1 {
			t.Errorf("%d: %s, %d bytes, %v", i, d.hashes[i], len(d.bodies[i]), d.trailers[i])
		}
	}
}
