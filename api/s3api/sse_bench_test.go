package s3api

import (
	"bytes"
	"crypto/tls"
	"io"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/farhold/farhold/access"
	"github.com/farhold/farhold/blob/diskblob"
	"github.com/farhold/farhold/kv/memkv"
	"github.com/farhold/farhold/kv/pebblekv"
	"github.com/farhold/farhold/objectkey"
	"github.com/farhold/farhold/seal"
	"github.com/farhold/farhold/service/kms"
	"github.com/farhold/farhold/stamp"
	"github.com/farhold/farhold/store"
)

// What each way to encrypt costs per request of 4 KiB through the door, with the
// KMS of the region: in memory, where nothing hides it, and on disk, with the
// syncs that a write waits for.
func BenchmarkEncryption(b *testing.B) {
	const sse, bucketKey = "X-Amz-Server-Side-Encryption", "X-Amz-Server-Side-Encryption-Bucket-Key-Enabled"
	customer := customerKey('c', ofObject)
	for _, where := range []string{"memory", "disk"} {
		w := newWorld(b)
		engines(b, w, where == "disk")
		w.versioned("bucket")
		v := &vault{world: w}
		v.serveTLS()
		v.encryption("bucket", "<BlockedEncryptionTypes><EncryptionType>NONE</EncryptionType></BlockedEncryptionTypes>")
		for _, way := range []struct {
			name        string
			write, read []string
		}{
			{"SSE-S3", nil, nil},
			{"bucket-key", []string{sse, "aws:kms", bucketKey, "true"}, nil},
			{"SSE-KMS", []string{sse, "aws:kms"}, nil},
			{"DSSE-KMS", []string{sse, "aws:kms:dsse"}, nil},
			{"SSE-C", customer, customer},
		} {
			body := bytes.Repeat([]byte("0123456789abcdef"), 256)
			b.Run(where+"/put/"+way.name, func(b *testing.B) { w.repeat(b, "PUT", body, way.write) })
			if where == "memory" {
				b.Run(where+"/get/"+way.name, func(b *testing.B) { w.repeat(b, "GET", nil, way.read) })
			}
		}
	}
}

// engines gives a world the region's KMS and, on disk, the region's engines.
func engines(b *testing.B, w *world, onDisk bool) {
	root, err := seal.NewRegionKeeper([]byte("0123456789abcdef0123456789abcdef"))
	if err != nil {
		b.Fatal(err)
	}
	o := kms.Options{KV: memkv.New(), Root: root, Region: "us-east-1", Now: time.Now, Decider: &access.Decider{Directory: w.directory}}
	if onDisk {
		dir := b.TempDir()
		engine, err := pebblekv.Open(pebblekv.Options{Dir: filepath.Join(dir, "meta"), Reserve: -1})
		if err != nil {
			b.Fatal(err)
		}
		blobs, err := diskblob.Open(diskblob.Options{Dir: filepath.Join(dir, "blobs"), Volume: "v"})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = closeAll(engine, blobs) })
		o.KV = engine
		s, err := store.Open(b.Context(), store.Options{Region: "us-east-1", KV: engine, Blobs: blobs, Keeper: root, Clock: stamp.NewClock("us-east-1", nil, nil), Directory: w.realm})
		if err != nil {
			b.Fatal(err)
		}
		w.store, w.door.opt.Store = s, s
	}
	w.door.opt.Keys = objectkey.New(objectkey.Options{Region: root, KMS: kms.New(o)})
}

// repeat sends one request again and again, without a connection.
func (w *world) repeat(b *testing.B, method string, body []byte, headers []string) {
	r := w.sign(w.request(method, "/bucket/key", body, append([]string{"Content-Type", "application/octet-stream", "x-amz-meta-a", "b"}, headers...)...), body)
	r.RequestURI = "/bucket/key"
	r.TLS = &tls.ConnectionState{Version: tls.VersionTLS13}
	r.RemoteAddr = "127.0.0.1:1"
	if body != nil {
		r.Header["Content-Length"] = []string{"4096"}
	}
	b.ReportAllocs()
	for b.Loop() {
		r.Body = io.NopCloser(bytes.NewReader(body))
		w.door.ServeHTTP(&discard{h: http.Header{}}, r)
	}
}
