"""The tutorial's story, told by boto3: a Consumer, which a rule fires, hands tasks to a Worker."""

import io
import json
import zipfile

import pytest
from botocore.exceptions import ClientError

from naru import ACCOUNT, ROOT, until

ROLE = f"arn:aws:iam::{ACCOUNT}:role/TaskRole"
TRUST = {"Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
LOGS = ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"]


class Story:
    """The clients and the queue of the story."""

    def __init__(self, naru):
        self.naru = naru
        self.sqs, self.iam, self.functions, self.events, self.logs = (
            naru.client(service) for service in ("sqs", "iam", "lambda", "events", "logs"))
        self.url = self.sqs.create_queue(QueueName="MyFirstQueue")["QueueUrl"]

    def send(self, *tasks):
        for task in tasks:
            self.sqs.send_message(
                QueueUrl=self.url, MessageBody=task, MessageAttributes={"colour": {"DataType": "String", "StringValue": "blue"}})

    def counts(self):
        found = self.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=["All"])["Attributes"]
        return int(found["ApproximateNumberOfMessages"]), int(found["ApproximateNumberOfMessagesNotVisible"])

    def drained(self):
        until("the queue is drained", lambda: self.counts() == (0, 0))

    def allow(self, *actions):
        statements = [(actions, "*"), ("lambda:InvokeFunction", "*"), (LOGS, "arn:aws:logs:*:*:*")]
        document = {"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": action, "Resource": resource} for action, resource in statements]}
        self.iam.put_role_policy(RoleName="TaskRole", PolicyName="Tasks", PolicyDocument=json.dumps(document))

    def consume(self):
        event = {"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}
        return self.functions.invoke(FunctionName="TaskConsumer", Payload=json.dumps(event), LogType="Tail")

    def logged(self, text):
        def found():
            try:
                pages = self.logs.get_paginator("filter_log_events").paginate(logGroupName="/aws/lambda/TaskWorker")
                return any(text in event["message"] for page in pages for event in page["events"])
            except self.logs.exceptions.ResourceNotFoundException:
                return False
        until(f"the Worker's log has {text!r}", found)


@pytest.fixture(name="story", scope="module")
def make_story(naru):
    return Story(naru)


def code_of(name):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        file.write(ROOT / f"test/js/functions/classic/{name}.js", "index.js")
    return packed.getvalue()


def test_functions_and_their_role_are_made(story):
    made = story.iam.create_role(RoleName="TaskRole", AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]
    assert made["Arn"] == ROLE
    assert made["AssumeRolePolicyDocument"] == TRUST
    story.allow("sqs:ReceiveMessage", "sqs:DeleteMessage")
    for name in ("TaskConsumer", "TaskWorker"):
        story.functions.create_function(
            FunctionName=name, Runtime="nodejs12.x", Handler="index.handler", Role=ROLE, Timeout=30, Code={"ZipFile": code_of(name)})
        story.functions.get_waiter("function_active_v2").wait(FunctionName=name)


def test_the_consumer_invoked_by_hand_drains_the_queue(story):
    story.send("wash the deck", "paint the hull", "mend the net")
    assert story.counts() == (3, 0)
    reply = story.consume()
    assert "FunctionError" not in reply
    assert json.load(reply["Payload"]) == {"tasks": 3, "from": "aws.events"}
    story.drained()
    story.logged("done with mend the net")


def test_a_rule_fires_the_consumer(story):
    arn = story.events.put_rule(Name="EveryMinute", ScheduleExpression="rate(1 minute)")["RuleArn"]
    target = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:TaskConsumer"
    assert story.events.put_targets(Rule="EveryMinute", Targets=[{"Id": "1", "Arn": target}])["FailedEntryCount"] == 0
    story.functions.add_permission(
        FunctionName="TaskConsumer", StatementId="rule", Action="lambda:InvokeFunction", Principal="events.amazonaws.com", SourceArn=arn)
    story.send("cast off")
    story.naru.advance(60)
    story.drained()
    story.logged("done with cast off")
    story.events.disable_rule(Name="EveryMinute")


def test_what_the_role_does_not_allow_is_refused_and_done_later(story):
    story.allow("sqs:ReceiveMessage")
    story.send("a task that cannot be finished yet")
    story.consume()
    story.logged("refused AccessDenied")
    assert story.counts() == (0, 1)
    story.allow("sqs:ReceiveMessage", "sqs:DeleteMessage")
    story.naru.advance(30)
    story.consume()
    story.drained()


def test_kill_9_loses_nothing(story):
    story.send("survive", "a crash")
    story.naru.kill()
    story.naru.start()
    assert story.counts() == (2, 0)
    story.consume()
    story.drained()
    story.logged("done with a crash")
    with pytest.raises(ClientError) as refused:
        story.iam.create_role(RoleName="TaskRole", AssumeRolePolicyDocument=json.dumps(TRUST))
    assert refused.value.response["Error"]["Code"] == "EntityAlreadyExists"
