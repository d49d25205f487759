package events

import (
	"encoding/json"
	"regexp"
	"strings"
	"time"
)

const (
	maxPaths    = 100
	maxTemplate = 8192
)

// placeholder finds what a template has replaced.
var placeholder = regexp.MustCompile(`<([A-Za-z0-9_.\-]+)>`)

// reserved are the placeholders that need no path.
var reserved = map[string]func(sending) json.RawMessage{
	"aws.events.rule-arn":             func(s sending) json.RawMessage { return quoted(s.rule.name().arn()) },
	"aws.events.rule-name":            func(s sending) json.RawMessage { return quoted(s.rule.Name) },
	"aws.events.event.ingestion-time": func(s sending) json.RawMessage { return quoted(s.at.UTC().Format(time.RFC3339)) },
	"aws.events.event":                sending.withoutDetail,
	"aws.events.event.json":           func(s sending) json.RawMessage { return s.event },
}

// A sending is an event that a rule sends.
type sending struct {
	rule  *Rule
	event json.RawMessage
	at    time.Time // when it came in
}

// withoutDetail is the event without its detail, in the order and with the
// names that AWS was recorded to give it.
func (s sending) withoutDetail() json.RawMessage {
	var e struct {
		ID         string          `json:"id"`
		Account    string          `json:"account"`
		DetailType string          `json:"detail-type"`
		Source     string          `json:"source"`
		Region     string          `json:"region"`
		Resources  json.RawMessage `json:"resources"`
		Version    string          `json:"version"`
	}
	if err := json.Unmarshal(s.event, &e); err != nil {
		return nil // it was made here
	}
	return marshal(struct {
		ID         string          `json:"id"`
		Account    string          `json:"account"`
		DetailType string          `json:"detailType"`
		Time       string          `json:"time"`
		Source     string          `json:"source"`
		Region     string          `json:"region"`
		Resources  json.RawMessage `json:"resources"`
		Version    string          `json:"version"`
	}{e.ID, e.Account, e.DetailType, s.at.UTC().Format(time.RFC3339), e.Source, e.Region, e.Resources, e.Version})
}

// marshal is json.Marshal for what cannot fail, without escapes for HTML.
func marshal(v any) json.RawMessage {
	var out strings.Builder
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err) // callers pass structs of texts and of JSON that was checked
	}
	return json.RawMessage(strings.TrimSuffix(out.String(), "\n"))
}

func quoted(text string) json.RawMessage { return marshal(text) }

// check refuses a transformer that names what there is not.
func (t *InputTransformer) check(id, member string) error {
	template := deref(t.InputTemplate)
	switch {
	case template == "":
		return violation("null", member+"inputTemplate", "Member must not be null")
	case len(template) > maxTemplate:
		return violation(template, member+"inputTemplate", "Member must have length less than or equal to "+decimal(maxTemplate))
	case len(t.InputPathsMap) > maxPaths:
		return violation("[...]", member+"inputPathsMap", "Member must have length less than or equal to "+decimal(maxPaths))
	}
	for key, text := range t.InputPathsMap {
		if strings.HasPrefix(strings.ToLower(key), "aws.") {
			return invalid("InputPathsMap for target %s has the key %s: keys must not begin with AWS.", id, key)
		}
		if _, err := parsePath(text); err != nil || len(text) > maxPath {
			return invalid("Invalid InputPath for target %s: %v.", id, errPath)
		}
	}
	for _, found := range placeholder.FindAllStringSubmatch(template, -1) {
		_, isReserved := reserved[found[1]]
		if _, ok := t.InputPathsMap[found[1]]; !ok && !isReserved {
			return invalid("InputTemplate for target %s contains invalid placeholder %s.", id, found[1])
		}
	}
	return nil
}

// payload returns what a target is sent. What its path does not find is null.
func (t *Target) payload(s sending) (string, error) {
	switch {
	case t.Input != nil:
		return *t.Input, nil
	case t.InputPath != nil:
		p, err := parsePath(*t.InputPath)
		if err != nil {
			return "", err
		}
		if found := p.find(s.event); found != nil {
			return string(found), nil
		}
		return "null", nil
	case t.InputTransformer != nil:
		return t.InputTransformer.apply(s)
	}
	return string(s.event), nil
}

// apply fills the template. Inside of a string a value is put without its
// quotes, anywhere else as JSON; what is not there is an empty string.
func (t *InputTransformer) apply(s sending) (string, error) {
	template := *t.InputTemplate
	var out strings.Builder
	at, inString := 0, false
	for _, found := range placeholder.FindAllStringSubmatchIndex(template, -1) {
		before, key := template[at:found[0]], template[found[2]:found[3]]
		at = found[1]
		out.WriteString(before)
		inString = endsInString(before, inString)
		value, err := t.value(key, s)
		if err != nil {
			return "", err
		}
		if inString {
			value = bare(value)
		}
		out.Write(value)
	}
	out.WriteString(template[at:])
	return out.String(), nil
}

func (t *InputTransformer) value(key string, s sending) (json.RawMessage, error) {
	if f, ok := reserved[key]; ok {
		return f(s), nil
	}
	p, err := parsePath(t.InputPathsMap[key])
	if err != nil {
		return nil, err
	}
	if v := p.find(s.event); v != nil {
		return v, nil
	}
	return json.RawMessage(`""`), nil
}

// endsInString reports whether a string is open after text, if one was before.
func endsInString(text string, open bool) bool {
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '"':
			open = !open
		case text[i] == '\\' && open:
			i++
		}
	}
	return open
}

// bare returns a value as it is put into a string: text without its quotes,
// objects and arrays without any.
func bare(value json.RawMessage) json.RawMessage {
	text := string(value)
	if strings.HasPrefix(text, `"`) {
		return json.RawMessage(text[1 : len(text)-1])
	}
	return json.RawMessage(strings.ReplaceAll(text, `"`, ""))
}
