package s3api

import (
	"bytes"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/farhold/farhold/s3"
	"github.com/farhold/farhold/s3/checksum"
)

const partMin = 5 << 20

// upload opens an upload and gives the query that names it.
func (w *world) upload(target string, headers ...string) string {
	w.t.Helper()
	a := w.do("POST", target+"?uploads", nil, headers...)
	a.want(w.t, 200, "")
	id := a.element("UploadId")
	if id == "" || a.element("Bucket") == "" || a.element("Key") == "" {
		w.t.Fatalf("%s", a.body)
	}
	return id
}

// part uploads a part and gives its ETag.
func (w *world) part(target, id string, number int, body []byte, headers ...string) string {
	w.t.Helper()
	a := w.do("PUT", fmt.Sprintf("%s?partNumber=%d&uploadId=%s", target, number, id), body, headers...)
	a.want(w.t, 200, "")
	return a.header.Get("Etag")
}

// completion is the body of CompleteMultipartUpload; sums are elements.
func completion(etags []string, sums ...string) []byte {
	var b strings.Builder
	b.WriteString(`<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">`)
	for i, e := range etags {
		sum := ""
		if i < len(sums) {
			sum = sums[i]
		}
		fmt.Fprintf(&b, "<Part><PartNumber>%d</PartNumber><ETag>%s</ETag>%s</Part>", i+1, e, sum)
	}
	b.WriteString("</CompleteMultipartUpload>")
	return []byte(b.String())
}

func TestMultipart(t *testing.T) {
	w := newWorld(t)
	w.versioned("bucket")
	id := w.upload("/bucket/dir/key", "Content-Type", "video/mp4", "x-amz-meta-a", "b", "x-amz-storage-class", "GLACIER_IR", "x-amz-tagging", "a=b")
	first, second := bytes.Repeat([]byte("1"), partMin), []byte("two")
	etags := []string{w.part("/bucket/dir/key", id, 1, first), w.part("/bucket/dir/key", id, 2, second)}
	// Until it is completed there is nothing but the upload.
	w.do("GET", "/bucket/dir/key", nil).want(t, 404, "NoSuchKey")
	parts := w.do("GET", "/bucket/dir/key?uploadId="+id, nil)
	parts.want(t, 200, "")
	for name, want := range map[string]string{"Bucket": "bucket", "Key": "dir/key", "UploadId": id, "StorageClass": "GLACIER_IR", "PartNumberMarker": "0", "NextPartNumberMarker": "2", "MaxParts": "1000", "IsTruncated": "false", "PartNumber": "1", "Size": strconv.Itoa(partMin)} {
		if got := parts.element(name); got != want {
			t.Errorf("ListParts: %s is %q, want %q", name, got, want)
		}
	}
	page := w.do("GET", "/bucket/dir/key?uploadId="+id+"&max-parts=1", nil)
	if page.element("IsTruncated") != "true" || page.element("NextPartNumberMarker") != "1" || page.element("MaxParts") != "1" {
		t.Errorf("%s", page.body)
	}
	page = w.do("GET", "/bucket/dir/key?uploadId="+id+"&part-number-marker=1", nil)
	if page.element("IsTruncated") != "false" || page.element("PartNumber") != "2" {
		t.Errorf("%s", page.body)
	}
	done := w.do("POST", "/bucket/dir/key?uploadId="+id, completion(etags))
	done.want(t, 200, "")
	sums := md5.Sum(append(md5of(first), md5of(second)...))
	etag := hex.EncodeToString(sums[:]) + "-2"
	if done.element("ETag") != "&quot;"+etag+"&quot;" || done.element("Location") != w.server.URL+"/bucket/dir/key" || len(done.header.Get("X-Amz-Version-Id")) != 32 ||
		done.element("ChecksumCRC64NVME") == "" || done.element("ChecksumType") != "FULL_OBJECT" || done.header.Get("X-Amz-Server-Side-Encryption") != "AES256" {
		t.Errorf("%v %s", done.header, done.body)
	}
	if want := sumOf(s3.CRC64NVME, string(first)+string(second)); done.element("ChecksumCRC64NVME") != want {
		t.Errorf("checksum %s, want %s", done.element("ChecksumCRC64NVME"), want)
	}
	again := w.do("POST", "/bucket/dir/key?uploadId="+id, completion(etags))
	if again.status != 200 || again.element("ETag") != done.element("ETag") || again.header.Get("X-Amz-Version-Id") != done.header.Get("X-Amz-Version-Id") {
		t.Errorf("a repeated Complete: %d %s", again.status, again.body)
	}
	head := w.do("HEAD", "/bucket/dir/key", nil, "x-amz-checksum-mode", "ENABLED")
	for name, want := range map[string]string{"Content-Type": "video/mp4", "X-Amz-Meta-A": "b", "X-Amz-Storage-Class": "GLACIER_IR", "Etag": `"` + etag + `"`, "X-Amz-Tagging-Count": "1",
		"Content-Length": strconv.Itoa(partMin + 3), "X-Amz-Mp-Parts-Count": "", "X-Amz-Checksum-Type": "FULL_OBJECT"} {
		if got := head.header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	two := w.do("GET", "/bucket/dir/key?partNumber=2", nil, "x-amz-checksum-mode", "ENABLED")
	if two.status != 206 || two.body != "two" || two.header.Get("X-Amz-Mp-Parts-Count") != "2" || two.header.Get("Content-Range") != fmt.Sprintf("bytes %d-%d/%d", partMin, partMin+2, partMin+3) {
		t.Errorf("part 2: %d %q %v", two.status, two.body, two.header)
	}
	three := w.do("GET", "/bucket/dir/key?partNumber=3", nil)
	three.want(t, 416, "InvalidPartNumber")
	if three.element("ActualPartCount") != "2" {
		t.Errorf("%s", three.body)
	}
	across := w.do("GET", "/bucket/dir/key", nil, "Range", fmt.Sprintf("bytes=%d-", partMin-1), "x-amz-checksum-mode", "ENABLED")
	if across.status != 206 || across.body != "1two" || across.header.Get("X-Amz-Checksum-Crc64nvme") != "" {
		t.Errorf("a range over parts: %d %q %v", across.status, across.body, across.header)
	}
	w.do("GET", "/bucket/dir/key?uploadId="+id, nil).want(t, 404, "NoSuchUpload")
}

func md5of(b []byte) []byte {
	s := md5.Sum(b)
	return s[:]
}

func TestCompositeChecksums(t *testing.T) {
	w := newWorld(t)
	w.bucket("bucket")
	first, second := bytes.Repeat([]byte("1"), partMin), []byte("two")
	for _, alg := range []s3.ChecksumAlgorithm{s3.CRC32, s3.SHA256, s3.XXHASH3} {
		header, elem := checksum.Header(alg), "Checksum"+string(alg)
		a := w.do("POST", "/bucket/key?uploads", nil, "x-amz-checksum-algorithm", string(alg))
		id := a.element("UploadId")
		if a.header.Get("X-Amz-Checksum-Algorithm") != string(alg) || a.header.Get("X-Amz-Checksum-Type") != "COMPOSITE" {
			t.Errorf("%s: %v", alg, a.header)
		}
		one, two := sumOf(alg, string(first)), sumOf(alg, string(second))
		etags := []string{w.part("/bucket/key", id, 1, first, header, one), w.part("/bucket/key", id, 2, second, header, two)}
		list := w.do("GET", "/bucket/key?uploadId="+id, nil)
		if list.element(elem) != one || list.element("ChecksumAlgorithm") != string(alg) || list.element("ChecksumType") != "COMPOSITE" {
			t.Errorf("%s: %s", alg, list.body)
		}
		lower := strings.ToLower(string(alg))
		missing := w.do("POST", "/bucket/key?uploadId="+id, completion(etags))
		missing.want(t, 400, "InvalidRequest")
		if want := "The upload was created using a " + lower + " checksum. The complete request must include the checksum for each part. It was missing for part 1 in the request."; missing.element("Message") != want {
			t.Errorf("%q", missing.element("Message"))
		}
		wrong := w.do("POST", "/bucket/key?uploadId="+id, completion(etags, "<"+elem+">"+two+"</"+elem+">", "<"+elem+">"+two+"</"+elem+">"))
		wrong.want(t, 400, "InvalidPart")
		body := completion(etags, "<"+elem+">"+one+"</"+elem+">", "<"+elem+">"+two+"</"+elem+">")
		done := w.do("POST", "/bucket/key?uploadId="+id, body)
		done.want(t, 200, "")
		h := checksum.New(alg)
		for _, sum := range []string{one, two} {
			raw, err := base64.StdEncoding.DecodeString(sum)
			if err != nil {
				t.Fatal(err)
			}
			h.Write(raw)
		}
		want := base64.StdEncoding.EncodeToString(h.Sum(nil)) + "-2"
		if done.element(elem) != want || done.element("ChecksumType") != "COMPOSITE" {
			t.Errorf("%s: %s, want %s", alg, done.body, want)
		}
		part := w.do("GET", "/bucket/key?partNumber=2", nil, "x-amz-checksum-mode", "ENABLED")
		if part.header.Get(header) != two {
			t.Errorf("%s: part 2 shows %q, want %q", alg, part.header.Get(header), two)
		}
		exactly := w.do("GET", "/bucket/key", nil, "Range", fmt.Sprintf("bytes=%d-%d", partMin, partMin+2), "x-amz-checksum-mode", "ENABLED")
		if exactly.body != "two" || exactly.header.Get(header) != two {
			t.Errorf("%s: a range that is a part: %v", alg, exactly.header)
		}
		whole := w.do("HEAD", "/bucket/key", nil, "x-amz-checksum-mode", "ENABLED")
		if whole.header.Get(header) != want || whole.header.Get("X-Amz-Checksum-Type") != "COMPOSITE" {
			t.Errorf("%s: %v", alg, whole.header)
		}
		attributes := w.do("GET", "/bucket/key?attributes", nil, "x-amz-object-attributes", "ETag, Checksum,ObjectParts", "x-amz-object-attributes", "ObjectSize,StorageClass")
		attributes.want(t, 200, "")
		for name, want := range map[string]string{"ETag": strings.Trim(whole.header.Get("Etag"), `"`), "PartsCount": "2", "PartNumber": "1", "Size": strconv.Itoa(partMin), "ObjectSize": strconv.Itoa(partMin + 3), "StorageClass": "STANDARD", "MaxParts": "1000", elem: strings.TrimSuffix(want, "-2"), "IsTruncated": "false"} {
			if got := attributes.element(name); got != want {
				t.Errorf("%s: GetObjectAttributes: %s is %q, want %q", alg, name, got, want)
			}
		}
		page := w.do("GET", "/bucket/key?attributes", nil, "x-amz-object-attributes", "ObjectParts", "x-amz-max-parts", "1")
		if page.element("IsTruncated") != "true" || page.element("NextPartNumberMarker") != "1" {
			t.Errorf("%s", page.body)
		}
		page = w.do("GET", "/bucket/key?attributes", nil, "x-amz-object-attributes", "ObjectParts", "x-amz-part-number-marker", "1")
		if page.element("IsTruncated") != "false" || page.element("PartNumber") != "2" || page.element("PartNumberMarker") != "1" {
			t.Errorf("%s", page.body)
		}
	}
}

func TestFullObjectChecksumOfParts(t *testing.T) {
	w := newWorld(t)
	w.bucket("bucket")
	first, second := bytes.Repeat([]byte("1"), partMin), []byte("two")
	id := w.upload("/bucket/key", "x-amz-checksum-algorithm", "CRC32", "x-amz-checksum-type", "FULL_OBJECT")
	etags := []string{w.part("/bucket/key", id, 1, first), w.part("/bucket/key", id, 2, second)}
	whole := sumOf(s3.CRC32, string(first)+string(second))
	other := w.do("POST", "/bucket/key?uploadId="+id, completion(etags), "x-amz-checksum-type", "COMPOSITE")
	other.want(t, 400, "InvalidRequest")
	if other.element("Message") != "The upload was created using the FULL_OBJECT checksum mode. The complete request must use the same checksum mode." {
		t.Errorf("%s", other.body)
	}
	w.do("POST", "/bucket/key?uploadId="+id, completion(etags), "x-amz-checksum-crc32", sumOf(s3.CRC32, "x")).want(t, 400, "BadDigest")
	size := w.do("POST", "/bucket/key?uploadId="+id, completion(etags), "x-amz-mp-object-size", "5")
	size.want(t, 400, "InvalidRequest")
	if want := fmt.Sprintf("The provided 'x-amz-mp-object-size' header value 5 does not match what was computed: %d", partMin+3); size.element("Message") != strings.ReplaceAll(want, "'", "'") {
		t.Errorf("%s", size.body)
	}
	done := w.do("POST", "/bucket/key?uploadId="+id, completion(etags), "x-amz-checksum-crc32", whole, "x-amz-checksum-type", "FULL_OBJECT", "x-amz-mp-object-size", strconv.Itoa(partMin+3))
	done.want(t, 200, "")
	if done.element("ChecksumCRC32") != whole || done.element("ChecksumType") != "FULL_OBJECT" {
		t.Errorf("%s", done.body)
	}
	attributes := w.do("GET", "/bucket/key?attributes", nil, "x-amz-object-attributes", "ObjectParts")
	if attributes.element("PartsCount") != "2" || strings.Contains(attributes.body, "<PartNumber>") {
		t.Errorf("parts without sums of their own: %s", attributes.body)
	}
}

func TestMultipartErrors(t *testing.T) {
	w := newWorld(t)
	w.bucket("bucket")
	const typeText = "The COMPOSITE checksum type cannot be used with the crc64nvme checksum algorithm."
	for _, c := range []struct{ alg, typ, message string }{
		{"CRC64NVME", "COMPOSITE", typeText},
		{"SHA256", "FULL_OBJECT", "The FULL_OBJECT checksum type cannot be used with the sha256 checksum algorithm."},
		{"", "FULL_OBJECT", "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header."},
		{"MD4", "", "Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256, SHA512, MD5, XXHASH64, XXHASH3, XXHASH128]"},
	} {
		var headers []string
		if c.alg != "" {
			headers = append(headers, "x-amz-checksum-algorithm", c.alg)
		}
		if c.typ != "" {
			headers = append(headers, "x-amz-checksum-type", c.typ)
		}
		a := w.do("POST", "/bucket/key?uploads", nil, headers...)
		a.want(t, 400, "InvalidRequest")
		if a.element("Message") != c.message {
			t.Errorf("%q, want %q", a.element("Message"), c.message)
		}
	}
	id := w.upload("/bucket/key", "x-amz-checksum-algorithm", "SHA256")
	for _, n := range []string{"0", "10001", "-1", "x"} {
		a := w.do("PUT", "/bucket/key?partNumber="+n+"&uploadId="+id, []byte("x"))
		a.want(t, 400, "InvalidArgument")
		if a.element("Message") != "Part number must be an integer between 1 and 10000, inclusive" || a.element("ArgumentName") != "partNumber" || a.element("ArgumentValue") != n {
			t.Errorf("%s", a.body)
		}
	}
	for header, want := range map[string]string{
		"":                     "Checksum Type mismatch occurred, expected checksum Type: sha256, actual checksum Type: null",
		"x-amz-checksum-crc32": "Checksum Type mismatch occurred, expected checksum Type: sha256, actual checksum Type: crc32",
	} {
		var headers []string
		if header != "" {
			headers = []string{header, sumOf(s3.CRC32, "x")}
		}
		a := w.do("PUT", "/bucket/key?partNumber=1&uploadId="+id, []byte("x"), headers...)
		a.want(t, 400, "InvalidRequest")
		if a.element("Message") != want {
			t.Errorf("%q, want %q", a.element("Message"), want)
		}
	}
	id = w.upload("/bucket/key")
	small := []string{w.part("/bucket/key", id, 1, []byte("small")), w.part("/bucket/key", id, 2, []byte("last"))}
	a := w.do("POST", "/bucket/key?uploadId="+id, completion(small))
	a.want(t, 400, "EntityTooSmall")
	if a.element("Message") != "Your proposed upload is smaller than the minimum allowed size" || a.element("MinSizeAllowed") != "5242880" || a.element("ProposedSize") != "5" || a.element("PartNumber") != "1" {
		t.Errorf("%s", a.body)
	}
	a = w.do("POST", "/bucket/key?uploadId="+id, completion([]string{"\"00000000000000000000000000000000\""}))
	a.want(t, 400, "InvalidPart")
	if a.element("Message") != "One or more of the specified parts could not be found.  The part may not have been uploaded, or the specified entity tag may not match the part&apos;s entity tag." &&
		a.element("Message") != "One or more of the specified parts could not be found.  The part may not have been uploaded, or the specified entity tag may not match the part's entity tag." || a.element("UploadId") != id || a.element("PartNumber") != "1" {
		t.Errorf("%s", a.body)
	}
	swapped := fmt.Sprintf("<CompleteMultipartUpload><Part><PartNumber>2</PartNumber><ETag>%s</ETag></Part><Part><PartNumber>1</PartNumber><ETag>%s</ETag></Part></CompleteMultipartUpload>", small[1], small[0])
	a = w.do("POST", "/bucket/key?uploadId="+id, []byte(swapped))
	a.want(t, 400, "InvalidPartOrder")
	if a.element("Message") != "The list of parts was not in ascending order. Parts must be ordered by part number." {
		t.Errorf("%s", a.body)
	}
	w.do("POST", "/bucket/key?uploadId="+id, []byte("<CompleteMultipartUpload/>")).want(t, 400, "MalformedXML")
	w.do("POST", "/bucket/key?uploadId="+id, []byte("<CompleteMultipartUpload>")).want(t, 400, "MalformedXML")
	a = w.do("POST", "/bucket/key?uploadId="+id, nil)
	a.want(t, 400, "InvalidRequest")
	if a.element("Message") != "You must specify at least one part" {
		t.Errorf("%s", a.body)
	}
	w.do("DELETE", "/bucket/key?uploadId="+id, nil).want(t, 204, "")
	for _, a := range []answer{
		w.do("DELETE", "/bucket/key?uploadId="+id, nil),
		w.do("PUT", "/bucket/key?partNumber=1&uploadId="+id, []byte("x")),
		w.do("GET", "/bucket/key?uploadId="+id, nil),
		w.do("POST", "/bucket/key?uploadId="+id, completion(small)),
		w.do("GET", "/bucket/key?uploadId=nonsense", nil),
	} {
		a.want(t, 404, "NoSuchUpload")
		if a.element("Message") != "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed." || a.element("UploadId") == "" {
			t.Errorf("%s", a.body)
		}
	}
	for name, want := range map[string]string{"max-parts=-1": "Argument max-parts must be an integer between 0 and 2147483647", "max-parts=x": "Provided max-parts not an integer or within integer range"} {
		a := w.do("GET", "/bucket/key?uploadId="+id+"&"+name, nil)
		a.want(t, 400, "InvalidArgument")
		if a.element("Message") != want {
			t.Errorf("%q, want %q", a.element("Message"), want)
		}
	}
}

func TestListUploads(t *testing.T) {
	w := newWorld(t)
	w.bucket("bucket")
	ids := map[string]string{}
	for _, k := range []string{"a/1", "a/2", "b", "c"} {
		ids[k] = w.upload("/bucket/"+k, "x-amz-checksum-algorithm", "CRC32")
	}
	c := w.sdk()
	all := must[*sdk.ListMultipartUploadsOutput](t)(c.ListMultipartUploads(t.Context(), &sdk.ListMultipartUploadsInput{Bucket: aws.String("bucket")}))
	if len(all.Uploads) != 4 || *all.Uploads[0].Key != "a/1" || *all.Uploads[0].UploadId != ids["a/1"] || all.Uploads[0].ChecksumAlgorithm != types.ChecksumAlgorithmCrc32 ||
		all.Uploads[0].ChecksumType != types.ChecksumTypeComposite || *all.Uploads[0].Owner.ID != canonicalID(testAccount) || all.Uploads[0].StorageClass != "STANDARD" {
		t.Errorf("%+v", all.Uploads)
	}
	rolled := must[*sdk.ListMultipartUploadsOutput](t)(c.ListMultipartUploads(t.Context(), &sdk.ListMultipartUploadsInput{Bucket: aws.String("bucket"), Delimiter: aws.String("/"), MaxUploads: aws.Int32(2)}))
	if len(rolled.CommonPrefixes) != 1 || *rolled.CommonPrefixes[0].Prefix != "a/" || len(rolled.Uploads) != 1 || !*rolled.IsTruncated {
		t.Fatalf("%+v", rolled)
	}
	rest := must[*sdk.ListMultipartUploadsOutput](t)(c.ListMultipartUploads(t.Context(), &sdk.ListMultipartUploadsInput{
		Bucket: aws.String("bucket"), Delimiter: aws.String("/"), KeyMarker: rolled.NextKeyMarker, UploadIdMarker: rolled.NextUploadIdMarker}))
	if len(rest.Uploads) != 1 || *rest.Uploads[0].Key != "c" || len(rest.CommonPrefixes) != 0 {
		t.Errorf("%+v", rest)
	}
}
