package server

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"naru/internal/wire"
)

func TestSnapshotsOfRepliesAreWhatNaruSends(t *testing.T) {
	found := 0
	for _, s := range services(t) {
		dir := sdks[s.Name].dir(t)
		for _, op := range s.Operations {
			if snap, ok := readSnapshot(t, dir, "response_snapshot", op.Name+".response.snap"); ok {
				found++
				t.Run(s.Name+"."+op.Name, func(t *testing.T) { replySnapshot(t, dir, snap, s, op) })
			}
		}
	}
	if found == 0 {
		t.Error("there are no snapshots")
	}
}

func replySnapshot(t *testing.T, dir string, snap snapshot, s wire.Service, op wire.Operation) {
	st := newStage(t, s)
	_, out := op.Types()
	v := reflect.New(out)
	snap.build(t, v.Elem(), wireName(s))
	st.out = v.Interface()
	request, ok := readSnapshot(t, dir, "request_snapshot", op.Name+".request.snap")
	if !ok {
		t.Fatal("there is no snapshot of the request")
	}
	w := httptest.NewRecorder()
	st.front.ServeHTTP(w, request.request())
	skip := skipping(s.Name, op.Name, "out")
	snap.compareBody(t, w.Body.String(), func(path string) bool {
		f, ok := out.FieldByName(path) // the status needs not be said a second time
		return skip(path) || ok && placeOf(f) == "status"
	})
	if w.Code/100 != 2 { // what follows the 2 is 00 in every snapshot
		t.Errorf("the status is %d", w.Code)
	}
	snap.compareHeaders(t, w.Header(), out)
}

// compareBody compares a body that is JSON as such, where none is an empty
// object, and any other as it is.
func (s snapshot) compareBody(t *testing.T, body string, skip func(string) bool) {
	t.Helper()
	if !strings.HasPrefix(s.body, "{") {
		if body != s.body {
			t.Errorf("the body is %q, want %q", body, s.body)
		}
		return
	}
	if body == "" {
		body = "{}"
	}
	if diff := cmp.Diff(document(t, s.body, skip), document(t, body, nothingSkipped)); diff != "" {
		t.Error(diff)
	}
}

// compareHeaders compares the headers that hold members of the output.
func (s snapshot) compareHeaders(t *testing.T, header http.Header, out reflect.Type) {
	t.Helper()
	for _, f := range reflect.VisibleFields(out) {
		name, _, _ := strings.Cut(f.Tag.Get("aws"), ",")
		if placeOf(f) == "header" && header.Get(name) != s.header.Get(name) {
			t.Errorf("the header %s is %q, want %q", name, header.Get(name), s.header.Get(name))
		}
	}
}

// build fills an output with what the snapshot of a reply holds.
func (s snapshot) build(t *testing.T, v reflect.Value, name naming) {
	t.Helper()
	body := map[string]any{}
	if strings.HasPrefix(s.body, "{") {
		body = document(t, s.body, nothingSkipped).(map[string]any)
	}
	for _, f := range reflect.VisibleFields(v.Type()) {
		tag, _, _ := strings.Cut(f.Tag.Get("aws"), ",")
		switch placeOf(f) {
		case "header":
			body[f.Name] = s.header.Get(tag)
		case "payload":
			body[f.Name] = base64.StdEncoding.EncodeToString([]byte(s.body))
		case "status":
			status, err := strconv.ParseFloat(s.line, 64)
			if err != nil {
				t.Fatal(err)
			}
			body[f.Name] = status
		}
	}
	build(t, v, body, name)
}

// build fills v with a value that was read as JSON.
func build(t *testing.T, v reflect.Value, value any, name naming) {
	t.Helper()
	switch {
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		build(t, v.Elem(), value, name)
		return
	case v.Type() == timeType:
		v.Set(reflect.ValueOf(time.UnixMilli(int64(value.(float64) * 1000)).UTC()))
		return
	case v.Type() == jsonType:
		text, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		v.SetBytes(text)
		return
	case v.Type() == blobType:
		blob, err := base64.StdEncoding.DecodeString(value.(string))
		if err != nil {
			t.Fatal(err)
		}
		v.SetBytes(blob)
		return
	}
	buildMembers(t, v, value, name)
}

func buildMembers(t *testing.T, v reflect.Value, value any, name naming) {
	t.Helper()
	switch value := value.(type) {
	case string:
		v.SetString(value)
	case bool:
		v.SetBool(value)
	case float64:
		v.Set(reflect.ValueOf(value).Convert(v.Type()))
	case []any:
		v.Set(reflect.MakeSlice(v.Type(), len(value), len(value)))
		for i := range value {
			build(t, v.Index(i), value[i], name)
		}
	case map[string]any:
		if v.Kind() == reflect.Map {
			v.Set(reflect.MakeMap(v.Type()))
			for key, member := range value {
				element := reflect.New(v.Type().Elem()).Elem()
				build(t, element, member, name)
				v.SetMapIndex(reflect.ValueOf(key), element)
			}
			return
		}
		for i, f := range reflect.VisibleFields(v.Type()) {
			if member, ok := value[name(f)]; ok {
				build(t, v.Field(i), member, name)
			}
		}
	}
}
