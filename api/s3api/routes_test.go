package s3api

import (
	"encoding/json"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/rule"
)

// target gives a request line that leads to a route, and its headers.
func (r *Route) target(bucket, key string) (target string, headers []string) {
	switch r.Level {
	case LevelService:
		target = "/"
	case LevelBucket:
		target = "/" + bucket
	case LevelObject:
		target = "/" + bucket + "/" + key
	}
	var q []string
	if r.Sub == "list-type" {
		q = append(q, "list-type=2")
	} else if r.Sub == "uploadId" {
		q = append(q, "uploadId=none")
	} else if r.Sub != "" {
		q = append(q, r.Sub)
	}
	for _, n := range r.Need {
		q = append(q, n+"=1")
	}
	if q != nil {
		target += "?" + strings.Join(q, "&")
	}
	if r.Header != "" {
		headers = append(headers, r.Header, "/"+bucket+"/"+key)
	}
	return target, headers
}

func TestRoutesAreWhole(t *testing.T) {
	ops := map[string]bool{}
	for _, r := range routes() {
		if r.Op == "" || r.Method == "" || r.Action == "" || !strings.Contains(r.Action, ":") {
			t.Errorf("%+v lacks something", r)
		}
		if (r.Handler == nil) == (r.Why == "") {
			t.Errorf("%s needs either a handler or a reason", r.Op)
		}
		if ops[r.Op] {
			t.Errorf("%s stands twice", r.Op)
		}
		ops[r.Op] = true
		if r.Body != bodyNone && r.Method != http.MethodPut && r.Method != http.MethodPost {
			t.Errorf("%s has a body", r.Op)
		}
	}
	for _, d := range rule.Documents {
		if d.NotServed == "" && documentNouns[d.Name] == "" {
			t.Errorf("the operations of ?%s have no name", d.Name)
		}
		if !newTable(routes()).subs[d.Name] {
			t.Errorf("?%s is not in the table", d.Name)
		}
	}
}

// Every row is found by the request that it describes, and by no other row's.
func TestRoutesFindThemselves(t *testing.T) {
	rows := routes()
	table := newTable(rows)
	for i := range rows {
		r := &rows[i]
		target, headers := r.target("bucket", "key")
		_, raw, _ := strings.Cut(target, "?")
		q, err := parseQuery(raw)
		if err != nil {
			t.Fatal(err)
		}
		h := http.Header{}
		for i := 0; i+1 < len(headers); i += 2 {
			h.Set(headers[i], headers[i+1])
		}
		got, err := table.find(r.Method, r.Level, q, h)
		if err != nil || got.Op != r.Op {
			t.Errorf("%s %s leads to %v, %v; not to %s", r.Method, target, got, err, r.Op)
		}
	}
}

// Every operation of the S3 model leads, by the request line that the model
// gives it, to the row of its name; the rest is listed with a reason.
func TestRoutesCoverTheModel(t *testing.T) {
	raw, err := os.ReadFile("../../tools/models/model-s3.json")
	if err != nil {
		t.Fatal(err)
	}
	var model struct {
		Ops map[string]struct {
			Traits struct{ HTTP []any } `json:"traits"`
		} `json:"ops"`
	}
	if err := json.Unmarshal(raw, &model); err != nil {
		t.Fatal(err)
	}
	if len(model.Ops) < 100 {
		t.Fatalf("the model has %d operations", len(model.Ops))
	}
	rows := routes()
	table := newTable(rows)
	unrouted := Unrouted()
	// What the model keeps in members that are bound to the query or a header.
	queries := map[string]string{
		"AbortMultipartUpload": "uploadId=1", "CompleteMultipartUpload": "uploadId=1", "ListParts": "uploadId=1",
		"UploadPart": "partNumber=1&uploadId=1", "UploadPartCopy": "partNumber=1&uploadId=1", "GetObjectAnnotation": "annotationName=1",
	}
	for op, m := range model.Ops {
		if unrouted[op] != "" {
			continue
		}
		method, uri := m.Traits.HTTP[0].(string), m.Traits.HTTP[1].(string)
		path, raw, _ := strings.Cut(uri, "?")
		level := LevelBucket
		switch {
		case strings.Contains(path, "{Key+}"):
			level = LevelObject
		case op == "ListBuckets":
			level = LevelService
		}
		if queries[op] != "" {
			raw += "&" + queries[op]
		}
		i := slices.IndexFunc(rows, func(r Route) bool { return r.Op == op })
		if i < 0 {
			t.Errorf("%s is neither routed nor listed as not served", op)
			continue
		}
		for _, n := range rows[i].Need {
			if n == "id" {
				raw += "&id=1"
			}
		}
		q, err := parseQuery(raw)
		if err != nil {
			t.Fatal(err)
		}
		h := http.Header{}
		if strings.Contains(op, "Copy") {
			h.Set("X-Amz-Copy-Source", "/b/k")
		}
		if got, err := table.find(method, level, q, h); err != nil || got.Op != op {
			t.Errorf("%s: %s %s leads to %v, %v", op, method, uri, got, err)
		}
	}
	for op := range unrouted {
		if _, ok := model.Ops[op]; !ok {
			t.Errorf("%s is no operation of S3", op)
		}
	}
	for _, r := range rows {
		if _, ok := model.Ops[r.Op]; !ok && r.Op != "PostObject" {
			t.Errorf("%s is no operation of S3", r.Op)
		}
	}
}

func TestFindRefuses(t *testing.T) {
	table := newTable(routes())
	for _, c := range []struct {
		method string
		level  Level
		query  string
		code   string
	}{
		{"DELETE", LevelBucket, "acl", "MethodNotAllowed"},
		{"PATCH", LevelObject, "", "MethodNotAllowed"},
		{"POST", LevelObject, "", "MethodNotAllowed"},
		{"PUT", LevelService, "", "MethodNotAllowed"},
		{"DELETE", LevelService, "", "MethodNotAllowed"},
		{"GET", LevelBucket, "acl&policy", "InvalidArgument"},
		{"DELETE", LevelObject, "uploadId=1&tagging", "InvalidArgument"},
		{"GET", LevelBucket, "acl&acl=", "InvalidArgument"},
		{"PUT", LevelBucket, "inventory", "InvalidArgument"},
		{"DELETE", LevelBucket, "metrics", "InvalidArgument"},
		{"PUT", LevelObject, "uploadId=1", "InvalidArgument"},
		{"PUT", LevelObject, "partNumber=1", "NotImplemented"},
		{"PUT", LevelObject, "versionId=1", "InvalidArgument"},
		{"DELETE", LevelBucket, "newThing", "NotImplemented"},
		{"DELETE", LevelBucket, "newThing=1", "NotImplemented"},
		{"DELETE", LevelBucket, "publicaccessblock", "NotImplemented"},
		{"DELETE", LevelObject, "policy", "NotImplemented"},
		{"DELETE", LevelObject, "newThing", "NotImplemented"},
		{"PUT", LevelBucket, "newThing", "NotImplemented"},
		{"PUT", LevelBucket, "newThing=", "NotImplemented"},
		{"PUT", LevelObject, "newThing=x", "NotImplemented"},
		{"POST", LevelObject, "newThing", "NotImplemented"},
		{"GET", LevelBucket, "newThing", "NotImplemented"},
		{"GET", LevelObject, "newThing", "NotImplemented"},
		{"HEAD", LevelObject, "newThing", "NotImplemented"},
		{"GET", LevelService, "newThing", "NotImplemented"},
		{"GET", LevelObject, "acl&newThing", "NotImplemented"},
	} {
		q, err := parseQuery(c.query)
		if err == nil {
			_, err = table.find(c.method, c.level, q, http.Header{})
		}
		if e := awserr.From(err); e == nil || e.Code != c.code {
			t.Errorf("%s %s ?%s: %v, want %s", c.method, c.level, c.query, err, c.code)
		}
	}
	for _, c := range []struct {
		method string
		level  Level
		query  string
		op     string
	}{
		{"GET", LevelObject, "v=20260101", "GetObject"},
		{"GET", LevelObject, "x-id=GetObject&versionId=null&response-content-type=a", "GetObject"},
		{"GET", LevelBucket, "prefix=&delimiter=", "ListObjects"},
		{"GET", LevelBucket, "inventory&id=1&x-id=GetBucketInventoryConfiguration", "GetBucketInventoryConfiguration"},
		{"PUT", LevelObject, "x-id=PutObject&X-Amz-Signature=1&x-amz-acl=private", "PutObject"},
	} {
		q, err := parseQuery(c.query)
		if err != nil {
			t.Fatal(err)
		}
		if r, err := table.find(c.method, c.level, q, http.Header{}); err != nil || r.Op != c.op {
			t.Errorf("%s %s ?%s: %v, %v; want %s", c.method, c.level, c.query, r, err, c.op)
		}
	}
}

// What S3 may grow tomorrow must not act as its parent today.
func TestUnknownSubresourcesDoNothing(t *testing.T) {
	w := newWorld(t)
	w.bucket("kept")
	w.do("PUT", "/kept/key", []byte("bytes")).want(t, 200, "")
	for _, sub := range []string{"newThing", "newThing=", "newThing=1", "publicAccessblock", "Policy", "LIFECYCLE", "quota", "session", "metadataTable", "annotation", "renameObject"} {
		for _, path := range []string{"/kept", "/kept/key", "/kept/new"} {
			for _, method := range []string{"GET", "PUT", "POST", "DELETE"} {
				if method == "GET" && sub == "newThing=1" {
					continue // a label for caches
				}
				a := w.do(method, path+"?"+sub, nil)
				if a.status != 501 && a.status != 405 || a.code() != "NotImplemented" && a.code() != "MethodNotAllowed" {
					t.Errorf("%s %s?%s: %d %s", method, path, sub, a.status, a.code())
				}
			}
		}
	}
	if a := w.do("GET", "/kept/key", nil); a.status != 200 || a.body != "bytes" {
		t.Errorf("the object is now %d %q", a.status, a.body)
	}
	w.do("GET", "/kept/new", nil).want(t, 404, "NoSuchKey")
}
