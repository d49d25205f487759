package wire

import (
	"context"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"sync"

	"naru/internal/meter"
	"naru/internal/policy"
)

// A Service is one AWS service: its names on the wire, its operations, and how
// it writes its errors.
type Service struct {
	Name      string // as the credential scope of a signature names it
	JSON      JSON
	Query     Query
	Lower     bool   // members are named with a lower-case first letter
	MaxBody   int64  // bytes of a request's body; 0 means 1 MiB
	TooLarge  string // says so of a larger one, given the limit and the operation; "" for the usual words
	ErrorType string // what errors say of whose fault they are, if they do: Lambda's "User"
	Errors    map[string]ErrorForm
	// Anonymous says that the service has resources which may be open to
	// everybody: requests that are refused for want of a signature get as far
	// as the policies of resources, as nobody's.
	Anonymous bool
	// Owns reports whether a request that names no service is meant for this
	// one, by its path. It may be nil.
	Owns       func(path string) bool
	Operations []Operation
}

// JSON is how a service speaks awsJson1_0 or awsJson1_1; without Target it
// does not.
type JSON struct {
	Version string // "1.0" or "1.1"
	Target  string // what X-Amz-Target has before the point
	Prefix  string // what __type has before the name of an error
}

// Query is how a service speaks awsQuery; without Version it does not.
type Query struct {
	Version   string
	Namespace string
}

// An Operation is one operation of a service: a line of its table.
type Operation struct {
	Name string

	method, path string // of REST
	literal      string // what the query string must have, as "find=LayerVersion"
	status       int    // of success
	atRoot       bool   // see AtRoot
	anonymous    bool   // see Anonymous

	in, out *shape
	newIn   func() reflect.Value
	call    func(context.Context, any) (any, error)
	needs   func(context.Context, any) ([]policy.Request, error)

	inType, outType reflect.Type
	tags            tagger
}

// None is the output of an operation that has none: an empty reply.
type None struct{}

// Op returns the operation called name. needs says what its caller must be
// allowed to do, given the decoded input; it may look things up, and its error
// is the call's. Both see the Call in the context.
func Op[In, Out any](name string, call func(context.Context, *In) (*Out, error), needs func(context.Context, *In) ([]policy.Request, error)) Operation {
	return Operation{
		Name:    name,
		status:  http.StatusOK,
		inType:  reflect.TypeFor[In](),
		outType: reflect.TypeFor[Out](),
		tags:    taggerOf(reflect.TypeFor[In]()),
		newIn:   func() reflect.Value { return reflect.ValueOf(new(In)) },
		call:    func(ctx context.Context, in any) (any, error) { return call(ctx, in.(*In)) },
		needs: func(ctx context.Context, in any) ([]policy.Request, error) {
			return needs(ctx, in.(*In))
		},
	}
}

// At gives the operation its place in REST: a method, a path with {members}
// and maybe a parameter that the query string must have, and the status of
// success, which an output's status member overrides.
func (o Operation) At(method, path string, status int) Operation {
	o.method, o.status = method, status
	o.path, o.literal, _ = strings.Cut(path, "?")
	return o
}

// AtRoot makes the operation one that the query protocol does not have at the
// paths that the service owns: what it makes or lists has paths of its own.
func (o Operation) AtRoot() Operation {
	o.atRoot = true
	return o
}

// Anonymous makes the operation one that is called without a signature: its
// input has its own proof of who asks. The caller then is nobody.
func (o Operation) Anonymous() Operation {
	o.anonymous = true
	return o
}

// Needs returns what the operation's caller must be allowed to do, given a
// pointer to the input.
func (o Operation) Needs(ctx context.Context, in any) ([]policy.Request, error) {
	requests, err := o.needs(ctx, in)
	if err == nil {
		o.tags.add(requests, in)
	}
	return requests, err
}

// WithCall returns the operation with another function in its place, which
// needs nothing. Tests of what goes over the wire see in it what has arrived,
// and choose what leaves: values of the operation's own types.
func (o Operation) WithCall(call func(ctx context.Context, in any) (any, error)) Operation {
	o.call = call
	o.needs = func(context.Context, any) ([]policy.Request, error) { return nil, nil }
	return o
}

// Types returns the Go types of the operation's input and output.
func (o Operation) Types() (in, out reflect.Type) { return o.inType, o.outType }

// A service with what is derived from it.
type compiled struct {
	Service
	byName map[string]*Operation
	rest   *http.ServeMux // patterns to their operations; nil without REST

	succeeded sync.Map // *Operation -> figures of its calls that succeeded
}

// figures are those of an operation, so that they need not be looked up.
type figures struct {
	requests *meter.Counter
	seconds  *meter.Sketch
}

func compile(s Service) *compiled {
	if s.MaxBody == 0 {
		s.MaxBody = 1 << 20
	}
	c := &compiled{Service: s, byName: map[string]*Operation{}}
	for i := range c.Operations {
		op := &c.Operations[i]
		op.in, op.out = shapeOf(op.inType, s.Lower), shapeOf(op.outType, s.Lower)
		c.byName[op.Name] = op
	}
	c.routeREST()
	return c
}

// routeREST fills rest, if the service has operations in REST.
func (c *compiled) routeREST() {
	places := map[string]*restOperations{}
	for i := range c.Operations {
		op := &c.Operations[i]
		if op.path == "" {
			continue
		}
		pattern := op.method + " " + op.path
		place := places[pattern]
		if place == nil {
			place = &restOperations{}
			places[pattern] = place
			if c.rest == nil {
				c.rest = http.NewServeMux()
			}
			c.rest.Handle(pattern, place)
			c.rest.Handle(pattern+"/{$}", place) // as older SDKs write it
		}
		if op.literal != "" {
			place.literal = append(place.literal, op)
		} else {
			place.plain = op
		}
	}
}

// restOperations lets a ServeMux find operations by method and path. Those at
// one place differ by what their query strings have.
type restOperations struct {
	literal []*Operation
	plain   *Operation // nil for none
}

func (p *restOperations) find(query url.Values) *Operation {
	for _, op := range p.literal {
		name, value, _ := strings.Cut(op.literal, "=")
		if query.Get(name) == value {
			return op
		}
	}
	return p.plain
}

func (*restOperations) ServeHTTP(http.ResponseWriter, *http.Request) {}
