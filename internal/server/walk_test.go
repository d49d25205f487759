package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	eventtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"
	schedulertypes "github.com/aws/aws-sdk-go-v2/service/scheduler/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	"github.com/google/go-cmp/cmp"

	"naru/internal/clock"
	servedlambda "naru/internal/lambda"
	"naru/internal/meter"
	"naru/internal/wire"
)

// A walk is over all operations of all services of a Naru that is served over
// HTTP, with credentials of every sort, by the SDK. The list of operations is
// that of the tables: one that is added is walked over by itself.
type walk struct {
	*testing.T
	house    *house
	endpoint string
	client   *http.Client
	owner    aws.CredentialsProvider // the root
}

// The codes by which a call is refused. Services that speak the query protocol
// call them as it does.
const (
	unsigned     = "MissingAuthenticationToken"
	unknownKey   = "InvalidClientTokenId"
	badSignature = "SignatureDoesNotMatch"
	expiredToken = "ExpiredToken"
	accessDenied = "AccessDenied"
)

// restCodes are what services call them that do not.
var restCodes = map[string]string{
	unsigned: "MissingAuthenticationTokenException", unknownKey: "UnrecognizedClientException", badSignature: "InvalidSignatureException",
	expiredToken: "ExpiredTokenException", accessDenied: "AccessDeniedException",
}

// codeOf returns what a service calls a refusal.
func codeOf(s wire.Service, code string) string {
	switch {
	case s.Query.Version == "":
		return restCodes[code]
	case s.Name == "sqs" && code == unsigned: // which has queues that are open to everybody
		return accessDenied
	}
	return code
}

func newWalk(t *testing.T, mode string) *walk {
	t.Helper()
	w := &walk{T: t, client: &http.Client{Transport: whole{&http.Transport{MaxIdleConnsPerHost: 8}}}}
	t.Cleanup(w.client.CloseIdleConnections)
	here := func() string { return w.endpoint }
	h, err := openHouse(place{
		config: Config{Data: t.TempDir(), Region: "us-east-1", Account: "000000000000", Auth: mode, Log: slog.New(slog.DiscardHandler)},
		clock:  &clock.Clock{}, meter: &meter.Registry{}, public: here, internal: here,
		launch: func(context.Context, servedlambda.Spec) (servedlambda.Processes, error) {
			return nil, errors.New("nothing is launched")
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(newGuard(h.config, h))
	t.Cleanup(func() {
		server.Close()
		if err := h.close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	w.house, w.endpoint = h, server.URL
	w.owner = credentials.NewStaticCredentialsProvider("000000000000", "any", "")
	if h.root != "" {
		key, _, err := loadRootKey(h.config.Data)
		if err != nil {
			t.Fatal(err)
		}
		w.owner = credentials.NewStaticCredentialsProvider(key.ID, key.Secret, "")
	}
	w.furnish()
	return w
}

func (w *walk) config(who aws.CredentialsProvider) aws.Config {
	return aws.Config{Region: "us-east-1", BaseEndpoint: &w.endpoint, HTTPClient: w.client, Credentials: who, Retryer: func() aws.Retryer { return aws.NopRetryer{} }}
}

func (w *walk) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

const (
	trustsAccount = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"000000000000","Service":["lambda.amazonaws.com","scheduler.amazonaws.com"]},"Action":"sts:AssumeRole"}]}`
	allowsLittle  = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"none:Nothing","Resource":"*"}]}`
)

// furnish makes one thing of each kind, called walked.
func (w *walk) furnish() {
	w.Helper()
	c, name := w.config(w.owner), aws.String(walked)
	i := iam.NewFromConfig(c)
	role := "arn:aws:iam::000000000000:role/" + walked
	for _, call := range []func() error{
		func() error {
			return second(i.CreateRole(w.Context(), &iam.CreateRoleInput{RoleName: name, AssumeRolePolicyDocument: aws.String(trustsAccount)}))
		},
		func() error {
			return second(i.PutRolePolicy(w.Context(), &iam.PutRolePolicyInput{RoleName: name, PolicyName: name, PolicyDocument: aws.String(allowsLittle)}))
		},
		func() error { return second(i.CreateUser(w.Context(), &iam.CreateUserInput{UserName: name})) },
		func() error { return second(i.CreateGroup(w.Context(), &iam.CreateGroupInput{GroupName: name})) },
		func() error {
			return second(i.CreatePolicy(w.Context(), &iam.CreatePolicyInput{PolicyName: name, PolicyDocument: aws.String(allowsLittle)}))
		},
		func() error {
			return second(i.CreateInstanceProfile(w.Context(), &iam.CreateInstanceProfileInput{InstanceProfileName: name}))
		},
		func() error {
			return second(sqs.NewFromConfig(c).CreateQueue(w.Context(), &sqs.CreateQueueInput{QueueName: name}))
		},
		func() error {
			return second(sqs.NewFromConfig(c).SendMessage(w.Context(), &sqs.SendMessageInput{QueueUrl: aws.String(w.endpoint + "/000000000000/" + walked), MessageBody: name}))
		},
		func() error {
			return second(lambda.NewFromConfig(c).CreateFunction(w.Context(), &lambda.CreateFunctionInput{
				FunctionName: name, Role: &role, Runtime: "nodejs22.x", Handler: aws.String("index.handler"), Code: &lambdatypes.FunctionCode{ZipFile: emptyZip},
			}))
		},
		func() error {
			return second(eventbridge.NewFromConfig(c).PutRule(w.Context(), &eventbridge.PutRuleInput{Name: name, ScheduleExpression: aws.String("rate(7 days)")}))
		},
		func() error {
			return second(eventbridge.NewFromConfig(c).PutTargets(w.Context(), &eventbridge.PutTargetsInput{Rule: name, Targets: []eventtypes.Target{{Id: name, Arn: aws.String("arn:aws:sqs:us-east-1:000000000000:" + walked)}}}))
		},
		func() error {
			return second(eventbridge.NewFromConfig(c).CreateEventBus(w.Context(), &eventbridge.CreateEventBusInput{Name: name}))
		},
		func() error {
			return second(scheduler.NewFromConfig(c).CreateScheduleGroup(w.Context(), &scheduler.CreateScheduleGroupInput{Name: name}))
		},
		func() error {
			return second(scheduler.NewFromConfig(c).CreateSchedule(w.Context(), &scheduler.CreateScheduleInput{
				Name: name, GroupName: name, ScheduleExpression: aws.String("rate(7 days)"), FlexibleTimeWindow: &schedulertypes.FlexibleTimeWindow{Mode: "OFF"},
				Target: &schedulertypes.Target{Arn: aws.String("arn:aws:sqs:us-east-1:000000000000:" + walked), RoleArn: &role},
			}))
		},
		func() error {
			return second(cloudwatchlogs.NewFromConfig(c).CreateLogGroup(w.Context(), &cloudwatchlogs.CreateLogGroupInput{LogGroupName: name}))
		},
		func() error {
			return second(cloudwatchlogs.NewFromConfig(c).CreateLogStream(w.Context(), &cloudwatchlogs.CreateLogStreamInput{LogGroupName: name, LogStreamName: name}))
		},
	} {
		w.must(call())
	}
}

func second[Out any](_ Out, err error) error { return err }

// emptyZip is a zip file without files.
var emptyZip = append([]byte("PK\x05\x06"), make([]byte, 18)...)

// A sort of credentials, and how calls with them are refused: not at all if "".
type visitor struct {
	name string
	who  aws.CredentialsProvider
	code string
}

// visitors are all sorts of credentials that do not suffice.
func (w *walk) visitors(mode string) []visitor {
	i := iam.NewFromConfig(w.config(w.owner))
	user := func(name string) aws.Credentials {
		w.must(second(i.CreateUser(w.Context(), &iam.CreateUserInput{UserName: &name})))
		out, err := i.CreateAccessKey(w.Context(), &iam.CreateAccessKeyInput{UserName: &name})
		w.must(err)
		return aws.Credentials{AccessKeyID: *out.AccessKey.AccessKeyId, SecretAccessKey: *out.AccessKey.SecretAccessKey}
	}
	role := func(name string) aws.Credentials {
		w.must(second(i.CreateRole(w.Context(), &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: aws.String(trustsAccount)})))
		out, err := sts.NewFromConfig(w.config(w.owner)).AssumeRole(w.Context(), &sts.AssumeRoleInput{RoleArn: aws.String("arn:aws:iam::000000000000:role/" + name), RoleSessionName: aws.String("session")})
		w.must(err)
		return aws.Credentials{AccessKeyID: *out.Credentials.AccessKeyId, SecretAccessKey: *out.Credentials.SecretAccessKey, SessionToken: *out.Credentials.SessionToken}
	}
	with := func(c aws.Credentials, change func(*aws.Credentials)) aws.Credentials {
		change(&c)
		return c
	}
	powerless, session := user("powerless"), role("powerless")
	deletedKey, inactiveKey, deletedRole := user("keyless"), user("paused"), role("deleted")
	w.must(second(i.DeleteAccessKey(w.Context(), &iam.DeleteAccessKeyInput{UserName: aws.String("keyless"), AccessKeyId: &deletedKey.AccessKeyID})))
	w.must(second(i.UpdateAccessKey(w.Context(), &iam.UpdateAccessKeyInput{UserName: aws.String("paused"), AccessKeyId: &inactiveKey.AccessKeyID, Status: "Inactive"})))
	w.must(second(i.DeleteRole(w.Context(), &iam.DeleteRoleInput{RoleName: aws.String("deleted")})))
	old, err := w.house.iam.ServiceSession("lambda.amazonaws.com", "arn:aws:iam::000000000000:role/"+walked, "session", -time.Second)
	w.must(err)
	of := func(name string, c aws.Credentials, code string) visitor {
		return visitor{name, credentials.StaticCredentialsProvider{Value: c}, code}
	}
	all := []visitor{
		of("AUserWithoutPermissions", powerless, accessDenied),
		of("ARoleWithoutPermissions", session, accessDenied),
		of("ADeletedKey", deletedKey, unknownKey),
		of("AnInactiveKey", inactiveKey, unknownKey),
		of("ASessionOfADeletedRole", deletedRole, unknownKey),
		of("AnExpiredSession", aws.Credentials{AccessKeyID: old.ID, SecretAccessKey: old.Secret, SessionToken: old.Token}, expiredToken),
		of("AWrongSecret", with(powerless, func(c *aws.Credentials) { c.SecretAccessKey = "wrong" }), badSignature),
		of("AWrongSecretOfASession", with(session, func(c *aws.Credentials) { c.SecretAccessKey = "wrong" }), badSignature),
		of("AForgedToken", with(session, func(c *aws.Credentials) { c.SessionToken = forged(c.SessionToken) }), unknownKey),
		of("NoToken", with(session, func(c *aws.Credentials) { c.SessionToken = "" }), unknownKey),
		of("AnotherOnesToken", with(session, func(c *aws.Credentials) { c.SessionToken = deletedRole.SessionToken }), unknownKey),
	}
	if mode == "enforce" {
		all = append(all,
			visitor{"Nobody", aws.AnonymousCredentials{}, unsigned},
			of("AForeignKey", aws.Credentials{AccessKeyID: "AKIAIOSFODNN7EXAMPLE", SecretAccessKey: "secret"}, unknownKey),
			of("AnAccount", aws.Credentials{AccessKeyID: "000000000000", SecretAccessKey: "any"}, unknownKey))
	}
	return all
}

// forged changes a letter in the middle of a token.
func forged(token string) string {
	letter := "A"
	if token[20] == 'A' {
		letter = "B"
	}
	return token[:20] + letter + token[21:]
}

func TestNobodyDoesWhatTheyMayNot(t *testing.T) {
	for _, mode := range []string{"open", "enforce"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			w := newWalk(t, mode)
			visitors := w.visitors(mode)
			before := w.world()
			for _, v := range visitors {
				t.Run(v.name, func(t *testing.T) {
					w.over(t, v)
					if diff := cmp.Diff(before, w.world()); diff != "" {
						t.Errorf("the world is another (-before +after):\n%s", diff)
					}
				})
			}
			t.Run("TheOwner", w.lastly)
		})
	}
}

// over calls every operation in every protocol, and wants each refused.
func (w *walk) over(t *testing.T, v visitor) {
	called := 0
	w.each(t, v.who, func(t *testing.T, s wire.Service, op wire.Operation, client any) {
		called++
		name := s.Name + "." + op.Name
		_, err := w.call(t, s, client, op)
		code := codeIn(err)
		switch {
		case selfProving[name] != "":
			if err == nil {
				t.Error("it was not refused")
			}
		case free[name] != "" && v.code == accessDenied:
			if code == codeOf(s, accessDenied) && !strings.Contains(err.Error(), "Cannot call GetSessionToken with session credentials") {
				t.Errorf("everybody may call it, but it was refused: %v", err)
			}
		case code != codeOf(s, v.code):
			t.Errorf("it was answered with %v, not %s", err, codeOf(s, v.code))
		}
	})
	if called < 100 {
		t.Errorf("only %d calls were made", called)
	}
}

// lastly calls every operation as the owner, who is never refused.
func (w *walk) lastly(t *testing.T) {
	refusals := append(slices.Collect(maps.Values(restCodes)), unsigned, unknownKey, badSignature, expiredToken)
	w.each(t, w.owner, func(t *testing.T, s wire.Service, op wire.Operation, client any) {
		_, err := w.call(t, s, client, op)
		if code := codeIn(err); slices.Contains(refusals, code) {
			t.Errorf("the owner was refused: %v", err)
		}
	})
}

// each runs a test for each operation in each protocol, with a client of the
// visitor's.
func (w *walk) each(t *testing.T, who aws.CredentialsProvider, test func(*testing.T, wire.Service, wire.Operation, any)) {
	t.Helper()
	for _, s := range w.house.services() {
		for protocol, client := range sdks[s.Name].clients(t, s) {
			for _, op := range s.Operations {
				t.Run(s.Name+"."+op.Name+"/"+protocol, func(t *testing.T) { test(t, s, op, client(w.config(who))) })
			}
		}
	}
}

// call calls an operation with an input that names what is there.
func (w *walk) call(t *testing.T, s wire.Service, client any, op wire.Operation) (out reflect.Value, err error) {
	t.Helper()
	method := reflect.ValueOf(client).MethodByName(op.Name)
	in := filled(t, method.Type().In(1).Elem(), func(reflect.StructField) bool { return true })
	named(in.Elem(), s.Name, w.endpoint)
	if kind := in.Elem().FieldByName("InvocationType"); kind.IsValid() {
		kind.SetString("DryRun") // nothing can be launched here
	}
	return call(t, client, op.Name, in)
}

// codeIn returns the code of an error of the SDK.
func codeIn(err error) string {
	var said smithy.APIError
	if err == nil || !errors.As(err, &said) {
		return fmt.Sprint(err)
	}
	return said.ErrorCode()
}

// TestAFunctionKnowsWhenItsCredentialsRunOut, so that its environments can be
// recycled before.
func TestAFunctionKnowsWhenItsCredentialsRunOut(t *testing.T) {
	w := newWalk(t, "open")
	now := time.Now()
	c, err := w.house.assume("arn:aws:iam::000000000000:role/"+walked, "f")
	w.must(err)
	if left := c.Expires.Sub(now); left > functionSession || left < functionSession-time.Minute {
		t.Errorf("they run out in %v", left)
	}
	if c, err = w.house.assume("arn:aws:iam::000000000000:role/none", "f"); err != nil || !c.Expires.IsZero() {
		t.Errorf("those of no role run out at %v, %v", c.Expires, err)
	}
}

// unread are operations that read, but not always the same.
var unread = map[string]string{
	"sts.GetSessionToken":      "makes new credentials",
	"iam.GetAccessKeyLastUsed": "tells of refused calls, too",
	"lambda.GetFunction":       "its code's URL has a signature",
}

// world is what the owner reads of everything: the replies of all operations
// that read.
func (w *walk) world() map[string]string {
	w.Helper()
	all := map[string]string{}
	for _, s := range w.house.services() {
		client := sdks[s.Name].client(w.config(w.owner))
		for _, op := range s.Operations {
			name := s.Name + "." + op.Name
			if !strings.HasPrefix(op.Name, "Get") && !strings.HasPrefix(op.Name, "List") && !strings.HasPrefix(op.Name, "Describe") || unread[name] != "" {
				continue
			}
			method := reflect.ValueOf(client).MethodByName(op.Name)
			in := reflect.New(method.Type().In(1).Elem())
			w.onlyNamed(s.Name, in.Elem())
			out, err := call(w.T, client, op.Name, in)
			if err != nil {
				all[name] = codeIn(err)
				continue
			}
			out.Elem().FieldByName("ResultMetadata").Set(reflect.ValueOf(middleware.Metadata{}))
			text, err := json.Marshal(out.Interface())
			w.must(err)
			all[name] = string(text)
		}
	}
	if len(all) < 20 {
		w.Fatalf("only %d operations read", len(all))
	}
	return all
}

// onlyNamed fills those members of an input by which things are named.
func (w *walk) onlyNamed(service string, v reflect.Value) {
	for i := range v.NumField() {
		f, name := v.Field(i), v.Type().Field(i).Name
		if f.Type() == reflect.TypeFor[*string]() && f.CanSet() && (strings.HasSuffix(name, "Name") || strings.HasSuffix(name, "Arn") || name == "QueueUrl" || name == "Rule") && !strings.HasPrefix(name, "Next") {
			value := valueFor(service, name, w.endpoint)
			f.Set(reflect.ValueOf(&value))
		}
		if name == "AttributeNames" && f.Kind() == reflect.Slice {
			all := reflect.New(f.Type().Elem()).Elem()
			all.SetString("All")
			f.Set(reflect.Append(f, all))
		}
	}
}
