package rule

import (
	"testing"

	"github.com/farhold/farhold/s3"
)

func TestPlanSmoke(t *testing.T) {
	r, err := ParseReplication([]byte(`<ReplicationConfiguration><Role>arn:aws:iam::123456789012:role/r</Role><Rule><ID>a</ID><Priority>1</Priority><Status>Enabled</Status><Filter/><DeleteMarkerReplication><Status>Enabled</Status></DeleteMarkerReplication><Destination><Bucket>arn:aws:s3:::copy</Bucket></Destination></Rule></ReplicationConfiguration>`))
	if err != nil {
		t.Fatal(err)
	}
	if d := r.Plan(Object{Key: "x", Class: s3.Standard}); len(d) != 1 || d[0].Bucket != "copy" || d[0].Rule != "a" {
		t.Fatal(d)
	}
}
