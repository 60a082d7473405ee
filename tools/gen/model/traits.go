package model

import (
	"encoding/json"
	"fmt"
)

// memberTraits reads the traits of a member: a number of bits, or an object.
func memberTraits(m *Member, raw json.RawMessage) error {
	var bits int
	if json.Unmarshal(raw, &bits) == nil {
		const known = bitLabel | 2 | 4 | bitSensitive | bitPayload | bitCode | bitParams // 2, 4: idempotent, its token
		if bits&^known != 0 {
			return fmt.Errorf("trait bits %d", bits)
		}
		m.bits(bits)
		return nil
	}
	return object(raw, func(_ int, name string, v json.RawMessage) error {
		var s string
		text := func() error { return json.Unmarshal(v, &s) }
		switch name {
		case "httpHeader":
			err := text()
			m.Where, m.WireName = Header, s
			return err
		case "httpPrefixHeaders":
			err := text()
			m.Where, m.WireName = Prefix, s
			return err
		case "httpQuery":
			err := text()
			m.Where, m.WireName = Query, s
			return err
		case "httpPayload":
			m.Where = Payload
		case "hostLabel":
			// The account in s3-control's host name; the member travels elsewhere too.
		case "httpLabel":
			m.Where = Label
		case "xmlName":
			err := text()
			m.XMLName = s
			return err
		case "xmlFlattened":
			m.Flattened = true
		case "xmlAttribute":
			m.Attribute = true
		case "xmlNamespace":
			// Only on Grantee, whose xsi:type restxml knows.
		case "streaming":
			m.Stream = true
		case "eventPayload", "idempotencyToken":
		default:
			return fmt.Errorf("member trait %q", name)
		}
		return nil
	})
}

func (m *Member) bits(bits int) {
	if bits&bitLabel != 0 {
		m.Where = Label
	}
	if bits&bitSensitive != 0 {
		m.Sensitive = true
	}
	if bits&bitPayload != 0 {
		m.Where = Payload
	}
	if bits&bitCode != 0 {
		m.Where = Code
	}
	if bits&bitParams != 0 {
		m.Where = Params
	}
}

func (l loader) shapeTraits(s *Shape, raw json.RawMessage) error {
	var bits int
	if raw == nil || json.Unmarshal(raw, &bits) == nil {
		return nil
	}
	return object(raw, func(_ int, name string, v json.RawMessage) error {
		switch name {
		case "xmlName":
			return json.Unmarshal(v, &s.XMLName)
		case "awsQueryError":
			var pair []json.RawMessage
			if err := json.Unmarshal(v, &pair); err != nil || len(pair) != 2 {
				return fmt.Errorf("awsQueryError %s", v)
			}
			if err := json.Unmarshal(pair[0], &s.Code); err != nil {
				return err
			}
			return json.Unmarshal(pair[1], &s.HTTPCode)
		case "httpError":
			return json.Unmarshal(v, &s.HTTPCode)
		case "error", "streaming", "xmlNamespace":
			return nil
		}
		return fmt.Errorf("shape trait %q", name)
	})
}

func opTraits(op *Op, raw json.RawMessage) error {
	var bits int
	if raw == nil || json.Unmarshal(raw, &bits) == nil {
		return nil
	}
	return object(raw, func(_ int, name string, v json.RawMessage) error {
		switch name {
		case "http":
			var t []json.RawMessage
			if err := json.Unmarshal(v, &t); err != nil || len(t) != 3 {
				return fmt.Errorf("http %s", v)
			}
			if err := json.Unmarshal(t[0], &op.Method); err != nil {
				return err
			}
			if err := json.Unmarshal(t[1], &op.URI); err != nil {
				return err
			}
			return json.Unmarshal(t[2], &op.Status)
		case "httpChecksum", "httpChecksumRequired", "endpoint":
			return nil
		}
		return fmt.Errorf("operation trait %q", name)
	})
}
