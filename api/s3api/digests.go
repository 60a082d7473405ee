package s3api

import (
	"github.com/farhold/farhold/s3"
	"github.com/farhold/farhold/s3/checksum"
	"github.com/farhold/farhold/store"
)

// checkDigests holds a document against what its request says of it.
func (rq *Request) checkDigests(body []byte) error {
	c, err := readClaim(rq.R.Header)
	if err != nil || !c.given() {
		return err
	}
	m := checksum.NewMulti(true, c.algorithm())
	_, _ = m.Write(body)
	sums := store.Sums{Size: m.Size(), MD5: [16]byte(m.MD5())}
	if a := c.algorithm(); a != "" {
		sums.Checksum = s3.Checksum{Algorithm: a, Type: s3.FullObject, Value: m.Sum(a)}
	}
	return c.verify(sums, rq.Trailers)
}
