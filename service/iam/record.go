package iam

import (
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/farhold/farhold/realm"
	"github.com/farhold/farhold/s3"
)

// Forms of a row: its first byte. docs/formats/iam.md describes the fields.
const (
	formPlain   = 1 // fields follow
	formDeflate = 2 // DEFLATE of the fields follows
)

const (
	packFrom  = 16 << 10 // bytes of fields from which a row is compressed: only documents make rows so long
	fieldsMax = 8 << 20  // bytes of fields; more is no row of ours
)

var (
	errRow     = errors.New("iam: a row that can't be read")
	errRowLong = errors.New("iam: a row that is too long even when compressed")
)

// kind is what has policies.
type kind uint8

const (
	userKind kind = iota + 1
	groupKind
	roleKind
)

func (k kind) String() string {
	switch k {
	case userKind:
		return "user"
	case groupKind:
		return "group"
	case roleKind:
		return "role"
	}
	return "unknown"
}

// tag is a tag of a user, role or policy.
type tag struct{ key, value string }

// inline is a policy that lives in its entity.
type inline struct{ name, document string }

// identified is an ARN of a user or role with the unique ID that it stood for
// when a policy named it.
type identified struct{ arn, id string }

// entity is the row of a user, group or role.
type entity struct {
	kind     kind
	account  string
	name     string // as it was given
	path     string
	id       string // AIDA…, AGPA…, AROA…
	created  time.Time
	boundary string   // ARN of a managed policy; users and roles
	attached []string // ARNs of managed policies, as they were attached
	inline   []inline // by name
	tags     []tag    // by key, without regard to case
	groups   []string // IDs; users
	keys     []string // access key IDs; users
	members  uint64   // groups: how many rows of members there are

	description string // roles
	trust       string
	trusted     []identified // users and roles that the trust policy names
	maxSession  uint64       // seconds

	unknown []byte // fields that this version does not know
}

// arn gives the entity's ARN.
func (e *entity) arn() string {
	return "arn:aws:iam::" + e.account + ":" + e.kind.String() + e.path + e.name
}

func (e *entity) key() string { return entityKey(e.kind, e.account, e.name) }

func (e *entity) encode() ([]byte, error) {
	b := s3.AppendUint(nil, 1, uint64(e.kind))
	b = s3.AppendString(b, 2, e.account)
	b = s3.AppendString(b, 3, e.name)
	b = s3.AppendString(b, 4, e.path)
	b = s3.AppendString(b, 5, e.id)
	b = appendTime(b, 6, e.created)
	b = s3.AppendString(b, 7, e.boundary)
	for _, a := range e.attached {
		b = s3.AppendString(b, 8, a)
	}
	for _, p := range e.inline {
		b = s3.AppendBytes(b, 9, s3.AppendString(s3.AppendString(nil, 1, p.name), 2, p.document))
	}
	b = appendTags(b, 10, e.tags)
	for _, g := range e.groups {
		b = s3.AppendString(b, 11, g)
	}
	for _, k := range e.keys {
		b = s3.AppendString(b, 12, k)
	}
	b = s3.AppendUint(b, 13, e.members)
	b = s3.AppendString(b, 14, e.description)
	b = s3.AppendString(b, 15, e.trust)
	b = s3.AppendUint(b, 16, e.maxSession)
	for _, t := range e.trusted {
		b = s3.AppendBytes(b, 17, s3.AppendString(s3.AppendString(nil, 1, t.arn), 2, t.id))
	}
	return pack(append(b, e.unknown...))
}

func decodeEntity(row []byte) (*entity, error) {
	e := new(entity)
	err := fields(row, func(num protowire.Number, x uint64, raw, field []byte) error {
		switch num {
		case 1:
			e.kind = kind(x)
		case 2:
			e.account = string(raw)
		case 3:
			e.name = string(raw)
		case 4:
			e.path = string(raw)
		case 5:
			e.id = string(raw)
		case 6:
			e.created = fromMillis(x)
		case 7:
			e.boundary = string(raw)
		case 8:
			e.attached = append(e.attached, string(raw))
		case 9:
			a, b, err := pair(raw)
			e.inline = append(e.inline, inline{a, b})
			return err
		case 10:
			a, b, err := pair(raw)
			e.tags = append(e.tags, tag{a, b})
			return err
		case 11:
			e.groups = append(e.groups, string(raw))
		case 12:
			e.keys = append(e.keys, string(raw))
		case 13:
			e.members = x
		case 14:
			e.description = string(raw)
		case 15:
			e.trust = string(raw)
		case 16:
			e.maxSession = x
		case 17:
			a, b, err := pair(raw)
			e.trusted = append(e.trusted, identified{a, b})
			return err
		default:
			e.unknown = append(e.unknown, field...)
		}
		return nil
	})
	if err == nil && (e.kind < userKind || e.kind > roleKind || e.name == "" || e.id == "") {
		err = errRow
	}
	return e, err
}

// version is a version of a managed policy.
type version struct {
	number   uint64 // 3 of v3
	document string
	created  time.Time
}

func (v version) id() string { return fmt.Sprintf("v%d", v.number) }

// managed is the row of a managed policy.
type managed struct {
	account     string // "aws" for AWS's
	name, path  string
	id          string // ANPA…
	description string
	created     time.Time
	updated     time.Time
	standard    uint64    // number of the default version
	last        uint64    // greatest number that was ever given
	versions    []version // in the order of their numbers
	attachments uint64    // users, groups and roles that it is attached to
	boundaries  uint64    // users and roles whose boundary it is
	tags        []tag
	unknown     []byte
}

func (p *managed) arn() string { return "arn:aws:iam::" + p.account + ":policy" + p.path + p.name }

func (p *managed) key() string { return policyKey(p.account, p.name) }

// version gives a version by its ID, or nil.
func (p *managed) version(id string) *version {
	// The pattern of version IDs allows v3.x, which no policy of ours has.
	for i := range p.versions {
		if p.versions[i].id() == id {
			return &p.versions[i]
		}
	}
	return nil
}

// current gives the default version.
func (p *managed) current() *version {
	for i := range p.versions {
		if p.versions[i].number == p.standard {
			return &p.versions[i]
		}
	}
	return nil
}

func (p *managed) encode() ([]byte, error) {
	b := s3.AppendString(nil, 2, p.account)
	b = s3.AppendString(b, 3, p.name)
	b = s3.AppendString(b, 4, p.path)
	b = s3.AppendString(b, 5, p.id)
	b = appendTime(b, 6, p.created)
	b = appendTime(b, 7, p.updated)
	b = s3.AppendString(b, 8, p.description)
	b = s3.AppendUint(b, 9, p.standard)
	b = s3.AppendUint(b, 10, p.last)
	for _, v := range p.versions {
		f := s3.AppendUint(nil, 1, v.number)
		f = s3.AppendString(f, 2, v.document)
		f = appendTime(f, 3, v.created)
		b = s3.AppendBytes(b, 11, f)
	}
	b = s3.AppendUint(b, 12, p.attachments)
	b = s3.AppendUint(b, 13, p.boundaries)
	b = appendTags(b, 14, p.tags)
	return pack(append(b, p.unknown...))
}

func decodePolicy(row []byte) (*managed, error) {
	p := new(managed)
	err := fields(row, func(num protowire.Number, x uint64, raw, field []byte) error {
		switch num {
		case 2:
			p.account = string(raw)
		case 3:
			p.name = string(raw)
		case 4:
			p.path = string(raw)
		case 5:
			p.id = string(raw)
		case 6:
			p.created = fromMillis(x)
		case 7:
			p.updated = fromMillis(x)
		case 8:
			p.description = string(raw)
		case 9:
			p.standard = x
		case 10:
			p.last = x
		case 11:
			var v version
			err := s3.Fields(raw, func(num protowire.Number, x uint64, raw, _ []byte) error {
				switch num {
				case 1:
					v.number = x
				case 2:
					v.document = string(raw)
				case 3:
					v.created = fromMillis(x)
				}
				return nil
			})
			if err == nil && v.number == 0 {
				err = errRow // versions count from 1
			}
			p.versions = append(p.versions, v)
			return err
		case 12:
			p.attachments = x
		case 13:
			p.boundaries = x
		case 14:
			a, b, err := pair(raw)
			p.tags = append(p.tags, tag{a, b})
			return err
		default:
			p.unknown = append(p.unknown, field...)
		}
		return nil
	})
	if err == nil && (p.name == "" || p.id == "" || p.current() == nil) {
		err = errRow
	}
	return p, err
}

// accessKey is the row of a user's access key.
type accessKey struct {
	id       string // AKIA…
	account  string
	userID   string // AIDA…
	inactive bool
	created  time.Time
	sealed   []byte // the secret, sealed with the realm's key
	unknown  []byte
}

func (k *accessKey) encode() ([]byte, error) {
	b := s3.AppendString(nil, 1, k.id)
	b = s3.AppendString(b, 2, k.account)
	b = s3.AppendString(b, 3, k.userID)
	if k.inactive {
		b = s3.AppendUint(b, 4, 1)
	}
	b = appendTime(b, 5, k.created)
	b = s3.AppendBytes(b, 6, k.sealed)
	return pack(append(b, k.unknown...))
}

func decodeAccessKey(row []byte) (*accessKey, error) {
	k := new(accessKey)
	err := fields(row, func(num protowire.Number, x uint64, raw, field []byte) error {
		switch num {
		case 1:
			k.id = string(raw)
		case 2:
			k.account = string(raw)
		case 3:
			k.userID = string(raw)
		case 4:
			k.inactive = x != 0
		case 5:
			k.created = fromMillis(x)
		case 6:
			k.sealed = bytes.Clone(raw)
		default:
			k.unknown = append(k.unknown, field...)
		}
		return nil
	})
	if err == nil && (k.id == "" || k.account == "" || k.userID == "" || len(k.sealed) == 0) {
		err = errRow
	}
	return k, err
}

// pointer is the row of a unique ID: which entity has it.
type pointer struct {
	kind    kind
	account string
	name    string // lower case
}

func (p pointer) key() string { return entityKey(p.kind, p.account, p.name) }

func pointerTo(e *entity) pointer { return pointer{e.kind, e.account, strings.ToLower(e.name)} }

func (p pointer) encode() []byte {
	b := s3.AppendUint([]byte{formPlain}, 1, uint64(p.kind))
	b = s3.AppendString(b, 2, p.account)
	return s3.AppendString(b, 3, p.name)
}

func decodePointer(row []byte) (p pointer, err error) {
	err = fields(row, func(num protowire.Number, x uint64, raw, _ []byte) error {
		switch num {
		case 1:
			p.kind = kind(x)
		case 2:
			p.account = string(raw)
		case 3:
			p.name = string(raw)
		}
		return nil
	})
	if err == nil && p.name == "" {
		err = errRow
	}
	return p, err
}

// text is a row that holds one string.
func encodeText(s string) []byte { return s3.AppendString([]byte{formPlain}, 1, s) }

func decodeText(row []byte) (s string, err error) {
	err = fields(row, func(num protowire.Number, _ uint64, raw, _ []byte) error {
		if num == 1 {
			s = string(raw)
		}
		return nil
	})
	return s, err
}

// pack puts the form in front of fields, and compresses what is long. Documents
// may be white space for the most part, which does not count against AWS's
// limits.
func pack(fields []byte) ([]byte, error) {
	if len(fields) < packFrom {
		return append([]byte{formPlain}, fields...), nil
	}
	var b bytes.Buffer
	b.WriteByte(formDeflate)
	w, err := flate.NewWriter(&b, flate.DefaultCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(fields); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	if b.Len() > realm.RowMax {
		return nil, errRowLong
	}
	return b.Bytes(), nil
}

// fields calls f for each field of a row.
func fields(row []byte, f func(num protowire.Number, x uint64, raw, field []byte) error) error {
	if len(row) == 0 {
		return errRow
	}
	b := row[1:]
	switch row[0] {
	case formPlain:
	case formDeflate:
		var err error
		r := flate.NewReader(bytes.NewReader(b))
		if b, err = io.ReadAll(io.LimitReader(r, fieldsMax+1)); err != nil || len(b) > fieldsMax {
			return errRow
		}
	default:
		return fmt.Errorf("%w: form %d", errRow, row[0])
	}
	return s3.Fields(b, f)
}

func pair(raw []byte) (a, b string, err error) {
	err = s3.Fields(raw, func(num protowire.Number, _ uint64, raw, _ []byte) error {
		switch num {
		case 1:
			a = string(raw)
		case 2:
			b = string(raw)
		}
		return nil
	})
	return a, b, err
}

func appendTags(b []byte, num protowire.Number, tags []tag) []byte {
	for _, t := range tags {
		b = s3.AppendBytes(b, num, s3.AppendString(s3.AppendString(nil, 1, t.key), 2, t.value))
	}
	return b
}

// appendTime appends milliseconds of Unix time, unless the time is zero.
func appendTime(b []byte, num protowire.Number, t time.Time) []byte {
	if t.IsZero() {
		return b
	}
	return s3.AppendUint(b, num, uint64(t.UnixMilli()))
}

func fromMillis(x uint64) time.Time {
	if x == 0 {
		return time.Time{}
	}
	return time.UnixMilli(int64(x)).UTC()
}
