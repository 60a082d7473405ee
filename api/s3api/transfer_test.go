package s3api

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/s3/manager"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/farhold/farhold/blob/memblob"
)

// checked makes an SDK client do what its default configuration does: send a
// checksum with each upload and look at each answer's.
func checked(o *sdk.Options) {
	o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenSupported
	o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenSupported
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{1})
	_, _ = r.Read(b)
	return b
}

// The SDK's transfer manager: parts side by side, checksums on both ways.
func TestTransferManager(t *testing.T) {
	w := newWorld(t)
	w.versioned("bucket")
	c := w.sdk(checked)
	body := randomBytes(10<<20 + 7)
	for _, alg := range []types.ChecksumAlgorithm{"", types.ChecksumAlgorithmSha256} {
		key := aws.String("key-" + string(alg))
		up, err := manager.NewUploader(c).Upload(t.Context(), &sdk.PutObjectInput{Bucket: aws.String("bucket"), Key: key, Body: bytes.NewReader(body), ChecksumAlgorithm: alg})
		if err != nil {
			t.Fatalf("%s: %v", alg, err)
		}
		if len(up.CompletedParts) != 3 || up.VersionID == nil {
			t.Errorf("%s: %+v", alg, up)
		}
		var got manager.WriteAtBuffer
		if _, err := manager.NewDownloader(c).Download(t.Context(), &got, &sdk.GetObjectInput{Bucket: aws.String("bucket"), Key: key}); err != nil {
			t.Fatalf("%s: %v", alg, err)
		}
		if !bytes.Equal(got.Bytes(), body) {
			t.Errorf("%s: something else came back", alg)
		}
		o, err := c.GetObject(t.Context(), &sdk.GetObjectInput{Bucket: aws.String("bucket"), Key: key, ChecksumMode: types.ChecksumModeEnabled})
		if err != nil {
			t.Fatalf("%s: %v", alg, err)
		}
		all, err := io.ReadAll(o.Body) // the SDK compares the checksum here
		o.Body.Close()
		if err != nil || !bytes.Equal(all, body) {
			t.Errorf("%s: %v", alg, err)
		}
		for part := int32(1); part <= 3; part++ {
			o, err := c.GetObject(t.Context(), &sdk.GetObjectInput{Bucket: aws.String("bucket"), Key: key, PartNumber: &part, ChecksumMode: types.ChecksumModeEnabled})
			if err != nil {
				t.Fatalf("%s, part %d: %v", alg, part, err)
			}
			_, err = io.Copy(io.Discard, o.Body)
			o.Body.Close()
			if err != nil || *o.PartsCount != 3 {
				t.Errorf("%s, part %d: %v, %v", alg, part, o.PartsCount, err)
			}
		}
	}
}

// What can't be read is an error with a name, never "not found", and a copy of
// it leaves nothing.
func TestUnreadableIsNotAbsent(t *testing.T) {
	w := newWorld(t)
	w.bucket("bucket")
	w.do("PUT", "/bucket/key", bytes.Repeat([]byte("x"), 1<<20)).want(t, 200, "")
	w.blobs.FailNth(1, memblob.OpOpen, true, errors.New("secret: the disk is gone"))
	a := w.do("GET", "/bucket/key", nil)
	a.want(t, 500, "InternalError")
	if a.element("Message") != "We encountered an internal error. Please try again." || strings.Contains(a.body, "secret") || a.header.Get("Etag") != "" || a.header.Get("X-Amz-Server-Side-Encryption") != "" {
		t.Errorf("%v %s", a.header, a.body)
	}
	w.do("PUT", "/bucket/copy", nil, "x-amz-copy-source", "bucket/key").want(t, 500, "InternalError")
	w.blobs.FailNth(0, 0, false, nil)
	w.do("GET", "/bucket/copy", nil).want(t, 404, "NoSuchKey")
	if !strings.Contains(w.log.String(), "the disk is gone") {
		t.Errorf("the log does not say what was wrong: %s", w.log.String())
	}
}

// A client that goes away in the middle is no error of ours.
func TestClientThatGoesAway(t *testing.T) {
	w := newWorld(t)
	w.bucket("bucket")
	w.do("PUT", "/bucket/key", bytes.Repeat([]byte("x"), 32<<20)).want(t, 200, "")
	seen := make(chan int, 1)
	w.door.opt.Observe = func(op string, status int, _, _ int64, _ time.Duration) {
		if op == "GetObject" {
			seen <- status
		}
	}
	c := &http.Client{Transport: &http.Transport{}}
	r := w.request("GET", "/bucket/key", nil)
	r = w.sign(r, nil)
	r.URL.Opaque = strings.TrimPrefix(r.URL.Opaque, "//"+r.URL.Host)
	resp, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(resp.Body, make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	resp.Body.Close() // closes the connection: it has more than can be drained
	if status := <-seen; status != 200 {
		t.Errorf("observed %d", status)
	}
	if strings.Contains(w.log.String(), "ERROR") {
		t.Errorf("logged: %s", w.log.String())
	}
}
