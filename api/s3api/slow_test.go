package s3api

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/farhold/farhold/store"
	"github.com/farhold/farhold/wire/restxml"
)

// slowly serves one request with answerSlowly and gives what came out.
func slowly(t *testing.T, after time.Duration, work func() result) *httptest.ResponseRecorder {
	t.Helper()
	rec := httptest.NewRecorder()
	d := New(Options{})
	rq := d.begin(rec, httptest.NewRequestWithContext(t.Context(), "POST", "/bucket/key?uploadId=x", nil))
	if err := rq.answerSlowly(after, work); err != nil {
		d.fail(rq, err)
	}
	return rec
}

func document() result {
	w := restxml.NewWriter(nil)
	w.Elem("Done", "yes")
	return result{doc: w, headers: func(h http.Header) { h.Set("X-Amz-Version-Id", "v") }}
}

func TestAnswerInTime(t *testing.T) {
	rec := slowly(t, time.Hour, document)
	if rec.Code != 200 || rec.Header().Get("X-Amz-Version-Id") != "v" || rec.Body.String() != string(document().doc.Bytes()) {
		t.Errorf("%d %v %q", rec.Code, rec.Header(), rec.Body)
	}
	rec = slowly(t, time.Hour, func() result { return result{err: store.ErrPrecondition} })
	if rec.Code != 412 {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
}

// After the first blank the status is 200 whatever comes, and what comes stands
// in the body.
func TestAnswerThatTakesLong(t *testing.T) {
	const prolog = `<?xml version="1.0" encoding="UTF-8"?>` + "\n"
	for name, c := range map[string]struct {
		r    result
		want string
	}{
		"result":        {document(), "<Done>yes</Done>"},
		"error":         {result{err: store.ErrPrecondition}, "<Error><Code>PreconditionFailed</Code>"},
		"another error": {result{err: errors.New("secret detail")}, "<Error><Code>InternalError</Code>"},
	} {
		blanks := make(chan struct{})
		rec := &blankRecorder{ResponseRecorder: httptest.NewRecorder(), seen: blanks}
		d := New(Options{})
		rq := d.begin(rec, httptest.NewRequestWithContext(t.Context(), "POST", "/bucket/key?uploadId=x", nil))
		err := rq.answerSlowly(time.Millisecond, func() result {
			<-blanks // the work lasts until a blank has gone out
			return c.r
		})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		body := rec.Body.String()
		rest, ok := strings.CutPrefix(body, prolog)
		if rec.Code != 200 || !ok || !strings.HasPrefix(rest, " ") || !strings.HasPrefix(strings.TrimLeft(rest, " "), c.want) || strings.Contains(body, "secret") || strings.Count(body, "<?xml") != 1 {
			t.Errorf("%s: %d %q", name, rec.Code, body)
		}
		if rec.Header().Get("Content-Length") != "" || rec.Header().Get("Content-Type") != "application/xml" {
			t.Errorf("%s: %v", name, rec.Header())
		}
	}
}

// blankRecorder tells when the first blank is written.
type blankRecorder struct {
	*httptest.ResponseRecorder
	seen chan struct{}
}

func (b *blankRecorder) Write(p []byte) (int, error) {
	if string(p) == " " && b.seen != nil {
		close(b.seen)
		b.seen = nil
	}
	return b.ResponseRecorder.Write(p)
}

func TestPanicOfSlowWorkReachesTheDoor(t *testing.T) {
	defer func() {
		if p := recover(); p != "boom" {
			t.Errorf("recovered %v", p)
		}
	}()
	slowly(t, time.Hour, func() result { panic("boom") })
}
