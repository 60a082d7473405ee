package rule

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// node is a JSON value with its members in their order. Exactly one of the
// fields besides kind is used.
type node struct {
	kind    nodeKind
	text    string // of a string; digits of a number
	on      bool
	items   []*node // of an array, or the values of an object
	members []string
}

type nodeKind uint8

const (
	nodeNull nodeKind = iota
	nodeBool
	nodeNumber
	nodeString
	nodeArray
	nodeObject
)

// jsonDepthMax bounds the nesting of a policy; conditions nest six deep.
const jsonDepthMax = 32

// parseJSON reads one JSON value strictly: what encoding/json lets through and
// two readers could understand differently (repeated members, surrogates
// without their pair, invalid UTF-8, something after the value) is an error.
func parseJSON(raw []byte) (*node, error) {
	if !utf8.Valid(raw) {
		return nil, errors.New("invalid UTF-8")
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	n, err := parseNode(dec, 0)
	if err != nil {
		return nil, err
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, errors.New("something after the value")
	}
	return n, nil
}

func parseNode(dec *json.Decoder, depth int) (*node, error) {
	if depth == jsonDepthMax {
		return nil, errors.New("nested too deep")
	}
	t, err := dec.Token()
	if err != nil {
		return nil, err
	}
	switch v := t.(type) {
	case nil:
		return &node{kind: nodeNull}, nil
	case bool:
		return &node{kind: nodeBool, on: v}, nil
	case json.Number:
		return &node{kind: nodeNumber, text: v.String()}, nil
	case string:
		// The decoder puts this character where it reads half of a surrogate pair.
		if strings.ContainsRune(v, utf8.RuneError) {
			return nil, errors.New("replacement character or lone surrogate")
		}
		return &node{kind: nodeString, text: v}, nil
	case json.Delim:
		n := &node{kind: nodeArray}
		if v == '{' {
			n.kind = nodeObject
		}
		for dec.More() {
			if n.kind == nodeObject {
				k, err := parseNode(dec, depth)
				if err != nil {
					return nil, err
				}
				if n.member(k.text) != nil {
					return nil, fmt.Errorf("member %q twice", k.text)
				}
				n.members = append(n.members, k.text)
			}
			item, err := parseNode(dec, depth+1)
			if err != nil {
				return nil, err
			}
			n.items = append(n.items, item)
		}
		_, err := dec.Token()
		return n, err
	}
	return nil, fmt.Errorf("token %v", t)
}

// member gives an object's member, or nil.
func (n *node) member(name string) *node {
	for i, m := range n.members {
		if m == name && i < len(n.items) {
			return n.items[i]
		}
	}
	return nil
}

// strings gives a string, or an array of strings, as a list; !ok for others
// and for an empty array.
func (n *node) strings() (list []*node, ok bool) {
	if n.kind == nodeString {
		return []*node{n}, true
	}
	if n.kind != nodeArray || len(n.items) == 0 {
		return nil, false
	}
	for _, i := range n.items {
		if i.kind != nodeString {
			return nil, false
		}
	}
	return n.items, true
}

// append writes the value without white space.
func (n *node) append(b []byte) []byte {
	switch n.kind {
	case nodeBool:
		return fmt.Append(b, n.on)
	case nodeNumber:
		return append(b, n.text...)
	case nodeString:
		return appendJSONString(b, n.text)
	case nodeArray, nodeObject:
		brackets := "[]"
		if n.kind == nodeObject {
			brackets = "{}"
		}
		b = append(b, brackets[0])
		for i, item := range n.items {
			if i > 0 {
				b = append(b, ',')
			}
			if n.kind == nodeObject {
				b = append(appendJSONString(b, n.members[i]), ':')
			}
			b = item.append(b)
		}
		return append(b, brackets[1])
	}
	return append(b, "null"...)
}

func appendJSONString(b []byte, s string) []byte {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s) // a string always has a JSON form, and a Buffer takes it
	return append(b, bytes.TrimSuffix(buf.Bytes(), []byte("\n"))...)
}
