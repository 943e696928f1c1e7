package ec2

import (
	"encoding/base64"
	"slices"

	"github.com/lamina-dev/lamina"
)

// Bounds of MaxResults; EC2 documents 5 to 1000 for most operations. A single
// result per page is let through, as some operations allow it.
const maxPage = 1000

// page cuts the next page out of items, which are sorted by id. The token is the
// last id of the page before, so that pages survive changes between them.
func page[T any](items []T, id func(T) string, size *int32, token *string) ([]T, *string, error) {
	items, err := after(items, id, token)
	if err != nil {
		return nil, nil, err
	}
	if size == nil {
		return items, nil, nil
	}
	if *size < 1 {
		return nil, nil, lamina.Errorf("InvalidParameterValue",
			"Value ( %d ) for parameter maxResults is invalid. Expecting a value greater than 5.", *size)
	}
	n := int(min(*size, maxPage))
	if len(items) <= n {
		return items, nil, nil
	}
	return items[:n], new(base64.RawURLEncoding.EncodeToString([]byte(id(items[n-1])))), nil
}

func after[T any](items []T, id func(T) string, token *string) ([]T, error) {
	if val(token) == "" {
		return items, nil
	}
	last, err := base64.RawURLEncoding.DecodeString(*token)
	if err != nil {
		return nil, lamina.Errorf("InvalidNextToken", "The token '%s' is invalid", *token)
	}
	i := slices.IndexFunc(items, func(item T) bool { return id(item) > string(last) })
	if i < 0 {
		return nil, nil
	}
	return items[i:], nil
}
