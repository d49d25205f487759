package wire

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
)

// styled are the errors of the services below, as their models have them.
var styled = map[string]ErrorForm{
	"QueueDoesNotExist":         {Query: "AWS.SimpleQueueService.NonExistentQueue", QueryMessage: "The specified queue does not exist for this wsdl version."},
	"InvalidParameterValue":     {Type: "com.amazon.coral.service#InvalidParameterValueException"},
	"PurgeQueueInProgress":      {Status: 403},
	"ResourceNotFoundException": {Status: 404, Upper: true},
	"TooManyRequestsException":  {Status: 429},
	"ValidationException":       {Bare: true},
	"ServiceUnavailable":        {Status: 503},
}

// refusals are the errors whose rendering is tested.
var refusals = map[string]error{
	"Modelled":     Errorf("QueueDoesNotExist", "The specified %s does not exist.", "queue"),
	"Unmodelled":   Errorf("InvalidParameterValue", "<\"a\" & b>\r\n"),
	"Unknown":      Errorf("Odd", "odd"),
	"WithStatus":   Errorf("PurgeQueueInProgress", "wait"),
	"OwnStatus":    &Error{Code: "Odd", Message: "odd", Status: 409},
	"NotFound":     Errorf("ResourceNotFoundException", "no function"),
	"WithFields":   &Error{Code: "TooManyRequestsException", Message: "slow down", Fields: map[string]string{"Reason": "CallerRateLimitExceeded", "A": "b"}},
	"Validation":   Errorf("ValidationException", "1 validation error detected"),
	"Unavailable":  Errorf("ServiceUnavailable", "later"),
	"AccessDenied": Errorf(CodeAccessDenied, "User: a is not authorized"),
	"Wrapped":      fmt.Errorf("while sending: %w", Errorf("Odd", "odd")),
	"Internal":     errors.New("disk /secret/path is full"),
}

// style returns the service with operations that fail, and REST only if it has
// no other protocol.
func style(s Service) *Front {
	s.Errors = styled
	s.Operations = nil
	for name, err := range refusals {
		op := refuse(name, err)
		if s.JSON.Target == "" && s.Query.Version == "" {
			op = op.At("POST", "/2015-03-31/"+name, 200)
		}
		s.Operations = append(s.Operations, op)
	}
	return newFront(s)
}

// A rendering is a reply to a refused request.
type rendering struct {
	status int
	header string // "Name: value"
	body   string
}

const internalMessage = "We encountered an internal error. Please try again."

func testErrors(t *testing.T, front *Front, of func(operation string) call, want map[string]rendering) {
	t.Helper()
	if len(want) != len(refusals) {
		t.Errorf("%d of %d errors are tested", len(want), len(refusals))
	}
	for name, c := range want {
		t.Run(name, func(t *testing.T) {
			w := front.answer(of(name))
			if body := bodyOf(t, w); w.Code != c.status || body != c.body {
				t.Errorf("got  %d %s\nwant %d %s", w.Code, body, c.status, c.body)
			}
			header, value, _ := strings.Cut(c.header, ": ")
			if got := w.Header().Get(header); got != value {
				t.Errorf("%s is %q, want %q", header, got, value)
			}
			if got, want := w.Header().Get("Content-Length"), fmt.Sprint(w.Body.Len()); got != want {
				t.Errorf("the length is %q, want %q", got, want)
			}
		})
	}
}

func TestErrorsInJSON10WithQueryCodes(t *testing.T) {
	const sqs, coral, code = `{"__type":"com.amazonaws.sqs#`, `{"__type":"com.amazon.coral.service#`, "X-Amzn-Query-Error: "
	testErrors(t, style(queueService), func(name string) call { return jsonCall("AmazonSQS."+name, "{}") }, map[string]rendering{
		"Modelled":     {400, code + "AWS.SimpleQueueService.NonExistentQueue;Sender", sqs + `QueueDoesNotExist","message":"The specified queue does not exist."}`},
		"Unmodelled":   {400, code + "InvalidParameterValue;Sender", coral + `InvalidParameterValueException","message":"<\"a\" & b>\r\n"}`},
		"Unknown":      {400, code + "Odd;Sender", sqs + `Odd","message":"odd"}`},
		"WithStatus":   {403, code + "PurgeQueueInProgress;Sender", sqs + `PurgeQueueInProgress","message":"wait"}`},
		"OwnStatus":    {409, code + "Odd;Sender", sqs + `Odd","message":"odd"}`},
		"NotFound":     {404, code + "ResourceNotFoundException;Sender", sqs + `ResourceNotFoundException","Message":"no function"}`},
		"WithFields":   {429, code + "TooManyRequestsException;Sender", sqs + `TooManyRequestsException","A":"b","Reason":"CallerRateLimitExceeded","message":"slow down"}`},
		"Validation":   {400, code + "ValidationException;Sender", sqs + `ValidationException","message":"1 validation error detected"}`},
		"Unavailable":  {503, code + "ServiceUnavailable;Receiver", sqs + `ServiceUnavailable","message":"later"}`},
		"AccessDenied": {403, code + "AccessDenied;Sender", coral + `AccessDeniedException","Message":"User: a is not authorized"}`},
		"Wrapped":      {400, code + "Odd;Sender", sqs + `Odd","message":"odd"}`},
		"Internal":     {500, code + "InternalFailure;Receiver", coral + `InternalFailure","Message":"` + internalMessage + `"}`},
	})
}

func TestErrorsInJSON11(t *testing.T) {
	const none = "X-Amzn-Query-Error: "
	testErrors(t, style(eventService), func(name string) call { return jsonCall("AWSEvents."+name, "{}") }, map[string]rendering{
		"Modelled":     {400, none, `{"__type":"QueueDoesNotExist","message":"The specified queue does not exist."}`},
		"Unmodelled":   {400, none, `{"__type":"com.amazon.coral.service#InvalidParameterValueException","message":"<\"a\" & b>\r\n"}`},
		"Unknown":      {400, none, `{"__type":"Odd","message":"odd"}`},
		"WithStatus":   {400, none, `{"__type":"PurgeQueueInProgress","message":"wait"}`},
		"OwnStatus":    {400, none, `{"__type":"Odd","message":"odd"}`},
		"NotFound":     {400, none, `{"__type":"ResourceNotFoundException","Message":"no function"}`},
		"WithFields":   {400, none, `{"__type":"TooManyRequestsException","A":"b","Reason":"CallerRateLimitExceeded","message":"slow down"}`},
		"Validation":   {400, none, `{"__type":"ValidationException","message":"1 validation error detected"}`},
		"Unavailable":  {503, none, `{"__type":"ServiceUnavailable","message":"later"}`},
		"AccessDenied": {400, none, `{"__type":"AccessDeniedException","Message":"User: a is not authorized"}`},
		"Wrapped":      {400, none, `{"__type":"Odd","message":"odd"}`},
		"Internal":     {500, none, `{"__type":"ServiceException","Message":"` + internalMessage + `"}`},
	})
}

func TestErrorsInQueries(t *testing.T) {
	const open = `<?xml version="1.0"?><ErrorResponse xmlns="http://queue.amazonaws.com/doc/2012-11-05/"><Error><Type>`
	const end = `</Message><Detail/></Error><RequestId>ID</RequestId></ErrorResponse>`
	const kind = "Content-Type: text/xml"
	sender := func(code, message string) string {
		return open + "Sender</Type><Code>" + code + "</Code><Message>" + message + end
	}
	receiver := func(code, message string) string {
		return open + "Receiver</Type><Code>" + code + "</Code><Message>" + message + end
	}
	testErrors(t, style(queueService), func(name string) call { return formCall("Action=" + name + "&Version=2012-11-05") }, map[string]rendering{
		"Modelled":     {400, kind, sender("AWS.SimpleQueueService.NonExistentQueue", "The specified queue does not exist for this wsdl version.")},
		"Unmodelled":   {400, kind, sender("InvalidParameterValue", "&lt;&quot;a&quot; &amp; b&gt;&#xD;\n")},
		"Unknown":      {400, kind, sender("Odd", "odd")},
		"WithStatus":   {403, kind, sender("PurgeQueueInProgress", "wait")},
		"OwnStatus":    {409, kind, sender("Odd", "odd")},
		"NotFound":     {404, kind, sender("ResourceNotFoundException", "no function")},
		"WithFields":   {429, kind, sender("TooManyRequestsException", "slow down")},
		"Validation":   {400, kind, sender("ValidationException", "1 validation error detected")},
		"Unavailable":  {503, kind, receiver("ServiceUnavailable", "later")},
		"AccessDenied": {403, kind, sender("AccessDenied", "User: a is not authorized")},
		"Wrapped":      {400, kind, sender("Odd", "odd")},
		"Internal":     {500, kind, receiver("InternalFailure", internalMessage)},
	})
}

func TestErrorsInREST(t *testing.T) {
	const kind = "X-Amzn-Errortype: "
	testErrors(t, style(functionService), func(name string) call { return call{target: "/2015-03-31/" + name} }, map[string]rendering{
		"Modelled":     {400, kind + "QueueDoesNotExist", `{"Type":"User","message":"The specified queue does not exist."}`},
		"Unmodelled":   {400, kind + "com.amazon.coral.service#InvalidParameterValueException", `{"Type":"User","message":"<\"a\" & b>\r\n"}`},
		"Unknown":      {400, kind + "Odd", `{"Type":"User","message":"odd"}`},
		"WithStatus":   {403, kind + "PurgeQueueInProgress", `{"Type":"User","message":"wait"}`},
		"OwnStatus":    {409, kind + "Odd", `{"Type":"User","message":"odd"}`},
		"NotFound":     {404, kind + "ResourceNotFoundException", `{"Type":"User","Message":"no function"}`},
		"WithFields":   {429, kind + "TooManyRequestsException", `{"A":"b","Reason":"CallerRateLimitExceeded","Type":"User","message":"slow down"}`},
		"Validation":   {400, kind + "ValidationException", `{"message":"1 validation error detected"}`},
		"Unavailable":  {503, kind + "ServiceUnavailable", `{"Type":"Service","message":"later"}`},
		"AccessDenied": {403, kind + "AccessDeniedException", `{"Message":"User: a is not authorized"}`},
		"Wrapped":      {400, kind + "Odd", `{"Type":"User","message":"odd"}`},
		"Internal":     {500, kind + "ServiceException", `{"Type":"Service","Message":"` + internalMessage + `"}`},
	})
}

func TestErrorsInRESTWithoutAType(t *testing.T) {
	schedules := functionService
	schedules.ErrorType = ""
	w := style(schedules).answer(call{target: "/2015-03-31/NotFound"})
	if w.Code != 404 || w.Body.String() != `{"Message":"no function"}` {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
}

func TestQueryCodesAreToldWhereTheyAreAskedFor(t *testing.T) {
	c := jsonCall("AWSEvents.WithStatus", "{}")
	c.header["X-Amzn-Query-Mode"] = "true"
	if got := style(eventService).answer(c).Header().Get("X-Amzn-Query-Error"); got != "PurgeQueueInProgress;Sender" {
		t.Errorf("got %q", got)
	}
}

func TestTheFieldsOfAnErrorAreNotChanged(t *testing.T) {
	e := &Error{Code: "Odd", Fields: map[string]string{"a": "b"}}
	s := functionService
	s.reply(protocolREST, e)
	if len(e.Fields) != 1 {
		t.Errorf("they are %v", e.Fields)
	}
}

// commonCodes are the errors of the front door itself, as SQS (in JSON and in
// XML) and the other services tell them.
var commonCodes = map[string]struct {
	status                   int
	json10, query, json, xml string
}{
	CodeInternal:      {500, "InternalFailure", "InternalFailure", "ServiceException", "InternalFailure"},
	CodeUnknown:       {400, "UnknownOperationException", "InvalidAction", "UnknownOperationException", "InvalidAction"},
	CodeMalformed:     {400, "SerializationException", "MalformedInput", "SerializationException", "MalformedInput"},
	CodeTooLarge:      {413, "RequestEntityTooLargeException", "RequestEntityTooLarge", "RequestEntityTooLargeException", "RequestEntityTooLarge"},
	CodeUnsigned:      {403, "MissingAuthenticationTokenException", "AccessDenied", "MissingAuthenticationTokenException", "MissingAuthenticationToken"},
	CodeUnknownKey:    {403, "UnrecognizedClientException", "InvalidClientTokenId", "UnrecognizedClientException", "InvalidClientTokenId"},
	CodeBadSignature:  {403, "InvalidSignatureException", "SignatureDoesNotMatch", "InvalidSignatureException", "SignatureDoesNotMatch"},
	CodeBadAuth:       {400, "IncompleteSignatureException", "IncompleteSignature", "IncompleteSignatureException", "IncompleteSignature"},
	CodeExpiredToken:  {403, "ExpiredTokenException", "ExpiredToken", "ExpiredTokenException", "ExpiredToken"},
	CodeAccessDenied:  {403, "AccessDeniedException", "AccessDenied", "AccessDeniedException", "AccessDenied"},
	CodeForbiddenHost: {403, "AccessDeniedException", "AccessDenied", "AccessDeniedException", "AccessDenied"},
	CodeNoRoom:        {503, "ServiceUnavailableException", "ServiceUnavailable", "ServiceUnavailableException", "ServiceUnavailable"},
}

func TestErrorsOfTheFrontDoorInEachStyle(t *testing.T) {
	if len(commonCodes) != len(commonForms) {
		t.Errorf("%d of %d errors are tested", len(commonCodes), len(commonForms))
	}
	for code, want := range commonCodes {
		t.Run(code, func(t *testing.T) {
			failing := func(s Service) *Front {
				return newFront(s.with(refuse("Fail", Errorf(code, "m")).At("POST", "/2015-03-31/fail", 200)))
			}
			w := failing(queueService).answer(jsonCall("AmazonSQS.Fail", ""))
			if body := `{"__type":"com.amazon.coral.service#` + want.json10 + `","Message":"m"}`; w.Code != want.status || w.Body.String() != body {
				t.Errorf("JSON 1.0: %d %s", w.Code, w.Body)
			}
			if query, _, _ := strings.Cut(w.Header().Get("X-Amzn-Query-Error"), ";"); query != want.query {
				t.Errorf("JSON 1.0: %q", query)
			}
			w = failing(eventService).answer(jsonCall("AWSEvents.Fail", ""))
			status := want.status
			if status < 500 && status != 413 {
				status = 400
			}
			if w.Code != status || w.Body.String() != `{"__type":"`+want.json+`","Message":"m"}` {
				t.Errorf("JSON 1.1: %d %s", w.Code, w.Body)
			}
			rest := functionService
			rest.ErrorType = ""
			w = failing(rest).answer(call{target: "/2015-03-31/fail"})
			if w.Code != want.status || w.Body.String() != `{"Message":"m"}` || w.Header().Get("X-Amzn-Errortype") != want.json {
				t.Errorf("REST: %d %v %s", w.Code, w.Header(), w.Body)
			}
			w = failing(roleService).answer(formCall("Action=Fail&Version=2010-05-08"))
			if w.Code != want.status || !strings.Contains(w.Body.String(), "<Code>"+want.xml+"</Code><Message>m</Message>") {
				t.Errorf("XML: %d %s", w.Code, w.Body)
			}
		})
	}
}

func TestTheCauseOfAnErrorIsForTheLogOnly(t *testing.T) {
	secret := errors.New("pebble: /var/lib/naru is read-only")
	for name, err := range map[string]error{
		"NoErrorOfOurs":    secret,
		"WrappedInText":    fmt.Errorf("queue q: %w", secret),
		"ACause":           &Error{Code: CodeInternal, Message: "sorry", Cause: secret},
		"ACauseOfARefusal": &Error{Code: "Odd", Message: "odd", Cause: secret},
		"JoinedToARefusal": errors.Join(Errorf("Odd", "odd"), secret),
		"AroundARefusal":   fmt.Errorf("%w: %w", secret, Errorf("Odd", "odd")),
	} {
		for _, c := range []call{jsonCall("AmazonSQS.Fail", ""), formCall("Action=Fail&Version=2012-11-05")} {
			t.Run(name, func(t *testing.T) {
				var log bytes.Buffer
				front := newFront(queueService.with(refuse("Fail", err)))
				front.Log = slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
				w := front.answer(c)
				bodyOf(t, w)
				for name, values := range w.Header() {
					if strings.Contains(strings.Join(values, ""), "pebble") {
						t.Errorf("the header %s tells the cause: %q", name, values)
					}
				}
				if strings.Contains(w.Body.String(), "pebble") || strings.Contains(w.Body.String(), "queue q") {
					t.Errorf("the reply tells the cause: %s", w.Body)
				}
				if w.Code == 500 && !strings.Contains(log.String(), "pebble") || !strings.Contains(log.String(), w.Header().Get("X-Amzn-Requestid")) {
					t.Errorf("the log does not tell what happened: %s", log.String())
				}
			})
		}
	}
}

func TestOnlyNarusFaultsAreLoggedAsErrors(t *testing.T) {
	for name, c := range map[string]struct {
		err    error
		logged bool
	}{
		"ARefusal":      {Errorf("Odd", "odd"), false},
		"AFault":        {errors.New("broken"), true},
		"A503":          {&Error{Code: "Odd", Status: http.StatusServiceUnavailable}, true},
		"TheClientLeft": {context.Canceled, false},
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			front := newFront(queueService.with(refuse("Fail", c.err)))
			front.Log = slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelError}))
			r := jsonCall("AmazonSQS.Fail", "").request()
			ctx, cancel := context.WithCancel(r.Context())
			if errors.Is(c.err, context.Canceled) {
				cancel()
			}
			defer cancel()
			front.ServeHTTP(&recorder{header: http.Header{}}, r.WithContext(ctx))
			if (log.Len() > 0) != c.logged {
				t.Errorf("the log holds %q", log.String())
			}
		})
	}
}
