package iam

import (
	"encoding/base64"
	"fmt"
	"iter"
	"strings"
)

// pageSize is how many entries a page has when the request does not say.
const pageSize = 100

// after gives the key behind which a page begins. Markers are opaque to
// clients.
func after(marker *string) (string, error) {
	if marker == nil {
		return "", nil
	}
	b, err := base64.RawURLEncoding.DecodeString(*marker)
	rest, ok := strings.CutPrefix(string(b), "1:")
	if err != nil || !ok {
		return "", errMarker
	}
	return rest, nil
}

func markerOf(key string) *string {
	return ptr(base64.RawURLEncoding.EncodeToString([]byte("1:" + key)))
}

// page takes one page of a sequence of keys and entries in the order of keys,
// which begins behind the marker's key.
func page[T any](seq iter.Seq2[string, T], max *int32) (list []T, truncated *bool, marker *string) {
	n := pageSize
	if max != nil {
		n = int(*max)
	}
	list = []T{} // an empty list is answered as one
	last := ""
	for key, v := range seq {
		if len(list) == n {
			return list, ptr(true), markerOf(last)
		}
		list, last = append(list, v), key
	}
	return list, ptr(false), nil
}

// pageOf takes one page of a short list that is in the order of its keys.
func pageOf[S, T any](all []S, key func(S) string, as func(S) T, marker *string, max *int32) (list []T, truncated *bool, next *string, err error) {
	from, err := after(marker)
	if err != nil {
		return nil, nil, nil, err
	}
	list, truncated, next = page(func(yield func(string, T) bool) {
		for _, v := range all {
			if k := key(v); k > from && !yield(k, as(v)) {
				return
			}
		}
	}, max)
	return list, truncated, next, nil
}

// entities lists the entities of an account whose path begins with a prefix,
// behind a key, by name. A row that can't be read ends the list with its error.
func (s *Service) entities(k kind, account, pathPrefix, from string, failed *error) iter.Seq2[string, *entity] {
	return func(yield func(string, *entity) bool) {
		for key, row := range s.d.opt.Rows.Rows(entitiesPrefix(k, account), from) {
			e, err := decodeEntity(row)
			if err != nil {
				*failed = err
				return
			}
			if strings.HasPrefix(e.path, pathPrefix) && !yield(key, e) {
				return
			}
		}
	}
}

// mapped turns the values of a sequence into others.
func mapped[A, B any](seq iter.Seq2[string, A], f func(A) B) iter.Seq2[string, B] {
	return func(yield func(string, B) bool) {
		for k, a := range seq {
			if !yield(k, f(a)) {
				return
			}
		}
	}
}

// descending gives a key that is the smaller the greater a number is.
func descending(n uint64) string { return fmt.Sprintf("%020d", ^n) }
