package lambda

import (
	"context"
	"crypto/rand"
	"errors"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"time"

	"naru/internal/store"
	"naru/internal/wire"
)

// URL is the URL of a function or alias, under the key of what belongs to that.
type URL struct {
	ID                        string // the first part of its host name
	Account, Region, Function string
	Qualifier                 string // "" or an alias
	Auth                      string
	Mode                      string
	Cors                      *Cors
	Created, Modified         time.Time
}

func (u *URL) name() name { return name{u.Account, u.Region, u.Function, u.Qualifier} }

// Cors says which web pages may use a URL.
type Cors struct {
	AllowCredentials *bool
	AllowHeaders     []string
	AllowMethods     []string
	AllowOrigins     []string
	ExposeHeaders    []string
	MaxAge           *int32 // seconds
}

// Who may use a URL, and how it passes responses on.
const (
	authNone     = "NONE"
	authIAM      = "AWS_IAM"
	modeBuffered = "BUFFERED"
	modeStream   = "RESPONSE_STREAM"
)

// FunctionURLConfig is a URL in replies.
type FunctionURLConfig struct {
	AuthType         string
	Cors             *Cors
	CreationTime     string
	FunctionArn      string
	FunctionUrl      string
	InvokeMode       string
	LastModifiedTime string
}

// CreateFunctionUrlConfigOutput is FunctionURLConfig without the time of the
// last change.
type CreateFunctionUrlConfigOutput struct {
	AuthType     string
	Cors         *Cors
	CreationTime string
	FunctionArn  string
	FunctionUrl  string
	InvokeMode   string
}

const urlTimeForm = "2006-01-02T15:04:05.000000Z"

func (s *Service) toldURL(ctx context.Context, u *URL) *FunctionURLConfig {
	return &FunctionURLConfig{
		AuthType: u.Auth, Cors: u.Cors, CreationTime: u.Created.Format(urlTimeForm), FunctionArn: u.name().arn(),
		FunctionUrl: s.urlOf(wire.CallOf(ctx).Endpoint, u.ID), InvokeMode: u.Mode, LastModifiedTime: u.Modified.Format(urlTimeForm),
	}
}

// urlLabel is the part of a URL's host name after its id.
const urlLabel = "lambda-url"

// urlOf returns a URL as a caller reaches it who has used endpoint. Names of
// hosts below localhost lead to this machine everywhere, those below an address
// nowhere.
func (s *Service) urlOf(endpoint, id string) string {
	if endpoint == s.options.Endpoint() { // a function's own, which has no URLs
		endpoint = s.options.URL()
	}
	if s.options.PublicURL != "" {
		endpoint = s.options.PublicURL
	}
	u, err := url.Parse(endpoint)
	if err != nil {
		return ""
	}
	host, port := u.Hostname(), u.Port()
	if _, err := netip.ParseAddr(host); err == nil || strings.HasSuffix(host, ".localhost") || strings.HasSuffix(host, ".amazonaws.com") {
		host = "localhost"
	}
	host = id + "." + urlLabel + "." + host
	if port != "" {
		host = net.JoinHostPort(host, port)
	}
	return u.Scheme + "://" + host + "/"
}

var urlHostForm = regexp.MustCompile(`^([a-z0-9]{32})\.` + urlLabel + `\.(.+)$`)

// ParseURLHost takes the host name of a function's URL apart; ok is false for
// any other.
func ParseURLHost(host string) (id, rest string, ok bool) {
	m := urlHostForm.FindStringSubmatch(strings.ToLower(host))
	if m == nil {
		return "", "", false
	}
	return m[1], m[2], true
}

func newURLID() string { return strings.ToLower(rand.Text() + rand.Text())[:32] }

const urlQualifierPattern = `((?!^\d+$)^[0-9a-zA-Z-_]+$)`

// urlName returns the function or alias that a URL is of.
func (s *Service) urlName(ctx context.Context, reference string, qualifier *string) (name, error) {
	if qualifier != nil && (!aliasForm.MatchString(*qualifier) || numberForm.MatchString(*qualifier)) {
		return name{}, violation(*qualifier, "qualifier", "Member must satisfy regular expression pattern: "+urlQualifierPattern)
	}
	return s.nameOf(ctx, reference, qualifier)
}

func noURLFunction() error { return missing("Function does not exist") }

type CreateFunctionUrlConfigInput struct {
	FunctionName string  `aws:",uri"`
	Qualifier    *string `aws:",query"`
	AuthType     *string
	Cors         *Cors
	InvokeMode   *string
}

// CreateFunctionUrlConfig gives a function or alias a URL.
func (s *Service) CreateFunctionUrlConfig(ctx context.Context, in *CreateFunctionUrlConfigInput) (*CreateFunctionUrlConfigOutput, error) {
	n, err := s.urlName(ctx, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	if in.AuthType == nil {
		return nil, violation(nil, "authType", mustNotBeNull)
	}
	u := &URL{
		ID: newURLID(), Account: n.account, Region: n.region, Function: n.function, Qualifier: n.qualifier,
		Mode: modeBuffered, Created: s.clock.Now(),
	}
	if err := u.apply(in.AuthType, in.InvokeMode, in.Cors, u.Created); err != nil {
		return nil, err
	}
	err = s.store.Catalog().Update(func(tx *store.Tx) error {
		if _, err := s.version(n); err != nil {
			return noURLFunction()
		}
		if _, exists := s.urls.Get(n.belonging()); exists {
			return conflict("Failed to create function url config for [functionArn = %s]. Error message:  FunctionUrlConfig exists for this Lambda function", n.arn())
		}
		return errors.Join(s.urls.Put(tx, n.belonging(), u), s.urlIDs.Put(tx, u.ID, n.belonging()))
	})
	if err != nil {
		return nil, err
	}
	c := s.toldURL(ctx, u)
	return &CreateFunctionUrlConfigOutput{c.AuthType, c.Cors, c.CreationTime, c.FunctionArn, c.FunctionUrl, c.InvokeMode}, nil
}

// apply checks what is given and makes it u's.
func (u *URL) apply(auth, mode *string, cors *Cors, now time.Time) error {
	if err := enumerated(auth, "authType", authNone, authIAM); err != nil {
		return err
	}
	if err := enumerated(mode, "invokeMode", modeStream, modeBuffered); err != nil {
		return err
	}
	if cors != nil {
		if err := cors.check(); err != nil {
			return err
		}
		u.Cors = cors
	}
	if auth != nil {
		u.Auth = *auth
	}
	if mode != nil {
		u.Mode = *mode
	}
	u.Modified = now
	return nil
}

func (c *Cors) check() error {
	for _, method := range c.AllowMethods {
		if len(method) > 6 {
			return violation("["+strings.Join(c.AllowMethods, ", ")+"]", "cors.allowMethods", "Member must satisfy constraint: [Member must have length less than or equal to 6, Member must have length greater than or equal to 0, Member must satisfy regular expression pattern: .*, Member must not be null]")
		}
	}
	for member, list := range map[string][]string{"allowHeaders": c.AllowHeaders, "allowOrigins": c.AllowOrigins, "exposeHeaders": c.ExposeHeaders} {
		if len(list) > 100 {
			return violation("["+strings.Join(list, ", ")+"]", "cors."+member, "Member must have length less than or equal to 100")
		}
	}
	return outside(c.MaxAge, "cors.maxAge", 0, 86400)
}

// url returns the URL of a function or alias.
func (s *Service) url(ctx context.Context, reference string, qualifier *string) (*URL, error) {
	n, err := s.urlName(ctx, reference, qualifier)
	if err != nil {
		return nil, err
	}
	u, ok := s.urls.Get(n.belonging())
	if !ok {
		return nil, noResource()
	}
	return u, nil
}

type GetFunctionUrlConfigInput struct {
	FunctionName string  `aws:",uri"`
	Qualifier    *string `aws:",query"`
}

// GetFunctionUrlConfig returns the URL of a function or alias.
func (s *Service) GetFunctionUrlConfig(ctx context.Context, in *GetFunctionUrlConfigInput) (*FunctionURLConfig, error) {
	u, err := s.url(ctx, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	return s.toldURL(ctx, u), nil
}

type UpdateFunctionUrlConfigInput struct {
	FunctionName string  `aws:",uri"`
	Qualifier    *string `aws:",query"`
	AuthType     *string
	Cors         *Cors
	InvokeMode   *string
}

// UpdateFunctionUrlConfig changes what is given of a URL.
func (s *Service) UpdateFunctionUrlConfig(ctx context.Context, in *UpdateFunctionUrlConfigInput) (*FunctionURLConfig, error) {
	n, err := s.urlName(ctx, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	var u URL
	err = s.store.Catalog().Update(func(tx *store.Tx) error {
		if _, err := s.version(n); err != nil {
			return noURLFunction()
		}
		old, ok := s.urls.Get(n.belonging())
		if !ok {
			return noResource()
		}
		u = *old
		if err := u.apply(in.AuthType, in.InvokeMode, in.Cors, s.clock.Now()); err != nil {
			return err
		}
		return s.urls.Put(tx, n.belonging(), &u)
	})
	if err != nil {
		return nil, err
	}
	return s.toldURL(ctx, &u), nil
}

type DeleteFunctionUrlConfigInput struct {
	FunctionName string  `aws:",uri"`
	Qualifier    *string `aws:",query"`
}

// DeleteFunctionUrlConfig takes the URL from a function or alias.
func (s *Service) DeleteFunctionUrlConfig(ctx context.Context, in *DeleteFunctionUrlConfigInput) (*wire.None, error) {
	return &wire.None{}, s.store.Catalog().Update(func(tx *store.Tx) error {
		u, err := s.url(ctx, in.FunctionName, in.Qualifier)
		if err == nil {
			s.clearURLs(tx, u.name().belonging())
		}
		return err
	})
}

// clearURLs removes the URLs whose keys begin with a prefix.
func (s *Service) clearURLs(tx *store.Tx, prefix string) {
	for key, u := range s.urls.All(prefix) {
		s.urls.Delete(tx, key)
		s.urlIDs.Delete(tx, u.ID)
	}
}

type ListFunctionUrlConfigsInput struct {
	FunctionName string  `aws:",uri"`
	Marker       *string `aws:",query"`
	MaxItems     *int32  `aws:",query"`
}

type ListFunctionUrlConfigsOutput struct {
	FunctionUrlConfigs []FunctionURLConfig
	NextMarker         *string
}

// ListFunctionUrlConfigs returns the URLs of a function and its aliases.
func (s *Service) ListFunctionUrlConfigs(ctx context.Context, in *ListFunctionUrlConfigsInput) (*ListFunctionUrlConfigsOutput, error) {
	n, err := s.nameOf(ctx, in.FunctionName, nil)
	if err != nil {
		return nil, err
	}
	if _, err := s.function(n); err != nil {
		return nil, noURLFunction()
	}
	all := []FunctionURLConfig{}
	for _, u := range s.urls.All(n.key() + "/") {
		all = append(all, *s.toldURL(ctx, u))
	}
	part, next, err := paged(all, in.Marker, in.MaxItems, 50)
	return &ListFunctionUrlConfigsOutput{part, next}, err
}
