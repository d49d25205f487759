package wire

import (
	"cmp"
	"errors"
	"net/http"
	"net/textproto"
	"net/url"
	"reflect"
	"strings"
	"time"
)

// decodeREST reads an input from the URI, query string, headers and body of r,
// which the service's mux has matched.
func decodeREST(r *http.Request, query url.Values, body []byte, s *shape, v reflect.Value) error {
	payload := false
	for i := range s.fields {
		f := &s.fields[i]
		var err error
		switch f.place {
		case inURI:
			err = setText(f.shape, f.slot(v), r.PathValue(f.name))
		case inQuery:
			err = decodeQueryField(f, query[f.name], v)
		case inHeader:
			err = decodeHeader(f, r.Header, v)
		case inPayload:
			payload = true
			f.slot(v).SetBytes(body)
		}
		if err != nil {
			return Errorf(CodeMalformed, "The parameter %s has a bad value: %s", f.name, err)
		}
	}
	if payload {
		return nil
	}
	return decodeJSON(body, s, v)
}

func decodeQueryField(f *field, values []string, v reflect.Value) error {
	if len(values) == 0 {
		return nil
	}
	if f.shape.kind != kindList {
		return setText(f.shape, f.slot(v), values[0])
	}
	list := reflect.MakeSlice(f.shape.typ, len(values), len(values))
	for i, text := range values {
		if err := setText(f.shape.elem, list.Index(i), text); err != nil {
			return err
		}
	}
	f.slot(v).Set(list)
	return nil
}

// decodeHeader reads one header, or all of a prefix into a map.
func decodeHeader(f *field, header http.Header, v reflect.Value) error {
	if f.shape.kind != kindMap {
		text := header.Get(f.name)
		switch {
		case text == "":
			return nil
		case f.shape.kind == kindTime:
			t, err := http.ParseTime(text)
			if err != nil {
				return errors.New("it is no HTTP date")
			}
			f.slot(v).Set(reflect.ValueOf(t.UTC()))
			return nil
		}
		return setText(f.shape, f.slot(v), text)
	}
	found := map[string]string{}
	for name, values := range header {
		if key, ok := strings.CutPrefix(name, textproto.CanonicalMIMEHeaderKey(f.name)); ok {
			found[strings.ToLower(key)] = values[0]
		}
	}
	f.slot(v).Set(reflect.ValueOf(found))
	return nil
}

// headerText is a scalar as headers hold it, where times have a form of their own.
func headerText(s *shape, v reflect.Value) string {
	if s.kind == kindTime {
		return v.Interface().(time.Time).UTC().Format(http.TimeFormat)
	}
	return scalarText(s, v)
}

// encodeREST puts an output into headers, status and body.
func encodeREST(header http.Header, status int, s *shape, v reflect.Value) (int, []byte) {
	body, payload, members := []byte(nil), false, false
	for i := range s.fields {
		f := &s.fields[i]
		members = members || f.place == inBody
		value, ok := f.get(v)
		payload = payload || f.place == inPayload
		switch {
		case !ok:
		case f.place == inHeader && f.shape.kind == kindMap:
			for _, key := range sortedKeys(value) {
				header.Set(f.name+key, headerText(f.shape.elem, value.MapIndex(reflect.ValueOf(key).Convert(f.shape.typ.Key()))))
			}
		case f.place == inHeader:
			header.Set(f.name, headerText(f.shape, value))
		case f.place == inStatus:
			status = cmp.Or(int(value.Int()), status)
		case f.place == inPayload:
			body = value.Bytes()
		}
	}
	switch {
	case payload:
		if header.Get("Content-Type") == "" { // or net/http guesses one
			header.Set("Content-Type", "application/octet-stream")
		}
		return status, body
	case !members:
		return status, nil
	}
	header.Set("Content-Type", "application/json")
	return status, appendMembers(nil, s, v)
}
