"""SQS by boto3, which checks the digests of what it sends and receives itself."""

import pytest
from botocore.exceptions import ClientError

from naru import ACCOUNT


@pytest.fixture(name="sqs", scope="module")
def make_sqs(naru):
    return naru.client("sqs")


def attributes(sqs, url):
    return sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]


def refusal(call, **arguments):
    with pytest.raises(ClientError) as refused:
        call(**arguments)
    error = refused.value.response["Error"]
    return type(refused.value).__name__, error["Code"], error["Message"]


def test_a_message_comes_back_as_it_was_sent(sqs):
    url = sqs.create_queue(QueueName="whole")["QueueUrl"]
    body = "나루 ⛴️ <&>\r\n\t\"'"
    given = {
        "text": {"DataType": "String", "StringValue": body},
        "number": {"DataType": "Number.float", "StringValue": "1.5e3"},
        "bytes": {"DataType": "Binary.png", "BinaryValue": bytes(range(256))},
    }
    sent = sqs.send_message(QueueUrl=url, MessageBody=body, MessageAttributes=given)
    [got] = sqs.receive_message(QueueUrl=url, MessageAttributeNames=["All"], MessageSystemAttributeNames=["All"])["Messages"]
    assert got["Body"] == body
    assert got["MessageId"] == sent["MessageId"]
    assert got["MessageAttributes"] == given
    assert got["MD5OfMessageAttributes"] == sent["MD5OfMessageAttributes"]
    assert got["Attributes"]["ApproximateReceiveCount"] == "1"
    sqs.delete_message(QueueUrl=url, ReceiptHandle=got["ReceiptHandle"])
    assert attributes(sqs, url)["ApproximateNumberOfMessagesNotVisible"] == "0"


def test_batches_say_what_became_of_each_entry(sqs):
    url = sqs.create_queue(QueueName="batches", Attributes={"MaximumMessageSize": "1024"})["QueueUrl"]
    reply = sqs.send_message_batch(QueueUrl=url, Entries=[
        {"Id": "good", "MessageBody": "x"}, {"Id": "large", "MessageBody": "x" * 1025}, {"Id": "late", "MessageBody": "y", "DelaySeconds": 5}])
    assert [entry["Id"] for entry in reply["Successful"]] == ["good", "late"]
    assert [(entry["Id"], entry["Code"], entry["SenderFault"]) for entry in reply["Failed"]] == [("large", "InvalidParameterValue", True)]
    [got] = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
    reply = sqs.delete_message_batch(QueueUrl=url, Entries=[
        {"Id": "a", "ReceiptHandle": got["ReceiptHandle"]}, {"Id": "b", "ReceiptHandle": "forged"}])
    assert [entry["Id"] for entry in reply["Successful"]] == ["a"]
    assert [entry["Code"] for entry in reply["Failed"]] == ["ReceiptHandleIsInvalid"]


def test_time_passes(naru, sqs):
    url = sqs.create_queue(QueueName="times", Attributes={"VisibilityTimeout": "40", "DelaySeconds": "10"})["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="x")
    assert "Messages" not in sqs.receive_message(QueueUrl=url)
    naru.advance(10)
    [first] = sqs.receive_message(QueueUrl=url)["Messages"]
    naru.advance(39)
    assert "Messages" not in sqs.receive_message(QueueUrl=url)
    sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=first["ReceiptHandle"], VisibilityTimeout=0)
    assert len(sqs.receive_message(QueueUrl=url, WaitTimeSeconds=20)["Messages"]) == 1


def test_dead_letters(naru, sqs):
    dead = sqs.create_queue(QueueName="dead")["QueueUrl"]
    policy = f'{{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:{ACCOUNT}:dead","maxReceiveCount":"1"}}'
    url = sqs.create_queue(QueueName="alive", Attributes={"RedrivePolicy": policy})["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="poison")
    assert sqs.receive_message(QueueUrl=url)["Messages"][0]["Body"] == "poison"
    naru.advance(30)
    assert "Messages" not in sqs.receive_message(QueueUrl=url)
    [got] = sqs.receive_message(QueueUrl=dead, WaitTimeSeconds=20, MessageSystemAttributeNames=["All"])["Messages"]
    assert got["Attributes"]["DeadLetterQueueSourceArn"] == f"arn:aws:sqs:us-east-1:{ACCOUNT}:alive"


def test_errors_are_boto3s_exceptions(naru, sqs):
    nowhere = f"{naru.endpoint}/{ACCOUNT}/nowhere"
    assert refusal(sqs.send_message, QueueUrl=nowhere, MessageBody="x") == (
        "QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue", "The specified queue does not exist.")
    url = sqs.create_queue(QueueName="errors")["QueueUrl"]
    assert refusal(sqs.create_queue, QueueName="errors", Attributes={"DelaySeconds": "1"})[:2] == ("QueueNameExists", "QueueAlreadyExists")
    assert refusal(sqs.delete_message, QueueUrl=url, ReceiptHandle="forged")[:2] == ("ReceiptHandleIsInvalid",) * 2
    assert refusal(sqs.receive_message, QueueUrl=url, MaxNumberOfMessages=11) == (
        "ClientError", "InvalidParameterValue",
        "Value 11 for parameter MaxNumberOfMessages is invalid. Reason: Must be between 1 and 10, if provided.")


def test_everything_is_there_after_a_crash(naru, sqs):
    url = sqs.create_queue(QueueName="crash", Attributes={"VisibilityTimeout": "77"})["QueueUrl"]
    sent = {sqs.send_message(QueueUrl=url, MessageBody=f"{n}")["MessageId"] for n in range(20)}
    held = sqs.receive_message(QueueUrl=url)["Messages"][0]
    naru.kill()
    naru.start()
    assert attributes(sqs, url)["VisibilityTimeout"] == "77"
    got = [held]
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        got += messages
    assert sorted(message["MessageId"] for message in got) == sorted(sent)
    for message in got:
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    naru.advance(77)
    assert "Messages" not in sqs.receive_message(QueueUrl=url)
