package conformance

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
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
	t.Parallel()
	rclone := need(t, "rclone", "version")
	for name, tls := range map[string]bool{"http": false, "https": true} {
		t.Run(name, func(t *testing.T) { walkRclone(start(t, tls), rclone) })
	}
}

func walkRclone(r *realm, rclone string) {
	files := makeTree(r)
	// rclone sends a canned ACL with every object, which buckets refuse as they
	// are made nowadays, save this one.
	r.env = append(r.env, "RCLONE_S3_ACL=bucket-owner-full-control", "RCLONE_S3_BUCKET_ACL=private", "RCLONE_CONFIG_F_TYPE=s3", "RCLONE_CONFIG_F_PROVIDER=Other", "RCLONE_CONFIG_F_ENV_AUTH=true", "RCLONE_CONFIG_F_REGION=us-west-2",
		"RCLONE_CONFIG_F_LOCATION_CONSTRAINT=us-west-2", "RCLONE_CONFIG_F_ENDPOINT="+r.get("AWS_ENDPOINT_URL"))
	if ca := r.get("AWS_CA_BUNDLE"); ca != "" {
		// It has a variable of its own, and the SDK in it fails with AWS's.
		r.env = append(slices.DeleteFunc(r.env, func(v string) bool { return strings.HasPrefix(v, "AWS_CA_BUNDLE=") }), "RCLONE_CA_CERT="+ca)
	}
	r.run(rclone, "mkdir", "f:bucket")
	r.run(rclone, "copy", "tree", "f:bucket/tree", "--s3-chunk-size", "5M", "--s3-upload-cutoff", "6M")
	r.run(rclone, "check", "tree", "f:bucket/tree")
	r.run(rclone, "check", "--download", "tree", "f:bucket/tree")
	r.run(rclone, "copy", "f:bucket/tree", "back/tree")
	compareTree(r, files, "back")
	r.run(rclone, "move", "f:bucket/tree", "f:bucket/moved")
	r.run(rclone, "check", "tree", "f:bucket/moved")
	r.run(rclone, "purge", "f:bucket")
}

func TestRestic(t *testing.T) {
	t.Parallel()
	restic := need(t, "restic", "version")
	for name, tls := range map[string]bool{"http": false, "https": true} {
		t.Run(name, func(t *testing.T) { walkRestic(start(t, tls), restic) })
	}
}

func walkRestic(r *realm, restic string) {
	files := makeTree(r)
	r.env = append(r.env, "RESTIC_PASSWORD=conformance", "RESTIC_REPOSITORY=s3:"+r.get("AWS_ENDPOINT_URL")+"/backup")
	run := func(args ...string) {
		r.t.Helper()
		if ca := r.get("AWS_CA_BUNDLE"); ca != "" {
			args = append(args, "--cacert", ca)
		}
		r.run(restic, args...)
	}
	run("init")
	run("backup", "tree")
	r.write("tree/new", random(100))
	files = append(files, "tree/new")
	run("backup", "tree")
	run("check", "--read-data")
	run("restore", "latest", "--target", "back")
	compareTree(r, files, "back")
	run("forget", "--keep-last", "1", "--prune")
	run("check")
}
