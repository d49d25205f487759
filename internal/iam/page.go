package iam

import (
	"encoding/base64"
	"fmt"

	"naru/internal/wire"
)

// page returns the key that a page of a list begins with and how many entries
// it may have.
func page(marker *string, maxItems *int32) (from string, limit int, err error) {
	limit = 100
	if maxItems != nil {
		if *maxItems < 1 || *maxItems > 1000 {
			return "", 0, violation(fmt.Sprint(*maxItems), "maxItems", "Member must have value between 1 and 1000")
		}
		limit = int(*maxItems)
	}
	if marker != nil {
		key, err := base64.RawURLEncoding.DecodeString(*marker)
		if err != nil {
			return "", 0, wire.Errorf("ValidationError", "Invalid Marker.")
		}
		from = string(key)
	}
	return from, limit, nil
}

func encodeMarker(key string) string { return base64.RawURLEncoding.EncodeToString([]byte(key)) }
