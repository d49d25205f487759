package lambda

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"naru/internal/runtimeapi"
)

// update gives a function other variables, and so something new to run.
func (w *world) update(name, value string) *FunctionConfiguration {
	w.Helper()
	c, err := w.service.UpdateFunctionConfiguration(call("u"), &UpdateFunctionConfigurationInput{
		FunctionName: name, Environment: &Environment{Variables: map[string]string{"VALUE": value}},
	})
	if err != nil {
		w.Fatal(err)
	}
	return c
}

func (w *world) publish(name string) *FunctionConfiguration {
	w.Helper()
	c, err := w.service.PublishVersion(call("p"), &PublishVersionInput{FunctionName: name})
	if err != nil {
		w.Fatal(err)
	}
	return c
}

func (w *world) alias(function, name, version string, weights map[string]float64) *AliasConfiguration {
	w.Helper()
	in := &CreateAliasInput{FunctionName: function, Name: &name, FunctionVersion: &version}
	if weights != nil {
		in.RoutingConfig = &AliasRoutingConfiguration{weights}
	}
	a, err := w.service.CreateAlias(call("a"), in)
	if err != nil {
		w.Fatal(err)
	}
	return a
}

func TestAVersionIsPublishedOnlyIfSomethingHasChanged(t *testing.T) {
	inBubble(t, echo, func(w *world) {
		w.create("f", nil)
		one := w.publish("f")
		again := w.publish("f")
		if one.Version != "1" || again.Version != "1" || one.RevisionId != again.RevisionId || !strings.HasSuffix(one.FunctionArn, ":function:f:1") {
			t.Errorf("published %s as %s, then %s", one.Version, one.FunctionArn, again.Version)
		}
		w.update("f", "a")
		if v := w.publish("f"); v.Version != "2" || v.Environment.Variables["VALUE"] != "a" {
			t.Errorf("after a change: %+v", v)
		}
		w.update("f", "a")
		if v := w.publish("f"); v.Version != "2" {
			t.Errorf("after a change that changes nothing: %s", v.Version)
		}
		if _, err := w.service.DeleteFunction(call("d"), &DeleteFunctionInput{FunctionName: "f", Qualifier: ptr("2")}); err != nil {
			t.Fatal(err)
		}
		if v := w.publish("f"); v.Version != "3" {
			t.Errorf("after version 2 was deleted: %s", v.Version)
		}
		w.powerCut()
		list, err := w.service.ListVersionsByFunction(call("l"), &ListVersionsByFunctionInput{FunctionName: "f"})
		var versions []string
		for _, v := range list.Versions {
			versions = append(versions, v.Version)
		}
		if err != nil || !slices.Equal(versions, []string{"$LATEST", "1", "3"}) {
			t.Errorf("after a power cut there are %v, %v", versions, err)
		}
	})
}

func TestListsOfFunctionsAreTakenInPartsOfAnySize(t *testing.T) {
	inBubble(t, echo, func(w *world) {
		for _, name := range []string{"f", "f-1", "f1", "g"} {
			w.create(name, func(in *CreateFunctionInput) { in.Publish = true })
		}
		for _, all := range []bool{false, true} {
			want := []string{"f", "f-1", "f1", "g"}
			in := &ListFunctionsInput{MaxItems: ptr(int32(1))}
			if all {
				want = []string{"f:$LATEST", "f:1", "f-1:$LATEST", "f-1:1", "f1:$LATEST", "f1:1", "g:$LATEST", "g:1"}
				in.FunctionVersion = ptr("ALL")
			}
			var got []string
			for {
				out, err := w.service.ListFunctions(call("l"), in)
				if err != nil || len(out.Functions) != 1 {
					t.Fatalf("got %+v, %v", out, err)
				}
				_, name, _ := strings.Cut(out.Functions[0].FunctionArn, ":function:")
				got = append(got, name)
				if in.Marker = out.NextMarker; in.Marker == nil {
					break
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("listed %q, want %q", got, want)
			}
		}
	})
}

func TestPublishingWhatWasNotMeantIsRefused(t *testing.T) {
	inBubble(t, echo, func(w *world) {
		c := w.create("f", nil)
		_, err := w.service.PublishVersion(call("p"), &PublishVersionInput{FunctionName: "f", CodeSha256: ptr("other")})
		if want := "CodeSHA256 (other) is different from current CodeSHA256 in $LATEST (" + c.CodeSha256 + ")"; err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("another code: %v", err)
		}
		_, err = w.service.PublishVersion(call("p"), &PublishVersionInput{FunctionName: "f", RevisionId: &c.RevisionId})
		if code(err) != "PreconditionFailedException" {
			t.Errorf("the revision of when it was pending: %v", err)
		}
		now, err := w.service.GetFunctionConfiguration(call("g"), &GetFunctionConfigurationInput{FunctionName: "f"})
		if err != nil {
			t.Fatal(err)
		}
		v, err := w.service.PublishVersion(call("p"), &PublishVersionInput{FunctionName: "f", CodeSha256: &c.CodeSha256, RevisionId: &now.RevisionId, Description: ptr("said")})
		if err != nil || v.Description != "said" {
			t.Errorf("as it is: %+v, %v", v, err)
		}
	})
}

func TestCreateAndUpdateCanPublish(t *testing.T) {
	inBubble(t, echo, func(w *world) {
		c := w.create("f", func(in *CreateFunctionInput) { in.Publish = true })
		if c.Version != "1" || strings.HasSuffix(c.FunctionArn, ":1") || *c.State != "Pending" {
			t.Errorf("created %+v", c)
		}
		c, err := w.service.UpdateFunctionCode(call("u"), &UpdateFunctionCodeInput{
			FunctionName: "f", ZipFile: zipOf(t, map[string]string{"index.js": "// new"}), Publish: true,
		})
		if err != nil || c.Version != "2" || !strings.HasSuffix(c.FunctionArn, ":2") {
			t.Errorf("updated %+v, %v", c, err)
		}
	})
}

func TestEachVersionRunsAsItWasPublished(t *testing.T) {
	inBubble(t, echo, func(w *world) {
		w.create("f", func(in *CreateFunctionInput) {
			in.Environment = &Environment{Variables: map[string]string{"VALUE": "old"}}
		})
		w.publish("f")
		w.update("f", "new")
		for reference, want := range map[string]string{"f:1": "old", "f": "new", "f:$LATEST": "new"} {
			before := len(w.environments())
			out, err := w.invoke(reference, "1")
			if err != nil {
				t.Fatal(err)
			}
			_, number, _ := strings.Cut(reference, ":")
			if number == "" {
				number = latest
			}
			if *out.ExecutedVersion != number {
				t.Errorf("%s executed %s", reference, *out.ExecutedVersion)
			}
			if all := w.environments(); len(all) > before {
				spec := all[len(all)-1].spec
				if !slices.Contains(spec.Env, "VALUE="+want) || !slices.Contains(spec.Env, "AWS_LAMBDA_FUNCTION_VERSION="+number) {
					t.Errorf("%s runs with %v", reference, spec.Env)
				}
			}
		}
		if !w.logged("START RequestId: id-of-f:1 Version: 1") {
			t.Errorf("logged %q", w.lines)
		}
		if n := len(w.environments()); n != 2 {
			t.Errorf("%d environments", n)
		}
	})
}

func TestAnAliasLeadsToItsVersionAndByWeightToAnother(t *testing.T) {
	inBubble(t, nil, func(w *world) {
		w.handler = func(i runtimeapi.Invocation) ([]byte, []byte) { return fmt.Appendf(nil, "%q", i.FunctionARN), nil }
		w.create("f", nil)
		w.publish("f")
		w.update("f", "2")
		w.publish("f")
		w.alias("f", "live", "1", nil)
		out, err := w.invoke("f:live", "1")
		if err != nil || *out.ExecutedVersion != "1" || !strings.HasSuffix(string(out.Payload), `:function:f:live"`) {
			t.Errorf("got %+v, %v", out, err)
		}
		_, err = w.service.UpdateAlias(call("a"), &UpdateAliasInput{FunctionName: "f", Name: "live", RoutingConfig: &AliasRoutingConfiguration{map[string]float64{"2": 1}}})
		if err != nil {
			t.Fatal(err)
		}
		if out, err = w.invoke("f:live", "1"); err != nil || *out.ExecutedVersion != "2" {
			t.Errorf("got %+v, %v", out, err)
		}
		_, err = w.service.DeleteFunction(call("d"), &DeleteFunctionInput{FunctionName: "f:1"})
		if code(err) != "ResourceConflictException" {
			t.Errorf("deleting a version that an alias points to: %v", err)
		}
		if _, err := w.service.DeleteAlias(call("d"), &DeleteAliasInput{FunctionName: "f", Name: "live"}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.invoke("f:live", "1"); code(err) != "ResourceNotFoundException" {
			t.Errorf("a deleted alias: %v", err)
		}
	})
}

func TestWeightsShareOutInvocations(t *testing.T) {
	a := &Alias{Version: "1", Weights: map[string]float64{"2": 0.25}}
	for chance, want := range map[float64]string{0: "2", 0.2499: "2", 0.25: "1", 0.9999: "1"} {
		if got := a.pick(chance); got != want {
			t.Errorf("at %v it is version %s", chance, got)
		}
	}
}

func TestPermissionsAreOfWhatTheyWereAddedTo(t *testing.T) {
	inBubble(t, echo, func(w *world) {
		w.create("f", nil)
		w.publish("f")
		w.alias("f", "live", "1", nil)
		for _, q := range []*string{nil, ptr("1"), ptr("live")} {
			_, err := w.service.AddPermission(call("p"), &AddPermissionInput{
				FunctionName: "f", Qualifier: q, StatementId: ptr("s" + deref(q)), Action: ptr("lambda:InvokeFunction"), Principal: ptr("events.amazonaws.com"),
			})
			if err != nil {
				t.Fatal(err)
			}
			p, err := w.service.GetPolicy(call("p"), &GetPolicyInput{FunctionName: "f", Qualifier: q})
			if err != nil || strings.Count(p.Policy, `"Sid"`) != 1 || !strings.Contains(p.Policy, `"Sid":"s`+deref(q)+`"`) {
				t.Errorf("%q has %+v, %v", deref(q), p, err)
			}
		}
		if _, err := w.service.DeleteFunction(call("d"), &DeleteFunctionInput{FunctionName: "f"}); err != nil {
			t.Fatal(err)
		}
		w.create("f", nil)
		w.publish("f")
		w.alias("f", "live", "1", nil)
		for _, q := range []*string{nil, ptr("1"), ptr("live")} {
			if _, err := w.service.GetPolicy(call("p"), &GetPolicyInput{FunctionName: "f", Qualifier: q}); code(err) != "ResourceNotFoundException" {
				t.Errorf("a new function's %q has the policy of a deleted one: %v", deref(q), err)
			}
		}
	})
}
