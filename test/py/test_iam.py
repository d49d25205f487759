"""IAM and STS by boto3: what it reads of users, groups, roles and policies."""

import json

import pytest
from botocore.exceptions import ClientError

from naru import ACCOUNT

ALLOWS = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sqs:*", "Resource": "*", "Condition": {"StringLike": {"aws:UserAgent": "Boto3/*"}}}]}
TRUST = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": ["sts:AssumeRole", "sts:TagSession"]}]}


@pytest.fixture(name="iam", scope="module")
def make_iam(naru):
    return naru.client("iam")


def test_a_user_may_do_what_its_group_may(naru, iam):
    user = iam.create_user(UserName="ada", Path="/people/", Tags=[{"Key": "team", "Value": "red & blue"}])["User"]
    assert user["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/people/ada"
    assert user["UserId"].startswith("AIDA") and len(user["UserId"]) == 21
    policy = iam.create_policy(PolicyName="queues", PolicyDocument=json.dumps(ALLOWS), Description="<all> queues")["Policy"]
    assert (policy["DefaultVersionId"], policy["AttachmentCount"], policy["IsAttachable"]) == ("v1", 0, True)
    iam.create_group(GroupName="crew")
    iam.attach_group_policy(GroupName="crew", PolicyArn=policy["Arn"])
    iam.add_user_to_group(GroupName="crew", UserName="ada")
    key = iam.create_access_key(UserName="ada")["AccessKey"]
    assert key["AccessKeyId"].startswith("AKIA") and len(key["AccessKeyId"]) == 20 and len(key["SecretAccessKey"]) == 40
    own = {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}
    assert naru.client("sts", **own).get_caller_identity() | {"ResponseMetadata": None} == {
        "UserId": user["UserId"], "Account": ACCOUNT, "Arn": user["Arn"], "ResponseMetadata": None}
    naru.client("sqs", **own).list_queues()
    with pytest.raises(ClientError, match="is not authorized to perform: iam:ListUsers on resource: \\* because no identity-based policy allows the iam:ListUsers action"):
        naru.client("iam", **own).list_users()

    assert [g["GroupName"] for g in iam.list_groups_for_user(UserName="ada")["Groups"]] == ["crew"]
    assert [u["UserName"] for u in iam.get_group(GroupName="crew")["Users"]] == ["ada"]
    assert iam.get_policy(PolicyArn=policy["Arn"])["Policy"]["Description"] == "<all> queues"
    assert iam.get_policy_version(PolicyArn=policy["Arn"], VersionId="v1")["PolicyVersion"]["Document"] == ALLOWS
    assert iam.list_user_tags(UserName="ada")["Tags"] == [{"Key": "team", "Value": "red & blue"}]
    entities = iam.list_entities_for_policy(PolicyArn=policy["Arn"])
    assert [g["GroupName"] for g in entities["PolicyGroups"]] == ["crew"] and entities["PolicyUsers"] == []
    assert iam.get_account_summary()["SummaryMap"]["Users"] == 1
    result = iam.simulate_principal_policy(
        PolicySourceArn=user["Arn"], ActionNames=["sqs:SendMessage", "iam:ListUsers"],
        ContextEntries=[{"ContextKeyName": "aws:UserAgent", "ContextKeyType": "string", "ContextKeyValues": ["Boto3/1"]}])["EvaluationResults"]
    assert [r["EvalDecision"] for r in result] == ["allowed", "implicitDeny"]
    with pytest.raises(iam.exceptions.DeleteConflictException):
        iam.delete_user(UserName="ada")
    with pytest.raises(iam.exceptions.NoSuchEntityException):
        iam.get_user(UserName="nobody")


def test_a_role_is_read_as_it_was_written(naru, iam):
    made = iam.create_role(RoleName="pilot", AssumeRolePolicyDocument=json.dumps(TRUST), MaxSessionDuration=7200, Tags=[{"Key": "a", "Value": "1"}])["Role"]
    assert made["AssumeRolePolicyDocument"] == TRUST and "MaxSessionDuration" not in made
    iam.put_role_policy(RoleName="pilot", PolicyName="queues", PolicyDocument=json.dumps(ALLOWS))
    assert iam.get_role_policy(RoleName="pilot", PolicyName="queues")["PolicyDocument"] == ALLOWS
    assert iam.get_role(RoleName="pilot")["Role"]["MaxSessionDuration"] == 7200
    iam.attach_role_policy(RoleName="pilot", PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
    assert iam.list_attached_role_policies(RoleName="pilot")["AttachedPolicies"] == [
        {"PolicyName": "AdministratorAccess", "PolicyArn": "arn:aws:iam::aws:policy/AdministratorAccess"}]
    names = [p["PolicyName"] for page in iam.get_paginator("list_policies").paginate(Scope="AWS", PaginationConfig={"PageSize": 3}) for p in page["Policies"]]
    assert "AWSLambdaBasicExecutionRole" in names and len(names) == len(set(names))
    session = naru.client("sts").assume_role(RoleArn=made["Arn"], RoleSessionName="flight", Tags=[{"Key": "b", "Value": "2"}], DurationSeconds=900)
    assert session["AssumedRoleUser"]["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/pilot/flight"
    given = session["Credentials"]
    own = {"aws_access_key_id": given["AccessKeyId"], "aws_secret_access_key": given["SecretAccessKey"], "aws_session_token": given["SessionToken"]}
    assert [r["RoleName"] for r in naru.client("iam", **own).list_roles()["Roles"]] == ["pilot"]
