package s3api

import (
	"io"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
)

func TestRoundTrip(t *testing.T) {
	w := newWorld(t)
	for name, c := range map[string]*sdk.Client{"path": w.sdk(), "virtual": w.sdk(w.virtual)} {
		t.Run(name, func(t *testing.T) {
			bucket := aws.String("walk-" + name)
			if _, err := c.CreateBucket(t.Context(), &sdk.CreateBucketInput{Bucket: bucket}); err != nil {
				t.Fatal(err)
			}
			key := aws.String("a//b/../c d+%2F\x01ü")
			_, err := c.PutObject(t.Context(), &sdk.PutObjectInput{Bucket: bucket, Key: key, Body: strings.NewReader("hello")})
			if err != nil {
				t.Fatal(err)
			}
			o, err := c.GetObject(t.Context(), &sdk.GetObjectInput{Bucket: bucket, Key: key})
			if err != nil {
				t.Fatal(err)
			}
			defer o.Body.Close()
			b, err := io.ReadAll(o.Body)
			if err != nil || string(b) != "hello" {
				t.Fatalf("read %q, %v", b, err)
			}
		})
	}
}
