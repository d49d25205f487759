package lambda

import (
	"context"
	"encoding/base64"
	"encoding/json"

	"naru/internal/wire"
)

// A streaming is an invocation whose response is taken as it comes. The
// function goes on to its end, also if nobody takes the response any more.
type streaming struct {
	contentType string
	begun       chan struct{} // closed once the function has begun to respond
	parts       chan []byte   // each is the receiver's until it asks for the next
	next        chan struct{}
	gone        <-chan struct{}
	done        chan struct{} // closed at the end; result and err are set then
	result      *result
	err         error
}

// invokeStreaming begins an invocation, and returns once the function responds,
// or has ended; or with an error if it was not run.
func (s *Service) invokeStreaming(ctx context.Context, n name, v *Version, e *event) (*streaming, error) {
	x := &streaming{
		begun: make(chan struct{}), parts: make(chan []byte), next: make(chan struct{}), gone: ctx.Done(), done: make(chan struct{}),
	}
	e.stream = x.take
	s.work.Go(func() {
		defer close(x.done)
		x.result, x.err = s.run(n, v, e)
	})
	select {
	case <-x.begun:
	case <-x.done:
		if x.err != nil {
			return nil, s.refusal(v, x.err)
		}
	}
	return x, nil
}

// take hands on what the runtime has received.
func (x *streaming) take(contentType string, data []byte) {
	if data == nil {
		x.contentType = contentType
		close(x.begun)
		return
	}
	select {
	case x.parts <- data:
	case <-x.gone:
		return
	}
	select {
	case <-x.next:
	case <-x.gone:
	}
}

// maxPart is how much of a response is sent in one piece.
const maxPart = 256 << 10

// copy calls write for each part of the response until it has ended, or write
// fails. A response that was not streamed is written once it is there.
func (x *streaming) copy(write func([]byte) error) error {
	for {
		select {
		case part := <-x.parts:
			if err := write(part); err != nil {
				return err
			}
			select {
			case x.next <- struct{}{}:
			case <-x.gone:
			}
		case <-x.done:
			if x.result == nil || x.result.failed || x.result.streamed {
				return nil
			}
			for rest := x.result.payload; len(rest) > 0; {
				part := rest[:min(len(rest), maxPart)]
				if err := write(part); err != nil {
					return err
				}
				rest = rest[len(part):]
			}
			return nil
		case <-x.gone:
			return context.Canceled
		}
	}
}

type InvokeWithResponseStreamInput struct {
	FunctionName   string  `aws:",uri"`
	Qualifier      *string `aws:",query"`
	InvocationType *string `aws:"X-Amz-Invocation-Type,header"`
	LogType        *string `aws:"X-Amz-Log-Type,header"`
	ClientContext  *string `aws:"X-Amz-Client-Context,header"`
	TenantId       *string `aws:"X-Amz-Tenant-Id,header"`
	Payload        []byte  `aws:",payload"`
}

type InvokeWithResponseStreamOutput struct {
	StatusCode                int32   `aws:",status"`
	ExecutedVersion           *string `aws:"X-Amz-Executed-Version,header"`
	ResponseStreamContentType *string `aws:"Content-Type,header"`
	EventStream               wire.Events
}

// complete is the last event of a streamed response.
type complete struct {
	ErrorCode    string `json:",omitempty"`
	ErrorDetails string `json:",omitempty"`
	LogResult    string `json:",omitempty"`
}

// InvokeWithResponseStream runs a function and passes its response on as it
// comes.
func (s *Service) InvokeWithResponseStream(ctx context.Context, in *InvokeWithResponseStreamInput) (*InvokeWithResponseStreamOutput, error) {
	like := &InvokeInput{
		FunctionName: in.FunctionName, Qualifier: in.Qualifier, InvocationType: in.InvocationType, LogType: in.LogType,
		ClientContext: in.ClientContext, TenantId: in.TenantId, Payload: in.Payload,
	}
	if err := enumerated(in.InvocationType, "invocationType", "RequestResponse", "DryRun"); err != nil {
		return nil, err
	}
	n, v, e, err := s.prepare(ctx, like)
	if err != nil {
		return nil, err
	}
	if deref(in.InvocationType) == "DryRun" {
		return &InvokeWithResponseStreamOutput{StatusCode: 204}, nil
	}
	x, err := s.invokeStreaming(ctx, n, v, e)
	if err != nil {
		return nil, err
	}
	number, contentType := v.number(), "application/vnd.amazon.eventstream"
	return &InvokeWithResponseStreamOutput{
		StatusCode: 200, ExecutedVersion: &number, ResponseStreamContentType: &contentType,
		EventStream: func(emit func(wire.Event) error) { x.emit(emit, deref(in.LogType) == "Tail") },
	}, nil
}

// emit emits the response, and then how the invocation went.
func (x *streaming) emit(emit func(wire.Event) error, tail bool) {
	err := x.copy(func(part []byte) error {
		return emit(wire.Event{Type: "PayloadChunk", ContentType: "application/octet-stream", Payload: part})
	})
	if err != nil {
		return // the client has gone
	}
	<-x.done
	var c complete
	if x.err != nil {
		c = complete{ErrorCode: "ServiceException", ErrorDetails: "The invocation was interrupted."}
	} else if x.result.failed {
		c = complete{ErrorCode: x.result.kind, ErrorDetails: string(x.result.payload)}
	}
	if tail && x.result != nil {
		c.LogResult = base64.StdEncoding.EncodeToString(x.result.tail)
	}
	text, err := json.Marshal(c)
	if err != nil {
		panic(err) // a struct of texts
	}
	_ = emit(wire.Event{Type: "InvokeComplete", ContentType: "application/json", Payload: text}) // nobody to tell
}
