package model

import (
	"path/filepath"
	"strings"
	"testing"
)

// Every model loads whole: no unknown trait, no dangling reference, no member
// that is neither a shape nor a scalar.
func TestLoadAll(t *testing.T) {
	files, err := filepath.Glob("../../models/model-*.json")
	if err != nil || len(files) != 10 {
		t.Fatalf("%d models, %v", len(files), err)
	}
	want := map[string][2]int{ // operations, shapes
		"cloudtrail": {60, 270}, "cloudwatch-logs": {118, 402}, "cloudwatch": {55, 209}, "iam": {180, 425}, "kms": {56, 172},
		"s3-control": {97, 358}, "s3": {112, 412}, "secrets-manager": {23, 83}, "sns": {42, 133}, "sts": {11, 49},
	}
	for _, f := range files {
		name := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(f), "model-"), ".json")
		s, err := Load(name, f)
		if err != nil {
			t.Fatal(err)
		}
		if got := [2]int{len(s.Ops), len(s.Shapes)}; got != want[name] {
			t.Errorf("%s has %v operations and shapes, want %v", name, got, want[name])
		}
		for _, sh := range s.Shapes {
			check(t, s.Name+"."+sh.Name, sh)
		}
	}
}

func check(t *testing.T, where string, s *Shape) {
	members := s.Members
	switch s.Kind {
	case List:
		members = []*Member{s.Elem}
	case Map:
		members = []*Member{s.Key, s.Elem}
	case Structure, Union, Error, Simple:
	default:
		t.Errorf("%s: kind %q", where, s.Kind)
	}
	for _, m := range members {
		if m == nil || (m.Shape == nil) == (m.Type == "") {
			t.Errorf("%s: member %+v is neither shape nor scalar, or both", where, m)
			continue
		}
		if m.Shape != nil && m.Shape.Name == "" {
			check(t, where+"."+m.Name, m.Shape)
		}
	}
}

func TestTraits(t *testing.T) {
	s, err := Load("s3", "../../models/model-s3.json")
	if err != nil {
		t.Fatal(err)
	}
	member := func(shape, name string) *Member {
		for _, m := range s.Shapes[shape].Members {
			if m.Name == name {
				return m
			}
		}
		t.Fatalf("no %s.%s", shape, name)
		return nil
	}
	if m := member("ReplicationConfiguration", "Rules"); !m.Flattened || m.XMLName != "Rule" || !m.Required || m.Shape.Elem.Shape.Name != "ReplicationRule" {
		t.Errorf("Rules: %+v", m)
	}
	if m := member("PutBucketReplicationRequest", "ReplicationConfiguration"); m.Where != Payload {
		t.Errorf("payload: %+v", m)
	}
	if m := member("CopyObjectOutput", "CopyObjectResult"); m.Where != Payload {
		t.Errorf("payload by bits: %+v", m)
	}
	if m := member("GetObjectRequest", "Key"); m.Where != Label || !m.Required {
		t.Errorf("label: %+v", m)
	}
	if m := member("Grantee", "Type"); !m.Attribute || m.XMLName != "xsi:type" {
		t.Errorf("attribute: %+v", m)
	}
	if m := member("CopyObjectRequest", "SSECustomerKey"); m.Type != String || m.Shape != nil || m.Where != Header {
		t.Errorf("simple shape: %+v", m)
	}
	if op := s.Ops["DeleteBucketReplication"]; op.Method != "DELETE" || op.URI != "/?replication" || op.Status != 204 || op.Out != "" {
		t.Errorf("operation: %+v", op)
	}
}
