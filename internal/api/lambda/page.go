package lambda

import (
	"encoding/base64"
	"sort"

	"github.com/lamina-dev/lamina"
)

// page cuts one answer out of items that are sorted by key. The marker names the
// last key of the page before, so that it survives what is written in between.
func page[T any](items []T, key func(T) string, marker *string, most *int32) ([]T, *string, error) {
	if marker != nil && *marker != "" {
		last, err := base64.RawURLEncoding.DecodeString(*marker)
		if err != nil {
			return nil, nil, lamina.Errorf(lamina.CodeInvalidParameter, textMarker)
		}
		items = items[sort.Search(len(items), func(i int) bool { return key(items[i]) > string(last) }):]
	}
	n := pageSize
	if most != nil && *most > 0 {
		n = min(n, int(*most))
	}
	if len(items) <= n {
		return items, nil, nil
	}
	items = items[:n]
	return items, new(base64.RawURLEncoding.EncodeToString([]byte(key(items[n-1])))), nil
}
