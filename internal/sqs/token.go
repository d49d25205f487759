package sqs

import (
	"encoding/base64"
)

// A page token is the name with which the next page begins.

func encodeToken(name string) string { return base64.StdEncoding.EncodeToString([]byte(name)) }

func decodeToken(token *string) (string, error) {
	if token == nil {
		return "", nil
	}
	name, err := base64.StdEncoding.DecodeString(*token)
	if err != nil {
		return "", invalid(*token, "NextToken", "Invalid or expired token.")
	}
	return string(name), nil
}
