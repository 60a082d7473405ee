package s3api

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/farhold/farhold/s3"
)

// A completion's checksum of the whole is compared whatever its algorithm, and a
// composite one with and without the count of parts: aws-sdk-go has the count,
// minio-go has not.
func TestCompletionChecksum(t *testing.T) {
	w := newWorld(t)
	w.bucket("bucket")
	bodies := []string{strings.Repeat("1", partMin), "two"}
	composite := compositeOf(s3.CRC32C, bodies...)
	for name, tt := range map[string]struct {
		upload, header string
		value          string
		refused        string // by this text
	}{
		"with the count":                       {"CRC32C", "x-amz-checksum-crc32c", composite + "-2", ""},
		"without the count":                    {"CRC32C", "x-amz-checksum-crc32c", composite, ""},
		"with another count":                   {"CRC32C", "x-amz-checksum-crc32c", composite + "-3", "The crc32c you specified did not match the calculated checksum."},
		"of something else":                    {"CRC32C", "x-amz-checksum-crc32c", sumOf(s3.CRC32C, "x"), "The crc32c you specified did not match the calculated checksum."},
		"of another algorithm":                 {"CRC32C", "x-amz-checksum-sha1", sumOf(s3.SHA1, strings.Join(bodies, "")), "The crc32c you specified did not match the calculated checksum."},
		"of any algorithm, where none was set": {"", "x-amz-checksum-crc32c", composite + "-2", ""},
		"CRC64NVME, where none was set":        {"", "x-amz-checksum-crc64nvme", sumOf(s3.CRC64NVME, strings.Join(bodies, "")), ""},
		"another CRC64NVME, where none was set": {"", "x-amz-checksum-crc64nvme", sumOf(s3.CRC64NVME, "x"),
			"The crc64nvme you specified did not match the calculated checksum."},
	} {
		t.Run(name, func(t *testing.T) {
			w.t = t
			var asked []string
			if tt.upload != "" {
				asked = []string{"x-amz-checksum-algorithm", tt.upload}
			}
			id := w.upload("/bucket/key", asked...)
			var etags, sums []string
			for i, b := range bodies {
				var header []string
				if tt.upload != "" {
					header = []string{"x-amz-checksum-crc32c", sumOf(s3.CRC32C, b)}
					sums = append(sums, "<ChecksumCRC32C>"+sumOf(s3.CRC32C, b)+"</ChecksumCRC32C>")
				}
				etags = append(etags, w.part("/bucket/key", id, i+1, []byte(b), header...))
			}
			a := w.do("POST", "/bucket/key?uploadId="+id, completion(etags, sums...), tt.header, tt.value)
			if tt.refused == "" {
				a.want(t, 200, "")
				return
			}
			a.want(t, 400, "BadDigest")
			if a.element("Message") != tt.refused {
				t.Errorf("%s", a.body)
			}
		})
	}
}

// TestPartDigest: AWS says what was expected in Base64 of a part, where it says it
// in hexadecimal digits of an object.
func TestPartDigest(t *testing.T) {
	w := newWorld(t)
	w.bucket("bucket")
	id := w.upload("/bucket/key")
	given := md5Of("another")
	a := w.do("PUT", "/bucket/key?partNumber=1&uploadId="+id, []byte("this"), "Content-MD5", given)
	a.want(t, 400, "BadDigest")
	if a.element("ExpectedDigest") != given || a.element("CalculatedDigest") != md5Of("this") {
		t.Errorf("%s", a.body)
	}
}

// compositeOf is the checksum of the parts' checksums.
func compositeOf(alg s3.ChecksumAlgorithm, parts ...string) string {
	var all bytes.Buffer
	for _, p := range parts {
		raw, _ := base64.StdEncoding.DecodeString(sumOf(alg, p))
		all.Write(raw)
	}
	return sumOf(alg, all.String())
}
