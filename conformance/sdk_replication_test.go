package conformance

import (
	"bytes"
	"crypto/md5"
	"crypto/sha512"
	"encoding/base64"
	bigendian "encoding/binary"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/s3/manager"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/cespare/xxhash/v2"
	"github.com/zeebo/xxh3"
)

// text gives n bytes, the same for the same n.
func text(n int) string { return string(random(n)) }

func tags(r *realm, region, bucket, key string) string {
	r.t.Helper()
	out, err := r.s3(region).GetObjectTagging(r.t.Context(), &s3.GetObjectTaggingInput{Bucket: &bucket, Key: &key})
	must(r, out, err)
	var list []string
	for _, t := range out.TagSet {
		list = append(list, *t.Key+"="+*t.Value)
	}
	slices.Sort(list)
	return strings.Join(list, " ")
}

// facts are what source and replica have in common.
func facts(h *s3.HeadObjectOutput) string {
	s := aws.ToString
	return fmt.Sprintf("version %s\nmodified %s\netag %s\nlength %d\ntype %s %s %s %s %s\nmetadata %v\ntags %d\nencryption %s\nlock %s %v %s\nredirect %s\nsums %s%s%s%s%s %s",
		s(h.VersionId), h.LastModified, s(h.ETag), aws.ToInt64(h.ContentLength), s(h.ContentType), s(h.ContentEncoding), s(h.ContentLanguage),
		s(h.ContentDisposition), s(h.CacheControl), h.Metadata, aws.ToInt32(h.TagCount), h.ServerSideEncryption,
		h.ObjectLockMode, h.ObjectLockRetainUntilDate, h.ObjectLockLegalHoldStatus, s(h.WebsiteRedirectLocation),
		s(h.ChecksumCRC32), s(h.ChecksumCRC32C), s(h.ChecksumCRC64NVME), s(h.ChecksumSHA1), s(h.ChecksumSHA256), h.ChecksumType)
}

// walkReplication is the walk of the README, with three regions: what is put
// into one arrives in the other two as the same version.
func walkReplication(r *realm) {
	t, ctx := r.t, r.t.Context()
	r.bucket("us-east-1", "source", "enabled")
	r.bucket("us-west-2", "west", "enabled")
	r.bucket("eu-west-1", "europe", "enabled")
	r.put("us-east-1", "source", "before", "written before the rule")
	r.replicate("us-east-1", "source", rule("west", "west", 1, func(r *types.ReplicationRule) { r.Destination.StorageClass = types.StorageClassStandardIa }), rule("eu", "europe", 2))
	id := r.put("us-east-1", "source", "dir/photo.jpg", text(300_000), func(in *s3.PutObjectInput) {
		in.Metadata = map[string]string{"color": "blue", "empty": ""}
		in.Tagging = aws.String("a=b&c=d%20e")
		in.ContentType, in.CacheControl, in.ContentLanguage = aws.String("image/jpeg"), aws.String("max-age=1"), aws.String("de")
		in.ContentDisposition, in.ContentEncoding = aws.String(`attachment; filename="p.jpg"`), aws.String("identity")
		in.WebsiteRedirectLocation = aws.String("/elsewhere")
		in.ChecksumAlgorithm = types.ChecksumAlgorithmSha256
	})
	at, err := r.head("us-east-1", "source", "dir/photo.jpg")
	must(r, at, err)
	if at.ReplicationStatus != types.ReplicationStatusPending && at.ReplicationStatus != types.ReplicationStatusCompleted {
		t.Errorf("right after the put its status is %q", at.ReplicationStatus)
	}
	at = r.await("us-east-1", "source", "dir/photo.jpg", types.ReplicationStatusCompleted)
	if *at.VersionId != id || aws.ToString(at.ChecksumSHA256) == "" {
		t.Errorf("the source shows %s", facts(at))
	}
	for _, to := range []struct {
		region, bucket string
		class          types.StorageClass
	}{{"us-west-2", "west", types.StorageClassStandardIa}, {"eu-west-1", "europe", ""}} {
		got, err := r.head(to.region, to.bucket, "dir/photo.jpg")
		must(r, got, err)
		if facts(got) != facts(at) || got.ReplicationStatus != types.ReplicationStatusReplica || got.StorageClass != to.class {
			t.Errorf("%s: %s, class %q\n%s\nwant\n%s", to.bucket, got.ReplicationStatus, got.StorageClass, facts(got), facts(at))
		}
		equal(t, to.bucket, r.body(to.region, to.bucket, "dir/photo.jpg"), random(300_000))
		if s := tags(r, to.region, to.bucket, "dir/photo.jpg"); s != "a=b c=d e" {
			t.Errorf("tags in %s: %s", to.bucket, s)
		}
		if _, err := r.head(to.region, to.bucket, "before"); err == nil {
			t.Errorf("what was there before the rule came to %s", to.bucket)
		}
	}
	if h, err := r.head("us-east-1", "source", "before"); err != nil || h.ReplicationStatus != "" {
		t.Errorf("what was there before the rule: %v, status %q", err, h.ReplicationStatus)
	}

	// Tags change after the fact.
	_, err = r.s3("us-east-1").PutObjectTagging(ctx, &s3.PutObjectTaggingInput{
		Bucket: aws.String("source"), Key: aws.String("dir/photo.jpg"), Tagging: &types.Tagging{TagSet: []types.Tag{{Key: aws.String("new"), Value: aws.String("tag")}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	r.eventually("the tags arrive", func() bool {
		return tags(r, "us-west-2", "west", "dir/photo.jpg") == "new=tag" && tags(r, "eu-west-1", "europe", "dir/photo.jpg") == "new=tag"
	})
	r.await("us-east-1", "source", "dir/photo.jpg", types.ReplicationStatusCompleted)
	if _, err = r.s3("us-east-1").DeleteObjectTagging(ctx, &s3.DeleteObjectTaggingInput{Bucket: aws.String("source"), Key: aws.String("dir/photo.jpg")}); err != nil {
		t.Fatal(err)
	}
	r.eventually("their removal arrives", func() bool { return tags(r, "us-west-2", "west", "dir/photo.jpg") == "" })

	// A delete marker goes, the end of a version doesn't.
	marker, err := r.s3("us-east-1").DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: aws.String("source"), Key: aws.String("dir/photo.jpg")})
	must(r, marker, err)
	for region, bucket := range map[string]string{"us-west-2": "west", "eu-west-1": "europe"} {
		r.eventually("the delete marker is in "+bucket, func() bool {
			list, err := r.s3(region).ListObjectVersions(ctx, &s3.ListObjectVersionsInput{Bucket: &bucket})
			must(r, list, err)
			return len(list.DeleteMarkers) == 1 && *list.DeleteMarkers[0].VersionId == *marker.VersionId && *list.DeleteMarkers[0].IsLatest &&
				len(list.Versions) == 1 && *list.Versions[0].VersionId == id && !*list.Versions[0].IsLatest
		})
	}
	for _, version := range []string{id, *marker.VersionId} {
		if _, err := r.s3("us-east-1").DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: aws.String("source"), Key: aws.String("dir/photo.jpg"), VersionId: &version}); err != nil {
			t.Fatal(err)
		}
	}
	// What is put after it arrives after it: the replicas stay.
	r.put("us-east-1", "source", "later", "x")
	r.await("us-east-1", "source", "later", types.ReplicationStatusCompleted)
	list, err := r.s3("us-west-2").ListObjectVersions(ctx, &s3.ListObjectVersionsInput{Bucket: aws.String("west"), Prefix: aws.String("dir/")})
	if must(r, list, err); len(list.Versions) != 1 || len(list.DeleteMarkers) != 1 {
		t.Errorf("after versions were deleted at the source, the replica has %d versions and %d markers", len(list.Versions), len(list.DeleteMarkers))
	}
}

// walkRules: which rule applies to what.
func walkRules(r *realm) {
	t, ctx := r.t, r.t.Context()
	r.bucket("us-east-1", "ruled", "enabled")
	r.bucket("us-west-2", "ruled-west", "enabled")
	r.bucket("eu-west-1", "ruled-eu", "enabled")
	r.bucket("eu-west-1", "ruled-chain", "enabled")
	class := func(c types.StorageClass) func(*types.ReplicationRule) {
		return func(r *types.ReplicationRule) { r.Destination.StorageClass = c }
	}
	filter := func(f types.ReplicationRuleFilter) func(*types.ReplicationRule) {
		return func(r *types.ReplicationRule) {
			r.Filter = &f
			r.DeleteMarkerReplication.Status = types.DeleteMarkerReplicationStatusDisabled
		}
	}
	r.replicate("us-east-1", "ruled",
		rule("low", "ruled-west", 1, class(types.StorageClassOnezoneIa), filter(types.ReplicationRuleFilter{Prefix: aws.String("a")})),
		rule("high", "ruled-west", 5, class(types.StorageClassGlacier), filter(types.ReplicationRuleFilter{Prefix: aws.String("ab")})),
		rule("off", "ruled-west", 9, filter(types.ReplicationRuleFilter{Prefix: aws.String("")}), func(r *types.ReplicationRule) { r.Status = types.ReplicationRuleStatusDisabled }),
		rule("tag", "ruled-eu", 3, filter(types.ReplicationRuleFilter{Tag: &types.Tag{Key: aws.String("ship"), Value: aws.String("yes")}})),
	)
	// Replicas don't travel on.
	r.replicate("us-west-2", "ruled-west", rule("chain", "ruled-chain", 1))
	r.put("us-east-1", "ruled", "a1", "x")
	r.put("us-east-1", "ruled", "ab", "x")
	r.put("us-east-1", "ruled", "none", "x")
	r.put("us-east-1", "ruled", "tagged", "x", func(in *s3.PutObjectInput) { in.Tagging = aws.String("ship=yes") })
	r.put("us-east-1", "ruled", "late", "x")
	for _, key := range []string{"a1", "ab", "tagged"} {
		r.await("us-east-1", "ruled", key, types.ReplicationStatusCompleted)
	}
	for key, want := range map[string]types.StorageClass{"a1": types.StorageClassOnezoneIa, "ab": types.StorageClassGlacier} {
		h, err := r.head("us-west-2", "ruled-west", key)
		if must(r, h, err); h.StorageClass != want {
			t.Errorf("%s has class %q, want %s", key, h.StorageClass, want)
		}
	}
	// A tag that comes later doesn't make a version replicate.
	if _, err := r.s3("us-east-1").PutObjectTagging(ctx, &s3.PutObjectTaggingInput{Bucket: aws.String("ruled"), Key: aws.String("late"),
		Tagging: &types.Tagging{TagSet: []types.Tag{{Key: aws.String("ship"), Value: aws.String("yes")}}}}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.s3("us-east-1").DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: aws.String("ruled"), Key: aws.String("a1")}); err != nil {
		t.Fatal(err)
	}
	r.put("us-east-1", "ruled", "a2", "x")
	r.await("us-east-1", "ruled", "a2", types.ReplicationStatusCompleted)
	for _, key := range []string{"none", "late"} {
		if h, err := r.head("us-east-1", "ruled", key); err != nil || h.ReplicationStatus != "" {
			t.Errorf("%s: %v, status %q", key, err, h.ReplicationStatus)
		}
	}
	for _, want := range []struct{ region, bucket, keys string }{
		// a1 is there although a marker hides it at the source.
		{"us-west-2", "ruled-west", "a1 a2 ab"}, {"eu-west-1", "ruled-eu", "tagged"}, {"eu-west-1", "ruled-chain", ""},
	} {
		list, err := r.s3(want.region).ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &want.bucket})
		must(r, list, err)
		var keys []string
		for _, o := range list.Contents {
			keys = append(keys, *o.Key)
		}
		if got := strings.Join(keys, " "); got != want.keys {
			t.Errorf("%s holds %q, want %q", want.bucket, got, want.keys)
		}
	}
	// The source can't be suspended while it replicates.
	_, err := r.s3("us-east-1").PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{Bucket: aws.String("ruled"), VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusSuspended}})
	r.refused("suspending a source", err, "InvalidBucketState")
	if m := message(err); m != "A replication configuration is present on this bucket, so you cannot change the versioning state. To change the versioning state, first delete the replication configuration." {
		t.Errorf("suspending a source: %s", m)
	}
	// What AWS refuses.
	r.bucket("us-west-2", "unversioned")
	for _, bad := range []struct {
		bucket, code, message string
		rules                 []types.ReplicationRule
	}{
		{"ruled", "InvalidRequest", "Destination bucket must exist.", []types.ReplicationRule{rule("x", "no-such-bucket-anywhere", 1)}},
		{"ruled", "InvalidRequest", "Destination bucket must have versioning enabled.", []types.ReplicationRule{rule("x", "unversioned", 1)}},
		{"ruled", "InvalidRequest", "Destination bucket cannot be the same as the source bucket.", []types.ReplicationRule{rule("x", "ruled", 1)}},
		{"ruled", "InvalidArgument", "Rule Id must be unique", []types.ReplicationRule{rule("x", "ruled-west", 1), rule("x", "ruled-eu", 2)}},
		{"ruled", "InvalidRequest", "Found duplicate priority 1.", []types.ReplicationRule{rule("x", "ruled-west", 1), rule("y", "ruled-west", 1)}},
		{"unversioned", "InvalidRequest", "Versioning must be 'Enabled' on the bucket to apply a replication configuration", []types.ReplicationRule{rule("x", "ruled-eu", 1)}},
	} {
		region := map[string]string{"ruled": "us-east-1", "unversioned": "us-west-2"}[bad.bucket]
		_, err := r.s3(region).PutBucketReplication(ctx, &s3.PutBucketReplicationInput{Bucket: &bad.bucket, ReplicationConfiguration: &types.ReplicationConfiguration{
			Role: aws.String("arn:aws:iam::" + r.account() + ":role/replication"), Rules: bad.rules,
		}})
		r.refused(bad.message, err, bad.code)
		if m := message(err); err != nil && m != bad.message {
			t.Errorf("message %q, want %q", m, bad.message)
		}
	}
	// Without the configuration nothing replicates any more.
	for range 2 {
		if _, err := r.s3("us-east-1").DeleteBucketReplication(ctx, &s3.DeleteBucketReplicationInput{Bucket: aws.String("ruled")}); err != nil {
			t.Fatal(err)
		}
	}
	_, err = r.s3("us-east-1").GetBucketReplication(ctx, &s3.GetBucketReplicationInput{Bucket: aws.String("ruled")})
	r.refused("no configuration", err, "ReplicationConfigurationNotFoundError")
	r.put("us-east-1", "ruled", "a3", "x")
	if h, err := r.head("us-east-1", "ruled", "a3"); err != nil || h.ReplicationStatus != "" {
		t.Errorf("without a configuration: %v, status %q", err, h.ReplicationStatus)
	}
}

// walkFailed: a destination that will never take it is FAILED, whatever the
// other one says.
func walkFailed(r *realm) {
	r.bucket("us-east-1", "failing", "enabled")
	r.bucket("us-west-2", "failing-west", "enabled")
	r.bucket("eu-west-1", "failing-eu", "enabled")
	r.replicate("us-east-1", "failing", rule("west", "failing-west", 1), rule("eu", "failing-eu", 2))
	r.versioning("us-west-2", "failing-west", types.BucketVersioningStatusSuspended)
	r.put("us-east-1", "failing", "k", "x")
	r.await("us-east-1", "failing", "k", types.ReplicationStatusFailed)
	r.eventually("the other destination has it", func() bool {
		h, err := r.head("eu-west-1", "failing-eu", "k")
		return err == nil && h.ReplicationStatus == types.ReplicationStatusReplica
	})
	if _, err := r.s3("us-west-2").DeleteBucket(r.t.Context(), &s3.DeleteBucketInput{Bucket: aws.String("failing-west")}); err != nil {
		r.t.Fatal(err)
	}
	r.put("us-east-1", "failing", "k2", "x")
	r.await("us-east-1", "failing", "k2", types.ReplicationStatusFailed)
	// FAILED is final, also when the destination would take it again.
	r.bucket("us-west-2", "failing-west", "enabled")
	r.put("us-east-1", "failing", "k3", "x")
	r.await("us-east-1", "failing", "k3", types.ReplicationStatusCompleted)
	r.await("us-east-1", "failing", "k", types.ReplicationStatusFailed)
}

// walkParts: multipart uploads, their parts at the source and at the replica.
func walkParts(r *realm) {
	t, ctx := r.t, r.t.Context()
	r.bucket("us-east-1", "parts", "enabled")
	r.bucket("eu-west-1", "parts-eu", "enabled")
	r.replicate("us-east-1", "parts", rule("eu", "parts-eu", 1))
	c, to := r.s3("us-east-1"), r.s3("eu-west-1")
	sizes := []int{5 << 20, 6 << 20, 12345}
	whole := random(sizes[0] + sizes[1] + sizes[2])
	for _, kind := range []struct {
		key       string
		algorithm types.ChecksumAlgorithm
		typ       types.ChecksumType
	}{
		{"plain", "", ""},
		{"composite", types.ChecksumAlgorithmSha256, types.ChecksumTypeComposite},
		{"composite crc", types.ChecksumAlgorithmCrc32, types.ChecksumTypeComposite},
		{"full object", types.ChecksumAlgorithmCrc64nvme, types.ChecksumTypeFullObject},
	} {
		open, err := c.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{
			Bucket: aws.String("parts"), Key: &kind.key, ChecksumAlgorithm: kind.algorithm, ChecksumType: kind.typ,
			Metadata: map[string]string{"who": "me"}, Tagging: aws.String("a=b"), ContentType: aws.String("x/y"),
		})
		must(r, open, err)
		var done []types.CompletedPart
		for i, from := 0, 0; i < len(sizes); i++ {
			up, err := c.UploadPart(ctx, &s3.UploadPartInput{Bucket: aws.String("parts"), Key: &kind.key, UploadId: open.UploadId, PartNumber: aws.Int32(int32(i + 1)),
				Body: bytes.NewReader(whole[from : from+sizes[i]]), ChecksumAlgorithm: kind.algorithm})
			must(r, up, err)
			part := types.CompletedPart{PartNumber: aws.Int32(int32(i + 1)), ETag: up.ETag}
			switch kind.algorithm {
			case types.ChecksumAlgorithmSha256:
				part.ChecksumSHA256 = up.ChecksumSHA256
			case types.ChecksumAlgorithmCrc32:
				part.ChecksumCRC32 = up.ChecksumCRC32
			case types.ChecksumAlgorithmCrc64nvme:
				part.ChecksumCRC64NVME = up.ChecksumCRC64NVME
			}
			done, from = append(done, part), from+sizes[i]
		}
		// Not before it is complete.
		_, err = r.head("us-east-1", "parts", kind.key)
		r.refused("head of an open upload", err, "NotFound")
		listed, err := c.ListParts(ctx, &s3.ListPartsInput{Bucket: aws.String("parts"), Key: &kind.key, UploadId: open.UploadId, MaxParts: aws.Int32(2)})
		if must(r, listed, err); len(listed.Parts) != 2 || !*listed.IsTruncated || *listed.NextPartNumberMarker != "2" || *listed.Parts[1].Size != int64(sizes[1]) {
			t.Errorf("%s: listed parts %+v", kind.key, listed.Parts)
		}
		_, err = c.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{Bucket: aws.String("parts"), Key: &kind.key, UploadId: open.UploadId,
			MultipartUpload: &types.CompletedMultipartUpload{Parts: []types.CompletedPart{done[1], done[0]}}})
		r.refused("parts out of order", err, "InvalidPartOrder")
		complete, err := c.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{Bucket: aws.String("parts"), Key: &kind.key, UploadId: open.UploadId,
			ChecksumType: kind.typ, MultipartUpload: &types.CompletedMultipartUpload{Parts: done}})
		must(r, complete, err)
		if !strings.HasSuffix(*complete.ETag, `-3"`) {
			t.Errorf("%s: ETag %s", kind.key, *complete.ETag)
		}
		at := r.await("us-east-1", "parts", kind.key, types.ReplicationStatusCompleted)
		got, err := r.head("eu-west-1", "parts-eu", kind.key)
		if must(r, got, err); facts(got) != facts(at) {
			t.Errorf("%s: the replica is\n%s\nwant\n%s", kind.key, facts(got), facts(at))
		}
		if kind.typ == types.ChecksumTypeComposite && !strings.HasSuffix(aws.ToString(at.ChecksumSHA256)+aws.ToString(at.ChecksumCRC32), "-3") {
			t.Errorf("%s: %s", kind.key, facts(at))
		}
		for i, from := 0, 0; i < len(sizes); i++ {
			part := func(in *s3.GetObjectInput) { in.PartNumber = aws.Int32(int32(i + 1)) }
			equal(t, fmt.Sprintf("%s, part %d at the replica", kind.key, i+1), r.body("eu-west-1", "parts-eu", kind.key, part), whole[from:from+sizes[i]])
			from += sizes[i]
		}
		attributes := func(c *s3.Client, bucket string) string {
			out, err := c.GetObjectAttributes(ctx, &s3.GetObjectAttributesInput{Bucket: &bucket, Key: &kind.key, ObjectAttributes: types.ObjectAttributesEtag.Values()})
			must(r, out, err)
			s := fmt.Sprintf("%s %d %s parts %d:", *out.ETag, *out.ObjectSize, out.StorageClass, *out.ObjectParts.TotalPartsCount)
			for _, p := range out.ObjectParts.Parts {
				s += fmt.Sprintf(" %d %d %s%s%s", *p.PartNumber, *p.Size, aws.ToString(p.ChecksumSHA256), aws.ToString(p.ChecksumCRC32), aws.ToString(p.ChecksumCRC64NVME))
			}
			return s
		}
		if here, there := attributes(c, "parts"), attributes(to, "parts-eu"); here != there || strings.HasPrefix(here, `"`) || (kind.typ == types.ChecksumTypeComposite) != strings.Contains(here, fmt.Sprintf(" 3 %d ", sizes[2])) {
			t.Errorf("%s: attributes\n%s\nat the replica\n%s", kind.key, here, there)
		}
	}
	// Large, by the transfer manager.
	body := random(37 << 20)
	_, err := manager.NewUploader(c, func(u *manager.Uploader) { u.PartSize = 8 << 20 }).Upload(ctx, &s3.PutObjectInput{Bucket: aws.String("parts"), Key: aws.String("large"), Body: bytes.NewReader(body)})
	if err != nil {
		t.Fatal(err)
	}
	r.await("us-east-1", "parts", "large", types.ReplicationStatusCompleted)
	back := manager.NewWriteAtBuffer(nil)
	if _, err := manager.NewDownloader(to).Download(ctx, back, &s3.GetObjectInput{Bucket: aws.String("parts-eu"), Key: aws.String("large")}); err != nil {
		t.Fatal(err)
	}
	equal(t, "large at the replica", back.Bytes(), body)
	// Small parts, unless it is the last.
	open, err := c.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: aws.String("parts"), Key: aws.String("small")})
	must(r, open, err)
	var done []types.CompletedPart
	for n := range int32(2) {
		up, err := c.UploadPart(ctx, &s3.UploadPartInput{Bucket: aws.String("parts"), Key: aws.String("small"), UploadId: open.UploadId, PartNumber: aws.Int32(n + 1), Body: strings.NewReader("small")})
		must(r, up, err)
		done = append(done, types.CompletedPart{PartNumber: aws.Int32(n + 1), ETag: up.ETag})
	}
	complete := func(parts []types.CompletedPart) error {
		_, err := c.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{Bucket: aws.String("parts"), Key: aws.String("small"), UploadId: open.UploadId, MultipartUpload: &types.CompletedMultipartUpload{Parts: parts}})
		return err
	}
	r.refused("small parts", complete(done), "EntityTooSmall")
	r.refused("a part that isn't there", complete([]types.CompletedPart{{PartNumber: aws.Int32(7), ETag: done[0].ETag}}), "InvalidPart")
	uploads, err := c.ListMultipartUploads(ctx, &s3.ListMultipartUploadsInput{Bucket: aws.String("parts")})
	if must(r, uploads, err); len(uploads.Uploads) != 1 || *uploads.Uploads[0].UploadId != *open.UploadId {
		t.Errorf("open uploads %+v", uploads.Uploads)
	}
	if _, err := c.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: aws.String("parts"), Key: aws.String("small"), UploadId: open.UploadId}); err != nil {
		t.Fatal(err)
	}
	// A part from another object.
	open, err = c.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: aws.String("parts"), Key: aws.String("put together")})
	must(r, open, err)
	part, err := c.UploadPartCopy(ctx, &s3.UploadPartCopyInput{Bucket: aws.String("parts"), Key: aws.String("put together"), UploadId: open.UploadId, PartNumber: aws.Int32(1),
		CopySource: aws.String("parts/large"), CopySourceRange: aws.String("bytes=1000-6000000")})
	must(r, part, err)
	if _, err := c.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{Bucket: aws.String("parts"), Key: aws.String("put together"), UploadId: open.UploadId,
		MultipartUpload: &types.CompletedMultipartUpload{Parts: []types.CompletedPart{{PartNumber: aws.Int32(1), ETag: part.CopyPartResult.ETag}}}}); err != nil {
		t.Fatal(err)
	}
	equal(t, "put together", r.body("us-east-1", "parts", "put together"), body[1000:6000001])
}

func binary64(sum uint64) []byte { return bigendian.BigEndian.AppendUint64(nil, sum) }

// walkChecksums: every checksum, given or computed, wrong or right.
func walkChecksums(r *realm) {
	t, ctx := r.t, r.t.Context()
	r.bucket("us-west-2", "sums", "enabled")
	r.bucket("us-east-1", "sums-east", "enabled")
	r.replicate("us-west-2", "sums", rule("east", "sums-east", 1))
	for _, algorithm := range []types.ChecksumAlgorithm{types.ChecksumAlgorithmCrc32, types.ChecksumAlgorithmCrc32c, types.ChecksumAlgorithmCrc64nvme, types.ChecksumAlgorithmSha1, types.ChecksumAlgorithmSha256} {
		key := string(algorithm)
		// A reader that can't be rewound makes the SDK send the sum in a trailer over TLS.
		_, err := r.s3("us-west-2").PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String("sums"), Key: &key, Body: bytes.NewReader(random(100_000)), ChecksumAlgorithm: algorithm})
		if err != nil {
			t.Errorf("%s: %v", key, err)
			continue
		}
		at := r.await("us-west-2", "sums", key, types.ReplicationStatusCompleted)
		got, err := r.head("us-east-1", "sums-east", key)
		if must(r, got, err); facts(got) != facts(at) || at.ChecksumType != types.ChecksumTypeFullObject {
			t.Errorf("%s: the replica is\n%s\nwant\n%s", key, facts(got), facts(at))
		}
		out, err := r.s3("us-east-1").GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String("sums-east"), Key: &key, ChecksumMode: types.ChecksumModeEnabled})
		must(r, out, err)
		b, err := io.ReadAll(out.Body) // the SDK checks the sum
		out.Body.Close()
		equal(t, key, must(r, b, err), random(100_000))
	}
	// Those that the client computes itself.
	body := random(5000)
	md, sha, x3 := md5.Sum(body), sha512.Sum512(body), xxh3.Hash128(body).Bytes()
	b64 := base64.StdEncoding.EncodeToString
	sum := func(h *s3.HeadObjectOutput) string {
		return aws.ToString(h.ChecksumMD5) + aws.ToString(h.ChecksumSHA512) + aws.ToString(h.ChecksumXXHASH64) + aws.ToString(h.ChecksumXXHASH3) + aws.ToString(h.ChecksumXXHASH128)
	}
	for _, given := range []struct {
		want string
		set  func(*s3.PutObjectInput, *string)
	}{
		{b64(md[:]), func(in *s3.PutObjectInput, v *string) { in.ChecksumMD5 = v }},
		{b64(sha[:]), func(in *s3.PutObjectInput, v *string) { in.ChecksumSHA512 = v }},
		{b64(binary64(xxhash.Sum64(body))), func(in *s3.PutObjectInput, v *string) { in.ChecksumXXHASH64 = v }},
		{b64(binary64(xxh3.Hash(body))), func(in *s3.PutObjectInput, v *string) { in.ChecksumXXHASH3 = v }},
		{b64(x3[:]), func(in *s3.PutObjectInput, v *string) { in.ChecksumXXHASH128 = v }},
	} {
		in := &s3.PutObjectInput{Bucket: aws.String("sums"), Key: aws.String("given"), Body: bytes.NewReader(body)}
		given.set(in, &given.want)
		if _, err := r.s3("us-west-2").PutObject(ctx, in); err != nil {
			t.Errorf("given %s: %v", given.want, err)
			continue
		}
		at := r.await("us-west-2", "sums", "given", types.ReplicationStatusCompleted)
		got, err := r.head("us-east-1", "sums-east", "given")
		if must(r, got, err); sum(at) != given.want || sum(got) != given.want {
			t.Errorf("given %s, shown %s, at the replica %s", given.want, sum(at), sum(got))
		}
		wrong := b64(bytes.Repeat([]byte{1}, base64.StdEncoding.DecodedLen(len(given.want))-strings.Count(given.want, "=")))
		given.set(in, &wrong)
		in.Body = bytes.NewReader(body)
		_, err = r.s3("us-west-2").PutObject(ctx, in)
		r.refused("wrong instead of "+given.want, err, "BadDigest")
	}
	for what, in := range map[string]*s3.PutObjectInput{
		"crc32":  {ChecksumCRC32: aws.String("AAAAAA==")},
		"sha256": {ChecksumSHA256: aws.String("47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=")},
	} {
		in.Bucket, in.Key, in.Body = aws.String("sums"), aws.String("wrong"), strings.NewReader("hello")
		_, err := r.s3("us-west-2").PutObject(ctx, in)
		r.refused("a wrong "+what, err, "BadDigest")
	}
	if _, err := r.head("us-west-2", "sums", "wrong"); err == nil {
		t.Error("an object with a wrong checksum is there")
	}
}

// walkLock: Object Lock, also at the replica.
func walkLock(r *realm) {
	t, ctx := r.t, r.t.Context()
	r.bucket("us-east-1", "lock", "lock")
	r.bucket("us-west-2", "lock-west", "lock")
	r.replicate("us-east-1", "lock", rule("west", "lock-west", 1))
	c := r.s3("us-east-1")
	until := time.Now().Add(48 * time.Hour).UTC().Truncate(time.Second)
	id := r.put("us-east-1", "lock", "k", "keep", func(in *s3.PutObjectInput) {
		in.ObjectLockMode, in.ObjectLockRetainUntilDate = types.ObjectLockModeGovernance, &until
		in.ObjectLockLegalHoldStatus = types.ObjectLockLegalHoldStatusOn
	})
	at := r.await("us-east-1", "lock", "k", types.ReplicationStatusCompleted)
	got, err := r.head("us-west-2", "lock-west", "k")
	if must(r, got, err); facts(got) != facts(at) || got.ObjectLockMode != types.ObjectLockModeGovernance || !got.ObjectLockRetainUntilDate.Equal(until) || got.ObjectLockLegalHoldStatus != types.ObjectLockLegalHoldStatusOn {
		t.Errorf("the replica is\n%s\nwant\n%s", facts(got), facts(at))
	}
	for region, bucket := range map[string]string{"us-east-1": "lock", "us-west-2": "lock-west"} {
		_, err := r.s3(region).DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &bucket, Key: aws.String("k"), VersionId: &id, BypassGovernanceRetention: aws.Bool(true)})
		r.refused("deleting a version on hold in "+bucket, err, "AccessDenied")
		if m := message(err); m != "Access Denied because object protected by object lock." {
			t.Errorf("message %q", m)
		}
	}
	// The hold ends, at both.
	if _, err := c.PutObjectLegalHold(ctx, &s3.PutObjectLegalHoldInput{Bucket: aws.String("lock"), Key: aws.String("k"), LegalHold: &types.ObjectLockLegalHold{Status: types.ObjectLockLegalHoldStatusOff}}); err != nil {
		t.Fatal(err)
	}
	r.eventually("the end of the hold arrives", func() bool {
		h, err := r.head("us-west-2", "lock-west", "k")
		return must(r, h, err).ObjectLockLegalHoldStatus == types.ObjectLockLegalHoldStatusOff
	})
	longer := until.Add(24 * time.Hour)
	retain := func(mode types.ObjectLockRetentionMode, until time.Time, bypass bool) error {
		_, err := c.PutObjectRetention(ctx, &s3.PutObjectRetentionInput{Bucket: aws.String("lock"), Key: aws.String("k"), BypassGovernanceRetention: &bypass,
			Retention: &types.ObjectLockRetention{Mode: mode, RetainUntilDate: &until}})
		return err
	}
	if err := retain(types.ObjectLockRetentionModeGovernance, longer, false); err != nil {
		t.Errorf("keeping longer: %v", err)
	}
	r.refused("keeping shorter", retain(types.ObjectLockRetentionModeGovernance, until, false), "AccessDenied")
	if err := retain(types.ObjectLockRetentionModeGovernance, until, true); err != nil {
		t.Errorf("keeping shorter with bypass: %v", err)
	}
	if err := retain(types.ObjectLockRetentionModeCompliance, until, true); err != nil {
		t.Errorf("from governance to compliance: %v", err)
	}
	r.refused("shortening compliance", retain(types.ObjectLockRetentionModeCompliance, until.Add(-time.Hour), true), "AccessDenied")
	r.eventually("compliance arrives", func() bool {
		h, err := r.head("us-west-2", "lock-west", "k")
		return must(r, h, err).ObjectLockMode == types.ObjectLockModeCompliance && h.ObjectLockRetainUntilDate.Equal(until)
	})
	r.refused("a date that is past", retain(types.ObjectLockRetentionModeCompliance, time.Now().Add(-time.Hour), false), "InvalidArgument")
	// A delete marker can always be placed.
	if _, err := c.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: aws.String("lock"), Key: aws.String("k")}); err != nil {
		t.Error(err)
	}
	// A default, and what it does.
	if _, err := c.PutObjectLockConfiguration(ctx, &s3.PutObjectLockConfigurationInput{Bucket: aws.String("lock"), ObjectLockConfiguration: &types.ObjectLockConfiguration{
		ObjectLockEnabled: types.ObjectLockEnabledEnabled, Rule: &types.ObjectLockRule{DefaultRetention: &types.DefaultRetention{Mode: types.ObjectLockRetentionModeGovernance, Days: aws.Int32(1)}},
	}}); err != nil {
		t.Fatal(err)
	}
	id = r.put("us-east-1", "lock", "default", "x")
	if h, err := r.head("us-east-1", "lock", "default"); err != nil || h.ObjectLockMode != types.ObjectLockModeGovernance {
		t.Errorf("default retention: %v, %s", err, h.ObjectLockMode)
	}
	_, err = c.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: aws.String("lock"), Key: aws.String("default"), VersionId: &id})
	r.refused("deleting under default retention", err, "AccessDenied")
	if _, err = c.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: aws.String("lock"), Key: aws.String("default"), VersionId: &id, BypassGovernanceRetention: aws.Bool(true)}); err != nil {
		t.Errorf("deleting with bypass: %v", err)
	}
	_, err = c.PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{Bucket: aws.String("lock"), VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusSuspended}})
	r.refused("suspending a lock bucket", err, "InvalidBucketState")
	r.bucket("us-east-1", "no-lock", "enabled")
	_, err = c.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String("no-lock"), Key: aws.String("k"), Body: strings.NewReader("x"), ObjectLockLegalHoldStatus: types.ObjectLockLegalHoldStatusOn})
	r.refused("a hold where there is no lock", err, "InvalidRequest")
	if m := message(err); m != "Bucket is missing Object Lock Configuration" {
		t.Errorf("message %q", m)
	}
}
