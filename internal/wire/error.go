package wire

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/http"
)

// Error is what a caller is told when a call fails, in whatever protocol. Code
// is the name of the error as the service's model writes it, or as AWS does
// where the model has none. What the caller must not see stands in Cause,
// which goes to the log.
type Error struct {
	Code    string
	Message string
	Status  int               // HTTP status; 0 means what the service says of Code
	Fields  map[string]string // further members of the error's body
	Header  map[string]string // further headers of the reply
	Bare    bool              // it does not say whose fault it is, whatever its form says
	Cause   error
}

func (e *Error) Error() string {
	if e.Cause != nil {
		return fmt.Sprintf("%s: %s (%v)", e.Code, e.Message, e.Cause)
	}
	return e.Code + ": " + e.Message
}

func (e *Error) Unwrap() error { return e.Cause }

// Errorf returns an Error of the given code.
func Errorf(code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// An ErrorForm is how a service writes one of its errors.
type ErrorForm struct {
	Status int    // HTTP status; 0 means 400
	Type   string // what JSON calls it, if not Prefix of the service and its code
	Query  string // what the query protocol calls it, if not its code
	Upper  bool   // JSON writes the message as "Message"
	Bare   bool   // it does not say whose fault it is (see Service.ErrorType)
	// QueryMessage is what the query protocol says in place of the message.
	QueryMessage string
}

// Codes that the front door uses itself, for every service. commonForms says
// what each protocol calls them.
const (
	CodeInternal      = "InternalFailure"
	CodeUnknown       = "UnknownOperation"
	CodeMalformed     = "MalformedRequest"
	CodeTooLarge      = "RequestTooLarge"
	CodeUnsigned      = "MissingAuthenticationToken"
	CodeUnknownKey    = "InvalidClientTokenId"
	CodeBadSignature  = "SignatureDoesNotMatch"
	CodeBadAuth       = "IncompleteSignature"
	CodeExpiredToken  = "ExpiredToken"
	CodeAccessDenied  = "AccessDenied"
	CodeForbiddenHost = "ForbiddenHost"
	CodeNoRoom        = "NoRoom"
)

// commonForm gives a common error's names: in JSON 1.0 (SQS), in JSON 1.1 and
// REST, and in the query protocol.
type commonForm struct {
	status            int
	json10, rest, xml string
}

const coral = "com.amazon.coral.service#"

var commonForms = map[string]commonForm{
	CodeInternal:      {500, coral + "InternalFailure", "ServiceException", "InternalFailure"},
	CodeUnknown:       {400, coral + "UnknownOperationException", "UnknownOperationException", "InvalidAction"},
	CodeMalformed:     {400, coral + "SerializationException", "SerializationException", "MalformedInput"},
	CodeTooLarge:      {413, coral + "RequestEntityTooLargeException", "RequestEntityTooLargeException", "RequestEntityTooLarge"},
	CodeUnsigned:      {403, coral + "MissingAuthenticationTokenException", "MissingAuthenticationTokenException", "MissingAuthenticationToken"},
	CodeUnknownKey:    {403, coral + "UnrecognizedClientException", "UnrecognizedClientException", "InvalidClientTokenId"},
	CodeBadSignature:  {403, coral + "InvalidSignatureException", "InvalidSignatureException", "SignatureDoesNotMatch"},
	CodeBadAuth:       {400, coral + "IncompleteSignatureException", "IncompleteSignatureException", "IncompleteSignature"},
	CodeExpiredToken:  {403, coral + "ExpiredTokenException", "ExpiredTokenException", "ExpiredToken"},
	CodeAccessDenied:  {403, coral + "AccessDeniedException", "AccessDeniedException", "AccessDenied"},
	CodeNoRoom:        {503, coral + "ServiceUnavailableException", "ServiceUnavailableException", "ServiceUnavailable"},
	CodeForbiddenHost: {403, coral + "AccessDeniedException", "AccessDeniedException", "AccessDenied"},
}

// A reply is an error as one protocol tells it.
type reply struct {
	status   int
	kind     string // JSON's __type, or the code in XML
	query    string // legacy code, for x-amzn-query-error and XML
	message  string
	upper    bool
	receiver bool // the fault is the service's
	fields   map[string]string
}

// reply gives e the form that s and the protocol p have for it.
func (s *Service) reply(p protocol, e *Error) reply {
	r, bare := reply{status: e.Status, message: e.Message, fields: e.Fields}, false
	if common, ok := commonForms[e.Code]; ok {
		r.status = cmp.Or(r.status, common.status)
		r.kind, r.query, r.upper = common.rest, common.xml, true
		bare = r.status < 500 // AWS tells these before the service is asked
		if p == protocolJSON && s.JSON.Version == "1.0" {
			r.kind = common.json10
		}
		if s.JSON.Version == "1.0" && e.Code == CodeUnsigned {
			r.query = "AccessDenied" // SQS lets the unsigned in where a policy does
		}
	} else {
		form := s.Errors[e.Code]
		r.status = cmp.Or(r.status, form.Status, http.StatusBadRequest)
		r.kind = cmp.Or(form.Type, s.JSON.Prefix+e.Code)
		r.query = cmp.Or(form.Query, e.Code)
		r.upper, bare = form.Upper, form.Bare
		if p == protocolQuery {
			r.message = cmp.Or(form.QueryMessage, r.message)
		}
	}
	if p == protocolJSON && s.JSON.Version == "1.1" && r.status < 500 && r.status != http.StatusRequestEntityTooLarge {
		r.status = http.StatusBadRequest // all of them, in this protocol
	}
	r.receiver = r.status >= 500
	if s.ErrorType != "" && !bare && !e.Bare {
		r.fields = maps.Clone(r.fields)
		if r.fields == nil {
			r.fields = map[string]string{}
		}
		r.fields["Type"] = s.ErrorType
		if r.receiver {
			r.fields["Type"] = "Service"
		}
	}
	return r
}

// asError returns err as an Error. What is no Error is an internal fault: its
// text is for the log only.
func asError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{Code: CodeInternal, Message: "We encountered an internal error. Please try again.", Cause: err}
}
