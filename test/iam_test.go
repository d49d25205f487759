package test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
)

// told returns what an error of the SDK says: "404 NoSuchEntity: message".
func told(t testing.TB, err error) string {
	t.Helper()
	if err == nil {
		return ""
	}
	var said smithy.APIError
	var reply *awshttp.ResponseError
	if !errors.As(err, &said) || !errors.As(err, &reply) {
		t.Fatal(err)
	}
	code := said.ErrorCode()
	return fmt.Sprintf("%d %s: %s", reply.HTTPStatusCode(), code, said.ErrorMessage())
}

// must fails the test for an error.
func must[Out any](t testing.TB, out Out, err error) Out {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// refuses wants a call to be refused in the given words.
func refuses(t *testing.T, what, want string) func(any, error) {
	t.Helper()
	return func(_ any, err error) {
		t.Helper()
		if got := told(t, err); got != want {
			t.Errorf("%s: got %q, want %q", what, got, want)
		}
	}
}

// allowing is a policy that allows an action on a resource.
func allowing(action, resource string) string {
	return statement(`"Effect":"Allow","Action":"` + action + `","Resource":"` + resource + `"`)
}

// denying is a policy that denies an action on everything.
func denying(action string) string {
	return statement(`"Effect":"Deny","Action":"` + action + `","Resource":"*"`)
}

func statement(members ...string) string {
	return `{"Version":"2012-10-17","Statement":[{` + strings.Join(members, "},{") + `}]}`
}

// makePolicy makes a managed policy and returns its ARN.
func makePolicy(t testing.TB, c caller, name, document string) string {
	t.Helper()
	out, err := c.iam().CreatePolicy(background, &iam.CreatePolicyInput{PolicyName: &name, PolicyDocument: &document})
	return *must(t, out, err).Policy.Arn
}

// makeUser makes a user with a key.
func makeUser(t testing.TB, c caller, name string) caller {
	t.Helper()
	_, err := c.iam().CreateUser(background, &iam.CreateUserInput{UserName: &name})
	must(t, name, err)
	return makeKey(t, c, name)
}

func makeKey(t testing.TB, c caller, user string) caller {
	t.Helper()
	out, err := c.iam().CreateAccessKey(background, &iam.CreateAccessKeyInput{UserName: &user})
	key := must(t, out, err).AccessKey
	return c.naru.as(*key.AccessKeyId, *key.SecretAccessKey, "")
}

// allowUser sets the inline policy of a user.
func allowUser(t testing.TB, c caller, user, document string) {
	t.Helper()
	_, err := c.iam().PutUserPolicy(background, &iam.PutUserPolicyInput{UserName: &user, PolicyName: text("policy"), PolicyDocument: &document})
	must(t, user, err)
}

func attachUser(t testing.TB, c caller, user, policyARN string) {
	t.Helper()
	_, err := c.iam().AttachUserPolicy(background, &iam.AttachUserPolicyInput{UserName: &user, PolicyArn: &policyARN})
	must(t, user, err)
}

// may reports whether a caller may list queues; a refusal must be AccessDenied.
func may(t testing.TB, c caller) bool {
	t.Helper()
	return mayDo(t, func() error {
		_, err := c.sqs().ListQueues(background, &sqs.ListQueuesInput{})
		return err
	})
}

func mayDo(t testing.TB, call func() error) bool {
	t.Helper()
	err := call()
	var said smithy.APIError
	if err != nil && (!errors.As(err, &said) || !strings.HasPrefix(said.ErrorCode(), "AccessDenied")) {
		t.Fatal(err)
	}
	return err == nil
}

// expectMay wants a caller to be let in, or not.
func expectMay(t testing.TB, what string, c caller, want bool) {
	t.Helper()
	if got := may(t, c); got != want {
		t.Errorf("%s: allowed is %v", what, got)
	}
}

// TestRecordedErrorsOfIAM provokes the errors that were recorded from AWS.
func TestRecordedErrorsOfIAM(t *testing.T) {
	t.Parallel()
	s := newStage(t, "open")
	c, roleName := s.owner.iam(), text("assumable")
	existing := makePolicy(t, s.owner, "existing-policy-name", allowAll)
	makeUser(t, s.owner, "alice")
	const noARN = "400 ValidationError: Invalid ARN:  Could not be parsed!"
	for _, arn := range []string{"longpolicynamebutnoarn", "existing-policy-name"} {
		refuses(t, "attaching "+arn+" to a role", noARN)(c.AttachRolePolicy(background, &iam.AttachRolePolicyInput{RoleName: roleName, PolicyArn: &arn}))
		refuses(t, "attaching "+arn+" to a user", noARN)(c.AttachUserPolicy(background, &iam.AttachUserPolicyInput{UserName: text("alice"), PolicyArn: &arn}))
	}
	missing := existing + "123"
	notAttachable := "404 NoSuchEntity: Policy " + missing + " does not exist or is not attachable."
	refuses(t, "a policy that is not there", notAttachable)(c.AttachRolePolicy(background, &iam.AttachRolePolicyInput{RoleName: roleName, PolicyArn: &missing}))
	refuses(t, "a policy that is not there", notAttachable)(c.AttachUserPolicy(background, &iam.AttachUserPolicyInput{UserName: text("alice"), PolicyArn: &missing}))
	nonExistent := "arn:aws:iam::" + account + ":policy/non-existent-policy"
	refuses(t, "deleting a policy that is not there", "404 NoSuchEntity: Policy "+nonExistent+" was not found.")(c.DeletePolicy(background, &iam.DeletePolicyInput{PolicyArn: &nonExistent}))
	refuses(t, "a trust policy that is no JSON", "400 MalformedPolicyDocument: This policy contains invalid Json")(
		c.CreateRole(background, &iam.CreateRoleInput{RoleName: text("malformed"), AssumeRolePolicyDocument: text(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow"`)}))
}

// TestRecordedErrorsOfSTS does so for STS.
func TestRecordedErrorsOfSTS(t *testing.T) {
	t.Parallel()
	s := newStage(t, "open")
	makeRole(t, s.owner, "tagged", statement(`"Effect":"Allow","Principal":{"AWS":"`+account+`"},"Action":["sts:AssumeRole","sts:TagSession"]`), allowAll)
	assume := func(role, session string, tags []string, transitive ...string) *sts.AssumeRoleInput {
		in := &sts.AssumeRoleInput{RoleArn: &role, RoleSessionName: &session, TransitiveTagKeys: transitive, Tags: tagsOf(tags...)}
		return in
	}
	for arn, want := range map[string]string{
		"nothing-valid-in-here": "nothing-valid-in-here is invalid", "arn::b:::something/test-role": "arn::b:::something/test-role is invalid",
		"arn:a::::something/test-role": "arn:a::::something/test-role is invalid", "arn:a:::something/test-role": "arn:a:::something/test-role is invalid",
		"arn:a:a::aaaaaaaaaa:": "arn:a:a::aaaaaaaaaa: is invalid",
	} {
		refuses(t, arn, "400 ValidationError: "+want)(s.owner.sts().AssumeRole(background, assume(arn, "session", nil)))
	}
	refuses(t, "a bad session name", `400 ValidationError: 1 validation error detected: Value 'Session1:2' at 'roleSessionName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\w+=,.@-]*`)(
		s.owner.sts().AssumeRole(background, assume(roleARN("assumable"), "Session1:2", nil)))
	refuses(t, "a transitive tag that is not there", "400 InvalidParameterValue: The specified transitive tag key must be included in the requested tags.")(
		s.owner.sts().AssumeRole(background, assume(roleARN("tagged"), "session", []string{"a", "1"}, "b")))
	refuses(t, "tags that differ in case only", "400 InvalidParameterValue: Duplicate tag keys found. Please note that Tag keys are case insensitive.")(
		s.owner.sts().AssumeRole(background, assume(roleARN("tagged"), "session", []string{"key", "1", "KEY", "2"})))
	session := s.owner.assumeWith(t, assume(roleARN("tagged"), "session", []string{"Team", "red"}, "Team"))
	const conflict = "400 InvalidParameterValue: One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key from the calling session."
	for _, key := range []string{"Team", "team"} {
		refuses(t, "overriding the transitive tag "+key, conflict)(session.sts().AssumeRole(background, assume(roleARN("tagged"), "chained", []string{key, "blue"}, key)))
	}
}

// TestFurtherErrorsOfIAM are in AWS's words as its documentation and tools that
// meet them have them.
func TestFurtherErrorsOfIAM(t *testing.T) {
	t.Parallel()
	s := newStage(t, "open")
	c := s.owner.iam()
	arn := makePolicy(t, s.owner, "shared", allowAll)
	makeUser(t, s.owner, "alice")
	attachUser(t, s.owner, "alice", arn)
	for _, name := range []string{"g", "empty"} {
		must(t, name, second(c.CreateGroup(background, &iam.CreateGroupInput{GroupName: &name})))
	}
	must(t, "", second(c.AddUserToGroup(background, &iam.AddUserToGroupInput{GroupName: text("g"), UserName: text("alice")})))
	must(t, "", second(c.CreateInstanceProfile(background, &iam.CreateInstanceProfileInput{InstanceProfileName: text("p")})))
	must(t, "", second(c.AddRoleToInstanceProfile(background, &iam.AddRoleToInstanceProfileInput{InstanceProfileName: text("p"), RoleName: text("assumable")})))
	for range 4 {
		must(t, "", second(c.CreatePolicyVersion(background, &iam.CreatePolicyVersionInput{PolicyArn: &arn, PolicyDocument: text(allowAll)})))
	}
	aws := "arn:aws:iam::aws:policy/AdministratorAccess"
	for what, r := range map[string]struct {
		want string
		err  error
	}{
		"a role again":         {"409 EntityAlreadyExists: Role with name runner already exists.", second(c.CreateRole(background, &iam.CreateRoleInput{RoleName: text("runner"), AssumeRolePolicyDocument: text(trustsLambda)}))},
		"a user in other case": {"409 EntityAlreadyExists: User with name ALICE already exists.", second(c.CreateUser(background, &iam.CreateUserInput{UserName: text("ALICE")}))},
		"a group again":        {"409 EntityAlreadyExists: Group with name g already exists.", second(c.CreateGroup(background, &iam.CreateGroupInput{GroupName: text("g")}))},
		"a policy again":       {"409 EntityAlreadyExists: A policy called shared already exists. Duplicate names are not allowed.", second(c.CreatePolicy(background, &iam.CreatePolicyInput{PolicyName: text("shared"), PolicyDocument: text(allowAll)}))},
		"a profile again":      {"409 EntityAlreadyExists: Instance Profile p already exists.", second(c.CreateInstanceProfile(background, &iam.CreateInstanceProfileInput{InstanceProfileName: text("p")}))},
		"no user":              {"404 NoSuchEntity: The user with name bob cannot be found.", second(c.GetUser(background, &iam.GetUserInput{UserName: text("bob")}))},
		"no role":              {"404 NoSuchEntity: The role with name bob cannot be found.", second(c.GetRole(background, &iam.GetRoleInput{RoleName: text("bob")}))},
		"no group":             {"404 NoSuchEntity: The group with name bob cannot be found.", second(c.GetGroup(background, &iam.GetGroupInput{GroupName: text("bob")}))},
		"no profile":           {"404 NoSuchEntity: Instance Profile bob cannot be found.", second(c.GetInstanceProfile(background, &iam.GetInstanceProfileInput{InstanceProfileName: text("bob")}))},
		"no inline policy":     {"404 NoSuchEntity: The user policy with name bob cannot be found.", second(c.GetUserPolicy(background, &iam.GetUserPolicyInput{UserName: text("alice"), PolicyName: text("bob")}))},
		"no access key":        {"404 NoSuchEntity: The Access Key with id AKIAIOSFODNN7EXAMPLE cannot be found.", second(c.DeleteAccessKey(background, &iam.DeleteAccessKeyInput{UserName: text("alice"), AccessKeyId: text("AKIAIOSFODNN7EXAMPLE")}))},
		"no version":           {"404 NoSuchEntity: Policy " + arn + " version v9 does not exist or is not attachable.", second(c.GetPolicyVersion(background, &iam.GetPolicyVersionInput{PolicyArn: &arn, VersionId: text("v9")}))},
		"not attached":         {"404 NoSuchEntity: Policy " + arn + " was not found.", second(c.DetachRolePolicy(background, &iam.DetachRolePolicyInput{RoleName: text("runner"), PolicyArn: &arn}))},
		"no boundary":          {"404 NoSuchEntity: Scope ARN: " + arn + "x does not exist or is not attachable.", second(c.PutRolePermissionsBoundary(background, &iam.PutRolePermissionsBoundaryInput{RoleName: text("runner"), PermissionsBoundary: text(arn + "x")}))},
		"an attached policy":   {"409 DeleteConflict: Cannot delete a policy attached to entities.", second(c.DeletePolicy(background, &iam.DeletePolicyInput{PolicyArn: &arn}))},
		"a sixth version":      {"409 LimitExceeded: A managed policy can have up to 5 versions. Before you create a new version, you must delete an existing version.", second(c.CreatePolicyVersion(background, &iam.CreatePolicyVersionInput{PolicyArn: &arn, PolicyDocument: text(allowAll)}))},
		"the version in force": {"409 DeleteConflict: Cannot delete the default version of a policy.", second(c.DeletePolicyVersion(background, &iam.DeletePolicyVersionInput{PolicyArn: &arn, VersionId: text("v1")}))},
		"a group with users":   {"409 DeleteConflict: Cannot delete entity, must remove users from group first.", second(c.DeleteGroup(background, &iam.DeleteGroupInput{GroupName: text("g")}))},
		"a user with groups":   {"409 DeleteConflict: Cannot delete entity, must remove users from group first.", second(c.DeleteUser(background, &iam.DeleteUserInput{UserName: text("alice")}))},
		"a role in a profile":  {"409 DeleteConflict: Cannot delete entity, must remove roles from instance profile first.", second(c.DeleteRole(background, &iam.DeleteRoleInput{RoleName: text("assumable")}))},
		"a profile with role":  {"409 DeleteConflict: Cannot delete entity, must remove roles from instance profile first.", second(c.DeleteInstanceProfile(background, &iam.DeleteInstanceProfileInput{InstanceProfileName: text("p")}))},
		"AWS's own policy":     {"403 AccessDenied: Policies that AWS manages cannot be changed: " + aws, second(c.DeletePolicy(background, &iam.DeletePolicyInput{PolicyArn: &aws}))},
		"a session of seconds": {"400 ValidationError: 1 validation error detected: Value '60' at 'maxSessionDuration' failed to satisfy constraint: Member must have value between 3600 and 43200", second(c.UpdateRole(background, &iam.UpdateRoleInput{RoleName: text("runner"), MaxSessionDuration: number(60)}))},
		"a status":             {"400 ValidationError: 1 validation error detected: Value 'Gone' at 'status' failed to satisfy constraint: Member must satisfy enum value set: [Active, Inactive]", second(c.UpdateAccessKey(background, &iam.UpdateAccessKeyInput{UserName: text("alice"), AccessKeyId: text("AKIAIOSFODNN7EXAMPLE"), Status: "Gone"}))},
		"tags twice":           {"400 InvalidInput: Duplicate tag keys found. Please note that Tag keys are case insensitive.", second(c.TagRole(background, &iam.TagRoleInput{RoleName: text("runner"), Tags: iamTags("a", "1", "A", "2")}))},
		"a principal":          {"400 MalformedPolicyDocument: Policy document should not specify a principal.", second(c.CreatePolicy(background, &iam.CreatePolicyInput{PolicyName: text("n"), PolicyDocument: text(trustsLambda)}))},
		"a whole file":         {"409 LimitExceeded: Maximum policy size of 2048 bytes exceeded for user alice", second(c.PutUserPolicy(background, &iam.PutUserPolicyInput{UserName: text("alice"), PolicyName: text("long"), PolicyDocument: text(allowing("sqs:*", "arn:aws:sqs:us-east-1:"+account+":"+strings.Repeat("q", 2048)))}))},
		"whose user":           {"400 ValidationError: Must specify userName when calling with non-User credentials", second(c.ListAccessKeys(background, &iam.ListAccessKeysInput{}))},
	} {
		if got := told(t, r.err); got != r.want {
			t.Errorf("%s: got %q, want %q", what, got, r.want)
		}
	}
	makeKey(t, s.owner, "alice")
	refuses(t, "a third key", "409 LimitExceeded: Cannot exceed quota for AccessKeysPerUser: 2")(c.CreateAccessKey(background, &iam.CreateAccessKeyInput{UserName: text("alice")}))
}

// second returns the error of a call.
func second[Out any](_ Out, err error) error { return err }

func number(n int32) *int32 { return &n }

func iamTags(keysAndValues ...string) (tags []types.Tag) {
	for i := 0; i < len(keysAndValues); i += 2 {
		tags = append(tags, types.Tag{Key: &keysAndValues[i], Value: &keysAndValues[i+1]})
	}
	return tags
}
