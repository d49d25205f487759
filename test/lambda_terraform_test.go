package test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/google/go-cmp/cmp"
)

// What Terraform's provider calls to make, read, change and remove its
// resources, and that it reads the same each time: otherwise it would want to
// change something for ever.

// stable calls read twice, and fails if the second reply differs; it returns the
// reply as JSON, without what describes the exchange.
func stable[Out any](t *testing.T, what string, read func() (*Out, error)) string {
	t.Helper()
	text := func() string {
		out, err := read()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		text, err := json.MarshalIndent(out, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		if i := strings.Index(string(text), `"ResultMetadata"`); i >= 0 {
			text = text[:i]
		}
		text = []byte(cutLine(string(text), `"Location"`)) // of code: good for a while only
		return string(text)
	}
	first, second := text(), text()
	if diff := cmp.Diff(first, second); diff != "" {
		t.Errorf("%s differs when it is read again:\n%s", what, diff)
	}
	return first
}

func cutLine(text, with string) string {
	var kept []string
	for _, line := range strings.Split(text, "\n") {
		if !strings.Contains(line, with) {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "\n")
}

// readFunction reads a function as Terraform does on each refresh.
func readFunction(t *testing.T, c *lambda.Client, name string) string {
	t.Helper()
	all := stable(t, "GetFunction", func() (*lambda.GetFunctionOutput, error) {
		return c.GetFunction(background, &lambda.GetFunctionInput{FunctionName: &name})
	})
	all += stable(t, "ListVersionsByFunction", func() (*lambda.ListVersionsByFunctionOutput, error) {
		return c.ListVersionsByFunction(background, &lambda.ListVersionsByFunctionInput{FunctionName: &name, MaxItems: aws.Int32(10000)})
	})
	all += stable(t, "GetFunctionCodeSigningConfig", func() (*lambda.GetFunctionCodeSigningConfigOutput, error) {
		return c.GetFunctionCodeSigningConfig(background, &lambda.GetFunctionCodeSigningConfigInput{FunctionName: &name})
	})
	return all
}

func TestTerraformMakesFunctions(t *testing.T) {
	n := start(t)
	c := n.user().lambda()
	name := "tf"
	created, err := c.CreateFunction(background, &lambda.CreateFunctionInput{
		FunctionName: &name, Role: &anyRole, Runtime: types.RuntimeNodejs20x, Handler: aws.String("index.handler"), Publish: true,
		Code: &types.FunctionCode{ZipFile: zipped(t, "index.js", "exports.handler = async () => 1;")}, Timeout: aws.Int32(3), MemorySize: aws.Int32(128),
		Environment: &types.Environment{Variables: map[string]string{"KEY": "1"}}, Tags: map[string]string{"team": "a"},
		TracingConfig: &types.TracingConfig{Mode: types.TracingModePassThrough}, Architectures: []types.Architecture{types.ArchitectureArm64},
		EphemeralStorage: &types.EphemeralStorage{Size: aws.Int32(512)}, LoggingConfig: &types.LoggingConfig{LogFormat: types.LogFormatText},
	})
	if err != nil || created.State != types.StatePending || created.LastUpdateStatus != "" {
		t.Fatalf("created %+v, %v", created, err)
	}
	ready := func(what string, wait func(context.Context, *lambda.GetFunctionInput, time.Duration) error) {
		t.Helper()
		if err := wait(background, &lambda.GetFunctionInput{FunctionName: &name}, patience); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	active := func(ctx context.Context, in *lambda.GetFunctionInput, d time.Duration) error {
		return lambda.NewFunctionActiveV2Waiter(c).Wait(ctx, in, d)
	}
	updated := func(ctx context.Context, in *lambda.GetFunctionInput, d time.Duration) error {
		return lambda.NewFunctionUpdatedV2Waiter(c).Wait(ctx, in, d)
	}
	ready("it is active", active)
	if _, err := c.PutFunctionConcurrency(background, &lambda.PutFunctionConcurrencyInput{FunctionName: &name, ReservedConcurrentExecutions: aws.Int32(5)}); err != nil {
		t.Fatal(err)
	}
	before := readFunction(t, c, name)
	for _, part := range []string{`"ReservedConcurrentExecutions": 5`, `"team": "a"`, `"Version": "1"`, `"arm64"`} {
		if !strings.Contains(before, part) {
			t.Errorf("%s is missing in %s", part, before)
		}
	}

	out, err := c.UpdateFunctionConfiguration(background, &lambda.UpdateFunctionConfigurationInput{FunctionName: &name, Timeout: aws.Int32(10)})
	if err != nil || out.LastUpdateStatus != types.LastUpdateStatusInProgress || *out.Timeout != 10 {
		t.Fatalf("updated %+v, %v", out, err)
	}
	ready("it is updated", updated)
	code, err := c.UpdateFunctionCode(background, &lambda.UpdateFunctionCodeInput{FunctionName: &name, ZipFile: zipped(t, "index.js", "exports.handler = async () => 2;")})
	if err != nil || code.LastUpdateStatus != types.LastUpdateStatusInProgress || *code.CodeSha256 == *created.CodeSha256 {
		t.Fatalf("code updated %+v, %v", code, err)
	}
	ready("its code is updated", updated)
	v, err := c.PublishVersion(background, &lambda.PublishVersionInput{FunctionName: &name})
	if err != nil || *v.Version != "2" {
		t.Fatalf("published %+v, %v", v, err)
	}
	versioned := lambda.NewPublishedVersionActiveWaiter(c)
	if err := versioned.Wait(background, &lambda.GetFunctionConfigurationInput{FunctionName: &name, Qualifier: v.Version}, patience); err != nil {
		t.Error(err)
	}
	if _, err := c.TagResource(background, &lambda.TagResourceInput{Resource: created.FunctionArn, Tags: map[string]string{"team": "b"}}); err != nil {
		t.Error(err)
	}
	if _, err := c.UntagResource(background, &lambda.UntagResourceInput{Resource: created.FunctionArn, TagKeys: []string{"gone"}}); err != nil {
		t.Error(err)
	}
	if _, err := c.DeleteFunctionConcurrency(background, &lambda.DeleteFunctionConcurrencyInput{FunctionName: &name}); err != nil {
		t.Error(err)
	}
	if after := readFunction(t, c, name); !strings.Contains(after, `"team": "b"`) || strings.Contains(after, "ReservedConcurrentExecutions\": 5") {
		t.Errorf("afterwards it reads %s", after)
	}
	n.kill()
	n.start()
	readFunction(t, n.user().lambda(), name)
	c = n.user().lambda()
	if _, err := c.DeleteFunction(background, &lambda.DeleteFunctionInput{FunctionName: &name}); err != nil {
		t.Fatal(err)
	}
	var gone *types.ResourceNotFoundException
	if _, err := c.GetFunction(background, &lambda.GetFunctionInput{FunctionName: &name}); !errors.As(err, &gone) {
		t.Errorf("after it was deleted: %v", err)
	}
}

func TestTerraformMakesAliasesPermissionsAndURLs(t *testing.T) {
	n := start(t)
	function(t, n, "f", "exports.handler = async () => 1;", func(in *lambda.CreateFunctionInput) { in.Publish = true })
	c := n.user().lambda()
	name, alias := aws.String("f"), aws.String("live")
	if _, err := c.CreateAlias(background, &lambda.CreateAliasInput{FunctionName: name, Name: alias, FunctionVersion: aws.String("1"), Description: aws.String("d")}); err != nil {
		t.Fatal(err)
	}
	if text := stable(t, "GetAlias", func() (*lambda.GetAliasOutput, error) {
		return c.GetAlias(background, &lambda.GetAliasInput{FunctionName: name, Name: alias})
	}); !strings.Contains(text, `"RoutingConfig": null`) {
		t.Errorf("the alias reads %s", text)
	}
	if _, err := c.UpdateAlias(background, &lambda.UpdateAliasInput{FunctionName: name, Name: alias, FunctionVersion: aws.String("$LATEST"), RoutingConfig: &types.AliasRoutingConfiguration{}}); err != nil {
		t.Error(err)
	}

	grant := &lambda.AddPermissionInput{
		FunctionName: name, Qualifier: alias, StatementId: aws.String("AllowEvents"), Action: aws.String("lambda:InvokeFunction"),
		Principal: aws.String("events.amazonaws.com"), SourceArn: aws.String("arn:aws:events:us-east-1:" + account + ":rule/r"),
	}
	if _, err := c.AddPermission(background, grant); err != nil {
		t.Fatal(err)
	}
	stable(t, "GetPolicy", func() (*lambda.GetPolicyOutput, error) {
		return c.GetPolicy(background, &lambda.GetPolicyInput{FunctionName: name, Qualifier: alias})
	})

	url, err := c.CreateFunctionUrlConfig(background, &lambda.CreateFunctionUrlConfigInput{
		FunctionName: name, Qualifier: alias, AuthType: types.FunctionUrlAuthTypeNone,
		Cors: &types.Cors{AllowOrigins: []string{"https://example.com"}, AllowMethods: []string{"GET"}, MaxAge: aws.Int32(60)},
	})
	if err != nil || url.InvokeMode != types.InvokeModeBuffered {
		t.Fatalf("the URL is %+v, %v", url, err)
	}
	read := func() (*lambda.GetFunctionUrlConfigOutput, error) {
		return c.GetFunctionUrlConfig(background, &lambda.GetFunctionUrlConfigInput{FunctionName: name, Qualifier: alias})
	}
	if text := stable(t, "GetFunctionUrlConfig", read); !strings.Contains(text, *url.FunctionUrl) || !strings.Contains(text, ":function:f:live") {
		t.Errorf("the URL reads %s", text)
	}
	if _, err := c.UpdateFunctionUrlConfig(background, &lambda.UpdateFunctionUrlConfigInput{FunctionName: name, Qualifier: alias, InvokeMode: types.InvokeModeResponseStream}); err != nil {
		t.Error(err)
	}
	again, err := read()
	if err != nil || again.InvokeMode != types.InvokeModeResponseStream || len(again.Cors.AllowOrigins) != 1 || *again.FunctionUrl != *url.FunctionUrl {
		t.Errorf("the changed URL is %+v, %v", again, err)
	}

	events := &lambda.PutFunctionEventInvokeConfigInput{FunctionName: name, Qualifier: alias, MaximumRetryAttempts: aws.Int32(1), MaximumEventAgeInSeconds: aws.Int32(60)}
	if _, err := c.PutFunctionEventInvokeConfig(background, events); err != nil {
		t.Fatal(err)
	}
	stable(t, "GetFunctionEventInvokeConfig", func() (*lambda.GetFunctionEventInvokeConfigOutput, error) {
		return c.GetFunctionEventInvokeConfig(background, &lambda.GetFunctionEventInvokeConfigInput{FunctionName: name, Qualifier: alias})
	})

	_, err1 := c.RemovePermission(background, &lambda.RemovePermissionInput{FunctionName: name, Qualifier: alias, StatementId: grant.StatementId})
	_, err2 := c.DeleteFunctionUrlConfig(background, &lambda.DeleteFunctionUrlConfigInput{FunctionName: name, Qualifier: alias})
	_, err3 := c.DeleteFunctionEventInvokeConfig(background, &lambda.DeleteFunctionEventInvokeConfigInput{FunctionName: name, Qualifier: alias})
	_, err4 := c.DeleteAlias(background, &lambda.DeleteAliasInput{FunctionName: name, Name: alias})
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		t.Error(err)
	}
	var gone *types.ResourceNotFoundException
	if _, err := c.GetAlias(background, &lambda.GetAliasInput{FunctionName: name, Name: alias}); !errors.As(err, &gone) {
		t.Errorf("the deleted alias: %v", err)
	}
}

func TestTerraformMakesLayersAndProvisionedConcurrency(t *testing.T) {
	needNode(t)
	n := start(t)
	c := n.user().lambda()
	layer := aws.String("tools")
	published, err := c.PublishLayerVersion(background, &lambda.PublishLayerVersionInput{
		LayerName: layer, Content: &types.LayerVersionContentInput{ZipFile: zipped(t, "nodejs/node_modules/tool/index.js", "module.exports = 'a tool';")},
		CompatibleRuntimes: []types.Runtime{types.RuntimeNodejs20x}, LicenseInfo: aws.String("MIT"),
	})
	if err != nil || published.Version != 1 {
		t.Fatalf("published %+v, %v", published, err)
	}
	stable(t, "GetLayerVersion", func() (*lambda.GetLayerVersionOutput, error) {
		return c.GetLayerVersion(background, &lambda.GetLayerVersionInput{LayerName: layer, VersionNumber: aws.Int64(1)})
	})
	byARN, err := c.GetLayerVersionByArn(background, &lambda.GetLayerVersionByArnInput{Arn: published.LayerVersionArn})
	if err != nil || *byARN.LayerArn != *published.LayerArn {
		t.Errorf("by ARN it is %+v, %v", byARN, err)
	}
	list, err := c.ListLayers(background, &lambda.ListLayersInput{CompatibleRuntime: types.RuntimeNodejs20x})
	if err != nil || len(list.Layers) != 1 || list.Layers[0].LatestMatchingVersion.Version != 1 {
		t.Errorf("the layers are %+v, %v", list, err)
	}
	function(t, n, "f", "const tool = require('tool'); exports.handler = async () => tool;", func(in *lambda.CreateFunctionInput) {
		in.Layers, in.Publish = []string{*published.LayerVersionArn}, true
	})
	if _, err := c.DeleteLayerVersion(background, &lambda.DeleteLayerVersionInput{LayerName: layer, VersionNumber: aws.Int64(1)}); err != nil {
		t.Error(err)
	}
	n.kill()
	n.start()
	c = n.user().lambda()
	if out := invoke(t, n, "f", "{}"); string(out.Payload) != `"a tool"` {
		t.Errorf("with its layer the function answers %s\n%s", out.Payload, tail(t, out))
	}

	version := &lambda.GetProvisionedConcurrencyConfigInput{FunctionName: aws.String("f"), Qualifier: aws.String("1")}
	put, err := c.PutProvisionedConcurrencyConfig(background, &lambda.PutProvisionedConcurrencyConfigInput{FunctionName: version.FunctionName, Qualifier: version.Qualifier, ProvisionedConcurrentExecutions: aws.Int32(2)})
	if err != nil || put.Status != types.ProvisionedConcurrencyStatusEnumInProgress {
		t.Fatalf("provisioned %+v, %v", put, err)
	}
	eventually(t, "the environments are ready", func() bool {
		got, err := c.GetProvisionedConcurrencyConfig(background, version)
		if err != nil {
			t.Fatal(err)
		}
		return got.Status == types.ProvisionedConcurrencyStatusEnumReady && *got.AllocatedProvisionedConcurrentExecutions == 2
	})
	stable(t, "GetProvisionedConcurrencyConfig", func() (*lambda.GetProvisionedConcurrencyConfigOutput, error) {
		return c.GetProvisionedConcurrencyConfig(background, version)
	})
	if out := invoke(t, n, "f:1", "{}"); string(out.Payload) != `"a tool"` || strings.Contains(tail(t, out), "Init Duration") {
		t.Errorf("provisioned, it answers %s\n%s", out.Payload, tail(t, out))
	}
}

func TestTerraformMakesEventSourceMappings(t *testing.T) {
	n := start(t)
	c := n.user().lambda()
	function(t, n, "tf", "exports.handler = async () => 1;", nil)
	function(t, n, "other", "exports.handler = async () => 1;", nil)
	if _, err := n.user().sqs().CreateQueue(background, &sqs.CreateQueueInput{QueueName: aws.String("tf")}); err != nil {
		t.Fatal(err)
	}
	made, err := c.CreateEventSourceMapping(background, &lambda.CreateEventSourceMappingInput{
		FunctionName: aws.String("tf"), EventSourceArn: aws.String(sqsARN + "tf"), BatchSize: aws.Int32(100), MaximumBatchingWindowInSeconds: aws.Int32(5),
		FunctionResponseTypes: []types.FunctionResponseType{types.FunctionResponseTypeReportBatchItemFailures}, Tags: map[string]string{"team": "a"},
		ScalingConfig:  &types.ScalingConfig{MaximumConcurrency: aws.Int32(10)},
		FilterCriteria: &types.FilterCriteria{Filters: []types.Filter{{Pattern: aws.String(`{"body":["x"]}`)}}},
	})
	if err != nil || *made.State != "Creating" {
		t.Fatalf("create: %+v, %v", made, err)
	}
	read := func() string {
		t.Helper()
		return stable(t, "GetEventSourceMapping", func() (*lambda.GetEventSourceMappingOutput, error) {
			return c.GetEventSourceMapping(background, &lambda.GetEventSourceMappingInput{UUID: made.UUID})
		}) + stable(t, "ListTags", func() (*lambda.ListTagsOutput, error) {
			return c.ListTags(background, &lambda.ListTagsInput{Resource: made.EventSourceMappingArn})
		})
	}
	for _, want := range []string{`"State": "Enabled"`, `"BatchSize": 100`, `"MaximumConcurrency": 10`, `"ReportBatchItemFailures"`, `"team": "a"`, `{\"body\":[\"x\"]}`} {
		if text := read(); !strings.Contains(text, want) {
			t.Errorf("%s is not in %s", want, text)
		}
	}
	changed, err := c.UpdateEventSourceMapping(background, &lambda.UpdateEventSourceMappingInput{
		UUID: made.UUID, FunctionName: aws.String("other"), Enabled: aws.Bool(false), BatchSize: aws.Int32(10), MaximumBatchingWindowInSeconds: aws.Int32(0),
		FilterCriteria: &types.FilterCriteria{}, ScalingConfig: &types.ScalingConfig{}, FunctionResponseTypes: []types.FunctionResponseType{},
	})
	if err != nil || *changed.State != "Disabling" || *changed.FunctionArn != lambdaARN+"function:other" {
		t.Errorf("update: %+v, %v", changed, err)
	}
	if text := read(); !strings.Contains(text, `"State": "Disabled"`) || strings.Contains(text, "Pattern") || strings.Contains(text, `"MaximumConcurrency"`) || strings.Contains(text, "ReportBatch") {
		t.Errorf("it is now %s", text)
	}
	if gone, err := c.DeleteEventSourceMapping(background, &lambda.DeleteEventSourceMappingInput{UUID: made.UUID}); err != nil || *gone.State != "Deleting" {
		t.Errorf("delete: %+v, %v", gone, err)
	}
	var missing *types.ResourceNotFoundException
	if _, err := c.GetEventSourceMapping(background, &lambda.GetEventSourceMappingInput{UUID: made.UUID}); !errors.As(err, &missing) {
		t.Errorf("it is still there: %v", err)
	}
}
