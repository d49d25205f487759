package wire

import (
	"maps"
	"reflect"

	"naru/internal/policy"
)

// A tagger knows where an input has tags, as indices of its fields: in Tags, a
// map or a list of keys with values, and in TagKeys. Without, they are -1.
type tagger struct{ tags, keys int }

func taggerOf(in reflect.Type) tagger {
	t := tagger{-1, -1}
	if f, ok := in.FieldByName("Tags"); ok {
		t.tags = f.Index[0]
	}
	if f, ok := in.FieldByName("TagKeys"); ok {
		t.keys = f.Index[0]
	}
	return t
}

// add gives the requests that a call needs the condition keys of the tags that
// its input sets or names: for every operation alike.
func (t tagger) add(needs []policy.Request, in any) {
	if t.tags < 0 && t.keys < 0 {
		return
	}
	v := reflect.ValueOf(in).Elem()
	var tags map[string]string
	var keys []string
	if t.tags >= 0 {
		tags = tagsIn(v.Field(t.tags))
	}
	if t.keys >= 0 {
		keys, _ = v.Field(t.keys).Interface().([]string)
	}
	if len(tags)+len(keys) == 0 {
		return
	}
	context := policy.TagContext(tags, keys)
	for i := range needs {
		all := maps.Clone(context)
		maps.Copy(all, needs[i].Context)
		needs[i].Context = all
	}
}

func tagsIn(v reflect.Value) map[string]string {
	if tags, ok := v.Interface().(map[string]string); ok {
		return tags
	}
	if v.Kind() != reflect.Slice || v.Len() == 0 || v.Type().Elem().Kind() != reflect.Struct {
		return nil
	}
	tags := make(map[string]string, v.Len())
	for i := range v.Len() {
		key, value := v.Index(i).FieldByName("Key"), v.Index(i).FieldByName("Value")
		if key.IsValid() && value.IsValid() {
			tags[textOf(key)] = textOf(value)
		}
	}
	return tags
}

// textOf returns a string, or what a pointer to one points to.
func textOf(v reflect.Value) string {
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	if !v.IsValid() || v.Kind() != reflect.String {
		return ""
	}
	return v.String()
}
