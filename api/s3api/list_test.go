package s3api

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

func TestListV2(t *testing.T) {
	w := newWorld(t)
	w.bucket("bucket")
	var keys []string
	for _, k := range []string{"a/1", "a/2", "b", "c/1", "c/d/1", "e", "f"} {
		w.put("bucket", k, k)
		keys = append(keys, k)
	}
	c := w.sdk()
	// Every page size gives the same keys and prefixes in the same order.
	for size := int32(1); size <= 8; size++ {
		for _, delimiter := range []string{"", "/", "/1"} {
			var got []string
			in := &sdk.ListObjectsV2Input{Bucket: aws.String("bucket"), MaxKeys: &size, FetchOwner: aws.Bool(true)}
			if delimiter != "" {
				in.Delimiter = &delimiter
			}
			for pages := sdk.NewListObjectsV2Paginator(c, in); pages.HasMorePages(); {
				page, err := pages.NextPage(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				var here []string
				for _, o := range page.Contents {
					here = append(here, *o.Key)
					if *o.Owner.ID != canonicalID(testAccount) || *o.Size != int64(len(*o.Key)) || o.StorageClass != "STANDARD" || *o.ETag == "" || o.ChecksumAlgorithm[0] != "CRC64NVME" || o.ChecksumType != "FULL_OBJECT" {
						t.Errorf("%+v", o)
					}
				}
				for _, p := range page.CommonPrefixes {
					here = append(here, *p.Prefix)
				}
				if int(*page.KeyCount) != len(here) || *page.MaxKeys != size {
					t.Errorf("KeyCount %d of %d, MaxKeys %d", *page.KeyCount, len(here), *page.MaxKeys)
				}
				slices.Sort(here)
				got = append(got, here...)
			}
			want := keys
			switch delimiter {
			case "/":
				want = []string{"a/", "b", "c/", "e", "f"}
			case "/1":
				want = []string{"a/1", "a/2", "b", "c/1", "c/d/1", "e", "f"}
			}
			if !slices.Equal(got, want) {
				t.Errorf("%d at a time by %q: %q, want %q", size, delimiter, got, want)
			}
		}
	}
	a := w.do("GET", "/bucket?list-type=2&start-after=c%2F1&prefix=c%2F", nil)
	if a.element("Key") != "c/d/1" || a.element("StartAfter") != "c/1" || strings.Contains(a.body, "<Owner>") || a.header.Get("X-Amz-Bucket-Region") != "us-east-1" {
		t.Errorf("%v %s", a.header, a.body)
	}
	a = w.do("GET", "/bucket?list-type=2&max-keys=0", nil)
	if a.element("IsTruncated") != "false" || a.element("KeyCount") != "0" || a.element("MaxKeys") != "0" {
		t.Errorf("%s", a.body)
	}
	if a := w.do("GET", "/bucket?list-type=2&max-keys=5000", nil); a.element("MaxKeys") != "1000" {
		t.Errorf("%s", a.body)
	}
}

func TestListV1(t *testing.T) {
	w := newWorld(t)
	w.bucket("bucket")
	for _, k := range []string{"a/1", "a/2", "b", "c/1"} {
		w.put("bucket", k, "x")
	}
	a := w.do("GET", "/bucket?max-keys=1", nil)
	if a.element("Key") != "a/1" || a.element("IsTruncated") != "true" || strings.Contains(a.body, "NextMarker") || !strings.Contains(a.body, "<Marker/>") || !strings.Contains(a.body, "<Owner>") {
		t.Errorf("%s", a.body)
	}
	a = w.do("GET", "/bucket?max-keys=1&delimiter=%2F", nil)
	if !strings.Contains(a.body, "<CommonPrefixes><Prefix>a/</Prefix></CommonPrefixes>") || a.element("NextMarker") != "a/" || a.element("Delimiter") != "/" {
		t.Errorf("%s", a.body)
	}
	a = w.do("GET", "/bucket?max-keys=1&delimiter=%2F&marker=a%2F", nil)
	if a.element("Key") != "b" || a.element("Marker") != "a/" || a.element("NextMarker") != "b" {
		t.Errorf("a marker that is a common prefix: %s", a.body)
	}
	a = w.do("GET", "/bucket?marker=b", nil)
	if a.element("Key") != "c/1" || a.element("IsTruncated") != "false" {
		t.Errorf("%s", a.body)
	}
}

func TestListEncoding(t *testing.T) {
	w := newWorld(t)
	w.bucket("bucket")
	for _, k := range []string{"a b", "a+b", "é/*~", "\x01", "<&>"} {
		w.put("bucket", escapeAll(k), "x")
	}
	a := w.do("GET", "/bucket?list-type=2&encoding-type=url&prefix=&delimiter=%3F", nil)
	for _, want := range []string{"<Key>a+b</Key>", "<Key>a%2Bb</Key>", "<Key>%C3%A9/*%7E</Key>", "<Key>%01</Key>", "<Key>%3C%26%3E</Key>", "<EncodingType>url</EncodingType>", "<Delimiter>%3F</Delimiter>"} {
		if !strings.Contains(a.body, want) {
			t.Errorf("no %s in\n%s", want, a.body)
		}
	}
	a = w.do("GET", "/bucket?list-type=2", nil)
	for _, want := range []string{"<Key>a b</Key>", "<Key>é/*~</Key>", "<Key>&#x1;</Key>", "<Key>&lt;&amp;&gt;</Key>"} {
		if !strings.Contains(a.body, want) {
			t.Errorf("no %s in\n%s", want, a.body)
		}
	}
}

func TestListErrors(t *testing.T) {
	w := newWorld(t)
	w.bucket("bucket")
	for query, want := range map[string][3]string{
		"list-type=2&continuation-token=x":                     {"The continuation token provided is incorrect", "continuation-token", ""},
		"list-type=2&continuation-token=":                      {"The continuation token provided is incorrect", "continuation-token", ""},
		"list-type=2&continuation-token=" + makeToken("k")[:6]: {"The continuation token provided is incorrect", "continuation-token", ""},
		"list-type=1":                              {"Incorrect List Type specified in Request", "list-type", "1"},
		"list-type=2&encoding-type=base64":         {"Invalid Encoding Method specified in Request", "encoding-type", "base64"},
		"encoding-type=xml":                        {"Invalid Encoding Method specified in Request", "encoding-type", "xml"},
		"max-keys=-1":                              {"Argument maxKeys must be an integer between 0 and 2147483647", "maxKeys", "-1"},
		"max-keys=x":                               {"Provided max-keys not an integer or within integer range", "max-keys", "x"},
		"list-type=2&max-keys=99999999999":         {"Provided max-keys not an integer or within integer range", "max-keys", "99999999999"},
		"versions&version-id-marker=x":             {"A version-id marker cannot be specified without a key marker.", "version-id-marker", "x"},
		"versions&key-marker=k&version-id-marker=": {"A version-id marker cannot be empty.", "version-id-marker", ""},
		"versions&encoding-type=x":                 {"Invalid Encoding Method specified in Request", "encoding-type", "x"},
		"uploads&max-uploads=-5":                   {"Argument max-uploads must be an integer between 0 and 2147483647", "max-uploads", "-5"},
	} {
		a := w.do("GET", "/bucket?"+query, nil)
		if a.status != 400 || a.code() != "InvalidArgument" || a.element("Message") != want[0] || a.element("ArgumentName") != want[1] || a.element("ArgumentValue") != want[2] {
			t.Errorf("%s: %d %s", query, a.status, a.body)
		}
	}
	w.do("GET", "/nobucket?list-type=2", nil).want(t, 404, "NoSuchBucket")
}

func TestTokens(t *testing.T) {
	for _, after := range []string{"a", "a/b c", "\x00\xff", strings.Repeat("k", 1024)} {
		token := makeToken(after)
		if got, ok := readToken(token); !ok || got != after {
			t.Errorf("%q comes back as %q", after, got)
		}
		for i := range token {
			b := []byte(token)
			b[i] ^= 1
			if got, ok := readToken(string(b)); ok && got == after && string(b) != token {
				continue // an unused bit of the last character
			} else if ok {
				t.Fatalf("an altered token is taken: %q", b)
			}
			if len(after) > 20 && i > 40 {
				break
			}
		}
	}
}

func TestListVersions(t *testing.T) {
	w := newWorld(t)
	w.versioned("bucket")
	var want []string
	for _, k := range []string{"a", "dir/x", "z"} {
		one := w.put("bucket", k, "1").header.Get("X-Amz-Version-Id")
		two := w.put("bucket", k, "22").header.Get("X-Amz-Version-Id")
		mark := w.do("DELETE", "/bucket/"+k, nil).header.Get("X-Amz-Version-Id")
		want = append(want, k+" "+mark+" marker", k+" "+two, k+" "+one)
	}
	for size := 1; size <= 10; size++ {
		var got []string
		keyMarker, versionMarker := "", ""
		for {
			query := fmt.Sprintf("/bucket?versions&max-keys=%d&key-marker=%s", size, strings.ReplaceAll(keyMarker, "/", "%2F"))
			if versionMarker != "" {
				query += "&version-id-marker=" + versionMarker
			}
			a := w.do("GET", query, nil)
			a.want(t, 200, "")
			rest := a.body
			for {
				v, m := strings.Index(rest, "<Version>"), strings.Index(rest, "<DeleteMarker>")
				if v < 0 && m < 0 {
					break
				}
				i := v
				if v < 0 || m >= 0 && m < v {
					i = m
				}
				rest = rest[i+1:]
				row := answer{body: rest}
				line := row.element("Key") + " " + row.element("VersionId")
				if i == m {
					line += " marker"
				}
				got = append(got, line)
			}
			if a.element("IsTruncated") != "true" {
				break
			}
			keyMarker, versionMarker = a.element("NextKeyMarker"), a.element("NextVersionIdMarker")
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%d at a time:\n%s\nwant\n%s", size, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
	out := must[*sdk.ListObjectVersionsOutput](t)(w.sdk().ListObjectVersions(t.Context(), &sdk.ListObjectVersionsInput{Bucket: aws.String("bucket"), Delimiter: aws.String("/")}))
	if len(out.CommonPrefixes) != 1 || len(out.Versions) != 4 || len(out.DeleteMarkers) != 2 || !*out.DeleteMarkers[0].IsLatest || *out.Versions[0].IsLatest ||
		*out.Versions[0].Size != 2 || *out.Versions[0].Owner.ID != canonicalID(testAccount) || out.Versions[0].StorageClass != types.ObjectVersionStorageClassStandard {
		t.Errorf("%+v", out)
	}
}

func TestDeleteObjects(t *testing.T) {
	w := newWorld(t)
	w.versioned("bucket")
	var ids []types.ObjectIdentifier
	for i := range 50 {
		k := fmt.Sprintf("k%02d", i)
		w.put("bucket", k, "x")
		ids = append(ids, types.ObjectIdentifier{Key: &k})
	}
	missing := "missing"
	ids = append(ids, types.ObjectIdentifier{Key: &missing}, types.ObjectIdentifier{Key: aws.String("k00"), VersionId: aws.String("nonsense")}, types.ObjectIdentifier{Key: aws.String("k00"), ETag: aws.String("x")})
	c := w.sdk()
	out := must[*sdk.DeleteObjectsOutput](t)(c.DeleteObjects(t.Context(), &sdk.DeleteObjectsInput{Bucket: aws.String("bucket"), Delete: &types.Delete{Objects: ids}}))
	if len(out.Deleted) != 51 || *out.Deleted[7].Key != "k07" || !*out.Deleted[7].DeleteMarker || len(*out.Deleted[7].DeleteMarkerVersionId) != 32 {
		t.Errorf("%+v", out.Deleted)
	}
	if len(out.Errors) != 2 || *out.Errors[0].Key != "k00" || *out.Errors[0].VersionId != "nonsense" || *out.Errors[0].Code != "InvalidArgument" && *out.Errors[0].Code != "NoSuchVersion" {
		t.Errorf("%+v", out.Errors)
	}
	quiet := must[*sdk.DeleteObjectsOutput](t)(c.DeleteObjects(t.Context(), &sdk.DeleteObjectsInput{Bucket: aws.String("bucket"), Delete: &types.Delete{Quiet: aws.Bool(true), Objects: []types.ObjectIdentifier{
		{Key: aws.String("k01"), VersionId: out.Deleted[1].DeleteMarkerVersionId}}}}))
	if len(quiet.Deleted) != 0 || len(quiet.Errors) != 0 {
		t.Errorf("%+v", quiet)
	}
	if a := w.do("GET", "/bucket/k01", nil); a.body != "x" {
		t.Errorf("the marker is still there: %d", a.status)
	}
	post := func(body string, headers ...string) answer {
		return w.do("POST", "/bucket?delete", []byte(body), headers...)
	}
	a := post("<Delete><Object><Key>k</Key></Object></Delete>")
	a.want(t, 400, "InvalidRequest")
	if a.element("Message") != "Missing required header for this request: Content-MD5 OR x-amz-checksum-*" {
		t.Errorf("%s", a.body)
	}
	for _, body := range []string{
		"<Delete></Delete>", "<Delete>", "", "<Other/>", "<Delete><Object></Object></Delete>", "<Delete><Object><Key></Key></Object></Delete>",
		"<Delete>" + strings.Repeat("<Object><Key>k</Key></Object>", 1001) + "</Delete>",
		"<!DOCTYPE x><Delete><Object><Key>k</Key></Object></Delete>",
	} {
		post(body, "x-amz-checksum-crc32", sumOf("CRC32", body)).want(t, 400, "MalformedXML")
	}
	body := "<Delete>" + strings.Repeat("<Object><Key>k</Key></Object>", 1000) + "</Delete>"
	if a := post(body, "x-amz-checksum-crc32", sumOf("CRC32", body)); a.status != 200 || strings.Count(a.body, "<Deleted>") != 1000 {
		t.Errorf("1,000 keys: %d", a.status)
	}
	post("<Delete><Object><Key>k</Key></Object></Delete>", "x-amz-checksum-crc32", "AAAAAA==").want(t, 400, "BadDigest")
}

// What a page of 1,000 keys costs the door.
func BenchmarkListPage(b *testing.B) {
	w := newWorld(b)
	w.bucket("bucket")
	for i := range 1000 {
		w.put("bucket", fmt.Sprintf("some/prefix/key-%06d", i), "x")
	}
	rq := w.sign(w.request("GET", "/bucket?list-type=2&encoding-type=url", nil), nil)
	rq.RequestURI = "/bucket?list-type=2&encoding-type=url"
	b.ReportAllocs()
	for b.Loop() {
		w.door.ServeHTTP(&discard{h: http.Header{}}, rq)
	}
}

type discard struct{ h http.Header }

func (d *discard) Header() http.Header         { return d.h }
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }
func (d *discard) WriteHeader(status int) {
	if status != 200 {
		panic(status)
	}
}
