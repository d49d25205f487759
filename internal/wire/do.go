package wire

import (
	"context"
	"reflect"
)

// Has reports whether a service has an operation.
func (f *Front) Has(service, operation string) bool {
	_, op := f.operation(service, operation)
	return op != nil
}

func (f *Front) operation(service, name string) (*compiled, *Operation) {
	for _, s := range f.services {
		if s.Name == service {
			return s, s.byName[name]
		}
	}
	return nil, nil
}

// Do calls the operation that c names, for a part of Naru that acts as c's
// caller: it is authorised like any other. The input is a JSON object of all its
// members, also of those that REST has elsewhere, by the names of the model;
// blobs are texts, or JSON as it is. What the call changed is durable when Do
// returns. An error is that of the operation.
func (f *Front) Do(ctx context.Context, c *Call, input []byte) error {
	_, op := f.operation(c.Service, c.Operation)
	if op == nil {
		return Errorf(CodeUnknown, "The requested operation is not recognized.")
	}
	in := op.newIn()
	if err := decodeJSON(input, plain(op.inType), in.Elem()); err != nil {
		return err
	}
	ctx = WithCall(ctx, c)
	needs, err := op.Needs(ctx, in.Interface())
	if err == nil {
		err = f.Gate.Authorize(ctx, c.Caller, needs)
	}
	if err == nil {
		_, err = op.call(ctx, in.Interface())
	}
	if unsettled := f.Settle(ctx); unsettled != nil {
		err = unsettled
	}
	return err
}

// plain returns the shape of an input for Do.
func plain(t reflect.Type) *shape {
	s := shapeOf(t, false)
	s.flatten()
	return s
}

// flatten puts all members into the body, under the names of their fields, and
// makes texts of blobs.
func (s *shape) flatten() {
	switch s.kind {
	case kindBlob:
		s.kind = kindText
	case kindList, kindMap:
		s.elem.flatten()
	case kindStruct:
		s.byName = map[string]int{}
		for i := range s.fields {
			f := &s.fields[i]
			f.name, f.place = s.typ.Field(f.index).Name, inBody
			s.byName[f.name] = i
			f.shape.flatten()
		}
	}
}

// textValue reads a blob that is written as text, or as JSON.
func (r *jsonReader) textValue(v reflect.Value) error {
	if r.peek() == '"' {
		text, err := r.string()
		v.SetBytes([]byte(text))
		return err
	}
	start := r.pos
	if err := r.skip(); err != nil {
		return err
	}
	v.SetBytes(append([]byte{}, r.text[start:r.pos]...))
	return nil
}
