package bench

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"strconv"
)

// The shapes of key space that list walks over.
const (
	Flat      = "flat"      // Keys one after another.
	Delimiter = "delimiter" // One prefix of Keys keys, rolled up beside Others other prefixes.
	Markers   = "markers"   // Keys delete-marked keys, then Live live ones.
	Deep      = "deep"      // Keys keys of Versions versions each.
)

// pageSize is how many entries a page may have: S3's maximum.
const pageSize = 1000

// errPage says that a list page isn't what the prepared keys call for.
var errPage = errors.New("bench: wrong list page")

// Listing says what list prepares and asks for. A page is one operation.
type Listing struct {
	Shape string `json:"shape"`
	// Keys counts the keys that give the shape its name, see the constants.
	Keys int64 `json:"keys"`
	// Others is the number of other prefixes of one key each, for Delimiter.
	Others int64 `json:"others,omitempty"`
	// Live is the number of live keys behind the markers, for Markers.
	Live int64 `json:"live,omitempty"`
	// Versions is the number of versions of each key, for Deep.
	Versions int64 `json:"versions_per_key,omitempty"`
	// Delimiter rolls keys up; always "/" for the shape of that name.
	Delimiter string `json:"delimiter,omitempty"`
	// AllVersions asks for ListObjectVersions instead of ListObjectsV2.
	AllVersions bool `json:"all_versions,omitempty"`
}

func (l *Listing) check() error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("%w: "+format, append([]any{ErrOptions}, args...)...)
	}
	if l.Keys < 1 || l.Others < 0 || l.Live < 0 {
		return bad("counts of keys must be positive")
	}
	switch l.Shape {
	case Flat:
	case Delimiter:
		if l.Delimiter != "/" {
			return bad("shape %s needs the delimiter /", l.Shape)
		}
	case Markers:
		if l.Live < 1 {
			return bad("shape %s needs live keys", l.Shape)
		}
	case Deep:
		if l.Versions < 1 {
			return bad("shape %s needs a number of versions", l.Shape)
		}
	default:
		return bad("shape %q is none of %s, %s, %s, %s", l.Shape, Flat, Delimiter, Markers, Deep)
	}
	if l.Delimiter != "" && l.Delimiter != "/" {
		return bad("delimiter %q is not /", l.Delimiter)
	}
	return nil
}

// shape is a Listing under its own prefix.
type shape struct {
	Listing
	prefix string
}

func (l Listing) shape(prefix string) shape { return shape{Listing: l, prefix: prefix + l.Shape + "/"} }

// filler runs f for 0 … n-1 on many clients.
type filler func(name string, n int64, f func(c *client, b *body, i int64) error) error

// fill makes the keys. Numbers in keys have ten digits, so that their order is
// that of the numbers.
func (s shape) fill(run filler) error {
	put := func(name, format string, n int64) error {
		return run(name, n, func(c *client, b *body, i int64) error {
			b.set(uint64(i), 0)
			return c.put(fmt.Appendf(nil, format, s.prefix, i), b)
		})
	}
	switch s.Shape {
	case Delimiter:
		if err := put("prepare others", "%sp%010d/key", s.Others); err != nil {
			return err
		}
		// In the midst of the others, which begin with p and a digit.
		return put("prepare the large prefix", "%sp"+fmt.Sprintf("%010d", s.Others/2)+"-large/%010d", s.Keys)
	case Markers:
		if err := put("prepare live keys", "%sb%010d", s.Live); err != nil {
			return err
		}
		if err := put("prepare keys to delete", "%sa%010d", s.Keys); err != nil {
			return err
		}
		return run("prepare delete markers", s.Keys, func(c *client, _ *body, i int64) error {
			return c.delete(fmt.Appendf(nil, "%sa%010d", s.prefix, i))
		})
	case Deep:
		// All keys get their n-th version before any gets its n+1st, as
		// overwritten objects do.
		return run("prepare versions", s.Keys*s.Versions, func(c *client, b *body, i int64) error {
			key := i % s.Keys
			b.set(uint64(key), uint64(i/s.Keys))
			return c.put(fmt.Appendf(nil, "%s%010d", s.prefix, key), b)
		})
	}
	return put("prepare keys", "%s%010d", s.Keys)
}

// entries tells how many entries all pages of one walk have together, or -1
// when that depends on earlier runs.
func (s shape) entries() int64 {
	switch {
	case s.AllVersions:
		return -1
	case s.Shape == Delimiter:
		return s.Others + 1
	case s.Shape == Markers:
		return s.Live
	}
	return s.Keys
}

// walker walks from the first page to the last and begins again. Client i
// begins its first walk, where the keys have one order, at its share of them,
// so that the clients don't walk in step.
func (s shape) walker(c *client, i, clients int) actor {
	w := &walker{shape: s, c: c}
	if s.Shape == Flat && !s.AllVersions && s.Delimiter == "" {
		if first := s.Keys * int64(i) / int64(clients); first > 0 {
			w.after, w.walked = fmt.Sprintf("%s%010d", s.prefix, first-1), first
		}
	}
	return w.step
}

type walker struct {
	shape
	c      *client
	token  string // continues the walk; empty on its first page
	after  string // key to begin behind, on the first page only
	key    string // markers of a walk over versions
	vid    string
	walked int64 // entries of this walk so far
}

func (w *walker) step() (outcome, bool) {
	r := w.c.begin(http.MethodGet, nil)
	if w.AllVersions {
		if w.Delimiter != "" {
			r.param("delimiter", w.Delimiter)
		}
		if w.key != "" {
			r.param("key-marker", w.key)
		}
		r.param("max-keys", strconv.Itoa(pageSize)).param("prefix", w.prefix)
		if w.vid != "" {
			r.param("version-id-marker", w.vid)
		}
		r.param("versions", "")
	} else {
		if w.token != "" {
			r.param("continuation-token", w.token)
		}
		if w.Delimiter != "" {
			r.param("delimiter", w.Delimiter)
		}
		r.param("list-type", "2").param("max-keys", strconv.Itoa(pageSize)).param("prefix", w.prefix)
		if w.after != "" {
			r.param("start-after", w.after)
		}
	}
	err := w.c.send(nil, w.c.keepAll)
	o := outcome{op: List, elapsed: w.c.elapsed, err: err, bytes: w.c.resp.read}
	if err == nil {
		o.items, o.err = w.turn(w.c.doc)
	}
	if o.err != nil {
		w.restart()
	}
	return o, true
}

func (w *walker) restart() { w.token, w.after, w.key, w.vid, w.walked = "", "", "", "", 0 }

// turn counts the entries of a page, checks them against what was prepared and
// finds out where the next page begins.
func (w *walker) turn(doc []byte) (int64, error) {
	count := func(tag string) int64 { return int64(bytes.Count(doc, []byte(tag))) }
	truncated, ok := xmlText(doc, "IsTruncated")
	if !ok {
		return 0, fmt.Errorf("%w: no IsTruncated", errPage)
	}
	n := count("<CommonPrefixes>")
	if w.AllVersions {
		n += count("<Version>") + count("<DeleteMarker>")
	} else {
		n += count("<Contents>")
	}
	w.walked += n
	if truncated == "true" {
		// S3 may cut a page short, but a rate of pages of 1,000 keys must be one.
		if w.Shape == Flat && n != pageSize {
			return n, fmt.Errorf("%w: %d entries, truncated", errPage, n)
		}
		if w.AllVersions {
			w.key, _ = xmlText(doc, "NextKeyMarker")
			w.vid, _ = xmlText(doc, "NextVersionIdMarker")
			ok = w.key != ""
		} else {
			w.token, ok = xmlText(doc, "NextContinuationToken")
			w.after = ""
		}
		if !ok {
			return n, fmt.Errorf("%w: truncated without a way to go on", errPage)
		}
		return n, nil
	}
	if want := w.entries(); want >= 0 && w.walked != want {
		return n, fmt.Errorf("%w: a walk over %d entries ended after %d", errPage, want, w.walked)
	}
	w.restart()
	return n, nil
}
