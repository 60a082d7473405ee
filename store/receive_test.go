package store

import (
	"bytes"
	"errors"
	"testing"
)

// A bucket that is deleted and made again under the same name receives nothing
// that was on its way to the old one.
func TestABucketMadeAnewReceivesNothingOld(t *testing.T) {
	dst := newRegion(t, "us-west-2", nil)
	old := dst.bucket_("copy", "Enabled")
	src := newRegion(t, "us-east-1", places{"copy": {Region: "us-west-2", UID: old.UID}})
	src.bucket_("source", "Enabled")
	src.document("replication", "source", `<ReplicationConfiguration><Role>arn:aws:iam::111122223333:role/r</Role><Rule><ID>a</ID><Priority>1</Priority><Filter></Filter><Status>Enabled</Status><DeleteMarkerReplication><Status>Enabled</Status></DeleteMarkerReplication><Destination><Bucket>arn:aws:s3:::copy</Bucket></Destination></Rule></ReplicationConfiguration>`)
	v := src.put("source", "k", []byte("old"))
	if len(v.Targets) != 1 || v.Targets[0].UID != old.UID {
		t.Fatalf("targets %+v", v.Targets)
	}
	var task *Task
	for shard := range uint8(Shards) {
		tasks, err := src.Tasks(t.Context(), "us-west-2", LaneSmall, shard, 0, 10)
		if err != nil {
			t.Fatal(err)
		}
		for i := range tasks {
			task = &tasks[i]
		}
	}
	if task == nil || task.TargetUID != old.UID {
		t.Fatalf("task %+v", task)
	}
	if err := dst.DeleteBucket(t.Context(), "copy"); err != nil {
		t.Fatal(err)
	}
	dst.bucket_("copy", "Enabled")
	a := &Arrival{From: "us-east-1", Bucket: task.Target, UID: task.TargetUID, Version: *v}
	if _, err := dst.Receive(t.Context(), a, bytes.NewReader([]byte("old"))); !errors.Is(err, ErrDstBucketNotFound) {
		t.Errorf("a bucket made anew received something old: %v", err)
	}
	a.UID = ""
	if _, err := dst.Receive(t.Context(), a, bytes.NewReader([]byte("old"))); err != nil {
		t.Errorf("without a UID any bucket of the name will do: %v", err)
	}
}
