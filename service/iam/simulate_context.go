package iam

import (
	"encoding/base64"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/farhold/farhold/wire/shapes/iam"
)

// addEntries puts the request's context keys before those that follow from who
// is simulated.
func (m *simulation) addEntries(entries []iamshapes.ContextEntry) error {
	seen := map[string]bool{}
	for _, e := range entries {
		name, kind := value(e.ContextKeyName), value(e.ContextKeyType)
		if name == "" {
			return ErrInvalidInput.Text("A context entry has no ContextKeyName.")
		}
		key := contextKey(name)
		if seen[key] {
			return ErrInvalidInput.Text("The context key %s is given twice.", name)
		}
		seen[key] = true
		base, list := strings.CutSuffix(kind, "List")
		if !list && len(e.ContextKeyValues) > 1 {
			return ErrInvalidInput.Text("The context key %s of type %s has more than one value.", name, kind)
		}
		for _, v := range e.ContextKeyValues {
			if !fits(base, v) {
				return ErrInvalidInput.Text("The value %s of the context key %s is not of type %s.", v, name, kind)
			}
		}
		m.entries[key] = e.ContextKeyValues
	}
	return nil
}

// contextKey gives the name under which policies ask for a key.
func contextKey(name string) string {
	head, tail, ok := strings.Cut(name, "/")
	if ok {
		return strings.ToLower(head) + "/" + tail
	}
	return strings.ToLower(name)
}

// fits tells whether a value has a type.
func fits(kind, v string) bool {
	var err error
	switch kind {
	case "numeric":
		_, err = strconv.ParseFloat(v, 64)
	case "boolean":
		return strings.EqualFold(v, "true") || strings.EqualFold(v, "false")
	case "ip":
		if _, err = netip.ParseAddr(v); err != nil {
			_, err = netip.ParsePrefix(v)
		}
	case "binary":
		_, err = base64.StdEncoding.DecodeString(v)
	case "date":
		if _, err = strconv.ParseInt(v, 10, 64); err == nil {
			return true
		}
		for _, layout := range []string{time.RFC3339, "2006-01-02T15:04Z07:00", "2006-01-02"} {
			if _, err = time.Parse(layout, v); err == nil {
				return true
			}
		}
	}
	return err == nil
}
