package store

import (
	"bytes"
	"context"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/kv"
	"github.com/farhold/farhold/s3"
	"github.com/farhold/farhold/stamp"
)

// skipTries is how many rows under a common prefix a listing steps over before
// it seeks behind them: a step costs a fraction of a seek.
const skipTries = 8

// ListMax is the most keys and common prefixes of a page.
const ListMax = 1000

// roll gives the common prefix that a key belongs to, if any.
func roll(key, prefix, delimiter string) (string, bool) {
	if delimiter == "" {
		return "", false
	}
	i := strings.Index(key[len(prefix):], delimiter)
	if i < 0 {
		return "", false
	}
	return key[:len(prefix)+i+len(delimiter)], true
}

// lister walks the rows of a listing and rolls them up.
type lister struct {
	prefix, delimiter string
	max               int
	page              *Page
	count             int
	rolled            string // the last common prefix that was added
}

// add takes the next row's key. It says whether the row is an entry to be
// added, and whether the page is full.
func (l *lister) add(key string) (entry, full bool) {
	if p, ok := roll(key, l.prefix, l.delimiter); ok {
		if p == l.rolled {
			return false, false
		}
		if l.count == l.max {
			return false, true
		}
		l.rolled = p
		l.page.Prefixes = append(l.page.Prefixes, p)
		l.count++
		l.page.Next, l.page.NextVersion = p, ""
		return false, false
	}
	if l.count == l.max {
		return false, true
	}
	l.count++
	l.page.Next = key
	return true, false
}

// begin gives the key that a page begins with or, where exclusive says so,
// behind: a marker counts where it does not lie before the prefix. A marker under
// a common prefix is a key like any other here; whoever means that the page begins
// behind the whole of the common prefix makes that the marker.
func begin(after, prefix string) (low string, exclusive bool) {
	if after == "" || after < prefix {
		return prefix, false
	}
	return after, true
}

// List gives a page of current objects in key order.
func (s *Store) List(ctx context.Context, in ListInput) (*Page, error) {
	page := &Page{}
	err := s.view(ctx, func(snap kv.Snapshot) error {
		b, err := s.bucket(snap, in.Bucket)
		if err != nil {
			return err
		}
		max := min(in.Max, ListMax)
		if max <= 0 {
			return nil
		}
		base := tableKey(tableLive, b.UID, 0)
		span := kv.Prefix(headKey(tableLive, b.UID, in.Prefix))
		if low, exclusive := begin(in.After, in.Prefix); exclusive {
			if !strings.HasPrefix(low, in.Prefix) {
				return nil // behind everything with the prefix
			}
			span.Low = append(headKey(tableLive, b.UID, low), 0)
			if p, ok := roll(low, in.Prefix, in.Delimiter); ok && p == low {
				span.Low = kv.After(headKey(tableLive, b.UID, p))
			}
		}
		page.Entries = make([]Entry, 0, min(max, 256))
		l := &lister{prefix: in.Prefix, delimiter: in.Delimiter, max: max, page: page}
		return scanSkipping(snap, span, func(p kv.Pair) (skip []byte, stop bool, err error) {
			key := string(p.Key[len(base):])
			entry, full := l.add(key)
			if full {
				page.Truncated = true
				return nil, true, nil
			}
			if !entry {
				return headKey(tableLive, b.UID, l.rolled), false, nil
			}
			e, err := parseEntry(p.Key, p.Value)
			e.Key = key
			page.Entries = append(page.Entries, e)
			return nil, false, err
		})
	})
	if !page.Truncated {
		page.Next = ""
	}
	return page, err
}

// scanSkipping scans a span. After a row for which visit names a prefix, it
// passes over the rows under it: a few by stepping, more by seeking.
func scanSkipping(snap kv.Snapshot, span kv.Span, visit func(kv.Pair) (skip []byte, stop bool, err error)) error {
	for {
		var under []byte
		steps := 0
		again := false
		for p, err := range snap.Scan(span) {
			if err != nil {
				return err
			}
			if under != nil && bytes.HasPrefix(p.Key, under) {
				if steps++; steps < skipTries {
					continue
				}
				if span.Low = kv.After(under); span.Low == nil {
					return nil
				}
				again = true
				break
			}
			skip, stop, err := visit(p)
			if err != nil || stop {
				return err
			}
			under, steps = skip, 0
		}
		if !again {
			return nil
		}
	}
}

// parseEntry reads of a version's row what a listing shows. It is most of the
// work of a page, so it reads no more.
func parseEntry(key, raw []byte) (Entry, error) {
	b, err := openRow(key, raw)
	if err != nil {
		return Entry{}, err
	}
	e := Entry{Class: s3.Standard}
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return e, corrupt(bytes.Clone(key), s3.ErrVersionFormat)
		}
		b = b[n:]
		switch typ {
		case protowire.VarintType:
			x, m := protowire.ConsumeVarint(b)
			if m < 0 {
				return e, corrupt(bytes.Clone(key), s3.ErrVersionFormat)
			}
			b = b[m:]
			switch num {
			case s3.FieldFlags:
				e.Marker, e.null = s3.Flags(x)
			case s3.FieldModified:
				e.Modified = time.UnixMilli(int64(x)).UTC()
			case s3.FieldSize:
				e.Size = int64(x)
			}
		case protowire.BytesType:
			raw, m := protowire.ConsumeBytes(b)
			if m < 0 {
				return e, corrupt(bytes.Clone(key), s3.ErrVersionFormat)
			}
			b = b[m:]
			switch num {
			case s3.FieldETag:
				e.ETag = string(raw)
			case s3.FieldClass:
				e.Class = s3.StorageClass(raw)
			case s3.FieldOwner:
				e.Owner = string(raw)
			case s3.FieldChecksum:
				e.ChecksumAlgorithm, e.ChecksumType, err = s3.ChecksumKind(raw)
				if err != nil {
					return e, corrupt(bytes.Clone(key), err)
				}
			}
		default:
			m := protowire.ConsumeFieldValue(num, typ, b)
			if m < 0 {
				return e, corrupt(bytes.Clone(key), s3.ErrVersionFormat)
			}
			b = b[m:]
		}
	}
	return e, nil
}

// under is what the rows of all keys with a prefix begin with, in a table of
// stacks.
func under(table byte, uid s3.UID, prefix string) []byte {
	k := stackPrefix(table, uid, prefix)
	return k[:len(k)-2] // without the end of the key
}

// stackSpan gives the rows of a table of stacks that a page may show: those
// behind all of the marker's key or, where marker names a row of it, behind
// that. row gives this row's key, or nil where it is nowhere. There are none
// when the marker is behind everything with the prefix.
func stackSpan(table byte, uid s3.UID, keyMarker, prefix, delimiter, marker string, row func() ([]byte, error)) (span kv.Span, ok bool, err error) {
	span = kv.Prefix(under(table, uid, prefix))
	low, exclusive := begin(keyMarker, prefix)
	if !exclusive {
		return span, true, nil
	}
	if !strings.HasPrefix(low, prefix) {
		return span, false, nil
	}
	span.Low = kv.After(stackPrefix(table, uid, low))
	if p, ok := roll(low, prefix, delimiter); ok && p == low {
		span.Low = kv.After(under(table, uid, p))
	} else if marker != "" {
		k, err := row()
		if err != nil {
			return span, false, err
		}
		if k != nil {
			span.Low = append(k, 0)
		}
	}
	return span, true, nil
}

// ErrVersionMarker is answered for a version marker that names none.
var ErrVersionMarker = ErrInvalidVersion

// ListVersions gives a page of versions and delete markers: by key, newest first.
func (s *Store) ListVersions(ctx context.Context, in ListVersionsInput) (*Page, error) {
	page := &Page{}
	err := s.view(ctx, func(snap kv.Snapshot) error {
		b, err := s.bucket(snap, in.Bucket)
		if err != nil {
			return err
		}
		max := min(in.Max, ListMax)
		if max <= 0 {
			return nil
		}
		base := tableKey(tableVersion, b.UID, 0)
		last := "" // the key of the row before, or of the marker when the latest version of that lies before the page
		span, ok, err := stackSpan(tableVersion, b.UID, in.KeyMarker, in.Prefix, in.Delimiter, in.VersionMarker, func() ([]byte, error) {
			head, err := s.head(snap, b.UID, in.KeyMarker)
			if err != nil {
				return nil, err
			}
			id, err := markerStamp(head, in.VersionMarker)
			if err != nil || id.IsZero() {
				return nil, err
			}
			// The version of the marker may be gone since, and what follows it be
			// the latest now.
			if head != nil && stamp.Compare(head.ID, id) >= 0 {
				last = in.KeyMarker
			}
			return versionKey(b.UID, in.KeyMarker, id), nil
		})
		if err != nil || !ok {
			return err
		}
		l := &lister{prefix: in.Prefix, delimiter: in.Delimiter, max: max, page: page}
		return scanSkipping(snap, span, func(p kv.Pair) (skip []byte, stop bool, err error) {
			key, rest, ok := splitEscaped(p.Key[len(base):])
			if !ok {
				return nil, false, corrupt(bytes.Clone(p.Key), s3.ErrVersionFormat)
			}
			entry, full := l.add(key)
			if full {
				page.Truncated = true
				return nil, true, nil
			}
			if !entry {
				return under(tableVersion, b.UID, l.rolled), false, nil
			}
			e, err := parseEntry(p.Key, p.Value)
			if err != nil {
				return nil, false, err
			}
			id, err := stamp.FromDescending(rest)
			if err != nil {
				return nil, false, corrupt(bytes.Clone(p.Key), err)
			}
			e.Key, e.VersionID, e.Latest = key, id.String(), key != last
			if e.null {
				e.VersionID = s3.NullVersion
			}
			last = key
			page.NextVersion = e.VersionID
			page.Entries = append(page.Entries, e)
			return nil, false, nil
		})
	})
	if !page.Truncated {
		page.Next, page.NextVersion = "", ""
	}
	return page, err
}

// markerStamp finds where in the stack under a head a version marker stands. A
// marker that names a version that is gone still has its place.
func markerStamp(head *record, marker string) (stamp.Stamp, error) {
	if marker == s3.NullVersion {
		if head == nil {
			return stamp.Stamp{}, nil
		}
		return head.nullAt, nil
	}
	id, err := stamp.Parse(marker)
	if err != nil {
		return id, ErrVersionMarker.With("ArgumentName", "version-id-marker").With("ArgumentValue", marker)
	}
	return id, nil
}

// ErrUploadMarker is answered for an upload marker that is no upload ID. One of
// an upload that is gone still has its place, so that whoever aborts a page of
// uploads can go on behind it.
var ErrUploadMarker = awserr.ErrInvalidArgument.Text("Invalid uploadId marker")

// ListUploads gives a page of open uploads, by key and then by time.
func (s *Store) ListUploads(ctx context.Context, in ListUploadsInput) (*UploadsPage, error) {
	out := &UploadsPage{}
	err := s.view(ctx, func(snap kv.Snapshot) error {
		b, err := s.bucket(snap, in.Bucket)
		if err != nil {
			return err
		}
		max := min(in.Max, ListMax)
		if max <= 0 {
			return nil
		}
		base := tableKey(tableUpload, b.UID, 0)
		span, ok, err := stackSpan(tableUpload, b.UID, in.KeyMarker, in.Prefix, in.Delimiter, in.UploadMarker, func() ([]byte, error) {
			id, err := parseUploadID(in.UploadMarker)
			if err != nil {
				return nil, ErrUploadMarker.With("ArgumentName", "upload-id-marker").With("ArgumentValue", in.UploadMarker)
			}
			return uploadKey(b.UID, in.KeyMarker, id), nil
		})
		if err != nil || !ok {
			return err
		}
		var page Page
		l := &lister{prefix: in.Prefix, delimiter: in.Delimiter, max: max, page: &page}
		err = scanSkipping(snap, span, func(p kv.Pair) (skip []byte, stop bool, err error) {
			key, _, ok := splitEscaped(p.Key[len(base):])
			if !ok {
				return nil, false, corrupt(bytes.Clone(p.Key), s3.ErrVersionFormat)
			}
			entry, full := l.add(key)
			if full {
				out.Truncated = true
				return nil, true, nil
			}
			if !entry {
				out.NextUpload = ""
				return under(tableUpload, b.UID, l.rolled), false, nil
			}
			u, err := parseUpload(bytes.Clone(p.Key), p.Value)
			if err != nil {
				return nil, false, err
			}
			out.Uploads = append(out.Uploads, *u.public(b))
			out.NextUpload = uploadID(u.id)
			return nil, false, nil
		})
		out.Prefixes, out.NextKey = page.Prefixes, page.Next
		return err
	})
	if !out.Truncated {
		out.NextKey, out.NextUpload = "", ""
	}
	return out, err
}
