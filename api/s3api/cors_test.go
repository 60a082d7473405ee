package s3api

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/farhold/farhold/realm"
)

func TestCORS(t *testing.T) {
	w := newWorld(t)
	w.bucket("shared")
	w.bucket("private")
	_, err := w.sdk().PutBucketCors(t.Context(), &sdk.PutBucketCorsInput{
		Bucket: aws.String("shared"),
		CORSConfiguration: &types.CORSConfiguration{CORSRules: []types.CORSRule{
			{AllowedMethods: []string{"GET"}, AllowedOrigins: []string{"*"}},
			{AllowedMethods: []string{"PUT", "DELETE"}, AllowedOrigins: []string{"https://*.example.com"}, AllowedHeaders: []string{"x-amz-*", "content-type"}, ExposeHeaders: []string{"ETag"}, MaxAgeSeconds: aws.Int32(60)},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	w.do("PUT", "/shared/k", []byte("x")).want(t, 200, "")

	preflight := func(target, origin, method, headers string) answer {
		h := []string{}
		for _, p := range [][2]string{{"Origin", origin}, {"Access-Control-Request-Method", method}, {"Access-Control-Request-Headers", headers}} {
			if p[1] != "" {
				h = append(h, p[0], p[1])
			}
		}
		return w.send(w.request("OPTIONS", target, nil, h...))
	}
	a := preflight("/shared/k", "https://anywhere.org", "GET", "")
	if a.status != 200 || a.header.Get("Access-Control-Allow-Origin") != "*" || a.header.Get("Access-Control-Allow-Credentials") != "" || a.header.Get("Access-Control-Allow-Methods") != "GET" {
		t.Errorf("GET from anywhere: %d %v", a.status, a.header)
	}
	a = preflight("/shared/k", "https://www.example.com", "PUT", "Content-Type, X-Amz-Meta-Colour")
	for name, want := range map[string]string{
		"Access-Control-Allow-Origin": "https://www.example.com", "Access-Control-Allow-Credentials": "true", "Access-Control-Allow-Methods": "PUT, DELETE",
		"Access-Control-Allow-Headers": "content-type, x-amz-meta-colour", "Access-Control-Expose-Headers": "ETag", "Access-Control-Max-Age": "60",
		"Vary": "Origin, Access-Control-Request-Headers, Access-Control-Request-Method",
	} {
		if got := a.header.Get(name); a.status != 200 || got != want {
			t.Errorf("PUT from a subdomain: %d, %s is %q", a.status, name, got)
		}
	}
	for _, c := range []struct {
		what                            string
		target, origin, method, headers string
		status                          int
		code, message                   string
	}{
		{"another origin", "/shared/k", "https://example.org", "PUT", "", 403, "AccessForbidden", "CORSResponse: This CORS request is not allowed."},
		{"another method", "/shared/k", "https://www.example.com", "POST", "", 403, "AccessForbidden", "CORSResponse: This CORS request is not allowed."},
		{"another header", "/shared/k", "https://www.example.com", "PUT", "authorization", 403, "AccessForbidden", "CORSResponse: This CORS request is not allowed."},
		{"no configuration", "/private", "https://www.example.com", "GET", "", 403, "AccessForbidden", "CORSResponse: CORS is not enabled for this bucket."},
		{"no bucket", "/nowhere", "https://www.example.com", "GET", "", 403, "AccessForbidden", "CORSResponse: Bucket not found"},
		{"the service", "/", "https://www.example.com", "GET", "", 403, "AccessForbidden", "CORSResponse: Bucket not found"},
		{"no origin", "/shared", "", "GET", "", 400, "BadRequest", "Insufficient information. Origin request header needed."},
		{"no method", "/shared", "https://www.example.com", "", "", 400, "BadRequest", "Invalid Access-Control-Request-Method: null"},
	} {
		t.Run(c.what, func(t *testing.T) {
			a := preflight(c.target, c.origin, c.method, c.headers)
			a.want(t, c.status, c.code)
			if !strings.HasPrefix(a.element("Message"), c.message) || a.header.Get("Access-Control-Allow-Origin") != "" {
				t.Errorf("%v\n%s", a.header, a.body)
			}
			if c.status == 403 && a.element("ResourceType") == "" {
				t.Errorf("no ResourceType:\n%s", a.body)
			}
		})
	}

	// Actual requests, and their errors too.
	for target, status := range map[string]int{"/shared/k": 200, "/shared/none": 404, "/shared?policy": 404} {
		a := w.do("GET", target, nil, "Origin", "https://anywhere.org")
		if a.status != status || a.header.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%s: %d %v", target, a.status, a.header)
		}
	}
	if a := w.send(w.request("GET", "/shared/k", nil, "Origin", "https://anywhere.org")); a.status != 403 || a.header.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("refused: %d %v", a.status, a.header)
	}
	if a := w.do("PUT", "/shared/k", []byte("y"), "Origin", "https://www.example.com"); a.header.Get("Access-Control-Allow-Origin") != "https://www.example.com" || a.header.Get("Access-Control-Expose-Headers") != "ETag" {
		t.Errorf("PUT: %v", a.header)
	}
	for _, target := range []string{"/private", "/shared/k"} {
		if a := w.do("DELETE", target, nil, "Origin", "https://example.org"); a.header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s from elsewhere: %v", target, a.header)
		}
	}
}

func TestCORSElsewhere(t *testing.T) {
	f := &fakeRealm{names: map[string]realm.Name{}, endpoints: map[string]string{}}
	east, west := newRegion(t, f, "us-east-1"), newRegion(t, f, "us-west-2")
	west.bucket("west")
	a := east.send(east.request("OPTIONS", "/west/k", nil, "Origin", "https://example.com", "Access-Control-Request-Method", "GET"))
	a.want(t, 301, "PermanentRedirect")
}
