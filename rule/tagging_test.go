package rule

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/farhold/farhold/s3"
)

func tagSet(kv ...string) string {
	var b strings.Builder
	b.WriteString("<Tagging><TagSet>")
	for i := 0; i < len(kv); i += 2 {
		fmt.Fprintf(&b, "<Tag><Key>%s</Key><Value>%s</Value></Tag>", kv[i], kv[i+1])
	}
	b.WriteString("</TagSet></Tagging>")
	return b.String()
}

func manyTags(n int) (kv []string) {
	for i := range n {
		kv = append(kv, fmt.Sprint("k", i), "v")
	}
	return kv
}

func TestBucketTaggingDocument(t *testing.T) {
	testDocument(t, "tagging", []documentCase{
		{name: "tags", body: tagSet("Environment", "Production", "b", ""), get: "<TagSet><Tag><Key>Environment</Key><Value>Production</Value></Tag><Tag><Key>b</Key><Value/></Tag></TagSet>"},
		{name: "other scripts", body: tagSet("größe αβγ", "日本 + - = . _ : / @ 1")},
		{name: "no value", body: "<Tagging><TagSet><Tag><Key>k</Key></Tag></TagSet></Tagging>", want: malformedXML},
		{name: "key twice", body: tagSet("Key1", "a", "Key1", "b"), want: "InvalidTag 400 Cannot provide multiple Tags with the same key TagKey=Key1"},
		{name: "odd key", body: tagSet("Key1,Key2", "a"), want: "InvalidTag 400 The TagKey you have provided is invalid TagKey=Key1,Key2"},
		{name: "odd value", body: tagSet("Key1", "Val1,Val2"), want: "InvalidTag 400 The TagValue you have provided is invalid TagKey=Key1 TagValue=Val1,Val2"},
		{name: "system tag", body: tagSet("aws:prefixed", "a"), want: "InvalidTag 400 System tags cannot be added/updated by requester TagKey=aws:prefixed"},
		{name: "empty key", body: tagSet("", "a"), want: "InvalidTag 400 The TagKey you have provided is invalid"},
		{name: "key of 128", body: tagSet(strings.Repeat("é", 128), strings.Repeat("é", 256))},
		{name: "key of 129", body: tagSet(strings.Repeat("k", 129), ""), want: "InvalidTag 400 The TagKey you have provided is invalid"},
		{name: "value of 257", body: tagSet("k", strings.Repeat("v", 257)), want: "InvalidTag 400 The TagValue you have provided is invalid"},
		{name: "50", body: tagSet(manyTags(50)...)},
		{name: "51", body: tagSet(manyTags(51)...), want: "BadRequest 400 Bucket tag count cannot be greater than 50"},
	})
}

// TestBucketWithoutTags: AWS takes a document that has no tags, or no TagSet at
// all, and answers then as for a bucket that was never given any.
func TestBucketWithoutTags(t *testing.T) {
	d := Find("tagging")
	for _, body := range []string{tagSet(), "<Tagging/>"} {
		stored, err := d.Check(Context{Bucket: "b"}, []byte(body))
		if err != nil {
			t.Errorf("%s: %v", body, err)
			continue
		}
		_, _, err = d.Answer(Context{Bucket: "b"}, stored)
		if got, want := describe(err), "NoSuchTagSet 404 The TagSet does not exist BucketName=b"; got != want {
			t.Errorf("%s\ngot  %s\nwant %s", body, got, want)
		}
	}
}

func TestObjectTagging(t *testing.T) {
	for _, c := range []struct{ body, want string }{
		{tagSet("k", "v"), ""},
		{tagSet(), ""},
		{tagSet(manyTags(10)...), ""},
		{tagSet(manyTags(11)...), "BadRequest 400 Object tags cannot be greater than 10"},
		{tagSet("aws:prefixed", "a"), "InvalidTag 400 Your TagKey cannot be prefixed with aws: TagKey=aws:prefixed"},
		{tagSet("k", "a", "k", "b"), "InvalidTag 400 Cannot provide multiple Tags with the same key TagKey=k"},
		{"<Tagging/>", ""},
	} {
		tags, err := ParseObjectTagging([]byte(c.body))
		if describe(err) != c.want {
			t.Errorf("%s\ngot  %s\nwant %s", c.body, describe(err), c.want)
		}
		if err != nil {
			continue
		}
		out, err := RenderTagging(tags)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := ParseObjectTagging(out); err != nil || !reflect.DeepEqual(again, tags) {
			t.Errorf("%s came back as %s", c.body, out)
		}
	}
}

func TestParseTagHeader(t *testing.T) {
	const bad = "InvalidArgument 400 The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates. ArgumentName=x-amz-tagging ArgumentValue="
	for _, c := range []struct {
		header string
		tags   []s3.Tag
		want   string
	}{
		{"", nil, ""},
		{"k=v", []s3.Tag{{Key: "k", Value: "v"}}, ""},
		{"Priority=High&DataType=Financial&Compliance=SOX", []s3.Tag{{Key: "Priority", Value: "High"}, {Key: "DataType", Value: "Financial"}, {Key: "Compliance", Value: "SOX"}}, ""},
		{"a%20b=c+d&e=%C3%A9", []s3.Tag{{Key: "a b", Value: "c d"}, {Key: "e", Value: "é"}}, ""},
		{"k", []s3.Tag{{Key: "k"}}, ""},
		{"k=%3D", []s3.Tag{{Key: "k", Value: "="}}, ""},
		{"key1=val1&key1=val2", nil, bad + "key1=val1&key1=val2"},
		{"key1=val1,key2=val2", nil, bad + "key1=val1,key2=val2"},
		{"k=%zz", nil, bad + "k=%zz"},
		{"k=%ff", nil, bad + "k=%ff"},
		{"aws:k=v", nil, "InvalidTag 400 Your TagKey cannot be prefixed with aws: TagKey=aws:k"},
		{"=v", nil, "InvalidTag 400 The TagKey you have provided is invalid TagKey="},
		{"k=a%2Cb", nil, "InvalidTag 400 The TagValue you have provided is invalid TagKey=k TagValue=a,b"},
		{"a&b&c&d&e&f&g&h&i&j&k", nil, "BadRequest 400 Object tags cannot be greater than 10"},
	} {
		tags, err := ParseTagHeader(c.header)
		if describe(err) != c.want || err == nil && !reflect.DeepEqual(tags, c.tags) {
			t.Errorf("%q: %+v\ngot  %s\nwant %s", c.header, tags, describe(err), c.want)
		}
	}
}
