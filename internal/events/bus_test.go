package events

import (
	"slices"
	"strings"
	"testing"

	"naru/internal/policy"
)

func (w *world) bus(name string) *string {
	w.Helper()
	w.must(w.service.CreateEventBus(call(), &CreateEventBusInput{Name: &name}))
	return &name
}

func TestBuses(t *testing.T) {
	inBubble(t, func(w *world) {
		s := w.service
		out, err := s.CreateEventBus(call(), &CreateEventBusInput{Name: ptr("orders"), Description: ptr("d"), Tags: []Tag{{"k", "v"}}})
		if err != nil || out.EventBusArn != "arn:aws:events:us-east-1:000000000000:event-bus/orders" {
			t.Errorf("%+v, %v", out, err)
		}
		for _, name := range []string{"orders", "default"} {
			_, err = s.CreateEventBus(call(), &CreateEventBusInput{Name: &name})
			w.refused(err, "ResourceAlreadyExistsException", "Event bus "+name+" already exists.")
		}
		for _, bad := range []string{"", "a b", "a/b", strings.Repeat("x", 257)} {
			if _, err := s.CreateEventBus(call(), &CreateEventBusInput{Name: &bad}); err == nil {
				t.Errorf("%q was made", bad)
			}
		}
		w.must(s.UpdateEventBus(call(), &UpdateEventBusInput{Name: ptr("orders"), DeadLetterConfig: &DeadLetterConfig{ptr(target)}}))
		w.bus("more")
		w.powerCut()
		s = w.service
		got, err := s.DescribeEventBus(call(), &DescribeEventBusInput{Name: ptr("orders")})
		if err != nil || *got.Description != "d" || *got.DeadLetterConfig.Arn != target || got.Policy != nil || got.CreationTime == nil {
			t.Errorf("%+v, %v", got, err)
		}
		if got, err := s.DescribeEventBus(call(), &DescribeEventBusInput{}); err != nil || got.Name != "default" || got.CreationTime != nil {
			t.Errorf("%+v, %v", got, err)
		}
		var names []string
		for token := (*string)(nil); ; {
			page, err := s.ListEventBuses(call(), &ListEventBusesInput{Limit: ptr(int32(2)), NextToken: token})
			if err != nil {
				t.Fatal(err)
			}
			for _, b := range page.EventBuses {
				names = append(names, b.Name)
			}
			if token = page.NextToken; token == nil {
				break
			}
		}
		if !slices.Equal(names, []string{"default", "more", "orders"}) {
			t.Errorf("the buses are %q", names)
		}
		_, err = s.DeleteEventBus(call(), &DeleteEventBusInput{Name: ptr("default")})
		w.refused(err, "ValidationException", "Cannot delete event bus default.")
		w.must(s.DeleteEventBus(call(), &DeleteEventBusInput{Name: ptr("orders")}))
		for _, err := range []error{
			second(s.DeleteEventBus(call(), &DeleteEventBusInput{Name: ptr("orders")})), second(s.DescribeEventBus(call(), &DescribeEventBusInput{Name: ptr("orders")})),
			second(s.PutRule(call(), &PutRuleInput{Name: ptr("r"), EventBusName: ptr("orders"), EventPattern: ptr(`{"a": [1]}`)})),
			second(s.ListRules(call(), &ListRulesInput{EventBusName: ptr("orders")})), second(s.PutPermission(call(), &PutPermissionInput{EventBusName: ptr("orders")})),
		} {
			w.refused(err, "ResourceNotFoundException", "Event bus orders does not exist.")
		}
	})
}

func second[T any](_ T, err error) error { return err }

func TestEachBusHasRulesOfItsOwn(t *testing.T) {
	inBubble(t, func(w *world) {
		bus := w.bus("orders")
		w.on(bus, "r", `{"source": ["app"]}`, Target{Id: ptr("t"), Arn: ptr(target), Input: ptr(`"orders"`)})
		w.on(nil, "r", `{"source": ["app"]}`, Target{Id: ptr("t"), Arn: ptr(target), Input: ptr(`"default"`)})
		e := event("app", "{}")
		w.put(e)
		if got := w.sent(); !slices.Equal(got, []string{`"default"`}) {
			t.Errorf("sent %q", got)
		}
		e.EventBusName = ptr("arn:aws:events:us-east-1:000000000000:event-bus/orders")
		w.put(e)
		if got := w.sent(); !slices.Equal(got, []string{`"orders"`}) {
			t.Errorf("sent %q", got)
		}
		got, err := w.service.DescribeRule(call(), &DescribeRuleInput{Name: ptr("r"), EventBusName: bus})
		if err != nil || got.Arn != "arn:aws:events:us-east-1:000000000000:rule/orders/r" || got.EventBusName != "orders" || *got.EventPattern != `{"source": ["app"]}` || got.ScheduleExpression != nil {
			t.Errorf("%+v, %v", got, err)
		}
		_, err = w.service.PutRule(call(), &PutRuleInput{Name: ptr("s"), EventBusName: bus, ScheduleExpression: ptr("rate(1 hour)")})
		w.refused(err, "ValidationException", "ScheduleExpression is supported only on the default event bus.")
		_, err = w.service.DeleteEventBus(call(), &DeleteEventBusInput{Name: bus})
		w.refused(err, "ValidationException", "Event bus orders can't be deleted since it has rules.")
		_, err = w.service.DescribeRule(call(), &DescribeRuleInput{Name: ptr("x"), EventBusName: bus})
		w.refused(err, "ResourceNotFoundException", "Rule x does not exist on EventBus orders.")
	})
}

func TestAnEventComesThroughOneBusToAnotherAndNoFurther(t *testing.T) {
	inBubble(t, func(w *world) {
		for _, name := range []string{"b", "c"} {
			w.on(w.bus(name), "r", `{"source": ["app"]}`, Target{Id: ptr("t"), Arn: ptr(target), InputTransformer: &InputTransformer{nil, ptr(`"` + name + ` <aws.events.event.json>"`)}})
		}
		on := func(bus string) Target {
			return Target{Id: ptr("bus"), Arn: ptr("arn:aws:events:us-east-1:000000000000:event-bus/" + bus)}
		}
		w.on(nil, "r", `{"source": ["app"]}`, on("b"))
		w.target("r", ptr("b"), on("c"))
		out := w.put(event("app", "{}"))
		got := w.sent()
		if len(got) != 1 || !strings.HasPrefix(got[0], `"b `) || !strings.Contains(got[0], *out.Entries[0].EventId) {
			t.Errorf("sent %q", got)
		}
	})
}

func TestThePolicyOfABus(t *testing.T) {
	inBubble(t, func(w *world) {
		s := w.service
		for _, bus := range []*string{nil, w.bus("orders")} {
			current := func() string {
				got, err := s.DescribeEventBus(call(), &DescribeEventBusInput{Name: bus})
				if err != nil {
					t.Fatal(err)
				}
				return deref(got.Policy)
			}
			w.must(s.PutPermission(call(), &PutPermissionInput{EventBusName: bus, Action: ptr("events:PutEvents"), Principal: ptr("111122223333"), StatementId: ptr("one")}))
			w.must(s.PutPermission(call(), &PutPermissionInput{EventBusName: bus, Action: ptr("events:PutEvents"), Principal: ptr("*"), StatementId: ptr("two"),
				Condition: &Condition{ptr("StringEquals"), ptr("aws:PrincipalOrgID"), ptr("o-1")}}))
			arn := busOf(call(), bus).arn()
			one := `{"Sid":"one","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"events:PutEvents","Resource":"` + arn + `"}`
			two := `{"Sid":"two","Effect":"Allow","Principal":"*","Action":"events:PutEvents","Resource":"` + arn + `","Condition":{"StringEquals":{"aws:PrincipalOrgID":"o-1"}}}`
			if got := current(); got != `{"Version":"2012-10-17","Statement":[`+one+`,`+two+`]}` {
				t.Errorf("the policy is %s", got)
			}
			needs, err := s.needsPutEvents(call(), &PutEventsInput{Entries: []PutEventsRequestEntry{{Source: ptr("app"), EventBusName: bus}}})
			if err != nil || len(needs) != 1 || needs[0].Policy == nil {
				t.Fatalf("%+v, %v", needs, err)
			}
			for account, want := range map[string]bool{"111122223333": true, "222233334444": false} {
				other := policy.Principal{Kind: policy.Root, ARN: "arn:aws:iam::" + account + ":root", Account: account}
				if d := policy.Evaluate(other, needs[0]); d.Allowed != want {
					t.Errorf("account %s: %+v", account, d)
				}
			}
			_, err = s.RemovePermission(call(), &RemovePermissionInput{EventBusName: bus, StatementId: ptr("three")})
			w.refused(err, "ResourceNotFoundException", "Statement with the provided id does not exist.")
			w.must(s.RemovePermission(call(), &RemovePermissionInput{EventBusName: bus, StatementId: ptr("one")}))
			if got := current(); strings.Contains(got, `"one"`) {
				t.Errorf("the policy is %s", got)
			}
			document := `{"Version":"2012-10-17","Statement":{"Sid":"s","Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},"Action":"events:ListRules","Resource":"*"}}`
			w.must(s.PutPermission(call(), &PutPermissionInput{EventBusName: bus, Policy: &document}))
			if got := current(); !strings.Contains(got, `"Statement":[{"Sid":"s"`) {
				t.Errorf("the policy is %s", got)
			}
			w.must(s.RemovePermission(call(), &RemovePermissionInput{EventBusName: bus, RemoveAllPermissions: true}))
			if got := current(); got != "" {
				t.Errorf("the policy is %s", got)
			}
			for _, bad := range []PutPermissionInput{
				{Action: ptr("sqs:SendMessage"), Principal: ptr("*"), StatementId: ptr("x")}, {Action: ptr("events:PutEvents"), Principal: ptr("me"), StatementId: ptr("x")},
				{Action: ptr("events:PutEvents"), Principal: ptr("*")}, {Policy: ptr("{}")}, {Policy: ptr(`{"Statement": []}`)},
				{Action: ptr("events:PutEvents"), Principal: ptr("*"), StatementId: ptr("x"), Condition: &Condition{ptr("StringLike"), ptr("x"), ptr("y")}},
			} {
				bad.EventBusName = bus
				if _, err := s.PutPermission(call(), &bad); err == nil {
					t.Errorf("%+v was taken", bad)
				}
			}
		}
		_, err := s.PutPermission(call(), &PutPermissionInput{Policy: ptr(`{"Version":"2012-10-17","Statement":[{"Sid":"` + strings.Repeat("x", 10240) + `","Effect":"Allow","Principal":"*","Action":"events:PutEvents","Resource":"*"}]}`)})
		w.refused(err, "PolicyLengthExceededException", "The policy is longer than 10240 characters.")
	})
}

func TestTags(t *testing.T) {
	inBubble(t, func(w *world) {
		s := w.service
		bus := w.bus("orders")
		w.on(bus, "r", `{"source": ["app"]}`, Target{Id: ptr("t"), Arn: ptr(target)})
		w.on(nil, "r", `{"source": ["app"]}`, Target{Id: ptr("t"), Arn: ptr(target)})
		for _, arn := range []string{"event-bus/orders", "event-bus/default", "rule/r", "rule/orders/r"} {
			arn := "arn:aws:events:us-east-1:000000000000:" + arn
			w.must(s.TagResource(call(), &TagResourceInput{ResourceARN: &arn, Tags: []Tag{{"b", "1"}, {"a", "2"}, {"c", "3"}}}))
			w.must(s.TagResource(call(), &TagResourceInput{ResourceARN: &arn, Tags: []Tag{{"b", "4"}}}))
			w.must(s.UntagResource(call(), &UntagResourceInput{ResourceARN: &arn, TagKeys: []string{"c", "d"}}))
			got, err := s.ListTagsForResource(call(), &ListTagsForResourceInput{ResourceARN: &arn})
			if err != nil || !slices.Equal(got.Tags, []Tag{{"a", "2"}, {"b", "4"}}) {
				t.Errorf("%s: %+v, %v", arn, got, err)
			}
		}
		for arn, message := range map[string]string{"rule/x": "Rule x does not exist on EventBus default.", "rule/orders/x": "Rule x does not exist on EventBus orders.", "event-bus/x": "Event bus x does not exist."} {
			arn := "arn:aws:events:us-east-1:000000000000:" + arn
			for _, err := range []error{
				second(s.TagResource(call(), &TagResourceInput{ResourceARN: &arn})), second(s.UntagResource(call(), &UntagResourceInput{ResourceARN: &arn})),
				second(s.ListTagsForResource(call(), &ListTagsForResourceInput{ResourceARN: &arn})),
			} {
				w.refused(err, "ResourceNotFoundException", message)
			}
		}
	})
}
