package events

import (
	"encoding/base64"

	"naru/internal/wire"
)

// page reads the size of a page, 100 if it is not given, and where it begins.
func page(limit *int32, token *string) (most int, from string, err error) {
	most = 100
	if limit != nil {
		switch {
		case *limit < 1:
			return 0, "", violation(*limit, "limit", "Member must have value greater than or equal to 1")
		case *limit > 100:
			return 0, "", violation(*limit, "limit", "Member must have value less than or equal to 100")
		}
		most = int(*limit)
	}
	text, err := base64.RawURLEncoding.DecodeString(deref(token))
	if err != nil {
		return 0, "", wire.Errorf("ValidationException", "Parameter NextToken is not valid.")
	}
	return most, string(text), nil
}

func tokenOf(key string) *string {
	token := base64.RawURLEncoding.EncodeToString([]byte(key))
	return &token
}
