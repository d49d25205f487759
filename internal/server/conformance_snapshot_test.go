package server

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"naru/internal/wire"
)

// A snapshot is a request or reply as the SDK's authors have recorded it: a
// line with a method and a target or a status, headers, and a body. In it text
// is the name of its member, __Name__, numbers are 1, and the key of maps is
// key0.
type snapshot struct {
	line   string
	header http.Header
	body   string
}

// readSnapshot reads a file of the module; ok is false if there is none.
func readSnapshot(t *testing.T, parts ...string) (s snapshot, ok bool) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(parts...))
	if errors.Is(err, fs.ErrNotExist) {
		return s, false
	}
	if err != nil {
		t.Fatal(err)
	}
	line, rest, _ := strings.Cut(string(text), "\n")
	if strings.Contains(line, " ") { // requests have an empty line more
		rest = strings.TrimPrefix(rest, "\n")
	}
	r := textproto.NewReader(bufio.NewReader(strings.NewReader(rest)))
	header, err := r.ReadMIMEHeader()
	if err != nil && !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	body, err := io.ReadAll(r.R)
	if err != nil {
		t.Fatal(err)
	}
	return snapshot{line, http.Header(header), string(body)}, true
}

// errorSnapshot reports whether an error is in the SDK's model, and its status.
func errorSnapshot(t *testing.T, dir, code string) (modelled bool, status int) {
	t.Helper()
	s, ok := readSnapshot(t, dir, "response_snapshot", code+".error.snap")
	if !ok {
		return false, 0
	}
	status, err := strconv.Atoi(s.line)
	if err != nil {
		t.Fatal(err)
	}
	return true, status
}

func (s snapshot) request() *http.Request {
	method, target, _ := strings.Cut(s.line, " ")
	r := httptest.NewRequest(method, target, strings.NewReader(s.body))
	r.Header = s.header
	return r
}

// unrecorded are the operations without snapshots, each with the reason.
var unrecorded = map[string]string{
	"lambda.InvokeWithResponseStream": "the SDK's authors record no streams",
}

func TestSnapshotsOfRequestsArrive(t *testing.T) {
	dirs := map[string]string{}
	all := services(t)
	eachOperation(t, func(t *testing.T, s wire.Service, op wire.Operation) {
		if dirs[s.Name] == "" {
			dirs[s.Name] = sdks[s.Name].dir(t)
		}
		snap, ok := readSnapshot(t, dirs[s.Name], "request_snapshot", op.Name+".request.snap")
		if why := sdks[s.Name].unsnapped; !ok && why != "" {
			t.Skip(why)
		}
		if !ok && unrecorded[s.Name+"."+op.Name] != "" {
			return
		}
		if !ok {
			t.Fatal("there is no snapshot")
		}
		st := newStage(t, all...)
		_, out := op.Types()
		st.out = reflect.New(out).Interface()
		w := httptest.NewRecorder()
		if st.front.ServeHTTP(w, snap.request()); w.Code/100 != 2 || st.called != s.Name+"."+op.Name {
			t.Fatalf("the request arrived at %q and had the reply %d %s", st.called, w.Code, w.Body)
		}
		compareSnapshot(t, snap, st.in, s, op)
	})
}

// compareSnapshot compares what has arrived with what the snapshot holds.
func compareSnapshot(t *testing.T, snap snapshot, arrived any, s wire.Service, op wire.Operation) {
	theirs, _, _ := sdks[s.Name].types(op.Name)
	skip := skipping(s.Name, op.Name, "in")
	var want, got any
	if strings.HasPrefix(snap.header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		want = snap.parameters(t, op, skip)
		tree := grower{wireName(s), formScalar, nothingSkipped}.tree(reflect.ValueOf(arrived), "")
		got = flattened(map[string]string{}, "", tree)
	} else {
		want = snap.members(t, schemaOf(theirs), skip)
		got = grower{wireName(s), jsonScalar, nothingSkipped}.tree(reflect.ValueOf(arrived), "")
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// wireName names members of the body as they are on the wire, and others as
// they are in the model.
func wireName(s wire.Service) naming {
	return func(f reflect.StructField) string {
		name, _, _ := strings.Cut(f.Tag.Get("aws"), ",")
		switch {
		case placeOf(f) != "":
			return f.Name
		case name != "":
			return name
		case s.Lower:
			return lowerFirst(f.Name)
		}
		return f.Name
	}
}

// parameters returns the parameters of a form but for those of exceptions.
func (s snapshot) parameters(t *testing.T, op wire.Operation, skip func(string) bool) map[string]string {
	t.Helper()
	form, err := url.ParseQuery(s.body)
	if err != nil || form.Get("Action") != op.Name {
		t.Fatalf("%s: %v", s.body, err)
	}
	parameters := map[string]string{}
	for name := range form {
		path := ""
		for part := range strings.SplitSeq(name, ".") {
			if _, err := strconv.Atoi(part); err != nil && part != "member" && part != "entry" {
				path = joinPath(path, upperFirst(part))
			}
		}
		if name != "Action" && name != "Version" && !skip(path) {
			parameters[name] = form.Get(name)
		}
	}
	return parameters
}

// flattened writes a tree as a form of member lists.
func flattened(parameters map[string]string, name string, tree any) map[string]string {
	switch tree := tree.(type) {
	case map[string]any:
		for member, value := range tree {
			flattened(parameters, joinPath(name, member), value)
		}
	case []any:
		for i, element := range tree {
			flattened(parameters, fmt.Sprintf("%s.member.%d", name, i+1), element)
		}
	default:
		parameters[name] = fmt.Sprint(tree)
	}
	return parameters
}

// formScalar is a scalar as forms have it.
func formScalar(v reflect.Value) any {
	if v.Type() == timeType {
		return v.Interface().(time.Time).UTC().Format(time.RFC3339)
	}
	return fmt.Sprint(plainScalar(v))
}

// members returns the members that a request holds, in its body as JSON and,
// by the schema, everywhere else.
func (s snapshot) members(t *testing.T, schema *smithy.Schema, skip func(string) bool) any {
	t.Helper()
	members := map[string]any{}
	if strings.HasPrefix(s.body, "{") {
		members = document(t, s.body, skip).(map[string]any)
	}
	r := s.request()
	query := r.URL.Query()
	for name, member := range schema.Members() {
		wireName, place := bindingOf(member)
		if skip(upperFirst(name)) {
			continue
		}
		switch place {
		case "uri":
			members[upperFirst(name)] = s.label(t, member)
		case "query":
			members[upperFirst(name)] = textual(t, member, query[wireName])
		case "header":
			members[upperFirst(name)] = textual(t, member, r.Header.Values(wireName))
		case "payload":
			members[upperFirst(name)] = base64.StdEncoding.EncodeToString([]byte(s.body))
		}
	}
	return members
}

// label returns the value that a member of the path has in a snapshot.
func (s snapshot) label(t *testing.T, member *smithy.Schema) any {
	t.Helper()
	if kind := member.Type(); kind == smithy.ShapeTypeInteger || kind == smithy.ShapeTypeLong {
		return 1.
	}
	label := "__" + upperFirst(member.MemberName()) + "__"
	if !strings.Contains(s.line, label) {
		t.Errorf("%s is not in %s", label, s.line)
	}
	return label
}

// textual reads a member from its texts in the query string or in headers.
func textual(t *testing.T, member *smithy.Schema, texts []string) any {
	t.Helper()
	if member.Type() == smithy.ShapeTypeList {
		list := make([]any, len(texts))
		for i := range texts {
			list[i] = textual(t, member.ListMember(), texts[i:i+1])
		}
		return list
	}
	if len(texts) != 1 {
		t.Fatalf("%s is there %d times", member.MemberName(), len(texts))
	}
	var value any = texts[0]
	var err error
	switch member.Type() {
	case smithy.ShapeTypeInteger, smithy.ShapeTypeLong, smithy.ShapeTypeDouble, smithy.ShapeTypeFloat:
		value, err = strconv.ParseFloat(texts[0], 64)
	case smithy.ShapeTypeBoolean:
		value, err = strconv.ParseBool(texts[0])
	case smithy.ShapeTypeTimestamp:
		var at time.Time
		at, err = time.Parse(time.RFC3339, texts[0])
		value = float64(at.UnixMilli()) / 1000
	}
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// document reads JSON and leaves out the members that are skipped.
func document(t *testing.T, text string, skip func(string) bool) any {
	t.Helper()
	var value any
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	prune(value, "", skip)
	return value
}

func prune(value any, path string, skip func(string) bool) {
	switch value := value.(type) {
	case []any:
		for _, element := range value {
			prune(element, path, skip)
		}
	case map[string]any:
		for name, member := range value {
			at := joinPath(path, upperFirst(name))
			if name == "key0" {
				at = path
			}
			if skip(at) && name != "key0" {
				delete(value, name)
			}
			prune(member, at, skip)
		}
	}
}
