package test

import (
	"encoding/json"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go/middleware"
	"github.com/google/go-cmp/cmp"
)

// A reading is what a deploy tool reads of a resource.
type reading map[string]any

// A resource is one as a deploy tool manages it, by the calls that Terraform's
// provider makes.
type resource struct {
	name                   string
	create, update, delete func() error
	read                   func() (reading, error) // the error is NoSuchEntity when it is not there
	created, updated       reading                 // what is to be read, in part
}

// TestDeployToolsReadWhatTheyWrote creates, reads, updates, reads, deletes and
// reads each resource, twice at each reading.
func TestDeployToolsReadWhatTheyWrote(t *testing.T) {
	t.Parallel()
	s := newStage(t, "enforce")
	must(t, "", second(s.owner.sts().GetCallerIdentity(background, &sts.GetCallerIdentityInput{})))
	for _, r := range s.resources() {
		t.Run(r.name, func(t *testing.T) {
			must(t, "", r.create())
			r.expect(t, "created", r.created)
			must(t, "", r.update())
			r.expect(t, "updated", r.updated)
			must(t, "", r.delete())
			if _, err := r.read(); !strings.Contains(told(t, err), "404 NoSuchEntity") {
				t.Errorf("deleted, but read: %v", err)
			}
		})
	}
}

// expect reads twice, and wants the same both times, and what was written.
func (r *resource) expect(t *testing.T, when string, want reading) {
	t.Helper()
	first := must(t, reading{}, nil)
	for i := range 2 {
		got, err := r.read()
		must(t, got, err)
		if i == 1 {
			equal(t, "the second reading of what is "+when, got, first)
		}
		first = got
	}
	for key, value := range want {
		if diff := cmp.Diff(value, first[key]); diff != "" {
			t.Errorf("%s of what is %s (-want +got):\n%s", key, when, diff)
		}
	}
}

// read adds what a call returned to a reading, without what differs from call
// to call.
func (r reading) read(out any, err error) error {
	if err != nil {
		return err
	}
	v := reflect.ValueOf(out).Elem()
	v.FieldByName("ResultMetadata").Set(reflect.ValueOf(middleware.Metadata{}))
	text, err := json.Marshal(out)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, (*map[string]any)(&r))
}

// at returns a member of a reading by its path.
func (r reading) at(path string) any {
	var v any = map[string]any(r)
	for part := range strings.SplitSeq(path, ".") {
		m, _ := v.(map[string]any)
		v = m[part]
	}
	return v
}

// pick makes a reading of members, by new names.
func (r reading) pick(paths map[string]string) reading {
	picked := reading{}
	for name, path := range paths {
		picked[name] = r.at(path)
	}
	return picked
}

// unescaped is a document as it was before it was encoded.
func unescaped(document any) any {
	text, _ := document.(string)
	plain, err := url.PathUnescape(text)
	if err != nil {
		return err.Error()
	}
	return plain
}

func (s stage) resources() []resource {
	return []resource{s.roleResource(), s.rolePolicyResource(), s.policyResource(), s.attachmentResource(), s.userResource(), s.keyResource(), s.groupResource(), s.membershipResource(), s.profileResource()}
}

const otherTrust = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"scheduler.amazonaws.com"},"Action":"sts:AssumeRole"}]}`

func (s stage) roleResource() resource {
	c, name := s.owner.iam(), text("deployed")
	boundary := makePolicy(s, s.owner, "boundary", allowAll)
	paths := map[string]string{"trust": "Role.AssumeRolePolicyDocument", "description": "Role.Description", "session": "Role.MaxSessionDuration", "arn": "Role.Arn", "tags": "Role.Tags", "boundary": "Role.PermissionsBoundary.PermissionsBoundaryArn"}
	return resource{
		name: "aws_iam_role",
		create: func() error {
			return second(c.CreateRole(background, &iam.CreateRoleInput{
				RoleName: name, AssumeRolePolicyDocument: text(trustsLambda), Path: text("/app/"), Description: text("first"), MaxSessionDuration: number(3600),
				Tags: iamTags("env", "dev", "team", "red"),
			}))
		},
		update: func() error {
			return firstOf(
				func() error {
					return second(c.UpdateAssumeRolePolicy(background, &iam.UpdateAssumeRolePolicyInput{RoleName: name, PolicyDocument: text(otherTrust)}))
				},
				func() error {
					return second(c.UpdateRoleDescription(background, &iam.UpdateRoleDescriptionInput{RoleName: name, Description: text("second")}))
				},
				func() error {
					return second(c.UpdateRole(background, &iam.UpdateRoleInput{RoleName: name, MaxSessionDuration: number(7200)}))
				},
				func() error {
					return second(c.PutRolePermissionsBoundary(background, &iam.PutRolePermissionsBoundaryInput{RoleName: name, PermissionsBoundary: &boundary}))
				},
				func() error {
					return second(c.UntagRole(background, &iam.UntagRoleInput{RoleName: name, TagKeys: []string{"team"}}))
				},
				func() error {
					return second(c.TagRole(background, &iam.TagRoleInput{RoleName: name, Tags: iamTags("env", "prod")}))
				})
		},
		delete: func() error {
			return firstOf(
				func() error {
					return second(c.ListInstanceProfilesForRole(background, &iam.ListInstanceProfilesForRoleInput{RoleName: name}))
				},
				func() error {
					return second(c.DeleteRole(background, &iam.DeleteRoleInput{RoleName: name}))
				})
		},
		read: func() (reading, error) {
			r := reading{}
			err := r.read(c.GetRole(background, &iam.GetRoleInput{RoleName: name}))
			if err == nil {
				err = r.read(c.ListRolePolicies(background, &iam.ListRolePoliciesInput{RoleName: name}))
			}
			if err == nil {
				err = r.read(c.ListAttachedRolePolicies(background, &iam.ListAttachedRolePoliciesInput{RoleName: name}))
			}
			picked := r.pick(paths)
			picked["trust"] = unescaped(picked["trust"])
			picked["attached"], picked["inline"] = r["AttachedPolicies"], r["PolicyNames"]
			return picked, err
		},
		created: reading{
			"trust": trustsLambda, "description": "first", "session": 3600.0, "arn": roleARN("app/deployed"), "boundary": nil, "attached": []any{}, "inline": []any{},
			"tags": []any{map[string]any{"Key": "env", "Value": "dev"}, map[string]any{"Key": "team", "Value": "red"}},
		},
		updated: reading{
			"trust": otherTrust, "description": "second", "session": 7200.0, "boundary": boundary,
			"tags": []any{map[string]any{"Key": "env", "Value": "prod"}},
		},
	}
}

// firstOf makes calls until one fails.
func firstOf(calls ...func() error) error {
	for _, call := range calls {
		if err := call(); err != nil {
			return err
		}
	}
	return nil
}

func (s stage) rolePolicyResource() resource {
	c, role, name := s.owner.iam(), text("runner"), text("inline")
	put := func(document string) func() error {
		return func() error {
			return second(c.PutRolePolicy(background, &iam.PutRolePolicyInput{RoleName: role, PolicyName: name, PolicyDocument: &document}))
		}
	}
	return resource{
		name: "aws_iam_role_policy", create: put(allowAll), update: put(denying("sqs:*")),
		delete: func() error {
			return second(c.DeleteRolePolicy(background, &iam.DeleteRolePolicyInput{RoleName: role, PolicyName: name}))
		},
		read: func() (reading, error) {
			r := reading{}
			err := r.read(c.GetRolePolicy(background, &iam.GetRolePolicyInput{RoleName: role, PolicyName: name}))
			return reading{"document": unescaped(r["PolicyDocument"])}, err
		},
		created: reading{"document": allowAll}, updated: reading{"document": denying("sqs:*")},
	}
}

func (s stage) policyResource() resource {
	c, arn := s.owner.iam(), text("arn:aws:iam::"+account+":policy/team/managed")
	return resource{
		name: "aws_iam_policy",
		create: func() error {
			return second(c.CreatePolicy(background, &iam.CreatePolicyInput{PolicyName: text("managed"), Path: text("/team/"), Description: text("one"), PolicyDocument: text(allowAll), Tags: iamTags("a", "1")}))
		},
		update: func() error { // Terraform removes the oldest version when there are five
			return firstOf(
				func() error {
					return second(c.ListPolicyVersions(background, &iam.ListPolicyVersionsInput{PolicyArn: arn}))
				},
				func() error {
					return second(c.CreatePolicyVersion(background, &iam.CreatePolicyVersionInput{PolicyArn: arn, PolicyDocument: text(denying("sqs:*")), SetAsDefault: true}))
				},
				func() error {
					return second(c.TagPolicy(background, &iam.TagPolicyInput{PolicyArn: arn, Tags: iamTags("a", "2")}))
				})
		},
		delete: func() error {
			return firstOf(
				func() error {
					return second(c.DeletePolicyVersion(background, &iam.DeletePolicyVersionInput{PolicyArn: arn, VersionId: text("v1")}))
				},
				func() error {
					return second(c.DeletePolicy(background, &iam.DeletePolicyInput{PolicyArn: arn}))
				})
		},
		read: func() (reading, error) {
			r := reading{}
			if err := r.read(c.GetPolicy(background, &iam.GetPolicyInput{PolicyArn: arn})); err != nil {
				return nil, err
			}
			version, _ := r.at("Policy.DefaultVersionId").(string)
			err := r.read(c.GetPolicyVersion(background, &iam.GetPolicyVersionInput{PolicyArn: arn, VersionId: &version}))
			picked := r.pick(map[string]string{"document": "PolicyVersion.Document", "version": "PolicyVersion.VersionId", "description": "Policy.Description", "path": "Policy.Path", "name": "Policy.PolicyName", "tags": "Policy.Tags"})
			picked["document"] = unescaped(picked["document"])
			return picked, err
		},
		created: reading{"document": allowAll, "version": "v1", "description": "one", "path": "/team/", "name": "managed", "tags": []any{map[string]any{"Key": "a", "Value": "1"}}},
		updated: reading{"document": denying("sqs:*"), "version": "v2", "tags": []any{map[string]any{"Key": "a", "Value": "2"}}},
	}
}

func (s stage) attachmentResource() resource {
	c, role := s.owner.iam(), text("runner")
	first, second_ := text("arn:aws:iam::aws:policy/service-role/AWSLambdaSQSQueueExecutionRole"), text(makePolicy(s, s.owner, "attachable", allowAll))
	attach := func(arn *string) func() error {
		return func() error {
			return second(c.AttachRolePolicy(background, &iam.AttachRolePolicyInput{RoleName: role, PolicyArn: arn}))
		}
	}
	detach := func(arn *string) func() error {
		return func() error {
			return second(c.DetachRolePolicy(background, &iam.DetachRolePolicyInput{RoleName: role, PolicyArn: arn}))
		}
	}
	attached := func(name string, arn *string) any { return map[string]any{"PolicyName": name, "PolicyArn": *arn} }
	return resource{
		name: "aws_iam_role_policy_attachment", create: attach(first),
		update: func() error { return firstOf(attach(second_), attach(second_), detach(first)) },
		delete: func() error { return firstOf(detach(second_), detachedIsGone(c, second_)) },
		read: func() (reading, error) {
			r := reading{}
			err := r.read(c.ListAttachedRolePolicies(background, &iam.ListAttachedRolePoliciesInput{RoleName: role}))
			if err == nil && len(r["AttachedPolicies"].([]any)) == 0 {
				err = second(c.GetPolicy(background, &iam.GetPolicyInput{PolicyArn: second_})) // is gone with it
			}
			return reading{"attached": r["AttachedPolicies"]}, err
		},
		created: reading{"attached": []any{attached("AWSLambdaSQSQueueExecutionRole", first)}},
		updated: reading{"attached": []any{attached("attachable", second_)}},
	}
}

// detachedIsGone looks who has a policy and deletes it.
func detachedIsGone(c *iam.Client, arn *string) func() error {
	return func() error {
		if err := second(c.ListEntitiesForPolicy(background, &iam.ListEntitiesForPolicyInput{PolicyArn: arn})); err != nil {
			return err
		}
		return second(c.DeletePolicy(background, &iam.DeletePolicyInput{PolicyArn: arn}))
	}
}

func (s stage) userResource() resource {
	c, name, renamed := s.owner.iam(), "deployed", "renamed"
	now := &name
	return resource{
		name: "aws_iam_user",
		create: func() error {
			return second(c.CreateUser(background, &iam.CreateUserInput{UserName: &name, Path: text("/people/"), Tags: iamTags("a", "1")}))
		},
		update: func() error {
			now = &renamed
			return firstOf(
				func() error {
					return second(c.UpdateUser(background, &iam.UpdateUserInput{UserName: &name, NewUserName: &renamed, NewPath: text("/")}))
				},
				func() error {
					return second(c.TagUser(background, &iam.TagUserInput{UserName: &renamed, Tags: iamTags("b", "2")}))
				})
		},
		delete: func() error {
			return firstOf(
				func() error {
					return second(c.ListGroupsForUser(background, &iam.ListGroupsForUserInput{UserName: &renamed}))
				},
				func() error {
					return second(c.DeleteUser(background, &iam.DeleteUserInput{UserName: &renamed}))
				})
		},
		read: func() (reading, error) {
			r := reading{}
			err := r.read(c.GetUser(background, &iam.GetUserInput{UserName: now}))
			return r.pick(map[string]string{"name": "User.UserName", "arn": "User.Arn", "id": "User.UserId", "created": "User.CreateDate", "tags": "User.Tags"}), err
		},
		created: reading{"name": "deployed", "arn": "arn:aws:iam::" + account + ":user/people/deployed"},
		updated: reading{"name": "renamed", "arn": "arn:aws:iam::" + account + ":user/renamed", "tags": []any{map[string]any{"Key": "a", "Value": "1"}, map[string]any{"Key": "b", "Value": "2"}}},
	}
}

func (s stage) keyResource() resource {
	c, user, id := s.owner.iam(), text("keyholder"), ""
	return resource{
		name: "aws_iam_access_key",
		create: func() error {
			if err := second(c.CreateUser(background, &iam.CreateUserInput{UserName: user})); err != nil {
				return err
			}
			out, err := c.CreateAccessKey(background, &iam.CreateAccessKeyInput{UserName: user})
			if err == nil {
				id = *out.AccessKey.AccessKeyId
			}
			return err
		},
		update: func() error {
			return second(c.UpdateAccessKey(background, &iam.UpdateAccessKeyInput{UserName: user, AccessKeyId: &id, Status: "Inactive"}))
		},
		delete: func() error {
			return firstOf(
				func() error {
					return second(c.DeleteAccessKey(background, &iam.DeleteAccessKeyInput{UserName: user, AccessKeyId: &id}))
				},
				func() error {
					return second(c.DeleteUser(background, &iam.DeleteUserInput{UserName: user}))
				})
		},
		read: func() (reading, error) {
			r := reading{}
			err := r.read(c.ListAccessKeys(background, &iam.ListAccessKeysInput{UserName: user}))
			if err != nil {
				return nil, err
			}
			keys := r["AccessKeyMetadata"].([]any)
			return reading{"keys": float64(len(keys)), "status": keys[0].(map[string]any)["Status"]}, nil
		},
		created: reading{"keys": 1.0, "status": "Active"}, updated: reading{"keys": 1.0, "status": "Inactive"},
	}
}

func (s stage) groupResource() resource {
	c, name, renamed := s.owner.iam(), "deployed", "renamed"
	now := &name
	return resource{
		name: "aws_iam_group",
		create: func() error {
			return second(c.CreateGroup(background, &iam.CreateGroupInput{GroupName: &name}))
		},
		update: func() error {
			now = &renamed
			return second(c.UpdateGroup(background, &iam.UpdateGroupInput{GroupName: &name, NewGroupName: &renamed, NewPath: text("/x/")}))
		},
		delete: func() error { return second(c.DeleteGroup(background, &iam.DeleteGroupInput{GroupName: &renamed})) },
		read: func() (reading, error) {
			r := reading{}
			err := r.read(c.GetGroup(background, &iam.GetGroupInput{GroupName: now}))
			return r.pick(map[string]string{"name": "Group.GroupName", "arn": "Group.Arn"}), err
		},
		created: reading{"name": "deployed", "arn": "arn:aws:iam::" + account + ":group/deployed"},
		updated: reading{"name": "renamed", "arn": "arn:aws:iam::" + account + ":group/x/renamed"},
	}
}

func (s stage) membershipResource() resource {
	c, group, user := s.owner.iam(), text("members"), text("member")
	return resource{
		name: "aws_iam_group_membership",
		create: func() error {
			return firstOf(
				func() error {
					return second(c.CreateGroup(background, &iam.CreateGroupInput{GroupName: group}))
				},
				func() error {
					return second(c.CreateUser(background, &iam.CreateUserInput{UserName: user}))
				},
				func() error {
					return second(c.AddUserToGroup(background, &iam.AddUserToGroupInput{GroupName: group, UserName: user}))
				})
		},
		update: func() error {
			return second(c.RemoveUserFromGroup(background, &iam.RemoveUserFromGroupInput{GroupName: group, UserName: user}))
		},
		delete: func() error {
			return firstOf(
				func() error {
					return second(c.DeleteUser(background, &iam.DeleteUserInput{UserName: user}))
				},
				func() error {
					return second(c.DeleteGroup(background, &iam.DeleteGroupInput{GroupName: group}))
				})
		},
		read: func() (reading, error) {
			r := reading{}
			err := r.read(c.GetGroup(background, &iam.GetGroupInput{GroupName: group}))
			users, _ := r["Users"].([]any)
			return reading{"users": float64(len(users))}, err
		},
		created: reading{"users": 1.0}, updated: reading{"users": 0.0},
	}
}

func (s stage) profileResource() resource {
	c, name, role := s.owner.iam(), text("deployed"), text("assumable")
	return resource{
		name: "aws_iam_instance_profile",
		create: func() error {
			return firstOf(
				func() error {
					return second(c.CreateInstanceProfile(background, &iam.CreateInstanceProfileInput{InstanceProfileName: name}))
				},
				func() error {
					return second(c.AddRoleToInstanceProfile(background, &iam.AddRoleToInstanceProfileInput{InstanceProfileName: name, RoleName: role}))
				})
		},
		update: func() error {
			return firstOf(
				func() error {
					return second(c.RemoveRoleFromInstanceProfile(background, &iam.RemoveRoleFromInstanceProfileInput{InstanceProfileName: name, RoleName: role}))
				},
				func() error {
					return second(c.TagInstanceProfile(background, &iam.TagInstanceProfileInput{InstanceProfileName: name, Tags: iamTags("a", "1")}))
				})
		},
		delete: func() error {
			return second(c.DeleteInstanceProfile(background, &iam.DeleteInstanceProfileInput{InstanceProfileName: name}))
		},
		read: func() (reading, error) {
			r := reading{}
			err := r.read(c.GetInstanceProfile(background, &iam.GetInstanceProfileInput{InstanceProfileName: name}))
			roles, _ := r.at("InstanceProfile.Roles").([]any)
			return reading{"arn": r.at("InstanceProfile.Arn"), "roles": float64(len(roles)), "tags": r.at("InstanceProfile.Tags")}, err
		},
		created: reading{"arn": "arn:aws:iam::" + account + ":instance-profile/deployed", "roles": 1.0},
		updated: reading{"roles": 0.0, "tags": []any{map[string]any{"Key": "a", "Value": "1"}}},
	}
}
