"""SQS by boto3: by a new one, which speaks JSON, and by an old one, which speaks the query protocol."""

import hashlib
import struct

import pytest
from botocore.exceptions import ClientError

from naru import ACCOUNT


@pytest.fixture(name="query", scope="module")
def is_query(sqs):
    """Whether it is the query protocol."""
    return sqs.meta.service_model.metadata["protocol"] == "query"


@pytest.fixture(name="system", scope="module")
def choose_system(query):
    """Asks a receive for all system attributes, the way that this boto3 knows."""
    return {"AttributeNames" if query else "MessageSystemAttributeNames": ["All"]}


def md5(data):
    return hashlib.md5(data).hexdigest()


def md5_of_attributes(given):
    """Returns the digest of message attributes, as SQS's documentation says it is made."""
    encoded = b""
    for name, value in sorted(given.items()):
        kind = value["DataType"]
        binary = kind.startswith("Binary")
        data = value["BinaryValue"] if binary else value["StringValue"].encode()
        for part in (name.encode(), kind.encode()):
            encoded += struct.pack(">I", len(part)) + part
        encoded += (b"\2" if binary else b"\1") + struct.pack(">I", len(data)) + data
    return md5(encoded)


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


def test_the_requirements_bring_the_protocol(sqs, query, pytestconfig):
    assert query == pytestconfig.getoption("--query")


def test_a_message_comes_back_as_it_was_sent(sqs, system):
    url = sqs.create_queue(QueueName="whole")["QueueUrl"]
    body = "나루 ⛴️ <&>\r\n\t\"'"
    given = {
        "text": {"DataType": "String", "StringValue": body},
        "number": {"DataType": "Number.float", "StringValue": "1.5e3"},
        "bytes": {"DataType": "Binary.png", "BinaryValue": bytes(range(256))},
    }
    sent = sqs.send_message(QueueUrl=url, MessageBody=body, MessageAttributes=given)
    assert (sent["MD5OfMessageBody"], sent["MD5OfMessageAttributes"]) == (md5(body.encode()), md5_of_attributes(given))
    [got] = sqs.receive_message(QueueUrl=url, MessageAttributeNames=["All"], **system)["Messages"]
    assert (got["Body"], got["MD5OfBody"]) == (body, md5(body.encode()))
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


def test_dead_letters(naru, sqs, system):
    dead = sqs.create_queue(QueueName="dead")["QueueUrl"]
    policy = f'{{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:{ACCOUNT}:dead","maxReceiveCount":"1"}}'
    url = sqs.create_queue(QueueName="alive", Attributes={"RedrivePolicy": policy})["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="poison")
    assert sqs.receive_message(QueueUrl=url)["Messages"][0]["Body"] == "poison"
    naru.advance(30)
    assert "Messages" not in sqs.receive_message(QueueUrl=url)
    [got] = sqs.receive_message(QueueUrl=dead, WaitTimeSeconds=20, **system)["Messages"]
    assert got["Attributes"]["DeadLetterQueueSourceArn"] == f"arn:aws:sqs:us-east-1:{ACCOUNT}:alive"


def test_fifo(naru, sqs, system):
    url = sqs.create_queue(QueueName="line.fifo", Attributes={"FifoQueue": "true", "ContentBasedDeduplication": "true"})["QueueUrl"]
    sent = [sqs.send_message(QueueUrl=url, MessageBody=body, MessageGroupId=body[0]) for body in ("a1", "a2", "b1", "a1")]
    assert sent[3]["MessageId"] == sent[0]["MessageId"]
    assert sent[0]["SequenceNumber"] < sent[1]["SequenceNumber"] < sent[2]["SequenceNumber"]
    [first] = sqs.receive_message(QueueUrl=url, **system)["Messages"]
    assert first["Attributes"]["SequenceNumber"] == sent[0]["SequenceNumber"]
    assert (first["Attributes"]["MessageGroupId"], first["Attributes"]["MessageDeduplicationId"]) == ("a", hashlib.sha256(b"a1").hexdigest())
    [other] = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
    assert (first["Body"], other["Body"]) == ("a1", "b1")
    reply = sqs.change_message_visibility_batch(QueueUrl=url, Entries=[
        {"Id": "a", "ReceiptHandle": first["ReceiptHandle"], "VisibilityTimeout": 0}, {"Id": "b", "ReceiptHandle": "forged", "VisibilityTimeout": 0}])
    assert [entry["Id"] for entry in reply["Successful"]] == ["a"]
    assert [(entry["Id"], entry["Code"]) for entry in reply["Failed"]] == [("b", "ReceiptHandleIsInvalid")]
    again = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
    assert [message["Body"] for message in again] == ["a1", "a2"]
    for message in again:
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    naru.advance(300)
    assert sqs.send_message(QueueUrl=url, MessageBody="a1", MessageGroupId="a")["MessageId"] != sent[0]["MessageId"]


def test_queues_are_managed(naru, sqs):
    urls = sorted(sqs.create_queue(QueueName=f"manage-{n}", tags={"n": str(n)})["QueueUrl"] for n in range(5))
    pages = list(sqs.get_paginator("list_queues").paginate(QueueNamePrefix="manage-", PaginationConfig={"PageSize": 2}))
    assert [url for page in pages for url in page["QueueUrls"]] == urls and len(pages) == 3
    assert sqs.get_queue_url(QueueName="manage-3")["QueueUrl"] == urls[3] == f"{naru.endpoint}/{ACCOUNT}/manage-3"
    sqs.set_queue_attributes(QueueUrl=urls[0], Attributes={"VisibilityTimeout": "7", "ReceiveMessageWaitTimeSeconds": "1"})
    some = sqs.get_queue_attributes(QueueUrl=urls[0], AttributeNames=["VisibilityTimeout", "QueueArn"])["Attributes"]
    assert some == {"VisibilityTimeout": "7", "QueueArn": f"arn:aws:sqs:us-east-1:{ACCOUNT}:manage-0"}
    sqs.tag_queue(QueueUrl=urls[0], Tags={"<k>": "v & w", "x": ""})
    sqs.untag_queue(QueueUrl=urls[0], TagKeys=["x", "n"])
    assert sqs.list_queue_tags(QueueUrl=urls[0])["Tags"] == {"<k>": "v & w"}
    sqs.add_permission(QueueUrl=urls[0], Label="l", AWSAccountIds=["111122223333"], Actions=["SendMessage", "ReceiveMessage"])
    assert '"SQS:ReceiveMessage"' in attributes(sqs, urls[0])["Policy"]
    sqs.remove_permission(QueueUrl=urls[0], Label="l")
    sqs.send_message(QueueUrl=urls[0], MessageBody="x")
    sqs.purge_queue(QueueUrl=urls[0])
    assert attributes(sqs, urls[0])["ApproximateNumberOfMessages"] == "0"
    assert refusal(sqs.purge_queue, QueueUrl=urls[0])[1] == "AWS.SimpleQueueService.PurgeQueueInProgress"
    sqs.delete_queue(QueueUrl=urls[0])
    assert refusal(sqs.create_queue, QueueName="manage-0")[1] == "AWS.SimpleQueueService.QueueDeletedRecently"


def test_errors_are_boto3s_exceptions(naru, sqs, query):
    nowhere = f"{naru.endpoint}/{ACCOUNT}/nowhere"
    assert refusal(sqs.send_message, QueueUrl=nowhere, MessageBody="x") == (
        "QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue",
        f"The specified queue does not exist{' for this wsdl version' if query else ''}.")
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
