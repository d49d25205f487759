package iam

import (
	"encoding/base64"
	"fmt"
	"slices"
	"sort"
	"strings"

	"naru/internal/wire"
)

// A page is what replies say of the part of a list that they hold.
type page struct {
	truncated bool
	marker    *string
}

// cut returns the part of a list that a call asks for: at most maxItems (100)
// entries from the marker on. The list is ordered by key.
func cut[T any](all []T, key func(T) string, marker *string, maxItems *int32) ([]T, page, error) {
	limit := 100
	if maxItems != nil {
		if *maxItems < 1 || *maxItems > 1000 {
			return nil, page{}, violation(fmt.Sprint(*maxItems), "maxItems", "Member must have value between 1 and 1000")
		}
		limit = int(*maxItems)
	}
	if marker != nil {
		from, err := base64.RawURLEncoding.DecodeString(*marker)
		if err != nil {
			return nil, page{}, wire.Errorf("ValidationError", "Invalid Marker.")
		}
		all = all[sort.Search(len(all), func(i int) bool { return key(all[i]) >= string(from) }):]
	}
	if len(all) <= limit {
		return append([]T{}, all...), page{}, nil
	}
	next := base64.RawURLEncoding.EncodeToString([]byte(key(all[limit])))
	return append([]T{}, all[:limit]...), page{true, &next}, nil
}

// itself is the key of a list of texts.
func itself(text string) string { return text }

// shapes returns the entries of a list as replies hold them; never nil, so
// that an empty list is there.
func shapes[T, S any](all []T, shape func(T) S) []S {
	list := make([]S, len(all))
	for i := range all {
		list[i] = shape(all[i])
	}
	return list
}

// sortedBy returns a list in the order of its entries' keys.
func sortedBy[T any](key func(T) string, all []T) []T {
	return slices.SortedFunc(slices.Values(all), func(a, b T) int { return strings.Compare(key(a), key(b)) })
}
