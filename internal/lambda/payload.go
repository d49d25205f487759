package lambda

import (
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"
)

// jsonProblem says why a payload is no JSON, in the words of AWS's parser as
// far as they are known; "" if it is. Columns are counted from 1.
func jsonProblem(payload []byte) string {
	at := func(what string, index int) string {
		line, column := 1, index+1
		for k, c := range payload[:min(index, len(payload))] {
			if c == '\n' {
				line, column = line+1, index-k
			}
		}
		return fmt.Sprintf("%s\n at [Source: REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled); line: %d, column: %d]", what, line, column)
	}
	const expected = "(JSON String, Number, Array, Object or token 'null', 'true' or 'false')"
	if json.Valid(payload) {
		if k := invalidUTF8(payload); k >= 0 {
			return at(fmt.Sprintf("Invalid UTF-8 start byte 0x%x", payload[k]), k+1)
		}
		return ""
	}
	var parsed json.RawMessage
	var syntax *json.SyntaxError
	err := json.Unmarshal(payload, &parsed)
	if !errors.As(err, &syntax) || syntax.Offset < 1 || int(syntax.Offset) > len(payload) || len(payload) == 0 {
		return at("Unexpected end-of-input", len(payload))
	}
	k := int(syntax.Offset) - 1
	c := payload[k]
	switch {
	case k > 0 && c >= utf8.RuneSelf:
		return at(fmt.Sprintf("Invalid UTF-8 start byte 0x%x", c), k+1)
	case c < ' ' || c >= 0x7f && c < 0xa0:
		return at(fmt.Sprintf("Unexpected character ((CTRL-CHAR, code %d)): expected a valid value %s", c, expected), k)
	case k == len(payload)-1 && err.Error() == "unexpected end of JSON input":
		return at("Unexpected end-of-input", len(payload))
	}
	return at(fmt.Sprintf("Unexpected character ('%c' (code %d)): expected a valid value %s", c, c, expected), k)
}

// invalidUTF8 returns where a text stops being UTF-8, -1 if it does not.
func invalidUTF8(text []byte) int {
	if utf8.Valid(text) {
		return -1
	}
	for k := 0; k < len(text); {
		r, size := utf8.DecodeRune(text[k:])
		if r == utf8.RuneError && size == 1 {
			return k
		}
		k += size
	}
	return -1
}
