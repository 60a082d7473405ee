package s3api

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// A body that is not what its client said may also be longer: what comes behind
// it may be the rest of it, and must not be read as the next request. botocore
// sends a refused upload again, on the same connection if it can.
func TestDisputedBodyClosesTheConnection(t *testing.T) {
	w := newWorld(t)
	w.bucket("bucket")
	for _, tc := range []struct {
		name    string
		headers []string
		status  int
		code    string
		closes  bool
	}{
		{"right", []string{"Content-MD5", md5Of("ba")}, 200, "", false},
		{"MD5", []string{"Content-MD5", md5Of("bar")}, 400, "BadDigest", true},
		{"checksum", []string{"X-Amz-Checksum-Crc32", "dv+Mqg=="}, 400, "BadDigest", true},
		{"SHA-256", []string{"X-Amz-Content-Sha256", "fcde2b2edba56bf408601fb721fe9b5c338d10ee429ea04fae5511b68fbf8fb9"}, 400, "XAmzContentSHA256Mismatch", true},
		{"chunks", []string{"X-Amz-Content-Sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "X-Amz-Decoded-Content-Length", "1", "X-Amz-Trailer", "x-amz-checksum-crc32"}, 400, "IncompleteBody", true},
		{"condition", []string{"If-Match", `"x"`}, 404, "NoSuchKey", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, err := net.Dial("tcp", strings.TrimPrefix(w.server.URL, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			c.SetDeadline(time.Now().Add(20 * time.Second))
			send := func(r *http.Request, more string) {
				r.URL.Opaque = strings.TrimPrefix(r.URL.Opaque, "//"+r.URL.Host)
				var raw bytes.Buffer
				if err := r.Write(&raw); err != nil {
					t.Fatal(err)
				}
				if _, err := io.WriteString(c, raw.String()+more); err != nil {
					t.Fatal(err)
				}
			}
			br := bufio.NewReader(c)
			answered := func() (int, string, bool) {
				res, err := http.ReadResponse(br, nil)
				if err != nil {
					t.Fatal(err)
				}
				b, _ := io.ReadAll(res.Body)
				return res.StatusCode, answer{body: string(b)}.code(), res.Close
			}
			rest := ""
			if tc.closes {
				rest = "r"
			}
			key := "/bucket/" + strings.ReplaceAll(tc.name, " ", "-")
			send(w.sign(w.request("PUT", key, []byte("ba"), tc.headers...), []byte("ba")), rest)
			if status, code, closes := answered(); status != tc.status || code != tc.code || closes != tc.closes {
				t.Fatalf("answered %d %s, closes: %v; want %d %s, %v", status, code, closes, tc.status, tc.code, tc.closes)
			}
			if tc.closes {
				if b, err := br.ReadByte(); err == nil {
					t.Errorf("more than one answer: %q", b)
				}
				return
			}
			send(w.sign(w.request("HEAD", "/bucket", nil), nil), "")
			if status, _, _ := answered(); status != 200 {
				t.Errorf("the next request: %d", status)
			}
		})
	}
}
