package wire

import (
	"context"
	"net/http"

	"naru/internal/policy"
)

// A Call is what is known of a request besides its input.
type Call struct {
	Service   string
	Operation string
	RequestID string
	Region    string
	Caller    policy.Principal
	// Endpoint is scheme and host as the caller wrote them: the beginning of
	// URLs that the caller is given.
	Endpoint string
	Remote   string // address of the caller's end of the connection
	Path     string // of the request's URL, unescaped
	Header   http.Header
}

// Account is the account that the call is made in: its caller's.
func (c *Call) Account() string { return c.Caller.Account }

type callKey struct{}

// WithCall returns a context that carries c, as the front door gives every
// operation. Parts of Naru that call each other's operations do the same.
func WithCall(ctx context.Context, c *Call) context.Context {
	return context.WithValue(ctx, callKey{}, c)
}

// CallOf returns the call that ctx carries. It panics if there is none.
func CallOf(ctx context.Context) *Call { return ctx.Value(callKey{}).(*Call) }

// Called returns the call that ctx carries, if there is one.
func Called(ctx context.Context) (*Call, bool) {
	c, ok := ctx.Value(callKey{}).(*Call)
	return c, ok
}

// RemoteOf returns the address of the caller's host and port; "" if the
// context carries no call, or one from inside.
func RemoteOf(ctx context.Context) string {
	if c, ok := Called(ctx); ok {
		return c.Remote
	}
	return ""
}
