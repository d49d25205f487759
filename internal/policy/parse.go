package policy

import (
	"fmt"
	"slices"
	"strings"
)

// SyntaxError says where and why a text is not a policy, or not one of the
// wanted kind.
type SyntaxError struct {
	Offset int    // bytes into the text
	Reason string // for people

	fault fault
}

// Error implements error.
func (e *SyntaxError) Error() string {
	return fmt.Sprintf("policy: %s (at byte %d)", e.Reason, e.Offset)
}

// Words returns what AWS says of the fault in the message of its
// MalformedPolicyDocument error, for a document meant to be of kind.
func (e *SyntaxError) Words(kind Kind) string {
	switch {
	case kind == Trust && e.fault.trust != "":
		return e.fault.trust
	case e.fault.identity != "":
		return e.fault.identity
	}
	return e.Reason
}

// fault is a class of syntax errors that AWS words alike: it says less than
// Reason does. The zero fault is worded by the Reason itself.
type fault struct{ identity, trust string }

const syntaxErrors = "Syntax errors in policy."

var (
	notJSON       = fault{syntaxErrors, "This policy contains invalid Json"}
	ungrammatical = fault{syntaxErrors, "Syntax error in policy."}
	badVersion    = fault{syntaxErrors, "The policy must contain a valid version string"}
	noStatement   = fault{syntaxErrors, "Could not parse the policy: Statement is empty!"}
	noEffect      = fault{syntaxErrors, "Missing required field Effect"}
	legacy        = fault{"The policy failed legacy parsing", "Syntax error in policy."}
)

// Parse parses a policy document of any kind. An error is a *SyntaxError.
// The text is bounded by MaxSize, the depth by the grammar: what the grammar
// does not know is refused unread, and so is an element that comes twice.
func Parse(text string) (*Document, error) {
	if len(text) > MaxSize {
		return nil, &SyntaxError{MaxSize, fmt.Sprintf("longer than %d bytes", MaxSize), ungrammatical}
	}
	r := newReader(text)
	d := &Document{Version: Version2008, offset: r.offset()}
	if err := r.object(d.member); err != nil {
		return nil, err
	}
	if err := r.end(); err != nil {
		return nil, err
	}
	if len(d.Statements) == 0 {
		return nil, &SyntaxError{d.offset, "no Statement", noStatement}
	}
	if err := d.compile(); err != nil {
		return nil, err
	}
	return d, nil
}

// member reads the value of one element of the document.
func (d *Document) member(r *reader, name string) (err error) {
	switch at := r.offset(); name {
	case "Version":
		d.versioned = true
		if d.Version, err = r.text(); err == nil && d.Version != Version2008 && d.Version != Version2012 {
			err = &SyntaxError{at, fmt.Sprintf("unknown Version %q", d.Version), badVersion}
		}
	case "Id":
		d.ID, err = r.text()
	case "Statement":
		err = r.oneOrMore('{', d.statement)
	default:
		err = r.unknown(name)
	}
	return err
}

// statement reads one statement. Its patterns are compiled later, since they
// depend on the document's version, which may come after it.
func (d *Document) statement(r *reader) error {
	s := Statement{offset: r.offset()}
	seen := false
	err := r.object(func(r *reader, name string) error {
		seen = seen || name == "Effect"
		return s.member(r, name)
	})
	s.end = int(r.tokens.InputOffset())
	if err == nil && !seen {
		err = &SyntaxError{s.offset, "statement without Effect", noEffect}
	}
	d.Statements = append(d.Statements, s)
	return err
}

// member reads the value of one element of the statement.
func (s *Statement) member(r *reader, name string) (err error) {
	switch name {
	case "Sid":
		s.Sid, err = r.text()
	case "Effect":
		s.Effect, err = parseEffect(r)
	case "Principal", "NotPrincipal":
		err = s.Principal.parse(r, name == "NotPrincipal")
	case "Action", "NotAction":
		err = s.Action.parse(r, name == "NotAction")
	case "Resource", "NotResource":
		err = s.Resource.parse(r, name == "NotResource")
	case "Condition":
		err = s.parseConditions(r)
	default:
		err = r.unknown(name)
	}
	return err
}

// parseEffect reads Allow or Deny. AWS tells wrong case apart from wrong words.
func parseEffect(r *reader) (Effect, error) {
	at := r.offset()
	text, err := r.text()
	switch {
	case err != nil:
		return Deny, err
	case text == "Allow":
		return Allow, nil
	case text == "Deny":
		return Deny, nil
	case strings.EqualFold(text, "Allow"), strings.EqualFold(text, "Deny"):
		return Deny, &SyntaxError{at, fmt.Sprintf("Effect %q in the wrong case", text), legacy}
	}
	return Deny, &SyntaxError{at, fmt.Sprintf("Effect %q is neither Allow nor Deny", text), ungrammatical}
}

// parse reads the texts of an element that may be written with Not or
// without, but not in both ways.
func (x *Element) parse(r *reader, not bool) (err error) {
	if x.Values != nil {
		return r.fail("an element and its negation in one statement")
	}
	x.Not = not
	x.Values, err = r.texts()
	return err
}

// parse reads Principal or NotPrincipal. "*" is the same as {"AWS": "*"}.
func (n *Names) parse(r *reader, not bool) error {
	if n.Values != nil {
		return r.fail("Principal and NotPrincipal in one statement")
	}
	n.Not, n.Values = not, []Name{}
	if at := r.offset(); r.peek() != '{' {
		text, err := r.text()
		if err == nil && text != anyone {
			err = &SyntaxError{at, fmt.Sprintf("principal %q is neither an object nor *", text), ungrammatical}
		}
		n.Values = append(n.Values, newName("AWS", text))
		return err
	}
	return r.object(n.member)
}

// member reads the principals of one type.
func (n *Names) member(r *reader, kind string) error {
	if !slices.Contains(nameTypes, kind) {
		return r.unknown(kind)
	}
	texts, err := r.texts()
	for _, text := range texts {
		n.Values = append(n.Values, newName(kind, text))
	}
	return err
}

// parseConditions reads the Condition element.
func (s *Statement) parseConditions(r *reader) error {
	return r.object(func(r *reader, operator string) error {
		at := r.offset()
		return r.object(func(r *reader, key string) (err error) {
			c := Condition{Operator: operator, Key: key, offset: r.offset()}
			if !c.bind() { // only now: IAM lets an operator pass that has no keys
				return &SyntaxError{at, fmt.Sprintf("unknown operator %q", operator), ungrammatical}
			}
			c.Values, err = r.scalars()
			s.Conditions = append(s.Conditions, c)
			return err
		})
	})
}

// compile prepares every pattern and condition for evaluation.
func (d *Document) compile() error {
	variables := d.Version == Version2012
	for i := range d.Statements {
		s := &d.Statements[i]
		s.Action.compileActions()
		if err := s.Resource.compile(variables, s.offset); err != nil {
			return err
		}
		for j := range s.Conditions {
			if err := s.Conditions[j].compile(variables); err != nil {
				return err
			}
		}
	}
	return nil
}

// compileActions prepares patterns for actions, whose case doesn't matter.
// Without variables they can't be wrong.
func (x *Element) compileActions() {
	for _, text := range x.Values {
		g, _ := compileGlob(strings.ToLower(text), true, false)
		x.globs = append(x.globs, g)
	}
}

// compile prepares the element's patterns; at is the statement's offset.
func (x *Element) compile(variables bool, at int) error {
	for _, text := range x.Values {
		g, err := compileGlob(text, true, variables)
		if err != nil {
			return &SyntaxError{at, err.Error(), ungrammatical}
		}
		x.globs = append(x.globs, g)
	}
	return nil
}
