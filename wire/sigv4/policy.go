package sigv4

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/farhold/farhold/awserr"
)

// PolicyMax bounds a POST policy in base64, in bytes. AWS bounds all the fields
// of a form together with it.
const PolicyMax = 20 << 10

// The errors of POST policies.
var (
	errPolicyDocument = awserr.New("InvalidPolicyDocument", 400, "Invalid Policy: Invalid JSON.")
	errPolicyExpired  = awserr.New("AccessDenied", 403, "Invalid according to Policy: Policy expired.")
	errPolicyDenied   = awserr.New("AccessDenied", 403, "Invalid according to Policy: Policy Condition failed")
	errEntityTooLarge = awserr.New("EntityTooLarge", 400, "Your proposed upload exceeds the maximum allowed size")
	errEntityTooSmall = awserr.New("EntityTooSmall", 400, "Your proposed upload is smaller than the minimum allowed size")
)

// Policy is a POST policy: what a form's signer allows.
type Policy struct {
	Document   []byte // the JSON
	Expires    time.Time
	conditions []condition
	lengths    []lengthRange
}

// condition is eq or starts-with on a field.
type condition struct {
	prefix bool
	field  string // lower case, without $; "" if the policy forgot the $
	value  string
	text   string // as AWS prints it
}

// lengthRange is a content-length-range, both ends included, in bytes.
type lengthRange struct{ min, max int64 }

func badPolicy(format string, args ...any) error {
	return refuse(errPolicyDocument.Text("Invalid Policy: "+format, args...), PolicyBad)
}

// ParsePolicy reads a policy in base64. It is strict: member names are
// case-sensitive, none may be unknown, repeated or missing.
func ParsePolicy(text string) (*Policy, error) {
	if len(text) > PolicyMax {
		return nil, badPolicy("the policy is larger than %d bytes.", PolicyMax)
	}
	doc, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, badPolicy("invalid Base64 encoding.")
	}
	if len(bytes.TrimSpace(doc)) == 0 {
		return nil, badPolicy("Expecting '{' but found End-of-Input")
	}
	members, err := object(doc)
	if err != nil {
		return nil, badPolicy("Invalid JSON.")
	}
	p := &Policy{Document: doc}
	var expiration, conditions json.RawMessage
	for _, m := range members {
		switch m.name {
		case "expiration":
			expiration = m.value
		case "conditions":
			conditions = m.value
		default:
			return nil, badPolicy("Unexpected: '%s'", strings.ToLower(m.name))
		}
	}
	if expiration == nil {
		return nil, badPolicy("Policy missing expiration.")
	}
	var when string
	if json.Unmarshal(expiration, &when) != nil || string(expiration) == "null" {
		return nil, badPolicy("Invalid 'expiration' value: '%s'", strings.Trim(string(expiration), `"`))
	}
	if p.Expires, err = policyTime(when); err != nil {
		return nil, badPolicy("Invalid 'expiration' value: '%s'", when)
	}
	if conditions == nil {
		return nil, badPolicy("Policy missing conditions.")
	}
	var list []json.RawMessage
	if conditions[0] != '[' || json.Unmarshal(conditions, &list) != nil {
		return nil, badPolicy("Invalid 'conditions' value: must be a List.")
	}
	for _, raw := range list {
		if err := p.add(raw); err != nil {
			return nil, err
		}
	}
	return p, nil
}

type member struct {
	name  string
	value json.RawMessage
}

var errJSON = errors.New("sigv4: invalid JSON")

// object reads the members of a JSON object in order and refuses repeated
// names, of which encoding/json would silently take the last.
func object(doc []byte) ([]member, error) {
	d := json.NewDecoder(bytes.NewReader(doc))
	t, err := d.Token()
	if err != nil || t != json.Delim('{') {
		return nil, errJSON
	}
	var out []member
	for d.More() {
		t, err := d.Token()
		name, ok := t.(string)
		if err != nil || !ok || slices.ContainsFunc(out, func(m member) bool { return m.name == name }) {
			return nil, errJSON
		}
		m := member{name: name}
		if d.Decode(&m.value) != nil {
			return nil, errJSON
		}
		out = append(out, m)
	}
	if _, err := d.Token(); err != nil {
		return nil, errJSON
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errJSON
	}
	return out, nil
}

// add reads one condition.
func (p *Policy) add(raw json.RawMessage) error {
	switch raw[0] {
	case '{':
		members, err := object(raw)
		if err != nil {
			return badPolicy("Invalid JSON.")
		}
		if len(members) != 1 {
			return badPolicy("Invalid Simple-Condition: Simple-Conditions must have exactly one property specified.")
		}
		m := members[0]
		if string(m.value) == "null" {
			return badPolicy("Invalid JSON.")
		}
		var value string
		if json.Unmarshal(m.value, &value) != nil {
			return badPolicy("Invalid Simple-Condition: value must be a string.")
		}
		p.conditions = append(p.conditions, condition{field: strings.ToLower(m.name), value: value,
			text: printCondition(quote("eq"), quote("$"+m.name), quote(value))})
		return nil
	case '[':
		return p.addList(raw)
	}
	return badPolicy("Invalid condition test: must be a List or Object.")
}

func (p *Policy) addList(raw json.RawMessage) error {
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) != nil {
		return badPolicy("Invalid JSON.")
	}
	if len(list) == 0 {
		return badPolicy("Invalid Condition: missing operation identifier.")
	}
	var op string
	if json.Unmarshal(list[0], &op) != nil || list[0][0] != '"' {
		return badPolicy("Invalid JSON.")
	}
	lower := strings.ToLower(op)
	if lower != "eq" && lower != "starts-with" && lower != "content-length-range" {
		return badPolicy("Invalid Condition: unknown operation '%s'.", op)
	}
	if len(list) != 3 {
		return badPolicy("Invalid %s: wrong number of arguments.", op)
	}
	if lower == "content-length-range" {
		return p.addRange(op, list)
	}
	var field, value string
	if list[1][0] != '"' || list[2][0] != '"' || json.Unmarshal(list[1], &field) != nil || json.Unmarshal(list[2], &value) != nil {
		return badPolicy("Invalid JSON.")
	}
	c := condition{prefix: lower == "starts-with", value: value, text: printCondition(quote(op), quote(field), quote(value))}
	if name, ok := strings.CutPrefix(field, "$"); ok {
		c.field = strings.ToLower(name)
	}
	p.conditions = append(p.conditions, c)
	return nil
}

// addRange reads content-length-range, whose ends S3 takes as numbers or as
// strings of digits. Ends that are other strings make a condition that fails.
func (p *Policy) addRange(op string, list []json.RawMessage) error {
	var r lengthRange
	for i, to := range []*int64{&r.min, &r.max} {
		text := string(list[i+1])
		if text[0] == '"' {
			if json.Unmarshal(list[i+1], &text) != nil {
				return badPolicy("Invalid JSON.")
			}
			n, err := strconv.ParseInt(text, 10, 64)
			if err != nil {
				p.conditions = append(p.conditions, condition{text: printCondition(quote(op), string(list[1]), string(list[2]))})
				return nil
			}
			*to = n
			continue
		}
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return badPolicy("Invalid JSON.")
		}
		*to = n
	}
	p.lengths = append(p.lengths, r)
	return nil
}

// quote writes a JSON string without HTML's escapes.
func quote(s string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if e.Encode(s) != nil {
		return `""`
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func printCondition(parts ...string) string { return "[" + strings.Join(parts, ", ") + "]" }

// exempt tells the fields that no condition needs to name.
func exempt(lower string) bool {
	switch lower {
	case "policy", "file", "x-amz-signature", "signature", "awsaccesskeyid":
		return true
	}
	return strings.HasPrefix(lower, "x-ignore-")
}

// Check holds a form against the policy: not expired, every condition met,
// every field named by a condition. The bucket's condition is held against
// bucket, to which the form was posted, whatever field the form has.
func (p *Policy) Check(form Form, bucket string, now time.Time) error {
	if !now.Before(p.Expires) {
		return refuse(errPolicyExpired, Expired)
	}
	named := make(map[string]bool, len(p.conditions))
	for _, c := range p.conditions {
		named[c.field] = true
		if !c.met(form, bucket) {
			return refuse(errPolicyDenied.Text("Invalid according to Policy: Policy Condition failed: %s", c.text), PolicyDenied)
		}
	}
	var extra []string
	for _, f := range form {
		lower := strings.ToLower(f.Name)
		if lower == "bucket" && f.Value != bucket {
			return refuse(errPolicyDenied.Text("Invalid according to Policy: Policy Condition failed: %s", printCondition(quote("eq"), quote("$bucket"), quote(f.Value))), PolicyDenied)
		}
		if !exempt(lower) && !named[lower] && !slices.Contains(extra, f.Name) {
			extra = append(extra, f.Name)
		}
	}
	if extra != nil {
		return refuse(errPolicyDenied.Text("Invalid according to Policy: Extra input fields: %s", strings.Join(extra, ", ")), PolicyDenied)
	}
	return nil
}

// met tells whether every field of the condition's name satisfies it. A field
// that is absent satisfies nothing, not even an empty prefix.
func (c *condition) met(form Form, bucket string) bool {
	if c.field == "" {
		return false
	}
	if c.field == "bucket" {
		return c.test(bucket)
	}
	found := false
	for _, f := range form {
		if !strings.EqualFold(f.Name, c.field) {
			continue
		}
		found = true
		if c.field == "content-type" && c.prefix {
			// A list of types begins with the prefix if each of them does.
			for one := range strings.SplitSeq(f.Value, ",") {
				if !c.test(one) {
					return false
				}
			}
			continue
		}
		if !c.test(f.Value) {
			return false
		}
	}
	return found
}

func (c *condition) test(value string) bool {
	if c.prefix {
		return strings.HasPrefix(value, c.value)
	}
	return value == c.value
}

// CheckLength holds the length of the file, in bytes, against the policy's
// ranges.
func (p *Policy) CheckLength(n int64) error {
	for _, r := range p.lengths {
		switch {
		case n > r.max:
			return refuse(errEntityTooLarge.With("ProposedSize", strconv.FormatInt(n, 10)).With("MaxSizeAllowed", strconv.FormatInt(r.max, 10)), PolicyDenied)
		case n < r.min:
			return refuse(errEntityTooSmall.With("ProposedSize", strconv.FormatInt(n, 10)).With("MinSizeAllowed", strconv.FormatInt(r.min, 10)), PolicyDenied)
		}
	}
	return nil
}

// LengthMax is the longest file that the policy allows, in bytes, so that a
// reader can stop early. Without a range it is math.MaxInt64.
func (p *Policy) LengthMax() int64 {
	n := int64(math.MaxInt64)
	for _, r := range p.lengths {
		n = min(n, r.max)
	}
	return n
}
