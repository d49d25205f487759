package test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
)

// outcomes are the decisions of a simulation by action.
func outcomes(results []types.EvaluationResult) map[string]string {
	all := map[string]string{}
	for _, r := range results {
		all[*r.EvalActionName] = string(r.EvalDecision)
	}
	return all
}

func TestSimulateCustomPolicy(t *testing.T) {
	t.Parallel()
	s := newStage(t, "open")
	c := s.owner.iam()
	policy := "{\n  \"Version\": \"2012-10-17\",\n  \"Statement\": [\n" +
		"    {\"Effect\": \"Allow\", \"Action\": \"sqs:*\", \"Resource\": \"*\", \"Condition\": {\"StringEquals\": {\"aws:RequestedRegion\": \"eu-west-1\"}}},\n" +
		"    {\"Effect\": \"Deny\", \"Action\": \"sqs:DeleteQueue\", \"Resource\": \"*\"}\n  ]\n}"
	in := &iam.SimulateCustomPolicyInput{PolicyInputList: []string{policy}, ActionNames: []string{"sqs:SendMessage", "sqs:DeleteQueue", "lambda:InvokeFunction"}}
	out, err := c.SimulateCustomPolicy(background, in)
	equal(t, "without the region", outcomes(must(t, out, err).EvaluationResults), map[string]string{"sqs:SendMessage": "implicitDeny", "sqs:DeleteQueue": "explicitDeny", "lambda:InvokeFunction": "implicitDeny"})
	equal(t, "what is missing", out.EvaluationResults[0].MissingContextValues, []string{"aws:RequestedRegion"})

	in.ContextEntries = []types.ContextEntry{{ContextKeyName: text("aws:requestedregion"), ContextKeyType: "string", ContextKeyValues: []string{"eu-west-1"}}}
	out, err = c.SimulateCustomPolicy(background, in)
	equal(t, "with the region", outcomes(must(t, out, err).EvaluationResults), map[string]string{"sqs:SendMessage": "allowed", "sqs:DeleteQueue": "explicitDeny", "lambda:InvokeFunction": "implicitDeny"})
	match := out.EvaluationResults[1].MatchedStatements
	if len(match) != 1 || *match[0].SourcePolicyId != "PolicyInputList.1" || *match[0].StartPosition != (types.Position{Line: 5, Column: 5}) || *match[0].EndPosition != (types.Position{Line: 5, Column: 69}) {
		t.Errorf("the statement that denies is %+v", match)
	}

	in.PermissionsBoundaryPolicyInputList = []string{allowing("lambda:*", "*")}
	out, err = c.SimulateCustomPolicy(background, in)
	equal(t, "within a boundary", outcomes(must(t, out, err).EvaluationResults), map[string]string{"sqs:SendMessage": "implicitDeny", "sqs:DeleteQueue": "explicitDeny", "lambda:InvokeFunction": "implicitDeny"})
	equal(t, "what the boundary allows", out.EvaluationResults[2].PermissionsBoundaryDecisionDetail.AllowedByPermissionsBoundary, true)

	in = &iam.SimulateCustomPolicyInput{
		PolicyInputList: []string{allowing("iam:GetUser", "*")}, ActionNames: []string{"sqs:SendMessage"}, ResourceArns: []string{"arn:aws:sqs:us-east-1:" + account + ":a", "arn:aws:sqs:us-east-1:" + account + ":b"},
		ResourcePolicy: text(statement(`"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + account + `:user/alice"},"Action":"sqs:*","Resource":"arn:aws:sqs:us-east-1:` + account + `:a"`)),
		CallerArn:      text("arn:aws:iam::" + account + ":user/alice"),
	}
	out, err = c.SimulateCustomPolicy(background, in)
	equal(t, "by the resource's policy", outcomes(must(t, out, err).EvaluationResults), map[string]string{"sqs:SendMessage": "implicitDeny"})
	each := map[string]string{}
	for _, r := range out.EvaluationResults[0].ResourceSpecificResults {
		each[*r.EvalResourceName] = string(r.EvalResourceDecision)
	}
	equal(t, "on each resource", each, map[string]string{in.ResourceArns[0]: "allowed", in.ResourceArns[1]: "implicitDeny"})

	keys, err := c.GetContextKeysForCustomPolicy(background, &iam.GetContextKeysForCustomPolicyInput{PolicyInputList: []string{policy, allowing("sqs:*", "arn:aws:sqs:*:*:${aws:username}-*")}})
	equal(t, "the keys that policies ask for", must(t, keys, err).ContextKeyNames, []string{"aws:RequestedRegion", "aws:username"})
	refuses(t, "a policy that is none", "400 InvalidInput: The policy PolicyInputList.1 is invalid: Syntax errors in policy.")(
		c.SimulateCustomPolicy(background, &iam.SimulateCustomPolicyInput{PolicyInputList: []string{"{"}, ActionNames: []string{"sqs:SendMessage"}}))
}

// TestSimulatePrincipalPolicy says what the gate says.
func TestSimulatePrincipalPolicy(t *testing.T) {
	t.Parallel()
	s := newStage(t, "enforce")
	c, alice := s.owner.iam(), makeUser(t, s.owner, "alice")
	must(t, "", second(c.CreateGroup(background, &iam.CreateGroupInput{GroupName: text("g")})))
	must(t, "", second(c.AddUserToGroup(background, &iam.AddUserToGroupInput{GroupName: text("g"), UserName: text("alice")})))
	simulated := func(what, arn, want string) {
		t.Helper()
		out, err := c.SimulatePrincipalPolicy(background, &iam.SimulatePrincipalPolicyInput{PolicySourceArn: &arn, ActionNames: []string{"sqs:ListQueues"}})
		equal(t, what, outcomes(must(t, out, err).EvaluationResults), map[string]string{"sqs:ListQueues": want})
	}
	user, group := "arn:aws:iam::"+account+":user/alice", "arn:aws:iam::"+account+":group/g"
	both := func(what, want string) {
		t.Helper()
		simulated(what, user, want)
		expectMay(t, what, alice, want == "allowed")
	}
	both("a user without policies", "implicitDeny")
	must(t, "", second(c.AttachGroupPolicy(background, &iam.AttachGroupPolicyInput{GroupName: text("g"), PolicyArn: text("arn:aws:iam::aws:policy/AmazonSQSReadOnlyAccess")})))
	both("a user whose group may", "allowed")
	simulated("the group", group, "allowed")
	must(t, "", second(c.PutUserPermissionsBoundary(background, &iam.PutUserPermissionsBoundaryInput{UserName: text("alice"), PermissionsBoundary: text("arn:aws:iam::aws:policy/IAMFullAccess")})))
	both("a user whose boundary does not allow it", "implicitDeny")
	allowUser(t, s.owner, "alice", denying("sqs:*"))
	both("a user whom a policy denies it", "explicitDeny")
	simulated("a role", roleARN("runner"), "implicitDeny")
	allow(t, s.owner, "runner", allowAll)
	simulated("a role that may do anything", roleARN("runner"), "allowed")
	refuses(t, "a user that is not there", "404 NoSuchEntity: The user with name bob cannot be found.")(
		c.SimulatePrincipalPolicy(background, &iam.SimulatePrincipalPolicyInput{PolicySourceArn: text("arn:aws:iam::" + account + ":user/bob"), ActionNames: []string{"sqs:ListQueues"}}))
}
