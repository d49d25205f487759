package test

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// queryProtocol speaks AWS Query: forms, answered in XML. The form goes to "/"
// or to the queue's own path, in the body or in the URL.
type queryProtocol struct {
	atQueue bool
	get     bool
}

const sqsNamespace = "http://queue.amazonaws.com/doc/2012-11-05/"

// longestURL bounds forms that are sent in URLs.
const longestURL = 16 << 10

func (p queryProtocol) do(s *sqsSuite, in, out any, more members) *refusal {
	s.Helper()
	operation := operationOf(in)
	form := url.Values{"Action": {operation}, "Version": {"2012-11-05"}}
	encodeForm(form, operation, "", reflect.ValueOf(in).Elem())
	for path, value := range more {
		first, rest, _ := strings.Cut(path, ".")
		name := strings.TrimSuffix(flatName(operation, first)+"."+rest, ".")
		if value == nil {
			form.Del(name)
		} else {
			form.Set(name, fmt.Sprint(value))
		}
	}
	r := p.send(s, form)
	if r.status != http.StatusOK {
		refused := xmlRefusal(s, r)
		return &refused
	}
	decodeReply(s, operation, r, out)
	return nil
}

// send sends a form the way that the protocol is meant to go.
func (p queryProtocol) send(s *sqsSuite, form url.Values) reply {
	s.Helper()
	path := "/"
	if queue := form.Get("QueueUrl"); p.atQueue && strings.Count(queue, "/") >= 2 {
		u, err := url.Parse(queue)
		if err != nil {
			s.Fatal(err)
		}
		path = u.Path
		form.Del("QueueUrl")
	}
	text := form.Encode()
	if p.get && len(text) < longestURL {
		return s.caller.call(s, "sqs", request{method: "GET", path: path + "?" + text}, spell{})
	}
	header := map[string]string{"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
	return s.caller.call(s, "sqs", request{method: "POST", path: path, header: header, body: []byte(text)}, spell{})
}

// flatNames are what the query protocol calls members; lists and maps lose
// their plural.
func flatName(operation, member string) string {
	switch member {
	case "Entries":
		return operation + "RequestEntry"
	case "Successful":
		return operation + "ResultEntry"
	case "Failed":
		return "BatchResultErrorEntry"
	case "Results":
		return operation + "ResultEntry"
	case "Actions":
		return "ActionName"
	case "QueueUrls", "Messages", "Attributes", "Tags", "MessageAttributes", "MessageSystemAttributes", "AttributeNames",
		"MessageAttributeNames", "MessageSystemAttributeNames", "StringListValues", "BinaryListValues",
		"TagKeys", "AWSAccountIds":
		return strings.TrimSuffix(member, "s")
	}
	return member
}

// encodeForm writes the members of a structure of the SDK's.
func encodeForm(form url.Values, operation, prefix string, v reflect.Value) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if f.IsExported() && f.Name != "ResultMetadata" {
			encodeMember(form, operation, prefix+flatName(operation, f.Name), v.Field(i))
		}
	}
}

func encodeMember(form url.Values, operation, name string, v reflect.Value) {
	switch {
	case v.Kind() == reflect.Pointer:
		if !v.IsNil() {
			encodeMember(form, operation, name, v.Elem())
		}
	case v.Kind() == reflect.String:
		form.Set(name, v.String())
	case v.Kind() == reflect.Int32 && (v.Int() != 0 || operation == "ChangeMessageVisibility" && name == "VisibilityTimeout"):
		form.Set(name, strconv.FormatInt(v.Int(), 10))
	case v.Kind() == reflect.Bool && v.Bool():
		form.Set(name, "true")
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Uint8:
		if !v.IsNil() {
			form.Set(name, base64.StdEncoding.EncodeToString(v.Bytes()))
		}
	case v.Kind() == reflect.Slice:
		for i := range v.Len() {
			encodeMember(form, operation, fmt.Sprintf("%s.%d", name, i+1), v.Index(i))
		}
	case v.Kind() == reflect.Map:
		encodeMap(form, operation, name, v)
	case v.Kind() == reflect.Struct:
		encodeForm(form, operation, name+".", v)
	}
}

func encodeMap(form url.Values, operation, name string, v reflect.Value) {
	key, value := ".Name", ".Value"
	if name == "Tag" {
		key = ".Key"
	}
	keys := v.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
	for i, k := range keys {
		entry := fmt.Sprintf("%s.%d", name, i+1)
		form.Set(entry+key, k.String())
		if elem := v.MapIndex(k); elem.Kind() == reflect.String {
			form.Set(entry+value, elem.String())
		} else {
			encodeForm(form, operation, entry+value+".", elem)
		}
	}
}

// An element is an element of XML.
type element struct {
	XMLName  xml.Name
	Text     string    `xml:",chardata"`
	Children []element `xml:",any"`
}

func (e element) child(name string) (element, bool) {
	i := slices.IndexFunc(e.Children, func(c element) bool { return c.XMLName.Local == name })
	if i < 0 {
		return element{}, false
	}
	return e.Children[i], true
}

// parseXML returns the one element that a text is.
func parseXML(text []byte) (e element, err error) {
	d := xml.NewDecoder(bytes.NewReader(text))
	if err := d.Decode(&e); err != nil {
		return e, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return e, fmt.Errorf("something follows the document: %v", err)
	}
	return e, nil
}

// decodeReply reads a reply into an output of the SDK's. It fails the test for
// a reply that is not of the form that replies have.
func decodeReply(s *sqsSuite, operation string, r reply, out any) {
	s.Helper()
	root, err := parseXML(r.body)
	if err != nil {
		s.Fatalf("%s: %v: %s", operation, err, r.body)
	}
	if want := (xml.Name{Space: sqsNamespace, Local: operation + "Response"}); root.XMLName != want {
		s.Errorf("the reply is a %v, not a %v", root.XMLName, want)
	}
	if got := r.header.Get("Content-Type"); got != "text/xml" {
		s.Errorf("the content type is %q", got)
	}
	metadata, _ := root.child("ResponseMetadata")
	if id, _ := metadata.child("RequestId"); id.Text == "" || id.Text != r.header.Get("X-Amzn-Requestid") {
		s.Errorf("the request id is %q in the body and %q in the header", id.Text, r.header.Get("X-Amzn-Requestid"))
	}
	result, ok := root.child(operation + "Result")
	if ok == (reflect.TypeOf(out).Elem().NumField() == 2) { // all outputs have two members that are not AWS's
		s.Errorf("%s has a result: %v", operation, ok)
	}
	if err := decodeElement(operation, result, reflect.ValueOf(out).Elem()); err != nil {
		s.Fatalf("%s: %v: %s", operation, err, r.body)
	}
}

// decodeElement reads the children of an element into a structure.
func decodeElement(operation string, e element, v reflect.Value) error {
	fields := map[string]reflect.Value{}
	for i := range v.NumField() {
		if f := v.Type().Field(i); f.IsExported() && f.Name != "ResultMetadata" {
			fields[flatName(operation, f.Name)] = v.Field(i)
		}
	}
	for _, c := range e.Children {
		f, ok := fields[c.XMLName.Local]
		if !ok {
			return fmt.Errorf("there is no member %s; there are %v", c.XMLName.Local, slices.Sorted(maps.Keys(fields)))
		}
		if err := decodeValue(operation, c, f); err != nil {
			return fmt.Errorf("%s: %w", c.XMLName.Local, err)
		}
	}
	return nil
}

func decodeValue(operation string, e element, v reflect.Value) (err error) {
	switch {
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		return decodeValue(operation, e, v.Elem())
	case v.Kind() == reflect.String:
		v.SetString(e.Text)
	case v.Kind() == reflect.Int32, v.Kind() == reflect.Int64:
		var n int64
		n, err = strconv.ParseInt(e.Text, 10, 64)
		v.SetInt(n)
	case v.Kind() == reflect.Bool:
		var b bool
		b, err = strconv.ParseBool(e.Text)
		v.SetBool(b)
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Uint8:
		var b []byte
		b, err = base64.StdEncoding.DecodeString(e.Text)
		v.SetBytes(b)
	case v.Kind() == reflect.Slice:
		v.Set(reflect.Append(v, reflect.Zero(v.Type().Elem())))
		return decodeValue(operation, e, v.Index(v.Len()-1))
	case v.Kind() == reflect.Map:
		return decodeEntry(operation, e, v)
	case v.Kind() == reflect.Struct:
		return decodeElement(operation, e, v)
	default:
		return fmt.Errorf("a %v", v.Type())
	}
	return err
}

// decodeEntry reads one entry of a map.
func decodeEntry(operation string, e element, v reflect.Value) error {
	if v.IsNil() {
		v.Set(reflect.MakeMap(v.Type()))
	}
	name := "Name"
	if e.XMLName.Local == "Tag" {
		name = "Key"
	}
	key, ok := e.child(name)
	value, ok2 := e.child("Value")
	if !ok || !ok2 || len(e.Children) != 2 {
		return fmt.Errorf("an entry must be a %s and a Value: %v", name, e)
	}
	elem := reflect.New(v.Type().Elem()).Elem()
	if err := decodeValue(operation, value, elem); err != nil {
		return err
	}
	v.SetMapIndex(reflect.ValueOf(key.Text).Convert(v.Type().Key()), elem)
	return nil
}
