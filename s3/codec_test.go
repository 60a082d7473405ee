package s3

import (
	"bytes"
	"reflect"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/farhold/farhold/stamp"
)

func fullVersion() Version {
	c := stamp.NewClock("us-east-1", nil, nil)
	at := time.UnixMilli(1_790_000_000_123).UTC()
	return Version{
		Key: "a/b\x00c", ID: c.Next(stamp.Stamp{}), Null: true, Marker: true, Replica: true,
		Modified: at, Size: 1 << 40, ETag: "d41d8cd98f00b204e9800998ecf8427e-3",
		Checksum: Checksum{CRC64NVME, FullObject, "AAAAAAAAAAA="}, Digest: 1<<63 + 5,
		System: []Header{{"Content-Type", "text/plain"}, {"Cache-Control", ""}},
		Meta:   []Header{{"a", "1"}, {"b", "ü"}}, Class: GlacierIR, Owner: "111122223333",
		SSE:        SSE{"aws:kms", "arn:x", true, "md5"},
		Parts:      []Part{{1, 5 << 20, "e1", Checksum{CRC32, "", "x"}, at}, {2, 1, "e2", Checksum{}, at}},
		PartsCount: 2,
		Tags:       TagRegister{c.Next(stamp.Stamp{}), []Tag{{"k", "v"}, {"empty", ""}}},
		Retention:  RetentionRegister{c.Next(stamp.Stamp{}), Compliance, at, true},
		Hold:       HoldRegister{c.Next(stamp.Stamp{}), true, true, true},
		ACL:        ACLRegister{c.Next(stamp.Stamp{}), "public-read", []byte("<x/>")},
		Origin:     "us-east-1",
		Targets: []Target{{"r", "copy", "0123456789abcdef", "us-west-2", StandardIA, "arn:aws:kms:us-west-2:111122223333:key/k", "444455556666",
			Failed, "DstPutObjectNotPermitted", c.Next(stamp.Stamp{}), c.Next(stamp.Stamp{}), 2, 1}},
	}
}

func TestVersionRoundTrip(t *testing.T) {
	want := fullVersion()
	// Every field is set, so that a field the codec forgets is seen here.
	for i, n := 0, reflect.TypeOf(want).NumField(); i < n; i++ {
		if reflect.ValueOf(want).Field(i).IsZero() {
			t.Fatalf("the test leaves %s unset", reflect.TypeOf(want).Field(i).Name)
		}
	}
	got, err := ParseVersion(AppendVersion(nil, &want), nil)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestForeignFieldsAreKept(t *testing.T) {
	v := fullVersion()
	b := AppendVersion(nil, &v)
	extra := protowire.AppendString(protowire.AppendTag(nil, 99, protowire.BytesType), "from the future")
	b = append(b, extra...)
	var kept []byte
	if _, err := ParseVersion(b, func(_ protowire.Number, field, _ []byte) error {
		kept = append(kept, field...)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(kept, extra) {
		t.Errorf("kept %x, want %x", kept, extra)
	}
}

func TestTruncatedRecordsAreErrors(t *testing.T) {
	v := fullVersion()
	b := AppendVersion(nil, &v)
	for i := range b {
		// A cut at a field's border is a shorter record; anywhere else is an error, never a panic.
		ParseVersion(b[:i], nil)
	}
	if _, err := ParseVersion(nil, nil); err == nil {
		t.Error("an empty record was accepted")
	}
}

func TestReplicationStatus(t *testing.T) {
	for _, c := range []struct {
		v    Version
		want Status
	}{
		{Version{}, ""},
		{Version{Replica: true}, IsReplica},
		{Version{Targets: []Target{{Status: Completed}, {Status: Completed}}}, Completed},
		{Version{Targets: []Target{{Status: Completed}, {Status: Pending}}}, Pending},
		{Version{Targets: []Target{{Status: Pending}, {Status: Failed}}}, Failed},
	} {
		if got := c.v.ReplicationStatus(); got != c.want {
			t.Errorf("%+v: %q, want %q", c.v.Targets, got, c.want)
		}
	}
}
