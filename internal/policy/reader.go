package policy

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// reader reads the JSON of a policy token by token, so that every error knows
// its offset and nothing outside the grammar is ever built.
type reader struct {
	source string
	tokens *json.Decoder
}

func newReader(source string) *reader {
	tokens := json.NewDecoder(strings.NewReader(source))
	tokens.UseNumber()
	return &reader{source, tokens}
}

// offset returns where the next token starts.
func (r *reader) offset() int {
	at := int(r.tokens.InputOffset())
	for at < len(r.source) && strings.IndexByte(" \t\r\n,:", r.source[at]) >= 0 {
		at++
	}
	return at
}

// peek returns the first byte of the next token, 0 at the end.
func (r *reader) peek() byte {
	if at := r.offset(); at < len(r.source) {
		return r.source[at]
	}
	return 0
}

// next reads a token.
func (r *reader) next() (json.Token, error) {
	at := r.offset()
	token, err := r.tokens.Token()
	switch {
	case err == nil:
		return token, nil
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		at, err = len(r.source), io.ErrUnexpectedEOF
	}
	return nil, &SyntaxError{at, "not JSON: " + err.Error(), notJSON}
}

// end checks that nothing but white space follows.
func (r *reader) end() error {
	at := r.offset()
	if _, err := r.tokens.Token(); errors.Is(err, io.EOF) {
		return nil
	}
	return &SyntaxError{at, "text after the document", notJSON}
}

// fail returns an error at the next token.
func (r *reader) fail(format string, args ...any) *SyntaxError {
	return &SyntaxError{r.offset(), fmt.Sprintf(format, args...), ungrammatical}
}

// unknown refuses the element whose value comes next.
func (r *reader) unknown(name string) error {
	return r.fail("unknown element %q", name)
}

// object reads an object and has member read the value of each name.
func (r *reader) object(member func(r *reader, name string) error) error {
	if err := r.open('{'); err != nil {
		return err
	}
	seen := map[string]bool{}
	for r.tokens.More() {
		at := r.offset()
		token, err := r.next()
		if err != nil {
			return err
		}
		name := token.(string) // the decoder lets nothing else stand here
		if seen[name] {
			return &SyntaxError{at, fmt.Sprintf("%q comes twice", name), ungrammatical}
		}
		seen[name] = true
		if err := member(r, name); err != nil {
			return err
		}
	}
	_, err := r.next()
	return err
}

// open reads an opening bracket.
func (r *reader) open(bracket json.Delim) error {
	at := r.offset()
	token, err := r.next()
	if err == nil && token != bracket {
		err = &SyntaxError{at, fmt.Sprintf("%v where %q belongs", token, bracket.String()), ungrammatical}
	}
	return err
}

// oneOrMore reads either a single item, which starts with the byte single, or
// an array of items.
func (r *reader) oneOrMore(single byte, item func(*reader) error) error {
	if r.peek() == single {
		return item(r)
	}
	return r.list(item)
}

// list reads an array.
func (r *reader) list(item func(*reader) error) error {
	if err := r.open('['); err != nil {
		return err
	}
	for r.tokens.More() {
		if err := item(r); err != nil {
			return err
		}
	}
	_, err := r.next()
	return err
}

// text reads a string.
func (r *reader) text() (string, error) {
	at := r.offset()
	token, err := r.next()
	if err != nil {
		return "", err
	}
	text, ok := token.(string)
	if !ok {
		return "", &SyntaxError{at, fmt.Sprintf("%v where a string belongs", token), ungrammatical}
	}
	return text, nil
}

// texts reads a string or an array of strings; never nil without an error.
func (r *reader) texts() ([]string, error) {
	texts := []string{}
	err := r.oneOrMore('"', func(r *reader) error {
		text, err := r.text()
		texts = append(texts, text)
		return err
	})
	return texts, err
}

// scalars reads a condition's value or array of values as texts.
func (r *reader) scalars() ([]string, error) {
	texts := []string{}
	item := func(r *reader) error {
		text, err := r.scalar()
		texts = append(texts, text)
		return err
	}
	read := item
	if r.peek() == '[' {
		read = func(r *reader) error { return r.list(item) }
	}
	err := read(r)
	return texts, err
}

// scalar reads a string, number or boolean as text.
func (r *reader) scalar() (string, error) {
	at := r.offset()
	token, err := r.next()
	if err != nil {
		return "", err
	}
	switch token := token.(type) {
	case string:
		return token, nil
	case json.Number:
		return token.String(), nil
	case bool:
		return fmt.Sprint(token), nil
	}
	return "", &SyntaxError{at, fmt.Sprintf("%v where a value belongs", token), ungrammatical}
}
