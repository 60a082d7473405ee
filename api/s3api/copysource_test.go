package s3api

import (
	"strings"
	"testing"

	"github.com/farhold/farhold/awserr"
)

func TestCopySource(t *testing.T) {
	for header, want := range map[string]copySource{
		"bucket/key":                {"bucket", "key", ""},
		"/bucket/key":               {"bucket", "key", ""},
		"bucket/a/b/c":              {"bucket", "a/b/c", ""},
		"bucket/a%20b":              {"bucket", "a b", ""},
		"bucket/a+b":                {"bucket", "a b", ""},
		"bucket/a%2Bb":              {"bucket", "a+b", ""},
		"%2Fbucket%2Fkey":           {"bucket", "key", ""},
		"bucket%2Fdir%2Fkey":        {"bucket", "dir/key", ""},
		"bucket//key":               {"bucket", "/key", ""},
		"bucket/../other/key":       {"bucket", "../other/key", ""},
		"bucket/%2e%2e/other":       {"bucket", "../other", ""},
		"bucket/key?versionId=abc":  {"bucket", "key", "abc"},
		"bucket/key?versionId=null": {"bucket", "key", "null"},
		"bucket/what%3Fkey":         {"bucket", "what?key", ""},
		"bucket/a%3FversionId%3Db":  {"bucket", "a?versionId=b", ""},
		"bucket/\u00e4%C3%A4":       {"bucket", "ää", ""},
		"bucket/key%00nul":          {"bucket", "key\x00nul", ""},
	} {
		if got, err := parseCopySource(header); err != nil || got != want {
			t.Errorf("%q: %+v, %v, want %+v", header, got, err, want)
		}
	}
	for header, want := range map[string]string{
		"":                                    "Copy Source must mention the source bucket and key: sourcebucket/sourcekey",
		"bucket":                              "Invalid copy source object key",
		"bucket/":                             "Invalid copy source object key",
		"//key":                               "Copy Source must mention the source bucket and key: sourcebucket/sourcekey",
		"bucket/a%zz":                         "Invalid copy source encoding.",
		"bucket/a%ff":                         "Invalid copy source encoding.",
		"bucket/key?version=x":                "Unsupported copy source parameter.",
		"bucket/key?versionId=":               "Version id cannot be the empty string",
		"bucket/" + strings.Repeat("k", 1025): "Your key is too long",
		"arn:aws:s3:us-east-1:1:accesspoint/a/object/k": "A header you provided implies functionality that is not implemented",
	} {
		_, err := parseCopySource(header)
		if e := awserr.From(err); e == nil || e.Message != want {
			t.Errorf("%q: %v, want %q", header, err, want)
		}
	}
}

// FuzzCopySource: whatever is named has a bucket without a slash and a key that
// S3 takes.
func FuzzCopySource(f *testing.F) {
	for _, s := range []string{"bucket/key", "/b/k?versionId=1", "%2Fb%2Fk", "b/../c", "b/%2e%2e/c", "b/k?", "arn:aws:s3:::b/k", "b/%00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, header string) {
		s, err := parseCopySource(header)
		if err != nil {
			if awserr.From(err) == nil {
				t.Fatalf("an error that AWS has no code for: %v", err)
			}
			return
		}
		if s.bucket == "" || strings.Contains(s.bucket, "/") || s.key == "" || len(s.key) > keyMax {
			t.Fatalf("%q gives %+v", header, s)
		}
	})
}
