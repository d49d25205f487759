# The function of the tests.
import os
import time


def handler(event, context):
    do = event.get("do")
    if do == "fail":
        raise ValueError("wrong")
    if do == "crash":
        os._exit(3)
    if do == "sleep":
        time.sleep(60)
    if do == "hog":
        held = []
        while True:
            held.append(b"x" * (1 << 20))
    if do == "layer":
        with open("/opt/text.txt") as f:
            return {"got": f.read()}
    if do == "queues":
        import boto3
        return {"got": boto3.client("sqs").list_queues().get("QueueUrls", [])}
    print("a line of", context.aws_request_id)
    return {"got": event.get("value")}
