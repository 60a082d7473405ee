package service

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	kmsshapes "github.com/farhold/farhold/wire/shapes/kms"
)

// TestWorkOutlivesItsClient: what has begun is finished, whether its client has
// shut its sending side and waits, or has gone; only the door's own bound ends it.
func TestWorkOutlivesItsClient(t *testing.T) {
	for name, leave := range map[string]func(*net.TCPConn) error{"half-closed": (*net.TCPConn).CloseWrite, "gone": (*net.TCPConn).Close} {
		t.Run(name, func(t *testing.T) {
			type seen struct {
				err     error
				bounded bool
			}
			begun, left, ended := make(chan struct{}), make(chan struct{}), make(chan seen, 1)
			s := kmsService(t)
			for i := range s.Operations {
				if s.Operations[i].Name == "EnableKey" {
					s.Operations[i] = Op("EnableKey", "kms:EnableKey", On[kmsshapes.EnableKeyRequest](keyARN), func(ctx context.Context, _ *Call, _ *kmsshapes.EnableKeyRequest) (*kmsshapes.EnableKeyResponse, error) {
						close(begun)
						<-left
						_, bounded := ctx.Deadline()
						ended <- seen{ctx.Err(), bounded}
						return nil, ctx.Err()
					})
				}
			}
			url, door, _, _ := start(t, s, nil)
			// net/http's own context tells when it has seen the client leave.
			srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				go func() { <-r.Context().Done(); close(left) }()
				door.ServeHTTP(w, r)
			})}
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			go srv.Serve(l)
			defer srv.Close()

			c, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			c.SetDeadline(time.Now().Add(20 * time.Second))
			const body = `{"KeyId":"k"}`
			r, err := http.NewRequest("POST", url, strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("X-Amz-Target", kmsshapes.TargetPrefix+".EnableKey")
			r.Header.Set("Content-Type", "application/x-amz-json-1.1")
			sum := sha256.Sum256([]byte(body))
			if err := v4.NewSigner().SignHTTP(t.Context(), aws.Credentials{AccessKeyID: rootKey, SecretAccessKey: secret}, r, hex.EncodeToString(sum[:]), "kms", "eu-west-1", time.Now()); err != nil {
				t.Fatal(err)
			}
			var raw bytes.Buffer
			if err := r.Write(&raw); err != nil {
				t.Fatal(err)
			}
			if _, err := c.Write(raw.Bytes()); err != nil {
				t.Fatal(err)
			}
			<-begun
			if err := leave(c.(*net.TCPConn)); err != nil {
				t.Fatal(err)
			}
			if got := <-ended; got.err != nil || !got.bounded {
				t.Errorf("the operation saw %v; bounded: %v", got.err, got.bounded)
			}
			if name == "half-closed" {
				if res, err := http.ReadResponse(bufio.NewReader(c), r); err != nil || res.StatusCode != 200 {
					t.Errorf("answered %v, %v", res, err)
				}
			}
		})
	}
}
