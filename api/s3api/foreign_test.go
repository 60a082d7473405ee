package s3api

import (
	"strings"
	"testing"
	"time"

	"github.com/farhold/farhold/stamp"
)

// TestForeignVersionIDs: a version ID that no region of the realm can have made
// is invalid, where one that is gone or another key's is just not there.
func TestForeignVersionIDs(t *testing.T) {
	w := newWorld(t)
	w.versioned("bucket")
	id := w.put("bucket", "key", "x").header.Get("X-Amz-Version-Id")
	const foreign = "HPniJFCxqTsMuIH9KX8K8wEjNUgmABCD" // as AWS makes them
	gone := w.put("bucket", "key", "y").header.Get("X-Amz-Version-Id")
	w.do("DELETE", "/bucket/key?versionId="+gone, nil).want(t, 204, "")
	// What another region of the realm made can have been replicated here.
	ours, err := stamp.Parse(gone)
	if err != nil {
		t.Fatal(err)
	}
	west := stamp.NewClock("us-west-2", func() time.Time { return ours.Time().Wall() }, nil).Next(ours).String()

	for _, rq := range [][2]string{{"GET", "?versionId="}, {"GET", "?tagging&versionId="}, {"GET", "?acl&versionId="}} {
		a := w.do(rq[0], "/bucket/key"+rq[1]+foreign, nil)
		a.want(t, 400, "InvalidArgument")
		if a.element("Message") != "Invalid version id specified" || a.element("ArgumentName") != "versionId" || a.element("ArgumentValue") != foreign {
			t.Errorf("%v: %s", rq, a.body)
		}
		for _, absent := range []string{gone, west} {
			w.do(rq[0], "/bucket/key"+rq[1]+absent, nil).want(t, 404, "NoSuchVersion")
		}
	}
	w.do("PUT", "/bucket/copy", nil, "x-amz-copy-source", "/bucket/key?versionId="+foreign).want(t, 400, "InvalidArgument")
	a := w.do("DELETE", "/bucket/key?versionId="+foreign, nil)
	a.want(t, 400, "InvalidArgument")
	if a.element("Message") != "Invalid version id specified" || a.element("ArgumentValue") != foreign {
		t.Errorf("%s", a.body)
	}
	for _, absent := range []string{gone, west} {
		w.do("DELETE", "/bucket/key?versionId="+absent, nil).want(t, 204, "")
	}

	// DeleteObjects says of it that it is not there.
	body := "<Delete>"
	for _, v := range []string{foreign, gone, id} {
		body += "<Object><Key>key</Key><VersionId>" + v + "</VersionId></Object>"
	}
	body += "</Delete>"
	a = w.do("POST", "/bucket?delete", []byte(body), "Content-MD5", md5Of(body))
	if want := "<Error><Key>key</Key><VersionId>" + foreign + "</VersionId><Code>NoSuchVersion</Code><Message>The specified version does not exist.</Message></Error>"; !strings.Contains(a.body, want) ||
		strings.Count(a.body, "<Error>") != 1 || strings.Count(a.body, "<Deleted>") != 2 {
		t.Errorf("%s", a.body)
	}
}
