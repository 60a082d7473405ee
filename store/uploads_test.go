package store

import (
	"strings"
	"testing"

	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/s3"
)

// TestCustomerUploadKeepsNoChecksum: of an object under a customer's key that was
// uploaded in parts AWS keeps no checksum that nobody asked for. The one that a
// client says is the whole's is compared all the same.
func TestCustomerUploadKeepsNoChecksum(t *testing.T) {
	for _, c := range []struct {
		sse       s3.SSE
		algorithm s3.ChecksumAlgorithm
		kept      s3.ChecksumAlgorithm
	}{
		{s3.SSE{}, "", s3.CRC64NVME},
		{s3.SSE{Algorithm: "AES256", CustomerKeyMD5: "1B2M2Y8AsgTpgAmY7PhCfg=="}, "", ""},
		{s3.SSE{Algorithm: "AES256", CustomerKeyMD5: "1B2M2Y8AsgTpgAmY7PhCfg=="}, s3.CRC64NVME, s3.CRC64NVME},
	} {
		u := &upload{algorithm: c.algorithm}
		u.SSE = c.sse
		if c.algorithm != "" {
			u.checksumType = s3.FullObject
		}
		x := &run{size: 5, digest: 7, part: s3.Part{Number: 1, Size: 5, ETag: strings.Repeat("0", 32)}}
		var r record
		r.SSE = c.sse
		err := (&chosen{used: []*run{x}}).assemble(&r, u, &CompleteInput{Size: -1})
		if err != nil || r.Checksum.Algorithm != c.kept {
			t.Errorf("%+v with %q: %+v, %v", c.sse, c.algorithm, r.Checksum, err)
		}
		err = (&chosen{used: []*run{x}}).assemble(&r, u, &CompleteInput{Size: -1, Checksum: s3.Checksum{Algorithm: s3.CRC64NVME, Value: "AAAAAAAAAAA="}})
		if e := awserr.From(err); e == nil || e.Code != "BadDigest" {
			t.Errorf("%+v with %q and another checksum: %v", c.sse, c.algorithm, err)
		}
	}
}
