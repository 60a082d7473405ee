package s3api

import (
	"net/http"
	"testing"
	"time"

	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/store"
)

func TestReadConditions(t *testing.T) {
	modified := time.Date(2026, 11, 20, 12, 0, 0, 700e6, time.UTC)
	now := modified.Add(time.Hour)
	at := func(d time.Duration) string { return modified.Truncate(time.Second).Add(d).Format(http.TimeFormat) }
	const etag = "0123456789abcdef0123456789abcdef"
	for _, c := range []struct {
		name    string
		headers []string
		want    verdict
		failed  string
	}{
		{"none", nil, conditionsHold, ""},
		{"If-Match", []string{"If-Match", `"` + etag + `"`}, conditionsHold, ""},
		{"If-Match without quotes", []string{"If-Match", etag}, conditionsHold, ""},
		{"If-Match in a list", []string{"If-Match", `"x", "` + etag + `"`}, conditionsHold, ""},
		{"If-Match anything", []string{"If-Match", "*"}, conditionsHold, ""},
		{"If-Match another", []string{"If-Match", `"x"`}, preconditionFailed, "If-Match"},
		{"If-Match nothing", []string{"If-Match", ""}, preconditionFailed, "If-Match"},
		{"If-None-Match", []string{"If-None-Match", `"` + etag + `"`}, notModified, "If-None-Match"},
		{"If-None-Match weak", []string{"If-None-Match", `W/"` + etag + `"`}, notModified, "If-None-Match"},
		{"If-None-Match anything", []string{"If-None-Match", "*"}, notModified, "If-None-Match"},
		{"If-None-Match another", []string{"If-None-Match", `"x"`}, conditionsHold, ""},
		{"not modified since then", []string{"If-Modified-Since", at(0)}, notModified, "If-Modified-Since"},
		{"modified since", []string{"If-Modified-Since", at(-time.Second)}, conditionsHold, ""},
		{"modified since, in the future", []string{"If-Modified-Since", at(2 * time.Hour)}, conditionsHold, ""},
		{"modified since, no date", []string{"If-Modified-Since", "yesterday"}, conditionsHold, ""},
		{"unmodified since", []string{"If-Unmodified-Since", at(0)}, conditionsHold, ""},
		{"not unmodified since", []string{"If-Unmodified-Since", at(-time.Second)}, preconditionFailed, "If-Unmodified-Since"},
		// Precedence of RFC 9110.
		{"If-Match holds, unmodified does not", []string{"If-Match", etag, "If-Unmodified-Since", at(-time.Hour)}, conditionsHold, ""},
		{"If-Match fails, unmodified holds", []string{"If-Match", "x", "If-Unmodified-Since", at(0)}, preconditionFailed, "If-Match"},
		{"If-None-Match fails, modified holds", []string{"If-None-Match", etag, "If-Modified-Since", at(-time.Hour)}, notModified, "If-None-Match"},
		{"If-None-Match holds, modified does not", []string{"If-None-Match", "x", "If-Modified-Since", at(0)}, conditionsHold, ""},
		{"If-Match and If-None-Match", []string{"If-Match", etag, "If-None-Match", etag}, notModified, "If-None-Match"},
	} {
		h := http.Header{}
		for i := 0; i < len(c.headers); i += 2 {
			h.Set(c.headers[i], c.headers[i+1])
		}
		rq := &Request{R: &http.Request{Header: h}}
		conditions := rq.readConditions()
		got, failed := conditions.check(etag, modified, now)
		if got != c.want || failed != c.failed {
			t.Errorf("%s: %d %q, want %d %q", c.name, got, failed, c.want, c.failed)
		}
	}
}

func TestWriteConditions(t *testing.T) {
	for _, c := range []struct {
		headers      []string
		want         store.Conditions
		header, more string
	}{
		{nil, store.Conditions{}, "", ""},
		{[]string{"If-None-Match", "*"}, store.Conditions{NoneMatch: true}, "", ""},
		{[]string{"If-Match", `"abc"`}, store.Conditions{Match: "abc"}, "", ""},
		{[]string{"If-Match", "abc"}, store.Conditions{Match: "abc"}, "", ""},
		{[]string{"If-None-Match", `"abc"`}, store.Conditions{}, "If-None-Match", "We don't accept the provided value of If-None-Match header for this API"},
		{[]string{"If-Match", "*"}, store.Conditions{}, "If-Match", "We don't accept the provided value of If-Match header for this API"},
		{[]string{"If-Match", "abc", "If-None-Match", "*"}, store.Conditions{}, "If-Match,If-None-Match", "Multiple conditional request headers present in the request"},
	} {
		h := http.Header{}
		for i := 0; i < len(c.headers); i += 2 {
			h.Set(c.headers[i], c.headers[i+1])
		}
		got, err := writeConditions(h)
		if c.header == "" {
			if err != nil || got != c.want {
				t.Errorf("%v: %+v, %v", c.headers, got, err)
			}
			continue
		}
		e := awserr.From(err)
		if e == nil || e.Status != 501 || e.Message != "A header you provided implies functionality that is not implemented" ||
			len(e.Extra) != 2 || e.Extra[0] != (awserr.Field{Name: "Header", Value: c.header}) || e.Extra[1] != (awserr.Field{Name: "additionalMessage", Value: c.more}) {
			t.Errorf("%v: %+v", c.headers, e)
		}
	}
}

// TestConditionalCompletion: where the condition of a Complete holds and the key
// was changed since the upload began, AWS answers 409 with what was asked.
func TestConditionalCompletion(t *testing.T) {
	w := newWorld(t)
	w.bucket("bucket")
	w.put("bucket", "key", "one")
	id := w.upload("/bucket/key")
	body := completion([]string{w.part("/bucket/key", id, 1, []byte("x"))})
	complete := func(header ...string) answer { return w.do("POST", "/bucket/key?uploadId="+id, body, header...) }

	complete("If-None-Match", "*").want(t, 412, "PreconditionFailed")
	w.do("DELETE", "/bucket/key", nil).want(t, 204, "")
	a := complete("If-None-Match", "*")
	a.want(t, 409, "ConditionalRequestConflict")
	if a.element("Condition") != "If-None-Match" || a.element("Key") != "key" || a.element("Message") != "The conditional request cannot succeed due to a conflicting operation against this resource." {
		t.Errorf("%s", a.body)
	}
	complete("If-Match", md5Of("one")).want(t, 404, "NoSuchKey")
	etag := w.put("bucket", "key", "one").header.Get("Etag")
	a = complete("If-Match", etag)
	a.want(t, 409, "ConditionalRequestConflict")
	if a.element("Condition") != "If-Match" {
		t.Errorf("%s", a.body)
	}
	complete().want(t, 200, "")
}
