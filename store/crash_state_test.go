package store

import (
	"context"
	"crypto/md5"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/farhold/farhold/s3"
	"github.com/farhold/farhold/stamp"
)

// seenVersion is a version as clients and workers see it.
type seenVersion struct {
	key     string
	id      stamp.Stamp // zero: not known, because nobody was told it yet
	null    bool
	marker  bool
	replica bool
	size    int
	sum     uint32 // of the bytes
	parts   int
	meta    string
	tags    string
	hold    bool
	targets string // bucket:status …
	tasks   string // bucket:kind:attempts …, with ! where the last attempt was refused
}

func (v *seenVersion) String() string {
	id := "?"
	if !v.id.IsZero() {
		id = v.id.String()
	}
	return fmt.Sprintf("%s id=%s null=%v marker=%v replica=%v size=%d sum=%08x parts=%d meta=%q tags=%q hold=%v targets=%q tasks=%q",
		v.key, id, v.null, v.marker, v.replica, v.size, v.sum, v.parts, v.meta, v.tags, v.hold, v.targets, v.tasks)
}

// seenUpload is an open upload.
type seenUpload struct {
	key   string
	id    string         // "": not known
	parts map[int]string // number → size and sum
}

// seenBucket is a bucket with everything in it.
type seenBucket struct {
	uid      s3.UID
	versions map[string][]*seenVersion // by key, newest first
	uploads  []*seenUpload
	staged   map[string]string // by key: segments that came
}

// state is the buckets of a region. A state that was published is not changed.
type state map[string]*seenBucket

func (st state) clone() state {
	out := state{}
	for name, b := range st {
		c := &seenBucket{uid: b.uid, versions: map[string][]*seenVersion{}, staged: maps.Clone(b.staged)}
		for key, stack := range b.versions {
			for _, v := range stack {
				d := *v
				c.versions[key] = append(c.versions[key], &d)
			}
		}
		for _, u := range b.uploads {
			c.uploads = append(c.uploads, &seenUpload{u.key, u.id, maps.Clone(u.parts)})
		}
		out[name] = c
	}
	return out
}

// ids gives the identities that a state knows.
func (st state) ids() map[string]bool {
	ids := map[string]bool{}
	for _, b := range st {
		for _, stack := range b.versions {
			for _, v := range stack {
				if !v.id.IsZero() {
					ids[v.id.String()] = true
				}
			}
		}
		for _, u := range b.uploads {
			if u.id != "" {
				ids[u.id] = true
			}
		}
	}
	return ids
}

// lines renders a state. Identities that are not among known are left open.
func (st state) lines(known map[string]bool) []string {
	var out []string
	for name, b := range st {
		at := name + "/" + string(b.uid)
		out = append(out, "bucket "+at)
		for _, stack := range b.versions {
			for i, v := range stack {
				w := *v
				if !known[w.id.String()] {
					w.id = stamp.Stamp{}
				}
				out = append(out, fmt.Sprintf("version %s/%s", at, w.String())+fmt.Sprintf(" place=%d", i))
			}
		}
		for _, u := range b.uploads {
			id := u.id
			if !known[id] {
				id = "?"
			}
			out = append(out, fmt.Sprintf("upload %s/%s id=%s parts=%v", at, u.key, id, u.parts))
		}
		for key, segs := range b.staged {
			out = append(out, fmt.Sprintf("staged %s/%s %s", at, key, segs))
		}
	}
	slices.Sort(out)
	return out
}

// differ tells how what is there differs from a state, or "".
func (want state) differ(got state) string {
	known := want.ids()
	a, b := want.lines(known), got.lines(known)
	if slices.Equal(a, b) {
		return ""
	}
	var text strings.Builder
	for _, l := range a {
		if !slices.Contains(b, l) {
			fmt.Fprintf(&text, "\n    - %s", l)
		}
	}
	for _, l := range b {
		if !slices.Contains(a, l) {
			fmt.Fprintf(&text, "\n    + %s", l)
		}
	}
	return text.String()
}

func tagText(tags []s3.Tag) string {
	var s []string
	for _, t := range tags {
		s = append(s, t.Key+"="+t.Value)
	}
	return strings.Join(s, "&")
}

func metaText(meta []s3.Header) string {
	var s []string
	for _, h := range meta {
		s = append(s, h.Name+"="+h.Value)
	}
	return strings.Join(s, "&")
}

func targetText(targets []s3.Target) string {
	var s []string
	for _, t := range targets {
		s = append(s, t.Bucket+":"+string(t.Status))
	}
	slices.Sort(s)
	return strings.Join(s, " ")
}

func taskText(tasks []Task) string {
	var s []string
	for _, t := range tasks {
		kind := "version"
		if t.Kind == KindSide {
			kind = "side"
		}
		refused := ""
		if t.Failed {
			refused = "!"
		}
		s = append(s, fmt.Sprintf("%s:%s:%d%s", t.Target, kind, t.Attempts, refused))
	}
	slices.Sort(s)
	return strings.Join(s, " ")
}

// observe reads everything of the buckets for which mine holds, as clients do.
// Each version is read whole; what a listing shows and cannot be read is an error.
func observe(ctx context.Context, s *Store, k *keyspace, arrivals []*Arrival, mine func(bucket string) bool) (state, error) {
	st := state{}
	buckets, _, err := s.Buckets(ctx, "", "", 1000)
	if err != nil {
		return nil, err
	}
	for _, b := range buckets {
		if !mine(b.Name) {
			continue
		}
		sb := &seenBucket{uid: b.UID, versions: map[string][]*seenVersion{}, staged: map[string]string{}}
		st[b.Name] = sb
		page, err := s.ListVersions(ctx, ListVersionsInput{Bucket: b.Name, Max: ListMax})
		if err != nil {
			return nil, err
		}
		current := 0
		for _, e := range page.Entries {
			if e.Latest && !e.Marker {
				current++
			}
			v, err := observeVersion(ctx, s, k, b, &e)
			if err != nil {
				return nil, fmt.Errorf("listed %s/%s version %s: %w", b.Name, e.Key, e.VersionID, err)
			}
			if e.Latest != (len(sb.versions[e.Key]) == 0) {
				return nil, fmt.Errorf("%s/%s version %s: latest is %v", b.Name, e.Key, e.VersionID, e.Latest)
			}
			sb.versions[e.Key] = append(sb.versions[e.Key], v)
		}
		now, err := s.List(ctx, ListInput{Bucket: b.Name, Max: ListMax})
		if err != nil {
			return nil, err
		}
		if len(now.Entries) != current {
			return nil, fmt.Errorf("%s lists %d objects, its versions make %d", b.Name, len(now.Entries), current)
		}
		for _, e := range now.Entries {
			o, err := s.Open(ctx, b.Name, e.Key, "")
			if err != nil {
				return nil, fmt.Errorf("listed %s/%s: %w", b.Name, e.Key, err)
			}
			if o.ETag != e.ETag || o.Size != e.Size {
				err = fmt.Errorf("listed %s/%s as %s of %d bytes, it is %s of %d", b.Name, e.Key, e.ETag, e.Size, o.ETag, o.Size)
			}
			o.Close()
			if err != nil {
				return nil, err
			}
		}
		ups, err := s.ListUploads(ctx, ListUploadsInput{Bucket: b.Name, Max: ListMax})
		if err != nil {
			return nil, err
		}
		for _, u := range ups.Uploads {
			_, parts, _, err := s.Parts(ctx, b.Name, u.Key, u.ID, 0, 1000)
			if err != nil {
				return nil, fmt.Errorf("listed upload of %s/%s: %w", b.Name, u.Key, err)
			}
			su := &seenUpload{key: u.Key, id: u.ID, parts: map[int]string{}}
			for _, p := range parts {
				su.parts[p.Number] = fmt.Sprintf("%d/%s", p.Size, p.ETag)
			}
			sb.uploads = append(sb.uploads, su)
		}
		for _, a := range arrivals {
			if a.Bucket != b.Name {
				continue
			}
			segs, err := s.Staged(ctx, a)
			if errors.Is(err, ErrDstBucketUnversioned) {
				continue
			}
			if err != nil {
				return nil, err
			}
			for _, g := range segs {
				sb.staged[a.Version.Key] += fmt.Sprintf("%d ", g.Index)
			}
		}
	}
	return st, nil
}

func observeVersion(ctx context.Context, s *Store, k *keyspace, b *Bucket, e *Entry) (*seenVersion, error) {
	var r *record
	for _, x := range k.stacks[string(headKey(0, b.UID, e.Key)[1:])] {
		if x.VersionID() == e.VersionID {
			r = x
		}
	}
	if r == nil || r.Marker != e.Marker {
		return nil, errors.New("it has no such row")
	}
	v := &seenVersion{
		key: r.Key, id: r.ID, null: r.Null, marker: r.Marker, replica: r.Replica, size: int(r.Size), parts: r.PartsCount,
		meta: metaText(r.Meta), tags: tagText(r.Tags.Tags), hold: r.Hold.On, targets: targetText(r.Targets),
		tasks: taskText(k.tasks[string(versionKey(b.UID, r.Key, r.ID))]),
	}
	if r.Marker {
		return v, nil
	}
	o, err := s.Open(ctx, b.Name, e.Key, e.VersionID)
	if err != nil {
		return nil, err
	}
	defer o.Close()
	body, err := o.Body(ctx, 0, -1)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	raw, err := io.ReadAll(body)
	if err != nil {
		return nil, err
	}
	if len(raw) != int(r.Size) || e.Size != r.Size {
		return nil, fmt.Errorf("%d bytes, listed with %d", len(raw), e.Size)
	}
	if sum := md5.Sum(raw); r.PartsCount == 0 && r.ETag != etagOf(sum) || e.ETag != r.ETag {
		return nil, fmt.Errorf("ETag %s, listed with %s", r.ETag, e.ETag)
	}
	v.sum = crc32.ChecksumIEEE(raw)
	if r.PartsCount > 0 {
		if _, err := o.LoadParts(ctx, 0, PartsMax); err != nil {
			return nil, err
		}
		if len(o.Parts) != r.PartsCount {
			return nil, fmt.Errorf("%d parts, there are %d", r.PartsCount, len(o.Parts))
		}
	}
	return v, nil
}
