package server

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/traits"
	"github.com/google/go-cmp/cmp"

	"naru/internal/policy"
	"naru/internal/sigv4"
	"naru/internal/wire"
)

// gatekeeper is a gate that lets everybody in.
type gatekeeper struct{}

func (gatekeeper) Authenticate(*http.Request, *sigv4.Signature, func() sigv4.Payload) (policy.Principal, string, error) {
	return policy.Principal{Kind: policy.Root, Account: "000000000000"}, "us-east-1", nil
}

func (gatekeeper) Authorize(context.Context, policy.Principal, []policy.Request) error { return nil }

// eachClient runs a test for each operation and protocol of each service.
func eachClient(t *testing.T, test func(t *testing.T, protocol string, st *stage, client any, s wire.Service, op wire.Operation)) {
	eachOperation(t, func(t *testing.T, s wire.Service, op wire.Operation) {
		for protocol, client := range sdks[s.Name].clients(t, s) {
			t.Run(protocol, func(t *testing.T) {
				st := newStage(t, s)
				_, out := op.Types()
				st.out = reflect.New(out).Interface()
				test(t, protocol, st, client(st.config), s, op)
			})
		}
	})
}

func TestWhatTheSDKSendsArrives(t *testing.T) {
	eachClient(t, func(t *testing.T, protocol string, st *stage, client any, s wire.Service, op wire.Operation) {
		theirs, _, ok := sdks[s.Name].types(op.Name)
		if !ok {
			t.Fatal("the SDK does not have the operation")
		}
		sent := filled(t, theirs, boundOutside(schemaOf(theirs)))
		if protocol == "query" {
			dropShared(sent.Elem(), schemaOf(theirs))
		}
		if _, err := call(t, client, op.Name, sent); err != nil {
			t.Fatal(err)
		}
		if want := s.Name + "." + op.Name; st.called != want {
			t.Fatalf("the call arrived at %q", st.called)
		}
		skip := skipping(s.Name, op.Name, "in")
		want := grower{sdkName, plainScalar, skip}.tree(sent, "")
		got := grower{ourName, plainScalar, nothingSkipped}.tree(reflect.ValueOf(st.in), "")
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
}

// dropShared empties members of an input that have the name of another in the
// query protocol, so that only one of them is sent.
func dropShared(v reflect.Value, schema *smithy.Schema) {
	if schema == nil {
		return
	}
	taken := map[string]bool{}
	for _, member := range slices.Sorted(maps.Keys(schema.Members())) {
		t, ok := smithy.SchemaTrait[*traits.XMLName](schema.Member(member))
		switch {
		case !ok:
		case taken[t.Name]:
			v.FieldByName(upperFirst(member)).SetZero()
		default:
			taken[t.Name] = true
		}
	}
}

func TestWhatNaruSendsArrivesAtTheSDK(t *testing.T) {
	eachClient(t, func(t *testing.T, _ string, st *stage, client any, s wire.Service, op wire.Operation) {
		theirs, _, ok := sdks[s.Name].types(op.Name)
		if !ok {
			t.Fatal("the SDK does not have the operation")
		}
		_, ours := op.Types()
		st.out = filled(t, ours, outsideOfTheBody).Interface()
		received, err := call(t, client, op.Name, filled(t, theirs, boundOutside(schemaOf(theirs))))
		if err != nil {
			t.Fatal(err)
		}
		skip := skipping(s.Name, op.Name, "out")
		want := grower{ourName, plainScalar, nothingSkipped}.tree(reflect.ValueOf(st.out), "")
		got := grower{sdkName, plainScalar, skip}.tree(received, "")
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
}

func outsideOfTheBody(f reflect.StructField) bool {
	place := placeOf(f)
	return place != "" && place != "payload"
}

// A service's errors are called by the SDK as its model says, and where it has
// none by the code that they have in the query protocol.
func TestTheSDKKnowsTheErrors(t *testing.T) {
	for _, s := range services(t) {
		library, ok := sdks[s.Name]
		if !ok {
			t.Errorf("%s has no line in sdks", s.Name)
			continue
		}
		dir := library.dir(t)
		for protocol, client := range library.clients(t, s) {
			for code, form := range s.Errors {
				t.Run(s.Name+"."+protocol+"."+code, func(t *testing.T) {
					modelled, status := errorSnapshot(t, dir, code)
					testError(t, s, client, code, form, modelled, status)
				})
			}
		}
	}
}

func testError(t *testing.T, s wire.Service, client func(aws.Config) any, code string, form wire.ErrorForm, modelled bool, status int) {
	st := newStage(t, s)
	st.err = wire.Errorf(code, "said <&> \"é\"")
	theirs, _, ok := sdks[s.Name].types(s.Operations[0].Name)
	if !ok {
		t.Fatal("the SDK does not have the operation")
	}
	_, err := call(t, client(st.config), s.Operations[0].Name, filled(t, theirs, boundOutside(schemaOf(theirs))))
	var said smithy.APIError
	if !errors.As(err, &said) {
		t.Fatalf("the SDK got %v", err)
	}
	if message := said.ErrorMessage(); message != "said <&> \"é\"" && message != form.QueryMessage {
		t.Errorf("the message is %q", message)
	}
	if _, generic := said.(*smithy.GenericAPIError); modelled && generic {
		t.Error("the model has the error, but the SDK did not recognize it")
	}
	if got := said.ErrorCode(); got != code && got != form.Query && got != modelName(said) {
		t.Errorf("the code is %q", got)
	}
	var response interface{ HTTPStatusCode() int }
	if errors.As(err, &response) && modelled && s.JSON.Version != "1.1" && response.HTTPStatusCode() != status {
		t.Errorf("the status is %d, and in the model %d", response.HTTPStatusCode(), status)
	}
}

// modelName is the name of an error's type in the SDK.
func modelName(err smithy.APIError) string { return reflect.TypeOf(err).Elem().Name() }
