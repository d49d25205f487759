package trigger

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"naru/internal/pattern"
)

// A Filter is an event pattern that is held against a message's record. A body
// is taken as JSON if the pattern's is an object, and as text otherwise; it is
// not matched if it is of the other sort.
type Filter struct {
	pattern *pattern.Pattern
	object  bool // its body is an object
	body    bool // it says something of the body
}

// ParseFilter parses the pattern of a filter.
func ParseFilter(text string) (*Filter, error) {
	p, err := pattern.Parse(text)
	if err != nil {
		return nil, err
	}
	var members map[string]any
	if err := json.Unmarshal([]byte(text), &members); err != nil {
		return nil, fmt.Errorf("trigger: the pattern is no object: %w", err)
	}
	f := &Filter{pattern: p}
	f.look(members)
	return f, nil
}

// look finds out what a pattern says of the body.
func (f *Filter) look(members map[string]any) {
	for name, member := range members {
		_, object := member.(map[string]any)
		switch {
		case name == "$or":
			alternatives, _ := member.([]any)
			for _, a := range alternatives {
				if members, ok := a.(map[string]any); ok {
					f.look(members)
				}
			}
		case name == "body":
			f.body, f.object = true, f.object || object
		case strings.HasPrefix(name, "body."):
			f.body, f.object = true, true
		}
	}
}

// matches reports whether a message passes: if there are filters, one of them
// matches.
func matches(filters []*Filter, m *Message, arn, region string) bool {
	if len(filters) == 0 {
		return true
	}
	body, object := decodeBody(m.Body)
	record := recordOf(m, arn, region)
	for _, f := range filters {
		if f.body && f.object != object {
			continue
		}
		record["body"] = m.Body
		if f.object {
			record["body"] = body
		}
		if f.pattern.Match(pattern.NewEvent(record)) {
			return true
		}
	}
	return false
}

// decodeBody returns a body that is a JSON object or array.
func decodeBody(text string) (body any, ok bool) {
	if trimmed := strings.TrimLeft(text, " \t\r\n"); trimmed == "" || trimmed[0] != '{' && trimmed[0] != '[' {
		return nil, false
	}
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if d.Decode(&body) != nil {
		return nil, false
	}
	_, more := d.Token()
	return body, errors.Is(more, io.EOF)
}

// recordOf returns the record of a message as it is seen by patterns, but for
// the body.
func recordOf(m *Message, arn, region string) map[string]any {
	system, attributes := map[string]any{}, map[string]any{}
	for _, a := range m.System {
		system[a.Name] = a.Value
	}
	for _, a := range m.Attributes {
		value := map[string]any{"dataType": a.Type}
		if a.binary() {
			value["binaryValue"] = base64.StdEncoding.EncodeToString([]byte(a.Data))
		} else {
			value["stringValue"] = a.Data
		}
		attributes[a.Name] = value
	}
	return map[string]any{
		"messageId": m.ID, "receiptHandle": m.ReceiptHandle, "md5OfBody": m.MD5, "attributes": system, "messageAttributes": attributes,
		"eventSource": eventSource, "eventSourceARN": arn, "awsRegion": region,
	}
}
