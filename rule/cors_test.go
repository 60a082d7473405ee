package rule

import (
	"strings"
	"testing"

	"github.com/farhold/farhold/s3"
)

func TestCORSDocument(t *testing.T) {
	doc := func(rules ...string) string {
		return "<CORSConfiguration><CORSRule>" + strings.Join(rules, "</CORSRule><CORSRule>") + "</CORSRule></CORSConfiguration>"
	}
	get, all := "<AllowedMethod>GET</AllowedMethod>", "<AllowedOrigin>*</AllowedOrigin>"
	many := make([]string, 101)
	for i := range many {
		many[i] = get + all
	}
	testDocument(t, "cors", []documentCase{
		{name: "simple", body: doc(get + all), get: "<CORSRule><AllowedMethod>GET</AllowedMethod><AllowedOrigin>*</AllowedOrigin></CORSRule>"},
		{name: "casing stays", body: doc(get + all + "<AllowedHeader>x-AMZ-server-SIDE-encryption</AllowedHeader>"), get: "x-AMZ-server-SIDE-encryption"},
		{name: "empty origin", body: doc(get + "<AllowedOrigin></AllowedOrigin>"), get: "<AllowedOrigin/>"},
		{name: "unknown method", body: doc(all + "<AllowedMethod>MYMETHOD</AllowedMethod>"), want: "InvalidRequest 400 Found unsupported HTTP method in CORS config. Unsupported method is MYMETHOD"},
		{name: "OPTIONS", body: doc(all + "<AllowedMethod>OPTIONS</AllowedMethod>"), want: "InvalidRequest 400 Found unsupported HTTP method in CORS config. Unsupported method is OPTIONS"},
		{name: "no rule", body: "<CORSConfiguration/>", want: malformedXML},
		{name: "no method", body: doc(all), want: malformedXML},
		{name: "no origin", body: doc(get), want: malformedXML},
		{name: "two wildcards in an origin", body: doc(get + "<AllowedOrigin>*.a.*</AllowedOrigin>"), want: `InvalidRequest 400 AllowedOrigin "*.a.*" can not have more than one wildcard.`},
		{name: "two wildcards in a header", body: doc(get + all + "<AllowedHeader>**</AllowedHeader>"), want: `InvalidRequest 400 AllowedHeader "**" can not have more than one wildcard.`},
		{name: "wildcard in an exposed header", body: doc(get + all + "<ExposeHeader>x-*</ExposeHeader>"), want: `InvalidRequest 400 ExposeHeader "x-*" contains wildcard.`},
		{name: "101 rules", body: doc(many...), want: "InvalidRequest 400 "},
		{name: "100 rules", body: doc(many[:100]...)},
	})
}

func TestCORS(t *testing.T) {
	cors, err := ParseCORS([]byte(`<CORSConfiguration>
		<CORSRule><AllowedOrigin>https://localhost:4200</AllowedOrigin><AllowedMethod>GET</AllowedMethod><AllowedMethod>PUT</AllowedMethod><AllowedHeader>x-amz-*</AllowedHeader><AllowedHeader>Content-Type</AllowedHeader><MaxAgeSeconds>3000</MaxAgeSeconds></CORSRule>
		<CORSRule><AllowedOrigin>http://*.origin.com</AllowedOrigin><AllowedMethod>GET</AllowedMethod><ExposeHeader>x-amz-id-2</ExposeHeader><ExposeHeader>x-amz-request-id</ExposeHeader></CORSRule>
		<CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>HEAD</AllowedMethod></CORSRule>
	</CORSConfiguration>`))
	if err != nil {
		t.Fatal(err)
	}
	const vary = "; Vary: Origin, Access-Control-Request-Headers, Access-Control-Request-Method"
	const forbidden = "AccessForbidden 403 CORSResponse: This CORS request is not allowed. This is usually because the evalution of Origin, request method / Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted by the resource's CORS spec."
	local := "Access-Control-Allow-Origin: https://localhost:4200; Access-Control-Allow-Methods: GET, PUT"
	local2 := "; Access-Control-Max-Age: 3000; Access-Control-Allow-Credentials: true" + vary
	show := func(h []s3.Header) string {
		var s []string
		for _, x := range h {
			s = append(s, x.Name+": "+x.Value)
		}
		return strings.Join(s, "; ")
	}
	for _, c := range []struct {
		cors           *CORS
		origin, method string
		headers        []string
		want           string
	}{
		{cors, "https://localhost:4200", "PUT", nil, local + local2},
		{cors, "https://localhost:4200", "GET", []string{"X-Amz-Request-Payer", "content-type"}, local + "; Access-Control-Allow-Headers: x-amz-request-payer, content-type" + local2},
		{cors, "https://localhost:4200", "GET", []string{"x-other"}, forbidden + " Method=GET ResourceType=OBJECT"},
		{cors, "https://localhost:4200", "DELETE", nil, forbidden + " Method=DELETE ResourceType=OBJECT"},
		{cors, "https://localhost:420", "GET", nil, forbidden + " Method=GET ResourceType=OBJECT"},
		{cors, "http://test.origin.com", "GET", nil, "Access-Control-Allow-Origin: http://test.origin.com; Access-Control-Allow-Methods: GET; Access-Control-Expose-Headers: x-amz-id-2, x-amz-request-id; Access-Control-Allow-Credentials: true" + vary},
		{cors, "http://origin.com", "GET", nil, forbidden + " Method=GET ResourceType=OBJECT"},
		{cors, "http://.origin.co", "GET", nil, forbidden + " Method=GET ResourceType=OBJECT"},
		{cors, "http://anywhere", "HEAD", nil, "Access-Control-Allow-Origin: *; Access-Control-Allow-Methods: HEAD" + vary},
		{cors, "", "GET", nil, "BadRequest 400 Insufficient information. Origin request header needed."},
		{cors, "http://anywhere", "", nil, "BadRequest 400 Invalid Access-Control-Request-Method: null"},
		{nil, "", "GET", nil, "BadRequest 400 Insufficient information. Origin request header needed."},
		{nil, "http://anywhere", "PUT", nil, "AccessForbidden 403 CORSResponse: CORS is not enabled for this bucket. Method=PUT ResourceType=OBJECT"},
		{nil, "http://anywhere", "", nil, "AccessForbidden 403 CORSResponse: CORS is not enabled for this bucket. Method=OPTIONS ResourceType=OBJECT"},
	} {
		h, err := c.cors.Preflight("OBJECT", c.origin, c.method, c.headers)
		got := show(h)
		if err != nil {
			got = describe(err)
		}
		if got != c.want {
			t.Errorf("%q %s %v\ngot  %s\nwant %s", c.origin, c.method, c.headers, got, c.want)
		}
	}
	if h := cors.Actual("https://localhost:4200", "PUT"); show(h) != local+local2 {
		t.Error(show(h))
	}
	for _, none := range [][]s3.Header{cors.Actual("", "GET"), cors.Actual("http://x", "GET"), (*CORS)(nil).Actual("http://x", "GET")} {
		if none != nil {
			t.Error(show(none))
		}
	}
	if got := describe(CORSForbidden(ErrCORSNoBucket, "BUCKET", "")); got != "AccessForbidden 403 CORSResponse: Bucket not found Method=OPTIONS ResourceType=BUCKET" {
		t.Error(got)
	}
}
