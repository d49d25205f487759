package test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	ststypes "github.com/aws/aws-sdk-go-v2/service/sts/types"
)

// TestWhatAUserMayDo follows a user through every way by which it gets and
// loses a permission: each bites at the next call.
func TestWhatAUserMayDo(t *testing.T) {
	for _, mode := range []string{"open", "enforce"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, mode)
			c, alice := s.owner.iam(), makeUser(t, s.owner, "alice")
			name, group := text("alice"), text("readers")
			expectMay(t, "a new user", alice, false)

			allowUser(t, s.owner, "alice", allowing("sqs:ListQueues", "*"))
			expectMay(t, "with an inline policy", alice, true)
			must(t, "", second(c.DeleteUserPolicy(background, &iam.DeleteUserPolicyInput{UserName: name, PolicyName: text("policy")})))
			expectMay(t, "without the inline policy", alice, false)

			policy := makePolicy(t, s.owner, "lists", allowing("sqs:*", "*"))
			attachUser(t, s.owner, "alice", policy)
			expectMay(t, "with a managed policy", alice, true)

			version, err := c.CreatePolicyVersion(background, &iam.CreatePolicyVersionInput{PolicyArn: &policy, PolicyDocument: text(allowing("lambda:*", "*"))})
			must(t, version, err)
			expectMay(t, "with another version that is not in force", alice, true)
			must(t, "", second(c.SetDefaultPolicyVersion(background, &iam.SetDefaultPolicyVersionInput{PolicyArn: &policy, VersionId: version.PolicyVersion.VersionId})))
			expectMay(t, "with another version in force", alice, false)
			must(t, "", second(c.SetDefaultPolicyVersion(background, &iam.SetDefaultPolicyVersionInput{PolicyArn: &policy, VersionId: text("v1")})))
			expectMay(t, "with the first version in force again", alice, true)
			must(t, "", second(c.DetachUserPolicy(background, &iam.DetachUserPolicyInput{UserName: name, PolicyArn: &policy})))
			expectMay(t, "without the managed policy", alice, false)

			must(t, "", second(c.CreateGroup(background, &iam.CreateGroupInput{GroupName: group})))
			must(t, "", second(c.AttachGroupPolicy(background, &iam.AttachGroupPolicyInput{GroupName: group, PolicyArn: &policy})))
			must(t, "", second(c.AddUserToGroup(background, &iam.AddUserToGroupInput{GroupName: group, UserName: name})))
			expectMay(t, "in a group", alice, true)
			must(t, "", second(c.UpdateGroup(background, &iam.UpdateGroupInput{GroupName: group, NewGroupName: text("others")})))
			expectMay(t, "in a group of another name", alice, true)
			must(t, "", second(c.PutGroupPolicy(background, &iam.PutGroupPolicyInput{GroupName: text("others"), PolicyName: text("deny"), PolicyDocument: text(denying("sqs:List*"))})))
			expectMay(t, "in a group that denies it", alice, false)
			must(t, "", second(c.DeleteGroupPolicy(background, &iam.DeleteGroupPolicyInput{GroupName: text("others"), PolicyName: text("deny")})))

			lambdaOnly := makePolicy(t, s.owner, "lambda-only", allowing("lambda:*", "*"))
			bound := func(arn string) {
				must(t, "", second(c.PutUserPermissionsBoundary(background, &iam.PutUserPermissionsBoundaryInput{UserName: name, PermissionsBoundary: &arn})))
			}
			bound(lambdaOnly)
			expectMay(t, "within a boundary that does not allow it", alice, false)
			bound("arn:aws:iam::aws:policy/AmazonSQSReadOnlyAccess")
			expectMay(t, "within a boundary that does", alice, true)
			bound(lambdaOnly)
			must(t, "", second(c.DeleteUserPermissionsBoundary(background, &iam.DeleteUserPermissionsBoundaryInput{UserName: name})))
			expectMay(t, "without a boundary", alice, true)
			must(t, "", second(c.RemoveUserFromGroup(background, &iam.RemoveUserFromGroupInput{GroupName: text("others"), UserName: name})))
			expectMay(t, "out of the group", alice, false)
		})
	}
}

// TestKeysOfUsers are refused as soon as they are inactive or deleted, and hold
// across a crash.
func TestKeysOfUsers(t *testing.T) {
	for _, mode := range []string{"open", "enforce"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, mode)
			c, alice := s.owner.iam(), makeUser(t, s.owner, "alice")
			allowUser(t, s.owner, "alice", allowing("sqs:*", "*"))
			other := makeKey(t, s.owner, "alice")
			code := func(what string, of caller, want string) {
				t.Helper()
				r := of.call(t, "sqs", json10("ListQueues", "{}"), spell{})
				got := ""
				if r.status != 200 {
					got = refusalIn(t, r).Code
				}
				equal(t, what, got, want)
			}
			set := func(status types.StatusType) {
				must(t, "", second(c.UpdateAccessKey(background, &iam.UpdateAccessKeyInput{UserName: text("alice"), AccessKeyId: &alice.creds.AccessKeyID, Status: status})))
			}
			code("a key", alice, "")
			used, err := c.GetAccessKeyLastUsed(background, &iam.GetAccessKeyLastUsedInput{AccessKeyId: &alice.creds.AccessKeyID})
			equal(t, "the service that it was used for", *must(t, used, err).AccessKeyLastUsed.ServiceName, "sqs")
			set("Inactive")
			code("an inactive key", alice, "InvalidClientTokenId")
			code("the user's other key", other, "")
			set("Active")
			code("an active key", alice, "")
			s.naru.kill()
			s.naru.start()
			code("a key after a crash", alice, "")
			expectIdentity(t, alice, account, "arn:aws:iam::"+account+":user/alice", *must(t, userOf(t, c, "alice"), nil).UserId)

			must(t, "", second(c.UpdateUser(background, &iam.UpdateUserInput{UserName: text("alice"), NewUserName: text("alicia")})))
			code("the key of a renamed user", alice, "")
			must(t, "", second(c.DeleteAccessKey(background, &iam.DeleteAccessKeyInput{UserName: text("alicia"), AccessKeyId: &alice.creds.AccessKeyID})))
			code("a deleted key", alice, "InvalidClientTokenId")
			code("the secret of another key", alice.with(func(c *aws.Credentials) { c.AccessKeyID = other.creds.AccessKeyID }), "SignatureDoesNotMatch")
		})
	}
}

func userOf(t testing.TB, c *iam.Client, name string) *types.User {
	t.Helper()
	out, err := c.GetUser(background, &iam.GetUserInput{UserName: &name})
	return must(t, out, err).User
}

// TestSessionsOfUsers are of the user still, and end with it.
func TestSessionsOfUsers(t *testing.T) {
	t.Parallel()
	s := newStage(t, "enforce")
	c, alice := s.owner.iam(), makeUser(t, s.owner, "alice")
	allowUser(t, s.owner, "alice", statement(`"Effect":"Allow","Action":["sqs:*","iam:*","sts:*"],"Resource":"*"`))
	out, err := alice.sts().GetSessionToken(background, &sts.GetSessionTokenInput{})
	issued := must(t, out, err).Credentials
	session := s.naru.as(*issued.AccessKeyId, *issued.SecretAccessKey, *issued.SessionToken)
	expectMay(t, "a session", session, true)
	expectIdentity(t, session, account, "arn:aws:iam::"+account+":user/alice", *userOf(t, c, "alice").UserId)
	refuses(t, "IAM", "403 InvalidClientTokenId: The security token included in the request is invalid.")(session.iam().GetUser(background, &iam.GetUserInput{}))
	const again = "403 AccessDenied: Cannot call GetSessionToken with session credentials"
	refuses(t, "a session's session", again)(session.sts().GetSessionToken(background, &sts.GetSessionTokenInput{}))
	refuses(t, "a role's session", again)(s.owner.assume(t, "assumable").sts().GetSessionToken(background, &sts.GetSessionTokenInput{}))
	session.assume(t, "assumable")

	allowUser(t, s.owner, "alice", denying("sqs:*"))
	expectMay(t, "a session of a user that lost its permission", session, false)
	rooted, err := s.owner.sts().GetSessionToken(background, &sts.GetSessionTokenInput{DurationSeconds: number(900)})
	issued = must(t, rooted, err).Credentials
	expectIdentity(t, s.naru.as(*issued.AccessKeyId, *issued.SecretAccessKey, *issued.SessionToken), account, "arn:aws:iam::"+account+":root", account)

	for _, call := range []func() error{
		func() error {
			return second(c.DeleteUserPolicy(background, &iam.DeleteUserPolicyInput{UserName: text("alice"), PolicyName: text("policy")}))
		},
		func() error {
			return second(c.DeleteAccessKey(background, &iam.DeleteAccessKeyInput{UserName: text("alice"), AccessKeyId: &alice.creds.AccessKeyID}))
		},
		func() error {
			return second(c.DeleteUser(background, &iam.DeleteUserInput{UserName: text("alice")}))
		},
	} {
		must(t, "", call())
	}
	r := session.call(t, "sqs", json10("ListQueues", "{}"), spell{})
	equal(t, "a session of a deleted user", refusalIn(t, r).Code, "InvalidClientTokenId")
}

// TestSessionPoliciesLimitASession also shows that a change of a managed one
// bites.
func TestSessionPoliciesLimitASession(t *testing.T) {
	t.Parallel()
	s := newStage(t, "enforce")
	makeRole(t, s.owner, "admin", trustsEverybodyHere, allowAll)
	managed := makePolicy(t, s.owner, "session", allowing("sqs:*", "*"))
	with := func(policy string, arns ...string) caller {
		in := &sts.AssumeRoleInput{RoleArn: text(roleARN("admin")), RoleSessionName: text("session")}
		if policy != "" {
			in.Policy = &policy
		}
		for _, arn := range arns {
			in.PolicyArns = append(in.PolicyArns, ststypes.PolicyDescriptorType{Arn: &arn})
		}
		return s.owner.assumeWith(t, in)
	}
	limited, both := with("", managed), with(allowing("lambda:*", "*"), managed)
	expectMay(t, "without session policies", with(""), true)
	expectMay(t, "with a session policy that allows it", with(allowing("sqs:*", "*")), true)
	expectMay(t, "with one that does not", with(allowing("lambda:*", "*")), false)
	expectMay(t, "with a managed one that allows it", limited, true)
	expectMay(t, "with two of which one allows it", both, true)
	must(t, "", second(s.owner.iam().CreatePolicyVersion(background, &iam.CreatePolicyVersionInput{PolicyArn: &managed, PolicyDocument: text(denying("sqs:*")), SetAsDefault: true})))
	expectMay(t, "with a managed one that denies it now", limited, false)
	must(t, "", second(s.owner.iam().DeletePolicyVersion(background, &iam.DeletePolicyVersionInput{PolicyArn: &managed, VersionId: text("v1")})))
	must(t, "", second(s.owner.iam().DeletePolicy(background, &iam.DeletePolicyInput{PolicyArn: &managed})))
	expectMay(t, "with a managed one that is gone", limited, false)
}

// TestTagsInPolicies are those of principals, of resources and of requests.
func TestTagsInPolicies(t *testing.T) {
	t.Parallel()
	s := newStage(t, "enforce")
	c, alice := s.owner.iam(), makeUser(t, s.owner, "alice")
	logs := func(name string, tags map[string]string) bool {
		return mayDo(t, func() error {
			return second(alice.logs().CreateLogGroup(background, &cloudwatchlogs.CreateLogGroupInput{LogGroupName: &name, Tags: tags}))
		})
	}
	remove := func(name string) bool {
		return mayDo(t, func() error {
			return second(alice.logs().DeleteLogGroup(background, &cloudwatchlogs.DeleteLogGroupInput{LogGroupName: &name}))
		})
	}
	allowUser(t, s.owner, "alice", statement(
		`"Effect":"Allow","Action":"logs:CreateLogGroup","Resource":"*","Condition":{"StringEquals":{"aws:RequestTag/team":"${aws:PrincipalTag/team}"},"ForAllValues:StringEquals":{"aws:TagKeys":["team","cost"]}}`,
		`"Effect":"Allow","Action":["logs:DeleteLogGroup","sqs:SendMessage"],"Resource":"*","Condition":{"StringEquals":{"aws:ResourceTag/team":"red"}}`,
		`"Effect":"Allow","Action":"iam:DeleteRole","Resource":"*","Condition":{"StringEquals":{"iam:ResourceTag/owner":"${aws:username}"}}`))
	equal(t, "without a tag of its own", logs("a", map[string]string{"team": "red"}), false)
	must(t, "", second(c.TagUser(background, &iam.TagUserInput{UserName: text("alice"), Tags: iamTags("Team", "red")})))
	equal(t, "with the tag of its team", logs("a", map[string]string{"team": "red", "cost": "1"}), true)
	equal(t, "with the tag of another", logs("b", map[string]string{"team": "blue"}), false)
	equal(t, "without tags", logs("b", nil), false)
	equal(t, "with a tag that is not among those", logs("b", map[string]string{"team": "red", "more": "1"}), false)
	must(t, "", second(s.owner.logs().CreateLogGroup(background, &cloudwatchlogs.CreateLogGroupInput{LogGroupName: text("blue"), Tags: map[string]string{"team": "blue"}})))
	equal(t, "deleting what is tagged otherwise", remove("blue"), false)
	equal(t, "deleting what is tagged", remove("a"), true)
	url := makeQueue(t, s.owner, "tagged")
	send := func() bool {
		return mayDo(t, func() error {
			return second(alice.sqs().SendMessage(background, &sqs.SendMessageInput{QueueUrl: &url, MessageBody: text("hello")}))
		})
	}
	equal(t, "sending to a queue that is not tagged", send(), false)
	must(t, "", second(s.owner.sqs().TagQueue(background, &sqs.TagQueueInput{QueueUrl: &url, Tags: map[string]string{"team": "red"}})))
	equal(t, "sending to a queue that is tagged", send(), true)
	mine := func(name string) bool {
		return mayDo(t, func() error { return second(alice.iam().DeleteRole(background, &iam.DeleteRoleInput{RoleName: &name})) })
	}
	equal(t, "deleting a role that is not tagged", mine("runner"), false)
	must(t, "", second(c.TagRole(background, &iam.TagRoleInput{RoleName: text("runner"), Tags: iamTags("owner", "alice")})))
	equal(t, "deleting a role that is tagged", mine("runner"), true)
}

// TestSessionTags override those of the role, and go on if they are transitive.
func TestSessionTags(t *testing.T) {
	t.Parallel()
	s := newStage(t, "enforce")
	byTeam := statement(
		`"Effect":"Allow","Action":"sqs:*","Resource":"*","Condition":{"StringEquals":{"aws:PrincipalTag/team":"red"}}`,
		`"Effect":"Allow","Action":"sts:*","Resource":"*"`)
	makeRole(t, s.owner, "tagged", statement(`"Effect":"Allow","Principal":{"AWS":"`+account+`"},"Action":["sts:AssumeRole","sts:TagSession"],"Condition":{"StringNotEquals":{"aws:RequestTag/team":"forbidden"}}`), byTeam)
	must(t, "", second(s.owner.iam().TagRole(background, &iam.TagRoleInput{RoleName: text("tagged"), Tags: iamTags("team", "blue")})))
	input := func(transitive []string, tags ...string) *sts.AssumeRoleInput {
		return &sts.AssumeRoleInput{RoleArn: text(roleARN("tagged")), RoleSessionName: text("session"), Tags: tagsOf(tags...), TransitiveTagKeys: transitive}
	}
	expectMay(t, "by the role's tag", s.owner.assumeWith(t, input(nil)), false)
	red := s.owner.assumeWith(t, input(nil, "team", "red"))
	expectMay(t, "by the session's tag", red, true)
	expectMay(t, "a chained session", red.assumeWith(t, input(nil)), false)
	transitive := s.owner.assumeWith(t, input([]string{"team"}, "team", "red"))
	chained := transitive.assumeWith(t, input(nil))
	expectMay(t, "a chained session whose tag goes on", chained, true)
	expectMay(t, "and on", chained.assumeWith(t, input(nil)), true)
	forbidden := "403 AccessDenied: User: arn:aws:iam::" + account + ":root is not authorized to perform: sts:AssumeRole on resource: " + roleARN("tagged")
	refuses(t, "a tag that the trust policy does not let be", forbidden)(s.owner.sts().AssumeRole(background, input(nil, "team", "forbidden")))
	tagSession := "403 AccessDenied: User: arn:aws:iam::" + account + ":root is not authorized to perform: sts:TagSession on resource: " + roleARN("assumable")
	in := input(nil, "team", "red")
	in.RoleArn = text(roleARN("assumable"))
	refuses(t, "tags without sts:TagSession", tagSession)(s.owner.sts().AssumeRole(background, in))
}

// TestSessionsHaveRoomForSoManyTags, but not for all that could be given.
func TestSessionsHaveRoomForSoManyTags(t *testing.T) {
	t.Parallel()
	s := newStage(t, "enforce")
	makeRole(t, s.owner, "tagged", statement(`"Effect":"Allow","Principal":{"AWS":"`+account+`"},"Action":["sts:AssumeRole","sts:TagSession"]`), allowing("sqs:*", "*"))
	tagged := func(n int) *sts.AssumeRoleInput {
		in := &sts.AssumeRoleInput{RoleArn: text(roleARN("tagged")), RoleSessionName: text("session")}
		for i := range n {
			in.Tags = append(in.Tags, tagsOf(fmt.Sprintf("key-%02d", i), strings.Repeat("v", 256))...)
		}
		return in
	}
	expectMay(t, "with thirty tags", s.owner.assumeWith(t, tagged(30)), true)
	refuses(t, "fifty tags", "400 PackedPolicyTooLarge: Packed size of session tags and policies consumes 160% of allotted space.")(s.owner.sts().AssumeRole(background, tagged(50)))
}

// TestChainedSessionsLastAnHour, and none longer than its role's sessions.
func TestChainedSessionsLastAnHour(t *testing.T) {
	t.Parallel()
	s := newStage(t, "enforce")
	makeRole(t, s.owner, "admin", trustsEverybodyHere, allowAll)
	in := &sts.AssumeRoleInput{RoleArn: text(roleARN("admin")), RoleSessionName: text("session"), DurationSeconds: number(7200)}
	refuses(t, "longer than the role's", "400 ValidationError: The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")(s.owner.sts().AssumeRole(background, in))
	must(t, "", second(s.owner.iam().UpdateRole(background, &iam.UpdateRoleInput{RoleName: text("admin"), MaxSessionDuration: number(7200)})))
	session := s.owner.assumeWith(t, in)
	refuses(t, "chained", "400 ValidationError: The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.")(session.sts().AssumeRole(background, in))
	in.DurationSeconds = number(3600)
	session.assumeWith(t, in)
}

// TestSourceIdentities go on from session to session.
func TestSourceIdentities(t *testing.T) {
	t.Parallel()
	s := newStage(t, "enforce")
	makeRole(t, s.owner, "sourced", statement(`"Effect":"Allow","Principal":{"AWS":"`+account+`"},"Action":["sts:AssumeRole","sts:SetSourceIdentity"]`), allowAll)
	in := &sts.AssumeRoleInput{RoleArn: text(roleARN("sourced")), RoleSessionName: text("session"), SourceIdentity: text("alice")}
	session := s.owner.assumeWith(t, in)
	in.SourceIdentity = nil
	out, err := session.sts().AssumeRole(background, in)
	equal(t, "the source identity of a chained session", *must(t, out, err).SourceIdentity, "alice")
	in.SourceIdentity = text("bob")
	refuses(t, "another source identity", "403 AccessDenied: The source identity of the calling session cannot be changed.")(session.sts().AssumeRole(background, in))
}

// TestAcrossAccountsBothSidesMustAllow, as the policies of queues and roles do.
func TestAcrossAccountsBothSidesMustAllow(t *testing.T) {
	t.Parallel()
	s := newStage(t, "open")
	const abroad = "111122223333"
	foreign := s.naru.of(abroad)
	bob := makeUser(t, foreign, "bob")
	url := makeQueue(t, s.owner, "shared")
	send := func() bool {
		return mayDo(t, func() error {
			return second(bob.sqs().SendMessage(background, &sqs.SendMessageInput{QueueUrl: &url, MessageBody: text("hello")}))
		})
	}
	equal(t, "with neither side", send(), false)
	allowUser(t, foreign, "bob", statement(`"Effect":"Allow","Action":["sqs:*","sts:*"],"Resource":"*"`))
	equal(t, "with its own side", send(), false)
	policy := func(document string) {
		must(t, "", second(s.owner.sqs().SetQueueAttributes(background, &sqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: map[string]string{"Policy": document}})))
	}
	policy(statement(`"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + abroad + `:user/bob"},"Action":"sqs:SendMessage","Resource":"*"`))
	equal(t, "with both sides", send(), true)
	allowUser(t, foreign, "bob", allowing("sts:*", "*"))
	equal(t, "with the other side", send(), false)

	assume := func() bool {
		return mayDo(t, func() error {
			return second(bob.sts().AssumeRole(background, &sts.AssumeRoleInput{RoleArn: text(roleARN("assumable")), RoleSessionName: text("session")}))
		})
	}
	equal(t, "a role that trusts another account", assume(), false)
	must(t, "", second(s.owner.iam().UpdateAssumeRolePolicy(background, &iam.UpdateAssumeRolePolicyInput{
		RoleName: text("assumable"), PolicyDocument: text(statement(`"Effect":"Allow","Principal":{"AWS":"` + abroad + `"},"Action":"sts:AssumeRole"`)),
	})))
	equal(t, "a role that trusts this account", assume(), true)
}

// TestEverybodyMayUseAQueueWhosePolicySaysSo, also without a signature, and
// nothing else.
func TestEverybodyMayUseAQueueWhosePolicySaysSo(t *testing.T) {
	t.Parallel()
	s := newStage(t, "enforce")
	nobody, url := s.naru.anonymous(), makeQueue(t, s.owner, "open")
	send := func() string {
		_, err := nobody.sqs().SendMessage(background, &sqs.SendMessageInput{QueueUrl: &url, MessageBody: text("hello")})
		return told(t, err)
	}
	refused := "403 AccessDenied: User: anonymous is not authorized to perform: sqs:sendmessage on resource: arn:aws:sqs:us-east-1:" + account + ":open because no resource-based policy allows the sqs:sendmessage action"
	equal(t, "a queue without a policy", send(), refused)
	must(t, "", second(s.owner.sqs().SetQueueAttributes(background, &sqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: map[string]string{
		"Policy": statement(`"Effect":"Allow","Principal":"*","Action":"sqs:SendMessage","Resource":"*","Condition":{"IpAddress":{"aws:SourceIp":"127.0.0.0/8"}}`),
	}})))
	equal(t, "an open queue", send(), "")
	for what, err := range map[string]error{
		"receiving": second(nobody.sqs().ReceiveMessage(background, &sqs.ReceiveMessageInput{QueueUrl: &url})),
		"deleting":  second(nobody.sqs().DeleteQueue(background, &sqs.DeleteQueueInput{QueueUrl: &url})),
		"listing":   second(nobody.sqs().ListQueues(background, &sqs.ListQueuesInput{})),
		"creating":  second(nobody.sqs().CreateQueue(background, &sqs.CreateQueueInput{QueueName: text("mine")})),
	} {
		if got := told(t, err); !strings.HasPrefix(got, "403 AccessDenied: User: anonymous is not authorized") {
			t.Errorf("%s: %q", what, got)
		}
	}
	must(t, "", second(s.owner.sqs().SetQueueAttributes(background, &sqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: map[string]string{"Policy": ""}})))
	equal(t, "a queue whose policy is gone", send(), refused)
}

// TestPassingARole needs permission for the role, to the service that gets it.
func TestPassingARole(t *testing.T) {
	t.Parallel()
	s := newStage(t, "enforce")
	alice := makeUser(t, s.owner, "alice")
	passes := func(service string) string {
		return statement(`"Effect":"Allow","Action":["lambda:*","iam:AddRoleToInstanceProfile"],"Resource":"*"`,
			`"Effect":"Allow","Action":"iam:PassRole","Resource":"`+roleARN("runner")+`","Condition":{"StringEquals":{"iam:PassedToService":"`+service+`"}}`)
	}
	create := func(name string) int { return alice.call(t, "lambda", createFunction(name), spell{}).status }
	allowUser(t, s.owner, "alice", allowing("lambda:*", "*"))
	equal(t, "without iam:PassRole", create("f"), 403)
	allowUser(t, s.owner, "alice", passes("events.amazonaws.com"))
	equal(t, "with iam:PassRole to another service", create("f"), 403)
	allowUser(t, s.owner, "alice", passes("lambda.amazonaws.com"))
	equal(t, "with iam:PassRole", create("f"), 201)
	must(t, "", second(s.owner.iam().CreateInstanceProfile(background, &iam.CreateInstanceProfileInput{InstanceProfileName: text("p")})))
	equal(t, "passing it to EC2", mayDo(t, func() error {
		return second(alice.iam().AddRoleToInstanceProfile(background, &iam.AddRoleToInstanceProfileInput{InstanceProfileName: text("p"), RoleName: text("runner")}))
	}), false)
}

// TestListsComeInPages, whose markers go through all of them once.
func TestListsComeInPages(t *testing.T) {
	t.Parallel()
	s := newStage(t, "enforce")
	c := s.owner.iam()
	var want []string
	for _, name := range []string{"Alpha", "beta", "Delta", "gamma", "zeta"} {
		must(t, "", second(c.CreateUser(background, &iam.CreateUserInput{UserName: &name})))
		want = append(want, name)
	}
	var got []string
	for pages := iam.NewListUsersPaginator(c, &iam.ListUsersInput{MaxItems: number(2)}); pages.HasMorePages(); {
		out, err := pages.NextPage(background)
		for _, u := range must(t, out, err).Users {
			got = append(got, *u.UserName)
		}
	}
	equal(t, "the users", got, want)
	var policies []string
	for pages := iam.NewListPoliciesPaginator(c, &iam.ListPoliciesInput{MaxItems: number(5)}); pages.HasMorePages(); {
		out, err := pages.NextPage(background)
		for _, p := range must(t, out, err).Policies {
			policies = append(policies, *p.Arn)
		}
	}
	for _, preloaded := range []string{
		"service-role/AWSLambdaBasicExecutionRole", "service-role/AWSLambdaSQSQueueExecutionRole", "service-role/AWSLambdaRole", "AWSLambda_FullAccess",
		"AmazonSQSFullAccess", "AmazonSQSReadOnlyAccess", "CloudWatchLogsFullAccess", "CloudWatchFullAccess", "AmazonEventBridgeFullAccess",
		"AdministratorAccess", "IAMFullAccess", "PowerUserAccess", "ReadOnlyAccess",
	} {
		if !slices.Contains(policies, "arn:aws:iam::aws:policy/"+preloaded) {
			t.Errorf("%s is not there", preloaded)
		}
	}
	sorted := slices.Clone(policies)
	slices.Sort(sorted)
	if len(slices.Compact(sorted)) != len(policies) {
		t.Errorf("the policies are not each listed once: %v", policies)
	}
}
