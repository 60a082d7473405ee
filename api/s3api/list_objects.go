package s3api

import (
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"net/http"
	"strings"

	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/store"
	"github.com/farhold/farhold/wire/restxml"
)

var (
	errToken    = awserr.ErrInvalidArgument.Text("The continuation token provided is incorrect")
	errListType = awserr.ErrInvalidArgument.Text("Incorrect List Type specified in Request")
)

// listObjects lists in the form of 2006, where the last key is the marker.
func listObjects(d *Door, rq *Request) error {
	q := rq.Query
	marker := q.Get("marker")
	after := pastPrefix(marker, q.Get("prefix"), q.Get("delimiter"))
	return d.list(rq, store.ListInput{After: after}, true, func(l *listing, in *store.ListInput, page *store.Page) {
		l.name("Prefix", in.Prefix)
		l.name("Marker", marker)
		// Without a delimiter the last key is the next marker and AWS leaves it
		// to the client.
		if page.Truncated && in.Delimiter != "" {
			l.name("NextMarker", page.Next)
		}
		l.Int("MaxKeys", int64(in.Max))
		l.optionalName("Delimiter", in.Delimiter)
		l.encodingType()
		l.Bool("IsTruncated", page.Truncated)
	})
}

// listObjectsV2 lists in the form of 2016, with an opaque token.
func listObjectsV2(d *Door, rq *Request) error {
	q := rq.Query
	if t := q.Get("list-type"); t != "2" {
		return errListType.With("ArgumentName", "list-type").With("ArgumentValue", t)
	}
	startAfter := q.Get("start-after")
	token, hasToken := q.Lookup("continuation-token")
	after := startAfter
	if hasToken {
		var ok bool
		if after, ok = readToken(token); !ok {
			return errToken.With("ArgumentName", "continuation-token")
		}
	}
	owners := strings.EqualFold(q.Get("fetch-owner"), "true")
	return d.list(rq, store.ListInput{After: after}, owners, func(l *listing, in *store.ListInput, page *store.Page) {
		l.name("Prefix", in.Prefix)
		if hasToken {
			l.Elem("ContinuationToken", token) // start-after counts for nothing and is not told
		} else {
			l.optionalName("StartAfter", startAfter)
		}
		if page.Truncated {
			l.Elem("NextContinuationToken", makeToken(page.Next))
		}
		l.Int("KeyCount", int64(len(page.Entries)+len(page.Prefixes)))
		l.Int("MaxKeys", int64(in.Max))
		l.optionalName("Delimiter", in.Delimiter)
		l.encodingType()
		l.Bool("IsTruncated", page.Truncated)
	})
}

// pastPrefix gives the marker that a page begins behind. A marker that lies under
// a common prefix of the listing is past the whole of it.
func pastPrefix(marker, prefix, delimiter string) string {
	rest, under := strings.CutPrefix(marker, prefix)
	if !under || delimiter == "" {
		return marker
	}
	i := strings.Index(rest, delimiter)
	if i < 0 {
		return marker
	}
	return marker[:len(prefix)+i+len(delimiter)]
}

// list is what both forms share. head writes the elements that differ.
func (d *Door) list(rq *Request, in store.ListInput, owners bool, head func(*listing, *store.ListInput, *store.Page)) error {
	max, err := pageSize(rq.Query.Get("max-keys"), "max-keys", "maxKeys")
	if err != nil {
		return err
	}
	l, err := d.newListing(rq)
	if err != nil {
		return err
	}
	in.Bucket, in.Prefix, in.Delimiter, in.Max = rq.Bucket, rq.Query.Get("prefix"), rq.Query.Get("delimiter"), max
	page, err := d.opt.Store.List(rq.Ctx, in)
	if err != nil {
		return err
	}
	l.OpenNS("ListBucketResult", restxml.Namespace)
	l.Elem("Name", rq.Bucket)
	head(l, &in, page)
	for i := range page.Entries {
		e := &page.Entries[i]
		l.Literal("<Contents><Key>")
		l.text(e.Key)
		l.Literal("</Key>")
		l.row(e)
		if owners {
			l.account("Owner", e.Owner)
		}
		l.Literal("<StorageClass>")
		l.Literal(string(e.Class.Or()))
		l.Literal("</StorageClass></Contents>")
	}
	l.prefixes(page.Prefixes)
	l.Close("ListBucketResult")
	rq.Set("X-Amz-Bucket-Region", d.opt.Region)
	return d.done(rq, http.StatusOK, l)
}

// tokenVersion begins every continuation token.
const tokenVersion = 1

// makeToken makes a continuation token of the key after which to go on: a
// version, a CRC-32 and the key. The sum is there to tell a token that was cut
// or altered from one of ours; it keeps no secret, and a token gives its holder
// nothing that start-after does not.
func makeToken(after string) string {
	b := make([]byte, 5, 5+len(after))
	b[0] = tokenVersion
	binary.BigEndian.PutUint32(b[1:], crc32.ChecksumIEEE([]byte(after)))
	return base64.RawURLEncoding.EncodeToString(append(b, after...))
}

func readToken(token string) (after string, ok bool) {
	b, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(b) < 6 || b[0] != tokenVersion || binary.BigEndian.Uint32(b[1:]) != crc32.ChecksumIEEE(b[5:]) {
		return "", false
	}
	return string(b[5:]), true
}
