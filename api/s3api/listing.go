package s3api

import (
	"strconv"

	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/store"
	"github.com/farhold/farhold/wire/restxml"
)

// pageMax is the most keys, versions, uploads or parts of a page.
const pageMax = 1000

var errEncoding = awserr.ErrInvalidArgument.Text("Invalid Encoding Method specified in Request")

// listing writes the document of a listing. The names in it are escaped as in a
// URL where the client asked for that; XML can't carry every key.
type listing struct {
	*restxml.Writer
	url     bool
	scratch []byte
	owner   string // whose canonical ID is in ownerID
	ownerID string
	display func(canonicalID string) string // names; nil leaves them away
	sole    string                          // the account that owns everything, where one does
}

// newListing begins a listing in a pooled buffer; see done.
func (d *Door) newListing(rq *Request) (*listing, error) {
	v, ok := rq.Query.Lookup("encoding-type")
	if ok && v != "url" {
		return nil, errEncoding.With("ArgumentName", "encoding-type").With("ArgumentValue", v)
	}
	l, _ := d.listings.Get().(*listing)
	if l == nil {
		l = &listing{Writer: restxml.NewWriter(nil)}
	}
	l.Reset()
	l.url, l.display, l.sole = ok, d.opt.DisplayName, ""
	if rq.bucket != nil && rq.bucket.Ownership == ownershipEnforced {
		l.sole = rq.bucket.Owner
	}
	return l, nil
}

// done answers with the listing and gives its buffer back.
func (d *Door) done(rq *Request, status int, l *listing) error {
	err := rq.XML(status, l.Writer)
	d.listings.Put(l)
	return err
}

// name writes an element that holds a key, a prefix or a delimiter.
func (l *listing) name(elem, value string) {
	if value == "" {
		l.Empty(elem)
		return
	}
	l.Open(elem)
	l.text(value)
	l.Close(elem)
}

// text writes a key, a prefix or a delimiter.
func (l *listing) text(value string) {
	if !l.url {
		l.Text(value)
		return
	}
	l.scratch = appendEncoded(l.scratch[:0], value)
	l.Raw(l.scratch) // nothing in it needs escaping any more
}

// row writes what an object and a version have in common, from the time to the
// size. Pages hold a thousand of them, so the markup is in few pieces.
func (l *listing) row(e *store.Entry) {
	l.Literal("<LastModified>")
	l.scratch = restxml.AppendTime(l.scratch[:0], e.Modified)
	l.Raw(l.scratch)
	l.Literal("</LastModified><ETag>&quot;")
	l.Text(e.ETag)
	l.Literal("&quot;</ETag>")
	if e.ChecksumAlgorithm != "" {
		l.Literal("<ChecksumAlgorithm>")
		l.Literal(string(e.ChecksumAlgorithm))
		l.Literal("</ChecksumAlgorithm>")
		if e.ChecksumType != "" {
			l.Literal("<ChecksumType>")
			l.Literal(string(e.ChecksumType))
			l.Literal("</ChecksumType>")
		}
	}
	l.Int("Size", e.Size)
}

// optionalName is name for what is there.
func (l *listing) optionalName(elem, value string) {
	if value != "" {
		l.name(elem, value)
	}
}

// encodingType writes the element of that name where names are escaped.
func (l *listing) encodingType() {
	if l.url {
		l.Elem("EncodingType", "url")
	}
}

// prefixes writes the common prefixes.
func (l *listing) prefixes(list []string) {
	for _, p := range list {
		l.Open("CommonPrefixes")
		l.name("Prefix", p)
		l.Close("CommonPrefixes")
	}
}

// account writes an Owner or Initiator.
func (l *listing) account(elem, account string) {
	if l.sole != "" {
		account = l.sole
	}
	if l.owner != account || l.ownerID == "" {
		l.owner, l.ownerID = account, canonicalID(account)
	}
	l.Open(elem)
	if l.display != nil {
		l.Optional("DisplayName", l.display(l.ownerID))
	}
	l.Literal("<ID>")
	l.Literal(l.ownerID)
	l.Literal("</ID>")
	l.Close(elem)
}

// appendEncoded escapes a name as listings do: letters, digits and "-_.*/" stand
// for themselves, a blank is a plus sign.
func appendEncoded(dst []byte, s string) []byte {
	const hex = "0123456789ABCDEF"
	start := 0
	for i := range len(s) {
		c := s[i]
		if listed[c] {
			continue
		}
		dst = append(dst, s[start:i]...)
		start = i + 1
		if c == ' ' {
			dst = append(dst, '+')
		} else {
			dst = append(dst, '%', hex[c>>4], hex[c&15])
		}
	}
	return append(dst, s[start:]...)
}

// listed tells which bytes stand for themselves in appendEncoded.
var listed = func() (t [256]bool) {
	for _, c := range "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.*/" {
		t[c] = true
	}
	return t
}()

// pageSize reads the value of max-keys, max-uploads or max-parts: pageMax when it is not
// there or greater. camel is the name that AWS uses in one of its texts.
func pageSize(s, name, camel string) (int, error) {
	if s == "" {
		return pageMax, nil
	}
	n, err := strconv.ParseInt(s, 10, 32)
	if err != nil {
		return 0, awserr.Argument(name, s, "Provided %s not an integer or within integer range", name)
	}
	if n < 0 {
		return 0, awserr.Argument(camel, s, "Argument %s must be an integer between 0 and 2147483647", camel)
	}
	return int(min(n, pageMax)), nil
}
