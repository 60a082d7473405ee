package server

import (
	"bytes"
	"fmt"
	"net/http"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// TestSDKHearsRefusals: the SDK reports AWS's error for a refused upload, and no
// broken connection, whether it waits for 100 Continue or not, and the next
// request is served.
func TestSDKHearsRefusals(t *testing.T) {
	for _, secure := range []bool{false, true} {
		d := startDev(t, DevOptions{TLS: secure, Regions: []string{"us-east-1"}})
		d.bucket("us-east-1", "bucket", false)
		for _, proto := range []string{"http/1.1", "h2"} {
			if proto == "h2" && !secure {
				continue
			}
			for _, threshold := range []int64{0, -1} { // the SDK's own, and never
				t.Run(fmt.Sprintf("TLS %v/%s/%d", secure, proto, threshold), func(t *testing.T) {
					tr := d.http.Transport.(*http.Transport).Clone()
					tr.Protocols = new(http.Protocols)
					tr.Protocols.SetHTTP1(proto != "h2")
					tr.Protocols.SetHTTP2(proto == "h2")
					if secure {
						tr.TLSClientConfig.NextProtos = []string{proto}
					}
					defer tr.CloseIdleConnections()
					good := d.config("us-east-1")
					good.HTTPClient = &http.Client{Transport: tr}
					bad := good.Copy()
					bad.Credentials = credentials.NewStaticCredentialsProvider("AKIANOBODY0000000000", "secret", "")
					client := func(c aws.Config) *s3.Client {
						return s3.NewFromConfig(c, func(o *s3.Options) { o.UsePathStyle, o.ContinueHeaderThresholdBytes = true, threshold })
					}
					for _, size := range []int{100, 200 << 10, 8 << 20, 16 << 20} {
						_, err := client(bad).PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("bucket"), Key: aws.String("k"), Body: bytes.NewReader(make([]byte, size))})
						if codeOf(err) != "InvalidAccessKeyId" {
							t.Errorf("%d bytes: %v", size, err)
						}
						must[*s3.PutObjectOutput](t)(client(good).PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("bucket"), Key: aws.String("k"), Body: bytes.NewReader(make([]byte, size))}))
					}
				})
			}
		}
	}
}
