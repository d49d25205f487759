package wire

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"reflect"
	"strconv"
)

// succeed writes an operation's output.
func (x *exchange) succeed(out any) {
	v := reflect.ValueOf(out).Elem()
	header, status := x.w.Header(), x.op.status
	var body []byte
	none := v.Type() == reflect.TypeFor[None]()
	switch x.protocol {
	case protocolJSON:
		header.Set("Content-Type", "application/x-amz-json-"+x.service.JSON.Version)
		if !none {
			room := bodies.Get().(*[]byte)
			defer giveBack(room)
			body = appendJSON((*room)[:0], x.op.out, v)
			*room = body
		}
	case protocolQuery:
		header.Set("Content-Type", "text/xml")
		body = x.xmlReply(v, none)
	case protocolREST:
		status, body = encodeREST(header, status, x.op.out, v)
		if i := x.op.out.events; i >= 0 && status != http.StatusNoContent {
			x.stream(status, v.Field(i).Interface().(Events))
			x.observe("")
			return
		}
	}
	x.write(status, body)
	x.observe("")
}

func (x *exchange) xmlReply(v reflect.Value, none bool) []byte {
	name := x.op.Name
	out := append(make([]byte, 0, 1024), "<?xml version=\"1.0\"?><"+name+"Response xmlns=\""+x.service.Query.Namespace+"\">"...)
	if !none {
		members := appendXML(nil, x.op.out, v)
		if len(members) == 0 {
			out = append(out, "<"+name+"Result/>"...)
		} else {
			out = append(append(append(out, "<"+name+"Result>"...), members...), "</"+name+"Result>"...)
		}
	}
	return append(out, "<ResponseMetadata><RequestId>"+x.id+"</RequestId></ResponseMetadata></"+name+"Response>"...)
}

func (x *exchange) write(status int, body []byte) {
	x.w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	x.w.WriteHeader(status)
	x.w.Write(body) // a client that has gone needs no reply
}

// fail writes an error in the service's own way and, if it is Naru's fault,
// logs its cause.
func (x *exchange) fail(e *Error) {
	r := x.service.reply(x.protocol, e)
	gone := x.r.Context().Err() != nil && errors.Is(e.Cause, context.Canceled)
	if r.receiver && !gone && e.Code != CodeNoRoom { // of that, whoever is short of something tells once
		x.front.Log.Error("a request failed", "requestId", x.id, "service", x.service.Name, "operation", x.name(), "err", e)
	} else {
		x.front.Log.Debug("a request was refused", "requestId", x.id, "service", x.service.Name, "operation", x.name(), "err", e)
	}
	header := x.w.Header()
	for name, value := range e.Header {
		header.Set(name, value)
	}
	var body []byte
	switch x.protocol {
	case protocolQuery:
		header.Set("Content-Type", "text/xml")
		body = r.xml(x.service.Query.Namespace, x.id, e)
	case protocolJSON:
		header.Set("Content-Type", "application/x-amz-json-"+x.service.JSON.Version)
		if x.r.Header.Get("X-Amzn-Query-Mode") == "true" || x.service.Query.Version != "" {
			header.Set("X-Amzn-Query-Error", r.query+";"+r.fault())
		}
		body = r.json(true)
	case protocolREST:
		header.Set("Content-Type", "application/json")
		header.Set("X-Amzn-Errortype", r.kind)
		body = r.json(false)
	}
	x.write(r.status, body)
	x.observe(r.kind)
}

func (r reply) fault() string {
	if r.receiver {
		return "Receiver"
	}
	return "Sender"
}

func (r reply) json(withType bool) []byte {
	name := "message"
	if r.upper {
		name = "Message"
	}
	out := []byte{'{'}
	if withType {
		out = append(appendJSONString(append(out, `"__type":`...), r.kind), ',')
	}
	for _, key := range sortedKeys(reflect.ValueOf(r.fields)) {
		out = append(appendJSONString(out, key), ':')
		out = append(appendJSONString(out, r.fields[key]), ',')
	}
	out = append(appendJSONString(out, name), ':')
	return append(appendJSONString(out, r.message), '}')
}

func (r reply) xml(namespace, id string, e *Error) []byte {
	if e.Code == CodeUnknown && e.Message == "" {
		return []byte("<UnknownOperationException/>")
	}
	out := []byte(`<?xml version="1.0"?><ErrorResponse xmlns="` + namespace + `"><Error><Type>` + r.fault() + "</Type><Code>" + r.query + "</Code><Message>")
	out = appendXMLText(out, r.message)
	return append(out, "</Message><Detail/></Error><RequestId>"+id+"</RequestId></ErrorResponse>"...)
}

// unrouted answers a request whose service is not known.
func (x *exchange) unrouted(err error) {
	e := asError(err)
	x.front.Log.Debug("a request was refused", "requestId", x.id, "method", x.r.Method, "path", x.r.URL.Path, "err", e)
	form := commonForms[e.Code]
	x.w.Header().Set("Content-Type", "application/json")
	x.write(cmp.Or(e.Status, form.status), reply{kind: form.rest, message: e.Message, upper: true}.json(true))
}

func (x *exchange) name() string {
	if x.op == nil {
		return "unknown"
	}
	return x.op.Name
}

// observe counts the request and how long it took.
func (x *exchange) observe(code string) {
	took := x.front.Clock().Sub(x.start)
	known, ok := x.service.succeeded.Load(x.op)
	if !ok || code != "" {
		known = figures{
			x.front.Meter.Counter("api_requests", "service", x.service.Name, "operation", x.name(), "error", code),
			x.front.Meter.Sketch("api_request_seconds", "service", x.service.Name, "operation", x.name()),
		}
		if code == "" {
			x.service.succeeded.Store(x.op, known)
		}
	}
	f := known.(figures)
	f.requests.Add(1)
	f.seconds.Observe(took.Seconds())
	if !x.front.Log.Enabled(x.r.Context(), slog.LevelDebug) {
		return
	}
	x.front.Log.Debug("request", "requestId", x.id, "service", x.service.Name, "operation", x.name(), "error", code, "took", took)
}
