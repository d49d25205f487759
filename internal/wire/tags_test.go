package wire

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"naru/internal/policy"
)

// The forms in which inputs have tags.
type (
	mapTags  struct{ Tags map[string]string }
	pair     struct{ Key, Value string }
	listTags struct{ Tags []pair }
	pairOf   struct{ Key, Value *string }
	refTags  struct{ Tags []pairOf }
	tagKeys  struct {
		Other   string
		TagKeys []string
	}
	otherTags struct{ Tags string }
)

// needsOf returns what an operation with an input needs, which asks for one
// action by itself.
func needsOf[In any](t *testing.T, in *In) policy.Context {
	t.Helper()
	op := Op("Tag", func(context.Context, *In) (*None, error) { return &None{}, nil }, func(context.Context, *In) ([]policy.Request, error) {
		return []policy.Request{{Action: "x:Tag", Context: policy.Context{"x:own": {"1"}}}, {Action: "x:More"}}, nil
	})
	needs, err := op.Needs(context.Background(), in)
	if err != nil || len(needs) != 2 {
		t.Fatalf("got %v, %v", needs, err)
	}
	if own := needs[0].Context["x:own"]; len(own) != 1 {
		t.Errorf("the operation's own key is %v", own)
	}
	return needs[1].Context
}

func TestEveryOperationAsksForTheTagsOfItsInput(t *testing.T) {
	red := "red"
	want := policy.Context{"aws:RequestTag/team": {"red"}, "aws:TagKeys": {"team"}}
	for name, got := range map[string]policy.Context{
		"AMap":            needsOf(t, &mapTags{map[string]string{"team": "red"}}),
		"AList":           needsOf(t, &listTags{[]pair{{"team", "red"}}}),
		"AListOfPointers": needsOf(t, &refTags{[]pairOf{{Key: ptr("team"), Value: &red}}}),
	} {
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	if diff := cmp.Diff(policy.Context{"aws:TagKeys": {"a", "b"}}, needsOf(t, &tagKeys{TagKeys: []string{"b", "a"}})); diff != "" {
		t.Error(diff)
	}
	for name, got := range map[string]policy.Context{
		"NoTags": needsOf(t, &mapTags{}), "NoKeys": needsOf(t, &tagKeys{}), "NoList": needsOf(t, &listTags{}), "Others": needsOf(t, &otherTags{"team"}), "NilMembers": needsOf(t, &pair{}),
	} {
		if len(got) > 0 {
			t.Errorf("%s: %v", name, got)
		}
	}
	if diff := cmp.Diff(policy.Context{"aws:RequestTag/": {""}, "aws:TagKeys": {""}}, needsOf(t, &refTags{[]pairOf{{}}})); diff != "" {
		t.Error(diff)
	}
}
