package test

import (
	"fmt"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/google/go-cmp/cmp"
)

// members are further members of a request: those that the SDK leaves out
// because they are zero or missing. Their names are those of JSON; parts of
// lists are numbered from 1: "Entries.2.DelaySeconds".
type members map[string]any

// A protocol brings inputs of the SDK to Naru and fills the SDK's outputs.
type protocol interface {
	// do returns nil if the call succeeded.
	do(s *sqsSuite, in, out any, more members) *refusal
}

// A rule of SQS, which holds in every protocol.
type rule struct {
	name string
	test func(*sqsSuite)
}

// An sqsSuite checks the rules of SQS in one protocol, against a Naru of its
// own whose clock it moves.
type sqsSuite struct {
	testing.TB
	naru     *naru
	protocol protocol
	caller   caller
	xml      bool // it is the query protocol
	queues   *atomic.Int64
}

func TestSQS(t *testing.T) {
	for name, p := range map[string]protocol{
		"JSON":              jsonProtocol{},
		"QueryAtTheRoot":    queryProtocol{},
		"QueryAtTheQueue":   queryProtocol{atQueue: true},
		"QueryByGetAtQueue": queryProtocol{atQueue: true, get: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			flags := []string{"--allow-reset", "--pprof"}
			_, isJSON := p.(jsonProtocol)
			if !isJSON { // one of them writes to the disk
				flags = append(flags, "--data", "mem:")
			}
			n := start(t, flags...)
			queues := &atomic.Int64{}
			rules := sqsRules()
			if isJSON {
				rules = append(rules, crashRules...)
			}
			for _, r := range rules {
				t.Run(r.name, func(t *testing.T) {
					r.test(&sqsSuite{TB: t, naru: n, protocol: p, caller: n.user(), xml: !isJSON, queues: queues})
				})
			}
		})
	}
}

func sqsRules() (all []rule) {
	for _, rules := range [][]rule{
		queueRules, nameRules, attributeRules, policyRules, redriveRules, sendRules, messageAttributeRules, receiveRules,
		handleRules, visibilityRules, delayRules, pollRules, batchRules, deadLetterRules, fifoRules, manageRules, cooldownRules, recordedRules,
	} {
		all = append(all, rules...)
	}
	return all
}

// operationOf returns the operation that an input is of.
func operationOf(in any) string {
	return strings.TrimSuffix(reflect.TypeOf(in).Elem().Name(), "Input")
}

// do makes a call that must succeed.
func do[Out any](s *sqsSuite, in any, more ...members) *Out {
	s.Helper()
	out := new(Out)
	if r := s.protocol.do(s, in, out, merged(more)); r != nil {
		s.Fatalf("%s: %+v", operationOf(in), *r)
	}
	return out
}

func merged(more []members) members {
	all := members{}
	for _, m := range more {
		for name, value := range m {
			all[name] = value
		}
	}
	return all
}

// An expected refusal: xmlMessage is what the query protocol says instead of
// the message, where it differs.
type expected struct {
	status     int
	code       string
	kind       string // __type in JSON
	message    string
	xmlMessage string
}

const (
	sqsTypes   = "com.amazonaws.sqs#"
	coralTypes = "com.amazon.coral.service#"
	legacy     = "AWS.SimpleQueueService."
)

var noQueue = expected{
	status: 400, code: legacy + "NonExistentQueue", kind: sqsTypes + "QueueDoesNotExist",
	message: "The specified queue does not exist.", xmlMessage: "The specified queue does not exist for this wsdl version.",
}

// modelled is an error whose code is the same in all protocols.
func modelled(code, format string, args ...any) expected {
	return expected{status: 400, code: code, kind: sqsTypes + code, message: fmt.Sprintf(format, args...)}
}

// old is an error that the query protocol gives its old, long code.
func old(status int, code, format string, args ...any) expected {
	return expected{status: status, code: legacy + code, kind: sqsTypes + code, message: fmt.Sprintf(format, args...)}
}

func invalidParameter(format string, args ...any) expected {
	return expected{status: 400, code: "InvalidParameterValue", kind: coralTypes + "InvalidParameterValueException", message: fmt.Sprintf(format, args...)}
}

func missingParameter(name string) expected {
	return expected{
		status: 400, code: "MissingParameter", kind: coralTypes + "MissingRequiredParameterException",
		message: "The request must contain the parameter " + name + ".",
	}
}

func invalidValue(attribute string) expected {
	return modelled("InvalidAttributeValue", "Invalid value for the parameter %s.", attribute)
}

func unknownAttribute(name string) expected {
	return modelled("InvalidAttributeName", "Unknown Attribute %s.", name)
}

func badHandle(handle string) expected {
	e := modelled("ReceiptHandleIsInvalid", "The input receipt handle %q is not a valid receipt handle.", handle)
	e.status = 404
	return e
}

// in returns the refusal as the protocol at hand tells it.
func (e expected) in(s *sqsSuite) refusal {
	r := refusal{Status: e.status, Code: e.code, Type: e.kind, Fault: "Sender", Message: e.message}
	if s.xml {
		r.Type = ""
		if e.xmlMessage != "" {
			r.Message = e.xmlMessage
		}
	}
	return r
}

// refused makes a call that must be refused in just this way.
func refused(s *sqsSuite, in any, want expected, more ...members) {
	s.Helper()
	got := failing(s, in, more...)
	if diff := cmp.Diff(want.in(s), got); diff != "" {
		s.Errorf("%s (-want +got):\n%s", operationOf(in), diff)
	}
}

// failing makes a call that must be refused, and returns how it was.
func failing(s *sqsSuite, in any, more ...members) refusal {
	s.Helper()
	out := reflect.New(reflect.ValueOf(s.caller.sqs()).MethodByName(operationOf(in)).Type().Out(0).Elem()).Interface()
	r := s.protocol.do(s, in, out, merged(more))
	if r == nil {
		s.Fatalf("%s succeeded", operationOf(in))
	}
	return *r
}

// name returns a name that no queue has had yet.
func (s *sqsSuite) name() string { return fmt.Sprintf("queue-%d", s.queues.Add(1)) }

// queue makes a queue with attributes, given as names and values in turn, and
// returns its URL.
func (s *sqsSuite) queue(attributes ...string) string {
	s.Helper()
	return s.create(s.name(), attributes...)
}

func (s *sqsSuite) create(name string, attributes ...string) string {
	s.Helper()
	return *do[sqs.CreateQueueOutput](s, &sqs.CreateQueueInput{QueueName: &name, Attributes: pairs(attributes)}).QueueUrl
}

func pairs(texts []string) map[string]string {
	m := map[string]string{}
	for i := 0; i+1 < len(texts); i += 2 {
		m[texts[i]] = texts[i+1]
	}
	if len(m) == 0 {
		return nil
	}
	return m
}

func nameOf(url string) string { return url[strings.LastIndexByte(url, '/')+1:] }

func arnOf(url string) string { return "arn:aws:sqs:" + region + ":" + account + ":" + nameOf(url) }

// set sets attributes of a queue.
func (s *sqsSuite) set(url string, attributes ...string) {
	s.Helper()
	do[sqs.SetQueueAttributesOutput](s, &sqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: pairs(attributes)})
}

// attributes returns all attributes of a queue, or the named ones.
func (s *sqsSuite) attributes(url string, names ...types.QueueAttributeName) map[string]string {
	s.Helper()
	if len(names) == 0 {
		names = []types.QueueAttributeName{"All"}
	}
	return do[sqs.GetQueueAttributesOutput](s, &sqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: names}).Attributes
}

// counts returns how many messages are visible, in flight and delayed.
func (s *sqsSuite) counts(url string) string {
	s.Helper()
	a := s.attributes(url)
	return a["ApproximateNumberOfMessages"] + " " + a["ApproximateNumberOfMessagesNotVisible"] + " " + a["ApproximateNumberOfMessagesDelayed"]
}

// expectCounts wants so many messages to be visible, in flight and delayed.
func (s *sqsSuite) expectCounts(url string, visible, inFlight, delayed int) {
	s.Helper()
	if got, want := s.counts(url), fmt.Sprint(visible, inFlight, delayed); got != want {
		s.Errorf("there are %s messages (visible, in flight, delayed), not %s", got, want)
	}
}

// send sends a message and returns its id.
func (s *sqsSuite) send(url, body string, more ...members) string {
	s.Helper()
	return *do[sqs.SendMessageOutput](s, &sqs.SendMessageInput{QueueUrl: &url, MessageBody: &body}, more...).MessageId
}

// receive receives messages with all there is to know of them.
func (s *sqsSuite) receive(url string, more ...members) []types.Message {
	s.Helper()
	in := &sqs.ReceiveMessageInput{
		QueueUrl: &url, MaxNumberOfMessages: 10, MessageAttributeNames: []string{"All"},
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{"All"},
	}
	return do[sqs.ReceiveMessageOutput](s, in, more...).Messages
}

// one receives the only message that is visible.
func (s *sqsSuite) one(url string, more ...members) types.Message {
	s.Helper()
	messages := s.receive(url, more...)
	if len(messages) != 1 {
		s.Fatalf("received %d messages, not one", len(messages))
	}
	return messages[0]
}

// nothing wants no message to be visible.
func (s *sqsSuite) nothing(url string) {
	s.Helper()
	if messages := s.receive(url); len(messages) > 0 {
		s.Fatalf("received %q, where nothing was to be visible", *messages[0].Body)
	}
}

// remove deletes a message by a handle.
func (s *sqsSuite) remove(url string, handle *string) {
	s.Helper()
	do[sqs.DeleteMessageOutput](s, &sqs.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: handle})
}

// hide changes the visibility timeout of a message.
func (s *sqsSuite) hide(url string, handle *string, seconds int32) {
	s.Helper()
	do[sqs.ChangeMessageVisibilityOutput](s, &sqs.ChangeMessageVisibilityInput{QueueUrl: &url, ReceiptHandle: handle, VisibilityTimeout: seconds})
}

// equal reports a difference between what is and what ought to be.
func equal(t testing.TB, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func text(s string) *string { return aws.String(s) }
