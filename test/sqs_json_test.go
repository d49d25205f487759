package test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// jsonProtocol speaks JSON 1.0, by the SDK.
type jsonProtocol struct{}

func (jsonProtocol) do(s *sqsSuite, in, out any, more members) *refusal {
	s.Helper()
	seen := &recorder{client: s.naru.client}
	options := func(o *sqs.Options) {
		o.HTTPClient = seen
		o.APIOptions = append(o.APIOptions, unchecked, adding(more))
	}
	results := reflect.ValueOf(s.caller.sqs()).MethodByName(operationOf(in)).Call([]reflect.Value{
		reflect.ValueOf(background), reflect.ValueOf(in), reflect.ValueOf(options),
	})
	err, _ := results[1].Interface().(error)
	checkJSONReply(s, seen.last)
	if err == nil {
		reflect.ValueOf(out).Elem().Set(results[0].Elem())
		return nil
	}
	var told smithy.APIError
	if !errors.As(err, &told) {
		s.Fatalf("%s: %v", operationOf(in), err)
	}
	r := refusalIn(s, seen.last)
	if told.ErrorCode() != r.Code || told.ErrorMessage() != r.Message {
		s.Errorf("the SDK tells its user %q, %q; the reply says %+v", told.ErrorCode(), told.ErrorMessage(), r)
	}
	return &r
}

// checkJSONReply checks what all replies have in common.
func checkJSONReply(s *sqsSuite, r reply) {
	s.Helper()
	if got := r.header.Get("Content-Type"); got != "application/x-amz-json-1.0" {
		s.Errorf("the content type is %q", got)
	}
	if r.header.Get("X-Amzn-Requestid") == "" {
		s.Error("the reply has no request id")
	}
}

// A recorder keeps the last reply as it came over the wire.
type recorder struct {
	client *http.Client
	last   reply
}

func (r *recorder) Do(q *http.Request) (*http.Response, error) {
	answer, err := r.client.Do(q)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	r.last = reply{answer.StatusCode, answer.Header, body}
	answer.Body = io.NopCloser(bytes.NewReader(body))
	return answer, err
}

// unchecked keeps the SDK from refusing requests itself.
func unchecked(stack *middleware.Stack) error {
	_, err := stack.Initialize.Remove("OperationInputValidation")
	if err != nil && strings.Contains(err.Error(), "not found") {
		return nil // the operation has nothing to check
	}
	return err
}

// adding adds members to a request's body.
func adding(more members) func(*middleware.Stack) error {
	return func(stack *middleware.Stack) error {
		if len(more) == 0 {
			return nil
		}
		return stack.Build.Add(middleware.BuildMiddlewareFunc("more members", func(ctx context.Context, in middleware.BuildInput, next middleware.BuildHandler) (middleware.BuildOutput, middleware.Metadata, error) {
			r, ok := in.Request.(*smithyhttp.Request)
			if !ok {
				return middleware.BuildOutput{}, middleware.Metadata{}, fmt.Errorf("the request is a %T", in.Request)
			}
			changed, err := withMembers(r, more)
			if err != nil {
				return middleware.BuildOutput{}, middleware.Metadata{}, err
			}
			in.Request = changed
			return next.HandleBuild(ctx, in)
		}), middleware.After)
	}
}

func withMembers(r *smithyhttp.Request, more members) (*smithyhttp.Request, error) {
	text, err := io.ReadAll(r.GetStream())
	if err != nil {
		return nil, err
	}
	var body map[string]any
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(&body); err != nil {
		return nil, err
	}
	for path, value := range more {
		if err := put(body, strings.Split(path, "."), value); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	if text, err = json.Marshal(body); err != nil {
		return nil, err
	}
	r.ContentLength = int64(len(text))
	return r.SetStream(bytes.NewReader(text))
}

// put sets a member of JSON by its path; nil removes it.
func put(in any, path []string, value any) error {
	switch in := in.(type) {
	case map[string]any:
		if len(path) > 1 {
			return put(in[path[0]], path[1:], value)
		}
		if in[path[0]] = value; value == nil {
			delete(in, path[0])
		}
		return nil
	case []any:
		i, err := strconv.Atoi(path[0])
		if err != nil || i < 1 || i > len(in) || len(path) < 2 {
			return errors.New("there is no such part of the list")
		}
		return put(in[i-1], path[1:], value)
	}
	return fmt.Errorf("%T has no members", in)
}
