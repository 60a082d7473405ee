package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"
)

// The examples of S3's "Authenticating Requests (AWS Signature Version 4)".
func TestDocumentedV4(t *testing.T) {
	const auth = "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders="
	for _, tc := range []struct{ name, request, signature string }{
		{"GET Object", `GET /test.txt HTTP/1.1
Host: examplebucket.s3.amazonaws.com
Range: bytes=0-9
x-amz-content-sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
x-amz-date: 20130524T000000Z
Authorization: ` + auth + "host;range;x-amz-content-sha256;x-amz-date,Signature=", "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"},
		{"PUT Object", `PUT /test$file.text HTTP/1.1
Host: examplebucket.s3.amazonaws.com
Date: Fri, 24 May 2013 00:00:00 GMT
x-amz-date: 20130524T000000Z
x-amz-storage-class: REDUCED_REDUNDANCY
x-amz-content-sha256: 44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072
Content-Length: 0
Authorization: ` + auth + "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class,Signature=", "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"},
		{"GET Bucket Lifecycle", `GET /?lifecycle HTTP/1.1
Host: examplebucket.s3.amazonaws.com
x-amz-date: 20130524T000000Z
x-amz-content-sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
Authorization: ` + auth + "host;x-amz-content-sha256;x-amz-date,Signature=", "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"},
		{"GET Bucket", `GET /?max-keys=2&prefix=J HTTP/1.1
Host: examplebucket.s3.amazonaws.com
x-amz-date: 20130524T000000Z
x-amz-content-sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
Authorization: ` + auth + "host;x-amz-content-sha256;x-amz-date,Signature=", "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"},
		{"PUT in chunks", `PUT /examplebucket/chunkObject.txt HTTP/1.1
Host: s3.amazonaws.com
x-amz-date: 20130524T000000Z
x-amz-storage-class: REDUCED_REDUNDANCY
x-amz-content-sha256: STREAMING-AWS4-HMAC-SHA256-PAYLOAD
Content-Encoding: aws-chunked
x-amz-decoded-content-length: 66560
Content-Length: 66824
Authorization: ` + auth + "content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class,Signature=", "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"},
		{"PUT in chunks with a trailer", `PUT /examplebucket/chunkObject.txt HTTP/1.1
Host: s3.amazonaws.com
x-amz-date: 20130524T000000Z
x-amz-storage-class: REDUCED_REDUNDANCY
x-amz-content-sha256: STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER
Content-Encoding: aws-chunked
x-amz-decoded-content-length: 66560
x-amz-trailer: x-amz-checksum-crc32c
Content-Length: 66946
Authorization: ` + auth + "content-encoding;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class;x-amz-trailer,Signature=", "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			res, err := verifier(docTime).Verify(received(t, tc.request+tc.signature))
			if err != nil {
				t.Fatalf("%v\n%s", err, extra(err, "CanonicalRequest"))
			}
			if res.Kind != Header || res.AccessKey != docKey || res.Identity != "owner of "+docKey || res.Region != "us-east-1" || res.Service != "s3" || res.Signature != tc.signature || !res.Date.Equal(docTime) || !res.Expires.IsZero() {
				t.Errorf("%+v", res)
			}
			if !res.Signed("host") || res.Signed("hos") || res.Signed("") {
				t.Errorf("SignedHeaders %q", res.SignedHeaders)
			}
		})
	}
}

func TestDocumentedPresignedV4(t *testing.T) {
	const request = `GET /test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404 HTTP/1.1
Host: examplebucket.s3.amazonaws.com`
	res, err := verifier(docTime.Add(24 * time.Hour)).Verify(received(t, request))
	if err != nil {
		t.Fatal(err)
	}
	if res.Kind != Presigned || res.PayloadHash != UnsignedPayload || !res.Expires.Equal(docTime.Add(24*time.Hour)) {
		t.Errorf("%+v", res)
	}
	_, err = verifier(docTime.Add(24*time.Hour + time.Second)).Verify(received(t, request))
	wants(t, err, Expired, "AccessDenied", "Request has expired")
	if extra(err, "X-Amz-Expires") != "86400" || extra(err, "Expires") != "2013-05-25T00:00:00Z" || extra(err, "ServerTime") != "2013-05-25T00:00:01Z" {
		t.Errorf("%+v", err)
	}
}

// The examples of S3's "Signing and authenticating REST requests", version 2.
func TestDocumentedV2(t *testing.T) {
	virtual := func(r *http.Request) string {
		host, _, _ := strings.Cut(r.Host, ":")
		if strings.HasPrefix(host, "static.") {
			return host
		}
		if i := strings.Index(host, ".s3."); i > 0 {
			return host[:i]
		}
		return ""
	}
	for _, tc := range []struct{ name, request, date string }{
		{"GET", `GET /photos/puppy.jpg HTTP/1.1
Host: awsexamplebucket1.s3.us-west-1.amazonaws.com
Date: Tue, 27 Mar 2007 19:36:42 +0000
Authorization: AWS AKIAIOSFODNN7EXAMPLE:qgk2+6Sv9/oM7G3qLEjTH1a1l1g=`, "2007-03-27T19:36:42Z"},
		{"PUT", `PUT /photos/puppy.jpg HTTP/1.1
Content-Type: image/jpeg
Content-Length: 94328
Host: awsexamplebucket1.s3.us-west-1.amazonaws.com
Date: Tue, 27 Mar 2007 21:15:45 +0000
Authorization: AWS AKIAIOSFODNN7EXAMPLE:iqRzw+ileNPu1fhspnRs8nOjjIA=`, "2007-03-27T21:15:45Z"},
		{"List", `GET /?prefix=photos&max-keys=50&marker=puppy HTTP/1.1
User-Agent: Mozilla/5.0
Host: awsexamplebucket1.s3.us-west-1.amazonaws.com
Date: Tue, 27 Mar 2007 19:42:41 +0000
Authorization: AWS AKIAIOSFODNN7EXAMPLE:m0WP8eCtspQl5Ahe6L1SozdX9YA=`, "2007-03-27T19:42:41Z"},
		{"Fetch", `GET /?acl HTTP/1.1
Host: awsexamplebucket1.s3.us-west-1.amazonaws.com
Date: Tue, 27 Mar 2007 19:44:46 +0000
Authorization: AWS AKIAIOSFODNN7EXAMPLE:82ZHiFIjc+WbcwFKGUVEQspPn+0=`, "2007-03-27T19:44:46Z"},
		// The documentation signs this one against its own rule, with x-amz-date
		// in the place of Date; the signature here follows the rule, as boto does.
		{"Delete", `DELETE /awsexamplebucket1/photos/puppy.jpg HTTP/1.1
User-Agent: dotnet
Host: s3.us-west-1.amazonaws.com
Date: Tue, 27 Mar 2007 21:20:27 +0000
x-amz-date: Tue, 27 Mar 2007 21:20:26 +0000
Authorization: AWS AKIAIOSFODNN7EXAMPLE:Ri1hpB1zpS9pGqR7y8kuNFCl4sE=`, "2007-03-27T21:20:26Z"},
		{"Upload", `PUT /db-backup.dat.gz HTTP/1.1
User-Agent: curl/7.15.5
Host: static.example.com:8080
Date: Tue, 27 Mar 2007 21:06:08 +0000
x-amz-acl: public-read
content-type: application/x-download
Content-MD5: 4gJE4saaMU4BqNR0kLY+lw==
X-Amz-Meta-ReviewedBy: joe@example.com
X-Amz-Meta-ReviewedBy: jane@example.com
X-Amz-Meta-FileChecksum: 0x02661779
X-Amz-Meta-ChecksumAlgorithm: crc32
Content-Disposition: attachment; filename=database.dat
Content-Encoding: gzip
Content-Length: 5913339
Authorization: AWS AKIAIOSFODNN7EXAMPLE:jtBQa0Aq+DkULFI8qrpwIjGEx0E=`, "2007-03-27T21:06:08Z"},
		{"List all my buckets", `GET / HTTP/1.1
Host: s3.us-west-1.amazonaws.com
Date: Wed, 28 Mar 2007 01:29:59 +0000
Authorization: AWS AKIAIOSFODNN7EXAMPLE:qGdzdERIC03wnaRNKh6OqZehG9s=`, "2007-03-28T01:29:59Z"},
		{"Unicode keys", `GET /dictionary/fran%C3%A7ais/pr%c3%a9f%c3%a8re HTTP/1.1
Host: s3.us-west-1.amazonaws.com
Date: Wed, 28 Mar 2007 01:49:49 +0000
Authorization: AWS AKIAIOSFODNN7EXAMPLE:DNEZGsoieTZ92F3bUfSPQcbGmlM=`, "2007-03-28T01:49:49Z"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			when, err := time.Parse(isoDate, tc.date)
			if err != nil {
				t.Fatal(err)
			}
			v := verifier(when)
			v.Bucket = virtual
			r := received(t, tc.request)
			res, err := v.Verify(r)
			if err != nil {
				t.Fatalf("%v\n%s", err, extra(err, "StringToSign"))
			}
			if res.Kind != HeaderV2 || res.PayloadHash != UnsignedPayload || res.Region != "" || !res.Kind.V2() {
				t.Errorf("%+v", res)
			}
			if _, err := verifier(when.Add(SkewMax + time.Second)).Verify(r); ReasonOf(err) != Skewed {
				t.Errorf("late: %v", err)
			}
		})
	}
}

// The signing key of AWS's documentation of the algorithm.
func TestDocumentedSigningKey(t *testing.T) {
	key := SigningKey("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "20150830", "us-east-1", "iam")
	if got := hex.EncodeToString(key[:]); got != "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9" {
		t.Error(got)
	}
}

// AWS's general test suite, whose service is not S3: other path rules.
func TestDocumentedOtherServices(t *testing.T) {
	now := time.Date(2015, 8, 30, 12, 36, 0, 0, time.UTC)
	const secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
	for _, tc := range []struct{ name, target, header, signed, signature string }{
		{"get-vanilla", "/", "", "host;x-amz-date", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
		{"get-vanilla-query-order-key-case", "/?Param2=value2&Param1=value1", "", "host;x-amz-date", "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"},
		{"get-unreserved", "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", "", "host;x-amz-date", "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f"},
		{"get-utf8", "/\u1234", "", "host;x-amz-date", "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"},
		{"normalize-path/get-relative", "/example/..", "", "host;x-amz-date", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
		{"normalize-path/get-slash-dot-slash", "/./", "", "host;x-amz-date", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
		{"normalize-path/get-slash", "//", "", "host;x-amz-date", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
		{"normalize-path/get-slashes", "//example//", "", "host;x-amz-date", "9a624bd73a37c9a373b5312afbebe7a714a789de108f0bdfe846570885f57e84"},
		{"normalize-path/get-slash-pointless-dot", "/./example", "", "host;x-amz-date", "ef75d96142cf21edca26f06005da7988e4f8dc83a165a80865db7089db637ec5"},
		{"normalize-path/get-relative-relative", "/example1/example2/../..", "", "host;x-amz-date", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
		{"get-header-value-trim", "/", "My-Header1:  value1\nMy-Header2: \"a   b   c\"\n", "host;my-header1;my-header2;x-amz-date", "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736"},
		{"get-header-value-order", "/", "My-Header1:value4\nMy-Header1:value1\nMy-Header1:value3\nMy-Header1:value2\n", "host;my-header1;x-amz-date", "08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			v := &Verifier{Credentials: keyring{secrets: map[string]string{"AKIDEXAMPLE": secret}}, Region: "us-east-1", Services: []string{"service"}, Now: at(now)}
			_, err := v.Verify(received(t, "GET "+tc.target+" HTTP/1.1\nHost:example.amazonaws.com\n"+tc.header+
				"X-Amz-Date:20150830T123600Z\nAuthorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders="+tc.signed+", Signature="+tc.signature))
			if err != nil {
				t.Errorf("%v\n%s", err, extra(err, "CanonicalRequest"))
			}
		})
	}
}

func TestHMACIsHMAC(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	var buf []byte
	for range 500 {
		key, data := make([]byte, rng.IntN(200)), make([]byte, rng.IntN(400))
		for i := range key {
			key[i] = byte(rng.Uint32())
		}
		for i := range data {
			data[i] = byte(rng.Uint32())
		}
		var got [32]byte
		got, buf = hmac256(buf, key, data)
		m := hmac.New(sha256.New, key)
		m.Write(data)
		if want := m.Sum(nil); string(want) != string(got[:]) {
			t.Fatalf("%x, want %x", got, want)
		}
	}
}
