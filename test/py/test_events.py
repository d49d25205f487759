"""EventBridge and EventBridge Scheduler by boto3: all of it is made, listed, changed and deleted, and delivers."""

import datetime
import json

import pytest
from botocore.exceptions import ClientError

from naru import ACCOUNT, REGION


def arn(service, resource):
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{resource}"


def refusal(call, **arguments):
    with pytest.raises(ClientError) as refused:
        call(**arguments)
    error = refused.value.response["Error"]
    return error["Code"], error["Message"]


def bodies(sqs, url, wait=10):
    messages = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=wait, MaxNumberOfMessages=10).get("Messages", [])
    for message in messages:
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return [message["Body"] for message in messages]


def queue(sqs, name, service="events.amazonaws.com"):
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sqs:SendMessage", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": statement})
    return sqs.create_queue(QueueName=name, Attributes={"Policy": policy})["QueueUrl"]


def test_buses_and_rules(naru):
    sqs, events = naru.client("sqs"), naru.client("events")
    url = queue(sqs, "orders")
    assert events.create_event_bus(Name="orders", Description="d")["EventBusArn"] == arn("events", "event-bus/orders")
    events.update_event_bus(Name="orders", Description="e")
    bus = events.describe_event_bus(Name="orders")
    assert bus["Description"] == "e" and isinstance(bus["CreationTime"], datetime.datetime)
    assert [bus["Name"] for bus in events.list_event_buses()["EventBuses"]] == ["default", "orders"]
    policy = json.dumps({"Version": "2012-10-17", "Statement": [{"Sid": "s", "Effect": "Allow", "Principal": "*", "Action": "events:PutEvents", "Resource": "*"}]})
    events.put_permission(EventBusName="orders", Policy=policy)
    assert json.loads(events.describe_event_bus(Name="orders")["Policy"]) == json.loads(policy)
    events.remove_permission(EventBusName="orders", StatementId="s")

    pattern = json.dumps({"source": [{"prefix": "shop."}], "detail": {"items": {"sku": ["a-1"], "count": [{"numeric": [">=", 2]}]}}})
    rule = events.put_rule(Name="r", EventBusName="orders", EventPattern=pattern, Tags=[{"Key": "k", "Value": "v"}])["RuleArn"]
    assert rule == arn("events", "rule/orders/r")
    assert events.list_tags_for_resource(ResourceARN=rule)["Tags"] == [{"Key": "k", "Value": "v"}]
    target = {"Id": "t", "Arn": arn("sqs", "orders"), "InputPath": "$.detail.items[*].sku", "RetryPolicy": {"MaximumRetryAttempts": 3, "MaximumEventAgeInSeconds": 60}}
    assert events.put_targets(Rule="r", EventBusName="orders", Targets=[target])["FailedEntryCount"] == 0
    assert events.list_targets_by_rule(Rule="r", EventBusName="orders")["Targets"] == [target]
    assert events.list_rules(EventBusName="orders", NamePrefix="r")["Rules"][0]["EventPattern"] == pattern

    def entry(*items):
        detail = json.dumps({"items": [{"sku": sku, "count": count} for sku, count in items]})
        return {"EventBusName": "orders", "Source": "shop.web", "DetailType": "order", "Detail": detail, "Time": datetime.datetime.now(), "Resources": ["x"]}

    put = events.put_events(Entries=[entry(("a-1", 1), ("b-2", 3)), entry(("b-2", 1), ("a-1", 2))])
    assert put["FailedEntryCount"] == 0
    assert bodies(sqs, url) == ['["b-2","a-1"]']
    event = {"id": "1", "account": ACCOUNT, "source": "shop.web", "time": "2026-01-01T00:00:00Z", "region": REGION, "resources": [], "detail-type": "t"}
    assert not events.test_event_pattern(EventPattern=pattern, Event=json.dumps(event))["Result"]

    assert refusal(events.put_rule, Name="x", EventPattern='{"a": "b"}')[0] == "InvalidEventPatternException"
    assert refusal(events.describe_rule, Name="x", EventBusName="orders") == ("ResourceNotFoundException", "Rule x does not exist on EventBus orders.")
    events.remove_targets(Rule="r", EventBusName="orders", Ids=["t"])
    events.delete_rule(Name="r", EventBusName="orders")
    events.delete_event_bus(Name="orders")
    assert refusal(events.delete_event_bus, Name="default") == ("ValidationException", "Cannot delete event bus default.")


def test_schedules_and_groups(naru):
    sqs, scheduler = naru.client("sqs"), naru.client("scheduler")
    url = sqs.create_queue(QueueName="scheduled")["QueueUrl"]
    assert scheduler.create_schedule_group(Name="g")["ScheduleGroupArn"] == arn("scheduler", "schedule-group/g")
    target = {"Arn": arn("sqs", "scheduled"), "RoleArn": f"arn:aws:iam::{ACCOUNT}:role/any", "Input": "go"}
    schedule = {"Name": "s", "GroupName": "g", "ScheduleExpression": "rate(5 minutes)", "FlexibleTimeWindow": {"Mode": "OFF"}, "Target": target}
    assert scheduler.create_schedule(**schedule)["ScheduleArn"] == arn("scheduler", "schedule/g/s")
    assert bodies(sqs, url) == ["go"]
    naru.advance(300)
    assert bodies(sqs, url) == ["go"]
    got = scheduler.get_schedule(Name="s", GroupName="g")
    assert got["State"] == "ENABLED" and got["ActionAfterCompletion"] == "NONE" and isinstance(got["CreationDate"], datetime.datetime)
    end = datetime.datetime(2199, 1, 1, tzinfo=datetime.timezone.utc)
    schedule.update(ScheduleExpression="cron(0 9 ? * MON-FRI *)", ScheduleExpressionTimezone="Asia/Tokyo", EndDate=end, State="DISABLED")
    scheduler.update_schedule(**schedule)
    assert scheduler.get_schedule(Name="s", GroupName="g")["EndDate"] == end
    assert [s["Name"] for s in scheduler.list_schedules(GroupName="g", State="DISABLED")["Schedules"]] == ["s"]
    scheduler.tag_resource(ResourceArn=arn("scheduler", "schedule-group/g"), Tags=[{"Key": "naru:jitter", "Value": "1m"}])
    scheduler.untag_resource(ResourceArn=arn("scheduler", "schedule-group/g"), TagKeys=["naru:jitter"])
    assert scheduler.list_tags_for_resource(ResourceArn=arn("scheduler", "schedule-group/g"))["Tags"] == []
    schedule.update(Name="x", ScheduleExpression="at(2021-12-31)")
    assert refusal(scheduler.create_schedule, **schedule) == ("ValidationException", "Invalid Schedule Expression at(2021-12-31).")
    scheduler.delete_schedule(Name="s", GroupName="g")
    assert refusal(scheduler.delete_schedule, Name="s", GroupName="g")[0] == "ResourceNotFoundException"
    scheduler.delete_schedule_group(Name="g")
    assert [group["Name"] for group in scheduler.list_schedule_groups()["ScheduleGroups"]] == ["default"]
