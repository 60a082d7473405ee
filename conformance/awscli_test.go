package conformance

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

func random(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{1}).Read(b)
	return b
}

func TestAWSCLI(t *testing.T) {
	t.Parallel()
	aws := need(t, "aws", "--version")
	for name, tls := range map[string]bool{"http": false, "https": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			walkCLI(start(t, tls), aws)
		})
	}
}

// walkCLI is the walk at the top of the README, and a little further.
func walkCLI(r *realm, aws string) {
	t := r.t
	s3api := func(region string, args ...string) map[string]any {
		t.Helper()
		out := r.run(aws, append([]string{"s3api", "--region", region, "--output", "json"}, args...)...)
		m := map[string]any{}
		if strings.TrimSpace(out) != "" {
			if err := json.Unmarshal([]byte(out), &m); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
		}
		return m
	}
	refused := func(code string, args ...string) {
		t.Helper()
		if out, err := r.try(aws, args...); err == nil || !strings.Contains(out, code) {
			t.Errorf("aws %s: %v, want %s\n%s", strings.Join(args, " "), err, code, out)
		}
	}
	account := strings.TrimSpace(r.run(aws, "sts", "get-caller-identity", "--query", "Account", "--output", "text"))
	r.run(aws, "s3", "mb", "s3://source")
	r.run(aws, "s3", "mb", "s3://copy", "--region", "us-west-2")
	for bucket, region := range map[string]string{"source": "us-east-1", "copy": "us-west-2"} {
		s3api(region, "put-bucket-versioning", "--bucket", bucket, "--versioning-configuration", "Status=Enabled")
	}
	r.write("trust.json", []byte(trustS3))
	r.write("may.json", []byte(mayAllS3))
	r.run(aws, "iam", "create-role", "--role-name", "replication", "--assume-role-policy-document", "file://trust.json")
	r.run(aws, "iam", "put-role-policy", "--role-name", "replication", "--policy-name", "everything", "--policy-document", "file://may.json")
	r.write("rule.json", fmt.Appendf(nil, `{"Role": "arn:aws:iam::%s:role/replication", "Rules": [{"ID": "all", "Status": "Enabled", "Priority": 1,
		"Filter": {"Prefix": ""}, "DeleteMarkerReplication": {"Status": "Enabled"}, "Destination": {"Bucket": "arn:aws:s3:::copy", "StorageClass": "STANDARD_IA"}}]}`, account))
	s3api("us-east-1", "put-bucket-replication", "--bucket", "source", "--replication-configuration", "file://rule.json")
	photo, film := random(300_000), random(40<<20)
	r.write("photo.jpg", photo)
	r.write("film.mp4", film) // long enough for a multipart upload
	r.run(aws, "s3", "cp", "--no-progress", "photo.jpg", "s3://source/")
	r.run(aws, "s3", "cp", "--no-progress", "film.mp4", "s3://source/films/")
	for _, key := range []string{"photo.jpg", "films/film.mp4"} {
		r.eventually(key+" is replicated", func() bool {
			return s3api("us-east-1", "head-object", "--bucket", "source", "--key", key)["ReplicationStatus"] == "COMPLETED"
		})
		at, to := s3api("us-east-1", "head-object", "--bucket", "source", "--key", key), s3api("us-west-2", "head-object", "--bucket", "copy", "--key", key)
		for _, field := range []string{"VersionId", "ETag", "LastModified", "ContentLength", "ContentType"} {
			if fmt.Sprint(at[field]) != fmt.Sprint(to[field]) {
				t.Errorf("%s: %s is %v, was %v", key, field, to[field], at[field])
			}
		}
		if to["ReplicationStatus"] != "REPLICA" || to["StorageClass"] != "STANDARD_IA" || to["ServerSideEncryption"] != "AES256" {
			t.Errorf("%s: %v", key, to)
		}
	}
	if out := r.run(aws, "s3", "ls", "s3://copy", "--region", "us-west-2"); !strings.Contains(out, "photo.jpg") {
		t.Errorf("ls printed %s", out)
	}
	r.run(aws, "s3", "cp", "--no-progress", "s3://copy/films/film.mp4", "back.mp4", "--region", "us-west-2")
	if !bytes.Equal(r.read("back.mp4"), film) {
		t.Error("the film came back changed")
	}
	r.run(aws, "s3", "cp", "--no-progress", "s3://copy/photo.jpg", "redirected.jpg") // through the wrong region
	if !bytes.Equal(r.read("redirected.jpg"), photo) {
		t.Error("the photo came back changed")
	}

	for i := range 30 {
		r.write(fmt.Sprintf("tree/d%d/f%02d", i%3, i), random(i*100))
	}
	r.run(aws, "s3", "sync", "--no-progress", "tree", "s3://source/tree/")
	r.run(aws, "s3", "sync", "--no-progress", "s3://source/tree/", "tree-back")
	for i := range 30 {
		f := fmt.Sprintf("d%d/f%02d", i%3, i)
		if !bytes.Equal(r.read("tree/"+f), r.read("tree-back/"+f)) {
			t.Errorf("%s came back changed", f)
		}
	}
	r.run(aws, "s3", "mv", "s3://source/tree/d0/f00", "s3://source/moved")
	r.run(aws, "s3", "rm", "s3://source/tree/", "--recursive")
	url := strings.TrimSpace(r.run(aws, "s3", "presign", "s3://source/photo.jpg"))
	if !strings.Contains(url, "/source/photo.jpg?") {
		t.Errorf("presigned %s", url)
	}
	if res, b := r.http.do(t, "GET", url, nil, nil); res.StatusCode != 200 || b != string(photo) {
		t.Errorf("by the presigned URL: %d, %d bytes", res.StatusCode, len(b))
	}
	list := s3api("us-east-1", "list-object-versions", "--bucket", "source", "--prefix", "tree/", "--page-size", "7")
	if versions, markers := list["Versions"].([]any), list["DeleteMarkers"].([]any); len(versions) != 30 || len(markers) != 30 {
		t.Errorf("listed %d versions and %d markers, want 30 of each", len(versions), len(markers))
	}
	s3api("us-east-1", "put-object-tagging", "--bucket", "source", "--key", "photo.jpg", "--tagging", "TagSet=[{Key=a,Value=b}]")
	r.eventually("the tags arrive", func() bool {
		tags, _ := s3api("us-west-2", "get-object-tagging", "--bucket", "copy", "--key", "photo.jpg")["TagSet"].([]any)
		return len(tags) == 1
	})

	refused("BucketNotEmpty", "s3", "rb", "s3://source")
	refused("NoSuchBucket", "s3", "ls", "s3://nowhere")
	refused("BucketAlreadyOwnedByYou", "s3", "mb", "s3://copy")
	refused("NoSuchKey", "s3api", "get-object", "--bucket", "source", "--key", "nothing", "out")
	refused("Not Found", "s3api", "head-object", "--bucket", "source", "--key", "nothing")
	refused("InvalidBucketName", "s3api", "create-bucket", "--bucket", "ab")

	s3api("us-east-1", "create-bucket", "--bucket", "locked", "--object-lock-enabled-for-bucket")
	id := s3api("us-east-1", "put-object", "--bucket", "locked", "--key", "k", "--body", "photo.jpg", "--object-lock-mode", "GOVERNANCE",
		"--object-lock-retain-until-date", "2099-01-01T00:00:00Z")["VersionId"].(string)
	refused("AccessDenied", "s3api", "delete-object", "--bucket", "locked", "--key", "k", "--version-id", id)
	s3api("us-east-1", "delete-object", "--bucket", "locked", "--key", "k", "--version-id", id, "--bypass-governance-retention")
	r.run(aws, "s3", "rb", "s3://locked")
}
