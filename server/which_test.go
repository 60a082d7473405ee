package server

import (
	"context"
	"io"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/farhold/farhold/access"
	"github.com/farhold/farhold/service"
	"github.com/farhold/farhold/wire/sigv4"
)

// door makes one of a service with a single operation that nobody reaches.
func door(t *testing.T, s service.Service) *service.Door {
	t.Helper()
	type empty struct{}
	s.Operations = []service.Operation{service.Op("Do", s.Name+":Do", service.On[empty]("*"), func(context.Context, *service.Call, *empty) (*empty, error) {
		t.Error("performed")
		return nil, nil
	})}
	if s.Scope == "" {
		s.Scope = s.Name
	}
	d, err := service.New(s, service.Options{Region: "eu-west-1", Verifier: &sigv4.Verifier{Services: []string{s.Scope}}, Decider: &access.Decider{}})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func someDoors(t *testing.T) *doors {
	rest := func(string) (string, string, int) { return "GET", "/v20180820/thing", 200 }
	r := &Region{services: map[string]*service.Door{
		"iam":        door(t, service.Service{Name: "iam", Protocols: []service.Protocol{service.Query}, Version: "2010-05-08", Space: "urn:iam"}),
		"sts":        door(t, service.Service{Name: "sts", Protocols: []service.Protocol{service.Query}, Version: "2011-06-15", Space: "urn:sts"}),
		"kms":        door(t, service.Service{Name: "kms", Protocols: []service.Protocol{service.JSON11}, Target: "TrentService", Version: "2014-11-01"}),
		"s3-control": door(t, service.Service{Name: "s3-control", Scope: "s3", Protocols: []service.Protocol{service.RESTXML}, HTTP: rest, Space: "urn:s3control"}),
	}}
	return &doors{regions: []*Region{r}, byName: map[string]*Region{"eu-west-1": r}, main: r}
}

const (
	form  = "application/x-www-form-urlencoded; charset=utf-8"
	scope = "AWS4-HMAC-SHA256 Credential=AKIA/20261121/eu-west-1/"
)

func TestServiceOf(t *testing.T) {
	f := NewFront(FrontOptions{Hosts: []string{"localhost", "s3.eu-west-1.amazonaws.com"}})
	d := someDoors(t)
	for _, tt := range []struct {
		name, method, uri, host, body string
		header                        []string
		want                          string
	}{
		{"S3", "GET", "/photos/a", "localhost:9000", "", []string{"Authorization", scope + "s3/aws4_request"}, "s3"},
		{"S3, anonymous", "GET", "/photos/a", "localhost:9000", "", nil, "s3"},
		{"S3, presigned", "GET", "/photos/a?X-Amz-Credential=A%2F20261121%2Feu-west-1%2Fs3%2Faws4_request", "localhost", "", nil, "s3"},
		{"S3, a form of a browser", "POST", "/photos", "localhost", "", []string{"Content-Type", "multipart/form-data; boundary=x"}, "s3"},
		{"S3, a virtual host", "POST", "/?delete", "photos.localhost:9000", "Action=GetCallerIdentity&Version=2011-06-15", []string{"Content-Type", form}, "s3"},
		{"by scope", "POST", "/", "localhost", "", []string{"Authorization", scope + "kms/aws4_request"}, "kms"},
		{"by scope, presigned", "GET", "/?X-Amz-Credential=A%2F20261121%2Feu-west-1%2Fsts%2Faws4_request", "localhost", "", nil, "sts"},
		{"by scope, whatever else it says", "POST", "/", "localhost", "", []string{"Authorization", scope + "iam/aws4_request", "X-Amz-Target", "TrentService.Do"}, "iam"},
		{"by a scope that nobody serves", "POST", "/", "localhost", "", []string{"Authorization", scope + "logs/aws4_request"}, "logs"},
		{"by target", "POST", "/", "localhost", "{}", []string{"X-Amz-Target", "TrentService.Do"}, "kms"},
		{"by a target that nobody serves", "POST", "/", "localhost", "{}", []string{"X-Amz-Target", "Logs_20140328.Do"}, "unknown"},
		{"by path", "POST", "/service/TrentService/operation/Do", "localhost", "", []string{"Smithy-Protocol", "rpc-v2-cbor"}, "kms"},
		{"a bucket that is called service", "GET", "/service/TrentService/operation/Do", "localhost", "", nil, "s3"},
		{"by action", "POST", "/", "localhost", "Action=GetCallerIdentity&Version=2011-06-15", []string{"Content-Type", form}, "sts"},
		{"by action, of another version", "POST", "/", "localhost", "Version=2010-05-08&Action=ListUsers", []string{"Content-Type", form}, "iam"},
		{"by action, in the query", "GET", "/?Action=ListUsers&Version=2010-05-08", "localhost", "", nil, "iam"},
		{"by an action that nobody serves", "POST", "/", "localhost", "Action=Publish&Version=2010-03-31", []string{"Content-Type", form}, "unknown"},
		{"a form without an action", "POST", "/", "localhost", "x=y", []string{"Content-Type", form}, "unknown"},
		{"a listing", "GET", "/?Action=x", "localhost", "", nil, "s3"},
		{"S3 Control by its label", "GET", "/v20180820/thing", "111122223333.localhost:9000", "", []string{"Authorization", scope + "s3/aws4_request", "X-Amz-Account-Id", "111122223333"}, "s3-control"},
		{"and never a bucket", "PUT", "/", "111122223333.localhost:9000", "", []string{"Authorization", scope + "s3/aws4_request"}, "s3-control"},
		{"nor anonymously", "GET", "/a.jpg", "111122223333.localhost", "", nil, "s3-control"},
		{"by its label before an address", "GET", "/v20180820/thing", "111122223333.127.0.0.1:9000", "", nil, "s3-control"},
		{"by its name at AWS", "GET", "/v20180820/thing", "111122223333.s3-control.eu-west-1.amazonaws.com", "", nil, "s3-control"},
		{"without the label", "GET", "/v20180820/thing", "localhost:9000", "", []string{"Authorization", scope + "s3/aws4_request", "X-Amz-Account-Id", "111122223333"}, "s3-control"},
		{"a bucket that is called v20180820", "GET", "/v20180820/thing", "localhost:9000", "", []string{"Authorization", scope + "s3/aws4_request"}, "s3"},
		{"a bucket of 12 digits, by path", "GET", "/111122223333/a", "localhost", "", nil, "s3"},
		{"a bucket of 13 digits", "GET", "/a", "1111222233334.localhost", "", nil, "s3"},
	} {
		r := httptest.NewRequest(tt.method, tt.uri, strings.NewReader(tt.body))
		r.Host = tt.host
		for i := 0; i < len(tt.header); i += 2 {
			r.Header.Set(tt.header[i], tt.header[i+1])
		}
		_, s, scoped := sigv4.Scope(r)
		if got := f.serviceOf(d, r, s, scoped); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
		if b, _ := io.ReadAll(r.Body); string(b) != tt.body {
			t.Errorf("%s: the body is %q afterwards", tt.name, b)
		}
	}
}

// Each gets an answer in its own language.
func TestDispatchServices(t *testing.T) {
	f := NewFront(FrontOptions{Hosts: []string{"localhost"}})
	f.doors.Store(someDoors(t))
	for _, tt := range []struct {
		name, method, uri, host, body string
		header                        []string
		status                        int
		contentType, want             string
	}{
		{"unsigned IAM", "POST", "/", "localhost", "Action=Do&Version=2010-05-08", []string{"Content-Type", form}, 403, "text/xml",
			`<ErrorResponse xmlns="urn:iam"><Error><Type>Sender</Type><Code>MissingAuthenticationToken</Code>`},
		{"unsigned KMS", "POST", "/", "localhost", "{}", []string{"X-Amz-Target", "TrentService.Do"}, 400, "application/x-amz-json-1.1", `{"__type":"MissingAuthenticationTokenException"`},
		{"unsigned S3 Control", "GET", "/v20180820/thing", "111122223333.localhost", "", nil, 403, "application/xml", `<ErrorResponse xmlns="urn:s3control"><Error><Code>AccessDenied</Code>`},
		{"two accounts", "GET", "/v20180820/thing", "111122223333.localhost", "", []string{"X-Amz-Account-Id", "444455556666"}, 400, "application/xml", "<Code>InvalidRequest</Code>"},
		{"JSON that nobody serves", "POST", "/", "localhost", "{}", []string{"Authorization", scope + "logs/aws4_request", "X-Amz-Target", "Logs_20140328.Do"}, 400,
			"application/x-amz-json-1.1", `{"__type":"UnknownOperationException","message":"The service logs is not served here."}`},
		{"JSON 1.0 that nobody serves", "POST", "/", "localhost", "{}", []string{"Authorization", scope + "sqs/aws4_request", "Content-Type", "application/x-amz-json-1.0"}, 400, "application/x-amz-json-1.0", `{"__type":"UnknownOperationException"`},
		{"Query that nobody serves", "POST", "/", "localhost", "", []string{"Authorization", scope + "sns/aws4_request", "Content-Type", form}, 501, "text/xml", "<ErrorResponse><Error><Type>Sender</Type><Code>NotImplemented</Code>"},
		{"CBOR that nobody serves", "POST", "/service/G/operation/Do", "localhost", "", []string{"Authorization", scope + "monitoring/aws4_request", "Smithy-Protocol", "rpc-v2-cbor"}, 400, "application/cbor", "UnknownOperationException"},
		{"anything else that nobody serves", "GET", "/2015-03-31/functions", "localhost", "", []string{"Authorization", scope + "lambda/aws4_request"}, 501, "application/xml", "<Code>NotImplemented</Code>"},
	} {
		r := httptest.NewRequest(tt.method, tt.uri, strings.NewReader(tt.body))
		r.Host = tt.host
		for i := 0; i < len(tt.header); i += 2 {
			r.Header.Set(tt.header[i], tt.header[i+1])
		}
		w := httptest.NewRecorder()
		f.dispatch(w, r)
		if w.Code != tt.status || w.Header().Get("Content-Type") != tt.contentType || !strings.Contains(w.Body.String(), tt.want) {
			t.Errorf("%s: %d %s %s", tt.name, w.Code, w.Header().Get("Content-Type"), w.Body)
		}
		if cbor := w.Header().Get("Smithy-Protocol"); (cbor != "") != (tt.contentType == "application/cbor") {
			t.Errorf("%s: %q", tt.name, cbor)
		}
	}
}
