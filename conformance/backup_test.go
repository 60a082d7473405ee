package conformance

import (
	"bytes"
	"fmt"
	"testing"
)

// makeTree writes files that a backup must bring back.
func makeTree(r *realm) (files []string) {
	for i, size := range []int{0, 1, 1000, 70_000, 5 << 20, 17 << 20} {
		name := fmt.Sprintf("tree/d%d/ü %d+%%.bin", i%3, i)
		r.write(name, random(size))
		files = append(files, name)
	}
	return files
}

func compareTree(r *realm, files []string, back string) {
	r.t.Helper()
	for _, f := range files {
		if !bytes.Equal(r.read(f), r.read(back+"/"+f)) {
			r.t.Errorf("%s came back changed", f)
		}
	}
}

func TestRclone(t *testing.T) {
	rclone := need(t, "rclone", "version")
	r := start(t, false)
	files := makeTree(r)
	// rclone sends a canned ACL with every object, which buckets refuse as they
	// are made nowadays, save this one.
	r.env = append(r.env, "RCLONE_S3_ACL=bucket-owner-full-control", "RCLONE_S3_BUCKET_ACL=private", "RCLONE_CONFIG_F_TYPE=s3", "RCLONE_CONFIG_F_PROVIDER=Other", "RCLONE_CONFIG_F_ENV_AUTH=true", "RCLONE_CONFIG_F_REGION=us-west-2",
		"RCLONE_CONFIG_F_LOCATION_CONSTRAINT=us-west-2", "RCLONE_CONFIG_F_ENDPOINT="+r.get("AWS_ENDPOINT_URL"))
	r.run(rclone, "mkdir", "f:bucket")
	r.run(rclone, "copy", "tree", "f:bucket/tree", "--s3-chunk-size", "5M", "--s3-upload-cutoff", "6M")
	r.run(rclone, "check", "tree", "f:bucket/tree")
	r.run(rclone, "check", "--download", "tree", "f:bucket/tree")
	r.run(rclone, "copy", "f:bucket/tree", "back/tree")
	compareTree(r, files, "back")
	r.run(rclone, "move", "f:bucket/tree", "f:bucket/moved")
	r.run(rclone, "purge", "f:bucket")
}

func TestRestic(t *testing.T) {
	restic := need(t, "restic", "version")
	r := start(t, false)
	files := makeTree(r)
	r.env = append(r.env, "RESTIC_PASSWORD=conformance", "RESTIC_REPOSITORY=s3:"+r.get("AWS_ENDPOINT_URL")+"/backup")
	r.run(restic, "init")
	r.run(restic, "backup", "tree")
	r.write("tree/new", random(100))
	files = append(files, "tree/new")
	r.run(restic, "backup", "tree")
	r.run(restic, "check", "--read-data")
	r.run(restic, "restore", "latest", "--target", "back")
	compareTree(r, files, "back")
	r.run(restic, "forget", "--keep-last", "1", "--prune")
	r.run(restic, "check")
}
