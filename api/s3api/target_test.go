package s3api

import (
	"net/http"
	"strings"
	"testing"

	"github.com/farhold/farhold/awserr"
)

func TestParseTarget(t *testing.T) {
	hosts := Hosts{"localhost", "s3.amazonaws.com", "s3.us-east-1.amazonaws.com", "us-east-1.localhost"}
	long := strings.Repeat("k", keyMax)
	for _, c := range []struct {
		host, uri   string
		bucket, key string
		code        string
	}{
		{"localhost:9000", "/", "", "", ""},
		{"localhost:9000", "/b", "b", "", ""},
		{"localhost:9000", "/b/", "b", "", ""},
		{"localhost", "/b/k", "b", "k", ""},
		{"127.0.0.1:9000", "/b/k?versionId=1", "b", "k", ""},
		{"[::1]:9000", "/b/k", "b", "k", ""},
		{"localhost", "/b//", "b", "/", ""},
		{"localhost", "/b//k", "b", "/k", ""},
		{"localhost", "/b/a//../c/./d", "b", "a//../c/./d", ""},
		{"localhost", "/b/../evil/k", "b", "../evil/k", ""},
		{"localhost", "/b/a%2Fb", "b", "a/b", ""},
		{"localhost", "/b/%2e%2e%2fk", "b", "../k", ""},
		{"localhost", "/b/a%252Fb", "b", "a%2Fb", ""},
		{"localhost", "/b/%00%01%0a", "b", "\x00\x01\n", ""},
		{"localhost", "/b/a+b%20c", "b", "a+b c", ""},
		{"localhost", "/b/%C3%BC", "b", "ü", ""},
		{"localhost", "/b/k%3Fa", "b", "k?a", ""},
		{"localhost", "/b%2Fc/k", "b/c", "k", ""},
		{"localhost", "/b/" + long, "b", long, ""},
		{"localhost", "/b/" + long + "k", "", "", "KeyTooLongError"},
		{"localhost", "/b/%FF", "", "", "InvalidURI"},
		{"localhost", "/b/%ED%A0%80", "", "", "InvalidURI"},
		{"localhost", "/b/%zz", "", "", "InvalidURI"},
		{"localhost", "/b/%4", "", "", "InvalidURI"},
		{"localhost", "//k", "", "", "InvalidURI"},
		{"localhost", "http://elsewhere/b/k", "", "", "InvalidURI"},
		{"localhost", "*", "", "", "InvalidURI"},
		{"b.localhost:9000", "/", "b", "", ""},
		{"b.localhost", "/k", "b", "k", ""},
		{"B.LocalHost", "/k", "b", "k", ""},
		{"b.localhost", "//k", "b", "/k", ""},
		{"a.b.c.localhost", "/k", "a.b.c", "k", ""},
		{"us-east-1.localhost", "/b/k", "b", "k", ""},
		{"x.us-east-1.localhost", "/k", "x", "k", ""},
		{"b.s3.amazonaws.com", "/k", "b", "k", ""},
		{"b.s3.us-east-1.amazonaws.com", "/k/b", "b", "k/b", ""},
		{"s3.us-east-1.amazonaws.com", "/k/b", "k", "b", ""},
		{".localhost", "/b/k", "b", "k", ""},
		{"notlocalhost", "/b/k", "b", "k", ""},
	} {
		r := &http.Request{Method: "GET", Host: c.host, RequestURI: c.uri}
		got, err := ParseTarget(r, hosts)
		if e := awserr.From(err); c.code != "" {
			if e == nil || e.Code != c.code {
				t.Errorf("%s %.40s: %v, want %s", c.host, c.uri, err, c.code)
			}
			continue
		}
		if err != nil || got.Bucket != c.bucket || got.Key != c.key || got.HasKey != (c.key != "") {
			t.Errorf("%s %.40s: bucket %q key %.40q, %v", c.host, c.uri, got.Bucket, got.Key, err)
		}
	}
}

func TestKeyTooLongSaysHowLong(t *testing.T) {
	e := awserr.From(CheckKey(strings.Repeat("ü", 513)))
	if e == nil || len(e.Extra) != 2 || e.Extra[0].Value != "1026" || e.Extra[1].Value != "1024" {
		t.Errorf("answered %+v", e)
	}
}

func TestParseQuery(t *testing.T) {
	q, err := parseQuery("list-type=2&prefix=a%26b+c&delimiter=&acl")
	if err != nil {
		t.Fatal(err)
	}
	if q.Get("prefix") != "a&b c" || !q.Has("acl") || !q.Has("delimiter") || q.Has("nothing") {
		t.Errorf("parsed as %+v", q)
	}
	for raw, code := range map[string]string{
		"a=1&a=2":                  "InvalidArgument",
		"acl&acl":                  "InvalidArgument",
		"a=%zz":                    "InvalidURI",
		"%f=1":                     "InvalidURI",
		"a=%FF":                    "InvalidURI",
		"a=1&%61=2":                "InvalidArgument",
		"versionId&versionId=null": "InvalidArgument",
		strings.Repeat("a&", 101):  "InvalidURI",
	} {
		if _, err := parseQuery(raw); awserr.From(err) == nil || awserr.From(err).Code != code {
			t.Errorf("%.20s: %v, want %s", raw, err, code)
		}
	}
	if q, err := parseQuery("&&acl&"); err != nil || len(q) != 1 {
		t.Errorf("empty pieces: %v, %v", q, err)
	}
}

func FuzzParseTarget(f *testing.F) {
	f.Add("b.localhost:80", "/a/%2e%2e//b?x=%41&y")
	f.Add("[::1]", "/%00/%FF")
	f.Fuzz(func(t *testing.T, host, uri string) {
		r := &http.Request{Method: "GET", Host: host, RequestURI: uri}
		target, err := ParseTarget(r, Hosts{"localhost", "s3.localhost"})
		if err != nil {
			if awserr.From(err) == nil {
				t.Fatalf("not AWS's error: %v", err)
			}
			return
		}
		if len(target.Key) > keyMax || target.HasKey != (target.Key != "") {
			t.Fatalf("bad target %+v", target)
		}
		if _, err := parseQuery(target.RawQuery); err != nil && awserr.From(err) == nil {
			t.Fatalf("not AWS's error: %v", err)
		}
	})
}
