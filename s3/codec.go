package s3

import (
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/farhold/farhold/stamp"
)

// A version is stored and shipped as a sequence of tagged fields in the
// protocol buffers wire format, described in docs/formats/version.md. Numbers
// below FieldForeign belong to this package; others are kept for whoever wrote
// them, so that an older binary does not lose what a newer one added.

// FieldForeign is the first field number that is not of a Version.
const FieldForeign = 64

// ErrVersionFormat is returned for bytes that are no encoded version.
var ErrVersionFormat = errors.New("s3: malformed version record")

// Field numbers. Those with names for others are what listings read of a row
// without reading the rest.
const (
	fieldKey protowire.Number = iota + 1
	fieldID
	FieldFlags
	FieldModified
	FieldSize
	FieldETag
	FieldChecksum
	fieldDigest
	fieldSystem
	fieldMeta
	FieldClass
	FieldOwner
	fieldSSE
	fieldPart
	fieldPartsCount
	fieldTags
	fieldRetention
	fieldHold
	fieldACL
	fieldOrigin
	fieldTarget
)

const (
	flagNull = 1 << iota
	flagMarker
	flagReplica
)

// Flags reads the value of FieldFlags.
func Flags(x uint64) (marker, null bool) { return x&flagMarker != 0, x&flagNull != 0 }

// ChecksumKind reads the algorithm and the type of a FieldChecksum.
func ChecksumKind(raw []byte) (ChecksumAlgorithm, ChecksumType, error) {
	c, err := getChecksum(raw)
	return c.Algorithm, c.Type, err
}

// AppendVersion appends the fields of v to b.
func AppendVersion(b []byte, v *Version) []byte {
	b = AppendString(b, fieldKey, v.Key)
	b = AppendBytes(b, fieldID, v.ID[:])
	var flags uint64
	if v.Null {
		flags |= flagNull
	}
	if v.Marker {
		flags |= flagMarker
	}
	if v.Replica {
		flags |= flagReplica
	}
	b = AppendUint(b, FieldFlags, flags)
	b = AppendUint(b, FieldModified, uint64(v.Modified.UnixMilli()))
	b = AppendUint(b, FieldSize, uint64(v.Size))
	b = AppendString(b, FieldETag, v.ETag)
	b = putChecksum(b, FieldChecksum, v.Checksum)
	if v.Digest != 0 {
		b = protowire.AppendTag(b, fieldDigest, protowire.Fixed64Type)
		b = protowire.AppendFixed64(b, v.Digest)
	}
	for _, h := range v.System {
		b = putPair(b, fieldSystem, h.Name, h.Value)
	}
	for _, h := range v.Meta {
		b = putPair(b, fieldMeta, h.Name, h.Value)
	}
	if v.Class != Standard {
		b = AppendString(b, FieldClass, string(v.Class))
	}
	b = AppendString(b, FieldOwner, v.Owner)
	if v.SSE != (SSE{}) {
		m := AppendString(nil, 1, v.SSE.Algorithm)
		m = AppendString(m, 2, v.SSE.KeyID)
		m = putBool(m, 3, v.SSE.BucketKey)
		m = AppendString(m, 4, v.SSE.CustomerKeyMD5)
		b = AppendBytes(b, fieldSSE, m)
	}
	for i := range v.Parts {
		b = AppendBytes(b, fieldPart, AppendPart(nil, &v.Parts[i]))
	}
	b = AppendUint(b, fieldPartsCount, uint64(v.PartsCount))
	if r := &v.Tags; !r.At.IsZero() || len(r.Tags) > 0 {
		m := putStamp(nil, 1, r.At)
		for _, t := range r.Tags {
			m = putPair(m, 2, t.Key, t.Value)
		}
		b = AppendBytes(b, fieldTags, m)
	}
	if r := &v.Retention; !r.At.IsZero() || r.Mode != "" {
		m := putStamp(nil, 1, r.At)
		m = AppendString(m, 2, string(r.Mode))
		if !r.Until.IsZero() {
			m = AppendUint(m, 3, uint64(r.Until.UnixMilli()))
		}
		m = putBool(m, 4, r.Joined)
		b = AppendBytes(b, fieldRetention, m)
	}
	if r := &v.Hold; !r.At.IsZero() || r.Set {
		m := putStamp(nil, 1, r.At)
		m = putBool(m, 2, r.On)
		m = putBool(m, 3, r.Set)
		m = putBool(m, 4, r.Joined)
		b = AppendBytes(b, fieldHold, m)
	}
	if r := &v.ACL; !r.At.IsZero() || r.Canned != "" || len(r.Document) > 0 {
		m := putStamp(nil, 1, r.At)
		m = AppendString(m, 2, r.Canned)
		m = AppendBytes(m, 3, r.Document)
		b = AppendBytes(b, fieldACL, m)
	}
	b = AppendString(b, fieldOrigin, v.Origin)
	for i := range v.Targets {
		t := &v.Targets[i]
		m := AppendString(nil, 1, t.Rule)
		m = AppendString(m, 2, t.Bucket)
		m = AppendString(m, 3, t.Region)
		m = AppendString(m, 4, string(t.Class))
		m = AppendString(m, 5, string(t.Status))
		m = AppendString(m, 6, t.Reason)
		m = putStamp(m, 7, t.Want)
		m = putStamp(m, 8, t.Done)
		m = AppendString(m, 9, string(t.UID))
		m = AppendUint(m, 10, uint64(t.Open))
		m = AppendString(m, 11, t.KeyID)
		m = AppendString(m, 12, t.Owner)
		m = AppendUint(m, 13, uint64(t.Failed))
		b = AppendBytes(b, fieldTarget, m)
	}
	return b
}

// ParseVersion reads what AppendVersion wrote. Fields that are not of a
// Version are given to foreign, tag included, or dropped when it is nil.
func ParseVersion(b []byte, foreign func(num protowire.Number, field, value []byte) error) (Version, error) {
	var v Version
	err := Fields(b, func(num protowire.Number, x uint64, raw, field []byte) error {
		var err error
		switch num {
		case fieldKey:
			v.Key = string(raw)
		case fieldID:
			v.ID, err = getStamp(raw)
		case FieldFlags:
			v.Null, v.Marker, v.Replica = x&flagNull != 0, x&flagMarker != 0, x&flagReplica != 0
		case FieldModified:
			v.Modified = time.UnixMilli(int64(x)).UTC()
		case FieldSize:
			v.Size = int64(x)
		case FieldETag:
			v.ETag = string(raw)
		case FieldChecksum:
			v.Checksum, err = getChecksum(raw)
		case fieldDigest:
			v.Digest = x
		case fieldSystem:
			v.System, err = getHeader(v.System, raw)
		case fieldMeta:
			v.Meta, err = getHeader(v.Meta, raw)
		case FieldClass:
			v.Class = StorageClass(raw)
		case FieldOwner:
			v.Owner = string(raw)
		case fieldSSE:
			v.SSE, err = getSSE(raw)
		case fieldPart:
			var p Part
			p, err = ParsePart(raw)
			v.Parts = append(v.Parts, p)
		case fieldPartsCount:
			v.PartsCount = int(x)
		case fieldTags:
			v.Tags, err = getTags(raw)
		case fieldRetention:
			v.Retention, err = getRetention(raw)
		case fieldHold:
			v.Hold, err = getHold(raw)
		case fieldACL:
			v.ACL, err = getACL(raw)
		case fieldOrigin:
			v.Origin = string(raw)
		case fieldTarget:
			var t Target
			t, err = getTarget(raw)
			v.Targets = append(v.Targets, t)
		default:
			if foreign != nil {
				err = foreign(num, field, raw)
			}
		}
		return err
	})
	if err == nil && v.Key == "" {
		err = ErrVersionFormat
	}
	if v.Class == "" {
		v.Class = Standard
	}
	return v, err
}

// AppendPart appends the fields of a part.
func AppendPart(b []byte, p *Part) []byte {
	b = AppendUint(b, 1, uint64(p.Number))
	b = AppendUint(b, 2, uint64(p.Size))
	b = AppendString(b, 3, p.ETag)
	b = putChecksum(b, 4, p.Checksum)
	if !p.Modified.IsZero() {
		b = AppendUint(b, 5, uint64(p.Modified.UnixMilli()))
	}
	return b
}

// ParsePart reads what AppendPart wrote, ignoring other fields.
func ParsePart(b []byte) (Part, error) {
	var p Part
	err := Fields(b, func(num protowire.Number, x uint64, raw, _ []byte) (err error) {
		switch num {
		case 1:
			p.Number = int(x)
		case 2:
			p.Size = int64(x)
		case 3:
			p.ETag = string(raw)
		case 4:
			p.Checksum, err = getChecksum(raw)
		case 5:
			p.Modified = time.UnixMilli(int64(x)).UTC()
		}
		return err
	})
	return p, err
}

// AppendSide appends the registers of v alone: what a change of side data ships.
func AppendSide(b []byte, v *Version) []byte {
	side := Version{Key: v.Key, ID: v.ID, Tags: v.Tags, Retention: v.Retention, Hold: v.Hold, ACL: v.ACL}
	return AppendVersion(b, &side)
}

// Fields calls f for each field of an encoded record: its number, its value as
// a number or as bytes, and the whole field.
func Fields(b []byte, f func(num protowire.Number, x uint64, raw, field []byte) error) error {
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return ErrVersionFormat
		}
		var (
			x   uint64
			raw []byte
			m   int
		)
		switch typ {
		case protowire.VarintType:
			x, m = protowire.ConsumeVarint(b[n:])
		case protowire.Fixed64Type:
			x, m = protowire.ConsumeFixed64(b[n:])
		case protowire.BytesType:
			raw, m = protowire.ConsumeBytes(b[n:])
		default:
			m = -1
		}
		if m < 0 {
			return ErrVersionFormat
		}
		if err := f(num, x, raw, b[:n+m]); err != nil {
			return fmt.Errorf("field %d: %w", num, err)
		}
		b = b[n+m:]
	}
	return nil
}

// AppendUint appends a number as a field, unless it is 0.
func AppendUint(b []byte, num protowire.Number, x uint64) []byte {
	if x == 0 {
		return b
	}
	return protowire.AppendVarint(protowire.AppendTag(b, num, protowire.VarintType), x)
}

func putBool(b []byte, num protowire.Number, x bool) []byte {
	if !x {
		return b
	}
	return AppendUint(b, num, 1)
}

// AppendBytes appends bytes as a field, unless there are none.
func AppendBytes(b []byte, num protowire.Number, x []byte) []byte {
	if len(x) == 0 {
		return b
	}
	return protowire.AppendBytes(protowire.AppendTag(b, num, protowire.BytesType), x)
}

// AppendString appends a string as a field, unless it is empty.
func AppendString(b []byte, num protowire.Number, x string) []byte {
	if x == "" {
		return b
	}
	return protowire.AppendString(protowire.AppendTag(b, num, protowire.BytesType), x)
}

func putStamp(b []byte, num protowire.Number, s stamp.Stamp) []byte {
	if s.IsZero() {
		return b
	}
	return AppendBytes(b, num, s[:])
}

func putPair(b []byte, num protowire.Number, name, value string) []byte {
	b = protowire.AppendTag(b, num, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(protowire.SizeBytes(len(name))+1+protowire.SizeBytes(len(value))+1))
	b = protowire.AppendString(protowire.AppendTag(b, 1, protowire.BytesType), name)
	return protowire.AppendString(protowire.AppendTag(b, 2, protowire.BytesType), value)
}

func putChecksum(b []byte, num protowire.Number, c Checksum) []byte {
	if c.IsZero() {
		return b
	}
	m := AppendString(nil, 1, string(c.Algorithm))
	m = AppendString(m, 2, string(c.Type))
	m = AppendString(m, 3, c.Value)
	return AppendBytes(b, num, m)
}

func getStamp(raw []byte) (s stamp.Stamp, err error) {
	if len(raw) != len(s) {
		return s, ErrVersionFormat
	}
	copy(s[:], raw)
	return s, nil
}

func getPair(raw []byte) (name, value string, err error) {
	err = Fields(raw, func(num protowire.Number, _ uint64, raw, _ []byte) error {
		switch num {
		case 1:
			name = string(raw)
		case 2:
			value = string(raw)
		}
		return nil
	})
	return name, value, err
}

func getHeader(list []Header, raw []byte) ([]Header, error) {
	name, value, err := getPair(raw)
	return append(list, Header{name, value}), err
}

func getChecksum(raw []byte) (c Checksum, err error) {
	err = Fields(raw, func(num protowire.Number, _ uint64, raw, _ []byte) error {
		switch num {
		case 1:
			c.Algorithm = ChecksumAlgorithm(raw)
		case 2:
			c.Type = ChecksumType(raw)
		case 3:
			c.Value = string(raw)
		}
		return nil
	})
	return c, err
}

func getSSE(raw []byte) (s SSE, err error) {
	err = Fields(raw, func(num protowire.Number, x uint64, raw, _ []byte) error {
		switch num {
		case 1:
			s.Algorithm = string(raw)
		case 2:
			s.KeyID = string(raw)
		case 3:
			s.BucketKey = x != 0
		case 4:
			s.CustomerKeyMD5 = string(raw)
		}
		return nil
	})
	return s, err
}

func getTags(raw []byte) (r TagRegister, err error) {
	err = Fields(raw, func(num protowire.Number, _ uint64, raw, _ []byte) (err error) {
		switch num {
		case 1:
			r.At, err = getStamp(raw)
		case 2:
			var t Tag
			t.Key, t.Value, err = getPair(raw)
			r.Tags = append(r.Tags, t)
		}
		return err
	})
	return r, err
}

func getRetention(raw []byte) (r RetentionRegister, err error) {
	err = Fields(raw, func(num protowire.Number, x uint64, raw, _ []byte) (err error) {
		switch num {
		case 1:
			r.At, err = getStamp(raw)
		case 2:
			r.Mode = RetentionMode(raw)
		case 3:
			r.Until = time.UnixMilli(int64(x)).UTC()
		case 4:
			r.Joined = x != 0
		}
		return err
	})
	return r, err
}

func getHold(raw []byte) (r HoldRegister, err error) {
	err = Fields(raw, func(num protowire.Number, x uint64, raw, _ []byte) (err error) {
		switch num {
		case 1:
			r.At, err = getStamp(raw)
		case 2:
			r.On = x != 0
		case 3:
			r.Set = x != 0
		case 4:
			r.Joined = x != 0
		}
		return err
	})
	return r, err
}

func getACL(raw []byte) (r ACLRegister, err error) {
	err = Fields(raw, func(num protowire.Number, _ uint64, raw, _ []byte) (err error) {
		switch num {
		case 1:
			r.At, err = getStamp(raw)
		case 2:
			r.Canned = string(raw)
		case 3:
			r.Document = append([]byte(nil), raw...)
		}
		return err
	})
	return r, err
}

func getTarget(raw []byte) (t Target, err error) {
	err = Fields(raw, func(num protowire.Number, x uint64, raw, _ []byte) (err error) {
		switch num {
		case 1:
			t.Rule = string(raw)
		case 2:
			t.Bucket = string(raw)
		case 3:
			t.Region = string(raw)
		case 4:
			t.Class = StorageClass(raw)
		case 5:
			t.Status = Status(raw)
		case 6:
			t.Reason = string(raw)
		case 7:
			t.Want, err = getStamp(raw)
		case 8:
			t.Done, err = getStamp(raw)
		case 9:
			t.UID = UID(raw)
		case 10:
			t.Open = int(x)
		case 11:
			t.KeyID = string(raw)
		case 12:
			t.Owner = string(raw)
		case 13:
			t.Failed = int(x)
		}
		return err
	})
	return t, err
}
